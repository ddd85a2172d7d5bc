"""The commands that compare and look back: diff; and how a difference is shown."""

import re
import sys
from collections.abc import Iterator, Sequence

from memshim.cli.common import (
    DOC,
    JSON,
    STORE,
    open_to_read,
    say_json,
    say_notes,
    visible,
)
from memshim.cli.declare import Word, command
from memshim.cli.pager import paged
from memshim.cli.when import moment
from memshim.disk import files
from memshim.errors import BadInput
from memshim.store.earlier import text_at, text_before_session, text_of
from memshim.store.history import revision_of
from memshim.text.blocks import split_lines
from memshim.text.diff import matching

CONTEXT = 3
_RED, _GREEN, _CYAN, _BOLD, _REVERSE, _UNREVERSE, _PLAIN = (f"\x1b[{n}m" for n in (31, 32, 36, 1, 7, 27, 0))


@command(
    Word("revisions", many=True, metavar="[REV [REV]]", completes="revisions"),
    Word("--since", metavar="TIME", help="From what it said then: 2h, 3d, 2026-11-21, '2026-11-21 10:30'."),
    Word("--since-session", metavar="ID", help="From what it said before this session wrote anything."),
    *STORE,
    DOC,
    JSON,
)
def diff_command(
    revisions: tuple[str, ...],
    since: str | None,
    since_session: str | None,
    store: str | None,
    agent: str | None,
    doc: str,
    as_json: bool,
) -> None:
    """Show what changed: from one revision to another, or to the present text.

    Without a revision: what stands on disk and has not been taken in yet, compared with the merged text. A revision is
    its first 7 or more hex digits.
    """
    if len(revisions) + bool(since) + bool(since_session) > (1 if since or since_session else 2):
        raise BadInput("diff takes up to two revisions, or --since, or --since-session.", "Try: memshim diff --help")
    opened = open_to_read(store, agent)
    if not (revisions or since or since_session):
        memory = opened.memory(take_in=False)
        before = memory.view(memory.document_id(doc)).text
        found = files.read_document(opened.layout.document(doc))
        after, names = found[0] if found is not None else b"", ("merged", "on disk")
    else:
        memory = opened.memory()
        id_ = memory.document_id(doc)
        after = text_of(memory, id_, revisions[1]) if len(revisions) == 2 else memory.view(id_).text
        if since is not None:
            before = text_at(memory, id_, moment(since))
        elif since_session is not None:
            before = text_before_session(memory, id_, since_session)
        else:
            before = text_of(memory, id_, revisions[0])
        names = (revision_of(before)[:12], revision_of(after)[:12])
    if as_json:
        text = as_text(f"{doc} {names[0]}", f"{doc} {names[1]}", before, after)
        say_json({"doc": doc, "from": revision_of(before), "to": revision_of(after), "diff": text})
        return
    show(f"{doc} {names[0]}", f"{doc} {names[1]}", before, after)
    say_notes(opened.notes)


def show(one: str, other: str, before: bytes, after: bytes) -> None:
    """Prints a difference: in a pipe as a plain unified diff; on a terminal with changed words marked, through the pager."""
    if not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout.buffer.write("".join(unified(one, other, before, after)).encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
        return
    shown = coloured(one, other, before, after)
    with paged():
        for line in shown:
            print(line)


def hunks(before: Sequence[bytes], after: Sequence[bytes]) -> "Iterator[tuple[str, list[tuple[str, int, int]]]]":
    """Yields the places where two texts differ: a header, and rows of sign, line before and line after."""
    rows: list[tuple[str, int, int]] = []
    at, to = 0, 0
    for i, j, n in [*matching(before, after), (len(before), len(after), 0)]:
        rows += [("-", k, to) for k in range(at, i)] + [("+", i, k) for k in range(to, j)]
        rows += [(" ", i + k, j + k) for k in range(n)]
        at, to = i + n, j + n
    changed = [n for n, row in enumerate(rows) if row[0] != " "]
    while changed:
        first = last = changed[0]
        while changed and changed[0] - last <= 2 * CONTEXT + 1:
            last = changed.pop(0)
        part = rows[max(0, first - CONTEXT) : last + CONTEXT + 1]
        olds, news = [r[1] for r in part if r[0] != "+"], [r[2] for r in part if r[0] != "-"]
        old_at, new_at = olds[0] + 1 if olds else part[0][1], news[0] + 1 if news else part[0][2]
        yield f"@@ -{old_at},{len(olds)} +{new_at},{len(news)} @@", part


def unified(one: str, other: str, before: bytes, after: bytes) -> "Iterator[str]":
    """Yields the lines of a plain unified diff, as `patch` takes it."""
    old, new = split_lines(before), split_lines(after)
    for n, (head, rows) in enumerate(hunks(old, new)):
        if not n:
            yield f"--- {one}\n+++ {other}\n"
        yield head + "\n"
        for sign, i, j in rows:
            line = (new[j] if sign == "+" else old[i]).decode("utf-8", "surrogateescape")
            yield sign + line + ("" if line.endswith("\n") else "\n\\ No newline at end of file\n")


def as_text(one: str, other: str, before: bytes, after: bytes) -> str:
    """Returns a plain unified diff for JSON: with U+FFFD in place of bytes that are no UTF-8."""
    return "".join(unified(one, other, before, after)).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def coloured(one: str, other: str, before: bytes, after: bytes) -> list[str]:
    """Returns the lines for a terminal: as `unified`, the words that changed in a line in reverse."""
    old, new = ([visible(x.decode("utf-8", "replace").rstrip("\r\n")) for x in split_lines(t)] for t in (before, after))
    found: list[str] = []
    for head, rows in hunks(split_lines(before), split_lines(after)):
        found += [f"{_BOLD}--- {one}{_PLAIN}", f"{_BOLD}+++ {other}{_PLAIN}"] if not found else []
        found.append(f"{_CYAN}{head}{_PLAIN}")
        while rows:
            gone = _leading(rows, "-")
            come = _leading(rows[len(gone) :], "+")
            pairs = [_marked(old[r[1]], new[s[2]]) for r, s in zip(gone, come, strict=False)]
            found += [f"{_RED}-{p[0]}{_PLAIN}" for p in pairs] + [
                f"{_RED}-{old[r[1]]}{_PLAIN}" for r in gone[len(pairs) :]
            ]
            found += [f"{_GREEN}+{p[1]}{_PLAIN}" for p in pairs] + [
                f"{_GREEN}+{new[r[2]]}{_PLAIN}" for r in come[len(pairs) :]
            ]
            rows = rows[len(gone) + len(come) :]
            same = _leading(rows, " ")
            found += [f" {old[r[1]]}" for r in same]
            rows = rows[len(same) :]
    return found


def _leading(rows: list[tuple[str, int, int]], sign: str) -> list[tuple[str, int, int]]:
    count = next((n for n, row in enumerate(rows) if row[0] != sign), len(rows))
    return rows[:count]


def _marked(old: str, new: str) -> tuple[str, str]:
    """Returns two versions of a line with the words that differ in reverse; as they are if they have little in common."""
    one, other = (re.findall(r"\w+|\s+|.", text) for text in (old, new))
    runs = matching(one, other)
    shared = sum(len(one[i + k]) for i, _, n in runs for k in range(n))
    if shared * 2 < max(len(old), len(new)):
        return old, new
    kept = {i + k for i, _, n in runs for k in range(n)}, {j + k for _, j, n in runs for k in range(n)}
    return _reversed(one, kept[0]), _reversed(other, kept[1])


def _reversed(words: list[str], kept: set[int]) -> str:
    marked = "".join(word if n in kept else f"{_REVERSE}{word}{_UNREVERSE}" for n, word in enumerate(words))
    return marked.replace(_UNREVERSE + _REVERSE, "")
