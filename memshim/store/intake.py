"""Intake: a text that somebody made becomes one entry, merged into the view once.  Must not know how the text was found.

Adoption brings what stands on disk, agents' tools what they wrote; both come here, and nothing else merges for them.
"""

from memshim.errors import DocumentUnusable
from memshim.store import lost
from memshim.store.history import now_ms, revision_of
from memshim.store.turn import Turn
from memshim.text.intake import operations
from memshim.text.merge import Merged, MergeLimitError, merge
from memshim.text.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from memshim.text.entry import Entry, Op

    Pieces = Sequence[tuple[list[str], bytes]]


class Source:
    """Is where a change comes from: who made it, by what kind of act, and the id of the call, if it has one."""

    __slots__ = ("agent", "extra", "id", "kind", "session")

    def __init__(
        self, kind: str, agent: str, session: str = "", id: str = "", extra: "dict[str, Any] | None" = None
    ) -> None:
        self.kind = kind
        self.agent = agent
        self.session = session
        self.id = id
        self.extra = extra or {}


class Taken:
    """Is what an intake came to: the merge, and the entry (None where the text said nothing new)."""

    __slots__ = ("entry", "merged")

    def __init__(self, entry: "Entry | None", merged: Merged) -> None:
        self.entry = entry
        self.merged = merged


def take_in(
    turn: Turn, doc: str, target: bytes, base: bytes, pieces: "Pieces", source: Source, found: bytes | None = None
) -> Taken:
    """Merges `target`, made by a writer who had seen `base`, into the view and records the result, durably.

    `pieces` are the blocks of which `base` consisted, as far as known; `found` is the text as it stood on disk, where
    there was one: from now on it is a known revision, and no foreign one.  A clash is kept, both texts side by side.
    Raises DocumentUnusable for texts that are too large to merge; nothing is recorded then.
    """
    view = turn.memory.view(doc)
    if not base and turn.history(doc).published is None and turn.memory.state.is_placeless(doc):
        view = View(doc, [], [], [])  # what was only appended hangs behind the text that lies there: it was there first
    try:
        merged = merge(base, view.text, target)
    except MergeLimitError as error:
        path = turn.layout.document(turn.name(doc))
        raise DocumentUnusable(f"{path} was changed, and is too large to merge: {error}.", "Split it.") from error
    ops: list[Op] = operations(view, merged.text, turn.tag(), merged.conflicts, pieces)
    wiped = lost.overwritten(view, lost.standing(turn, doc), base, target)
    if source.kind == "adopt":  # a guess at what the writer had seen: see the rules
        ruling = lost.rule(turn.memory, view, wiped, revision_of(base), bool(base) and not any(i for i, _ in pieces))
    else:
        ruling = lost.note(doc, wiped)
    ops += ruling.ops
    if not turn.memory.state.made(doc):
        named = {"name": turn.name(doc)} if turn.name(doc) != doc else {}
        ops.insert(0, {"op": "doc", "do": "create", "doc": doc, **named})
    entry = None
    if ops:
        told = {**settled(merged), **ruling.extra, **lost.mass(view, ops)}
        extra = {"base": revision_of(base), **told, **source.extra}
        if found is not None:
            extra["found"] = revision_of(found)
        entry = turn.record(source.kind, source.agent, ops, session=source.session, id=source.id, extra=extra)
    after = turn.memory.view(doc)
    turn.history(doc).record(after, now_ms(), found=found if found is not None and found != after.text else None)
    return Taken(entry, merged)


def settled(merged: Merged) -> "dict[str, Any]":
    """Returns what a merge settled by a rule, as an entry keeps it: rule, kept, dropped."""
    rows = [[s.rule, *(t.decode("utf-8", "surrogateescape") for t in (s.kept, s.dropped))] for s in merged.settled]
    return {"settled": rows} if rows else {}
