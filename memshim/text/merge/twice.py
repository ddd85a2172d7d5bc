"""Makes one of what both sides added at different places; knows nothing of clashes.

Such an entry stays at the earlier place, whoever has it there, so that the order of the sides does not matter. A long
one is known anywhere, others under the same heading, and only if it stands once on each side: a template line repeats
rightly. Of a heading that both added, the later body joins the earlier. What one side only moved and the other removed
is removed.
"""

from memshim.text.blocks import split_lines, starts
from memshim.text.merge.changes import Op, Side
from memshim.text.merge.result import Settled
from memshim.text.merge.settle import says
from memshim.text.merge.union import Entry, Union, entries, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


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
    """Leaves out of a side, in `shown`, what the other added too at an earlier place. Changes `shown`, cuts `ops`."""
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
    far: list[tuple[Side, Found, Side, Found]] = []
    for found in added(theirs):
        first = next((line for line in found.entry.lines if says(line)), b"").rstrip()
        twin = there.get((plain(found.entry.lines), b"" if found.entry.is_long() else found.heading))
        if twin and first and ours.count.get(first) == theirs.count.get(first) == 1 and not found.op.near(twin.op):
            earlier = twin.op.low < found.op.low
            far.append((ours, twin, theirs, found) if earlier else (theirs, found, ours, twin))
    for _, _, side, found in far:
        if not found.entry.level:
            blank(side, found)
    for stays, place, side, found in far:  # headings last, when what is below them is sorted out
        if found.entry.level:
            below = side.shown[found.at + len(found.entry.lines) : found.at + found.size]
            if not any(map(says, below)) or transplanted(stays, place, side, found, eol):
                blank(side, found)


def removed(side: Side, other: Side) -> list[Settled]:
    """Leaves out of a side, in `shown`, the entries that it only moved, word for word, and that the other side removed."""
    gone: set[bytes] = set()
    for op in other.ops:
        if not op.edited:
            gone.update(key for key in other.base.keys[op.low : op.high] if says(key))
    gone &= {key for op in side.ops for key in side.keys[op.left : op.right]}
    gone = {key for key in gone if key not in other.count and side.count[key] == side.base.count[key]}
    if not gone:
        return []
    side.refine(None)
    out: list[Settled] = []
    seen: Found | None = None
    for found in list(added(side)):
        if seen and found.op is seen.op and found.at < seen.at + seen.size:
            continue
        lines = side.lines[found.at : found.at + found.size]
        if all(line.rstrip() in gone for line in lines if says(line)):
            blank(side, found)
            out.append(Settled("moved", b"", b"".join(lines)))
            seen = found
    return out


def blank(side: Side, found: Found) -> None:
    """Leaves out an entry with the blank lines before it."""
    at = found.at
    while at > found.op.left and not side.keys[at - 1]:
        at -= 1
    side.shown[at : found.at + found.size] = [b""] * (found.at + found.size - at)


def transplanted(stays: Side, place: Found, side: Side, found: Found, eol: bytes) -> bool:
    """Puts what a side has under a heading under the same heading of the other; returns whether it could."""
    own = split_lines(b"".join(stays.shown[place.at : place.at + place.size]))
    section = split_lines(b"".join(side.shown[found.at : found.at + found.size]))
    united = Union(eol).of(own, section)
    lines = [line for line in united if isinstance(line, bytes)]
    if len(lines) < len(united) or not stays.shown[place.at]:
        return False
    # All in the place of the first line: `shown` keeps its length, and who takes lines out of it splits them again.
    stays.shown[place.at : place.at + place.size] = [b"".join(lines)] + [b""] * (place.size - 1)
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
