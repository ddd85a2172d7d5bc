"""What a merge comes to: the text, the conflicts in it as values, and what a rule settled."""

from memshim.text.blocks import eol_of

LIMIT = 32 * 1024 * 1024  # bytes of one text
LINES = 500_000


class MergeLimitError(ValueError):
    """Says that a text is too large to be merged."""

    def __init__(self) -> None:
        super().__init__(f"too large to merge: over {LIMIT >> 20} MiB or {LINES} lines")


def require_mergeable(text: bytes) -> None:
    """Raises MergeLimitError for a text that is too large to be merged."""
    if len(text) > LIMIT or text.count(b"\n") > LINES:
        raise MergeLimitError


class Conflict:
    """Holds two changes that do not merge.

    `base`, `ours` and `theirs` are the exact bytes of whole lines; an empty one was deleted. Ours stands in the merged
    text, at bytes `start` to `end`.
    """

    __slots__ = ("base", "end", "ours", "start", "theirs")

    def __init__(self, start: int, end: int, base: bytes, ours: bytes, theirs: bytes) -> None:
        self.start = start
        self.end = end
        self.base = base
        self.ours = ours
        self.theirs = theirs

    def __repr__(self) -> str:
        return f"Conflict({self.start}, {self.end}, {self.base!r}, {self.ours!r}, {self.theirs!r})"


class Settled:
    """Tells how a clash was settled: by which `rule`, and the exact bytes that were `kept` and `dropped`.

    The rules: "layout" (white space, list marks and numbers only), "stamp" (dates, versions and counters that move
    forward), "contains" (one text has all words of the other's change), "placeholder" (see `is_placeholder`), "moved"
    (what one side moved, word for word, and the other removed).
    """

    __slots__ = ("dropped", "kept", "rule")

    def __init__(self, rule: str, kept: bytes, dropped: bytes) -> None:
        self.rule = rule
        self.kept = kept
        self.dropped = dropped

    def __repr__(self) -> str:
        return f"Settled({self.rule!r}, kept={self.kept!r}, dropped={self.dropped!r})"


class Merged:
    """Holds what a merge came to: the `text`, the `conflicts` in it, and what was `settled` by a rule.

    Where a conflict stands, `text` has ours. `unrelated` tells that the base has no line in common with either side: so
    both are kept, but somebody may have named the wrong base.
    """

    __slots__ = ("conflicts", "settled", "text", "unrelated")

    def __init__(self, text: bytes, conflicts: list[Conflict], settled: list[Settled]) -> None:
        self.text = text
        self.conflicts = conflicts
        self.settled = settled
        self.unrelated = False

    def render(
        self, ours: bytes = b"ours", base: bytes = b"base", theirs: bytes = b"theirs", marker_size: int = 7
    ) -> bytes:
        """Returns the text with git's diff3 markers around the conflicts; the text itself if there are none.

        Every text between markers ends in a line end, so that each marker stands on a line of its own.
        """
        eol = eol_of(self.text)
        out = bytearray()
        at = 0
        for conflict in self.conflicts:
            out += self.text[at : conflict.start]
            for mark, label, text in (
                (b"<", ours, conflict.ours),
                (b"|", base, conflict.base),
                (b"=", b"", conflict.theirs),
            ):
                out += mark * marker_size + (b" " + label if label else b"") + eol + text
                if text and not text.endswith(b"\n"):
                    out += eol
            out += b">" * marker_size + b" " + theirs + eol
            at = conflict.end
        return bytes(out + self.text[at:])
