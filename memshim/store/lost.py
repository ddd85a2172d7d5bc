"""Lost updates: what a writer wiped out unseen, and what became of it.  Must not know who looks at the folder, or when.

An entry that merges a text whose writer had not seen newer blocks says so itself, in two fields beside its operations:

    saved   [[block, agent], ...]            overwritten unseen by this entry's agent, and put back by the merge
    gone    [[block, agent, why], ...]       overwritten again, and left removed: `why` is "again" or "pattern"

and in one more, `mass` [removed, of], if it removed most of a document.  That a block was put back is also said by an
operation: a `restore` of it that takes nothing back.  So the fact stays with the block, in every snapshot.
"""

import time

from memshim.errors import NotFound
from memshim.store import lookup
from memshim.store.history import revision_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from memshim.store.memory import Memory
    from memshim.store.turn import Turn
    from memshim.text.entry import Entry, Op
    from memshim.text.sections import Piece
    from memshim.text.view import View

RACE_S = 10.0
"""A block that was put back and is overwritten again sooner than this is put back again: nobody had the time to read it."""
PATTERN = 5
"""How many restorations one writer's pattern may cause within PATTERN_S; then they stop, and it is reported."""
PATTERN_S = 600.0
STEP_S = 1.0
"""Restorations closer together than this are one race, not a pattern: nobody had the time to read what was put back."""
MASS_SHARE, MASS_BLOCKS = 0.5, 5
"""A change that removes more than this share of a document's blocks, and at least so many, is reported."""


class Lost:
    """Is one lost update: which text, whose, overwritten by whom (the entry's agent) and when, and what became of it.

    `state`: "restored", "conflict" (both texts stand side by side), "removed" (somebody removed it later), "again"
    (overwritten again after it had been restored: left removed) or "pattern" (restorations against this writer stopped).
    """

    __slots__ = ("agent", "block", "by", "doc", "entry", "state", "text", "time")

    def __init__(self, block: str, agent: str, entry: "Entry", doc: str, text: bytes, state: str) -> None:
        self.block = block
        self.agent = agent
        self.by = entry.agent
        self.entry = entry.id
        self.time = entry.milliseconds / 1000
        self.doc = doc
        self.text = text
        self.state = state


# --- noticing -----------------------------------------------------------------------------------------------


def standing(turn: "Turn", doc: str) -> bytes:
    """Returns the text that a version which is taken in now has overwritten, as far as known."""
    text, published = turn.standing.get(doc), turn.history(doc).published
    if text is not None or published is None or not published.confirmed:
        return text or b""
    view = turn.memory.view(doc).text
    if revision_of(view) == published.revision:
        return view
    try:
        return turn.history(doc).find(published.revision).text
    except NotFound:
        return b""


def overwritten(view: "View", stood: bytes, base: bytes, found: bytes) -> "list[Piece]":
    """Returns the pieces of a view that `found` wiped out unseen: they had `stood` there, and its writer, who had read
    `base`, never saw them."""
    before, seen, kept = _Lines(stood), _Lines(base), _Lines(found)
    return [
        piece
        for piece in view.pieces
        if piece.ids
        and piece.kind != "blank"
        and (text := piece.bare.strip()) not in kept
        and text not in seen
        and text in before
    ]


class _Lines:
    """Is a text that can be asked whether a block stands in it, as whole lines."""

    def __init__(self, text: bytes) -> None:
        self.lines = {line.strip() for line in text.splitlines()}
        self.text = b"\n" + text + b"\n"

    def __contains__(self, block: bytes) -> bool:
        if b"\n" not in block:
            return block in self.lines
        return b"\n" + block + b"\n" in self.text


class Ruling:
    """Is what is to be done about overwritten blocks: fields and operations for the entry that takes the change in."""

    __slots__ = ("extra", "ops")

    def __init__(self, extra: "dict[str, Any]", ops: "list[Op]") -> None:
        self.extra = extra
        self.ops = ops


def note(doc: str, pieces: "Iterable[Piece]") -> Ruling:
    """Returns what an entry says of blocks that it puts back: for writers of whom a hook told what they had seen."""
    rows = [[block, agent] for piece in pieces for block, agent in _blocks(piece)]
    if not rows:
        return Ruling({}, [])
    targets = [block for block, _ in rows]
    return Ruling({"saved": rows}, [{"op": "restore", "doc": doc, "targets": targets, "undoes": []}])


def rule(turn: "Turn", memory: "Memory", view: "View", pieces: "list[Piece]", base: str, foreign: bool) -> Ruling:
    """Decides which overwritten blocks are put back, and which are left removed, when nobody says what the writer had seen.

    `base` is the revision that the writer must have read, `foreign` whether that is a text that never was a view.
    A block is put back once; removed again, by anyone, when it had stood there for RACE_S, it stays removed.
    Against one writer's pattern (each text made from their own one before, never from ours) nothing is put back after
    PATTERN restorations in PATTERN_S.
    """
    if not pieces:
        return Ruling({}, [])
    if foreign and _pattern(memory, base) >= PATTERN:
        return _left_removed(view, pieces, "pattern")
    again = [p for p in pieces if _stood(turn, view.doc) and _was_saved(memory, p)]
    kept = note(view.doc, [p for p in pieces if p not in again])
    left = _left_removed(view, again, "again")
    return Ruling({**kept.extra, **left.extra}, [*kept.ops, *left.ops])


def _left_removed(view: "View", pieces: "list[Piece]", why: str) -> Ruling:
    if not pieces:
        return Ruling({}, [])
    rows = [[block, agent, why] for piece in pieces for block, agent in _blocks(piece)]
    return Ruling({"gone": rows}, lookup.removal(view, {i for p in pieces for i in p.ids}))


def _blocks(piece: "Piece") -> "Iterator[tuple[str, str]]":
    """Yields the blocks that a piece shows, each with its author."""
    for n, block in enumerate(piece.ids):
        yield block, piece.agents[min(n, len(piece.agents) - 1)] if piece.agents else ""


def _stood(turn: "Turn", doc: str) -> bool:
    """Tells whether what has been overwritten had stood on disk for RACE_S; a version that came just before had not."""
    published = turn.history(doc).published
    if doc in turn.standing or published is None or not published.confirmed:
        return False
    return (turn.written or time.time()) - published.confirmed >= RACE_S


def _was_saved(memory: "Memory", piece: "Piece") -> bool:
    """Tells whether one of these blocks has been put back before."""
    facts = [memory.state.facts[i] for i in piece.ids if i in memory.state.facts]
    return any(not undoes for f in facts for undoes in f.undone.values())


def _pattern(memory: "Memory", base: str) -> int:
    """Returns how many restorations in a row had a text that was made from the one before, each at its own time."""
    count, later = 0, time.time()
    oldest = later - PATTERN_S
    for entry in memory.entries():
        when = entry.milliseconds / 1000
        if when < oldest:
            break
        if entry.extra.get("found") != base or not (entry.extra.get("saved") or entry.extra.get("gone")):
            continue
        if later - when < STEP_S:
            break
        count, later, base = count + 1, when, str(entry.extra.get("base"))
    return count


def mass(view: "View", ops: "Iterable[Op]") -> "dict[str, Any]":
    """Returns the field `mass` for an entry with these operations on a view; nothing where it removes less."""
    blocks = {piece.ids[0]: piece.ids for piece in view.pieces if piece.ids and piece.kind != "blank"}
    gone = {target for op in ops if op.get("op") == "remove" for target in op["targets"]}
    removed = sum(gone.issuperset(ids) for ids in blocks.values())
    return {"mass": [removed, len(blocks)]} if removed > max(MASS_SHARE * len(blocks), MASS_BLOCKS - 1) else {}


def told(name: str, extra: "dict[str, Any]") -> "list[str]":
    """Returns sentences for people about an entry with these fields, on the document of this name."""
    said = []
    for field, what in (("saved", "was put back"), ("gone", "was left removed")):
        if field in extra:
            said.append(f"{name} was overwritten by a writer who had not read it; what it had {what}: memshim lost")
    if "mass" in extra:
        said.append(f"{extra['mass'][0]} of {extra['mass'][1]} blocks of {name} were removed at once: memshim lost")
    return said


# --- reporting ----------------------------------------------------------------------------------------------


def listed(memory: "Memory") -> "Iterator[Lost]":
    """Yields the lost updates, newest first."""
    for entry in memory.entries():
        if entry.id not in memory.state.dropped:  # taken back, or an adoption that a hook has explained since
            yield from of_entry(memory, entry)


def of_entry(memory: "Memory", entry: "Entry") -> "Iterator[Lost]":
    """Yields the lost updates that one entry tells of."""
    rows = [*entry.extra.get("gone", ()), *entry.extra.get("saved", ())]
    clashing = {f.id for conflict in memory.state.conflicts() for f in conflict.blocks} if rows else set()
    for block, agent, *why in rows:
        found = next(iter(lookup.known(memory, [block])), None)
        if found is None:
            continue  # redacted: that it happened is in the log
        doc = memory.state.names.name(memory.state.doc_of(found))
        state = why[0] if why and not found.alive() else _state(block in clashing, found.kills, found.killers())
        yield Lost(block, agent, entry, doc, found.definition().text, state)


def _state(clashing: bool, kills: "dict[str, str]", standing: "list[str]") -> str:
    if clashing:
        return "conflict"
    return "removed" if any(kills.get(entry, "remove") == "remove" for entry in standing) else "restored"
