"""Store: the one object through which a program remembers, changes and reads.  Must not know terminals or agents' tools."""

import contextlib
import os
import time

from memshim.disk import files, locks
from memshim.disk.layout import INDEX, Layout, agent_id, document_name
from memshim.errors import (
    Ambiguous,
    BadInput,
    LockTimeout,
    MemshimError,
    NoStore,
    NotFound,
    RevisionMismatch,
    StoreTooNew,
    StoreUnusable,
)
from memshim.store import adopt, append, compact, create, identity, lookup, publish
from memshim.store.history import History, revision_of
from memshim.store.journal import Journal
from memshim.store.memory import Memory
from memshim.store.turn import Turn, open_turn
from memshim.text.intake import operations
from memshim.text.merge import merge
from memshim.text.view import View as FoldedView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from memshim.store.check import Finding
    from memshim.text.entry import Entry, Op
    from memshim.text.fold import Conflict

LOCK_TIMEOUT_S = 30.0
TAIL_ENTRIES = 256
"""How many entries may stand in the journals' tails before a publish makes a snapshot of them."""


class View:
    """Is a document as one reading found it: its exact bytes (`data`), and their `revision`."""

    __slots__ = ("data", "folded", "revision")

    def __init__(self, folded: FoldedView) -> None:
        self.folded = folded
        self.data = folded.text
        self.revision = revision_of(folded.text)

    @property
    def text(self) -> str:
        """Returns the text; bytes that are no UTF-8 come as lone surrogates (errors="surrogateescape")."""
        return self.data.decode("utf-8", "surrogateescape")


class Change:
    """Is what an edit, write, forget or restore did.

    `id` is the entry's ("" where nothing was to be done), `revision` the document's new one, `merged` whether it had
    moved on since the expected revision, `notes` sentences for people.
    """

    __slots__ = ("id", "merged", "notes", "revision", "settled")

    def __init__(self, id: str, revision: str, merged: bool, settled: "list[Any]", notes: list[str]) -> None:
        self.id = id
        self.revision = revision
        self.merged = merged
        self.settled = settled
        self.notes = notes


class Clash:
    """Is an open conflict as people see it: each side's text, agent and time; a side with no text removed it."""

    __slots__ = ("base", "doc", "label", "sides")

    def __init__(self, label: str, doc: str, base: bytes, sides: list[tuple[bytes, str, str]]) -> None:
        self.label = label
        self.doc = doc
        self.base = base
        self.sides = sides


class Store:
    """Is one folder of memory that any number of processes, threads and agents read and change at once.

    Guarantees: what `append`, `edit`, `write`, `forget` and `restore` acknowledged by returning survives any crash, and
    is in every later view until somebody decides otherwise.  A Store may be shared by threads and carried over a fork.
    Does not: keep anything open between calls but this process's own journals.
    """

    def __init__(self, layout: Layout, agent: str, session: str, lock_timeout: float) -> None:
        self.layout = layout
        self.agent = agent
        self.session = session
        self.lock_timeout = lock_timeout
        self.notes: list[str] = []
        self._idle: list[tuple[int, Journal]] = []  # (process, journal), not in use by any thread
        self._replica: tuple[int, str] | None = None

    @classmethod
    def open(
        cls,
        path: "str | os.PathLike[str]",
        *,
        agent: str = "cli",
        session: str = "",
        lock_timeout: float = LOCK_TIMEOUT_S,
    ) -> "Store":
        """Opens the store in a folder; the first write makes one of a folder that is none yet.

        Raises NoStore where the folder does not exist, BadInput for an agent id that cannot be one.
        """
        folder = os.fspath(path)
        if not os.path.isdir(folder):
            raise NoStore(f"There is no folder {folder}", f"To make a store there: memshim init --store {folder}")
        return cls(Layout(folder), agent_id(agent), session, lock_timeout)

    def close(self) -> None:
        """Closes this process's journals; the store can be used again afterwards."""
        while self._idle:
            process, journal = self._idle.pop()
            if process == os.getpid():
                journal.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- remembering ----------------------------------------------------------------------------------------

    def init(self) -> bool:
        """Makes a store of the folder now; False where it is one already.  The documents are not changed."""
        return create.create(self.layout)

    def append(
        self,
        text: "str | bytes",
        *,
        section: str = "",
        doc: str = INDEX,
        why: str = "",
        raw: bool = False,
        publish: bool = True,
    ) -> str:
        """Appends a text as one entry and returns its id; it is durable then, whatever becomes of the publishing.

        Under `section` (made if missing), else at the end.  With `publish` the document holds it when this returns,
        unless something stands in the way; `notes` then says what, and a later call publishes it.
        Raises BadInput, StoreUnusable, StoreTooNew or OSError: then nothing was acknowledged.
        """
        self.notes = []
        if doc != INDEX:
            document_name(doc)
        with self._journal() as journal:
            entry = append.append(journal, _bytes(text), doc=doc, section=section, why=why, raw=raw)
        if publish:
            self.publish_soon()
        return entry.id

    def publish_soon(self) -> bool:
        """Publishes as `publish` does, but raises nothing that is not a bug: `notes` says what stood in the way."""
        try:
            return self.publish()
        except LockTimeout as error:
            self.notes.append(f"Not published yet: {error} {error.hint}".strip())
        except OSError as error:
            self.notes.append(f"Not published yet: {error.strerror}. The entry is safe in its journal.")
        return False

    def publish(self) -> bool:
        """Takes in foreign changes and brings the documents up to the view; tells whether all of them are.

        A MEMORY.md that is missing or empty is waited for, 2 s at most and without the lock, before it is put back.
        """
        while True:
            with self.turn() as turn:
                publish.publish_all(turn)
                if len(turn.memory.new) > TAIL_ENTRIES:
                    compact.save(turn)
                if not turn.wait:
                    return self._report(turn)
            time.sleep(min(turn.wait, 0.05))

    def edit(
        self,
        old: "str | bytes",
        new: "str | bytes",
        *,
        doc: str = INDEX,
        expected: str | None = None,
        strict: bool = False,
        why: str = "",
    ) -> Change:
        """Replaces the one occurrence of `old` by `new`, in the text of revision `expected` (default: the newest).

        Where the document has moved on since, the change is merged into it.  Raises NotFound or Ambiguous where `old`
        does not occur exactly once (with the count and the nearest line), RevisionMismatch where the merge clashes or,
        with `strict`, where the document has moved on at all; nothing is changed then.
        """
        before, after = _bytes(old), _bytes(new)
        if not before:
            raise BadInput(
                "The text to replace is empty.", 'For example: memshim edit --old "- use pip" --new "- use uv"'
            )
        return self._change("edit", doc, expected, strict, why, lambda base: _replace_once(base, before, after))

    def write(
        self,
        text: "str | bytes",
        *,
        doc: str = INDEX,
        expected: str | None = None,
        strict: bool = False,
        why: str = "",
    ) -> Change:
        """Makes `text` the document, as an edit of revision `expected` (default: the newest); merged as `edit` is.

        An empty text empties the document on purpose.
        """
        target = _bytes(text)
        return self._change("write", doc, expected, strict, why, lambda base: target)

    def _change(
        self, kind: str, doc: str, expected: str | None, strict: bool, why: str, make: "Callable[[bytes], bytes]"
    ) -> Change:
        if doc != INDEX:
            document_name(doc)
        if expected is not None:
            expected = _revision(expected)
        with self.turn() as turn:
            id_ = turn.memory.document_id(doc)
            if id_ in turn.unusable:
                raise turn.unusable[id_]
            view = turn.memory.view(id_)
            now = revision_of(view.text)
            moved = expected is not None and not now.startswith(expected)
            base = self._base(turn.history(id_), expected, now) if moved and expected else view.text
            target = make(base)
            if moved and strict:
                raise RevisionMismatch(f"{doc} is no longer at revision {expected}.", now, hint=f"It is at {now}")
            merged = merge(base, view.text, target) if moved else None
            if merged is not None and merged.conflicts:
                count = len(merged.conflicts)
                raise RevisionMismatch(
                    f"{doc} has changed since {expected}, and {count} of the changes clash with yours.",
                    now,
                    [(c.base, c.ours, c.theirs) for c in merged.conflicts],
                    f"Nothing was changed. Read it again and edit revision {now}",
                )
            ops = operations(view, merged.text if merged is not None else target, turn.tag())
            if view.text == b"" and id_ not in turn.memory.state.documents():
                ops.insert(0, {"op": "doc", "do": "create", "doc": id_})
            extra: dict[str, Any] = {"base": revision_of(base)} if moved else {}
            if merged is not None:
                extra.update(adopt.settled(merged))
            return self._record(turn, kind, id_, ops, why, extra, moved)

    @staticmethod
    def _base(history: History, expected: str, now: str) -> bytes:
        try:
            return history.find(expected).text
        except NotFound as error:
            raise RevisionMismatch(
                f"Revision {expected} is not known here, so nothing can be merged into it.", now, hint=f"It is at {now}"
            ) from error

    def _record(
        self,
        turn: Turn,
        kind: str,
        doc: str,
        ops: "list[Op]",
        why: str,
        extra: "dict[str, Any] | None" = None,
        merged: bool = False,
    ) -> Change:
        entry = turn.record(kind, self.agent, ops, session=self.session, why=why, extra=extra) if ops else None
        publish.publish_all(turn)
        self._report(turn)
        return Change(
            entry.id if entry is not None else "",
            revision_of(turn.memory.view(doc).text),
            merged,
            (extra or {}).get("settled", []),
            self.notes,
        )

    # -- forgetting -----------------------------------------------------------------------------------------

    def forget(
        self, id: str | None = None, *, text: "str | bytes | None" = None, doc: str | None = None, why: str = ""
    ) -> Change:
        """Removes a block, or all live blocks of an entry, for good: it stays removed while a writer still carries it.

        By `text`: the one live block equal to it without list mark and outer space, else the only one that contains it.
        Raises NotFound, or Ambiguous with the ids.
        """
        with self.turn() as turn:
            found = (
                lookup.blocks_of(turn.memory, id)
                if id is not None
                else lookup.block_with(turn.memory, _bytes(text or b""), doc)
            )
            where = found[0].definition().doc
            ops = lookup.removal(turn.memory.view(where), {f.id for f in found})
            return self._record(turn, "forget", where, ops, why)

    def restore(self, what: str, *, why: str = "") -> Change:
        """Takes a tombstone back: of a forgotten entry or block, of a forget entry, or of a removed document by its name."""
        with self.turn() as turn:
            where, ops = lookup.restoration(turn.memory, what)
            return self._record(turn, "restore", where, ops, why)

    # -- reading --------------------------------------------------------------------------------------------

    def read(self, doc: str = INDEX) -> View:
        """Returns the merged view, journals' tails included; takes in what stands on disk if the lock is free soon."""
        return self.view_of(self.memory(), doc)

    @staticmethod
    def view_of(memory: Memory, doc: str = INDEX) -> View:
        """Returns the view of a document in one reading of the store."""
        return View(memory.view(memory.document_id(doc)))

    def memory(self) -> Memory:
        """Returns one reading of the store, foreign changes taken in where possible; for a folder that is no store, its text."""
        try:
            with self.turn(timeout=0.5) as turn:
                self._report(turn)
                return turn.memory
        except (LockTimeout, StoreTooNew, PermissionError, StoreUnusable) as error:
            self.notes = [f"Read without taking in changes: {error}"]
        if self.layout.is_store():
            return Memory(self.layout)
        raise StoreUnusable(f"{self.layout.root} is no store, and cannot become one.", "Make the folder writable.")

    def log(self) -> "Iterator[Entry]":
        """Yields every entry, newest first, folded and archived ones too."""
        return self.memory().entries()

    def compact(self) -> "compact.Compacted":
        """Folds the journals into a snapshot, publishes, and archives silent journals; doing it again changes nothing."""
        while True:
            with self.turn() as turn:
                done = compact.compact(turn)
                self._report(turn)
                if not turn.wait:
                    done.notes = [*self.notes, *done.notes]
                    return done
            time.sleep(min(turn.wait, 0.05))

    def plan(self) -> list[tuple[str, bytes, bytes]]:
        """Returns what a compaction would change on disk, as (document, before, after), and changes nothing."""
        changes = []
        with self.turn(take_in=False) as turn:
            for doc, name in turn.documents().items():
                found = files.read_document(self.layout.document(name))
                before = found[0] if found is not None else b""
                foreign, base = adopt.base_of(turn, doc, before) if found is not None else (False, None)
                after = turn.memory.view(doc).text
                if foreign:
                    after = merge(base.text if base is not None else b"", after, before).text
                if after != before:
                    changes.append((name, before, after))
        return changes

    def check(self, *, repair: bool = False) -> "tuple[list[str], list[Finding]]":
        """Verifies the store; returns what was repaired, and what is (still) not as `docs/format.md` says.

        Without `repair` nothing is changed.  Raises NoStore for a folder that is no store.
        """
        from memshim.store import check as checker
        from memshim.store import repair as repairer

        if not self.layout.is_store():
            raise NoStore(f"{self.layout.root} is no store yet.", "To make one of it: memshim init")
        self.layout.check_ours()
        with locks.SidecarLock(self.layout.path("lock"), self.lock_timeout, self.agent):
            found = checker.check(self.layout)
            if not repair:
                return [], found
            identity.require_writable(self.layout)
            done = repairer.repair(self.layout, found)
        self.compact()
        with locks.SidecarLock(self.layout.path("lock"), self.lock_timeout, self.agent):
            return done, checker.check(self.layout)

    # -- clashes --------------------------------------------------------------------------------------------

    def conflicts(self) -> "list[Clash]":
        """Returns the open conflicts, with both texts, their authors and times."""
        memory = self.memory()
        return [_clash(memory, conflict) for conflict in memory.state.conflicts()]

    def resolve(self, label: str, keep: str, *, why: str = "") -> Change:
        """Settles an open conflict: `ours` is the text that came first, `theirs` the others, `both` leaves them all.

        Raises NotFound for a label that no open conflict has, BadInput for another word.
        """
        if keep not in ("ours", "theirs", "both"):
            raise BadInput(f"{keep!r} cannot be kept.", "Keep ours, theirs or both.")
        with self.turn() as turn:
            found = next((c for c in turn.memory.state.conflicts() if c.label == label), None)
            if found is None:
                raise NotFound(f"There is no open conflict {label}", "memshim conflicts lists them.")
            ids = [f.id for f in found.blocks]
            ops: list[Op] = [{"op": "resolve", "blocks": ids}]
            first = {} if found.removers else {ids[0]}
            gone = [i for i in ids if (i in first) == (keep == "theirs")] if keep != "both" else []
            doc = found.blocks[0].definition().doc
            if gone:
                ops += lookup.removal(turn.memory.view(doc), set(gone))
            return self._record(turn, "resolve", doc, ops, why, {"conflict": label, "keep": keep})

    # -- the lock -------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def turn(self, timeout: float | None = None, take_in: bool = True) -> "Iterator[Turn]":
        """Gives one turn at the store under its lock, with everything foreign taken in; makes the store if need be.

        Raises LockTimeout, which names the holder; StoreTooNew; StoreUnusable.
        """
        self._require()
        waiting = self.lock_timeout if timeout is None else timeout
        with locks.SidecarLock(self.layout.path("lock"), waiting, self.agent):
            turn = open_turn(self.layout)
            if take_in:
                adopt.adopt_all(turn)
            yield turn

    def _require(self) -> None:
        self.layout.check_ours()
        if not self.layout.is_store():
            create.create(self.layout)

    def _report(self, turn: Turn) -> bool:
        self.notes = [*turn.notes, *(f"{e} {e.hint}".strip() for e in turn.unusable.values())]
        return not turn.unusable

    @contextlib.contextmanager
    def _journal(self) -> "Iterator[Journal]":
        """Lends a journal to one thread; a fork's child opens its own, because a lock belongs to the open file."""
        self._require()
        here = os.getpid()
        while True:
            try:
                process, journal = self._idle.pop()
            except IndexError:
                journal = Journal(self.layout, self.agent, self._replica_here(here), self.session)
                break
            if process == here:
                break
            journal.close()
        try:
            yield journal
        finally:
            self._idle.append((here, journal))

    def _replica_here(self, process: int) -> str:
        if self._replica is None or self._replica[0] != process:
            identity.require_writable(self.layout)
            self._replica = (process, identity.replica(self.layout))
        return self._replica[1]


def _clash(memory: Memory, conflict: "Conflict") -> Clash:
    first = conflict.blocks[0].definition()
    old = next((lookup.known(memory, [t]) for f in conflict.blocks for t in f.definition().targets), [])
    sides = [(f.definition().text, f.definition().agent, f.definition().time) for f in conflict.blocks]
    for name in conflict.removers:
        entry = memory.entry(name)
        sides.insert(0, (b"", entry.agent if entry else "", entry.time if entry else ""))
    return Clash(conflict.label, first.doc, old[0].definition().text if old else b"", sides)


def _bytes(text: "str | bytes") -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


def _revision(text: str) -> str:
    digits = text.strip().lower()
    if not 7 <= len(digits) <= 64 or digits.strip("0123456789abcdef"):
        raise BadInput(
            f"{text[:80]!r} is no revision.", "A revision is 64 hex digits, or at least the first 7 of them."
        )
    return digits


def _replace_once(base: bytes, old: bytes, new: bytes) -> bytes:
    count = base.count(old)
    if count == 1:
        return base.replace(old, new)
    if count:
        lines = [str(base[:at].count(b"\n") + 1) for at in _occurrences(base, old)]
        raise Ambiguous(
            f"The text to replace occurs {count} times, in lines {', '.join(lines[:20])}.",
            lines,
            "Give more of the text around it.",
        )
    raise NotFound("The text to replace occurs 0 times.", _nearest_line(base, old))


def _occurrences(base: bytes, old: bytes) -> "Iterator[int]":
    at = base.find(old)
    while at >= 0:
        yield at
        at = base.find(old, at + 1)


def _nearest_line(base: bytes, old: bytes) -> str:
    import difflib

    wanted = max(old.decode("utf-8", "replace").split("\n"), key=len)
    lines = base.decode("utf-8", "replace").split("\n")
    found = difflib.get_close_matches(wanted, [line for line in lines if line.strip()], 1, 0.3)
    return f"The nearest line is {lines.index(found[0]) + 1}: {found[0][:200]}" if found else "No line is like it."


__all__ = ["Change", "MemshimError", "Store", "View"]
