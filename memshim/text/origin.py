"""Origin: which revision had the writer of a foreign text seen?  Must not know files or how revisions are kept.

Where no hook says it, the text does: it is nearest to what its writer had read.  If that is an older revision, what it
lacks of the newer ones was never seen, so it was not deleted.
"""

from functools import lru_cache

from memshim.text.blocks import split_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


CARRIED = 3
"""How many lines a text must share with a newer revision, and not with the nearest one, for its writer to have seen that."""


def distance(one: bytes, other: bytes) -> tuple[int, int]:
    """Returns how far two texts are apart: first by lines that stand in one and not in the other, then by their words.

    Blank lines do not count, repetitions do; the last line may lack its end without being another line.
    """
    from collections import Counter

    a, b = _counted(one), _counted(other)
    only: list[dict[bytes, int]] = [{}, {}]
    for line in {line for line, _ in a.items() ^ b.items()}:
        more = a.get(line, 0) - b.get(line, 0)
        only[more < 0][line] = abs(more)
    lines = sum(only[0].values()) + sum(only[1].values())
    words = [Counter(word for line, n in side.items() for word in line.split() * n) for side in only]
    return lines, sum(((words[0] - words[1]) + (words[1] - words[0])).values())


@lru_cache(maxsize=200)
def _counted(text: bytes) -> "Mapping[bytes, int]":
    """Returns how often each line occurs; kept, because each new text is compared with the same revisions."""
    from collections import Counter

    return Counter(line for line in split_lines(text.rstrip(b"\n") + b"\n") if line.strip())


def nearest(text: bytes, revisions: "Iterable[bytes]", sure: bool) -> int:
    """Returns the index of the revision (newest first) that `text` was most likely made from.

    Of equally near ones it is the newest if its writer has `sure`ly had the time to see it, else the next older: taking
    too old a revision keeps both texts, taking too new a one would lose one.
    """
    texts = list(revisions)
    far = [distance(text, revision) for revision in texts]
    newer = _carried(text, texts, _nearest(far, sure))
    return newer if newer is not None else _nearest(far, sure)


def _carried(text: bytes, revisions: "list[bytes]", chosen: int) -> "int | None":
    """Returns a newer revision than the chosen one, if the text's own lines are mostly from there.

    Whoever deletes most of a document leaves a text that is nearer to a short old one; the lines that they kept tell.
    """
    own = _counted(text).keys() - _counted(revisions[chosen]).keys()
    shared = [len(own & _counted(revision).keys()) for revision in revisions[:chosen]]
    most = max(shared, default=0)
    return shared.index(most) if most >= CARRIED and 2 * most > len(own) else None


def _nearest(far: "list[tuple[int, int]]", sure: bool) -> int:
    if sure and (far[0][0] == min(far)[0] or min(far)[0] == 0):
        return 0  # as near as any, or (blank lines aside) an older revision itself: a revert, which deletes on purpose
    equal = [n for n, one in enumerate(far) if one == min(far)]
    return equal[0] if sure or len(equal) == 1 or equal[0] > 0 else equal[1]
