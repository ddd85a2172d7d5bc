"""The command that says who wrote each line: blame."""

import sys

from memshim.cli.common import (
    JSON,
    NAMED,
    STORE,
    columns,
    counted,
    cut,
    existing,
    open_to_read,
    say,
    say_json,
    say_notes,
    shorten,
    visible,
    width,
)
from memshim.cli.declare import Word, command
from memshim.cli.pager import paged
from memshim.cli.when import age
from memshim.errors import BadInput, NotFound
from memshim.store.blame import Blamed, author, blame
from memshim.store.history import revision_of
from memshim.text.entry import Entry

LONG = 1_000_000
NAMES = 20
"""The widest column of names; with more, or on a narrow terminal, they are cut."""


@command(
    *NAMED,
    Word("-L", key="lines", metavar="N[,M]", help="Only line N, or lines N to M."),
    *STORE,
    JSON,
)
def blame_command(
    document: str | None, doc: str, lines: str | None, store: str | None, agent: str | None, as_json: bool
) -> None:
    """Say of each line who wrote it, how long ago and why.

    `before` is what was there before memshim, `external` what was written outside it. A line that several wrote names them all.
    """
    opened = open_to_read(store, agent)
    memory = opened.memory()
    name = doc if document is None else document
    id_ = existing(memory, name)
    first, last = _range(lines)
    every = blame(memory, id_)
    rows = [row for row in every if first <= row.number <= (last or row.number)]
    if lines is not None and not rows:
        count = counted(len(every), "line")
        raise NotFound(f"{name} has no line {first}; it has {count}.", "Without -L all are shown.")
    if as_json:
        revision = revision_of(memory.view(id_).text)
        say_json({"doc": name, "revision": revision, "lines": [_row_json(row) for row in rows]})
        return
    shown = table(rows)  # now, while the terminal can still be asked for its width
    with paged():
        for line in shown:
            say(line)
    say_notes(opened.notes)


def _range(lines: str | None) -> tuple[int, int]:
    if lines is None:
        return 1, 0
    first, comma, last = lines.partition(",")
    if not first.isdigit() or not int(first) or not (last.isdigit() or not comma) or (comma and int(last) < int(first)):
        raise BadInput(f"{lines[:80]!r} is no range of lines.", "For example: -L 7, or -L 7,12")
    return int(first), int(last or first)


def table(rows: list[Blamed]) -> list[str]:
    """Returns the rows for people: id, names, age, line, why; on a narrow terminal without the id, in a pipe uncut."""
    room = width() if sys.stdout.isatty() else LONG
    names = [", ".join(dict.fromkeys(author(e) for e in row.entries)) for row in rows]
    column = min(max(map(len, names), default=0), NAMES if room >= 80 else 10)
    digits = len(str(rows[-1].number)) if rows else 1
    found = []
    for row, name in zip(rows, names, strict=True):
        entry = row.entries[0] if row.entries else None
        head = f"{entry.id[-8:] if entry else '':<8}  " if room >= 80 else ""
        head += f"{shorten(name, column):<{column}}  {age(entry.milliseconds) if entry else '':>4}  {row.number:>{digits}} │ "
        text = visible(row.data.decode("utf-8", "replace").rstrip("\r\n"))
        why = "; ".join(dict.fromkeys(e.why for e in row.entries if e.why)) if text.strip() else ""
        found.append(head + fitted(text, f"  ({visible(why)})" if why else "", room - len(head)))
    return found


def fitted(text: str, why: str, room: int) -> str:
    """Returns a text and its reason in so much room; the text comes first, and the reason gets what is left."""
    left = room - columns(text)
    if left < 0:
        return cut(text, room)
    return text + (why if columns(why) <= left else cut(why, left - 1) + ")" if left > 12 else "")


def _row_json(row: Blamed) -> dict[str, object]:
    return {
        "line": row.number, "text": row.data.decode("utf-8", "replace").removesuffix("\n"),
        "block": row.piece.ids[0] if row.piece.ids else None, "conflict": row.piece.label or None,
        "authors": [_author_json(e) for e in row.entries],
    }  # fmt: skip


def _author_json(entry: Entry) -> dict[str, object]:
    return {
        "entry": entry.id, "agent": entry.agent, "name": author(entry), "session": entry.session or None,
        "time": entry.milliseconds / 1000, "kind": entry.kind, "why": entry.why or None,
    }  # fmt: skip
