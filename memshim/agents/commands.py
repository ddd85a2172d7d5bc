"""Commands: what a shell command did to a store becomes entries of its agent.  Must not know products, or how commands are read.

A command shows no content.  So the revisions that stood there before it are noted, and what stands there afterwards is
taken in as a change of these; a lease keeps others' tools off meanwhile, where they ask for one.
"""

import os
import time
from hashlib import sha256

from memshim.agents import say
from memshim.agents.event import Ran, Running, Writer
from memshim.agents.ingest import journal_name
from memshim.disk import files
from memshim.disk.layout import Layout, is_document
from memshim.errors import DocumentUnusable, LockTimeout, NotFound
from memshim.store import adopt, create, intake, lease, publish
from memshim.store.history import now_ms, revision_of
from memshim.store.store import Store
from memshim.store.turn import Turn, is_index
from memshim.text.origin import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memshim.agents.event import Call

    Texts = dict[str, bytes]  # by name


def running(layout: Layout, event: Running, until: float) -> None:
    """Makes ready for a command: takes a lease, and notes what stands there.  Waits until `until` (monotonic) at most.

    Makes a store of the folder first, with the text from before the command.
    """
    if not layout.is_store():
        create.create(layout)
    if not event.background:
        lease.take(layout, event.writer.full, event.call.id, event.writer.process, True, until)
    left = max(0.1, until - time.monotonic())
    store = Store(layout, journal_name(layout, event.writer), event.writer.session, left, quick=True)
    try:
        with store.turn() as turn:
            rows = {}
            for doc, name in turn.documents().items():
                found = files.read_document(layout.document(name))
                if found is not None:
                    rows[doc] = [name, revision_of(found[0])]
    except (LockTimeout, DocumentUnusable):
        return  # then the change is adopted as that of `external`
    _note(layout, event.writer, event.call, {"time": now_ms(), "documents": rows})


def ran(layout: Layout, event: Ran) -> list[str]:
    """Takes in what a command did, as its agent's, and publishes; returns what the agent should be told.

    Reads the documents first and gives the lease back then: the next command may run while this one's is merged.
    """
    if not layout.is_store():
        return []
    path = _note_path(layout, event.writer, event.call)
    noted = _noted(path)
    texts = _texts(layout) if noted is not None else {}
    lease.give_back(layout, event.call.id)
    if noted is None:
        return []
    store = Store(layout, journal_name(layout, event.writer), event.writer.session, quick=True)
    told: list[str] = []
    with store.turn(take_in=False) as turn:
        work = _Work(turn, store, event, noted, texts)
        told = work.take_in()
        publish.publish_all(turn)
    files.unlink_quietly(path)
    return told


class _Work:
    """Is one command's changes, on their way in."""

    def __init__(self, turn: Turn, store: Store, event: Ran, noted: "dict[str, Any]", texts: "Texts") -> None:
        self.turn = turn
        self.store = store
        self.event = event
        self.since = noted["time"]
        self.before: dict[str, list[str]] = noted["documents"]
        self.texts = texts
        self.told: list[str] = []

    def take_in(self) -> list[str]:
        gone = {}
        for doc, (name, revision) in self.before.items():
            if name in self.texts:
                self._changed(doc, name, revision, self.texts[name])
            elif self.turn.name(doc) == name and not is_index(name):
                gone[doc] = revision
        known = {name for name, _ in self.before.values()} | set(self.turn.memory.documents().values())
        fresh = [name for name in self.texts if name not in known]
        for doc, revision in gone.items():
            moved = next((name for name in fresh if revision_of(self.texts[name]) == revision), None)
            if moved is None:
                adopt.take_deletion(self.turn, doc, revision, self._source(doc))
            else:
                fresh.remove(moved)
                self._renamed(doc, moved)
        for name in fresh:
            self._take(self.turn.document_id(name), name, self.texts[name], b"", [])
        return self.told

    def _changed(self, doc: str, name: str, revision: str, data: bytes) -> None:
        """Takes in a document that is not what it was: unless it is what we, or a tool that told us, put there."""
        found = revision_of(data)
        history = self.turn.history(doc)
        if found == revision or (not data and is_index(name)):
            return
        adopted = self._adopted(doc)
        if len(adopted) == 1:  # somebody looked while the command ran, and took its text for a stranger's
            text = history.find(adopted[0][1]).text
            self._take(doc, name, text, *self._base(doc, revision, text), replaces=(adopted[0][0],))
        published = history.published
        if published is not None and published.revision == found:
            return
        if history.knows(found) and published is not None and published.revision != revision:
            return  # an older text over a newer one, while others write as well: no revert of this command's
        self._take(doc, name, data, *self._base(doc, revision, data))

    def _adopted(self, doc: str) -> "list[tuple[str, str]]":
        """Returns the adoptions of the document since the command began: entry, and the revision that was found."""
        rows = []
        for entry in self.turn.memory.new.values():
            late = entry.kind == "adopt" and entry.milliseconds >= self.since and "found" in entry.extra
            if late and doc in entry.documents() and entry.id not in self.turn.memory.state.dropped:
                rows.append((entry.id, str(entry.extra["found"])))
        return rows

    def _base(self, doc: str, revision: str, data: bytes) -> "tuple[bytes, list[tuple[list[str], bytes]]]":
        """Returns what the command had read: the text before it, or one that came while it ran, if that is nearer."""
        history, own = self.turn.history(doc), revision_of(data)
        bases = []
        for found in history.bases():
            if found.digest != own:  # somebody who looked meanwhile may have kept the command's own text
                bases.append(found)
            if found.digest == revision:
                break
        else:
            try:
                bases = [history.find(revision)]
            except NotFound:
                return b"", []
        chosen = bases[nearest(data, (b.text for b in bases), True)] if bases else history.find(revision)
        return chosen.text, chosen.pieces

    def _take(
        self,
        doc: str,
        name: str,
        data: bytes,
        base: bytes,
        pieces: "list[tuple[list[str], bytes]]",
        replaces: tuple[str, ...] = (),
    ) -> None:
        source = self._source(doc, replaces)
        if self.turn.memory.entry(source.id) is not None:
            return
        taken = intake.take_in(self.turn, doc, data, base, pieces, source, found=data)
        self.told += say.about(self.turn, doc, taken, None, data, self.store.agent)
        path = self.turn.layout.document(name)
        now = files.read_document(path)
        if now is not None and now[0] == data:
            self.turn.history(doc).confirm(revision_of(data), path)

    def _renamed(self, doc: str, name: str) -> None:
        source = self._source(doc)
        if self.turn.memory.entry(source.id) is None:
            adopt.take_rename(self.turn, doc, name, source)

    def _source(self, doc: str, replaces: tuple[str, ...] = ()) -> intake.Source:
        event, writer = self.event, self.event.writer
        extra = {"tool": event.call.tool, "call": event.call.id, "key": writer.full}
        id = event.call.entry_id(writer, doc)
        return intake.Source(event.call.tool.lower(), self.store.agent, writer.session, id, extra, replaces)


def _texts(layout: Layout) -> "Texts":
    found = {}
    for name in os.listdir(layout.root):
        if is_document(name):
            try:
                here = files.read_document(layout.document(name))
            except DocumentUnusable:
                continue  # a link or a folder: no document of ours
            if here is not None:
                found[name] = here[0]
    return found


# --- what stood there before ----------------------------------------------------------------------------------


def _note_path(layout: Layout, writer: Writer, call: "Call") -> str:
    parts = (writer.session, writer.key, call.id)
    return layout.path("calls", sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32])


def _note(layout: Layout, writer: Writer, call: "Call", what: "dict[str, Any]") -> None:
    import json

    path = _note_path(layout, writer, call)
    files.make_folder(os.path.dirname(path))
    files.replace(path, json.dumps(what).encode(), layout.path("tmp"), durable=False)


def _noted(path: str) -> "dict[str, Any] | None":
    import json

    try:
        what = json.loads(files.read(path) or b"null")
    except ValueError:
        return None
    sound = isinstance(what, dict) and isinstance(what.get("time"), int) and isinstance(what.get("documents"), dict)
    return what if sound else None
