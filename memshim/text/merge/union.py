"""Puts together what two writers added at one place; knows nothing of what stood there before.

Whole entries count, never single lines: a heading with all below it, a list item with its body, a table row, a long
paragraph. What both wrote is kept once, what one wrote is kept, ours first.
"""

from itertools import pairwise

from memshim.text.blocks import indent_of, parse
from memshim.text.diff import matching
from memshim.text.merge.settle import LONG, Clash, says, undated, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VERSION = 60  # words in a run of 8 equal lines, or in 2/3 of a whole insertion, make it a version of one text


class Entry:
    """Holds an added entry: its own lines, the entries below it, the blank lines and rules before and after it.

    `key` is what makes two entries the same one: for a heading or a list item its first line. `rival` are the other
    side's lines where these clash with `lines`.
    """

    __slots__ = ("after", "before", "below", "first", "key", "kind", "level", "lines", "rival")

    def __init__(self, kind: str, level: int, lines: list[bytes], before: list[bytes]) -> None:
        self.kind = kind
        self.level = level
        self.lines = lines
        self.before = before
        self.rival: list[bytes] = []
        self.first = False  # of those under one heading
        self.after: list[bytes] = []
        self.below: list[Entry] = []
        if level:
            self.key = (kind, level, undated(lines[0].strip()))
        elif kind in ("bullet", "ordered", "row"):
            self.key = (kind, 0, lines[0].rstrip())
        else:
            self.key = (kind, 0, plain(lines))

    def same(self, other: "Entry") -> bool:
        """Tells whether two entries are equal with all that is below them."""
        return (
            plain(self.lines) == plain(other.lines)
            and len(self.below) == len(other.below)
            and all(one.same(two) for one, two in zip(self.below, other.below, strict=True))
        )

    def text(self) -> "list[bytes | Clash]":
        """Returns all lines of the entry and of those below it, without those before it."""
        out: list[bytes | Clash] = []
        out += [Clash([], self.lines, self.rival)] if self.rival else self.lines
        for entry in self.below:
            out += entry.before
            out += entry.text()
        return out

    def whole(self) -> bytes:
        return plain(self.lines) + b"".join(b"\n" + entry.whole() for entry in self.below)

    def walk(self) -> "Iterator[Entry]":
        """Yields all entries below, in the order of the text."""
        for entry in self.below:
            yield entry
            yield from entry.walk()

    def is_long(self) -> bool:
        return len(words(b" ".join(self.lines))) >= LONG

    def is_known(self) -> bool:
        """Tells whether the entry may be recognised as the same one wherever it stands under its heading."""
        return self.kind != "paragraph" or self.is_long()


def plain(lines: "Sequence[bytes]") -> bytes:
    return b"\n".join([line.rstrip() for line in lines])


def entries(lines: "Sequence[bytes]") -> Entry:
    """Reads added lines as a tree of entries: headings hold what follows them up to the next as high."""
    indent = min((indent_of(line) for line in lines if line.strip()), default=0)
    flush = [line[indent:] if line[:indent].isspace() else line.lstrip(b" \t") or b"\n" for line in lines]
    root = Entry("root", 0, [], [])
    path = [root]
    before: list[bytes] = []
    at = 0
    for block in parse(b"\n" + b"".join(flush if indent else lines))[1:]:  # a rule here opens no front matter
        count = block.text.count(b"\n")
        own = list(lines[at : at + count])
        at += count
        if not any(map(says, own)):
            before += own  # blank lines, and rules that part entries
            continue
        rows = block.kind == "paragraph" and all(line.lstrip().startswith(b"|") for line in own)
        for part in [[line] for line in own] if rows else [own]:
            entry = Entry("row" if rows else block.kind, block.level, part, before)
            before = []
            if entry.level:
                while path[-1].level >= entry.level:
                    path.pop()
            path[-1].below.append(entry)
            if entry.level:
                path.append(entry)
    root.after = before
    follow(root)
    return root


def follow(entry: Entry) -> None:
    """Tells every entry below whether it is the first, and what stands after it."""
    for one, two in pairwise(entry.below):
        one.after = two.before
        follow(one)
    if entry.below:
        entry.below[0].first = True
        entry.below[-1].after = entry.after
        follow(entry.below[-1])


class Union:
    """Unites insertions, with `eol` as the line end of the blank lines that it has to add."""

    __slots__ = ("eol",)

    def __init__(self, eol: bytes) -> None:
        self.eol = eol

    def of(self, ours: "Sequence[bytes]", theirs: "Sequence[bytes]") -> "list[bytes | Clash]":
        """Unites two insertions at one place: ours first, then theirs, equal entries once.

        Guarantees that every line with a letter or digit of either side is in the result. A heading or list item that
        both added appears once with both bodies; an insertion that is all in the other leaves the other as it is. Two
        headings of one version with different dates clash, their bodies do not.
        """
        out: list[bytes | Clash] = []
        runs = versions(ours, theirs)
        if runs:
            i = j = 0
            for x, y, n in [*runs, (len(ours), len(theirs), 0)]:
                out += self.of(ours[i:x], theirs[j:y])
                out += ours[x : x + n]
                i, j = x + n, y + n
            return out
        one, two = entries(ours), entries(theirs)
        prune(one, two)
        if not one.below or not two.below:
            return list(ours if one.below else theirs)
        for entry in self.united(one.below, two.below):
            out += entry.before
            out += entry.text()
        return out + max(one.after, two.after, key=len)

    def united(self, ours: list[Entry], theirs: list[Entry]) -> list[Entry]:
        """Unites two lists of entries. What both have stands where ours has it."""
        anchors, away = partners(ours, theirs)
        ours = [self.joined(entry, theirs[away[i]]) if i in away else entry for i, entry in enumerate(ours)]
        gone = set(away.values())
        out: list[Entry] = []
        i = j = 0
        for x, y in [*anchors, (len(ours), len(theirs))]:
            out += interleaved(ours[i:x], [theirs[n] for n in range(j, y) if n not in gone])
            if x < len(ours):
                out.append(self.joined(ours[x], theirs[y]))
            i, j = x + 1, y + 1
        last: Entry | None = None
        for entry in out:
            entry.before, last = separation(last, entry, self.eol), entry
        return out

    def joined(self, one: Entry, two: Entry) -> Entry:
        """Makes one entry of two with the same key: ours, with what only theirs has below it or in its body."""
        if one.same(two):
            return one
        differ = plain(one.lines) != plain(two.lines)
        lines = shuffled(one.lines, two.lines) if differ and not one.level else one.lines
        out = Entry(one.kind, one.level, lines, one.before)
        out.rival = two.lines if differ and one.level else []
        out.after = one.after
        out.below = self.united(one.below, two.below)
        return out


def partners(ours: list[Entry], theirs: list[Entry]) -> tuple[list[tuple[int, int]], dict[int, int]]:
    """Finds entries that both have: pairs in the same order, and pairs (ours: theirs) out of that order."""
    a, b = [entry.key for entry in ours], [entry.key for entry in theirs]
    inside = is_inside(a, b) or is_inside(b, a)
    anchors: list[tuple[int, int]] = []
    for i, j, n in best(ours, theirs):
        for k in range(n):
            if inside or i == j == 0 or theirs[j + k].is_known():
                anchors.append((i + k, j + k))
    used, met = {i for i, _ in anchors}, {j for _, j in anchors}
    where: dict[object, list[int]] = {}
    for i, key in enumerate(a):
        if i not in used:
            where.setdefault(key, []).append(i)
    away: dict[int, int] = {}
    for j, entry in enumerate(theirs):
        if j not in met and where.get(b[j]) and entry.is_known():
            away[where[b[j]].pop(0)] = j
    return anchors, away


def best(ours: list[Entry], theirs: list[Entry]) -> list[tuple[int, int, int]]:
    """Matches two lists of entries: first those that are equal with all below, then, between them, by their keys."""
    a, b = [entry.key for entry in ours], [entry.key for entry in theirs]
    if len(set(a)) == len(a) and len(set(b)) == len(b):
        return matching(a, b)
    whole, other = [entry.whole() for entry in ours], [entry.whole() for entry in theirs]
    out = []
    i = j = 0
    for x, y, n in [*matching(whole, other), (len(a), len(b), 0)]:
        out += [(i + p, j + q, k) for p, q, k in matching(a[i:x], b[j:y])]
        out += [(x, y, n)] if n else []
        i, j = x + n, y + n
    return out


def is_inside(small: "Sequence[object]", big: "Sequence[object]") -> bool:
    """Tells whether all items of one list stand in the other, in order."""
    items = iter(big)
    return all(item in items for item in small)


def interleaved(ours: list[Entry], theirs: list[Entry]) -> list[Entry]:
    """Puts ours before theirs, but never lets a heading of ours come above what theirs had under another one."""
    out: list[Entry] = []
    at = 0
    for entry in ours:
        while entry.level and at < len(theirs) and (not theirs[at].level or theirs[at].level > entry.level):
            out.append(theirs[at])
            at += 1
        out.append(entry)
    return out + theirs[at:]


def shuffled(ours: list[bytes], theirs: list[bytes]) -> list[bytes]:
    """Unites the bodies of two list items line by line: what both have once, else ours first."""
    out: list[bytes] = []
    i = j = 0
    ends = (len(ours), len(theirs), 0)
    for x, y, n in [*matching([line.rstrip() for line in ours], [line.rstrip() for line in theirs]), ends]:
        out += ours[i:x] + theirs[j:y] + ours[x : x + n]
        i, j = x + n, y + n
    return out


def separation(last: Entry | None, entry: Entry, eol: bytes) -> list[bytes]:
    """Returns what parts two entries: what did where they are from, else a blank line where they would run together."""
    if last is None or entry.before is last.after:
        return entry.before
    if entry.first and entry.kind == last.kind and entry.kind in ("bullet", "ordered", "row"):
        return [] if last.first else last.before  # what stood before a list is not what parts its items
    if entry.before:  # a rule must not come to underline a paragraph
        return entry.before if not entry.before[0].strip() else [*(last.after[:1] or [eol]), *entry.before]
    if last.after or (entry.kind in ("bullet", "ordered", "row") and last.kind == entry.kind):
        return last.after
    return [eol] if entry.level or entry.kind in ("paragraph", "row") or last.level else []


def prune(one: Entry, two: Entry) -> None:
    """Takes out of theirs the long entries that ours has under another heading, and headings that this empties.

    A heading goes only where ours has one of the same title.
    """
    known = {plain(entry.lines) for entry in one.walk() if not entry.level and entry.is_long()}
    if known:
        drop(two, one, known, {entry.key for entry in one.walk() if entry.level})


def drop(two: Entry, one: Entry | None, known: set[bytes], titles: "set[tuple[str, int, bytes]]") -> None:
    """Drops what is known from below `two`, but for what stands under the same headings in ours: it will be joined."""
    near: dict[tuple[str, int, bytes], Entry | None] = {}
    for side in (one, two):
        seen = set()
        for entry in side.below if side else []:
            if side is one:
                near[entry.key] = None if entry.level and entry.key in near else entry
            elif entry.level and entry.key in seen:
                near[entry.key] = None  # several of one title: no telling which is which
            seen.add(entry.key)
    kept = []
    for entry in two.below:
        mate = near.get(entry.key)
        if entry.level:
            full = bool(entry.below)
            drop(entry, mate, known, titles)
            keep = mate or entry.below or not full or entry.key not in titles
        else:
            keep = mate or plain(entry.lines) not in known
        if keep:
            kept.append(entry)
    two.below = kept


def versions(ours: "Sequence[bytes]", theirs: "Sequence[bytes]") -> list[tuple[int, int, int]]:
    """Returns the lines that two versions of one long text share, as runs; none if the two are not that."""
    a, b = [line.rstrip() for line in ours], [line.rstrip() for line in theirs]
    if len(set(a) & set(b)) < 3:
        return []
    found = []
    for i, j, n in matching(a, b):
        said = [count for line in a[i : i + n] if (count := len(words(line)))]
        found.append((len(said), sum(said), (i, j, n)))
    shared = sum(count for lines, count, _ in found if lines > 2)
    whole = min(sum(len(words(line)) for line in a), sum(len(words(line)) for line in b))
    least = 3 if shared >= VERSION and 3 * shared >= 2 * whole else 8
    return [run for lines, count, run in found if lines >= least and (least == 3 or count >= VERSION)]
