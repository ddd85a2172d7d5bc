"""A turn: what one command does to a store while it holds the lock.  Must not know why; `adopt` and `publish` build on it."""

import os
import time

from memshim.disk import files
from memshim.disk.layout import INDEX, Layout, is_document
from memshim.errors import MemshimError
from memshim.store import identity, lease
from memshim.store.history import History, now_ms
from memshim.store.journal import Journal
from memshim.store.memory import Memory
from memshim.text.entry import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from memshim.text.entry import Op


class Turn:
    """Is one reading of the store with the right to take changes in; made and used under the store's lock.

    `notes` are sentences for whoever runs the command, `unusable` the documents that cannot be read or replaced,
    `wait` how many seconds a document that is missing or empty is still left alone, `taken_in` how many foreign changes
    became entries, `reclaimed` the documents whose published text was looked at for lost entries, `standing` the text that
    each document was last seen to have on disk, `under_way` for how many seconds agents' tools may still be writing
    (see `lease`), `deferred` the documents whose unknown bytes are left until those have told.  `earlier` takes in versions
    that stood there before the one that has just been read: what was made from them must not be taken in first.
    """

    def __init__(self, layout: Layout, replica: str) -> None:
        self.layout = layout
        self.replica = replica
        self.memory = Memory(layout)
        self.notes: list[str] = []
        self.unusable: dict[str, MemshimError] = {}
        self.wait = 0.0
        self.taken_in = 0
        self.under_way = lease.under_way(layout)
        self.deferred: set[str] = set()
        self.erasing = False
        self.reclaimed: set[str] = set()
        self.standing: dict[str, bytes] = {}
        self.behind = False  # somebody wrote all the time, so a document is not up to date
        self.written = 0.0  # when the version that is being taken in was written, 0: just now
        self.earlier: Callable[[], None] = lambda: None
        self._histories: dict[str, History] = {}
        self._found: dict[str, str] = {}  # documents that nobody has taken in yet, id to name

    def history(self, doc: str) -> History:
        """Returns the history of a document (by id)."""
        if doc not in self._histories:
            self._histories[doc] = History(self.layout, doc)
        return self._histories[doc]

    def forget_histories(self) -> None:
        """Lets the histories be read anew, after their files were changed from outside."""
        self._histories.clear()

    def erase_again(self) -> None:
        """Erases what was redacted and has come back with a new entry, before anybody is shown it."""
        if self.memory.state.redacted and not self.erasing:
            from memshim.store import redact  # only where something was ever redacted

            self.erasing = True
            redact.again(self)
            self.erasing = False

    def tag(self) -> str:
        """Returns a new tag for positions: time first, so that of two runs at one place the earlier comes first."""
        return f"{now_ms():012x}{os.urandom(2).hex()}"

    def record(
        self,
        kind: str,
        agent: str,
        ops: "list[Op]",
        *,
        session: str = "",
        why: str = "",
        id: str = "",
        replaces: "tuple[str, ...]" = (),
        extra: "dict[str, Any] | None" = None,
    ) -> Entry:
        """Appends an entry to an agent's journal, durably, and folds it in; `id` where the change brings one of its own."""
        journal = Journal(self.layout, agent, self.replica, session)
        try:
            entry = Entry(id, "", kind, agent, ops, session=session, why=why, replaces=replaces, extra=extra)
            journal.append(entry, seen=self.memory.state.latest)
        finally:
            journal.close()
        self.memory.take(entry)
        return entry

    def documents(self) -> dict[str, str]:
        """Returns the documents to look after, id to name: those that exist for us, and those found in the folder."""
        known = self.memory.documents()
        if self.layout.takes_all():
            names = set(known.values())
            for name in sorted(os.listdir(self.layout.root)):
                if is_document(name) and name not in names:
                    doc = self._free_id(name)
                    known[doc] = self._found[doc] = name
        return known

    def name(self, doc: str) -> str:
        """Returns a document's name, also of one that was only found in the folder."""
        return self._found.get(doc) or self.memory.state.names.name(doc)

    def document_id(self, name: str) -> str:
        """Returns the id of the document with this name, also of one that was only found in the folder."""
        return next((doc for doc, shown in self.documents().items() if shown == name), self.memory.document_id(name))

    def _free_id(self, name: str) -> str:
        """Returns an id for a new document: its name, unless a document that was renamed has that id."""
        names = self.memory.state.names
        doc = names.meant(name)
        if names.name(doc) != name:
            doc = name
            while names.name(doc) != name and doc in self.memory.state.docs:
                doc += "~"
        return doc

    # -- versions that are put aside ---------------------------------------------------------------------------

    ASIDE = "publish."

    def aside_folder(self) -> str:
        """Returns the folder for files that change places with documents: on their file system, outside a client's sight."""
        scratch = self.layout.path("tmp")
        if os.stat(scratch).st_dev == os.stat(self.layout.root).st_dev:
            return scratch
        return self.layout.root

    def aside_name(self, doc: str) -> str:
        """Returns a new name to put a document's version aside under; a later sweep finds it."""
        folder = self.aside_folder()
        prefix = "" if folder != self.layout.root else ".memshim-"
        key = os.path.basename(self.history(doc).folder)
        return files.scratch_name(folder, f"{prefix}{self.ASIDE}{key}")

    # -- documents that are missing or empty for a moment ------------------------------------------------------

    GRACE_S = 2.0

    def absent_for(self, doc: str) -> float:
        """Returns for how long a document has been missing, empty or unreadable, as far as memshim has seen."""
        marker = self._marker(doc)
        try:
            age = time.time() - os.stat(marker).st_mtime
        except FileNotFoundError:
            files.make_folder(os.path.dirname(marker), self.layout.state)
            files.replace(marker, b"", self.layout.path("tmp"), durable=False)
            return 0.0
        if age < 0:  # the clock was ahead when it went missing: count from now on
            os.utime(marker)
        return max(0.0, age)

    def is_present(self, doc: str) -> None:
        """Notes that a document is there."""
        files.unlink_quietly(self._marker(doc))

    def _marker(self, doc: str) -> str:
        return self.layout.path("absent", os.path.basename(self.history(doc).folder))


def open_turn(layout: Layout) -> Turn:
    """Returns a turn at an existing store; the caller holds the lock.  Raises StoreTooNew for a newer format."""
    identity.require_writable(layout)
    return Turn(layout, identity.replica(layout))


def is_index(name: str) -> bool:
    """Tells the document whose absence is never a deletion."""
    return name == INDEX
