"""Changing what is there: compare-and-swap edits, tombstones and their undoing, and settling clashes.  Must not know the lock.

Each function works on a turn that its caller holds, decides first and records one entry last; raising changes nothing.
"""

from memshim.disk import files
from memshim.errors import Ambiguous, BadInput, DocumentUnusable, NotFound, RevisionMismatch
from memshim.store import adopt, lookup
from memshim.store.history import History, revision_of
from memshim.store.intake import settled
from memshim.store.turn import Turn
from memshim.text import blocks as markdown
from memshim.text.diff import matching
from memshim.text.facts import CODES
from memshim.text.intake import operations
from memshim.text.merge import MergeLimitError, merge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from memshim.store.memory import Memory
    from memshim.text.conflict import Conflict
    from memshim.text.entry import Op
    from memshim.text.view import View


class Plan:
    """Is a decided change, not yet recorded: an entry's kind and operations, and what its maker wants to know."""

    __slots__ = ("doc", "extra", "kind", "merged", "ops")

    def __init__(
        self, kind: str, doc: str, ops: "list[Op]", extra: "dict[str, Any] | None" = None, merged: bool = False
    ) -> None:
        self.kind = kind
        self.doc = doc
        self.ops = ops
        self.extra = extra or {}
        self.merged = merged


# --- compare and swap ---------------------------------------------------------------------------------------


def compare_and_swap(
    turn: Turn, kind: str, name: str, expected: str | None, strict: bool, make: "Callable[[bytes], bytes]"
) -> Plan:
    """Decides an edit: `make` turns the text of revision `expected` (default: the newest) into the wanted one.

    Where the document has moved on since, the change is merged.  Raises RevisionMismatch where that clashes or, with
    `strict`, where it has moved on at all; and what `make` raises.
    """
    doc = turn.memory.document_id(name)
    if doc in turn.unusable:
        raise turn.unusable[doc]
    if doc not in turn.memory.documents():
        _begin_with(turn, doc, name, expected, make)
    view = turn.memory.view(doc)
    now = revision_of(view.text)
    if expected is None or now.startswith(expected):
        plan = Plan(kind, doc, operations(view, make(view.text), turn.tag()))
    elif strict:
        raise RevisionMismatch(f"{name} is no longer at revision {expected}", now, hint=f"It is at {now}")
    else:
        base = _base(turn.history(doc), expected, now)
        plan = _merged(turn, kind, name, doc, base, make(base))
    if not view.text and doc not in turn.memory.state.documents():
        plan.ops.insert(0, {"op": "doc", "do": "create", "doc": doc})
    return plan


def _begin_with(turn: Turn, doc: str, name: str, expected: str | None, make: "Callable[[bytes], bytes]") -> None:
    """Takes in a file that was no document until now, when somebody names it (a project's README.md); raising takes in nothing."""
    found = files.read_document(turn.layout.document(name))
    if found is None:
        return
    now = revision_of(found[0])
    if expected is not None and not now.startswith(expected):
        raise _unknown(expected, now)
    make(found[0])
    adopt.adopt(turn, doc, name)


def _merged(turn: Turn, kind: str, name: str, doc: str, base: bytes, target: bytes) -> Plan:
    view = turn.memory.view(doc)
    try:
        merged = merge(base, view.text, target)
    except MergeLimitError as error:
        raise DocumentUnusable(f"{name} has changed meanwhile, and is {error}.", "Split it.") from error
    if merged.conflicts:
        now, count = revision_of(view.text), len(merged.conflicts)
        places = "one place" if count == 1 else f"{count} places"
        raise RevisionMismatch(
            f"{name} has changed meanwhile, and your change clashes with that in {places}.",
            now,
            [(c.base, c.ours, c.theirs) for c in merged.conflicts],
            f"Nothing was changed. Read it again and edit revision {now}",
        )
    extra = {"base": revision_of(base), **settled(merged)}
    ops = operations(view, merged.text, turn.tag()) + _written_by_both(turn.memory, view, base, target)
    return Plan(kind, doc, ops, extra, merged=True)


def _written_by_both(memory: "Memory", view: "View", base: bytes, target: bytes) -> "list[Op]":
    """Returns operations that say of blocks which others wrote meanwhile that this writer wrote them too."""
    old, new = markdown.split_lines(base), markdown.split_lines(target)
    kept = {j + k for _, j, n in matching(old, new) for k in range(n)}
    said = {line.rstrip() for n, line in enumerate(new) if n not in kept} - {line.rstrip() for line in old}
    ops: list[Op] = []
    for piece in view.pieces:
        lines = [line.rstrip() for line in markdown.split_lines(piece.bare) if line.strip()]
        if piece.ids and lines and said.issuperset(lines):
            first = memory.state.facts[piece.ids[0]].definition()
            op: Op = {
                "op": "add",
                "doc": view.doc,
                "ids": [piece.ids[0]],
                "kinds": CODES[piece.kind],
                "blocks": [first.text],
            }
            ops.append({**op, "at": first.at} if first.at is not None else {**op, "section": first.section or ""})
    return ops


def _base(history: History, expected: str, now: str) -> bytes:
    try:
        return history.find(expected).text
    except NotFound as error:
        raise _unknown(expected, now) from error


def _unknown(expected: str, now: str) -> RevisionMismatch:
    said = f"Revision {expected} is not known here, so nothing can be merged into it."
    return RevisionMismatch(said, now, hint=f"It is at {now}")


def replace_once(base: bytes, old: bytes, new: bytes) -> bytes:
    """Returns the text with the one occurrence of `old` replaced; raises NotFound (with the nearest line) or Ambiguous."""
    count = base.count(old)
    if count == 1:
        return base.replace(old, new)
    if not count:
        raise NotFound("The text to replace occurs 0 times.", _nearest_line(base, old))
    lines = [str(base[:at].count(b"\n") + 1) for at in _occurrences(base, old)]
    shown = ", ".join(lines[:20]) + (", …" if len(lines) > 20 else "")
    raise Ambiguous(
        f"The text to replace occurs {count} times, in lines {shown}.", lines, "Give more of the text around it."
    )


def _occurrences(base: bytes, old: bytes) -> "Iterator[int]":
    at = base.find(old)
    while at >= 0:
        yield at
        at = base.find(old, at + 1)


def _nearest_line(base: bytes, old: bytes) -> str:
    import difflib

    wanted = max(old.decode("utf-8", "replace").split("\n"), key=len)[:1000]
    lines = base.decode("utf-8", "replace").split("\n")
    found = difflib.get_close_matches(wanted, [line[:1000] for line in lines[:5000] if line.strip()], 1, 0.3)
    if not found:
        return "No line is like it."
    number = next(n for n, line in enumerate(lines, 1) if line[:1000] == found[0])
    return f"The nearest line is {number}: {found[0][:200]}"


# --- tombstones ---------------------------------------------------------------------------------------------


def forget(turn: Turn, name: str | None, text: bytes, doc: str | None) -> Plan:
    """Decides which blocks go: those of an entry or block by id, else the one with this text."""
    found = lookup.blocks_of(turn.memory, name) if name is not None else lookup.block_with(turn.memory, text, doc)
    where = turn.memory.state.doc_of(found[0])
    return Plan("forget", where, lookup.removal(turn.memory.view(where), {f.id for f in found}))


def restore(turn: Turn, what: str) -> Plan:
    """Decides what comes back: an entry's or a block's text, what a forget removed, or a removed document."""
    doc, ops = lookup.restoration(turn.memory, what)
    return Plan("restore", doc, ops)


# --- clashes ------------------------------------------------------------------------------------------------


class Clash:
    """Is an open conflict as people see it: each side's text, agent and time; a side without text removed it."""

    __slots__ = ("base", "doc", "label", "sides")

    def __init__(self, label: str, doc: str, base: bytes, sides: list[tuple[bytes, str, str]]) -> None:
        self.label = label
        self.doc = doc
        self.base = base
        self.sides = sides


def clashes(memory: "Memory") -> list[Clash]:
    """Returns the open conflicts."""
    return [_clash(memory, conflict) for conflict in memory.state.conflicts()]


def _clash(memory: "Memory", conflict: "Conflict") -> Clash:
    name = memory.state.names.name(memory.state.doc_of(conflict.blocks[0]))
    old = next((lookup.known(memory, [t]) for f in conflict.blocks for t in f.definition().targets), [])
    sides = [(f.definition().text, f.definition().agent, f.definition().time) for f in conflict.blocks]
    for remover in conflict.removers:
        entry = memory.entry(remover)
        sides.append((b"", entry.agent if entry else "", entry.time if entry else ""))
    sides.sort(key=lambda side: side[2])
    return Clash(conflict.label, name, old[0].definition().text if old else b"", sides)


def resolve(turn: Turn, label: str, keep: str) -> Plan:
    """Decides a clash: `ours` is the side that came first, `theirs` the others, `both` leaves every text.

    Where one side removed the text, keeping that side removes it.
    """
    if keep not in ("ours", "theirs", "both"):
        raise BadInput(f"{keep!r} cannot be kept.", "Keep ours, theirs or both.")
    found = next((c for c in turn.memory.state.conflicts() if c.label == label), None)
    if found is None:
        raise NotFound(f"There is no open conflict {label}", "memshim conflicts lists them.")
    ids = [f.id for f in found.blocks]
    ops: list[Op] = [{"op": "resolve", "settles": ids}]
    doc = turn.memory.state.doc_of(found.blocks[0])
    first_text = _clash(turn.memory, found).sides[0][0]
    ours = {f.id for f in found.blocks[:1] if f.definition().text == first_text}
    gone = [] if keep == "both" else [i for i in ids if (i in ours) == (keep == "theirs")]
    if gone:
        ops += lookup.removal(turn.memory.view(doc), set(gone))
    return Plan("resolve", doc, ops, {"conflict": label, "keep": keep})
