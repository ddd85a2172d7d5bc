"""Weaves the changes of two sides into the lines of their base; knows nothing of bytes outside these lines.

This is diff3 (Khanna, Kunal, Pierce: A formal investigation of diff3, 2007) made finer: a changed region is cut into
operations on lines, edited lines are paired with what became of them, and only operations on the same lines clash.
"""

from memshim.text.added import Entry, Union, entries, is_inside, plain
from memshim.text.blocks import parse, split_lines, starts
from memshim.text.diff import matching
from memshim.text.settle import Clash, Settled, alike, bare, is_placeholder, settle, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAIRS = 10_000  # pairs of lines that one changed region may weigh up; larger ones are not looked into
ALIKE = 0.5


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


class Side:
    """Holds one side's lines, their keys (lines without white space at their end) and its changes."""

    __slots__ = ("keys", "lines", "ops")

    def __init__(self, lines: list[bytes], base: "Sequence[bytes]") -> None:
        self.lines = lines
        self.keys = [line.rstrip() for line in lines]
        self.ops: list[Op] = []
        i = j = 0
        for x, y, n in [*matching(base, self.keys, words), (len(base), len(lines), 0)]:
            if x > i or y > j:
                self.ops.append(Op(i, x, j, y))
            i, j = x + n, y + n
        slide(self.ops, base, self.keys)

    def changes(self, ops: list[Op]) -> tuple[set[int], list[bytes]]:
        """Returns the lines of the base that changes take away, and the lines, with words in them, that they bring."""
        gone = {n for op in ops for n in range(op.low, op.high)}
        return gone, [key for op in ops for key in self.keys[op.left : op.right] if words(key)]

    def new(self) -> set[bytes]:
        """Returns the lines, with words in them, that are in changes of this side."""
        return {key for op in self.ops for key in self.keys[op.left : op.right] if words(key)}


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


class Weave:
    """Weaves two sides together.

    After `run`, `parts` holds lines and clashes in order, and `settled` what a rule decided.
    """

    __slots__ = ("base", "eol", "forced", "keys", "ours", "parts", "settled", "spans", "theirs")

    def __init__(self, base: list[bytes], ours: list[bytes], theirs: list[bytes], eol: bytes) -> None:
        self.base = base
        self.keys = [line.rstrip() for line in base]
        self.ours = Side(ours, self.keys)
        self.theirs = Side(theirs, self.keys)
        self.eol = eol
        self.parts: list[list[bytes] | Clash] = []
        self.settled: list[Settled] = []
        self.forced: list[tuple[int, int]] = []
        self.spans: list[tuple[int, int, str]] = []

    # --- the whole ---

    def run(self) -> None:
        """Weaves; where whole blocks turn out to clash, it weaves again around them."""
        self.refine()
        self.once()
        for _ in range(20):
            self.parts = []
            self.settled = []
            found = self.pass_over()
            if not found:
                return
            self.force(found)
        self.forced = [(0, len(self.base))]
        self.pass_over()

    def pass_over(self) -> list[tuple[int, int]]:
        """Goes once over the base; returns the ranges of it that clash and are not yet forced."""
        found: list[tuple[int, int]] = []
        ours, theirs = list(self.ours.ops[::-1]), list(self.theirs.ops[::-1])
        forced = self.forced[::-1]
        b = o = t = 0
        while ours or theirs or forced:
            heads = [(op.low, op.high) for op in (ours[-1:] + theirs[-1:])] + forced[-1:]
            low, high = min(heads)
            mine: list[Op] = []
            yours: list[Op] = []
            whole = False
            grown = True
            while grown:
                grown = False
                for waiting, taken, others in ((ours, mine, yours), (theirs, yours, mine)):
                    while waiting and (
                        meets(waiting[-1].low, waiting[-1].high, low, high)
                        or any(waiting[-1].adjoins(op) for op in others)
                    ):
                        taken.append(waiting.pop())
                        low, high = min(low, taken[-1].low), max(high, taken[-1].high)
                        grown = True
                while forced and meets(*forced[-1], low, high):
                    low, high = min(low, forced[-1][0]), max(high, forced.pop()[1])
                    grown = whole = True
            self.stable(b, low, o, t)
            o, t = o + low - b, t + low - b
            right = o + high - low + sum(op.right - op.left - op.high + op.low for op in mine)
            wrong = t + high - low + sum(op.right - op.left - op.high + op.low for op in yours)
            if whole:
                self.parts.append(Clash(self.base[low:high], self.ours.lines[o:right], self.theirs.lines[t:wrong]))
            elif not yours:
                self.one_sided(mine, self.ours, low, high, (o, right), yours=False, found=found)
            elif not mine:
                self.one_sided(yours, self.theirs, low, high, (t, wrong), yours=True, found=found)
            elif not self.two_sided(mine, yours, low, high, (o, right), (t, wrong)):
                found.append((low, high))
            b, o, t = high, right, wrong
        self.stable(b, len(self.base), o, t)
        return found

    def stable(self, low: int, high: int, o: int, t: int) -> None:
        """Writes lines that both sides have; where white space at their end differs, the side that changed it."""
        ours, theirs = self.ours.lines[o : o + high - low], self.theirs.lines[t : t + high - low]
        if ours == theirs:
            self.parts.append(ours)
            return
        out = []
        for was, one, two in zip(self.base[low:high], ours, theirs, strict=True):
            out.append(two if one == was else one)
            if one != was and two != was and one != two:
                self.settled.append(Settled("layout", one, two))
        self.parts.append(out)

    # --- regions that one side changed ---

    def one_sided(
        self,
        ops: list[Op],
        side: Side,
        low: int,
        high: int,
        at: tuple[int, int],
        *,
        yours: bool,
        found: list[tuple[int, int]],
    ) -> None:
        """Takes over a change that the other side has not touched, unless it is an addition to what that one removed."""
        lines = side.lines[at[0] : at[1]]
        other = self.ours if yours else self.theirs
        if other.ops and any(map(words, lines)):
            lost = self.orphaned(low, high, lines, other)
            if lost:
                found.append(lost)
                return
        self.parts.append(lines)

    def orphaned(self, low: int, high: int, lines: list[bytes], other: Side) -> tuple[int, int] | None:
        """Finds the section that one side removed and the other side added to or edited in, as a range of the base.

        A section is removed if its heading is gone and nothing below it is left.
        """
        begin = low
        while begin and not self.keys[begin - 1]:
            begin -= 1
        hunk = next((op.hunk for op in other.ops if op.hunk.low < begin <= op.hunk.high), None)
        if not hunk:
            return None
        after = next((key for key in self.keys[max(hunk.high, high) :] if key), b"#")
        if not starts(after)[1]:
            return None
        if any(starts(key)[1] for key in other.keys[hunk.left : hunk.right]):
            return None
        governs = [n for n in range(hunk.low, low) if starts(self.keys[n])[1]]
        if not governs:
            return None
        level = starts(self.keys[governs[-1]])[1]
        new = next((starts(line)[1] for line in lines if words(line)), 0)
        return None if new and new <= level else (governs[-1], max(high, hunk.high))

    # --- regions that both sides changed ---

    def two_sided(
        self, mine: list[Op], yours: list[Op], low: int, high: int, o: tuple[int, int], t: tuple[int, int]
    ) -> bool:
        """Merges two changes of the same lines; returns whether it could."""
        ours, theirs, base = self.ours.lines[o[0] : o[1]], self.theirs.lines[t[0] : t[1]], self.base[low:high]
        if self.ours.keys[o[0] : o[1]] == self.theirs.keys[t[0] : t[1]]:
            self.parts.append(ours)
            return True
        if not any(map(words, base)):
            self.add(low, ours, theirs)
            return True
        if contested(mine, yours):
            both = [(self.ours.changes(mine), ours), (self.theirs.changes(yours), theirs)]
            for ((gone, new), lines), ((less, old), _) in (both, both[::-1]):
                if old and less <= gone and is_inside(old, new):  # one has all of the other's change, and more
                    self.parts.append(lines)
                    return True
            whole = len(both[0][0][0]) == len(both[1][0][0]) == high - low
            return self.rewritten(low, base, ours, theirs, whole=whole)
        return self.beside(mine, yours, low, high)

    def add(self, at: int, ours: list[bytes], theirs: list[bytes]) -> None:
        """Writes what the two sides inserted at one place."""
        ours, theirs = split_lines(b"".join(ours)), split_lines(b"".join(theirs))  # see `once`
        if not ours or not theirs:
            self.parts.append(ours or theirs)
        elif sum(key.lstrip()[:3] in (b"```", b"~~~") for key in self.keys[:at]) % 2:
            self.parts.append(ours + theirs)  # inside a fence
        else:
            for line in Union(self.eol).of(ours, theirs):
                self.parts.append([line] if isinstance(line, bytes) else line)

    def rewritten(self, at: int, base: list[bytes], ours: list[bytes], theirs: list[bytes], *, whole: bool) -> bool:
        """Settles two rewrites of the same lines, if it can; `whole` tells that none of these lines is left."""
        was, one, two = b"".join(base), b"".join(ours), b"".join(theirs)
        ruling = settle(was, one, two)
        if ruling:
            self.settled.append(ruling)
            self.parts.append(ours if ruling.kept == one else theirs)
            return True
        if whole and one.strip() and two.strip() and is_placeholder(was):
            self.add(at, ours, theirs)
            return True
        return False

    def beside(self, mine: list[Op], yours: list[Op], low: int, high: int) -> bool:
        """Merges insertions and deletions: what a side deleted goes, what a side inserted stays."""
        gone = {n for op in mine + yours for n in range(op.low, op.high)}
        new: dict[int, list[list[bytes]]] = {}
        points = {op.low for op in mine + yours if op.left < op.right}
        same = list(range(low, high + 1))  # the place that each place comes to when what is gone is gone
        for n in range(low, high):
            if n in gone and (n in points or same[n - low] < n):
                same[n + 1 - low] = same[n - low]
        for number, (side, ops) in enumerate(((self.ours, mine), (self.theirs, yours))):
            for op in ops:
                if op.left < op.right:
                    new.setdefault(same[op.low - low], [[], []])[number] += side.lines[op.left : op.right]
        for at, added in new.items():
            if low < at < high and any(map(words, added[0] + added[1])) and not self.is_border(at):
                return False
        for n in range(low, high + 1):
            if n in new:
                self.add(n, *new[n])
            if n < high and n not in gone:
                self.parts.append([self.base[n]])
        return True

    # --- blocks of the base ---

    def blocks(self) -> "list[tuple[int, int, str]]":
        """Returns the blocks of the base as (first line, line after, kind)."""
        if not self.spans:
            at = 0
            for block in parse(b"".join(self.base)):
                stop = at + block.text.count(b"\n")
                self.spans.append((at, stop, block.kind))
                at = stop
        return self.spans

    def is_border(self, at: int) -> bool:
        return any(low == at for low, _, _ in self.blocks())

    def force(self, found: list[tuple[int, int]]) -> None:
        """Makes ranges of the base clash as whole blocks, front matter aside (its lines are its entries)."""
        for low, high in found:
            for first, stop, kind in self.blocks():
                if first < high and stop > low and kind not in ("front", "blank"):
                    low, high = min(low, first), max(high, stop)
            self.forced.append((low, high))
        self.forced.sort()

    # --- what both added at different places ---

    def once(self) -> None:
        """Makes entries that both added at different places one: it stays where ours has it.

        A long entry is known anywhere, others under the same heading; and only if it stands once on each side. Of a
        heading, theirs' body joins ours'.
        """
        if self.ours.new().isdisjoint(self.theirs.new()):
            return
        for side in (self.ours, self.theirs):
            side.ops = [part for op in side.ops for part in (self.cut(op, side) if op is op.hunk else [op])]
        mine = [op for op in self.ours.ops if op.low == op.high or op.puts()]
        yours = [op for op in self.theirs.ops if op.low == op.high or op.puts()]
        there: dict[tuple[bytes, bytes], tuple[Op, int, Entry]] = {}
        for op in mine:
            for at, entry, heading in self.found(self.ours, op):
                there[plain(entry.lines), heading] = there[plain(entry.lines), b""] = (op, at, entry)
        both, near = [], []
        for op in yours:
            for at, entry, heading in self.found(self.theirs, op):
                first = next(line for line in entry.lines if words(line)).rstrip()
                mate = there.get((plain(entry.lines), b"" if entry.is_long() else heading))
                if mate and self.ours.keys.count(first) == self.theirs.keys.count(first) == 1:
                    here = meets(op.low, op.high, mate[0].low, mate[0].high) or op.adjoins(mate[0])
                    (near if here else both).append((bool(entry.level), at, entry, mate))
        for is_heading, at, entry, mate in sorted(both, key=first_two):  # what is below a heading goes first
            end = at + len(entry.text())
            for level, place, other, _ in near if is_heading else []:
                if at < place < end and not level:
                    self.theirs.lines[place : place + len(other.lines)] = [b""] * len(other.lines)
            below = self.theirs.lines[at + len(entry.lines) : end]
            if not is_heading or not any(map(words, below)) or self.transplant(mate, self.theirs.lines[at:end]):
                self.theirs.lines[at:end] = [b""] * (end - at)

    def transplant(self, mate: "tuple[Op, int, Entry]", section: list[bytes]) -> bool:
        """Puts what theirs has in a section into the section of the same heading in ours."""
        _, at, entry = mate
        size = len(entry.text())
        own = split_lines(b"".join(self.ours.lines[at : at + size]))
        united = Union(self.eol).of(own, split_lines(b"".join(section)))
        lines = [line for line in united if isinstance(line, bytes)]
        if len(lines) < len(united) or not self.ours.lines[at]:
            return False
        self.ours.lines[at : at + size] = [b"".join(lines)] + [b""] * (size - 1)
        return True

    def found(self, side: Side, op: Op) -> "Iterator[tuple[int, Entry, bytes]]":
        """Yields the entries of an insertion: where in the side, which, and under which heading."""
        above: list[tuple[int, bytes]] = []
        level = 7
        for key in side.keys[: op.left][::-1]:
            height = starts(key)[1]
            if 0 < height < level:
                above.insert(0, (height, key))
                level = height
        at = op.left
        for entry in entries(side.lines[op.left : op.right]).walk():
            first = entry.lines[0].rstrip()
            at = side.keys.index(first, at)
            while entry.level and above and above[-1][0] >= entry.level:
                above.pop()
            yield at, entry, above[-1][1] if above else b"-"
            if entry.level:
                above.append((entry.level, first))
            at += len(entry.lines)

    # --- finer operations ---

    def refine(self) -> None:
        """Cuts changes that the other side's changes touch into operations on single lines and blocks."""
        for side, other in ((self.ours, self.theirs), (self.theirs, self.ours)):
            borders = [(op.hunk.low, op.hunk.high) for op in other.ops]
            out: list[Op] = []
            at = 0
            for op in side.ops:
                while at < len(borders) and borders[at][1] < op.low:
                    at += 1
                touched = at < len(borders) and borders[at][0] <= op.high and op.low < op.high
                out += self.cut(op, side) if touched else [op]
            if len(out) > len(side.ops):
                slide(out, self.keys, side.keys)
            side.ops = out

    def cut(self, op: Op, side: Side) -> list[Op]:
        out: list[Op] = []
        i, j = op.low, op.left
        for x, y in [*self.pairs(op, side), (op.high, op.right)]:
            one, two = heading_size(self.keys[i:x]), heading_size(side.keys[j:y])
            if one and two:  # the heading was renamed; what follows it is another matter
                out.append(Op(i, i + one, j, j + two, op))
                i, j = i + one, j + two
                while i < x and j < y and self.keys[i] == side.keys[j]:
                    i, j = i + 1, j + 1
            if y > j and x > i and self.is_rewrite(i, x, side.keys[j:y]):
                out.append(Op(i, x, j, y, op))
            else:
                if y > j:
                    out.append(Op(i, i, j, y, op))
                out += [Op(low, high, y, y, op) for low, high in self.by_block(i, x)]
            if x < op.high:
                if self.keys[x] != side.keys[y]:
                    out.append(Op(x, x + 1, y, y + 1, op))
                    out[-1].edited = True
                i, j = x + 1, y + 1
        return out

    def is_rewrite(self, low: int, high: int, new: "Sequence[bytes]") -> bool:
        """Tells whether new lines take the place of old ones; else the ones are deleted and the others inserted."""
        old = [key for key in self.keys[low:high] if words(key)]
        said = [key for key in new if words(key)]
        return bool(old and said) and bool({sort(key) for key in old} & {sort(key) for key in said})

    def by_block(self, low: int, high: int) -> list[tuple[int, int]]:
        """Cuts deleted lines where blocks of the base begin."""
        if high - low < 2:
            return [(low, high)] if low < high else []
        cuts = [low, *(first for first, _, _ in self.blocks() if low < first < high), high]
        return list(zip(cuts, cuts[1:], strict=False))

    def pairs(self, op: Op, side: Side) -> list[tuple[int, int]]:
        """Pairs lines of a changed region with what they became: first equal but for layout, then alike in words."""
        old = [b" ".join(bare(key)) for key in self.keys[op.low : op.high]]
        new = [b" ".join(bare(key)) for key in side.keys[op.left : op.right]]
        out: list[tuple[int, int]] = []
        i = j = 0
        for x, y, n in [*matching(old, new), (len(old), len(new), 0)]:
            out += alike_pairs(old, new, i, x, j, y)
            out += [(x + k, y + k) for k in range(n) if words(old[x + k])]
            i, j = x + n, y + n
        whole: list[tuple[int, int]] = []
        ends = [*out, (len(old), len(new))][1:]
        for (x, y), (stop, end) in zip(out, ends, strict=True):
            whole.append((op.low + x, op.left + y))
            while x + 1 < stop and y + 1 < end and self.keys[op.low + x + 1] == side.keys[op.left + y + 1]:
                x, y = x + 1, y + 1
                whole.append((op.low + x, op.left + y))
        return whole


def heading_size(keys: "Sequence[bytes]") -> int:
    """Returns how many lines the heading that stands first has; 0 if none does."""
    if not keys or not words(keys[0]):
        return 0
    if starts(keys[0])[1]:
        return 1
    return 2 if len(keys) > 1 and keys[1] and not keys[1].strip(b"=") else 0


def alike_pairs(old: list[bytes], new: list[bytes], i: int, x: int, j: int, y: int) -> list[tuple[int, int]]:
    """Pairs lines alike in words so that the likeness sums up highest, in order (Needleman and Wunsch 1970)."""
    if x == i or y == j or (x - i) * (y - j) > PAIRS:
        return []
    best = [[0.0] * (y - j + 1) for _ in range(x - i + 1)]
    score = [[alike(old[a], new[b]) for b in range(j, y)] for a in range(i, x)]
    for a in range(x - i - 1, -1, -1):
        for b in range(y - j - 1, -1, -1):
            take = best[a + 1][b + 1] + score[a][b] if score[a][b] >= ALIKE else 0.0
            best[a][b] = max(take, best[a + 1][b], best[a][b + 1])
    out = []
    a = b = 0
    while a < x - i and b < y - j:
        if score[a][b] >= ALIKE and best[a][b] == best[a + 1][b + 1] + score[a][b]:
            out.append((i + a, j + b))
            a, b = a + 1, b + 1
        elif best[a][b] == best[a + 1][b]:
            a += 1
        else:
            b += 1
    return out


def first_two(item: tuple[bool, int, object, object]) -> tuple[bool, int]:
    return item[:2]


def contested(mine: list[Op], yours: list[Op]) -> bool:
    """Tells whether a line was changed by both: edited or replaced by both, or edited by one and deleted by one."""
    for one in mine:
        for two in yours:
            if max(one.low, two.low) < min(one.high, two.high):
                if one.left < one.right and two.left < two.right:
                    return True
                if one.edited or two.edited:
                    return True
    return False


def meets(low: int, high: int, first: int, stop: int) -> bool:
    """Tells whether two ranges share a line, or a point that lies in the other, or are the same point."""
    if low == high and first == stop:
        return low == first
    return low < stop and first < high


def sort(key: bytes) -> str:
    """Returns the kind that a line looks like, for comparing a line with what took its place."""
    kind, level = starts(key.lstrip())
    return "heading" if level else kind
