"""Makes one of what both sides added at different places; knows nothing of clashes.

Such an entry stays where ours has it. A long one is known anywhere, others under the same heading, and only if it
stands once on each side: a template line repeats rightly. Of a heading that both added, theirs' body joins ours'.
"""

from memshim.text.blocks import split_lines, starts
from memshim.text.merge.changes import Op, Side
from memshim.text.merge.settle import words
from memshim.text.merge.union import Entry, Union, entries, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Found:
    """Holds an added entry: the change it is in, its first line in the side, and the heading that it is under."""

    __slots__ = ("at", "entry", "heading", "op", "size")

    def __init__(self, op: Op, at: int, entry: Entry, heading: bytes) -> None:
        self.op = op
        self.at = at
        self.entry = entry
        self.heading = heading
        self.size = len(entry.text())


def once(ours: Side, theirs: Side, eol: bytes) -> None:
    """Leaves out of theirs, in `shown`, what ours added too at another place. Changes `shown` and cuts `ops`."""
    new = theirs.new()
    if all(new.get(key, low) == low for key, low in ours.new().items()):
        return
    ours.refine(None)
    theirs.refine(None)
    there: dict[tuple[bytes, bytes], Found] = {}
    for mate in added(ours):
        there[plain(mate.entry.lines), mate.heading] = there[plain(mate.entry.lines), b""] = mate
    if not there:
        return
    count, other = counted(ours.keys), counted(theirs.keys)
    far: list[tuple[Found, Found]] = []
    for found in added(theirs):
        first = next(line for line in found.entry.lines if words(line)).rstrip()
        twin = there.get((plain(found.entry.lines), b"" if found.entry.is_long() else found.heading))
        if twin and count.get(first) == other.get(first) == 1 and not found.op.near(twin.op):
            far.append((found, twin))
    for found, _ in far:
        if not found.entry.level:
            blank(theirs, found)
    for found, twin in far:  # headings last, when what is below them is sorted out
        if found.entry.level:
            below = theirs.shown[found.at + len(found.entry.lines) : found.at + found.size]
            if not any(map(words, below)) or transplanted(ours, theirs, found, twin, eol):
                blank(theirs, found)


def counted(keys: "Sequence[bytes]") -> dict[bytes, int]:
    out: dict[bytes, int] = {}
    for key in keys:
        out[key] = out.get(key, 0) + 1
    return out


def blank(side: Side, found: Found) -> None:
    """Leaves out an entry with the blank lines before it."""
    at = found.at
    while at > found.op.left and not side.keys[at - 1]:
        at -= 1
    side.shown[at : found.at + found.size] = [b""] * (found.at + found.size - at)


def transplanted(ours: Side, theirs: Side, found: Found, twin: Found, eol: bytes) -> bool:
    """Puts what theirs has under a heading under the same heading in ours; returns whether it could."""
    own = split_lines(b"".join(ours.shown[twin.at : twin.at + twin.size]))
    section = split_lines(b"".join(theirs.shown[found.at : found.at + found.size]))
    united = Union(eol).of(own, section)
    lines = [line for line in united if isinstance(line, bytes)]
    if len(lines) < len(united) or not ours.shown[twin.at]:
        return False
    # All in the place of the first line: `shown` keeps its length, and who takes lines out of it splits them again.
    ours.shown[twin.at : twin.at + twin.size] = [b"".join(lines)] + [b""] * (twin.size - 1)
    return True


def added(side: Side) -> "Iterator[Found]":
    """Yields the entries that a side added, in order."""
    above: list[tuple[int, bytes]] = []
    line = 0
    for op in side.ops:
        if op.left == op.right or not (op.low == op.high or op.puts()):
            continue
        while line < op.left:
            key = side.keys[line]
            rise(above, starts(key)[1] if b"#" in key[:4] else 0, key)
            line += 1
        for entry in entries(side.lines[op.left : op.right]).walk():
            first = entry.lines[0].rstrip()
            line = side.keys.index(first, line)
            while entry.level and above and above[-1][0] >= entry.level:
                above.pop()
            yield Found(op, line, entry, above[-1][1] if above else b"-")
            rise(above, entry.level, first)
            line += len(entry.lines)


def rise(above: list[tuple[int, bytes]], level: int, heading: bytes) -> None:
    """Notes a heading in the list of those that one is under."""
    if level:
        while above and above[-1][0] >= level:
            above.pop()
        above.append((level, heading))
