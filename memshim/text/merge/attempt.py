"""One merge of three versions, on bytes: byte order mark and last line end, around the weave of the lines.

A last look makes sure that no new line is gone. Whether a merge of the result is the result is not its matter.
"""

from memshim.text.blocks import BOM, split_lines
from memshim.text.merge.changes import Side
from memshim.text.merge.result import Conflict, Merged, Settled
from memshim.text.merge.settle import Clash
from memshim.text.merge.versions import Versions
from memshim.text.merge.weave import Weave

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def attempt(versions: Versions, ours: bytes, theirs: bytes, forced: "Sequence[tuple[int, int]]" = ()) -> Merged:
    """Merges two versions. Ranges of the base that are `forced`, with what is inserted at their ends, are conflicts."""
    if ours == theirs or theirs == versions.base:
        return Merged(ours, [], [])
    if ours == versions.base:
        return Merged(theirs, [], [])
    base, one, two, eol = versions.three(ours, theirs)
    marked = [version.marked for version in (base, one, two)]
    ended = [version.ended for version in (base, one, two)]
    big = None if forced else versions.larger(one, two)
    if big and big.marked == changed(marked) and big.ended == changed(ended):
        return Merged(big.text, [], [])
    if big:
        parts: list[list[bytes] | Clash] = [big.lines]
        settled: list[Settled] = []
    else:
        parts, settled = woven(one.side, two.side, eol, forced)
        space(parts, one.lines)
    return assemble(parts, settled, BOM if changed(marked) else b"", ended)


def changed(flags: list[bool]) -> bool:
    """Merges a yes or no three ways: the side that changed it."""
    return flags[1] if flags[1] != flags[0] else flags[2]


def woven(
    ours: Side, theirs: Side, eol: bytes, forced: "Sequence[tuple[int, int]]"
) -> tuple[list[list[bytes] | Clash], list[Settled]]:
    """Weaves the lines, and checks that no new line is missing.

    If one is, it lets what both added come twice (a part of it may have got into a clash); if that does not help, all
    is one conflict. So nothing is gone, whatever the weave does. Ranges `forced` of the base are to be conflicts.
    """
    base = ours.base.lines
    new = (set(ours.lines) | set(theirs.lines)) - set(base)
    for twice in (False, True):
        weave = Weave(ours, theirs, eol)
        weave.run(forced, twice=twice)
        if forced and not any(isinstance(part, Clash) for part in weave.parts):
            break
        if not missing(new, weave):
            return weave.parts, weave.settled
    return [Clash(base, ours.lines, theirs.lines)], []


def space(parts: list[list[bytes] | Clash], ours: list[bytes]) -> None:
    """Keeps the blank line below our side of a clash where theirs removed the block and that line with it.

    Without it the next paragraph would go on the block that stays, and no longer be a block of its own.
    """
    for n, part in enumerate(parts[:-1]):
        if isinstance(part, list) or not part.ours or any(line.strip() for line in part.theirs):
            continue
        after = next((p for p in parts[n + 1 :] if not isinstance(p, list) or any(p)), None)
        if not isinstance(after, list) or not after[0].strip():
            continue
        size = len(part.ours)
        ends = (
            i + size for i in range(len(ours) - size) if ours[i] == part.ours[0] and ours[i : i + size] == part.ours
        )
        end = next(ends, len(ours))
        if end < len(ours) and not ours[end].strip():
            after.insert(0, ours[end])


def missing(new: set[bytes], weave: Weave) -> bool:
    """Tells whether a line is neither in the text nor in a clash nor settled (blank lines aside)."""
    there: set[bytes] = set()
    for part in weave.parts:
        for lines in [part] if isinstance(part, list) else [part.ours, part.theirs]:
            there.update(lines)
    if new <= there:
        return False
    there = {line.rstrip() for line in split_lines(b"".join(there))}
    for ruling in weave.settled:
        there.update(line.rstrip() for line in ruling.dropped.split(b"\n"))
    return any(line.rstrip() and line.rstrip() not in there for line in new)


def assemble(parts: list[list[bytes] | Clash], settled: list[Settled], bom: bytes, ended: list[bool]) -> Merged:
    """Joins the parts to bytes. The last line has a line end unless a side took it away or nobody had one."""
    while parts and isinstance(parts[-1], list) and not any(parts[-1]):
        parts.pop()
    out = bytearray(bom)
    conflicts = []
    for part in parts:
        if isinstance(part, list):
            out += b"".join(part)
            continue
        texts = [b"".join(lines) for lines in (part.base, part.ours, part.theirs)]
        if part is parts[-1]:
            texts = [text if end else chomp(text) for text, end in zip(texts, ended, strict=True)]
        start = len(out)
        out += texts[1]
        conflicts.append(Conflict(start, len(out), texts[0], texts[1], texts[2]))
    text = bytes(out)
    if not changed(ended) and parts and isinstance(parts[-1], list) and parts[-1][-1].strip(b"\r\n"):
        text = chomp(text)
    return Merged(text, conflicts, settled)


def chomp(text: bytes) -> bytes:
    """Takes the last line end off a text."""
    return text[: -2 if text.endswith(b"\r\n") else -1] if text.endswith(b"\n") else text
