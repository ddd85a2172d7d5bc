"""Intake: a text that somebody made becomes one entry, merged into the view once.  Must not know how the text was found.

Adoption brings what stands on disk, agents' tools what they wrote; both come here, and nothing else merges for them.
"""

from collections import Counter

from memshim.errors import DocumentUnusable, NotFound
from memshim.store import lost
from memshim.store.history import now_ms, revision_of
from memshim.store.turn import Turn
from memshim.text.blocks import split_lines
from memshim.text.facts import CODES
from memshim.text.intake import operations
from memshim.text.merge import Merged, MergeLimitError, merge
from memshim.text.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from memshim.store.memory import Memory
    from memshim.text.entry import Entry, Op

    Pieces = Sequence[tuple[list[str], bytes]]


GUESSED = ("adopt", "bash")
"""The kinds of entries whose author was told from the bytes, or from what ran at the time, and not by a call that held them."""


class Source:
    """Is where a change comes from: who made it, by what kind of act, and the id of the call, if it has one.

    `replaces` are the adoptions of this very change, by somebody who saw only its bytes; `kin` those and the ones that
    another entry replaced just now: new blocks keep the ids that these gave to the same text.
    """

    __slots__ = ("agent", "extra", "id", "kin", "kind", "replaces", "session")

    def __init__(
        self,
        kind: str,
        agent: str,
        session: str = "",
        id: str = "",
        extra: "dict[str, Any] | None" = None,
        replaces: tuple[str, ...] = (),
        kin: tuple[str, ...] = (),
    ) -> None:
        self.kind = kind
        self.agent = agent
        self.session = session
        self.id = id
        self.extra = extra or {}
        self.replaces = replaces
        self.kin = kin or replaces


class Taken:
    """Is what an intake came to: the merge, and the entry (None where the text said nothing new)."""

    __slots__ = ("entry", "merged")

    def __init__(self, entry: "Entry | None", merged: Merged) -> None:
        self.entry = entry
        self.merged = merged


def take_in(
    turn: Turn,
    doc: str,
    target: bytes,
    base: bytes,
    pieces: "Pieces",
    source: Source,
    found: bytes | None = None,
    sure: bool = True,
) -> Taken:
    """Merges `target`, made by a writer who had seen `base`, into the view and records the result, durably.

    `pieces` are the blocks of which `base` consisted, as far as known; `found` is the text as it stood on disk, where
    there was one: from now on it is a known revision, and no foreign one; not `sure`ly all of it is in the store (see
    `Revision.sure`).  A clash is kept, both texts side by side.
    Raises DocumentUnusable for texts that are too large to merge; nothing is recorded then.
    """
    retold = _retold(turn, doc, target, base, source)
    if retold is not None:
        return retold
    memory = turn.memory.without(source.replaces) if source.replaces else turn.memory
    view = memory.view(doc)
    if not base and turn.history(doc).published is None and memory.state.is_placeless(doc):
        view = View(doc, [], [], [])  # what was only appended hangs behind the text that lies there: it was there first
    try:
        merged = merge(base, view.text, target)
    except MergeLimitError as error:
        path = turn.layout.document(turn.name(doc))
        raise DocumentUnusable(f"{path} was changed, and is {error}.", "Split it.") from error
    ops: list[Op] = operations(view, merged.text, turn.tag(), merged.conflicts, pieces)
    wiped = lost.overwritten(view, lost.standing(turn, doc), base, target)
    if source.kind == "adopt":  # a guess at what the writer had seen: see the rules
        never_ours = bool(base) and not any(ids for ids, _ in pieces)
        ruling = lost.rule(turn, memory, view, wiped, revision_of(base), never_ours)
    else:
        ruling = lost.note(doc, wiped)
    ops += ruling.ops
    if not memory.state.made(doc):
        named = {"name": turn.name(doc)} if turn.name(doc) != doc else {}
        ops.insert(0, {"op": "doc", "do": "create", "doc": doc, **named})
    _keep_ids(ops, [old for name in source.kin if (old := turn.memory.entry(name)) is not None], memory)
    if source.id and source.kind not in GUESSED:
        ops += _vouch(memory, view, base, target)
    entry = None
    if ops or source.replaces:
        told = {**settled(merged), **ruling.extra, **lost.mass(view, ops)}
        extra = {"base": revision_of(base), **told, **source.extra}
        if found is not None:
            extra["found"] = revision_of(found)
        entry = turn.record(
            source.kind,
            source.agent,
            ops,
            session=source.session,
            id=source.id,
            replaces=source.replaces,
            extra=extra,
        )
    after = turn.memory.view(doc)
    foreign = found if found is not None and found != after.text else None
    turn.history(doc).record(after, now_ms(), foreign, sure)
    return Taken(entry, merged)


def _retold(turn: Turn, doc: str, target: bytes, base: bytes, source: Source) -> Taken | None:
    """Records the adoption that `source` replaces once more, as what its writer did: the same operations and block ids.

    None where that adoption took lines for removed, or for carried on, of which the writer knew better.  Others may have
    built on its blocks: a view without it never stood anywhere, and is merged into only where there is no other way.
    """
    old = turn.memory.entry(source.replaces[0]) if len(source.replaces) == 1 else None
    if old is None or old.documents() != [doc] or "gone" in old.extra:
        return None
    try:
        guessed = turn.history(doc).find(str(old.extra["base"])).text
    except NotFound:
        return None
    before, after = Counter(split_lines(base)), Counter(split_lines(target))
    taken = Counter(split_lines(guessed))
    if taken - after != before - after or not after - before <= after - taken:
        return None
    ids = iter([block for _, _, block, _ in old.new_blocks()])
    ops = [{**op, "ids": [next(ids) for _ in op["blocks"]]} if op.get("blocks") else op for op in old.ops]
    extra = {**old.extra, "base": revision_of(base), **source.extra}
    replaces, session = source.replaces, source.session
    entry = turn.record(source.kind, source.agent, ops, session=session, id=source.id, replaces=replaces, extra=extra)
    return Taken(entry, Merged(turn.memory.view(doc).text, [], []))


def _keep_ids(ops: "list[Op]", replaced: "list[Entry]", memory: "Memory") -> None:
    """Gives new blocks the ids that a replaced entry gave to the same text: later entries may have named them."""
    known: dict[tuple[str, bytes], list[str]] = {}
    for entry in replaced:
        for op, _, block, text in entry.new_blocks():
            facts = memory.state.facts.get(block)
            if facts is None or not facts.defs:
                known.setdefault((op["doc"], text.rstrip(b"\r\n")), []).append(block)
    for op in ops:
        if known and "blocks" in op:
            same = [known.get((op["doc"], text.rstrip(b"\r\n"))) for text in op["blocks"]]
            ids = [found.pop(0) if found else "" for found in same]
            if any(ids):
                op["ids"] = ids


def _vouch(memory: "Memory", view: View, base: bytes, target: bytes) -> "list[Op]":
    """Returns operations that say once more what a call changed and somebody's guess already said.

    The guess may be dropped later, when the call comes that it stands for; what this call did must not go with it.
    """
    old, new = set(split_lines(base)), set(split_lines(target))
    ops: list[Op] = []
    for piece in view.pieces:
        lines = set(split_lines(piece.bare))
        if piece.placed is None or piece.kind == "blank" or not lines <= new or lines <= old:
            continue
        for block in piece.ids:
            said = list(memory.state.facts[block].defs.values())
            if said and all(_is_guess(memory, one.entry) for one in said):
                one = said[0]
                place = {"doc": view.doc, "targets": list(one.targets), "slot": one.slot, "at": piece.placed}
                ops.append({"op": "replace", **place, "kinds": CODES[piece.kind], "blocks": [one.text], "ids": [block]})
    return ops


def _is_guess(memory: "Memory", name: str) -> bool:
    entry = memory.entry(name)
    return entry is not None and entry.kind in GUESSED


def settled(merged: Merged) -> "dict[str, Any]":
    """Returns what a merge settled by a rule, as an entry keeps it: rule, kept, dropped."""
    rows = [[s.rule, *(t.decode("utf-8", "surrogateescape") for t in (s.kept, s.dropped))] for s in merged.settled]
    return {"settled": rows} if rows else {}
