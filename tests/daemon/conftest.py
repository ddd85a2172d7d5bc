"""What the daemon's tests share: a daemon of this test's own, and waiting for something to become true."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memshim import Store
from memshim.daemon import lifecycle

START = b"# M\n\n- one\n- two\n"


def until(check: Callable[[], object], timeout: float = 20.0) -> bool:
    """Waits until something is true; False if it does not come to that."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.01)
    return False


def renamed(path: Path, data: bytes) -> None:
    """Writes as agents' tools do: a temporary file beside it, renamed over it."""
    temporary = path.with_name(f"{path.name}.tmp.{time.monotonic_ns()}")
    temporary.write_bytes(data)
    os.rename(temporary, path)


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the ban on daemons away that every other test has."""
    monkeypatch.delenv("MEMSHIM_DAEMON")


@pytest.fixture
def memory(store_dir: Path) -> Path:
    """A store with START in it."""
    (store_dir / "MEMORY.md").write_bytes(START)
    Store.open(store_dir).init()
    return store_dir


@pytest.fixture
def start(allowed: None) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts daemons as children of this process, which are ended with the test."""
    running = []

    def begin(code: str = "from memshim.daemon.lifecycle import run; run()", **env: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen([sys.executable, "-P", "-c", code], env={**os.environ, **env})
        running.append(process)
        assert until(lambda: process.poll() is not None or (lifecycle.status() or {}).get("pid") == process.pid)
        return process

    yield begin
    for process in running:
        process.terminate()
        process.wait(20)


@pytest.fixture
def daemon(memory: Path, start: Callable[..., "subprocess.Popen[bytes]"]) -> "subprocess.Popen[bytes]":
    """A running daemon that watches the store."""
    process = start()
    assert until(lambda: [s["store"] for s in (lifecycle.status() or {}).get("stores", [])] == [str(memory)])
    return process
