"""Waiting for what another process or thread does, and writing as agents' tools write."""

import os
import time
from collections.abc import Callable
from pathlib import Path

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
