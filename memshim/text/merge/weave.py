"""Weaves the changes of two sides into the lines of their base; knows nothing of bytes outside these lines.

This is diff3 (Khanna, Kunal, Pierce: A formal investigation of diff3, 2007) made finer: only operations on the same
lines can clash, and then a rule may settle it.
"""

from memshim.text.blocks import split_lines, starts
from memshim.text.merge.changes import Op, Side, meets
from memshim.text.merge.result import Settled
from memshim.text.merge.settle import Clash, is_placeholder, layout, says, settle
from memshim.text.merge.twice import once, removed
from memshim.text.merge.union import Union, is_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Region:
    """Holds operations of both sides that belong together, and the lines that they are about."""

    __slots__ = ("closed", "high", "low", "mine", "o", "right", "t", "wrong", "yours")

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high
        self.closed = False  # whether what is inserted at the end belongs to it too
        self.mine: list[Op] = []
        self.yours: list[Op] = []
        self.o = self.right = 0  # lines o..right of ours
        self.t = self.wrong = 0  # lines t..wrong of theirs

    def take(self, waiting: list[Op], taken: list[Op], others: list[Op]) -> bool:
        """Takes the next operations of a side as long as they belong here; returns whether one did."""
        grown = False
        while waiting and (
            meets(waiting[-1].low, waiting[-1].high, self.low, self.high)
            or (self.closed and waiting[-1].low == self.high)
            or (others and (waiting[-1].adjoins(others[-1]) or waiting[-1].adjoins(others[0])))
        ):
            taken.append(waiting.pop())
            self.low, self.high = min(self.low, taken[-1].low), max(self.high, taken[-1].high)
            grown = True
        return grown

    def place(self, o: int, t: int) -> None:
        """Notes where in the two sides the region begins; from that follows where it ends."""
        self.o, self.t, size = o, t, self.high - self.low
        self.right = o + size + sum(op.right - op.left - op.high + op.low for op in self.mine)
        self.wrong = t + size + sum(op.right - op.left - op.high + op.low for op in self.yours)


class Weave:
    """Weaves two sides together.

    After `run`, `parts` holds lines and clashes in order, and `settled` what a rule decided.
    """

    __slots__ = ("base", "closed", "eol", "fenced", "forced", "ours", "parts", "settled", "theirs")

    def __init__(self, ours: Side, theirs: Side, eol: bytes) -> None:
        self.base = ours.base
        self.ours = ours.again()
        self.theirs = theirs.again()
        self.eol = eol
        self.parts: list[list[bytes] | Clash] = []
        self.settled: list[Settled] = []
        self.forced: list[tuple[int, int]] = []
        self.closed: set[int] = set()
        self.fenced: list[bool] = []

    def run(self, forced: "Sequence[tuple[int, int]]" = (), *, twice: bool = False) -> None:
        """Weaves; where whole blocks turn out to clash, it weaves again around them.

        Ranges `forced` of the base clash anyway. With `twice`, what both added at different places may come twice.
        """
        self.ours.refine(self.theirs)
        self.theirs.refine(self.ours)
        self.forced = sorted({self.base.whole(low, high) for low, high in forced})
        self.closed.update(stop for _, stop in self.forced)
        moved = removed(self.ours, self.theirs) + removed(self.theirs, self.ours)
        if not twice:
            once(self.ours, self.theirs, self.eol)
        for _ in range(20):
            self.parts = []
            self.settled = list(moved)
            found = self.pass_over()
            if not found:
                return
            for low, high in found:
                first, stop = self.base.whole(low, high)
                self.forced.append((first, stop))
                if high in self.closed:
                    self.closed.add(stop)
            self.forced = sorted(set(self.forced))
        self.forced = [(0, len(self.base.lines))]
        self.closed.add(len(self.base.lines))
        self.parts = []
        self.settled = []
        self.pass_over()

    def pass_over(self) -> list[tuple[int, int]]:
        """Goes once over the base; returns the ranges of it that clash and are not yet forced to."""
        found: list[tuple[int, int]] = []
        ours, theirs, forced = self.ours.ops[::-1], self.theirs.ops[::-1], self.forced[::-1]
        b = o = t = 0
        while ours or theirs or forced:
            region = Region(*min([(op.low, op.high) for op in (ours[-1:] + theirs[-1:])] + forced[-1:]))
            clash = False
            grown = True
            while grown:
                grown = region.take(ours, region.mine, region.yours) | region.take(theirs, region.yours, region.mine)
                # A place that clashes may be where a region begins, which grew since: it would hold up those behind it.
                while forced and (
                    meets(*forced[-1], region.low, region.high) or forced[-1] == (region.low, region.low)
                ):
                    low, high = forced.pop()
                    region.low, region.high = min(region.low, low), max(region.high, high)
                    region.closed = region.high in self.closed
                    grown = clash = True
            self.stable(b, region.low, o, t)
            region.place(o + region.low - b, t + region.low - b)
            lost = None if clash else self.decide(region)
            if lost:
                found.append(lost)
            if clash or lost:
                base = self.base.lines[region.low : region.high]
                ours_, theirs_ = self.ours.lines[region.o : region.right], self.theirs.lines[region.t : region.wrong]
                real = not (ours_ == theirs_ or base in (ours_, theirs_))
                self.parts.append(Clash(base, ours_, theirs_) if real else theirs_ if base == ours_ else ours_)
            b, o, t = region.high, region.right, region.wrong
        self.stable(b, len(self.base.lines), o, t)
        return found

    def stable(self, low: int, high: int, o: int, t: int) -> None:
        """Writes lines that both sides have; where white space at their end differs, as the side that changed it."""
        ours, theirs = self.ours.shown[o : o + high - low], self.theirs.shown[t : t + high - low]
        if ours != theirs:
            for n, (was, one, two) in enumerate(zip(self.base.lines[low:high], ours, theirs, strict=True)):
                if one == was:
                    ours[n] = two
                elif two not in (was, one):
                    self.settled.append(layout(one, two))
                    ours[n] = self.settled[-1].kept
        self.parts.append(ours)

    def decide(self, region: Region) -> tuple[int, int] | None:
        """Writes what a region comes to; returns a range of the base if it is a clash."""
        if region.mine and region.yours:
            return None if self.both(region) else (region.low, region.high)
        side, other = (self.ours, self.theirs) if region.mine else (self.theirs, self.ours)
        lines = side.shown[region.o : region.right] if region.mine else side.shown[region.t : region.wrong]
        lost = self.orphaned(region, lines, other)
        if lost:
            return lost
        old = self.base.keys[region.low : region.high]
        if not any(lines) and not any(old) and self.ends_in_text() and other.inserts(region.low, region.high):
            lines = self.base.lines[region.low : region.high]  # a blank line that now parts what the other side added
        self.parts.append(lines)
        return None

    def ends_in_text(self) -> bool:
        """Tells whether the last line written so far is not blank."""
        for part in reversed(self.parts):
            lines = part if isinstance(part, list) else part.ours
            for line in reversed(lines):
                if line:
                    return bool(line.strip())
        return False

    def orphaned(self, region: Region, lines: list[bytes], other: Side) -> tuple[int, int] | None:
        """Finds the section that one side removed and the other side added to, as a range of the base.

        A section is removed if its heading is gone and nothing below it is left.
        """
        keys = self.base.keys
        begin = region.low
        while begin and not keys[begin - 1]:
            begin -= 1
        hunk = other.hunk_before(begin)
        if not hunk or not any(map(says, lines)):
            return None
        after = max(hunk.high, region.high)
        while after < len(keys) and not keys[after]:
            after += 1
        if after < len(keys) and not starts(keys[after])[1]:
            return None
        if any(starts(key)[1] for key in other.keys[hunk.left : hunk.right]):
            return None
        governs = [n for n in range(hunk.low, region.low) if starts(keys[n])[1]]
        if not governs:
            return None
        new = next((starts(line)[1] for line in lines if says(line)), 0)
        if new and new <= starts(keys[governs[-1]])[1]:
            return None
        new_there = other.new()
        if all(line.rstrip() in new_there for line in split_lines(b"".join(lines)) if says(line)):
            return None  # it had added this too, see `once`
        self.closed.add(max(region.high, hunk.high))
        return governs[-1], max(region.high, hunk.high)

    # --- regions that both sides changed ---

    def both(self, region: Region) -> bool:
        """Merges two changes of the same lines; returns whether it could."""
        ours, theirs = self.ours.shown[region.o : region.right], self.theirs.shown[region.t : region.wrong]
        base = self.base.lines[region.low : region.high]
        if self.ours.keys[region.o : region.right] == self.theirs.keys[region.t : region.wrong]:
            self.parts.append(ours)
        elif not any(map(says, base)):
            self.add(region.low, ours, theirs)
        elif not contested(region):
            return self.beside(region)
        else:
            (gone, new), (away, old) = self.ours.net(region.mine), self.theirs.net(region.yours)
            if old and away <= gone and is_inside(old, new):  # one side has all of the other's change, and more
                self.parts.append(ours)
            elif new and gone <= away and is_inside(new, old):
                self.parts.append(theirs)
            else:
                replaced = len(gone) == len(away) == sum(map(says, base))  # no side has these lines any more
                replaced = replaced and not any(op.edited for op in region.mine + region.yours)
                return self.rewritten(region.low, base, ours, theirs, replaced=replaced)
        return True

    def add(self, at: int, ours: list[bytes], theirs: list[bytes]) -> None:
        """Writes what the two sides inserted at one place."""
        ours, theirs = split_lines(b"".join(ours)), split_lines(b"".join(theirs))  # see `twice.transplanted`
        if not ours or not theirs:
            self.parts.append(ours or theirs)
        elif self.in_fence(at):
            self.parts.append(ours + theirs)
        else:
            for line in Union(self.eol).of(ours, theirs):
                self.parts.append([line] if isinstance(line, bytes) else line)

    def in_fence(self, at: int) -> bool:
        """Tells whether a place in the base lies inside a code fence."""
        if not self.fenced:
            inside = False
            for key in self.base.keys:
                self.fenced.append(inside)
                inside ^= key.lstrip()[:3] in (b"```", b"~~~")
            self.fenced.append(inside)
        return self.fenced[at]

    def rewritten(self, at: int, base: list[bytes], ours: list[bytes], theirs: list[bytes], *, replaced: bool) -> bool:
        """Settles two rewrites of the same lines, if a rule can."""
        was, one, two = b"".join(base), b"".join(ours), b"".join(theirs)
        ruling = settle(was, one, two)
        if ruling:
            self.settled.append(ruling)
            self.parts.append(ours if ruling.kept == one else theirs)
        elif replaced and one.strip() and two.strip() and is_placeholder(was):
            self.settled.append(Settled("placeholder", one + two, was))
            self.add(at, ours, theirs)
        else:
            return False
        return True

    def beside(self, region: Region) -> bool:
        """Merges insertions and deletions: what a side deleted goes, what a side inserted stays."""
        low, high = region.low, region.high
        gone = {n for op in region.mine + region.yours for n in range(op.low, op.high)}
        points = {op.low for op in region.mine + region.yours if op.left < op.right}
        same = list(range(low, high + 1))  # the place that each place comes to when what is gone is gone
        for n in range(low, high):
            if n in gone and (n in points or same[n - low] < n):
                same[n + 1 - low] = same[n - low]
        new: dict[int, tuple[list[bytes], list[bytes]]] = {}
        for number, (side, ops) in enumerate(((self.ours, region.mine), (self.theirs, region.yours))):
            for op in ops:
                if op.left < op.right:
                    new.setdefault(same[op.low - low], ([], []))[number].extend(side.shown[op.left : op.right])
        for at, (one, two) in new.items():
            if low < at < high and any(map(says, one + two)) and self.base.block(at)[0] != at:
                return False  # in the middle of a block that the other side removed
        for n in range(low, high + 1):
            if n in new:
                self.add(n, *new[n])
            if n < high and n not in gone:
                self.parts.append([self.base.lines[n]])
        return True


def contested(region: Region) -> bool:
    """Tells whether a line was changed by both: edited or replaced by both, or edited by one and deleted by one."""
    for one in region.mine:
        for two in region.yours:
            if max(one.low, two.low) < min(one.high, two.high):
                if one.left < one.right and two.left < two.right:
                    return True
                if one.edited or two.edited:
                    return True
    return False
