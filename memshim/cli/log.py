"""The command that tells what happened: log."""

import itertools

from memshim.cli.common import (
    FOLDER,
    JSON,
    counted,
    cut,
    open_to_read,
    say,
    say_json,
    say_notes,
    shorten,
    visible,
    width,
)  # fmt: skip
from memshim.cli.declare import Number, Word, command
from memshim.cli.pager import paged
from memshim.cli.when import clock, moment
from memshim.disk.layout import INDEX
from memshim.errors import BadInput, word
from memshim.store.blame import author
from memshim.store.diary import compactions
from memshim.store.memory import Memory
from memshim.store.story import documents, steps, words
from memshim.text.entry import Entry
from memshim.text.view import readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

COMPACT = "compact"


@command(
    FOLDER,
    Word("-n", key="count", kind=Number(1), metavar="N", help="The newest N only."),
    Word(
        "--agent",
        metavar="NAME",
        completes="agents",
        help="Only this agent's, by its id or readable name.",
    ),
    Word("--doc", metavar="NAME", completes="documents", help="Only what concerns this document."),
    Word("--since", metavar="TIME", help="Not older than this: 2h, 3d, 2026-11-21, '2026-11-21 10:30'."),
    Word(
        "--kind",
        metavar="KIND",
        completes="kinds",
        help="Only this kind: append, edit, write, forget, adopt and so on.",
    ),
    Word("--grep", metavar="PATTERN", help="Only where text or reason match this regular expression, in any case."),
    Word("--session", metavar="ID", help="Only this session's, by the beginning of its id."),
    Word("-p", "--patch", flag=True, help="Show the change itself."),
    JSON,
)
def log_command(
    store: str | None,
    count: int | None,
    agent: str | None,
    doc: str | None,
    since: str | None,
    kind: str | None,
    grep: str | None,
    session: str | None,
    patch: bool,
    as_json: bool,
) -> None:
    """List what happened, newest first: time, id, agent, kind, document, first words. Folded entries too."""
    opened = open_to_read(store)
    memory = opened.memory()
    keep = wanted(memory, agent, doc, kind, grep, session)
    oldest = moment(since) if since else 0
    entries = itertools.takewhile(lambda e: e.milliseconds >= oldest, memory.entries())
    found = itertools.islice(filter(keep, entries), count)
    if as_json:
        say_json({"entries": [entry_json(memory, e, patch) for e in found]})
        return
    room = width()
    plain = agent is None and grep is None and session is None and kind in (None, COMPACT)
    folds = [c for c in compactions(opened.layout) if plain and c["time"] >= oldest]
    shown = 0
    with paged():
        for shown, entry in enumerate(found, 1):  # noqa: B007
            while folds and folds[-1]["time"] >= entry.milliseconds:
                say(_compaction(memory, folds.pop(), doc, room))
            say(line_of(memory, entry, room))
            for line in _patch(memory, entry) if patch else ():
                say(line)
        while folds and (count is None or kind == COMPACT):
            say(_compaction(memory, folds.pop(), doc, room))
    say_notes([*opened.notes, *(["No entry matches."] if not shown and kind != COMPACT else [])])


def wanted(
    memory: Memory, agent: str | None, doc: str | None, kind: str | None, grep: str | None, session: str | None
) -> "Callable[[Entry], bool]":
    """Returns what tells the entries that are wanted."""
    tests: list[Callable[[Entry], bool]] = []
    if agent is not None:
        name = agent.lower()
        tests.append(lambda e: name in (e.agent.lower(), readable(e.agent).lower(), author(e).lower()))
    if doc is not None:
        id_ = memory.document_id(doc)
        tests.append(lambda e: id_ in documents(memory, e))
    if kind is not None:
        tests.append(lambda e: e.kind == kind)
    if session is not None:
        tests.append(lambda e: bool(e.session) and e.session.startswith(session))
    if grep is not None:
        import re

        try:
            pattern = re.compile(grep, re.IGNORECASE)
        except re.error as error:
            raise BadInput(
                f"{grep[:80]!r} is no pattern: {error}.", "Put a backslash before signs like ( and *."
            ) from error
        tests.append(lambda e: any(pattern.search(text) for text in _all_text(memory, e)))
    return lambda e: all(test(e) for test in tests)


def _all_text(memory: Memory, entry: Entry) -> "Iterator[str]":
    yield entry.why
    for step in steps(memory, entry):
        yield step.remark
        for text in (*step.went, *step.came):
            yield text.decode("utf-8", "replace")


def entry_json(memory: Memory, entry: Entry, patch: bool) -> dict[str, object]:
    """Returns an entry as programs get it; with `patch`, what it took away and what it brought."""
    row: dict[str, object] = {
        "id": entry.id, "time": entry.milliseconds / 1000, "agent": entry.agent, "name": author(entry),
        "session": entry.session or None, "kind": entry.kind, "docs": list(documents(memory, entry).values()),
        "why": entry.why or None,
        "text": b"".join(t for _, _, _, t in entry.new_blocks()).decode("utf-8", "replace"),
        "settled": [{"rule": r, "kept": k, "dropped": d} for r, k, d in entry.extra.get("settled", [])],
    }  # fmt: skip
    if patch:
        row["changes"] = [
            {"doc": s.doc, "removed": _joined(s.went), "added": _joined(s.came), "remark": s.remark or None}
            for s in steps(memory, entry)
        ]
    return row


def _joined(texts: list[bytes]) -> str:
    return b"".join(texts).decode("utf-8", "replace")


def line_of(memory: Memory, entry: Entry, room: int) -> str:
    """Returns the one line of an entry: on a narrow terminal without the year and the document."""
    sign, text = words(memory, entry)
    told = f"{sign} {text.decode('utf-8', 'replace')}".strip()
    if entry.why:
        told = f"{told} ({entry.why})" if told else f"({entry.why})"
    for rule, kept, dropped in entry.extra.get("settled", []):
        told += f" [settled by {rule}: kept {kept.strip()!r}, dropped {dropped.strip()!r}]"
    if room < 80:
        head = f"{clock(entry.milliseconds, '%m-%d %H:%M')} {entry.id[-8:]} {shorten(author(entry), 8):<8} {entry.kind:<7} "
    else:
        head = f"{clock(entry.milliseconds)}  {entry.id[-8:]}  {shorten(author(entry), 16):<12} {entry.kind:<8} "
        names = ", ".join(documents(memory, entry).values())
        head += "" if not names or told.startswith(f"{names} document") else f"{shorten(names, 40)}  "
    return cut(head + shorten(told, room), room)


def _compaction(memory: Memory, row: "dict[str, Any]", doc: str | None, room: int) -> str:
    """Returns the line of a compaction, with the revision that stood before it: memshim show --at takes it."""
    wanted = memory.document_id(doc or INDEX)
    stood = [(name, was) for name, (was, _) in row["documents"].items() if was and memory.document_id(name) == wanted]
    if room < 80:
        head = f"{clock(row['time'], '%m-%d %H:%M')} -------- {'memshim':<8} {COMPACT:<7} {row['folded']} folded"
        return head + "".join(f"; was {was[:7]}" for _, was in stood)
    head = f"{clock(row['time'])}  --------  {'memshim':<12} {COMPACT:<8} {counted(row['folded'], 'entry', 'entries')} folded"
    of = "" if doc is None or doc == INDEX else f" --doc {word(doc)}"
    return head + "".join(f"; before it: memshim show --at {was[:12]}{of}" for _, was in stood)


def _patch(memory: Memory, entry: Entry) -> "Iterator[str]":
    """Yields the change of an entry: what went with a minus, what came with a plus, below each document's name."""
    if entry.session:
        yield f"    session {entry.session}"
    told = list(steps(memory, entry))
    for doc in dict.fromkeys(step.doc for step in told):
        mine = [step for step in told if step.doc == doc]
        if doc:
            yield f"    {doc}:"
        yield from (f"      {step.remark}" for step in mine if step.remark)
        for sign, texts in (("-", [t for s in mine for t in s.went]), ("+", [t for s in mine for t in s.came])):
            for line in b"".join(t if t.endswith(b"\n") else t + b"\n" for t in texts).split(b"\n")[:-1]:
                yield visible(f"    {sign} {line.decode('utf-8', 'replace')}".rstrip("\r"))
    yield ""
