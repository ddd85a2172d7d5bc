"""Check: does the store on disk hold what `docs/format.md` promises?  Must not repair anything by itself.

Every finding has a level: `must` (data would be lost), `should` (repairable, and no crash explains it), or `note` (what
a crash may leave, and what the next command clears away).
"""

import os
import stat

from memshim.disk import files, locks
from memshim.disk.layout import Layout
from memshim.errors import DocumentUnusable, StoreUnusable
from memshim.store import identity, journal, snapshot
from memshim.store.earlier import NoPast
from memshim.store.history import History
from memshim.store.memory import Memory
from memshim.store.segment import Segment
from memshim.text import record
from memshim.text.fold import State
from memshim.text.view import view

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Finding:
    """Is one thing that is not as it should be: its level, its short name (as in docs/format.md), and a sentence."""

    __slots__ = ("level", "name", "path", "text")

    def __init__(self, level: str, name: str, path: str, text: str) -> None:
        self.level = level
        self.name = name
        self.path = path
        self.text = text


def check(layout: Layout) -> list[Finding]:
    """Returns everything that is not as the format says; the caller holds the store's lock.  Writes nothing.

    Raises StoreTooNew for a newer format, of which nothing can be said.
    """
    identity.require_writable(layout)
    found = list(_modes(layout))
    if any(f.name == "link" for f in found):
        return found  # nothing behind it is looked at
    found += _snapshots(layout)
    if any(f.level == "must" for f in found):
        return found
    memory = Memory(layout)
    found += _journals(layout, memory)
    found += _fold(memory)
    found += _shown(layout)
    found += _leftovers(layout, memory)
    return found


def _snapshots(layout: Layout) -> "Iterator[Finding]":
    try:
        loaded = snapshot.load(layout)
    except StoreUnusable as error:
        yield Finding("must", "snapshot", layout.path("snapshots"), str(error))
        return
    if len(loaded.digests) > 1:
        yield Finding(
            "note", "heads", layout.path("heads"), f"{len(loaded.digests)} heads; the next compact unites them."
        )
    for folder, shelf in (("entries", loaded.past.entries), ("blocks", loaded.past.blocks)):
        for name, *_ in shelf:
            path = layout.path(folder, name)
            try:
                whole = Segment(layout.path(folder), name).intact()
            except (StoreUnusable, FileNotFoundError) as error:
                yield Finding("must", "segment", path, f"{path} cannot be read: {error}")
                continue
            if not whole:
                yield Finding("must", "segment", path, f"{path} is damaged.")


def _journals(layout: Layout, memory: Memory) -> "Iterator[Finding]":
    """Reads every journal from its start: what lies before a snapshot's hint is not looked at otherwise."""
    hints = snapshot.load(layout).journals
    for tail in journal.read_tails(layout, {}, settle=locks.shared):
        path = journal.place_of(layout, tail.name)
        inode, folded, _, _, _, count = hints.get(tail.name, [0] * 6)
        if inode != tail.hint[0]:
            folded = count = 0
        if tail.hint[3] < folded:
            yield Finding("should", "journal-cut", path, f"{path} was cut short; what had been folded is safe.")
        elif sum(1 for e in tail.entries) < count:
            yield Finding(
                "should", "journal-edited", path, f"{path} was changed by hand; what had been folded is safe."
            )
        missing = [e for e in tail.entries if e.id not in memory.new and not memory.snapshot.past.folded(e.id)]
        if missing:  # damaged when it was folded, and put back since
            yield Finding("must", "fold", path, f"{path} holds {len(missing)} entries that are in no view.")
        for start, end in tail.damage:
            if end >= tail.hint[3]:
                yield Finding(
                    "note",
                    "torn-tail",
                    path,
                    f"{path} ends in something that is no whole record: as a rule an append that was cut short.",
                )
            elif end > folded and not _torn(path, start, end):
                yield Finding("must", "journal", path, f"{path} holds no record from byte {start} to {end}.")


def _torn(path: str, start: int, end: int) -> bool:
    """Tells an append that was cut short, and that a later one went on after: its length reaches beyond its end."""
    data = (files.read(path) or b"")[start:end].removesuffix(b" \n")
    head = data.removeprefix(record.MARK).split(b"\n", 1)
    size = head[0].split(b" ")[-1]
    whole = len(head) == 2 and size.isdigit() and len(head[1]) >= int(size)
    return record.MARK.startswith(data[: len(record.MARK)]) and not whole


def _fold(memory: Memory) -> "Iterator[Finding]":
    """Folds everything once more from the first entry: a snapshot must not say anything else."""
    state = State()
    state.apply(memory.entries(), NoPast())
    for doc, name in memory.documents().items():
        if view(state, doc).text != memory.view(doc).text:
            yield Finding("must", "fold", name, f"The snapshot's {name} is not what its entries say.")


def _shown(layout: Layout) -> "Iterator[Finding]":
    registered = {n.removesuffix(".log") for n in _names(layout.path("journals"))}
    if os.path.lexists(layout.memory) and (os.path.islink(layout.memory) or not os.path.isdir(layout.memory)):
        text = f"{layout.memory} is a link or a file of your own; the journals have no names there."
        yield Finding("note", "name-taken", layout.memory, text)
        return
    for agent in sorted(registered):
        shown = layout.shown(agent + ".log")
        if not os.path.lexists(shown):
            yield Finding("note", "journal-hidden", shown, f"{shown} is missing; the journal itself is safe.")
        elif _is_same(shown, layout.path("journals", agent + ".log")):
            continue
        elif not _begins_as_ours(shown):
            yield Finding("note", "name-taken", shown, f"{shown} is a file of your own; the journal has no name there.")
        else:
            yield Finding("should", "journal-replaced", shown, f"{shown} is another file; the journal itself is safe.")
    for name in _names(layout.memory):
        if name.removesuffix(".md") not in registered:
            path = os.path.join(layout.memory, name)
            if _begins_as_ours(path):
                yield Finding(
                    "should", "unregistered", path, f"{path} looks like a journal, but is none of this store's."
                )


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except FileNotFoundError:
        return False  # a link that leads nowhere


def _modes(layout: Layout) -> "Iterator[Finding]":
    kept_as_is = [layout.path(name) for name in ("tmp", "unreadable", "aside")]  # documents, with documents' modes
    for folder, folders, names in os.walk(layout.state):
        for path in [folder, *(os.path.join(folder, n) for n in [*folders, *names])]:
            status = os.lstat(path)
            if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
                if folder == layout.path("aside"):
                    continue  # put there by a repair, and never followed
                yield Finding("should", "link", path, f"{path} is a link or a pipe; nothing of memshim's is one.")
            elif status.st_mode & 0o077 and os.path.dirname(path) not in kept_as_is:
                yield Finding("should", "mode", path, f"{path} can be read by others.")
    if layout.client:
        for folder, _, names in os.walk(layout.root):
            for name in names:
                path = os.path.join(folder, name)
                if name.endswith(".md") and _begins_as_ours(path):
                    yield Finding("must", "listed", path, f"{path} is ours, and the client would list it as a memory.")


def _leftovers(layout: Layout, memory: Memory) -> "Iterator[Finding]":
    if os.path.exists(layout.path("redacting")):
        text = "A redaction was stopped before it had gone through all files; run the same memshim redact again."
        yield Finding("note", "redaction", layout.path("redacting"), text)
    for name in _names(layout.path("tmp")):
        if not name.startswith("publish."):
            yield Finding(
                "note", "leftover", layout.path("tmp", name), "A temporary file of a command that was stopped."
            )
    for doc, name in memory.documents().items():
        try:
            found = files.read_document(layout.document(name))
        except DocumentUnusable as error:
            yield Finding("note", "unusable", name, str(error))
            continue
        shown = next(History(layout, doc).recent(1), None)
        if shown is not None and memory.unknown(i for ids, _ in shown.pieces for i in ids):
            text = f"Entries whose text was published in {name} are in no journal any more; the next command keeps the text."
            yield Finding("should", "journal-cut", name, text)
        if (found[0] if found is not None else b"") != memory.view(doc).text:
            yield Finding("note", "unpublished", name, f"{name} is not up to date; memshim compact publishes it.")


def _begins_as_ours(path: str) -> bool:
    if os.path.islink(path) or not os.path.isfile(path) or not os.access(path, os.R_OK):
        return False
    with open(path, "rb") as file:
        return file.read(len(record.MARK)) == record.MARK


def _names(folder: str) -> list[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []
