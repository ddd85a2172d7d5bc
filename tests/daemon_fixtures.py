"""What the daemon's tests share: a daemon of this test's own, which is ended with it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from waiting import START, until

from memshim import Store
from memshim.daemon import lifecycle


@pytest.fixture
def daemon_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the ban on daemons away that every other test has."""
    monkeypatch.delenv("MEMSHIM_DAEMON")


@pytest.fixture
def watched(store_dir: Path) -> Path:
    """A store with START in it."""
    (store_dir / "MEMORY.md").write_bytes(START)
    Store.open(store_dir).init()
    return store_dir


@pytest.fixture
def start_daemon(daemon_allowed: None) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
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
def daemon(watched: Path, start_daemon: Callable[..., "subprocess.Popen[bytes]"]) -> "subprocess.Popen[bytes]":
    """A running daemon that watches the store."""
    process = start_daemon()
    assert until(lambda: _watches(watched))
    return process


def _watches(store: Path) -> bool:
    found = (lifecycle.status() or {}).get("stores", [])
    return [(one["store"], one["polled"], one["busy"]) for one in found] == [(str(store), "", False)]
