"""Tells whether one side has made all changes of the other too; then it is the result as it is."""

from bisect import bisect_left

from memshim.text.merge.changes import Op, Side
from memshim.text.merge.settle import LONG, weight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SLIDE = 20  # lines


def larger(one: Side, two: Side) -> Side | None:
    """Returns the side that has all changes of the other, if there is one. It does not matter which is which.

    If each has, they differ in order and blank lines only: then the longer one, else the last in the order of bytes.
    """
    first, second = has(one, two), has(two, one)
    if first and second:
        return max(one, two, key=lambda side: (len(side.lines), side.lines))
    return one if first else two if second else None


def has(big: Side, small: Side) -> bool:
    """Tells whether `big` has all changes that `small` made to the base: its new lines, its deletions, its layout.

    New lines have to be at the same place, long ones anywhere. What `small` removed may not have been moved,
    and not edited to something else. A change of blank lines counts as done where `big`
    changed anything.
    """
    done = {(op.low, op.high): op for op in big.hunks}
    rest = [op for op in small.hunks if not small.does(op, big, done.get((op.low, op.high)))]
    base, gone = big.base, big.taken
    if any(n not in gone for n in left(small, rest)):
        return False
    if any(key not in big.brought for key in arrived(small, rest)):
        return False
    if any(base.keys[n] in big.brought and base.keys[n] not in small.count for n in small.taken):
        return False
    if not all(big.touches(*widened(base.keys, op.low, op.high)) for op in rest if is_blank(small, op)):
        return False
    return has_layout(big, small, gone) and (not rest or has_in_place(big, small, rest, gone))


def has_layout(big: Side, small: Side, gone: set[int]) -> bool:
    """Tells whether the lines whose ends `small` changed are so in `big`, or gone."""
    layout = laid_out(small)
    other = laid_out(big) if layout else {}
    return all(n in gone or other.get(n) == line for n, line in layout.items())


def has_in_place(big: Side, small: Side, rest: list[Op], gone: set[int]) -> bool:
    """Tells whether new lines are at the same place in both, and no line is edited two ways."""
    one, two = rest, big.hunks
    if any(op.low < op.high for op in rest):
        cut, other = small.again(), big.again()
        cut.refine(other)
        other.refine(cut)
        one, two = cut.ops, other.ops
    stays = [n for n, key in enumerate(big.base.keys) if key and n not in gone]
    there: dict[tuple[int, bytes], int] = {}
    edits: dict[int, bytes] = {}
    for op in two:
        if op.edited:
            edits[op.low] = big.keys[op.left]
        place = bisect_left(stays, op.low)
        for key in big.keys[op.left : op.right]:
            there[place, key] = there.get((place, key), 0) + 1
    for op in one:
        said = [key for key in small.keys[op.left : op.right] if key]
        if any(n in edits and edits[n] not in said for n in range(op.low, op.high)):
            return False
        places = slides(big.base.keys, stays, bisect_left(stays, op.low), set(said))
        for key in said:
            free = [place for place in places if there.get((place, key))]
            if free:
                there[free[0], key] -= 1
            elif weight(key) < LONG:
                return False
    return True


def slides(keys: "Sequence[bytes]", stays: "Sequence[int]", place: int, said: set[bytes]) -> range:
    """Returns the places where an insertion may have come to stand: lines equal to its own leave that open."""
    low = high = place
    while low and place - low < SLIDE and keys[stays[low - 1]] in said:
        low -= 1
    while high < len(stays) and high - place < SLIDE and keys[stays[high]] in said:
        high += 1
    return range(low, high + 1)


def arrived(side: Side, ops: "Sequence[Op]") -> "Iterator[bytes]":
    """Yields the lines, blank ones aside, that some changes bring."""
    for op in ops:
        for key in side.keys[op.left : op.right]:
            if key:
                yield key


def left(side: Side, ops: "Sequence[Op]") -> "Iterator[int]":
    """Yields the numbers of the base's lines, blank ones aside, that some changes take out."""
    for op in ops:
        for n in range(op.low, op.high):
            if side.base.keys[n]:
                yield n


def is_blank(side: Side, op: Op) -> bool:
    """Tells whether a change is one of blank lines only."""
    return not any(side.keys[op.left : op.right]) and not any(side.base.keys[op.low : op.high])


def widened(keys: "Sequence[bytes]", low: int, high: int) -> tuple[int, int]:
    """Widens a range by the blank lines around it."""
    while low and not keys[low - 1]:
        low -= 1
    while high < len(keys) and not keys[high]:
        high += 1
    return low, high


def laid_out(side: Side) -> dict[int, bytes]:
    """Returns the lines that a side changed at their end only: white space, or the line end."""
    out: dict[int, bytes] = {}
    i = j = 0
    base, lines = side.base.lines, side.lines
    for op in [*side.hunks, Op(len(base), len(base), len(lines), len(lines))]:
        if base[i : op.low] != lines[j : op.left]:
            out.update((i + k, lines[j + k]) for k in range(op.low - i) if lines[j + k] != base[i + k])
        i, j = op.high, op.right
    return out
