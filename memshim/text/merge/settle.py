"""Settles a clash of two edits where a stated rule can, by looking at their words; knows nothing of documents.

Every rule keeps one of the two texts as it is. None invents a third one, so that nothing is ever said in a
document that nobody wrote.
"""

from memshim.text.diff import matching
from memshim.text.merge.result import Settled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LONG = 8  # words that make an entry known wherever it stands; a shorter one may be a template that repeats rightly
LONGEST = 20_000  # bytes; longer texts are not looked into, they clash
DIGITS = b"0123456789"
TO_SPACE = bytes(c if c > 127 or chr(c).isalnum() or c == 95 else 32 for c in range(256))
MARKS = bytes(c for c in range(256) if TO_SPACE[c] == 32)
NUMBERS = bytes(c if c in DIGITS else 32 for c in range(256))
# A number is a stamp only beside such a word: "Timeout: 30" moved to 60 and to 90 is a clash, not a stamp.
STAMP_WORDS = frozenset(
    b"updated modified reviewed generated synced checked last date timestamp version revision build release"
    b" iteration session sessions total count counter entries items".split()
)
EMPTY_WORDS = frozenset(b"none nothing empty tbd todo na yet".split())


class Clash:
    """Holds lines of three texts that are left for somebody to decide."""

    __slots__ = ("base", "ours", "theirs")

    def __init__(self, base: "Sequence[bytes]", ours: "Sequence[bytes]", theirs: "Sequence[bytes]") -> None:
        self.base = base
        self.ours = ours
        self.theirs = theirs


def settle(base: bytes, ours: bytes, theirs: bytes) -> Settled | None:
    """Settles two different edits of one text, or says by None that somebody has to be asked.

    An empty `ours` or `theirs` means that this side deleted the text.
    """
    if max(len(base), len(ours), len(theirs)) > LONGEST:
        return None
    was, one, two = bare(base), bare(ours), bare(theirs)
    if one == two:
        return layout(ours, theirs)
    if one == was:
        return Settled("layout", theirs, ours)
    if two == was:
        return Settled("layout", ours, theirs)
    if not one or not two:
        return None
    order = later(was, one, two)
    if order:
        return Settled("stamp", *((ours, theirs) if order > 0 else (theirs, ours)))
    if contains(was, one, two):
        return Settled("contains", ours, theirs)
    if contains(was, two, one):
        return Settled("contains", theirs, ours)
    return None


def layout(ours: bytes, theirs: bytes) -> Settled:
    """Settles two layouts of one text: the shorter, else the first in the order of bytes; it must not matter whose."""
    kept, dropped = sorted((ours, theirs), key=lambda text: (len(text), text))
    return Settled("layout", kept, dropped)


# --- words ----------------------------------------------------------------------------------------------------------


def words(text: bytes) -> list[bytes]:
    """Cuts a text, of a very long one the beginning, into its words, in small letters, without any marks."""
    return text[:LONGEST].translate(TO_SPACE).lower().split()


def says(text: bytes) -> bool:
    """Tells whether a text has a word; a line without one, blank or a rule or a fence, is nothing to go by."""
    return bool(text.strip(MARKS))


def weight(text: bytes) -> int:
    """Counts the words of a text."""
    return len(text[:LONGEST].translate(TO_SPACE).split())


def bare(text: bytes) -> list[bytes]:
    """Returns the marks and words of a text without what is only layout: white space, list marks and numbers.

    A row's padding and the dashes of a table's delimiter row are layout too.
    """
    out: list[bytes] = []
    for line in text.split(b"\n"):
        parts = line.replace(b"|", b" | ").split()
        if parts and (parts[0] in (b"-", b"*", b"+") or is_number(parts[0])):
            parts[0] = b"1." if parts[0][0] in DIGITS else b"-"
        for part in parts:
            core = part.rstrip(b",.;:!?")
            if core and core != part and core.strip(b"-:"):
                out += [core, part[len(core) :]]
            else:
                out.append(part if part.strip(b"-:") else b"-")
    return out


def is_number(mark: bytes) -> bool:
    return mark[-1:] in (b".", b")") and mark[:-1].isdigit()


def is_placeholder(text: bytes) -> bool:
    """Tells a text that only says that there is nothing yet: at most six words, one of them "none", "TBD", ..."""
    said = words(text.replace(b"/", b""))
    return len(said) <= 6 and not EMPTY_WORDS.isdisjoint(said)


# --- the rules ------------------------------------------------------------------------------------------------------


def later(base: "Sequence[bytes]", ours: "Sequence[bytes]", theirs: "Sequence[bytes]") -> int:
    """Compares two texts that differ in stamps only: 1 if all of ours are as late as theirs, -1 the other way.

    0 if they differ in more, if a stamp went back, if each side is ahead in one, or if no stamp word is there.
    """
    if not len(base) == len(ours) == len(theirs):
        return 0
    ahead = behind = False
    for was, one, two in zip(base, ours, theirs, strict=True):
        if was == one == two:
            continue
        a, b, c = stamp(was), stamp(one), stamp(two)
        if not (a and b and c) or a[0] != b[0] or a[0] != c[0] or b[1] < a[1] or c[1] < a[1]:
            return 0
        ahead = ahead or b[1] > c[1]
        behind = behind or b[1] < c[1]
    if ahead == behind or STAMP_WORDS.isdisjoint(words(b" ".join(base))):
        return 0
    return 1 if ahead else -1


def stamp(token: bytes) -> tuple[bytes, list[int]] | None:
    """Splits a date, version or counter ("v1.2.0,") into its frame ("v#.#.#,") and its numbers."""
    plain = token.translate(NUMBERS)
    numbers = [int(part) for part in plain.split() if len(part) < 18]
    if not numbers or len(numbers) != len(plain.split()):
        return None
    frame = bytearray()
    for c in token:
        if c not in DIGITS:
            frame.append(c)
        elif frame[-1:] != b"#":
            frame += b"#"
    return bytes(frame), numbers


def undated(title: bytes) -> bytes:
    """Returns a heading without its dates, if it names a version besides: "## [1.2] - 2024-05-01" is about 1.2."""
    parts = title.split()
    dates = [part for part in parts if is_date(part)]
    rest = [part for part in parts if not is_date(part)]
    return b" ".join(rest) if dates and any(is_version(part) for part in rest) else title


def is_date(token: bytes) -> bool:
    numbers = token.strip(b"()[],:").split(b"-")
    return [len(part) for part in numbers] == [4, 2, 2] and all(part.isdigit() for part in numbers)


def is_version(token: bytes) -> bool:
    first, _, rest = token.strip(b"v[](),:").partition(b".")
    return first.isdigit() and rest[:1].isdigit()


def contains(base: "Sequence[bytes]", big: "Sequence[bytes]", small: "Sequence[bytes]") -> bool:
    """Tells whether the rewrite `big` has made every change that `small` made: took out the same words, has the new.

    So that a different wording is never taken for the same one, `small` has to make the very change at that place, or
    only to have added words there.
    """
    changes = gaps(base, big)
    for low, high, left, right in gaps(base, small):
        new = list(small[left:right])
        for begin, end, first, last in changes:
            if (begin, end, list(big[first:last])) == (low, high, new):
                break
            if low == high and begin <= low <= end and holds(big[first:last], new):
                break
        else:
            return False
    return True


def gaps(a: "Sequence[bytes]", b: "Sequence[bytes]") -> list[tuple[int, int, int, int]]:
    """Returns what differs: a[low:high] became b[left:right]."""
    out = []
    i = j = 0
    for x, y, n in [*matching(a, b), (len(a), len(b), 0)]:
        if x > i or y > j:
            out.append((i, x, j, y))
        i, j = x + n, y + n
    return out


def holds(big: "Sequence[bytes]", small: "Sequence[bytes]") -> bool:
    """Tells whether `small` stands in `big` in one piece."""
    n = len(small)
    return any(list(big[at : at + n]) == list(small) for at in range(len(big) - n + 1))
