"""The figures of the daemon; run `python benchmarks/daemon.py [--only a,b] [--scratch DIR] [--quick]`.

    a  four writers without hooks, 100 changes each: how many are kept
    b  from a foreign change to the published merged view, with 50 stores watched
    c  the idle daemon with 50 stores: wake-ups, memory, inotify instances, start
    d  durable appends through the socket
    e  floods: 10,000 foreign files; a document rewritten 5,000 times

Each has a home, a runtime folder and stores of its own, in a scratch folder.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial

import bench
import unhooked
from watched import START, daemon, row_of, settle, store

HERE = os.path.dirname(os.path.abspath(__file__))
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
    while time.monotonic() - still < 2:  # until nobody publishes any more, and a daemon has nothing left to take in
        time.sleep(0.1)
        if (now := lines()) != last or ((row := row_of(path)) and row["busy"]):
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


# --- b ------------------------------------------------------------------------------------------------------


def latency(folder: str, quick: bool) -> None:
    """b: the time from a writer's rename to the merged view on disk, less the 100 ms of standing still."""
    rounds = 5 if quick else 120
    stores = [store(folder, f"store-{n}") for n in range(3 if quick else 50)]
    took = []
    with daemon(folder):
        time.sleep(1)
        for n in range(rounds):
            path = stores[n % len(stores)]
            document = os.path.join(path, "MEMORY.md")
            own, other = b"- mine %d\n" % n, b"- theirs %d\n" % n
            with open(document, "rb") as file:
                old = file.read()
            append(path, other)
            unhooked.renamed(document, old + own)  # has not seen the other's line, so the view must be merged
            begin = time.perf_counter()
            until = begin + 20
            while time.perf_counter() < until:
                with open(document, "rb") as file:
                    if {own, other} <= set(file.read().splitlines(keepends=True)):
                        break
                time.sleep(0.001)
            took.append((time.perf_counter() - begin) * 1000 - 100)
            time.sleep(0.2)
    took.sort()
    median, late = statistics.median(took), took[min(len(took) - 1, int(len(took) * 0.99))]
    bench.table(
        "b. from a foreign change to the merged view, beyond 100 ms",
        ["stores", "changes", "median ms", "p99 ms"],
        [[str(len(stores)), str(rounds), f"{median:.0f}", f"{late:.0f}"]],
    )
    bench.say(f"  <= 50: {bench.verdict(median, 50)}; <= 500: {bench.verdict(late, 500)}")


def append(path: str, text: bytes) -> None:
    """Appends a line through memshim, published."""
    from memshim import Store

    with Store.open(path, agent="bench") as opened:
        opened.quick = True
        opened.append(text)


# --- c ------------------------------------------------------------------------------------------------------


def idle(folder: str, quick: bool) -> None:
    """c: what the daemon costs while nothing happens."""
    for n in range(3 if quick else 50):
        store(folder, f"store-{n}")
    seconds = 3 if quick else 20
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(HERE)}

    def starts(*words: str) -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-P", *words], check=True, env=environment, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begin

    def daemon_start() -> float:
        begin = time.perf_counter()
        with daemon(folder):
            return time.perf_counter() - begin

    took = bench.interleave({"python": lambda: starts("-c", "pass"), "daemon": daemon_start}, 3 if quick else 9)
    with daemon(folder) as pid:
        time.sleep(4)
        both = [pid, *children(pid)]
        before = sum(map(switches, both))
        time.sleep(seconds)
        wakes = (sum(map(switches, both)) - before) / seconds
        resident = sum(map(proportional_mb, both))
        links = [os.readlink(f"/proc/{p}/fd/{fd}") for p in both for fd in os.listdir(f"/proc/{p}/fd")]
        instances = sum("inotify" in link for link in links)
    start = bench.ratio(took, "daemon", "python")
    rows = [
        ["wake-ups a second, all threads", f"{wakes:.2f}", "1", bench.verdict(wakes, 1)],
        ["resident, MB, both processes, shared pages by halves", f"{resident:.0f}", "40", bench.verdict(resident, 40)],
        ["inotify instances", str(instances), "16", bench.verdict(instances, 16)],
        ["start until it answers / python -c pass", f"{start:.1f}", "15", bench.verdict(start, 15)],
    ]
    bench.table("c. the idle daemon, 50 stores", ["", "measured", "at most", ""], rows)


def children(pid: int) -> "list[int]":
    """Returns the processes that a process has started."""
    found: list[int] = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            found += map(int, file.read().split())
    return found


def proportional_mb(pid: int) -> float:
    """Returns a process's resident memory, pages that others have as well in equal parts."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024


def switches(pid: int) -> int:
    """Returns how often the process's threads went to sleep by themselves so far: each time they had woken up."""
    found = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status") as file:
            found += next(int(line.split()[1]) for line in file if line.startswith("voluntary"))
    return found


# --- d ------------------------------------------------------------------------------------------------------


def socket_appends(folder: str, quick: bool) -> None:
    """d: 16 processes append through the socket, against 16 that each write and sync a file of their own."""
    from memshim.daemon import client

    count, rounds = (10, 1) if quick else (300, 9)
    one, all_ = "10 ms an fsync, one at a time", "10 ms an fsync, all at once"
    rows = []
    for injected, words, target in [(0, "this disk", 0.5), (10, one, 3.0), (10, all_, None)]:
        os.environ["BENCH_FSYNC_MS"] = str(injected)
        os.environ["BENCH_DISK"] = os.path.join(folder, "disk") if words == one else ""
        many = max(count // 5, 5) if injected else count
        stores = (store(folder, f"store-{len(rows)}-{n}") for n in itertools.count())

        def race(how: str, many: int = many, stores: "Iterator[str]" = stores) -> float:
            path = next(stores)  # one that has grown is published meanwhile, which takes longer and longer
            client.ask("append", {"store": path, "agent": "first", "id": "f" * 32}, b"- the journal is there")
            settle(
                lambda: (row := row_of(path)) and not row["busy"]
            )  # its first look at a store is no part of an append
            worker = [sys.executable, os.path.join(HERE, "socket_worker.py"), how, path, str(many)]
            return bench.race([[*worker, f"{n:02d}"] for n in range(16)])

        with daemon(folder):
            took = bench.interleave({how: partial(race, how) for how in ("raw", "socket")}, rounds, warm=1)
        rates = {how: 16 * many / statistics.median(seconds) for how, seconds in took.items()}
        value = bench.ratio(took, "raw", "socket")
        rows.append([words, f"{rates['raw']:.0f}", f"{rates['socket']:.0f}", f"{value:.2f}",
                     bench.spread(took, "raw", "socket"),
                     f">= {target:g}: {bench.verdict(value, target, True)}" if target else ""])  # fmt: skip
    del os.environ["BENCH_FSYNC_MS"], os.environ["BENCH_DISK"]
    head = ["16 processes", "raw a second", "socket a second", "socket / raw", "middle half", ""]
    bench.table("d. durable appends through the socket", head, rows)


# --- e ------------------------------------------------------------------------------------------------------


def floods(folder: str, quick: bool) -> None:
    """e: many foreign files, and a document that is rewritten as fast as possible."""
    files, rewrites = (200, 100) if quick else (10_000, 5_000)
    path = store(folder, "store")
    document = os.path.join(path, "MEMORY.md")
    rows = []
    with daemon(folder) as pid:
        for what, count in (("files made", files), ("rewrites", rewrites)):
            peak = [0.0]
            begin = time.perf_counter()
            for n in range(count):
                if what == "rewrites":
                    text = START + b"- rewrite %d\n" % n
                    with open(f"{document}.tmp", "wb") as file:
                        file.write(text)
                    os.rename(f"{document}.tmp", document)
                else:
                    with open(os.path.join(path, f"foreign-{n}.txt"), "wb") as file:
                        file.write(b"x" * 100)
                if n % 100 == 0:
                    peak[0] = max(peak[0], resident_mb(pid))
            took = time.perf_counter() - begin
            mark = b"- after %s\n" % what.encode()
            with open(document, "rb") as file:
                unhooked.renamed(document, file.read() + mark)
            begin = time.perf_counter()
            taken = settle(lambda mark=mark: recorded(path, mark), 120)
            peak[0] = max(peak[0], resident_mb(pid))
            alive = os.path.exists(f"/proc/{pid}")
            rows.append([f"{count} {what}", f"{took:.1f}", "yes" if alive else "NO", f"{peak[0]:.0f}",
                         f"yes, after {time.perf_counter() - begin:.1f} s" if taken else "NO"])  # fmt: skip
    bench.table("e. floods", ["", "seconds", "stays up", "peak MB", "last change taken in"], rows)


def resident_mb(pid: int) -> float:
    """Returns the process's resident memory."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def recorded(path: str, line: bytes) -> bool:
    """Tells whether a line is in the store's entries, read without taking anything in."""
    from memshim.disk.layout import Layout
    from memshim.store.memory import Memory

    return line.strip() in Memory(Layout(path)).view("MEMORY.md").text


FIGURES = {"a": kept, "b": latency, "c": idle, "d": socket_appends, "e": floods}


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
