"""Ingest: what agents' own tools did becomes entries of these agents.  Must not know any product's shapes, or the hook.

Each change is taken in as the difference between what its agent had seen and what it wrote, so writes that overwrote each
other on disk are all there afterwards.  Nothing here stops a tool.
"""

import os
from collections import Counter

from memshim.agents import say, seen
from memshim.agents.event import Changed, Looked, Refused, Writer
from memshim.disk import files
from memshim.disk.layout import INDEX, Layout
from memshim.errors import DocumentUnusable
from memshim.store import adopt, create, intake, provisional, publish
from memshim.store.history import revision_of
from memshim.store.memory import Memory
from memshim.store.store import Store
from memshim.store.turn import Turn
from memshim.text.blocks import split_lines
from memshim.text.seen import carry, look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from memshim.agents.event import Call

LOCK_S = 2.0
RECENT = 30
"""How many revisions are looked through for a text that an agent speaks of."""


class Place:
    """Is a document as an agent's tool names it: the store's folder, the document's name, and how its product sees text.

    `plain` turns bytes into the text that the product hands on; `loaded` tells the lines that it shows at the start.
    """

    def __init__(
        self,
        layout: Layout,
        name: str,
        plain: "Callable[[bytes], str]",
        loaded: "Callable[[bytes], set[int]]",
    ) -> None:
        self.layout = layout
        self.name = name
        self.plain = plain
        self.loaded = loaded

    def store(self, writer: Writer) -> Store:
        """Returns the store, for this agent.  A session whose first digits are another's gets more of them."""
        return Store(self.layout, journal_name(self.layout, writer), writer.session, LOCK_S, quick=True)

    def seen(self, writer: Writer, doc: str) -> seen.Seen:
        """Returns what an agent has seen of this document."""
        return seen.Seen(self.layout, writer, doc, self.loaded)

    def is_ours(self) -> bool:
        """Tells whether this is a document: not every Markdown file in a project root is."""
        return self.name == INDEX or self.layout.takes_all() or self.name in Memory(self.layout).documents().values()

    def read(self) -> bytes | None:
        """Returns what stands on disk, None where nothing does."""
        found = files.read_document(self.layout.document(self.name))
        return found[0] if found is not None else None


def journal_name(layout: Layout, writer: Writer) -> str:
    """Returns the agent's id, longer where another session's has the same first digits."""
    from memshim.store.journal import session_of

    for digits in (8, 12, 16, 24, 32):
        name = writer.id(digits)
        if session_of(layout, name) in (None, writer.session):
            return name
    return name


def make(place: Place, before: bytes | None) -> None:
    """Makes a store of the folder where it is none, with the document as it was `before`."""
    if not place.layout.is_store() and os.path.isdir(place.layout.root):
        create.create(place.layout, {place.name: before})


# --- what was shown -----------------------------------------------------------------------------------------


def looked(place: Place, event: Looked) -> None:
    """Remembers which lines an agent was shown; a text that is not the document's is passed over, which costs deletions only.

    Makes a store of the folder: what was seen is kept there.
    """
    make(place, place.read())
    doc = place.name if place.name == INDEX else Memory(place.layout).document_id(place.name)
    mine = place.seen(event.writer, doc)
    lines = event.text.split("\n")
    whole = event.first == 0 and len(lines) >= event.total
    shown = range(event.first, event.first + len(lines) - (0 if whole or lines[-1] else 1))
    for text in _candidates(place, doc):
        words = place.plain(text)
        if words == event.text if whole else words.split("\n")[event.first :][: len(lines)] == lines:
            mine.keep(look(mine.text(), text, None if whole else shown))
            return
    if whole:  # no text that we know: it may be one in which something was redacted since
        from memshim.store import redact

        mine.keep(redact.without(Memory(place.layout), _bytes(event.text)))


def _candidates(place: Place, doc: str) -> "list[bytes]":
    """Returns the texts that an agent may just have been shown: the one on disk, then the newest revisions."""
    from memshim.store.history import History

    here = place.read()
    return [*([here] if here is not None else []), *(r.text for r in History(place.layout, doc).recent(RECENT))]


# --- what was written ---------------------------------------------------------------------------------------


def changed(place: Place, event: Changed) -> list[str]:
    """Takes in what an Edit or a Write made, merges and publishes it; returns what its agent should be told.

    Doing it again changes nothing: the entry's id comes from the call.  Raises what `Store.turn` and `take_in` do.
    """
    here = place.read()
    before = _exact(place, event.before, here, None)
    after = _after(place, event, before, here)
    make(place, before)
    store = place.store(event.writer)
    with store.turn(take_in=False) as turn:
        doc = turn.document_id(place.name)
        id = event.call.entry_id(event.writer, doc)
        told: list[str] = []
        if turn.memory.entry(id) is None:
            mine = place.seen(event.writer, doc)
            had = mine.text(after if event.old is None else b"")
            old = _revision(place, turn, doc, before) if before is not None else b""
            guesses = left = provisional.guesses(turn, doc, after, old)
            untold = not guesses and provisional.is_untold(turn, doc, old)
            if before is not None:
                left = provisional.account_for(turn, doc, old, guesses)
            view = turn.memory.view(doc)
            base, target = provisional.told_of(turn, doc, had) if event.old is None else old, after
            if untold and event.old is not None:
                base, target = _put_into(view.text, event, old, after) or (base, target)
            pieces = _pieces(turn, doc)
            source = _source(store, event.writer, event.call, id, left, guesses)
            taken = intake.take_in(turn, doc, target, base, pieces, source, found=after, sure=not untold)
            told = say.about(turn, doc, taken, view if event.old is None else None, after, store.agent)
            mine.keep(after if event.old is None else carry(had, _bytes(event.old), _bytes(event.new or ""), after))
        if place.read() == after:
            turn.history(doc).confirm(revision_of(after), place.layout.document(turn.name(doc)))
        publish.publish_all(turn)
    return told


def _put_into(text: bytes, event: Changed, before: bytes, after: bytes) -> tuple[bytes, bytes] | None:
    """Returns a text before and after an Edit's replacement, None where what it replaced is not there exactly once.

    For an Edit of a text that holds changes of other calls, still on their way: merged as a change of that text, it would
    look as if these had been removed since.  None too where the text has gained just these lines: somebody has read them
    on disk and written them back, and has told first.
    """
    old, new = _bytes(event.old or ""), _bytes(event.new or "")
    if not old or text.count(old) != 1:
        return None
    had = Counter(split_lines(before))
    added = Counter(split_lines(after)) - had
    if added and added <= Counter(split_lines(text)) - had:
        return None
    if not new and not old.endswith(b"\n") and old + b"\n" in text:
        old += b"\n"  # as the client does
    return text, text.replace(old, new)


def refused(place: Place, event: Refused) -> list[str]:
    """Takes in a change that its product refused as stale, as if it had been made of what the agent had seen.

    Where no known text holds what it wanted to replace, nothing is done: the product has told the agent.
    """
    make(place, place.read())
    store = place.store(event.writer)
    with store.turn(take_in=False) as turn:
        adopt.adopt_all(turn)
        doc = turn.document_id(place.name)
        id = event.call.entry_id(event.writer, doc)
        if turn.memory.entry(id) is not None:
            return []
        mine = place.seen(event.writer, doc)
        had = mine.text(_bytes(event.new) if event.old is None else b"")
        if event.old is None:
            base, target = provisional.told_of(turn, doc, had), _bytes(event.new)
        else:
            old = _bytes(event.old)
            texts = [had, *(r.text for r in turn.history(doc).recent(RECENT))]
            found = next((t for t in texts if (old and t.count(old) == 1) or (event.every and old in t)), None)
            if found is None:
                return []
            base, target = found, found.replace(old, _bytes(event.new))
        source = _source(store, event.writer, event.call, id)
        taken = intake.take_in(turn, doc, target, base, _pieces(turn, doc), source)
        mine.keep(target if event.old is None else carry(had, _bytes(event.old), _bytes(event.new), target))
        told = [say.saved(turn.name(doc)), *say.about(turn, doc, taken, None, target, store.agent)]
        publish.publish_all(turn)
    return told


def _source(
    store: Store, writer: Writer, call: "Call", id: str, replaces: tuple[str, ...] = (), kin: tuple[str, ...] = ()
) -> intake.Source:
    extra = {"tool": call.tool, "call": call.id, "key": writer.full}
    return intake.Source(call.tool.lower(), store.agent, writer.session, id, extra, replaces, kin)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _pieces(turn: Turn, doc: str) -> "list[tuple[list[str], bytes]]":
    """Returns the blocks of the newest revisions, by which a clash knows what it is about."""
    return [piece for revision in turn.history(doc).recent(3) for piece in revision.pieces]


def _revision(place: Place, turn: Turn, doc: str, before: bytes) -> bytes:
    """Returns the bytes that a tool found on disk: those of a known revision that reads the same, else as told."""
    words = place.plain(before)
    for revision in turn.history(doc).recent(RECENT):
        if place.plain(revision.text) == words:
            return revision.text
    return before


def _exact(place: Place, words: str | None, here: bytes | None, like: bytes | None) -> bytes | None:
    """Returns the bytes of a text that a product speaks of: those on disk or of a revision, if they read so.

    Else the text with the line ends, and the mark at its start, of `like` (default: what is on disk).
    """
    if words is None:
        return None
    if here is not None and place.plain(here) == words:
        return here
    shape = like if like is not None else here or b""
    data = _bytes(words)
    if b"\r\n" in shape and b"\r\n" not in data:
        data = data.replace(b"\n", b"\r\n")
    return shape[:3] + data if shape.startswith(b"\xef\xbb\xbf") and not data.startswith(b"\xef\xbb\xbf") else data


def _after(place: Place, event: Changed, before: bytes | None, here: bytes | None) -> bytes:
    """Returns what the tool has written: what is on disk, if it can be that; else the likeliest."""
    if here is not None and any(place.plain(here) == words for words in event.after):
        return here
    if not event.after:
        raise DocumentUnusable(f"What was written to {place.name} cannot be told from its event.")
    data = _exact(place, event.after[0], None, before)
    assert data is not None
    return data
