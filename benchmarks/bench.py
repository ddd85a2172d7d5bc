"""Fair timing: what is compared takes turns in one run, and only ratios of it are printed.

Other work on the machine slows all variants of a round alike, so a round's ratio survives it; seconds do not.
"""

import contextlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

Seconds = dict[str, list[float]]


def interleave(variants: dict[str, Callable[[], float | None]], rounds: int, warm: int = 1) -> Seconds:
    """Calls every variant once a round, each round in another order (the same ones in every run); returns the seconds of each.

    What runs before it makes a process of 2 ms slower or faster: behind an interpreter, by a sixth.

    A variant may return the seconds that count (its preparation left out); otherwise the whole call counts.
    """
    names = list(variants)
    took: Seconds = {name: [] for name in names}
    order = random.Random(rounds)
    for n in range(-warm, rounds):
        for name in order.sample(names, len(names)):
            begin = time.perf_counter()
            counted = variants[name]()
            whole = time.perf_counter() - begin
            if n >= 0:
                took[name].append(whole if counted is None else counted)
    return took


def ratio(took: Seconds, one: str, other: str) -> float:
    """Returns the median, over the rounds, of what `one` took by what `other` took in the same round."""
    return statistics.median(a / b for a, b in zip(took[one], took[other], strict=True))


def spread(took: Seconds, one: str, other: str) -> str:
    """Returns the middle half of the rounds' ratios, for people."""
    ratios = sorted(a / b for a, b in zip(took[one], took[other], strict=True))
    return f"{ratios[len(ratios) // 4]:.2f}-{ratios[(3 * len(ratios)) // 4]:.2f}"


def median_ms(seconds: Sequence[float]) -> str:
    """Returns the median in milliseconds, for people."""
    return f"{statistics.median(seconds) * 1000:.1f}"


def run(command: Sequence[str]) -> None:
    """Runs a command to its end, its output thrown away; raises where it fails."""
    pid = os.posix_spawn(command[0], list(command), os.environ, file_actions=_QUIET)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code != 0:
        raise RuntimeError(f"exit {code}: {list(command)}")


_QUIET = [
    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
]


def race(commands: Sequence[Sequence[str]]) -> float:
    """Starts processes, opens the gate when all are ready, and returns the seconds from then until the last is done.

    Each process prints a line when it is ready, waits for the end of its standard input, works, prints a line and ends;
    the seconds end with that line, so that leaving the interpreter does not count.
    """
    with contextlib.ExitStack() as stack:
        workers = []
        for command in commands:
            worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.callback(_end, worker)
            workers.append(worker)
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()
        begin = time.perf_counter()
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.close()
        for worker in workers:
            assert worker.stdout is not None
            if worker.stdout.readline() != b"done\n":
                raise RuntimeError(f"a worker failed: {worker.args!r}")
        return time.perf_counter() - begin


def _end(worker: "subprocess.Popen[bytes]") -> None:
    worker.kill()
    worker.wait()
    for pipe in (worker.stdin, worker.stdout):
        if pipe is not None:
            pipe.close()


@contextlib.contextmanager
def no_fsync() -> Iterator[None]:
    """Builds what is measured later without waiting for the disk, then brings all of it there."""
    real = os.fsync
    os.fsync = lambda fd: None
    try:
        yield
    finally:
        os.fsync = real
    os.sync()


@contextlib.contextmanager
def scratch(base: str | None = None) -> Iterator[str]:
    """Gives a folder on a real disk, with a home of its own, in which nothing of the user's is seen or changed."""
    folder = tempfile.mkdtemp(prefix="memshim-bench-", dir=base or real_disk())
    home = os.path.join(folder, "home")
    os.mkdir(home)
    before = dict(os.environ)
    for name in [n for n in os.environ if n.startswith(("MEMSHIM_", "GIT_", "PYTHON"))]:
        del os.environ[name]
    os.environ.update(
        HOME=home,
        XDG_CACHE_HOME=f"{home}/.cache",
        XDG_CONFIG_HOME=f"{home}/.config",
        XDG_DATA_HOME=f"{home}/.local/share",
        XDG_STATE_HOME=f"{home}/.local/state",
        GIT_CONFIG_NOSYSTEM="1",
    )
    try:
        yield folder
    finally:
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)


def real_disk() -> str:
    """Returns a temporary folder that is not in memory: there an fsync costs nothing, and the figures mean nothing."""
    for folder in (tempfile.gettempdir(), "/var/tmp", os.getcwd()):
        if file_system(folder) not in ("tmpfs", "ramfs", "overlay"):
            return folder
    raise SystemExit("No temporary folder lies on a disk. Name one with --scratch DIR.")


def file_system(folder: str) -> str:
    """Returns the type of the file system that a folder lies on, "unknown" where the system does not say."""
    best, kind = "", "unknown"
    with contextlib.suppress(OSError), open("/proc/mounts") as mounts:
        for line in mounts:
            _, place, this = line.split()[:3]
            inside = os.path.realpath(folder).startswith(place.rstrip("/") + "/") or place == "/"
            if inside and len(place) >= len(best):
                best, kind = place, this
    return kind


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table, its first column to the left."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    print(f"\n{title}", flush=True)
    for row in [head, *rows]:
        cells = [c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        print("  " + "  ".join(cells).rstrip(), flush=True)


def say(text: str) -> None:
    """Prints a line at once."""
    print(text, flush=True)


def verdict(value: float, target: float, at_least: bool = False) -> str:
    """Returns "met" or "missed"."""
    return "met" if (value >= target if at_least else value <= target) else "missed"


PYTHON = sys.executable
