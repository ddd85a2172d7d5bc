"""The command that draws what happened: timeline, one page that needs nothing but a browser."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from memshim.cli.common import JSON, STORE, counted, open_to_read, say, say_json, say_notes
from memshim.cli.declare import Word, command
from memshim.cli.when import clock, moment
from memshim.disk import files
from memshim.store.blame import author
from memshim.store.diary import compactions
from memshim.store.memory import Memory
from memshim.store.story import documents, steps, words
from memshim.text.entry import Entry

LANES = 40
"""How many agents have a lane of their own; the others share one."""
WORDS, TEXT = 160, 4_000
_OTHERS = "other agents"


@command(
    Word("--html", key="path", required=True, metavar="FILE", help="Where to write the page; - is standard output."),
    Word("--since", metavar="TIME", help="Not older than this: 2h, 3d, 2026-11-21."),
    Word("--doc", metavar="NAME", completes="documents", help="Only what concerns this document."),
    *STORE,
    JSON,
)
def timeline_command(
    path: str, since: str | None, doc: str | None, store: str | None, agent: str | None, as_json: bool
) -> None:
    """Write a page that shows what happened: a lane per agent, entries in time, what was lost and came back.

    One self-contained file: it loads nothing, and memory is shown as text, whatever it holds.
    """
    opened = open_to_read(store, agent)
    memory = opened.memory()
    data = gather(memory, moment(since) if since else 0, doc)
    page = render(data)
    if path == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(page)
        return
    path = os.path.abspath(path)
    files.replace(path, page, os.path.dirname(path), 0o600)
    if as_json:
        say_json({"file": path, "entries": len(data["entries"]), "agents": len(data["agents"])})
        return
    entries = counted(len(data["entries"]), "entry", "entries")
    say(f"{entries} of {counted(len(data['agents']), 'agent')}: {path}")
    say_notes(opened.notes)


def gather(memory: Memory, since: int, doc: str | None) -> dict[str, Any]:
    """Returns what the page shows, oldest entry first."""
    wanted = memory.document_id(doc) if doc else None
    clashing = {d.entry for c in memory.state.conflicts() for f in c.blocks for d in f.said()}
    undone: set[str] = set()
    rows: list[dict[str, Any]] = []
    for entry in memory.entries():
        if entry.milliseconds < since:
            break
        if entry.kind == "undo" and entry.id not in undone:
            undone.add(str(entry.extra.get("undoes")))
        if wanted is None or wanted in documents(memory, entry):
            rows.append(_row(memory, entry, entry.id in undone, entry.id in clashing))
    rows.reverse()
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["agent"]] = counts.get(row["agent"], 0) + 1
    kept = set(sorted(counts, key=lambda name: -counts[name])[:LANES])
    for row in rows:
        row["agent"] = row["agent"] if row["agent"] in kept else _OTHERS
    first = clock(rows[0]["time"]) if rows else ""
    return {
        "title": f"Memory of {os.path.basename(memory.layout.root) or memory.layout.root}",
        "about": f"{len(rows)} entries from {first} to {clock(rows[-1]['time'])}; made {clock(time.time() * 1000)}."
        if rows
        else "There is no entry yet.",
        "agents": list(dict.fromkeys(row["agent"] for row in rows)),
        "docs": sorted({name for row in rows for name in row["docs"]}),
        "entries": rows,
        "compactions": [c for c in compactions(memory.layout) if c["time"] >= since],
    }


def _row(memory: Memory, entry: Entry, undone: bool, clashing: bool) -> dict[str, Any]:
    told = list(steps(memory, entry))
    sign, text = words(memory, entry)
    row: dict[str, Any] = {
        "id": entry.id, "time": entry.milliseconds, "agent": author(entry), "kind": entry.kind,
        "docs": list(documents(memory, entry).values()),
        "words": _text(" ".join(f"{sign} {text.decode('utf-8', 'replace')}".split()), WORDS),
    }  # fmt: skip
    more = {
        "session": entry.session, "why": entry.why, "undone": undone, "clash": clashing,
        "saved": len(entry.extra.get("saved", ())),
        "went": _text(_joined([t for s in told for t in s.went]), TEXT),
        "came": _text(_joined([t for s in told for t in s.came]), TEXT),
    }  # fmt: skip
    return row | {name: value for name, value in more.items() if value}


def _joined(texts: list[bytes]) -> str:
    return b"".join(t if t.endswith(b"\n") else t + b"\n" for t in texts).decode("utf-8", "replace")


def _text(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def render(data: dict[str, Any]) -> bytes:
    """Returns the page: the data stand in it as JSON in which no `<`, `>` or `&` stands, so nothing can leave it."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    page = Path(__file__).with_suffix(".html").read_text("utf-8")
    before, after = page.split("@DATA@")
    return (before + text + after).encode()
