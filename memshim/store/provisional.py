"""Guesses: adoptions of bytes whose writer had not told yet, and what becomes of them when it does.  Must not know tools.

An adopted text says what was found, not who wrote it.  When a call comes that made these very bytes, its entry names the
adoption in `replaces`, and it is as if it had never been.
"""

from memshim.disk import files
from memshim.store import adopt, intake
from memshim.store.history import now_ms, revision_of
from memshim.store.turn import Turn
from memshim.text.blocks import split_lines
from memshim.text.origin import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from memshim.text.entry import Entry

PROVISIONAL_MS = 3_600_000
"""For how long after an adoption its call is waited for."""


def guesses(turn: Turn, doc: str, data: bytes, before: bytes) -> tuple[str, ...]:
    """Returns the entries that took exactly this text of a document in, knowing nothing but its bytes.

    Whoever brings the call that wrote it, over the text `before`, names them in `replaces`.  An entry that was there before
    that text is no guess at this call: who adds a line and takes it out again makes bytes that stood there earlier.
    """
    entries = (e for e in _found(turn, doc, revision_of(data)) if e.kind in intake.GUESSED)
    return tuple(e.id for e in entries if not _is_later(turn, doc, revision_of(before), e))


def _found(turn: Turn, doc: str, revision: str) -> "Iterator[Entry]":
    """Yields the entries of the last hour that took exactly this text of a document in, newest first."""
    oldest, dropped = now_ms() - PROVISIONAL_MS, turn.memory.state.dropped
    for entry in turn.memory.entries():
        if entry.milliseconds < oldest:
            return
        if entry.extra.get("found") == revision and doc in entry.documents() and entry.id not in dropped:
            yield entry


def _is_later(turn: Turn, doc: str, revision: str, entry: "Entry") -> bool:
    """Tells whether a text came about when `entry` was there: it was found or published later, or made of what was.

    When a call told of it says nothing: of two writes that followed each other the first may tell last.
    """
    history, known, todo = turn.history(doc), {revision}, [revision]
    while todo:
        one = todo.pop()
        if one == entry.extra["found"]:
            return True
        if not history.knows(one, entry.time):
            continue
        calls = [e for e in _found(turn, doc, one) if e.kind not in intake.GUESSED]
        if not calls or history.is_view(one, entry.time):
            return True
        todo += {e.extra["base"] for e in calls} - known
        known.update(todo)
    return False


def is_untold(turn: Turn, doc: str, data: bytes) -> bool:
    """Tells whether a text that a call found on disk holds changes of others, whose calls are still on their way."""
    history, revision = turn.history(doc), revision_of(data)
    return not history.is_sure(revision) if history.knows(revision) else bool(turn.under_way)


def told_of(turn: Turn, doc: str, data: bytes) -> bytes:
    """Returns a text that an agent had seen without the lines that are still untold: what it carries on of these is new.

    Else a writer who merely kept such a line would seem to keep what the view has removed since.
    """
    if not is_untold(turn, doc, data):
        return data
    known = set(split_lines(turn.memory.view(doc).text))
    for base in turn.history(doc).bases():
        known.update(split_lines(base.text))
    return b"".join(line for line in split_lines(data) if line in known)


def account_for(turn: Turn, doc: str, data: bytes, guesses: tuple[str, ...]) -> tuple[str, ...]:
    """Makes sure that a text which a call found on disk is in the store, also without the `guesses` that the call replaces.

    Returns the guesses that are still to be replaced.  Such a guess may have been made of bytes to which other writers
    had added, whose calls are still on their way: without it these would be in the call's base, and nowhere else.
    """
    history = turn.history(doc)
    if turn.under_way and not guesses:
        if not history.knows(revision_of(data)):
            files.create(turn.aside_name(doc), data)  # should the call that made it never tell
        return guesses
    if any(e.id not in guesses for e in _found(turn, doc, revision_of(data))) or history.is_view(revision_of(data)):
        return guesses
    unsure = {revision_of(data), *(e.extra["found"] for g in guesses if (e := turn.memory.entry(g)) is not None)}
    bases = [r for r in history.bases() if r.digest not in unsure]
    adopt.take_foreign(
        turn, doc, data, bases[nearest(data, (b.text for b in bases), False)] if bases else None, guesses
    )
    return ()
