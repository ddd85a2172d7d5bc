"""What the tests of the command line share: a small store to stand in, and a way to call it without a process."""

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from memshim import Store
from memshim.__main__ import main

START = b"# M\n\n- one\n- two\n- three\n"
_HOLDER = """
import sys
from memshim.disk.locks import QuickLock
with QuickLock(sys.argv[1], 5, "the-holder"):
    print("held", flush=True)
    sys.stdin.read()
"""


class Answer(NamedTuple):
    """Is what a command answered."""

    code: int
    out: bytes
    err: str


@pytest.fixture
def memory(store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that holds START, as the working folder."""
    (store_dir / "MEMORY.md").write_bytes(START)
    Store.open(store_dir).init()
    monkeypatch.chdir(store_dir)
    return store_dir


@pytest.fixture
def clash(memory: Path) -> Path:
    """The same store with an open clash: TWO by cli, zwei by a writer who had not seen it."""
    Store.open(memory).edit("- two", "- TWO")
    (memory / "MEMORY.md").write_bytes(START.replace(b"two", b"zwei"))
    return memory


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Answer]:
    """Runs the command line in this process: the same door, without the start of an interpreter."""

    def run(*args: str, stdin: bytes | None = None) -> Answer:
        monkeypatch.setattr(sys, "argv", ["memshim", *args])
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capsysbinary.readouterr()
        code = main()
        out, err = capsysbinary.readouterr()
        return Answer(code, out, err.decode())

    return run


@contextmanager
def lock_holder(store: Path) -> Iterator[int]:
    """Lets another process hold the store's lock; gives its id."""
    command = [sys.executable, "-c", _HOLDER, str(store / ".memshim" / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"held\n"
            yield process.pid
        finally:
            process.stdin.close()
            process.wait()


@pytest.fixture
def held(memory: Path) -> Iterator[int]:
    """Another process holds the lock of the store; its id."""
    with lock_holder(memory) as pid:
        yield pid


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `memshim` that a shell and git find."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "memshim"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m memshim "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return program
