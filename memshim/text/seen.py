"""Seen: what of a document its writer had before their eyes, line by line.  Must not know who the writer is, or files.

A whole text that an agent writes is merged against this, not against what stood on disk: what an agent never saw, it
did not delete.  So a line counts as seen only where that is sure; a seen text that is too short costs deletions, never
text.
"""

from memshim.text.blocks import split_lines
from memshim.text.diff import matching

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container


def look(seen: bytes, text: bytes, shown: "Container[int] | None" = None) -> bytes:
    """Returns what a writer has seen after the lines `shown` of `text` (numbered from 0; default: all) came before their eyes.

    A line seen earlier stays, also where the text has changed or lost it since, until the place where it stood is
    shown without it: the writer may still carry it.
    """
    if shown is None:
        return text
    old, new = split_lines(seen), split_lines(text)
    if old and not old[-1].endswith(b"\n") and new and old[-1] + b"\n" in new:
        old[-1] += b"\n"
    out: list[bytes] = []
    i = j = 0
    for at, to, size in [*matching(old, new), (len(old), len(new), 0)]:
        fresh = [n for n in range(j, to) if n in shown]
        if not _gone(j, to, len(new), shown, len(fresh)):
            out += old[i:at]
        out += [new[n] for n in fresh]
        out += new[to : to + size]
        i, j = at + size, to + size
    return b"".join(line if line.endswith(b"\n") else line + b"\n" for line in out[:-1]) + b"".join(out[-1:])


def _gone(begin: int, end: int, count: int, shown: "Container[int]", fresh: int) -> bool:
    """Tells whether the writer saw that old lines are no longer there: what stands in their place was shown whole.

    Where nothing stands there, it is the lines on both sides.
    """
    if begin < end:
        return fresh == end - begin
    sides = [n for n in (begin - 1, begin) if 0 <= n < count]
    return bool(sides) and all(n in shown for n in sides)


def carry(seen: bytes, old: bytes, new: bytes, text: bytes) -> bytes:
    """Returns what a writer has seen after their own replacement of `old` by `new`, which made `text`.

    They know the lines that they wrote, and that the old ones are gone; of the rest of the text they saw nothing.
    """
    if seen.count(old) == 1:
        seen = seen.replace(old, new)
    at = text.find(new) if new.strip() else -1
    if at < 0:
        return seen
    first = text.count(b"\n", 0, at)
    behind = 0 if new.endswith(b"\n") else 1  # else the line behind what they wrote would be one that they saw
    return look(seen, text, range(first, first + new.count(b"\n") + behind))


def common(texts: "list[bytes]") -> "set[int]":
    """Returns the lines of the last text that all of the texts have: what was seen whichever of them was shown."""
    lines = [split_lines(text) for text in texts]
    last = lines[-1]
    found = set(range(len(last)))
    for other in lines[:-1]:
        found &= {j + k for _, j, n in matching(other, last) for k in range(n)}
    return found
