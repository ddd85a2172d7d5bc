"""The texts of a merge as lines and changes, each read once; knows nothing of how they are merged."""

from memshim.text.blocks import BOM, eol_of, split_lines
from memshim.text.merge.base import Base
from memshim.text.merge.changes import Side
from memshim.text.merge.larger import larger


class Version:
    """Holds one text as lines that all end, how it began and ended, and (if asked) its changes to the base."""

    __slots__ = ("_side", "base", "ended", "lines", "marked", "text")

    def __init__(self, text: bytes, eol: bytes, base: "Version | None") -> None:
        self.text = text
        self.marked = text.startswith(BOM)
        bare = text[3:] if self.marked else text
        self.ended = bare.endswith(b"\n") or not bare
        self.lines = split_lines(bare if self.ended else bare + eol)
        self.base: Base = base.base if base else Base(self.lines)
        self._side: Side | None = None

    @property
    def side(self) -> Side:
        """The changes to the base."""
        if self._side is None:
            self._side = Side(self.lines, self.base)
        return self._side


class Versions:
    """Reads texts as versions of one base, and compares them, each once."""

    __slots__ = ("_compared", "_eol", "_known", "base")

    def __init__(self, base: bytes) -> None:
        self.base = base
        self._eol = eol_of(base) if b"\n" in base else b""
        self._known: dict[tuple[bytes, bytes], Version] = {}
        self._compared: dict[frozenset[bytes], Version | None] = {}

    def of(self, text: bytes, eol: bytes) -> Version:
        """Returns a text as a version, with `eol` at its end if it has no line end there."""
        if (text, eol) not in self._known:
            base = None if text == self.base else self.of(self.base, eol)
            self._known[text, eol] = Version(text, eol, base)
        return self._known[text, eol]

    def three(self, ours: bytes, theirs: bytes) -> tuple[Version, Version, Version, bytes]:
        """Returns base, ours, theirs, and the line end for lines that their merge has to add."""
        eol = self._eol or eol_of(ours + theirs)
        return self.of(self.base, eol), self.of(ours, eol), self.of(theirs, eol), eol

    def larger(self, one: Version, two: Version) -> Version | None:
        """Returns the version that has all changes of the other, see `larger`."""
        pair = frozenset((one.text, two.text))
        if pair not in self._compared:
            side = larger(one.side, two.side)
            self._compared[pair] = None if side is None else one if side is one.side else two
        return self._compared[pair]
