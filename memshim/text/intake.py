"""Intake: the difference between a view and the text that shall stand there, as operations on blocks.  Must not know files.

What is unchanged keeps its block; what was changed in place is a `replace`, what stands elsewhere a `move`, the rest
`add` and `remove`.  An intake also fixes the place of everything that hung at the end of a section, and makes real the
blank lines and headings that only the view had put there: from then on they are text like any other.
"""

from memshim.text import blocks as markdown
from memshim.text import position
from memshim.text.align import Item, align
from memshim.text.facts import CODES
from memshim.text.merge import Conflict
from memshim.text.view import View, strip_suffix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from memshim.text.entry import Op
    from memshim.text.sections import Piece


class Stand:
    """Is where an item ended up: its bytes in the target, its key, and the old piece that it is, if any."""

    __slots__ = ("end", "key", "piece", "start")

    def __init__(self, start: int, end: int, key: str, piece: "Piece | None") -> None:
        self.start = start
        self.end = end
        self.key = key
        self.piece = piece


def operations(
    view: View,
    target: bytes,
    tag: str,
    conflicts: "Sequence[Conflict]" = (),
    base: "Sequence[tuple[list[str], bytes]]" = (),
) -> "list[Op]":
    """Returns the operations that turn a view into `target`; none if they are equal.

    Guarantees, apart from equal blocks that a view shows only once: the fold of what `view` was made from, and an entry
    with these operations, is `target`.  `tag` must be new (it keeps runs that are inserted at one place at once apart).

    With `conflicts` of the merge that made `target`, the other side's text of each is put beside ours as well; `base`
    is the pieces of the text that the other side had seen.
    """
    if view.text == target and not conflicts:
        return []
    items, removed = align(view, target)
    ops: list[Op] = []
    stands = _place(view, items, tag, ops)
    gone = [i for piece in removed for i in piece.ids] + view.hidden
    if gone:
        ops.append({"op": "remove", "doc": view.doc, "targets": gone})
    live = {i for s in stands if s.piece is not None for i in s.piece.ids}
    for n, conflict in enumerate(conflicts):
        seen = [i for ids, data in base if data.strip() and data in conflict.base for i in ids if i not in live]
        ops += _beside(view.doc, stands, conflict, seen, f"{tag}c{n:x}")
    return ops


# --- where everything stands --------------------------------------------------------------------------------


def _place(view: View, items: list[Item], tag: str, ops: "list[Op]") -> list[Stand]:
    """Adds the operations that make the items stand in this order, and returns where each stands."""
    stands: list[Stand] = []
    keys = _fixed(items)
    nexts: list[str | None] = [None] * len(items)
    for n in range(len(items) - 2, -1, -1):
        nexts[n] = keys[n + 1] if keys[n + 1] is not None else nexts[n + 1]
    titles = {(p.level, p.title) for p in view.pieces if p.kind == "heading"}
    suffixes = [p.suffix for p in view.pieces if p.suffix]
    left: str | None = None
    n = 0
    while n < len(items):
        run = _run(items, keys, n)
        at = keys[n]
        stem, targets = "", []
        if at is None:
            right = nexts[n + len(run) - 1]
            stem = position.between(left, right if right != left else None, f"{tag}{n:x}")
            at = position.key(stem, 0)
        piece = items[n].old
        if piece is None or not piece.ids:
            ops.append(_add(view.doc, run, stem, titles, suffixes))
        elif not items[n].kept:
            text = _without(items[n], suffixes)
            ops.append(_replace(view.doc, piece.ids, piece.slots[0], at, items[n].kind, text))
            if _twin(run, titles):
                ops[-1]["apart"] = True
            _owe(ops[-1], run)
        elif stem:
            targets = [t for i in run if i.old is not None for t in i.old.ids]
            ops.append({"op": "move", "doc": view.doc, "targets": targets, "at": stem, "eol": piece.ending.decode()})
        offset = stands[-1].end if stands else 0
        ordinal = 0
        for item in run:
            here = position.key(stem, ordinal) if stem else at
            stands.append(Stand(offset, offset + len(item.text), here, item.old))
            offset += len(item.text)
            ordinal += len(item.old.ids) if targets and item.old is not None else 1
        left = position.key(stem, max(len(run), len(targets)) - 1) if stem else at
        n += len(run)
    return stands


def _run(items: list[Item], keys: "list[str | None]", n: int) -> list[Item]:
    """Returns the items from `n` on that one operation can take: new ones, or old ones that need a place."""

    def sort(i: int) -> str:
        old = items[i].old
        if old is None or not old.ids:
            return "new"
        return f"pin {old.ending!r}" if keys[i] is None and items[i].kept else "alone"

    end = n + 1
    while sort(n) != "alone" and end < len(items) and sort(end) == sort(n) and end - n < 30_000:
        end += 1
    return items[n:end]


def _fixed(items: list[Item]) -> "list[str | None]":
    """Returns each item's key if it keeps its place: the longest part of the old pieces that stands in increasing order."""
    from bisect import bisect_left

    tops: list[tuple[str, int]] = []  # (key, index) of the last of the best run of each length
    before: dict[int, int] = {}
    for n, item in enumerate(items):
        key = item.old.placed if item.old is not None and item.old.ids else None
        if key is not None:
            at = bisect_left(tops, (key, -1))
            before[n] = tops[at - 1][1] if at else -1
            tops[at : at + 1] = [(key, n)]
    keys: list[str | None] = [None] * len(items)
    n = tops[-1][1] if tops else -1
    while n >= 0:
        piece = items[n].old
        keys[n] = piece.placed if piece is not None else None
        n = before[n]
    return keys


def _add(doc: str, run: list[Item], stem: str, titles: "set[tuple[int, str]]", suffixes: list[bytes]) -> "Op":
    texts = [_without(i, suffixes) for i in run]
    op: Op = {"op": "add", "doc": doc, "at": stem, "kinds": "".join(CODES[i.kind] for i in run), "blocks": texts}
    if _twin(run, titles):
        op["apart"] = True  # its writer saw the other one: two headings on purpose
    _owe(op, run)
    return op


def _owe(op: "Op", run: list[Item]) -> None:
    """Notes where lines of these texts come from that their writer only left where they were."""
    owed = {str(n): item.lines_from for n, item in enumerate(run) if item.lines_from}
    if owed:
        op["from"] = owed


def _twin(run: list[Item], titles: "set[tuple[int, str]]") -> bool:
    """Tells whether one of the items is a heading that stands in the view already."""
    for item in run:
        if item.kind == "heading":
            block = markdown.parse(item.text)[0]
            if (block.level, markdown.heading_title(block)) in titles:
                return True
    return False


def _without(item: Item, suffixes: list[bytes]) -> bytes:
    """Returns a block without the notes that mark an open conflict: they are not the writer's text.

    One stands on a block's first line; the second of two clashing paragraphs may have become a part of the first.
    """
    lines = markdown.split_lines(item.text) if item.kind == "paragraph" and suffixes else [item.text]
    for suffix in suffixes:
        lines = [strip_suffix(line, suffix) for line in lines]
    return b"".join(lines)


def _replace(doc: str, targets: list[str], slot: str, at: str, kind: str, text: bytes) -> "Op":
    place: Op = {"doc": doc, "targets": list(targets), "slot": slot, "at": at}
    return {"op": "replace", **place, "kinds": CODES[kind], "blocks": [text]}


def _beside(doc: str, stands: list[Stand], conflict: Conflict, seen: list[str], tag: str) -> "list[Op]":
    """Returns what puts the other side of a clash beside ours: in one slot with it, so that both are alternatives.

    Where the other side removed what we changed, it is the tombstone that makes the conflict.
    """
    if not conflict.theirs.strip():
        return [{"op": "remove", "doc": doc, "targets": seen}] if seen else []
    inside = [s for s in stands if s.start < conflict.end and s.end > conflict.start and s.piece and s.piece.ids]
    inside = [s for s in inside if s.piece and s.piece.kind != "blank"]
    left = max((s.key for s in stands if s.end <= max(conflict.end, conflict.start)), default=None)
    right = min((s.key for s in stands if left is None or s.key > left), default=None)
    slot = inside[0].piece.slots[0] if inside and inside[0].piece else ""
    at = position.key(position.between(left, right, tag), 0)
    return [_replace(doc, seen, slot, at, markdown.kind_of(conflict.theirs), conflict.theirs)]
