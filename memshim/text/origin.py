"""Origin: which revision had the writer of a foreign text seen?  Must not know files or how revisions are kept.

Where no hook says it, the text does: it is nearest to what its writer had read.  If that is an older revision, what it
lacks of the newer ones was never seen, so it was not deleted.
"""

from memshim.text.blocks import split_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def distance(one: bytes, other: bytes) -> int:
    """Returns how many lines (blank ones aside) stand in one text and not in the other, counting repetitions."""
    from collections import Counter

    a = Counter(line for line in split_lines(one) if line.strip())
    b = Counter(line for line in split_lines(other) if line.strip())
    return sum(((a - b) + (b - a)).values())


def nearest(text: bytes, revisions: "Iterable[bytes]") -> int:
    """Returns the index of the revision that `text` was most likely made from; of equally near ones the first (newest).

    The last line of a text may lack its end without being another line.
    """
    best, at = -1, -1
    for n, revision in enumerate(revisions):
        far = distance(text.rstrip(b"\n") + b"\n", revision.rstrip(b"\n") + b"\n")
        if at < 0 or far < best:
            best, at = far, n
        if best == 0:
            break
    return at
