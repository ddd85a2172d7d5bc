"""Snapshots: the folded state of a stated set of entries, immutable and named by digest.  Must not know journals' insides.

    heads/<digest>       which snapshots are the newest; more than one only if two compactors did not see each other
    snapshots/<digest>   hot: live blocks, open conflicts, documents; and the names of the segments of
    entries/<name>       every entry ever folded, by id: the exact set, and what `log` reads
    blocks/<name>        cold: the facts about dead blocks, opened only when an entry names one

Order: the new head is there before the old one goes, and a reader that finds both unites them.
"""

import contextlib
import os
import time

from memshim.disk import files
from memshim.disk.layout import Layout
from memshim.errors import StoreUnusable
from memshim.store import segment
from memshim.store.encoding import decode_entry, decode_facts, encode_facts, facts_in, facts_out
from memshim.text import record
from memshim.text.digest import sha256
from memshim.text.entry import Entry, to_record
from memshim.text.facts import Facts
from memshim.text.fold import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Shelf = list[list[Any]]  # segment name, count, first id, last id

_REBUILD = "memshim check --repair rebuilds it from the segments and journals."
KEPT_S = 3600
"""How long a file that no head names is kept: a reader, or a compactor that a lock did not stop, may still need it."""


class Past:
    """Is what lies behind the hot state, looked up by id; implements what `fold.Cold` asks for."""

    def __init__(self, layout: Layout, entries: "Shelf", blocks: "Shelf") -> None:
        self.layout = layout
        self.entries = entries
        self.blocks = blocks
        self._open: dict[str, segment.Segment] = {}

    def segment(self, shelf: str, name: str) -> segment.Segment:
        """Returns one segment, opened once."""
        found = self._open.get(name)
        if found is None:
            found = self._open[name] = segment.Segment(self.layout.path(shelf), name)
        return found

    def folded(self, entry: str) -> bool:
        """Tells whether an entry is in the exact set that was folded."""
        return self._find("entries", self.entries, entry) is not None

    def entry(self, entry: str) -> Entry | None:
        """Returns a folded entry."""
        data = self._find("entries", self.entries, entry)
        return decode_entry(data) if data is not None else None

    def block(self, block: str) -> Facts | None:
        """Returns the facts about a dead block: all that any segment knows."""
        united: Facts | None = None
        for name, _, first, last in self.blocks:
            data = self.segment("blocks", name).find(block) if first <= block <= last else None
            if data is not None:
                facts = decode_facts(data)
                if united is None:
                    united = facts
                else:
                    united.unite(facts)
        return united

    def _find(self, folder: str, shelf: "Shelf", key: str) -> bytes | None:
        for name, _, first, last in reversed(shelf):
            if first <= key <= last:
                data = self.segment(folder, name).find(key)
                if data is not None:
                    return data
        return None


class Snapshot:
    """Is a loaded snapshot: the state, its past, and how far each journal had been read."""

    __slots__ = ("digests", "journals", "past", "replaces", "state")

    def __init__(
        self,
        state: State,
        past: Past,
        journals: "dict[str, list[int]]",
        digests: list[str],
        replaces: "tuple[str, ...]" = (),
    ) -> None:
        self.state = state
        self.past = past
        self.journals = journals
        self.digests = digests
        self.replaces = replaces


def load(layout: Layout) -> Snapshot:
    """Returns what the heads say, united.

    Raises StoreUnusable where there is none, or one names a file that is missing or damaged: unreadable is not empty.
    """
    for attempt in range(20):
        try:
            return _load(layout)
        except FileNotFoundError as error:  # a compactor published in between; the new head is there already
            if attempt == 19:
                raise StoreUnusable(
                    f"The snapshot needs {error.filename}, which is missing.",
                    _REBUILD,
                ) from error
            time.sleep(0.001 * attempt)
    raise AssertionError("unreachable")


def heads(layout: Layout) -> list[str]:
    """Returns the digests of the newest snapshots; normally one."""
    try:
        return sorted(os.listdir(layout.path("heads")))
    except FileNotFoundError:
        return []


def _load(layout: Layout) -> Snapshot:
    digests = heads(layout)
    if not digests:  # a store is made with its first head: none is a loss, never an empty store
        raise FileNotFoundError(2, "no head", layout.path("heads"))
    parts = [_read(layout, digest) for digest in digests]
    replaced = {digest for part in parts for digest in part.replaces}
    parts = [part for part in parts if part.digests[0] not in replaced]  # the old one of a redaction that was stopped
    if len(parts) == 1:
        parts[0].digests = digests
        return parts[0]
    entries = {row[0]: row for part in parts for row in part.past.entries}
    blocks = {row[0]: row for part in parts for row in part.past.blocks}
    past = Past(layout, list(entries.values()), list(blocks.values()))
    state = parts[0].state
    for part in parts[1:]:
        state.unite(part.state, past)
    return Snapshot(state, past, {}, digests)  # without hints: every journal is read whole once


def _read(layout: Layout, digest: str) -> Snapshot:
    path = layout.path("snapshots", digest)
    data = files.read(path)
    if data is None:
        raise FileNotFoundError(2, "no snapshot", path)
    found = next(record.scan(data), None)
    if found is None or found.meta is None or sha256(data).hexdigest()[:32] != digest:
        raise StoreUnusable(f"The snapshot {path} is damaged.", _REBUILD)
    try:
        return _decode(layout, digest, found.meta, found.texts)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, StopIteration) as error:
        raise StoreUnusable(f"The snapshot {path} says nothing that memshim understands.", _REBUILD) from error


def _decode(layout: Layout, digest: str, meta: "dict[str, Any]", record_texts: list[bytes]) -> Snapshot:
    if any(len(row[0]) != 32 or not row[0].isalnum() for row in [*meta["entries"], *meta["cold"]]):
        raise ValueError("it names files that cannot be its own")
    state = State()
    texts = iter(record_texts)
    for row in meta["hot"]:
        facts = facts_in(row, texts)
        state.facts[facts.id] = facts
    state.docs = meta["docs"]
    state.resolved = meta["resolved"]
    state.reopened = meta.get("reopened", {})
    state.redacted = meta.get("redacted", {})
    state.dropped = set(meta["dropped"])
    state.headings = meta["headings"]
    state.latest = meta["latest"]
    return Snapshot(
        state, Past(layout, meta["entries"], meta["cold"]), meta["journals"], [digest], tuple(meta.get("replaces", ()))
    )


def save(
    layout: Layout, snapshot: Snapshot, new: "Iterable[Entry]", frozen: "Iterable[Facts]", alone: bool = False
) -> str:
    """Writes the state as a snapshot that also holds `new` entries and `frozen` blocks, and makes it the head.

    With `alone` the heads that it was made from do not count beside it, because their texts were changed.

    A crash leaves the old head, or both (they are united when read), and files that no head names.
    """
    for folder in ("entries", "blocks", "snapshots", "heads"):
        files.make_folder(layout.path(folder), layout.state)
    past = snapshot.past
    items = sorted((e.id, record.encode(*to_record(e))) for e in new)
    _shelve(layout, past, "entries", past.entries, items)
    _shelve(layout, past, "blocks", past.blocks, sorted((f.id, encode_facts(f)) for f in frozen))
    state = snapshot.state
    texts: list[bytes] = []
    meta = {
        "kind": "snapshot",
        "v": 1,
        "latest": state.latest,
        "entries": past.entries,
        "cold": past.blocks,
        "journals": snapshot.journals,
        "docs": state.docs,
        "resolved": state.resolved,
        "reopened": state.reopened,
        "redacted": state.redacted,
        "dropped": sorted(state.dropped),
        "headings": state.headings,
        "hot": [facts_out(f, texts) for _, f in sorted(state.facts.items())],
    }
    if alone:
        meta["replaces"] = snapshot.digests
    data = record.encode(meta, texts)
    digest = sha256(data).hexdigest()[:32]
    path = layout.path("snapshots", digest)
    if snapshot.digests != [digest]:
        _keep(layout, past)
        files.replace(path, data, layout.path("tmp"))
        files.sync_folder(layout.path("entries"))
        files.sync_folder(layout.path("blocks"))
        files.replace(layout.path("heads", digest), b"", layout.path("tmp"))
        for old in snapshot.digests:
            if old != digest:
                files.unlink_quietly(layout.path("heads", old))
                _outdate(layout.path("snapshots", old))
    snapshot.digests = [digest]
    return digest


def _shelve(layout: Layout, past: Past, folder: str, shelf: "Shelf", items: list[tuple[str, bytes]]) -> None:
    if items:
        name = segment.write(layout.path(folder), items, _rank(folder))
        if all(row[0] != name for row in shelf):
            shelf.append([name, len(items), items[0][0], items[-1][0]])
    for names in segment.plan_merges([(row[0], row[1]) for row in shelf]):
        merged: dict[str, bytes] = {}
        for name in names:
            for key, value in past.segment(folder, name).items():
                merged[key] = _both(merged[key], value) if key in merged and folder == "blocks" else value
        name = segment.write(layout.path(folder), sorted(merged.items()), _rank(folder))
        keep = [row for row in shelf if row[0] not in names and row[0] != name]
        shelf[:] = [*keep, [name, len(merged), min(merged), max(merged)]]
        for old in names:
            if old != name:
                _outdate(layout.path(folder, old))


def _rank(folder: str) -> "Callable[[bytes], bytes] | None":
    """Returns how records of a folder are ordered: entries by time, which is not in all of their ids."""
    return record.time_in if folder == "entries" else None


def _both(one: bytes, other: bytes) -> bytes:
    facts = decode_facts(one)
    facts.unite(decode_facts(other))
    return encode_facts(facts)


def _keep(layout: Layout, past: Past) -> None:
    """Makes sure that every segment that a new head will name is there, and stays: nobody clears what is new."""
    for shelf, rows in (("entries", past.entries), ("blocks", past.blocks)):
        for name, *_ in rows:
            try:
                os.utime(layout.path(shelf, name))
            except FileNotFoundError as error:  # this process slept for an hour, and no lock held others off
                raise StoreUnusable("The store was compacted by others meanwhile.", "Run the command again.") from error


def _outdate(path: str) -> None:
    """Starts the time after which a file that no head names may go."""
    if os.path.exists(path):
        os.utime(path)


def clear_unnamed(layout: Layout, snapshot: Snapshot, now: float) -> int:
    """Removes snapshots, segments and temporary files that no head has named for an hour; returns how many."""
    if heads(layout) != sorted(snapshot.digests):
        return 0  # somebody else has made a head, which names files that we do not know
    named = set(snapshot.digests) | {row[0] for row in [*snapshot.past.entries, *snapshot.past.blocks]}
    gone = 0
    for folder in ("snapshots", "entries", "blocks", "tmp"):
        path = layout.path(folder)
        for item in os.scandir(path) if os.path.isdir(path) and not os.path.islink(path) else ():
            if item.name in named or item.name.startswith("publish.") or not item.is_file(follow_symlinks=False):
                continue
            with contextlib.suppress(FileNotFoundError):  # a temporary file: its command is through with it
                if now - item.stat(follow_symlinks=False).st_mtime > KEPT_S:
                    os.unlink(item.path)
                    gone += 1
    return gone
