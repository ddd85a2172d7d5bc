"""Adoption: what others wrote into the documents becomes entries of `external`.  Must not know how views reach the disk.

What the writer had seen decides what a missing line means: the revision that is nearest to their text is taken as
their base, so an editor that saved an old copy deletes nothing that was written meanwhile.
"""

import os
import time

from memshim.disk import files
from memshim.errors import DocumentUnusable, NotFound, word
from memshim.store import intake, lost, rename
from memshim.store.history import revision_of
from memshim.store.memory import Memory
from memshim.store.turn import Turn, is_index
from memshim.text.merge import MergeLimitError, require_mergeable
from memshim.text.origin import from_nothing, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memshim.store.history import Published, Revision
    from memshim.text.entry import Op

EXTERNAL = "external"
SETTLED_S = 10.0
"""How long a revision must have been on disk for an older text to count as a revert, not as a stale writer's."""
STILL_S = 0.1
KEPT_ASIDE_S = 2.0
"""How long a displaced file is kept: a writer that opened it before may still write to it."""


def adopt_all(turn: Turn) -> None:
    """Takes in every foreign change of the store's documents, and what an interrupted publish had put aside."""
    sweep_aside(turn)
    rename.carry_out(turn)
    documents = turn.documents()
    for doc, new in rename.find(turn, documents) if not turn.under_way else ():
        take_rename(turn, doc, new, intake.Source("adopt", EXTERNAL))
        documents = turn.documents()
    for doc, name in documents.items():
        try:
            adopt(turn, doc, name)
        except DocumentUnusable as error:
            turn.unusable[doc] = error


def adopt(turn: Turn, doc: str, name: str) -> bytes | None:
    """Takes in what stands in a document; returns its bytes, None where it is missing.

    A missing topic file is a deletion, and recorded as one.  A missing or empty MEMORY.md is not: a writer may be in
    the middle, see `Turn.absent_for`.  Raises DocumentUnusable for what is no readable regular file.
    """
    published = turn.history(doc).published
    found = _read_settled(turn.layout.document(name), published)
    if found is None:
        if published is not None and published.confirmed and not is_index(name):
            if turn.under_way:
                turn.deferred.add(doc)
                return None
            take_deletion(turn, doc, published.revision, intake.Source("adopt", EXTERNAL))
        return None
    data = found[0]
    if not data and is_index(name) and published is not None and published.revision != revision_of(b""):
        return data
    if published is not None:
        turn.is_present(doc)
    turn.earlier()
    if turn.standing.get(doc) == data or adopt_text(turn, doc, data, written_at(found[1])):
        turn.history(doc).confirm(revision_of(data), turn.layout.document(name))  # it is on disk, and taken in
    if doc not in turn.deferred:  # else it is looked at again, in this turn too
        turn.standing[doc] = data
    return data


def written_at(status: os.stat_result) -> float:
    """Returns when a document was written, or put where it stands: a backup that was moved back has an old st_mtime."""
    return max(status.st_mtime, status.st_ctime)


def _read_settled(path: str, published: "Published | None") -> "tuple[bytes, os.stat_result] | None":
    """Reads a document; where a writer is at it in place (the file is still the one that we published, and has just been
    written to), waits until it has stood still for 100 ms, 1 s at most: half of a text is no text."""
    found = files.read_document(path)
    for _ in range(10):
        if found is None or published is None or found[1].st_ino != published.inode:
            return found
        age = time.time() - found[1].st_mtime
        if not 0 <= age < STILL_S or revision_of(found[0]) == published.revision:
            return found
        time.sleep(STILL_S - age)
        found = files.read_document(path)
    return found


def adopt_text(turn: Turn, doc: str, data: bytes, written: float) -> bool:
    """Takes in a text that somebody put into a document; False where it says nothing that we do not know."""
    require_readable(data, turn.layout.document(turn.name(doc)))  # before anything is compared with it
    history = turn.history(doc)
    published = history.published
    if published is not None and published.revision == revision_of(data) and not published.confirmed:
        path = turn.layout.document(turn.name(doc))
        history.confirm(published.revision, path)  # a crash came after it had reached the disk
    turn.written = written
    foreign, base = base_of(turn, doc, data, written)
    if foreign and turn.under_way:
        turn.deferred.add(doc)  # most likely a tool's whose call has not told yet; it is looked at again
        return False
    if foreign:
        take_foreign(turn, doc, data, base)
    elif published is not None and published.confirmed and written >= published.confirmed:
        _note_old_copy(turn, doc, data, written)
    return foreign


def require_readable(data: bytes, path: str) -> None:
    """Raises DocumentUnusable for a text that is too large to be compared with others."""
    try:
        require_mergeable(data)
    except MergeLimitError as error:
        raise DocumentUnusable(f"{path} was changed, and is {error}.", "Split it.") from error


def _note_old_copy(turn: Turn, doc: str, data: bytes, written: float) -> None:
    """Notes what an old copy, which will be published over, has wiped out; each time it was written is noted once."""
    view, standing, found = turn.memory.view(doc), lost.standing(turn, doc), revision_of(data)
    if data in (view.text, standing):
        return
    if any(e.extra.get("found") == found and e.milliseconds / 1000 >= written for e in turn.memory.new.values()):
        return
    wiped = lost.overwritten(view, standing, data, data)
    ruling = lost.rule(turn, turn.memory, view, wiped, found, True)
    if ruling.ops:
        turn.record("adopt", EXTERNAL, ruling.ops, extra={"found": found, "base": found, **ruling.extra})
        turn.notes += lost.told(turn.name(doc), ruling.extra)


def reclaim(turn: Turn, doc: str, data: bytes) -> bool:
    """Takes published text whose entries were lost in again, as a foreign text, before a view is put over it.

    Entries are lost only by what is done to memshim's own files in place (see `check`); the document still has the text.
    """
    history = turn.history(doc)
    published = history.published
    if doc in turn.reclaimed or published is None or published.revision != revision_of(data):
        return False
    turn.reclaimed.add(doc)
    newest = next((r for r in history.recent(5) if r.digest == published.revision), None)
    shown = [i for ids, _ in newest.pieces for i in ids] if newest is not None else []
    if not turn.memory.unknown(shown) or not Memory(turn.layout).unknown(shown):
        return False  # read anew before it is believed: where no lock holds, somebody may just have written them
    take_foreign(turn, doc, data, None)
    turn.notes.append(f"A journal has lost entries; their text was kept from {turn.name(doc)}: memshim check")
    return True


def base_of(turn: Turn, doc: str, data: bytes, written: float) -> "tuple[bool, Revision | None]":
    """Tells whether a text on disk is a foreign change, and of which revision (None: of nothing, a new document).

    `written` is when it was written, as far as the file system tells.
    """
    history = turn.history(doc)
    published = history.published
    revision = revision_of(data)
    if (published is not None and published.revision == revision) or data == turn.memory.view(doc).text:
        return False, None
    if published is None:  # new, or its deletion was recorded: nothing that it lacks was deleted here
        return not history.knows(revision, history.gone), None  # a view of ours, if its note was overtaken by another
    known = history.knows(revision)  # first: it looks again at what others have recorded meanwhile
    bases = history.bases(most=150)
    if known:
        if not published.confirmed or written - published.confirmed < SETTLED_S:
            return False, None  # a stale writer, or a crash before the newer one reached the disk: publish again
        newest = [b for b in bases if b.digest == published.revision]
        if newest:
            return True, newest[0]  # a revert
    if not bases or (not published.confirmed and [b.digest for b in bases] == [published.revision]):
        return True, None  # what was only planned may never have stood there: nobody left it out
    sure = bool(published.confirmed) and written - published.confirmed >= SETTLED_S
    base = bases[nearest(data, (b.text for b in bases), sure)]
    if written - history.begun < SETTLED_S and from_nothing(data, base.text) and not _was_there(turn, doc):
        return True, None  # two programs that each begin a document: the second had not seen the first one's
    return True, base


def _was_there(turn: Turn, doc: str) -> bool:
    """Tells whether a document was there when the store was made, so that its writers may have known it for long."""
    makers = (turn.memory.entry(id_) for id_ in turn.memory.state.docs.get(doc, {}))
    return any(entry is not None and entry.kind == "init" for entry in makers)


def take_foreign(turn: Turn, doc: str, data: bytes, base: "Revision | None", replaces: tuple[str, ...] = ()) -> None:
    """Takes a foreign text in as an entry of `external`, made by somebody who had seen `base` (None: nothing)."""
    known, pieces = (base.text, base.pieces) if base is not None else (b"", [])
    source = intake.Source("adopt", EXTERNAL, replaces=replaces)
    taken = intake.take_in(turn, doc, data, known, pieces, source, found=data)
    if taken.entry is not None:
        turn.taken_in += 1
        turn.notes.append(f"Took in a change of {turn.name(doc)} that was made outside memshim.")
        turn.notes += lost.told(turn.name(doc), taken.entry.extra)
        if taken.merged.conflicts:
            count = len(taken.merged.conflicts)
            turn.notes.append(f"{count} of its changes clash; both texts are kept: memshim conflicts")


def take_rename(turn: Turn, doc: str, new: str, source: intake.Source) -> None:
    """Records that a topic file was moved: the same document, with its authors, its tombstones and its history."""
    history = turn.history(doc)
    published, old = history.published, turn.name(doc)
    ops: list[Op] = [{"op": "doc", "do": "rename", "doc": doc, "name": new}]
    turn.record(source.kind, source.agent, ops, session=source.session, id=source.id, extra=source.extra)
    turn.taken_in += 1
    if published is not None:
        history.confirm(published.revision, turn.layout.document(new))
    turn.notes.append(f"{old} was renamed to {new}.")


def take_deletion(turn: Turn, doc: str, revision: str, source: intake.Source) -> None:
    """Records that a topic file was removed: of what had been on disk, not of what nobody had seen there yet."""
    history = turn.history(doc)
    shown = {i for p in turn.memory.view(doc).pieces for i in p.ids}
    try:
        targets = [i for ids, _ in history.find(revision).pieces for i in ids]
    except NotFound:
        targets = []
    if not targets:  # no longer kept, or a foreign text that was merged: everything that is shown was in it
        targets = sorted(shown)
    ops: list[Op] = turn.memory.state.deletion(doc)
    if targets:
        ops.append({"op": "remove", "doc": doc, "targets": [t for t in targets if t in shown]})
    name = turn.name(doc)
    turn.record(source.kind, source.agent, ops, session=source.session, id=source.id, extra=source.extra)
    turn.taken_in += 1
    history.forget_published()
    turn.notes.append(f"{name} was removed; memshim restore {word(name)} brings it back.")


# --- what a publish put aside -------------------------------------------------------------------------------


def _changed_at(path: str) -> float:
    try:
        return os.lstat(path).st_ctime
    except FileNotFoundError:
        return 0.0


def sweep_aside(turn: Turn) -> None:
    """Looks at what earlier publishes put aside: takes in what says something new, removes what is known and old enough."""
    state = turn.memory.state
    documents = {os.path.basename(turn.history(doc).folder): doc for doc in [*state.docs, *turn.documents()]}
    folder = turn.aside_folder()
    for name in sorted(os.listdir(folder), key=lambda name: _changed_at(os.path.join(folder, name))):
        bare = name.removeprefix(".memshim-")
        if not bare.startswith(turn.ASIDE):
            continue
        path = os.path.join(folder, name)
        target = documents.get(bare.split(".")[1])
        try:
            found = files.read_document(path)
        except DocumentUnusable as error:
            turn.notes.append(f"A version that was put aside cannot be taken in: {error}")
            continue
        if found is None:
            continue
        data, status = found
        if target is not None and data and not turn.history(target).knows(revision_of(data)):
            try:
                adopt_text(turn, state.names.home(target), data, status.st_mtime)
            except DocumentUnusable as error:
                turn.unusable[target] = error
                continue
            if target in turn.deferred:
                continue
        if target is None or time.time() - status.st_ctime > KEPT_ASIDE_S:
            files.unlink_quietly(path)
