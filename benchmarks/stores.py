"""Stores of a stated size, built fast: through the journals' own code, without waiting for the disk."""

import collections
import os
import time

from bench import no_fsync

from memshim import Store
from memshim.store import identity
from memshim.store.journal import Journal
from memshim.text.entry import Entry, block_id

LINES = 140
"""How many lines a view has here: about what agents are told to keep to."""


def line(n: int) -> str:
    """Returns one bullet, like no other."""
    return f"- note {n}: a thing that somebody learned while working here, and that others should know\n"


def plain(folder: str, lines: int = LINES) -> Store:
    """Makes a store whose MEMORY.md has this many lines, from before memshim."""
    os.makedirs(folder)
    with open(os.path.join(folder, "MEMORY.md"), "w") as file:
        file.write("# Memory\n\n" + "".join(line(-n) for n in range(1, lines - 1)))
    store = Store.open(folder)
    store.init()
    return store


class Aged:
    """Is a store with a long past: what was appended was forgotten again, so that the view keeps its size."""

    def __init__(self, folder: str, entries: int) -> None:
        self.folder = folder
        self.store = plain(folder, LINES // 2)
        self.live: collections.deque[str] = collections.deque()
        self.dead: list[str] = []
        self.count = 0
        layout = self.store.layout
        self._journals = [Journal(layout, f"agent-{n}", identity.replica(layout)) for n in range(5)]
        with no_fsync():
            self.add(LINES - LINES // 2, forget=False)
            step = max(200, min(5_000, entries // 4))
            while self.count < entries:
                self.add(min(step, entries - self.count))
                self.store.compact()

    def add(self, entries: int, named: int = 0, forget: bool = True) -> None:
        """Adds entries, every other one forgetting the oldest note; `named` of them name a block removed long ago."""
        for n in range(entries):
            journal = self._journals[self.count % len(self._journals)]
            if n < named:
                bury(journal, self.dead[(self.count * 7919) % max(1, len(self.dead) // 4)])
            elif forget and n % 2:
                self.dead.append(self.live.popleft())
                bury(journal, self.dead[-1])
            else:
                op = {"op": "add", "doc": "MEMORY.md", "section": "", "kinds": "b"}
                text = line(self.count).encode()
                entry = journal.append(Entry("", "", "append", journal.agent, [{**op, "blocks": [text]}]))
                self.live.append(block_id(entry.id, 0))
            self.count += 1


def bury(journal: Journal, block: str) -> None:
    """Appends a tombstone on one block."""
    op = {"op": "remove", "doc": "MEMORY.md", "targets": [block]}
    journal.append(Entry("", "", "forget", journal.agent, [op]))


def with_dead_agents(folder: str, agents: int) -> Store:
    """Makes a store in which this many agents wrote a note two days ago, forgot it, and never came back."""
    store = plain(folder)
    layout = store.layout
    replica = identity.replica(layout)
    old = time.time() - 2 * 86_400
    with no_fsync():
        for n in range(agents):
            journal = Journal(layout, f"dead-{n}", replica)
            op = {"op": "add", "doc": "MEMORY.md", "section": "", "kinds": "b", "blocks": [line(n).encode()]}
            entry = journal.append(Entry("", "", "append", journal.agent, [op]))
            bury(journal, block_id(entry.id, 0))
            journal.close()
            os.utime(journal.path, (old, old))
    return store


def journals(store: Store) -> int:
    """Returns how many journals there are, archived ones left out."""
    return len(os.listdir(store.layout.path("journals")))
