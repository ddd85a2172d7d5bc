"""Tells which new line is an edit of which old one: first equal but for layout, then alike in words."""

from memshim.text.diff import matching
from memshim.text.merge.settle import bare, says, weight, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PAIRS = 10_000  # pairs of lines that one changed region may weigh up; in larger ones only lines of one number pair
ALIKE = 0.5  # from this likeness on, a line is an edit of another


def edits(old: "Sequence[bytes]", new: "Sequence[bytes]") -> list[tuple[int, int]]:
    """Pairs the lines of a changed region, in order, with what they became."""
    one, two = [Line(key) for key in old], [Line(key) for key in new]
    a, b = [line.bare for line in one], [line.bare for line in two]
    out: list[tuple[int, int]] = []
    i = j = 0
    for x, y, n in [*matching(a, b, weight, says), (len(a), len(b), 0)]:
        out += [(i + k, j + m) for k, m in alike(one[i:x], two[j:y])]
        out += [(x + k, y + k) for k in range(n) if says(a[x + k])]
        i, j = x + n, y + n
    whole: list[tuple[int, int]] = []
    ends = [*out, (len(old), len(new))][1:]
    for (x, y), (stop, end) in zip(out, ends, strict=True):
        whole.append((x, y))
        while x + 1 < stop and y + 1 < end and old[x + 1] == new[y + 1]:
            x, y = x + 1, y + 1
            whole.append((x, y))
    return whole


class Line:
    """Holds a line for comparison: `bare` of layout, and its words."""

    __slots__ = ("bare", "label", "words")

    def __init__(self, key: bytes) -> None:
        self.bare = b" ".join(bare(key))
        self.words = set(words(self.bare))
        label, colon, _ = self.bare.partition(b":")
        self.label = label + b":" if colon and len(label) < 40 and says(label) else b""

    def like(self, other: "Line") -> float:
        """Measures how much this line looks like an edit of another: 0 not at all, 1 the same words.

        The measure is Dice's coefficient over the lines' words; the same label ("**Owner:** ...") counts as likeness.
        """
        if not self.words or not other.words:
            return 0.0
        score = 2 * len(self.words & other.words) / (len(self.words) + len(other.words))
        return 0.6 if score < 0.6 and self.label and other.bare.startswith(self.label) else score


def alike(old: "Sequence[Line]", new: "Sequence[Line]") -> list[tuple[int, int]]:
    """Pairs lines alike in words so that the likeness sums up highest, in order (Needleman and Wunsch 1970)."""
    if len(old) * len(new) > PAIRS:
        pairs = zip(old, new, strict=True) if len(old) == len(new) else ()
        return [(n, n) for n, (one, two) in enumerate(pairs) if one.like(two) >= ALIKE]
    if not old or not new:
        return []
    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    score = [[one.like(two) for two in new] for one in old]
    for a in range(len(old) - 1, -1, -1):
        for b in range(len(new) - 1, -1, -1):
            take = best[a + 1][b + 1] + score[a][b] if score[a][b] >= ALIKE else 0.0
            best[a][b] = max(take, best[a + 1][b], best[a][b + 1])
    out = []
    a = b = 0
    while a < len(old) and b < len(new):
        if score[a][b] >= ALIKE and best[a][b] == best[a + 1][b + 1] + score[a][b]:
            out.append((a, b))
            a, b = a + 1, b + 1
        elif best[a][b] == best[a + 1][b]:
            a += 1
        else:
            b += 1
    return out
