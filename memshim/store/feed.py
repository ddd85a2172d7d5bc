"""Feed: what is new in a store since one looked last, at the price of a few looks where nothing is.  Must not know who reads.

Works without a daemon: whoever follows a store asks `poll` again when the daemon hints at a change, or every second.
"""

import os

from memshim.disk.layout import is_document
from memshim.store.memory import Memory
from memshim.store.store import Store
from memshim.text.entry import Entry

LATE_MS = 600_000
"""How much older than the newest entry one may be that arrives only now, from a writer that was paused."""


class News:
    """Is what one look found: the reading of the store, the new entries (oldest first), and the clashes that opened."""

    __slots__ = ("conflicts", "entries", "memory")

    def __init__(self, memory: Memory, entries: list[Entry], conflicts: list[str]) -> None:
        self.memory = memory
        self.entries = entries
        self.conflicts = conflicts


class Feed:
    """Follows one store from now on, or from `since` (milliseconds since 1970) on.

    Each entry is told once.  Looking takes foreign changes in, as every command that reads does.
    """

    def __init__(self, store: Store, since: "int | None" = None) -> None:
        self.store = store
        self._signature: object = None
        self._told: dict[str, int] = {}
        self._open: set[str] | None = None
        self._oldest = since
        if since is None:
            self.poll()

    def poll(self) -> "News | None":
        """Returns what is new; None where the files say that nothing is."""
        before = _signature(self.store)
        if before == self._signature:
            return None
        memory = self.store.memory()
        self._signature = before
        newest = next((e.milliseconds for e in memory.entries()), 0)
        first = self._oldest is None
        if self._oldest is None or self._told:
            self._oldest = max(self._oldest or 0, newest - LATE_MS)
        found = []
        for entry in memory.entries():
            if entry.milliseconds < self._oldest:
                break
            if entry.id not in self._told:
                self._told[entry.id] = entry.milliseconds
                if entry.kind != "init":  # the text that a store began with is no news
                    found.append(entry)
        for id_ in [i for i, when in self._told.items() if when < newest - 2 * LATE_MS]:
            del self._told[id_]
        labels = {conflict.label for conflict in memory.state.conflicts()}
        opened = sorted(labels - self._open) if self._open is not None else []
        self._open = labels
        return News(memory, [] if first else found[::-1], opened)


def _signature(store: Store) -> object:
    """Returns what changes with every entry and every foreign write: names, inodes, sizes and times."""
    found = []
    for folder in (store.layout.path("journals"), store.layout.path("heads"), store.layout.root):
        try:
            with os.scandir(folder) as items:
                for item in items:
                    if folder != store.layout.root or is_document(item.name):
                        status = item.stat(follow_symlinks=False)
                        found.append((item.name, status.st_ino, status.st_size, status.st_mtime_ns))
        except FileNotFoundError:
            continue
    return sorted(found)
