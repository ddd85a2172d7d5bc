"""Commands: what stands in a store before and after a shell command.  Must not know products, or how commands are read.

A command shows no content.  So the revisions that stood there before it are noted, and what stands there afterwards is
taken in as a change of these (see `outcome`); a lease keeps others' tools off meanwhile, where they ask for one.

Others wait while a command has its lease.  So nothing here takes the store's lock or reads its entries, and what
does is imported only when the lease has been given back.
"""

import os

from memshim.agents.event import Ran, Running, Writer, name_of
from memshim.disk import files
from memshim.disk.layout import Layout, is_document
from memshim.errors import DocumentUnusable
from memshim.store import lease
from memshim.store.history import History, now_ms, revision_of
from memshim.text import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memshim.agents.event import Call

    Texts = dict[str, bytes]  # by name


class Noted:
    """Is what stood in a store before a command, at `time` (milliseconds): revisions by documents' names.

    `texts` are those that the store had not recorded then, by revision: somebody had just written them.
    """

    __slots__ = ("revisions", "texts", "time")

    def __init__(self, time: int, revisions: "dict[str, str]", texts: "dict[str, str]") -> None:
        self.time = time
        self.revisions = revisions
        self.texts = {revision: text.encode("utf-8", "surrogateescape") for revision, text in texts.items()}


def running(layout: Layout, event: Running, until: float) -> None:
    """Makes ready for a command: takes a lease, and notes what stands there.  Waits until `until` (monotonic) at most.

    Makes a store of the folder first, with the text from before the command.
    """
    if not layout.is_store():
        from memshim.store import create

        create.create(layout)
    if not event.background:
        lease.take(layout, event.writer.full, event.call.id, event.writer.process, True, until)
    revisions: dict[str, str] = {}
    fresh: dict[str, str] = {}
    for name, text in _texts(layout).items():
        revisions[name] = revision = revision_of(text)
        if not History(layout, name).knows(revision):
            fresh[revision] = text.decode("utf-8", "surrogateescape")
    _note(layout, event.writer, event.call, {"time": now_ms(), "revisions": revisions, "texts": fresh})


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
    from memshim.agents import outcome

    told = outcome.take_in(layout, event, noted, texts)
    files.unlink_quietly(path)
    return told


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
    return layout.path("calls", name_of(writer.session, writer.key, call.id))


def _note(layout: Layout, writer: Writer, call: "Call", what: "dict[str, Any]") -> None:
    import json

    path = _note_path(layout, writer, call)
    files.make_folder(os.path.dirname(path), layout.state)
    files.replace(path, json.dumps(what).encode(), layout.path("tmp"), durable=False)


def _noted(path: str) -> "Noted | None":
    try:
        what = jsontext.loads(files.read(path) or b"null")
        return Noted(what["time"], what["revisions"], what["texts"]) if what is not None else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None  # another version's, or damaged
