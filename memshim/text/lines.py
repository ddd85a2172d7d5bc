"""The line map: for each line of a view, the entries that wrote it.  Must not know agents, files, or how it is shown.

An edit makes a new block of a whole bullet or paragraph.  Its lines that stood in what it replaced are not its writer's:
they are followed back, block by block, to the entry in which they are new.
"""

from memshim.text import blocks as markdown
from memshim.text.diff import matching
from memshim.text.facts import Def, Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memshim.text.sections import Piece
    from memshim.text.view import View

    Lookup = Callable[[str], Facts | None]


class Line:
    """Is a line of a view: its bytes, the piece that it belongs to, and the ids of the entries that wrote it.

    Several entries where several wrote the same; the first that the view needed it for, if nobody wrote it.
    """

    __slots__ = ("data", "entries", "piece")

    def __init__(self, data: bytes, piece: "Piece", entries: list[str]) -> None:
        self.data = data
        self.piece = piece
        self.entries = entries


def line_map(view: "View", block: "Lookup") -> "Iterator[Line]":
    """Yields the lines of a view in order; `block` returns what is known of a block, live or dead, or None."""
    for piece in view.pieces:
        lines = markdown.split_lines(piece.data)
        authors = _authors(piece, len(lines), block)
        for data, entries in zip(lines, authors, strict=True):
            yield Line(data, piece, entries)


def _authors(piece: "Piece", count: int, block: "Lookup") -> list[list[str]]:
    found = [known for known in map(block, piece.ids) if known is not None and known.defs]
    if not found:
        return [piece.entries[:1]] * count
    each = [origins(facts, block) for facts in found]
    united = [[e for lines in each if n < len(lines) for e in lines[n]] for n in range(count)]
    return [list(dict.fromkeys(entries)) for entries in united]


def origins(facts: "Facts", block: "Lookup") -> list[list[str]]:
    """Returns for each line of a block's text the entries in which it is new; reads no further back than it must."""
    count = len(markdown.split_lines(facts.definition().text))
    result: list[list[str]] = [[] for _ in range(count)]
    todo = [(facts, {n: n for n in range(count)})]  # own line -> line of the result
    while todo:
        here, wanted = todo.pop()
        said = here.definition()
        for name in (*said.targets, *said.lines_from) if wanted else ():
            older = block(name)
            if older is not None and older.defs:
                before = older.definition()
                if before.rank() < said.rank():  # always, but for what no honest writer makes
                    shared = [(own, old) for own, old in _equal_lines(said.text, before.text) if own in wanted]
                    todo.append((older, {old: wanted.pop(own) for own, old in shared}))
            elif name in said.lines_from:  # no block, but the entry for which the view had put this line there
                for at in wanted.values():
                    result[at].append(name)
                wanted.clear()
        for at in wanted.values():
            result[at] += [
                d.entry for d in sorted(here.said() or here.defs.values(), key=Def.rank) if d.text == said.text
            ]
    return result


def _equal_lines(one: bytes, other: bytes) -> "Iterator[tuple[int, int]]":
    """Yields which lines of two texts are the same one, apart from their ends."""
    here, there = ([line.rstrip(b"\r\n") for line in markdown.split_lines(text)] for text in (one, other))
    for i, j, count in matching(here, there):
        yield from zip(range(i, i + count), range(j, j + count), strict=True)
