"""Outcome: what a shell command did to a store becomes entries of its agent.  Must not know products, or leases."""

from memshim.agents import say
from memshim.agents.event import Ran
from memshim.agents.ingest import journal_name
from memshim.disk import files
from memshim.disk.layout import Layout
from memshim.errors import NotFound
from memshim.store import adopt, intake, publish
from memshim.store.history import revision_of
from memshim.store.store import Store
from memshim.store.turn import Turn, is_index
from memshim.text.origin import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memshim.agents.commands import Noted, Texts


def take_in(layout: Layout, event: Ran, noted: "Noted", texts: "Texts") -> list[str]:
    """Takes in what a command made of what was `noted` before it, and publishes; returns what its agent should be told.

    `texts` is what stood in the documents when it had ended.  Doing it again changes nothing.
    """
    store = Store(layout, journal_name(layout, event.writer), event.writer.session, quick=True)
    with store.turn(take_in=False) as turn:
        told = _Work(turn, store, event, noted, texts).take_in()
        publish.publish_all(turn)
    return told


class _Work:
    """Is one command's changes, on their way in."""

    def __init__(self, turn: Turn, store: Store, event: Ran, noted: "Noted", texts: "Texts") -> None:
        self.turn = turn
        self.store = store
        self.event = event
        self.noted = noted
        self.texts = texts
        self.told: list[str] = []

    def take_in(self) -> list[str]:
        gone = {}
        ids = {name: doc for doc, name in self.turn.documents().items()}
        known = {*self.noted.revisions, *self.turn.memory.documents().values()}
        for name, revision in self.noted.revisions.items():
            if name not in ids:  # not ours; or removed or renamed meanwhile by somebody who has told
                continue
            self._adopt_earlier(ids[name], revision)
            if name in self.texts:
                self._changed(ids[name], name, revision, self.texts[name])
            elif not is_index(name):
                gone[ids[name]] = revision
        fresh = [name for name in self.texts if name in ids and name not in known]
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

    def _adopt_earlier(self, doc: str, revision: str) -> None:
        """Takes in what somebody else had written before the command began, and has not told since."""
        text = self.noted.texts.get(revision)
        if text is None or self.turn.history(doc).knows(revision):
            return
        foreign, base = adopt.base_of(self.turn, doc, text, self.noted.time / 1000)
        if foreign:
            adopt.take_foreign(self.turn, doc, text, base)

    def _changed(self, doc: str, name: str, revision: str, data: bytes) -> None:
        """Takes in a document that is not what it was: unless it is what we, or a tool that told us, put there."""
        found = revision_of(data)
        history = self.turn.history(doc)
        if found == revision or (not data and is_index(name)):
            return
        adopted = self._adopted(doc)
        if len(adopted) == 1:  # somebody looked while the command ran, and took its text for a stranger's
            id, digest, time = adopted[0]
            text = history.find(digest).text
            self._take(doc, name, text, *self._base(doc, revision, text, time), replaces=(id,))
        published = history.published
        if published is not None and published.revision == found:
            return
        if history.knows(found) and published is not None and published.revision != revision:
            return  # an older text over a newer one, while others write as well: no revert of this command's
        self._take(doc, name, data, *self._base(doc, revision, data))

    def _adopted(self, doc: str) -> "list[tuple[str, str, str]]":
        """Returns the adoptions of the document since the command began: entry, the revision that was found, and its time."""
        before = self.noted.revisions.values()
        rows = []
        for entry in self.turn.memory.new.values():
            late = entry.kind == "adopt" and entry.milliseconds >= self.noted.time and "found" in entry.extra
            if (
                late
                and entry.extra["found"] not in before
                and doc in entry.documents()
                and entry.id not in self.turn.memory.state.dropped
            ):
                rows.append((entry.id, str(entry.extra["found"]), entry.time))
        return rows

    def _base(
        self, doc: str, revision: str, data: bytes, adopted: str = ""
    ) -> "tuple[bytes, list[tuple[list[str], bytes]]]":
        """Returns what the command had read: the text before it, or one that came while it ran, if that is nearer.

        Of what was `adopted` at a time nothing later can be the base: that holds what the command wrote, and more.
        """
        history, own = self.turn.history(doc), revision_of(data)
        bases = []
        for found in history.bases():
            late = adopted and found.time > adopted and found.digest != revision
            if found.digest != own and not late:  # somebody who looked meanwhile may have kept the command's own text
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
        id = event.call.entry_id(writer, " ".join((doc, *replaces)))  # what else the command did is an entry of its own
        return intake.Source(event.call.tool.lower(), self.store.agent, writer.session, id, extra, replaces)
