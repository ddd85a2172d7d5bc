"""The merge: attempts one, and makes sure that it holds: nothing comes twice, and a second merge changes nothing.

What does not hold is a conflict.
"""

from memshim.text.diff import matching
from memshim.text.merge.attempt import attempt
from memshim.text.merge.result import Merged, require_mergeable
from memshim.text.merge.settle import LONG, says, weight
from memshim.text.merge.versions import Versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from memshim.text.merge.changes import Side

TRIES = 3  # results that are looked at before what is not stable becomes a conflict


def merge(base: bytes, ours: bytes, theirs: bytes) -> Merged:
    """Merges the changes that two sides made to one Markdown text.

    Guarantees that every line which is new on a side is in the text, in a conflict, or in a `Settled` value; that a
    line which one side deleted and the other left alone stays deleted; merge(b, b, x) = merge(b, x, b) =
    merge(b, x, x) = x; and that a text without conflicts comes out again if it is merged with either side, on the
    same base. Bytes that nobody changed are not touched. Conflict markers in a text are lines like others.
    Pure; raises MergeLimitError for texts over 32 MiB or 500,000 lines.
    """
    for text in (base, ours, theirs) if base not in (ours, theirs) and ours != theirs else ():
        require_mergeable(text)
    versions = Versions(base)
    merged = attempt(versions, ours, theirs)
    if merged.text not in (ours, theirs) and not merged.conflicts:
        twice = doubled(versions, ours, theirs, merged)
        merged = attempt(versions, ours, theirs, [twice]) if twice else merged
    if not merged.conflicts:
        merged = stable(versions, ours, theirs, merged)
    merged.unrelated = unrelated(versions, ours, theirs)
    return merged


def unrelated(versions: Versions, ours: bytes, theirs: bytes) -> bool:
    """Tells whether no line with words of the base is on a side, not even edited, though all three have some."""
    base, one, two, _ = versions.three(ours, theirs)
    keys = base.base.keys
    for version in (one, two):
        if any(says(key) for n, key in enumerate(keys) if key and n not in version.side.taken):
            return False
    told = {key for key in keys if says(key)}
    if not told or told & one.side.count.keys() or told & two.side.count.keys():
        return False
    for side in (one.side.again(), two.side.again()):
        side.refine(None)
        if not any(map(says, side.keys)) or any(op.edited for op in side.ops):
            return False
    return True


def doubled(versions: Versions, ours: bytes, theirs: bytes, merged: Merged) -> tuple[int, int] | None:
    """Returns the lines of the base where both added a long line that the result has more often than either side."""
    _, one, two, eol = versions.three(ours, theirs)
    keys = {key for key in one.side.brought & two.side.brought if weight(key) >= LONG}
    if keys:
        count = versions.of(merged.text, eol).side.count
        keys = {key for key in keys if count[key] > max(one.side.count[key], two.side.count[key])}
    return around((one.side, two.side), keys) if keys else None


def stable(versions: Versions, ours: bytes, theirs: bytes, merged: Merged) -> Merged:
    """Returns the result if another merge of it with either side, as ours or as theirs, is the same again.

    Else one of those that differ from it in blank lines only, if it is stable; else all that differs is a conflict.
    """
    tried = [merged]
    for result in tried:
        others = []
        for one, two in ((result.text, ours), (result.text, theirs), (ours, result.text), (theirs, result.text)):
            again = attempt(versions, one, two)
            if again.text != result.text or again.conflicts:
                others.append(again)
        if not others:
            return result
        if result is merged:
            different = others
        for other in others:
            seen = any(other.text == known.text for known in tried)
            if len(tried) < TRIES and not seen and not other.conflicts and said(other.text) == said(merged.text):
                tried.append(Merged(other.text, [], merged.settled))
    _, mine, yours, eol = versions.three(ours, theirs)
    new = versions.of(merged.text, eol).side
    ranges: list[tuple[int, int]] = []
    for other in different:
        ranges += differing(mine.side, yours.side, new, versions.of(other.text, eol).side)
    return attempt(versions, ours, theirs, ranges or [(0, len(new.base.lines))])


def said(text: bytes) -> list[bytes]:
    """Returns the lines of a text without blank ones and white space at the ends."""
    return [line.rstrip() for line in text.split(b"\n") if line.strip()]


def differing(ours: "Side", theirs: "Side", new: "Side", again: "Side") -> list[tuple[int, int]]:
    """Returns the lines of the base where two results differ, each with the places where that came from.

    Where a line came from is told of lines only that the base and the sides have once.
    """
    found = []
    i = j = 0
    for x, y, n in [*matching(new.lines, again.lines), (len(new.lines), len(again.lines), 0)]:
        if x > i or y > j:
            keys = {
                key
                for key in new.keys[i:x] + again.keys[j:y]
                if key and max(side.count[key] for side in (ours, theirs)) < 2
            }
            (low, _), (_, high) = new.place(i), new.place(x)
            first, stop = around((ours, theirs, new), keys) or (low, high)
            found.append((min(low, first), max(low, high, stop)))
        i, j = x + n, y + n
    return found


def around(sides: "Sequence[Side]", keys: set[bytes]) -> tuple[int, int] | None:
    """Returns the lines of the base that hold all changes which bring or take some lines."""
    ends: list[int] = []
    for side in sides:
        for op in side.hunks:
            if not keys.isdisjoint(side.keys[op.left : op.right] + side.base.keys[op.low : op.high]):
                ends += op.low, op.high
    return (min(ends), max(ends)) if ends else None
