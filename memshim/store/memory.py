"""What the store holds now: the snapshot, with the journals' tails folded onto it.  Must not know the documents on disk."""

import os

from memshim.disk.layout import INDEX, Layout, is_document
from memshim.store import encoding, journal, snapshot
from memshim.text.entry import Entry
from memshim.text.fold import State
from memshim.text.view import View, view

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator

    Head = tuple[str, str, str, str, bool]
    """Time, id, kind and agent of an entry, and whether it put back what its writer had overwritten."""


class Memory:
    """Is one reading of a store; later entries are in it only if they were taken in through it.

    `new` are the entries that no snapshot holds yet, `damage` the ranges of journals that hold no record (name, start,
    end; one that reaches to the end of a journal may be an append that is under way).

    With `planned`, whose entries are `new`, it is the reading of a store that nobody has made yet: no file is read.
    """

    def __init__(self, layout: Layout, planned: "snapshot.Snapshot | None" = None, new: "Iterable[Entry]" = ()) -> None:
        self.layout = layout
        self._views: dict[str, View] = {}
        self.new = {entry.id: entry for entry in new}
        self.damage: list[tuple[str, int, int]] = []
        if planned is not None:
            self.snapshot = planned
            return
        while True:
            self.snapshot = snapshot.load(layout)
            self.new, self.damage = {}, []
            self.read_on()
            if snapshot.heads(layout) == self.snapshot.digests:
                return  # else a compactor may have retired a journal between our looking at the head and at the journals

    @property
    def state(self) -> State:
        """Returns the folded state."""
        return self.snapshot.state

    def read_on(self) -> None:
        """Folds in what the journals hold behind the place up to which they were read."""
        hints = self.snapshot.journals
        tails = list(journal.read_tails(self.layout, hints))
        for tail in tails:
            hints[tail.name] = tail.hint
        entries = [entry for tail in tails for entry in tail.entries]
        self.damage += [(tail.name, start, end) for tail in tails for start, end in tail.damage]
        self._fold(entries)

    def take(self, entry: Entry) -> None:
        """Folds in an entry that was appended just now."""
        self._fold([entry])

    def _fold(self, entries: list[Entry]) -> None:
        for new in self.state.apply(entries, self.snapshot.past):
            self.new[new.id] = new
        self._views.clear()

    def without(self, replaced: "tuple[str, ...]") -> "Memory":
        """Returns another reading of the store, as if these entries had never been."""
        other = Memory(self.layout)
        other.take(Entry(os.urandom(16).hex(), self.state.latest or "0" * 16, "without", "", [], replaces=replaced))
        return other

    def forget_views(self) -> None:
        """Lets the views be made anew, after the state was changed from outside."""
        self._views.clear()

    def view(self, doc: str = INDEX) -> View:
        """Returns the view of a document (by id)."""
        found = self._views.get(doc)
        if found is None:
            found = self._views[doc] = view(self.state, doc)
        return found

    def documents(self) -> dict[str, str]:
        """Returns the documents that exist, id to name; MEMORY.md always does."""
        index = self.state.names.home(INDEX)
        found = {index: self.state.names.name(index), **self.state.documents()}
        return {doc: name for doc, name in found.items() if is_document(name)}

    def document_id(self, name: str) -> str:
        """Returns the document that a name means: that has it, else that had it, else a new one."""
        return self.state.names.home(self.state.names.meant(name))

    def unknown(self, blocks: "Iterable[str]") -> list[str]:
        """Returns those blocks of which no entry says anything any more: a journal was cut, or a segment lost."""
        return [b for b in blocks if b not in self.state.facts and self.snapshot.past.block(b) is None]

    def entry(self, entry: str) -> Entry | None:
        """Returns an entry, folded or not."""
        return self.new.get(entry) or self.snapshot.past.entry(entry)

    def entries(self) -> "Iterator[Entry]":
        """Yields every entry, newest first, folded and archived ones too; reads only as much as is asked for."""
        import heapq

        past = self.snapshot.past
        streams = [self._segment(name) for name in (row[0] for row in past.entries)]
        fresh = sorted(self.new.values(), key=lambda e: (e.time, e.id), reverse=True)
        last = ""
        for entry in heapq.merge(iter(fresh), *streams, key=lambda e: (e.time, e.id), reverse=True):
            if entry.id != last:
                last = entry.id
                yield entry

    def ids(self) -> "Iterator[str]":
        """Yields the id of every entry, in no order; reads no entry."""
        yield from self.new
        for row in self.snapshot.past.entries:
            yield from self.snapshot.past.segment("entries", row[0]).keys()

    def heads(self) -> "Iterator[Head]":
        """Yields what can be told of every entry without reading it whole, newest first: for counting many."""
        import heapq
        import re

        pattern = re.compile(
            rb'<!-- memshim [^\n]*\n\{"v":\d+,"kind":"([^"]*)","when":"[^"]*","agent":"([^"]*)","id":"(\w{32})","time":"(\w{16})"'
        )
        fresh = sorted(((e.time, e.id, e.kind, e.agent, "saved" in e.extra) for e in self.new.values()), reverse=True)
        streams = [self._heads_in(name, pattern) for name in (row[0] for row in self.snapshot.past.entries)]
        last = ""
        for head in heapq.merge(iter(fresh), *streams, reverse=True):
            if head[1] != last:
                last = head[1]
                yield head

    def _heads_in(self, name: str, pattern: "re.Pattern[bytes]") -> "Iterator[Head]":
        found = self.snapshot.past.segment("entries", name)
        for data in found.backwards():
            match = pattern.match(data)
            if match is None:
                entry = encoding.decode_entry(data)
                if entry is not None:
                    yield entry.time, entry.id, entry.kind, entry.agent, "saved" in entry.extra
                continue
            kind, agent, id_, time = (part.decode() for part in match.groups())
            yield time, id_, kind, agent, b'"saved":' in data[: data.find(b"\n-->\n")]

    def _segment(self, name: str) -> "Iterator[Entry]":
        found = self.snapshot.past.segment("entries", name)
        for data in found.backwards():
            entry = encoding.decode_entry(data)
            if entry is not None:
                yield entry
