"""Store: the one object through which a program remembers, changes and reads.  Must not know terminals or agents' tools."""

import contextlib
import os
from functools import partial

from memshim.disk import locks
from memshim.disk.layout import INDEX, Layout, agent_id, document_name
from memshim.errors import BadInput, LockTimeout, MemshimError, NoStore, StoreTooNew, StoreUnusable, word
from memshim.store import adopt, append, change, compact, create, publish
from memshim.store.history import History, digits_of, now_ms
from memshim.store.memory import Memory
from memshim.store.result import Change, View
from memshim.store.turn import Turn, open_turn
from memshim.store.writers import Writers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memshim.store.check import Finding
    from memshim.store.redact import Redacted
    from memshim.text.entry import Entry

LOCK_TIMEOUT_S = 30.0


class Store:
    """Is one folder of memory that any number of processes, threads and agents read and change at once.

    Guarantees: what `append`, `edit`, `write`, `forget` and `restore` acknowledged by returning survives any crash, and
    is in every later view until somebody decides otherwise.  A Store may be shared by threads and carried over a fork.
    Does not: keep anything open between calls but this process's own journals.
    """

    def __init__(
        self, layout: Layout, agent: str, session: str, lock_timeout: float = LOCK_TIMEOUT_S, quick: bool = False
    ) -> None:
        self.layout = layout
        self.agent = agent
        self.session = session
        self.lock_timeout = lock_timeout
        self.quick = quick  # take the same locks without the libraries: for a process that lives for one append
        self.notes: list[str] = []
        self._writers = Writers(layout, agent, session)

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
            raise NoStore(f"There is no folder {folder}", f"To make a store there: memshim init --store {word(folder)}")
        return cls(Layout(folder), agent_id(agent), session, lock_timeout)

    def close(self) -> None:
        """Closes this process's journals; the store can be used again afterwards."""
        self._writers.close()

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
        journal = self._writers.take(self.init)
        try:
            id_ = append.append(journal, _bytes(text), doc=doc, section=section, why=why, raw=raw)
        finally:
            self._writers.give_back(journal)
        if publish:
            self.publish_soon()
        return id_

    def publish_soon(self) -> bool:
        """Publishes as `publish` does, but raises nothing that is not a bug: `notes` says what stood in the way."""
        try:
            return self.publish()
        except MemshimError as error:
            self.notes.append(f"Not published yet: {error} {error.hint}".strip())
        except OSError as error:
            self.notes.append(publish.not_yet(error))
        return False

    def publish(self) -> bool:
        """Takes in foreign changes and brings the documents up to the view; tells whether all of them are.

        A MEMORY.md that is missing or empty is waited for, 2 s at most and without the lock, before it is put back; an
        agent's tool that is writing, half a second at most.
        """

        def work(turn: Turn) -> None:
            publish.publish_all(turn)
            compact.shorten_tails(turn)

        turn, _ = publish.patiently(self.turn, work)
        return self._report(turn) and not turn.deferred

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
        make = partial(change.replace_once, old=_bytes(old), new=_bytes(new))
        if not old:
            raise BadInput("The text to replace is empty.", 'Try: memshim edit --old "- use pip" --new "- use uv"')
        document_name(doc)
        revision = digits_of(expected)
        return self._change(why, lambda turn: change.compare_and_swap(turn, "edit", doc, revision, strict, make))

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
        document_name(doc)
        revision = digits_of(expected)
        return self._change(
            why, lambda turn: change.compare_and_swap(turn, "write", doc, revision, strict, lambda base: target)
        )

    def forget(
        self, id: str | None = None, *, text: "str | bytes | None" = None, doc: str | None = None, why: str = ""
    ) -> Change:
        """Removes a block, or all live blocks of an entry, for good: it stays removed while a writer still carries it.

        By `text`: the one live block equal to it without list mark and outer space, else the only one that contains it.
        Raises NotFound, or Ambiguous with the ids.
        """
        return self._change(why, lambda turn: change.forget(turn, id, _bytes(text or b""), doc))

    def restore(self, what: str, *, why: str = "") -> Change:
        """Takes a tombstone back: of a forgotten entry or block, of a forget entry, or of a removed document by its name."""
        return self._change(why, lambda turn: change.restore(turn, what))

    def resolve(self, label: str, keep: str, *, why: str = "") -> Change:
        """Settles an open conflict: `ours` is the side that came first, `theirs` the others, `both` leaves every text.

        Raises NotFound for a label that no open conflict has, BadInput for another word.
        """
        return self._change(why, lambda turn: change.resolve(turn, label, keep))

    def undo(self, id: str | None = None, *, why: str = "") -> Change:
        """Takes back what an entry did (default: the newest of this agent), an undo too; merged with what came after it.

        Raises NotFound where nothing of it is left, RevisionMismatch where the merge clashes; nothing is changed then.
        """
        from memshim.store import undo as undoing

        return self._change(why, lambda turn: undoing.undo(turn, id, self.agent))

    def redact(self, id: str | None = None, *, text: "str | bytes | None" = None, why: str = "") -> "Redacted":
        """Erases an entry's text, or a `text` wherever it stands, for good, as `memshim.store.redact` says."""
        from memshim.store import redact as redacting

        with self.turn() as turn:
            return redacting.redact(turn, id, _bytes(text or b""), self.agent, self.session, why)

    def _change(self, why: str, decide: "Callable[[Turn], change.Plan]") -> Change:
        """Decides, records and publishes under one lock; the entry is durable before anything is published."""
        with self.turn() as turn:
            plan = decide(turn)
            entry = None
            if plan.ops:
                entry = turn.record(plan.kind, self.agent, plan.ops, session=self.session, why=why, extra=plan.extra)
            try:
                publish.publish_all(turn)
            except OSError as error:
                turn.notes.append(publish.not_yet(error))
            self._report(turn)
            view, settled = View(turn.memory.view(plan.doc)), plan.extra.get("settled", [])
            name = turn.name(plan.doc)
            return Change(entry.id if entry is not None else "", name, view.revision, plan.merged, settled, self.notes)

    # -- reading --------------------------------------------------------------------------------------------

    def read(self, doc: str = INDEX) -> View:
        """Returns the merged view, journals' tails included; takes in what stands on disk if the lock is free soon."""
        return self.view_of(self.memory(), doc)

    def view_of(self, memory: Memory, doc: str = INDEX) -> View:
        """Returns the view of a document in one reading of the store; its revision is good for `expected` from now on."""
        id_ = memory.document_id(doc)
        found = View(memory.view(id_))
        history = History(self.layout, id_)
        if self.layout.is_writable() and not history.knows(found.revision):  # never published: edits of it will merge
            with contextlib.suppress(OSError):  # but it can be read, also where the disk takes no more
                history.record(found.folded, now_ms())
        return found

    def memory(self, take_in: bool = True) -> Memory:
        """Returns one reading of the store, with `take_in` foreign changes too; else `notes` says why they are not.

        Of a folder that is no store yet: what its first write would begin with; nothing is written.
        """
        if not self.layout.is_store():
            return create.preview(self.layout)
        if not take_in:
            return Memory(self.layout)
        try:
            with self.turn(timeout=0.5) as turn:
                if turn.taken_in:
                    publish.publish_all(turn)  # a foreign change merged into the view: do not leave the two apart
                self._report(turn)
                return turn.memory
        except (LockTimeout, StoreTooNew, StoreUnusable) as error:
            self.notes = [f"Read without taking in changes: {error}"]
        except OSError as error:  # a disk that takes no more may still be read; where not, the reading says so
            self.notes = [f"Read without taking in changes: {error.strerror}: {error.filename}"]
        return Memory(self.layout)

    def log(self) -> "Iterator[Entry]":
        """Yields every entry, newest first, folded and archived ones too."""
        return self.memory().entries()

    def compact(self) -> "compact.Compacted":
        """Folds the journals into a snapshot, publishes, and archives silent journals; doing it again changes nothing."""
        turn, done = publish.patiently(self.turn, compact.compact)
        self._report(turn)
        done.notes = [*self.notes, *done.notes]
        return done

    def plan(self) -> list[tuple[str, bytes, bytes]]:
        """Returns what a compaction would change on disk, as (document, before, after), and changes nothing."""
        if not self.layout.is_store():
            return []
        with self.turn(take_in=False) as turn:
            planned = compact.plan(turn)
            self._report(turn)
            return planned

    def check(self, *, repair: bool = False) -> "tuple[list[str], list[Finding]]":
        """Verifies the store; returns what was repaired, and what is (still) not as `docs/format.md` says.

        Without `repair` nothing is changed.  Raises NoStore for a folder that is none, StoreTooNew.
        """
        from memshim.store import repair as repairer

        return repairer.verify(self, repair)

    def conflicts(self) -> list[change.Clash]:
        """Returns the open conflicts, with both texts, their authors and times."""
        return change.clashes(self.memory())

    # -- the lock -------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def turn(self, timeout: float | None = None, take_in: bool = True) -> "Iterator[Turn]":
        """Gives one turn at the store under its lock, with everything foreign taken in; makes the store if need be.

        Raises LockTimeout, which names the holder; StoreTooNew; StoreUnusable.
        """
        self.init()
        with self.lock(self.lock_timeout if timeout is None else timeout):
            turn = open_turn(self.layout)
            if take_in:
                adopt.adopt_all(turn)
                turn.erase_again()
            yield turn

    @contextlib.contextmanager
    def lock(self, timeout: float) -> "Iterator[None]":
        """Holds the store's lock.  Raises LockTimeout, and StoreUnusable where the store has gone in the meantime."""
        with locks.sidecar(self.layout.path("lock"), timeout, self.agent, quick=self.quick):
            self.layout.require_store()
            yield

    def _report(self, turn: Turn) -> bool:
        self.notes = [*turn.notes, *(f"{e} {e.hint}".strip() for e in turn.unusable.values())]
        return not turn.unusable


def _bytes(text: "str | bytes") -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
