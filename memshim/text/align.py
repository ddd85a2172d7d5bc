"""Aligning a view with the text that shall stand there: which old piece is which new block.  Must not know operations."""

from memshim.text import blocks as markdown
from memshim.text.diff import matching
from memshim.text.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from memshim.text.sections import Piece

ALIKE = 0.4
"""Share of words that an edited block has in common with what it replaces; below it, one was removed and one added."""
_PAIRS = 10_000


class Item:
    """Is one block of the text that shall stand: an old piece, a new text, or both (an edit or a move)."""

    __slots__ = ("kind", "lines_from", "old", "text")

    def __init__(self, kind: str, text: bytes, old: "Piece | None" = None) -> None:
        self.lines_from: list[str] = []  # other blocks, or entries, that wrote lines of it
        self.kind = kind
        self.text = text
        self.old = old

    @property
    def kept(self) -> bool:
        """Tells whether the old piece stands as it was."""
        return self.old is not None and self.old.data == self.text


def align(view: View, target: bytes) -> "tuple[list[Item], list[Piece]]":
    """Returns the target as items, and the old pieces that are in none of them."""
    old_lines = markdown.split_lines(view.text)
    new_lines = markdown.split_lines(target)
    same = {i + k: j + k for i, j, n in matching(old_lines, new_lines) for k in range(n)}
    starts = _block_starts(target)
    items: list[Item] = []
    gaps: list[tuple[int, int, list[Piece], list[Item]]] = []
    waiting: list[Piece] = []
    owners: dict[int, Piece] = {}  # line of the target -> the old piece that it stood in
    new_at = line = 0
    for piece in view.pieces:
        size = piece.data.count(b"\n") + (not piece.data.endswith(b"\n"))
        where = same.get(line, -1)
        whole = (
            where >= new_at
            and where in starts
            and (where + size in starts or where + size == len(new_lines))
            and all(same.get(line + k) == where + k for k in range(size))
        )
        owners.update({same[k]: piece for k in range(line, line + size) if k in same})
        line += size
        if whole:
            _close_gap(gaps, items, waiting, _cut(new_lines, new_at, where, starts))
            waiting = []
            items.append(Item(piece.kind, piece.data, piece))
            new_at = where + size
        else:
            waiting.append(piece)
    _close_gap(gaps, items, waiting, _cut(new_lines, new_at, len(new_lines), starts))
    left = _pair(gaps)
    _note_origins(items, owners)
    return items, left


def _note_origins(items: list[Item], owners: "dict[int, Piece]") -> None:
    """Notes for each new text which other blocks its unchanged lines were in; for what only the view had, who needed it."""
    line = 0
    for item in items:
        size = item.text.count(b"\n") + (not item.text.endswith(b"\n"))
        if not (item.kept and item.old and item.old.ids) and (item.kind != "blank" or item.old):
            found = [owners[n] for n in range(line, line + size) if n in owners]
            named = [i for p in found if p is not item.old or not p.ids for i in (p.ids or p.entries)]
            item.lines_from = list(dict.fromkeys(named))
        line += size


def _block_starts(text: bytes) -> dict[int, str]:
    """Returns line number -> kind for the first line of every block."""
    starts, line = {}, 0
    for block in markdown.parse(text):
        starts[line] = block.kind
        line += block.text.count(b"\n") + (not block.text.endswith(b"\n"))
    return starts


def _cut(lines: list[bytes], begin: int, end: int, starts: dict[int, str]) -> list[Item]:
    """Returns lines as items, cut where the whole text has a new block."""
    items: list[Item] = []
    for n in range(begin, end):
        if n in starts or not items:
            items.append(Item(starts.get(n) or markdown.kind_of(lines[n]), b""))
        items[-1].text += lines[n]
    return items


def _close_gap(
    gaps: "list[tuple[int, int, list[Piece], list[Item]]]", items: list[Item], old: "list[Piece]", new: list[Item]
) -> None:
    if old or new:
        gaps.append((len(items), len(items) + len(new), old, new))
    items.extend(new)


def _pair(gaps: "Sequence[tuple[int, int, list[Piece], list[Item]]]") -> "list[Piece]":
    """Gives new items the old piece that they are a move or an edit of; returns the pieces that are left."""
    left: list[Piece] = []
    by_text: dict[bytes, list[Piece]] = {}
    for _, _, old, _ in gaps:
        for piece in old:
            if piece.ids and piece.kind != "blank":
                by_text.setdefault(piece.data, []).append(piece)
    for _, _, _, new in gaps:
        for item in new:
            found = by_text.get(item.text)
            if found:
                item.old = found.pop(0)
    taken = {id(item.old) for _, _, _, new in gaps for item in new if item.old is not None}
    for _, _, old, new in gaps:
        rest = [p for p in old if id(p) not in taken]
        fresh = [i for i in new if i.old is None]
        for piece, item in _edited(rest, fresh):
            item.old = piece
            taken.add(id(piece))
        left += [p for p in rest if id(p) not in taken]
    return left


def _edited(old: "list[Piece]", new: list[Item]) -> "Iterator[tuple[Piece, Item]]":
    """Yields in order which old piece was edited into which new item: of one kind, and alike or the only one."""
    old = [p for p in old if p.kind != "blank" and p.ids]
    new = [i for i in new if i.kind != "blank"]
    if len(old) == 1 and len(new) == 1 and _class(old[0].kind) == _class(new[0].kind):
        yield old[0], new[0]
        return
    if len(old) * len(new) > _PAIRS:
        return
    words = [_words(p.data) for p in old]
    begin = 0
    for item in new:
        mine = _words(item.text)
        scores = [
            (_likeness(mine, words[k]), -k) for k in range(begin, len(old)) if _class(old[k].kind) == _class(item.kind)
        ]
        best, at = max(scores, default=(0.0, 0))
        if best >= ALIKE:
            yield old[-at], item
            begin = -at + 1


def _class(kind: str) -> str:
    return "bullet" if kind == "ordered" else kind


def _words(text: bytes) -> set[bytes]:
    return set(text.translate(bytes(c if chr(c).isalnum() or c > 127 else 32 for c in range(256))).split())


def _likeness(one: set[bytes], other: set[bytes]) -> float:
    return len(one & other) / max(len(one), len(other), 1)
