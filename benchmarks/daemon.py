"""The figures of the daemon; run `python benchmarks/daemon.py [--only a,b] [--scratch DIR] [--quick]`.

    a  four writers without hooks, 100 changes each: how many are kept
    b  from a foreign change to the published merged view, with 50 stores watched
    c  the idle daemon with 50 stores: wake-ups, memory, inotify instances, start
    d  durable appends through the socket
    e  floods: 10,000 foreign files; a document rewritten 5,000 times

Each has a home, a runtime folder and stores of its own, in a scratch folder.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import bench

HERE = os.path.dirname(os.path.abspath(__file__))
START = b"# Memory\n\n" + b"".join(b"- what was known before, line %d\n" % n for n in range(20))


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
            [sys.executable, "-P", "-m", "memshim.daemon"], stdout=out, stderr=out, cwd="/",
            env={**os.environ, "PYTHONPATH": os.path.dirname(HERE), "MALLOC_ARENA_MAX": "2"},
        )  # fmt: skip
    try:
        from memshim.daemon import lifecycle

        if not lifecycle.wait_for(True, 20):
            raise RuntimeError("the daemon did not start")
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


# --- a ------------------------------------------------------------------------------------------------------


def race(path: str, how: str, changes: int, seed: int, writers: int = 4) -> "tuple[int, int, int]":
    """Lets the writers run; returns how many changes there were, how many are kept, and how many stand there twice."""
    document = os.path.join(path, "MEMORY.md")
    names = [f"writer-{n}" for n in range(writers)]
    command = [sys.executable, os.path.join(HERE, "unhooked.py"), document]
    bench.race([[*command, name, str(changes), how, str(seed)] for name in names])
    wanted = [f"- {name} learned fact {n}\n".encode() for name in names for n in range(changes)]

    def lines() -> "list[bytes]":
        with open(document, "rb") as file:
            return file.read().splitlines(keepends=True)

    last, still = lines(), time.monotonic()
    while time.monotonic() - still < 2:  # until nobody publishes any more
        time.sleep(0.1)
        if (now := lines()) != last:
            last, still = now, time.monotonic()
    return len(wanted), sum(line in set(last) for line in wanted), sum(last.count(line) > 1 for line in wanted)


def kept(folder: str, quick: bool) -> None:
    """a: without memshim, with the daemon, and in-place writers."""
    changes, runs = (10, 1) if quick else (100, 5)
    rows = []
    plain = os.path.join(folder, "plain")
    os.makedirs(plain)
    with open(os.path.join(plain, "MEMORY.md"), "wb") as file:
        file.write(START)
    sent, left, twice = race(plain, "rename", changes, 0)
    rows.append(["rename, without memshim", "1", str(sent), f"{left / sent:.1%}", "", str(twice)])
    for how, count in (("rename", runs), ("in place", 1 if quick else 2), ("append", 1)):
        shares, doubled = [], 0
        for n in range(count):
            path = store(folder, f"race-{how}-{n}".replace(" ", "-"))
            with daemon(folder):
                sent, left, twice = race(path, how, changes, n)
            shares.append(left / sent)
            doubled += twice
            bench.say(
                f"  {how}, run {n + 1}: {left} of {sent} kept, {twice} twice; {reported(path)} lost updates reported"
            )
        mean = statistics.mean(shares)
        rows.append(
            [f"{how}, with the daemon", str(count), str(sent), f"{mean:.1%}", f"{min(shares):.1%}", str(doubled)]
        )
    bench.table("a. 4 writers without hooks", ["how", "runs", "changes", "kept", "worst run", "twice"], rows)


def reported(path: str) -> int:
    """Returns how many lost updates `memshim lost` lists."""
    from memshim import Store
    from memshim.store import lost

    return sum(1 for _ in lost.listed(Store.open(path).memory()))


FIGURES = {"a": kept}


def main() -> None:
    """Measures what was asked for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", default=",".join(FIGURES))
    options.add_argument("--scratch")
    options.add_argument("--quick", action="store_true")
    chosen = options.parse_args()
    sys.path.insert(0, os.path.dirname(HERE))
    for name in chosen.only.split(","):
        with bench.scratch(chosen.scratch) as folder:
            FIGURES[name](folder, chosen.quick)


if __name__ == "__main__":
    main()
