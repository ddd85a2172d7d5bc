#!/usr/bin/env python3
"""Measures what memshim costs beside the simplest way of doing the same work, as ratios within one run.

    python benchmarks/core.py [--only a,b,...] [--quick] [--scratch DIR]

    a  the command `memshim append`, as pip installs it, against a Python that does one write and one fsync
    b  8 processes appending through the library against 8 raw O_APPEND writers, and the same on a slower disk
    c  compact with a long history against compact with a short one
    d  a store with 5,000 dead agents against one with 5
    e  the same notes through git, SQLite, a locked file and memshim
    f  growth: a long view, many topic files, many revisions

A ratio is the median over the rounds; in brackets stands the middle half of them. --quick takes small numbers, only to
see that everything runs: its figures mean nothing.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bench
import core_stores
import stores
import worker

REPOSITORY = Path(__file__).resolve().parent.parent
WORKER = str(Path(worker.__file__).resolve())
TEXT = worker.note("bench", 0).decode().strip()

FLOOR = """import os
fd = os.open({path!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(fd, b"x" * 299 + b"\\n")
os.fsync(fd)
"""


def figure(took: bench.Seconds, one: str, other: str) -> str:
    """Returns a ratio with its spread, for a cell."""
    return f"{bench.ratio(took, one, other):.2f} ({bench.spread(took, one, other)})"


# --- a: the command ---------------------------------------------------------------------------------


def installed(folder: str, quick: bool) -> tuple[str, str]:
    """Returns a Python and the `memshim` that goes with it: installed by a current pip, or (quick) made to look like it."""
    if quick:
        program = os.path.join(folder, "memshim")
        head = f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(REPOSITORY)!r})\n"
        with open(program, "w") as file:
            file.write(
                head + "from memshim.__main__ import program\nif __name__ == '__main__':\n    sys.exit(program())\n"
            )
        os.chmod(program, 0o755)
        return sys.executable, program
    home = os.path.join(folder, "venv")
    python, program = f"{home}/bin/python", f"{home}/bin/memshim"
    # An old pip writes a start script that imports re, which alone costs more than the append.
    pip = [python, "-m", "pip", "install", "-q"]
    for command in ([sys.executable, "-m", "venv", home], [*pip, "-U", "pip"], [*pip, str(REPOSITORY)]):
        subprocess.run(command, check=True)
    return python, program


def command(folder: str, quick: bool) -> None:
    """Figure a."""
    python, program = installed(folder, quick)
    unpublished, published = stores.plain(f"{folder}/a-journal"), stores.plain(f"{folder}/a-published")
    bare = [python, "-c", "pass"]
    floor = [python, "-c", FLOOR.format(path=f"{folder}/a.raw")]

    def append(store: str, *options: str) -> float:
        begin = time.perf_counter()
        bench.run([program, "append", "--store", store, *options, TEXT])
        return time.perf_counter() - begin

    def publish() -> float:
        seconds = append(published.layout.root)
        published.forget(text=TEXT)  # the view keeps its 140 lines
        return seconds

    took = bench.interleave(
        {
            "python -c pass": lambda: bench.run(bare),
            "python, one write and fsync": lambda: bench.run(floor),
            "memshim append --no-publish": lambda: append(unpublished.layout.root, "--no-publish"),
            "memshim append": publish,
        },
        rounds=5 if quick else 60,
        warm=1 if quick else 3,
    )
    base = "python, one write and fsync"
    targets = {"memshim append --no-publish": 1.3, "memshim append": 5.0}
    rows = []
    for name, seconds in took.items():
        target = targets.get(name)
        said = f"<= {target}: {bench.verdict(bench.ratio(took, name, base), target)}" if target else ""
        rows.append([name, bench.median_ms(seconds), figure(took, name, base), said])
    bench.table("a. one append by a command of its own (view of 140 lines)", ["", "ms", "ratio", "target"], rows)
    with core_stores.count_fsyncs() as count:
        published.append(TEXT)
    bench.say(f"  A published append waits for {count[0]} fsyncs, an unpublished one for 1; the floor has 1.")


# --- b: 8 processes ---------------------------------------------------------------------------------


def crowd(folder: str, how: str, processes: int, notes: int) -> float:
    """Races processes that write this many notes each, in a folder of their own; returns the seconds."""
    place = os.path.join(folder, f"race-{how}")
    os.makedirs(place)
    if how == "git":
        worker.git_prepare(place)
    elif how in ("memshim", "published"):
        with bench.no_fsync():
            stores.Store.open(place).init()
    commands = [[bench.PYTHON, WORKER, how, place, str(notes), f"agent-{n}"] for n in range(processes)]
    try:
        return bench.race(commands)
    finally:
        shutil.rmtree(place)


def processes(folder: str, quick: bool) -> None:
    """Figure b; the slower disk is this one with a sleep added to each fsync, on both sides."""
    rows = []
    for delay in (0, 2):
        notes = 20 if quick else (150 if delay else 600)
        os.environ["BENCH_FSYNC_DELAY_MS"] = str(delay)
        took = bench.interleave(
            {how: lambda how=how, notes=notes: crowd(folder, how, 8, notes) for how in ("raw", "memshim")},
            rounds=1 if quick else 15,
            warm=0 if quick else 1,
        )
        del os.environ["BENCH_FSYNC_DELAY_MS"]
        disk = f"fsync + {delay} ms (injected)" if delay else "this disk"
        rate = bench.ratio(took, "raw", "memshim")
        each = [f"{8 * notes / sorted(took[how])[len(took[how]) // 2]:.0f}" for how in ("raw", "memshim")]
        said = f">= 0.8: {bench.verdict(rate, 0.8, at_least=True)}" if not delay else ""
        rows.append([disk, *each, figure(took, "raw", "memshim"), said])
    head = ["", "raw notes/s", "memshim notes/s", "rate of memshim / raw", "target"]
    bench.table("b. 8 processes, 300 bytes each time, durable, library, publish off", head, rows)
    bench.say(f"  One write and fsync by one process takes {core_stores.fsync_ms(folder):.3f} ms here.")


# --- c, d: long pasts -------------------------------------------------------------------------------


def history(folder: str, quick: bool) -> None:
    """Figure c."""
    few, many = (200, 1_000) if quick else (1_000, 100_000)
    rounds = 3 if quick else 30
    begin = time.perf_counter()
    old = stores.Aged(f"{folder}/c-many", many)
    bench.say(f"\n  (a store of {old.count} entries built in {time.perf_counter() - begin:.0f} s)")
    young = core_stores.Renewed(f"{folder}/c-few", few)
    names = {0: "100 entries", 1: "100, one names a block removed long ago"}
    rows = []
    for named, name in names.items():
        took = bench.interleave(
            {"few": lambda n=named: young.compact(100, n), "many": lambda n=named: core_stores.compact(old, 100, n)},
            rounds=rounds,
            warm=2,
        )
        said = f"<= 1.5: {bench.verdict(bench.ratio(took, 'many', 'few'), 1.5)}"
        rows.append(
            [name, bench.median_ms(took["few"]), bench.median_ms(took["many"]), figure(took, "many", "few"), said]
        )
    title = f"c. compact, {few:,} against {many:,} folded entries, a view of {stores.LINES} lines"
    bench.table(title, ["new since the last", f"{few:,} (ms)", f"{many:,} (ms)", "ratio", "target"], rows)


def dead_agents(folder: str, quick: bool) -> None:
    """Figure d."""
    few, many = 5, 200 if quick else 5_000
    took: bench.Seconds = {}
    rows = []
    made = {n: stores.with_dead_agents(f"{folder}/d-{n}", n) for n in (few, many)}
    before = {n: stores.journals(store) for n, store in made.items()}
    first = {}
    for n, store in made.items():
        begin = time.perf_counter()
        store.compact()
        first[n] = time.perf_counter() - begin
    left = {n: stores.journals(store) for n, store in made.items()}
    rows.append(["journals before the first compact", str(before[few]), str(before[many]), "", ""])
    said = f"<= {left[few]}: {bench.verdict(left[many], left[few])}"
    rows.append(["journals after it", str(left[few]), str(left[many]), "", said])
    once = [f"{first[n] * 1000:.0f} ms" for n in (few, many)]
    rows.append(["that first compact (once)", *once, f"{first[many] / first[few]:.0f}", ""])
    rounds = 5 if quick else 40
    alive = {n: core_stores.Alive(store) for n, store in made.items()}
    works = {
        "append, unpublished": lambda one: one.append(False),
        "append, published": lambda one: one.append(True),
        "compact, 20 new entries": lambda one: one.compact(20),
    }
    for name, work in works.items():
        took = bench.interleave(
            {str(n): lambda n=n, work=work: work(alive[n]) for n in (few, many)},
            rounds=rounds * (3 if name.startswith("append") else 1),
            warm=2,
        )
        value = bench.ratio(took, str(many), str(few))
        each = [f"{float(bench.median_ms(took[str(n)]))} ms" for n in (few, many)]
        rows.append([name, *each, figure(took, str(many), str(few)), f"<= 1.2: {bench.verdict(value, 1.2)}"])
    bench.table("d. dead agents", ["", f"{few} agents", f"{many:,} agents", "ratio", "target"], rows)


# --- e: other ways ----------------------------------------------------------------------------------


def others(folder: str, quick: bool) -> None:
    """Figure e."""
    ways = {
        "raw": "raw O_APPEND + fsync, a file each",
        "memshim": "memshim library, unpublished",
        "published": "memshim library, published",
        "sqlite": "SQLite, WAL, synchronous=FULL",
        "filelock": "filelock, read, change, rename",
        "git": "git commit for each note",
    }
    if shutil.which("git") is None:
        del ways["git"]
        bench.say("\n  (git is not installed: its row is left out)")
    total = 16 if quick else 160
    rows = [[name] for name in ways.values()]
    for count in (1, 8):
        took = bench.interleave(
            {how: lambda how=how, n=count: crowd(folder, how, n, total // n) for how in ways},
            rounds=1 if quick else 7,
            warm=0 if quick else 1,
        )
        for row, how in zip(rows, ways, strict=True):
            row += [f"{sorted(took[how])[len(took[how]) // 2] / total * 1000:.2f}", figure(took, how, "raw")]
    head = ["", "1 process: ms/note", "to raw", "8 processes: ms/note", "to raw"]
    bench.table(f"e. {total} durable notes of 300 bytes", head, rows)


def growth(folder: str, quick: bool) -> None:
    """Figure f."""
    rows = core_stores.growth(folder, quick)
    bench.table("f. one published append through the library", ["", "ms", "to a view of 140 lines"], rows)


FIGURES = {"a": command, "b": processes, "c": history, "d": dead_agents, "e": others, "f": growth}


def main() -> None:
    """Measures what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default=",".join(FIGURES), help="figures to measure, as in a,b")
    parser.add_argument("--quick", action="store_true", help="small numbers: shows that it runs, measures nothing")
    parser.add_argument("--scratch", help="a folder on the disk to measure")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if unknown := set(wanted) - set(FIGURES):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    with bench.scratch(options.scratch) as folder:
        version = ".".join(map(str, sys.version_info[:3]))
        load = os.getloadavg()[0]
        bench.say(f"Python {version}, {os.cpu_count()} cores, {bench.file_system(folder)}, load {load:.1f}")
        for name in wanted:
            FIGURES[name](folder, options.quick)


if __name__ == "__main__":
    main()
