"""Origin: which revision had the writer of a foreign text seen?  Must not know files or how revisions are kept.

Where no hook says it, the text does: it is nearest to what its writer had read.  If that is an older revision, what it
lacks of the newer ones was never seen, so it was not deleted.
"""

from functools import lru_cache

from memshim.text.blocks import split_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


KEPT = 160
"""Of how many texts the lines are kept: of all that one is compared with, and itself."""
CARRIED = 3
"""How many lines a text must share with a newer revision, and not with the nearest one, for its writer to have seen that."""


def _differing(one: bytes, other: bytes) -> "dict[bytes, int]":
    """Returns the lines that do not occur as often in both, with how much oftener they do in the first.

    Blank lines do not count, repetitions do; the last line may lack its end without being another line.
    """
    a, b = _counted(one), _counted(other)
    return {line: a.get(line, 0) - b.get(line, 0) for line, _ in _occurring(one) ^ _occurring(other)}


def _words_apart(differing: "dict[bytes, int]") -> int:
    from collections import Counter

    words: Counter[bytes] = Counter()
    for line, more in differing.items():
        for word in line.split():
            words[word] += more
    return sum(map(abs, words.values()))


@lru_cache(maxsize=KEPT)
def _counted(text: bytes) -> "Mapping[bytes, int]":
    """Returns how often each line occurs; kept, because each new text is compared with the same revisions."""
    from collections import Counter

    return Counter(line for line in split_lines(text.rstrip(b"\n") + b"\n") if line.strip())


@lru_cache(maxsize=KEPT)
def _occurring(text: bytes) -> "frozenset[tuple[bytes, int]]":
    """Returns the same as a set, which knows the hashes of what is in it: comparing two is ten times as fast."""
    return frozenset(_counted(text).items())


def nearest(text: bytes, revisions: "Iterable[bytes]", sure: bool) -> int:
    """Returns the index of the revision (newest first) that `text` was most likely made from.

    Of equally near ones it is the newest if its writer has `sure`ly had the time to see it, else the next older: taking
    too old a revision keeps both texts, taking too new a one would lose one.
    """
    texts = list(revisions)
    chosen = _nearest(text, texts, sure)
    newer = _carried(text, texts, chosen)
    return newer if newer is not None else chosen


def from_nothing(text: bytes, revision: bytes) -> bool:
    """Tells whether a text, headings aside, has no line of a revision, and no more of its words than not.

    Its writer may then have known of no document: who deletes keeps lines, and who changes a line keeps words.
    """
    new, old = ({line: n for line, n in _counted(one).items() if not line.startswith(b"#")} for one in (text, revision))
    if not new or new.keys() & old.keys():
        return False
    return _words_apart({**new, **{line: -n for line, n in old.items()}}) >= _words_apart(new)


def _carried(text: bytes, revisions: "list[bytes]", chosen: int) -> "int | None":
    """Returns a newer revision than the chosen one, if the text's own lines are mostly from there.

    Whoever deletes most of a document leaves a text that is nearer to a short old one; the lines that they kept tell.
    """
    own = _counted(text).keys() - _counted(revisions[chosen]).keys()
    shared = [len(own & _counted(revision).keys()) for revision in revisions[:chosen]]
    most = max(shared, default=0)
    return shared.index(most) if most >= CARRIED and 2 * most > len(own) else None


def _nearest(text: bytes, revisions: "list[bytes]", sure: bool) -> int:
    """Texts are apart first by the lines that stand in one and not in the other, then by these lines' words."""
    differing = [_differing(text, revision) for revision in revisions]
    lines = [sum(map(abs, one.values())) for one in differing]
    least = min(lines)
    if sure and least in (lines[0], 0):
        return 0  # as near as any, or (blank lines aside) an older revision itself: a revert, which deletes on purpose
    words = {n: _words_apart(one) for n, one in enumerate(differing) if lines[n] == least}
    equal = [n for n, apart in words.items() if apart == min(words.values())]
    return equal[0] if sure or len(equal) == 1 else equal[1]
