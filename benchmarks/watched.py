"""A daemon of the benchmark's own, and stores that it watches."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

HERE = os.path.dirname(os.path.abspath(__file__))
START = b"# Memory\n\n" + b"".join(b"- what was known before, line %d\n" % n for n in range(20))


PROGRAM = """
import os, sys
sys.path.insert(0, os.environ["BENCH_HERE"])
import socket_worker
pause, real = int(os.environ.get("BENCH_FSYNC_MS", "0")) / 1000, os.fsync
if pause:
    os.fsync = lambda fd: (real(fd), socket_worker.slow_disk(pause))
from memshim.daemon.lifecycle import run
run()
"""


def settle(check: "object", timeout: float = 30.0) -> bool:
    """Waits until `check()` is true; tells whether it came to that."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if check():  # type: ignore[operator]
            return True
        time.sleep(0.02)
    return False


@contextlib.contextmanager
def daemon(folder: str) -> Iterator[int]:
    """Runs a daemon for the scratch home, in a process of its own; gives its pid, and ends it."""
    runtime = tempfile.mkdtemp(prefix="ms-")
    os.environ["XDG_RUNTIME_DIR"] = runtime
    with open(os.path.join(folder, "daemon.out"), "ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM], stdout=out, stderr=out, cwd="/",
            env={**os.environ, "PYTHONPATH": os.path.dirname(HERE), "MALLOC_ARENA_MAX": "2", "BENCH_HERE": HERE},
        )  # fmt: skip
    try:
        from memshim.daemon import lifecycle

        if not settle(lambda: (found := lifecycle.status()) and not any(s["polled"] for s in found["stores"])):
            raise RuntimeError("the daemon did not start, or does not watch")
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)
        for where, _, names in os.walk(runtime, topdown=False):
            for name in names:
                os.unlink(os.path.join(where, name))
            os.rmdir(where)


def store(folder: str, name: str, text: bytes = START) -> str:
    """Makes a store; returns its path."""
    from memshim import Store

    path = os.path.realpath(os.path.join(folder, name))
    os.makedirs(path)
    with open(os.path.join(path, "MEMORY.md"), "wb") as file:
        file.write(text)
    Store.open(path).init()
    return path


def row_of(path: str) -> "dict[str, object] | None":
    """Returns what the daemon says of a store that it watches; None where there is none, or it does not."""
    from memshim.daemon import lifecycle

    return next((row for row in (lifecycle.status() or {"stores": []})["stores"] if row["store"] == path), None)
