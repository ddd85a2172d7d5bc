"""What one side did to the base, as operations on lines; knows nothing of the other side.

A changed region of a line diff is cut into finer operations: an edited line is paired with what it became, a deletion
is cut where blocks begin, an insertion slides to where an entry begins.
"""

from bisect import bisect_left
from collections import Counter
from itertools import pairwise

from memshim.text.blocks import starts
from memshim.text.diff import matching
from memshim.text.merge.base import Base
from memshim.text.merge.edits import edits
from memshim.text.merge.settle import says, weight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Op:
    """Holds one side's change: lines low..high of the base became lines left..right of the side.

    `hunk` is the change that it was cut from; `edited` tells that the new line resembles the old one.
    """

    __slots__ = ("edited", "high", "hunk", "left", "low", "right")

    def __init__(self, low: int, high: int, left: int, right: int, hunk: "Op | None" = None) -> None:
        self.low = low
        self.high = high
        self.left = left
        self.right = right
        self.hunk = hunk or self
        self.edited = False

    def __repr__(self) -> str:
        return f"Op({self.low}:{self.high} -> {self.left}:{self.right})"

    def puts(self) -> bool:
        """Tells an operation that removes lines and puts others there, which are no edit of them."""
        return self.low < self.high and self.left < self.right and not self.edited

    def adjoins(self, other: "Op") -> bool:
        """Tells whether one inserts where the other puts lines: the two may have added the same ones."""
        one, two = (self, other) if self.low == self.high else (other, self)
        return one.low == one.high and two.puts() and one.low in (two.low, two.high)

    def near(self, other: "Op") -> bool:
        """Tells whether the two are woven as one region, so that what they add is united there."""
        return meets(self.low, self.high, other.low, other.high) or self.adjoins(other)


class Side:
    """Holds one side's lines, their keys, and its changes; `shown` are the lines as the merge will show them."""

    __slots__ = ("_brought", "_count", "_cuts", "_taken", "base", "hunks", "keys", "lines", "ops", "shown")

    def __init__(self, lines: list[bytes], base: Base) -> None:
        self.base = base
        self.lines = lines
        self.shown = list(lines)
        self.keys = list(map(bytes.rstrip, lines))
        self._count: Counter[bytes] | None = None
        self._brought: set[bytes] | None = None
        self._taken: set[int] | None = None
        self._cuts: dict[tuple[int, int, int, int], list[tuple[int, int, int, int, bool]]] = {}
        self.ops: list[Op] = []
        i = j = 0
        for x, y, n in [*matching(base.keys, self.keys, weight, says), (len(base.lines), len(lines), 0)]:
            if x > i or y > j:
                self.ops.append(Op(i, x, j, y))
            i, j = x + n, y + n
        slide(self.ops, base.keys, self.keys)
        self.hunks = [Op(op.low, op.high, op.left, op.right) for op in self.ops]

    def again(self) -> "Side":
        """Returns the side as it was before its changes were cut and its lines were changed."""
        other = object.__new__(Side)
        other.base, other.lines, other.keys, other.hunks = self.base, self.lines, self.keys, self.hunks
        other._count, other._brought, other._taken, other._cuts = self._count, self._brought, self._taken, self._cuts
        other.shown = list(self.lines)
        other.ops = [Op(op.low, op.high, op.left, op.right) for op in self.hunks]
        return other

    @property
    def count(self) -> "Counter[bytes]":
        """How often each line is there."""
        if self._count is None:
            self._count = Counter(self.keys)
        return self._count

    @property
    def brought(self) -> set[bytes]:
        """The lines, blank ones aside, that the changes bring."""
        if self._brought is None:
            self._brought = {key for op in self.hunks for key in self.keys[op.left : op.right] if key}
        return self._brought

    @property
    def taken(self) -> set[int]:
        """The numbers of the base's lines, blank ones aside, that the changes take out."""
        if self._taken is None:
            keys = self.base.keys
            self._taken = {n for op in self.hunks for n in range(op.low, op.high) if keys[n]}
        return self._taken

    def does(self, op: Op, other: "Side", same: Op | None) -> bool:
        """Tells whether a change of another side, of the same lines of the base, brings the same lines."""
        return same is not None and self.keys[op.left : op.right] == other.keys[same.left : same.right]

    def new(self) -> dict[bytes, int]:
        """Returns the lines, with words in them, that the changes bring, and where in the base they come."""
        return {key: op.low for op in self.ops for key in self.keys[op.left : op.right] if says(key)}

    def net(self, ops: list[Op]) -> tuple[set[int], list[bytes]]:
        """Returns the lines that some changes take from the base and those that they bring: only such with words."""
        gone = {n for op in ops for n in range(op.low, op.high) if says(self.base.keys[n])}
        return gone, [key for op in ops for key in self.keys[op.left : op.right] if says(key)]

    def hunk_before(self, line: int) -> Op | None:
        """Returns the change, not cut, that removes lines just before a line of the base, if one does."""
        at = bisect_left(self.hunks, line, key=low_of) - 1
        return self.hunks[at] if at >= 0 and line <= self.hunks[at].high else None

    def touches(self, low: int, high: int) -> bool:
        """Tells whether the side changed anything at lines low..high of the base, or beside them."""
        at = bisect_left(self.hunks, low, key=high_of)
        return at < len(self.hunks) and self.hunks[at].low <= high

    def inserts(self, low: int, high: int) -> bool:
        """Tells whether some change brings lines anywhere from `low` to `high`."""
        at = bisect_left(self.ops, low, key=low_of)
        while at < len(self.ops) and self.ops[at].low <= high:
            if self.ops[at].left < self.ops[at].right:
                return True
            at += 1
        return False

    def place(self, line: int) -> tuple[int, int]:
        """Returns the place in the base that a line of the side stands at, as a range."""
        i = j = 0
        for op in self.hunks:
            if line < op.left:
                break
            if line <= op.right:
                return op.low, op.high
            i, j = op.high, op.right
        return i + line - j, i + line - j

    def refine(self, other: "Side | None") -> None:
        """Cuts the changes that the other side's changes touch, or all if there is no other side."""
        hunks = other.hunks if other else []
        out: list[Op] = []
        at = 0
        for op in self.ops:
            while at < len(hunks) and hunks[at].high < op.low:
                at += 1
            touched = not other or (at < len(hunks) and hunks[at].low <= op.high)
            out += self.cut(op) if touched and op is op.hunk and op.low < op.high else [op]
        if len(out) > len(self.ops):
            slide(out, self.base.keys, self.keys)
        self.ops = out

    def cut(self, op: Op) -> list[Op]:
        """Cuts a change; notes the cuts, they are asked for more than once."""
        whole = (op.low, op.high, op.left, op.right)
        if whole not in self._cuts:
            self._cuts[whole] = [(new.low, new.high, new.left, new.right, new.edited) for new in self.pieces(op)]
        out = []
        for low, high, left, right, edited in self._cuts[whole]:
            out.append(Op(low, high, left, right, op))
            out[-1].edited = edited
        return out

    def pieces(self, op: Op) -> list[Op]:
        out: list[Op] = []
        i, j = op.low, op.left
        found = edits(self.base.keys[op.low : op.high], self.keys[op.left : op.right])
        for x, y in [*((op.low + a, op.left + b) for a, b in found), (op.high, op.right)]:
            one, two = heading_size(self.base.keys[i:x]), heading_size(self.keys[j:y])
            if one and two and starts(self.base.keys[i]) == starts(self.keys[j]):
                # the heading was renamed; what follows it is another matter
                out.append(Op(i, i + one, j, j + two, op))
                i, j = i + one, j + two
                while i < x and j < y and self.base.keys[i] == self.keys[j]:
                    i, j = i + 1, j + 1
            if y > j and x > i and self.is_rewrite(i, x, self.keys[j:y]):
                out += self.rewrites(i, x, j, y, op)
            else:
                if y > j:
                    out.append(Op(i, i, j, y, op))
                out += [Op(low, high, y, y, op) for low, high in self.by_block(i, x)]
            if x < op.high:
                if self.base.keys[x] != self.keys[y]:
                    out.append(Op(x, x + 1, y, y + 1, op))
                    out[-1].edited = True
                i, j = x + 1, y + 1
        return out

    def is_rewrite(self, low: int, high: int, new: "Sequence[bytes]") -> bool:
        """Tells whether new lines take the place of old ones; else the ones are deleted and the others inserted."""
        old = [key for key in self.base.keys[low:high] if says(key)]
        said = [key for key in new if says(key)]
        return bool(old and said) and bool({sort(key) for key in old} & {sort(key) for key in said})

    def rewrites(self, i: int, x: int, j: int, y: int, op: Op) -> list[Op]:
        """Cuts a rewrite of as many blocks of one line, each of the kind of the one in its place, into one for each."""
        old, new = self.base.keys[i:x], self.keys[j:y]
        if len(old) != len(new) or [sort(key) for key in old] != [sort(key) for key in new]:
            return [Op(i, x, j, y, op)]
        if self.base.borders(i, x) != list(range(i, x)) or "paragraph" in map(sort, old):
            return [Op(i, x, j, y, op)]
        return [Op(i + n, i + n + 1, j + n, j + n + 1, op) for n in range(x - i)]

    def by_block(self, low: int, high: int) -> list[tuple[int, int]]:
        """Cuts deleted lines where blocks of the base begin."""
        if high - low < 2:
            return [(low, high)] if low < high else []
        cuts = [low, *self.base.borders(low + 1, high), high]
        return list(pairwise(cuts))


def slide(ops: list[Op], base: "Sequence[bytes]", side: "Sequence[bytes]") -> None:
    """Moves pure insertions and deletions, where equal lines let them, to begin where an entry begins."""
    for n, op in enumerate(ops):
        inserted = op.low == op.high
        if not inserted and op.left != op.right:
            continue
        keys = side if inserted else base
        first, last = (op.left, op.right) if inserted else (op.low, op.high)
        up = down = 0
        room = min(op.low - ops[n - 1].high, op.left - ops[n - 1].right) if n else min(op.low, op.left)
        while up < room and keys[first - up - 1] == keys[last - up - 1]:
            up += 1
        ahead = ops[n + 1] if n + 1 < len(ops) else None
        room = min(len(base) - op.high, len(side) - op.right)
        if ahead:
            room = min(ahead.low - op.high, ahead.left - op.right)
        while down < room and keys[first + down] == keys[last + down]:
            down += 1
        if up or down:
            shift = max(range(-up, down + 1), key=lambda by: (rank(keys, first + by), by == 0, by))
            op.low += shift
            op.high += shift
            op.left += shift
            op.right += shift


def rank(keys: "Sequence[bytes]", at: int) -> int:
    """Rates how well an insertion may begin at this line: best at a high heading, worst in the middle of text."""
    kind, level = starts(keys[at])
    if level:
        return 10 - level
    if kind == "blank":
        return 2
    return 3 if at == 0 or not keys[at - 1] else 1


def high_of(op: Op) -> int:
    return op.high


def low_of(op: Op) -> int:
    return op.low


def heading_size(keys: "Sequence[bytes]") -> int:
    """Returns how many lines the heading that stands first has; 0 if none does."""
    if not keys or not says(keys[0]):
        return 0
    if starts(keys[0])[1]:
        return 1
    return 2 if len(keys) > 1 and keys[1] and not keys[1].strip(b"=") else 0


def meets(low: int, high: int, first: int, stop: int) -> bool:
    """Tells whether two ranges share a line, or a point that lies in the other, or are the same point."""
    if low == high and first == stop:
        return low == first
    return low < stop and first < high


def sort(key: bytes) -> str:
    """Returns the kind that a line looks like, for comparing a line with what took its place."""
    kind, level = starts(key.lstrip())
    return "heading" if level else kind
