"""Matches two sequences: which items of one are which of the other; knows nothing of Markdown or merging.

The anchors are those of patience diff (Bram Cohen, https://bramcohen.livejournal.com/73318.html), loosened as
in JGit's histogram diff: where no item is unique, the rarest lead. So the commonest, blank lines, come last.
"""

from bisect import bisect_left
from collections import Counter
from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence
    from typing import Any

DEPTH = 40  # how often a gap is cut again before it is left as it is: hostile input takes no quadratic time
CHUNK = 50  # lines that are compared at once
PAIRS = 200_000  # how many pairs of equal items one gap may weigh up; beyond, the k-th goes with the k-th


def matching(
    a: "Sequence[Hashable]",
    b: "Sequence[Hashable]",
    weight: "Callable[[Any], int] | None" = None,
    leads: "Callable[[Any], bool] | None" = None,
) -> list[tuple[int, int, int]]:
    """Finds what two sequences have in common, as runs (i, j, n): a[i:i+n] == b[j:j+n].

    Items for which `leads` is false match only beside others that do, or at the ends. Where matches exclude one
    another, those of the greater `weight` win.

    Guarantees runs that increase on both sides, do not overlap and are not adjacent on both sides at once, as
    `difflib.SequenceMatcher.get_matching_blocks` without its last, empty one. The match is a good one, not always
    the longest. Takes time near linear in the lengths, whatever the items.
    """
    runs: list[tuple[int, int, int]] = []
    gaps = [(0, len(a), 0, len(b), 0)]
    while gaps:
        low, high, left, right, depth = gaps.pop()
        begun = low
        while high - low > CHUNK and right - left > CHUNK and a[low : low + CHUNK] == b[left : left + CHUNK]:
            low += CHUNK
            left += CHUNK
        while low < high and left < right and a[low] == b[left]:
            low += 1
            left += 1
        if low > begun:
            runs.append((begun, left - low + begun, low - begun))
        ended = high
        while high - low > CHUNK and right - left > CHUNK and a[high - CHUNK : high] == b[right - CHUNK : right]:
            high -= CHUNK
            right -= CHUNK
        while low < high and left < right and a[high - 1] == b[right - 1]:
            high -= 1
            right -= 1
        if ended > high:
            runs.append((high, right, ended - high))
        if low == high or left == right or depth == DEPTH:
            continue
        pairs = anchors(a, b, low, high, left, right, weight, leads)
        if pairs:
            for i, j in pairs:
                runs.append((i, j, 1))
                if low < i and left < j:
                    gaps.append((low, i, left, j, depth + 1))
                low, left = i + 1, j + 1
            gaps.append((low, high, left, right, depth + 1))
    return joined(sorted(runs))


def joined(runs: "Iterable[tuple[int, int, int]]") -> list[tuple[int, int, int]]:
    """Joins runs that continue one another."""
    out: list[tuple[int, int, int]] = []
    for i, j, n in runs:
        if out and out[-1][0] + out[-1][2] == i and out[-1][1] + out[-1][2] == j:
            out[-1] = (*out[-1][:2], out[-1][2] + n)
        else:
            out.append((i, j, n))
    return out


def anchors(
    a: "Sequence[Hashable]",
    b: "Sequence[Hashable]",
    low: int,
    high: int,
    left: int,
    right: int,
    weight: "Callable[[Any], int] | None",
    leads: "Callable[[Any], bool] | None",
) -> list[tuple[int, int]]:
    """Pairs up the rarest items that a[low:high] and b[left:right] share, as many as are in the same order."""
    ones, twos = Counter(a[low:high]), Counter(b[left:right])
    shared = {item: ones[item] * twos[item] for item in ones.keys() & twos.keys() if leads is None or leads(item)}
    if not shared:
        return []
    rarity = min(shared.values())
    chosen = {item for item, count in shared.items() if count == rarity}
    if rarity == 1:
        at = {b[j]: j for j in range(left, right) if b[j] in chosen}
        pairs = [(i, at[a[i]]) for i in range(low, high) if a[i] in chosen]
        if all(one[1] < two[1] for one, two in pairwise(pairs)):
            return pairs
        return longest_rise(pairs) if weight is None else heaviest_rise(pairs, [weight(a[i]) for i, _ in pairs])
    where: dict[Hashable, tuple[list[int], list[int]]] = {item: ([], []) for item in chosen}
    for i in range(low, high):
        if a[i] in chosen:
            where[a[i]][0].append(i)
    for j in range(left, right):
        if b[j] in chosen:
            where[b[j]][1].append(j)
    found = where.values()
    if rarity * len(chosen) > PAIRS:
        return longest_rise(sorted(pair for two in found for pair in zip(*two, strict=False)))
    # second numbers fall within one first number, so that no item is paired twice (Hunt and Szymanski 1977)
    return longest_rise(sorted(((i, j) for here, there in found for i in here for j in there), key=falling))


def falling(pair: tuple[int, int]) -> tuple[int, int]:
    return pair[0], -pair[1]


def heaviest_rise(pairs: "Sequence[tuple[int, int]]", weights: "Sequence[int]") -> list[tuple[int, int]]:
    """Keeps the pairs of the greatest weight whose second numbers, all different, rise (with a Fenwick tree)."""
    rank = {j: n for n, j in enumerate(sorted(j for _, j in pairs), 1)}
    tree = [(0, -1)] * (len(pairs) + 1)  # the best sum up to a rank, and the pair that it ends with
    came: list[int] = []
    top = (0, -1)
    for n, (_, j) in enumerate(pairs):
        at = rank[j] - 1
        best = (0, -1)
        while at:
            best = max(best, tree[at])
            at -= at & -at
        came.append(best[1])
        here = (best[0] + weights[n], n)
        top = max(top, here)
        at = rank[j]
        while at < len(tree):
            tree[at] = max(tree[at], here)
            at += at & -at
    out: list[tuple[int, int]] = []
    n = top[1]
    while n >= 0:
        out.append(pairs[n])
        n = came[n]
    return out[::-1]


def longest_rise(pairs: "Iterable[tuple[int, int]]") -> list[tuple[int, int]]:
    """Keeps the most pairs whose second numbers rise (patience sorting); the first ones do already."""
    tops: list[int] = []
    ends: list[int] = []
    chain: list[tuple[int, int, int]] = []
    for i, j in pairs:
        at = bisect_left(tops, j)
        chain.append((i, j, ends[at - 1] if at else -1))
        tops[at : at + 1] = [j]
        ends[at : at + 1] = [len(chain) - 1]
    out: list[tuple[int, int]] = []
    at = ends[-1] if ends else -1
    while at >= 0:
        i, j, at = chain[at]
        out.append((i, j))
    return out[::-1]
