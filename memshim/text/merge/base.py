"""The lines of the base, as blocks if asked; knows nothing of what anybody did to them."""

from bisect import bisect_left, bisect_right
from collections import Counter

from memshim.text.blocks import parse

LARGE = 40  # lines; a larger block clashes only where it does, a smaller one as a whole


class Base:
    """Holds the lines of the base, their keys (lines without white space at their end) and, if asked, its blocks."""

    __slots__ = ("_blocks", "_borders", "count", "keys", "lines")

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines
        self.keys = list(map(bytes.rstrip, lines))
        self.count = Counter(self.keys)
        self._blocks: list[tuple[int, int, str]] = []
        self._borders: list[int] = []

    def blocks(self) -> list[tuple[int, int, str]]:
        """Returns the blocks as (first line, line after, kind)."""
        if not self._blocks:
            at = 0
            for block in parse(b"".join(self.lines)):
                stop = at + block.text.count(b"\n")
                self._blocks.append((at, stop, block.kind))
                at = stop
            self._borders = [first for first, _, _ in self._blocks]
        return self._blocks

    def borders(self, low: int, high: int) -> list[int]:
        """Returns the lines from `low` up to, not including, `high` that begin a block."""
        self.blocks()
        return self._borders[bisect_left(self._borders, low) : bisect_left(self._borders, high)]

    def block(self, line: int) -> tuple[int, int, str]:
        """Returns the block that a line is in."""
        self.blocks()
        return self._blocks[bisect_right(self._borders, line) - 1]

    def whole(self, low: int, high: int) -> tuple[int, int]:
        """Widens a range to whole blocks, unless they are large or front matter: its lines are its entries."""
        for line in (low, high - 1) if low < high else ():
            first, stop, kind = self.block(line)
            if kind != "front" and stop - first <= LARGE:
                low, high = min(low, first), max(high, stop)
        return low, high
