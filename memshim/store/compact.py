"""Compaction: fold, publish, retire.  Must not know what the entries say.

Order: the new snapshot is there before anything old is retired, and nothing is retired that it does not hold.
"""

import contextlib
import os
import time

from memshim.disk import files, locks
from memshim.errors import DocumentUnusable
from memshim.store import adopt, diary, history, journal, publish, rename, snapshot
from memshim.store.survey import LARGE_CHARACTERS, LARGE_LINES, Size
from memshim.store.turn import Turn, is_index
from memshim.text.merge import merge

SILENT_S = 24 * 3600
"""How long a journal must have been silent before it is archived."""
RECHECK_S = 3600
"""When archived journals are looked at once more for what a paused writer still added."""
TAIL_ENTRIES = 256
"""How many entries may stand in the journals' tails before a publish makes a snapshot of them."""


class Compacted:
    """Is what a compaction did: entries folded, journals archived, documents published, and notes for people."""

    __slots__ = ("archived", "folded", "notes", "published")

    def __init__(self, folded: int, archived: int, published: list[str], notes: list[str]) -> None:
        self.folded = folded
        self.archived = archived
        self.published = published
        self.notes = notes


def compact(turn: Turn) -> Compacted:
    """Folds every journal into a snapshot, publishes the views, archives silent journals; doing it again changes nothing.

    A crash at any point leaves a store in which every entry is present at least once (the fold counts it once): in a
    journal, in one on its way to the archive, which everybody reads as well, or in a segment that a head names.
    """
    rechecked = _recheck_archive(turn)
    before = {doc: _standing(turn, doc) for doc in turn.documents()}
    publish.publish_all(turn)  # first, because it may take foreign versions in
    folded = len(turn.memory.new)
    if folded:
        save(turn)
    if rechecked:
        files.unlink_quietly(rechecked)
    if _retire(turn):
        turn.memory.read_on()  # where they lie now: what a writer that no lock held off added until they were moved
        if turn.memory.new:
            save(turn)
    archived = _archive(turn)
    if archived:
        save(turn)  # without the archived journals' places, which every later command would read
    now = time.time()
    history.prune(turn.layout, int(now * 1000))
    snapshot.clear_unnamed(turn.layout, turn.memory.snapshot, now)
    after = turn.documents()
    if folded or archived:
        stood = {name: [before.get(doc, ""), _standing(turn, doc)] for doc, name in after.items()}
        diary.note(turn.layout, folded, archived, stood)
    changed = [name for doc, name in after.items() if before.get(doc) != _standing(turn, doc)]
    notes = [note for doc, name in after.items() for note in _size_notes(name, turn.memory.view(doc).text)]
    return Compacted(folded, archived, changed, notes)


def shorten_tails(turn: Turn) -> None:
    """Makes a snapshot where so many entries are in none that every reading of the store takes long."""
    if len(turn.memory.new) > TAIL_ENTRIES:
        save(turn)


def save(turn: Turn, alone: bool = False) -> None:
    """Makes a snapshot of everything that is folded, so that the journals' tails are short again; see `snapshot.save`."""
    memory = turn.memory
    frozen = memory.state.freeze()
    hints = memory.snapshot.journals
    for name in [n for n in hints if not os.path.exists(journal.place_of(turn.layout, n))]:
        del hints[name]
    snapshot.save(turn.layout, memory.snapshot, memory.new.values(), frozen, alone)
    memory.new.clear()


def _standing(turn: Turn, doc: str) -> str:
    published = turn.history(doc).published
    return published.revision if published is not None else ""


def _size_notes(name: str, text: bytes) -> list[str]:
    size = Size(name, text, True)
    if not size.large:
        return []
    return [
        f"{name} has {size.lines} lines and {size.characters} characters; above {LARGE_LINES} lines or {LARGE_CHARACTERS} "
        "characters agents are told to shorten it. Move detail into topic files: memshim append --doc NAME.md"
    ]


def plan(turn: Turn) -> list[tuple[str, bytes, bytes]]:
    """Returns what a compaction would change on disk, as (document, before, after); the turn has taken nothing in.

    A document that cannot be read or merged is in `turn.unusable`, as where it is compacted.
    """
    changes = []
    documents = turn.documents()
    moved = dict(rename.find(turn, documents))
    for doc, name in documents.items():
        if name in moved.values():
            continue  # looked at as the document that it was
        shown = moved.get(doc, name)
        try:
            before, after = _planned(turn, doc, shown)
        except DocumentUnusable as error:
            turn.unusable[doc] = error
            continue
        if after != before:
            changes.append((shown, before, after))
    return changes


def _planned(turn: Turn, doc: str, name: str) -> tuple[bytes, bytes]:
    """Returns a document's bytes on disk, and those that it would have: `adopt` and `publish` without writing anything."""
    path = turn.layout.document(name)
    found = files.read_document(path)
    published, view = turn.history(doc).published, turn.memory.view(doc).text
    if found is None and published is not None and published.confirmed and not is_index(name):
        return b"", b""  # removed: it stays so
    if found is None or (not found[0] and is_index(name)):
        return b"", view  # put back; empty on purpose, the view is empty too
    data, status = found
    adopt.require_readable(data, path)
    foreign, base = adopt.base_of(turn, doc, data, adopt.written_at(status))
    return data, merge(base.text if base is not None else b"", view, data).text if foreign else view


# --- archive ------------------------------------------------------------------------------------------------


def _retire(turn: Turn) -> bool:
    """Moves journals that are folded whole and silent for a day out of the writers' way, under their handle lock."""
    now = time.time()
    silent = [name for name, hint in sorted(turn.memory.snapshot.journals.items()) if now - hint[4] / 1e9 >= SILENT_S]
    silent = [name for name in silent if not name.startswith(journal.ARRIVING)]
    if not silent:
        return False
    files.make_folder(turn.layout.path("archive", "arriving"), turn.layout.state)
    return any([_retire_one(turn, name) for name in silent])


def _retire_one(turn: Turn, name: str) -> bool:
    """Moves one journal, unless somebody holds it or has written to it.

    Where no lock keeps others off, the name may mean another file by now, a new journal: then that one is moved, and
    read like any other that arrives.  So no name is used twice, and nothing is concluded from the file that is open.
    """
    hints = turn.memory.snapshot.journals
    path, arrived = journal.place_of(turn.layout, name), f"{journal.ARRIVING}{name[:-4]}.{os.urandom(4).hex()}.log"
    try:
        fd = files.open_ours(path)
    except FileNotFoundError:
        return False
    try:
        if not locks.try_exclusive(fd) or not _unchanged(fd, hints[name]):
            return False
        _hide(turn, name[:-4], path)  # first: a journal without this name is no harm, a name without a journal is
        os.rename(path, journal.place_of(turn.layout, arrived))
    except FileNotFoundError:
        return False
    finally:
        os.close(fd)
    hints[arrived] = hints[name]
    return True


def _hide(turn: Turn, agent: str, path: str) -> None:
    """Takes a journal's readable name away; a file of somebody else's that has this name is left."""
    shown = turn.layout.shown(agent + ".log")
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.stat(shown), os.stat(path)):
            os.unlink(shown)


def _archive(turn: Turn) -> int:
    """Moves to archive/<year-month>/ what has arrived and been read since: the head holds it whole.  Returns how many.

    Nothing acknowledged is added to a journal that was retired: a writer looks after its fsync whether it still has
    its name.
    """
    layout, hints = turn.layout, turn.memory.snapshot.journals
    arrived = [name for name in journal.names(layout, journal.ARRIVING) if name in hints]
    if not arrived:
        return 0
    month = time.strftime("%Y-%m", time.gmtime(time.time()))
    places = {name: f"{month}/{name.removeprefix(journal.ARRIVING)}" for name in arrived}
    files.make_folder(layout.path("archive", month), layout.state)
    known = files.read(layout.path("archive", "recheck")) or b""
    lines = "".join(f"{place} {hints[name][1]}\n" for name, place in places.items())
    files.replace(layout.path("archive", "recheck"), known + lines.encode(), layout.path("tmp"))
    for name, place in places.items():
        path = journal.place_of(layout, name)
        _hide(turn, name.removeprefix(journal.ARRIVING).rsplit(".", 2)[0], path)  # a writer may have shown it again
        with contextlib.suppress(FileNotFoundError):  # another compactor was faster
            os.rename(path, layout.path("archive", place))
    for folder in (layout.path("archive", month), layout.path("archive", "arriving"), layout.path("journals")):
        files.sync_folder(folder)
    return len(arrived)


def _unchanged(fd: int, hint: list[int]) -> bool:
    status = os.fstat(fd)
    return [status.st_ino, status.st_size, status.st_mtime_ns] == [hint[0], hint[3], hint[4]]


def _recheck_archive(turn: Turn) -> str:
    """Folds what a paused writer added to a journal after it was archived; each is looked at once, an hour later.

    Returns the list's path, to be removed when the snapshot is written, or "" where nothing is due.
    """
    layout = turn.layout
    path = layout.path("archive", "recheck")
    try:
        if time.time() - os.stat(path).st_mtime < RECHECK_S:
            return ""
    except FileNotFoundError:
        return ""
    for line in (files.read(path) or b"").decode("utf-8", "replace").splitlines():
        name, _, offset = line.rpartition(" ")
        if ".." in name or not offset.isdigit():
            continue
        for entry in journal.read_rest(layout.path("archive", name), int(offset)):
            turn.memory.take(entry)
    return path
