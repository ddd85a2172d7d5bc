"""The merge of bytes: size, byte order mark and last line end; inside it, `weave` merges the lines.

A last look makes sure that no new line is gone.
"""

from memshim.text.blocks import BOM, eol_of, split_lines
from memshim.text.merge.result import Conflict, Merged, MergeLimitError
from memshim.text.merge.settle import Clash, Settled
from memshim.text.merge.weave import Weave

LIMIT = 32 * 1024 * 1024  # bytes of one text
LINES = 500_000


def merge(base: bytes, ours: bytes, theirs: bytes) -> Merged:
    """Merges the changes that two sides made to one Markdown text.

    Guarantees that every line which is new on a side is in the text, in a conflict, or in a `Settled` value; that a
    line which one side deleted and the other left alone stays deleted; and merge(b, b, x) = merge(b, x, b) =
    merge(b, x, x) = x. Bytes that nobody changed are not touched. Conflict markers in a text are lines like others.
    Pure; raises MergeLimitError for texts over 32 MiB or 500,000 lines.
    """
    if ours == theirs or theirs == base:
        return Merged(ours, [], [])
    if ours == base:
        return Merged(theirs, [], [])
    sides = (base, ours, theirs)
    for text in sides:
        if len(text) > LIMIT or text.count(b"\n") > LINES:
            raise MergeLimitError(f"too large to merge: over {LIMIT >> 20} MiB or {LINES} lines")
    marked = [text.startswith(BOM) for text in sides]
    ended = [text.endswith(b"\n") or not text for text in sides]
    eol = eol_of(base if b"\n" in base else ours + theirs)
    lines = []
    for text, has_bom, has_end in zip(sides, marked, ended, strict=True):
        lines.append(split_lines((text[3:] if has_bom else text) + (b"" if has_end else eol)))
    parts, settled = woven(lines[0], lines[1], lines[2], eol)
    space(parts, lines[1])
    return assemble(parts, settled, BOM if changed(marked) else b"", eol, ended)


def changed(flags: list[bool]) -> bool:
    """Merges a yes or no three ways: the side that changed it."""
    return flags[1] if flags[1] != flags[0] else flags[2]


def woven(
    base: list[bytes], ours: list[bytes], theirs: list[bytes], eol: bytes
) -> tuple[list[list[bytes] | Clash], list[Settled]]:
    """Weaves the lines, and checks that no new line is missing.

    If one is, it lets what both added come twice (a part of it may have got into a clash); if that does not help, all
    is one conflict. So nothing is gone, whatever the weave does.
    """
    new = (set(ours) | set(theirs)) - set(base)
    for twice in (False, True):
        weave = Weave(base, ours, theirs, eol)
        weave.run(twice=twice)
        if not missing(new, weave):
            return weave.parts, weave.settled
    return [Clash(base, ours, theirs)], []


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


def assemble(
    parts: list[list[bytes] | Clash], settled: list[Settled], bom: bytes, eol: bytes, ended: list[bool]
) -> Merged:
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
    if not changed(ended) and parts and isinstance(parts[-1], list):
        text = chomp(text)
    return Merged(text, conflicts, settled)


def chomp(text: bytes) -> bytes:
    """Takes the last line end off a text."""
    return text[: -2 if text.endswith(b"\r\n") else -1] if text.endswith(b"\n") else text
