"""What core.py does to stores: the work of one round, without what it takes to prepare it."""

import contextlib
import os
import shutil
import statistics
import time
from collections.abc import Iterator

import bench
import stores

from memshim import Store
from memshim.store import identity
from memshim.store.journal import Journal
from memshim.text.entry import Entry, block_id


@contextlib.contextmanager
def count_fsyncs() -> Iterator[list[int]]:
    """Counts the fsyncs of this process in the one item of the list."""
    real, count = os.fsync, [0]

    def counted(fd: int) -> None:
        count[0] += 1
        real(fd)

    os.fsync = counted
    try:
        yield count
    finally:
        os.fsync = real


def fsync_ms(folder: str) -> float:
    """Returns what one write of 300 bytes and its fsync take here, by one process, the median of 500."""
    took = []
    fd = os.open(os.path.join(folder, "fsync.raw"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for _ in range(500):
        begin = time.perf_counter()
        os.write(fd, b"x" * 300)
        os.fsync(fd)
        took.append(time.perf_counter() - begin)
    os.close(fd)
    return statistics.median(took) * 1000


def timed_compact(folder: str) -> float:
    """Compacts as a new process would, the store opened anew; returns the seconds."""
    begin = time.perf_counter()
    with Store.open(folder) as store:
        store.compact()
    return time.perf_counter() - begin


def compact(aged: stores.Aged, entries: int, named: int) -> float:
    """Adds entries, then compacts; returns the seconds of the second only."""
    aged.add(entries, named=named)
    return timed_compact(aged.folder)


class Renewed:
    """Is an aged store that is built anew every few rounds, so that what the rounds add does not make it a big one."""

    EVERY = 5

    def __init__(self, folder: str, entries: int) -> None:
        self.folder = folder
        self.entries = entries
        self.uses = 0
        self.aged: stores.Aged | None = None

    def compact(self, entries: int, named: int) -> float:
        if self.aged is None or self.uses % self.EVERY == 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.aged = stores.Aged(self.folder, self.entries)
            compact(self.aged, entries, 0)  # the other store is warm too
        self.uses += 1
        return compact(self.aged, entries, named)


class Alive:
    """Is the one agent that works in a store of dead ones; what it adds it forgets again, so that the view keeps its size."""

    def __init__(self, store: Store) -> None:
        self.folder = store.layout.root
        self.store = Store.open(self.folder, agent="alive")
        self.journal = Journal(store.layout, "alive-too", identity.replica(store.layout))
        self.count = 0

    def append(self, publish: bool) -> float:
        """Returns the seconds of one append."""
        self.count += 1
        text = stores.line(self.count)
        begin = time.perf_counter()
        entry = self.store.append(text, publish=publish)
        seconds = time.perf_counter() - begin
        self.store.forget(entry)
        return seconds

    def compact(self, entries: int) -> float:
        """Returns the seconds of a compact after this many new entries."""
        for _ in range(entries // 2):
            self.count += 1
            text = stores.line(self.count).encode()
            op = {"op": "add", "doc": "MEMORY.md", "section": "", "kinds": "b", "blocks": [text]}
            entry = self.journal.append(Entry("", "", "append", self.journal.agent, [op]))
            stores.bury(self.journal, block_id(entry.id, 0))
        return timed_compact(self.folder)


def growth(folder: str, quick: bool) -> list[list[str]]:
    """Times a published append on a plain store and on three that have grown; returns rows for a table."""
    lines, topics, revisions = (500, 20, 50) if quick else (10_000, 1_000, 2_000)
    made = {"a view of 140 lines": stores.plain(f"{folder}/f-plain")}
    made[f"a view of {lines:,} lines"] = stores.plain(f"{folder}/f-lines", lines)
    many = f"{folder}/f-topics"
    os.makedirs(many)
    for n in range(topics):
        with open(f"{many}/topic-{n}.md", "w") as file:
            file.write(f"# Topic {n}\n\n" + "".join(stores.line(n * 10 + i) for i in range(10)))
    with open(f"{many}/MEMORY.md", "w") as file:
        file.write("# Memory\n\n" + "".join(stores.line(-n) for n in range(1, stores.LINES - 1)))
    with bench.no_fsync():
        store = Store.open(many)
        store.init()
        made[f"140 lines and {topics:,} topic files"] = store
        store = stores.plain(f"{folder}/f-revisions")
        for n in range(revisions // 2):
            store.forget(store.append(f"- passing {n}"))
        made[f"140 lines and {revisions:,} revisions"] = store
    alive = {name: Alive(store) for name, store in made.items()}
    took = bench.interleave(
        {name: lambda one=one: one.append(True) for name, one in alive.items()},
        rounds=3 if quick else 15,
    )
    base = "a view of 140 lines"
    return [
        [name, bench.median_ms(took[name]), f"{bench.ratio(took, name, base):.1f} ({bench.spread(took, name, base)})"]
        for name in took
    ]
