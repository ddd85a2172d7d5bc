"""The commands about the store itself: status, check."""

import os
import time
from typing import Any

import click

from memshim.cli.common import agent_of, json_option, open_to_read, say, say_json, say_notes, store_options
from memshim.disk.layout import resolve
from memshim.errors import CheckFailed
from memshim.store.compact import LARGE_CHARACTERS, LARGE_LINES
from memshim.store.store import Store
from memshim.text.view import readable


@click.command()
@store_options
@json_option
def status_command(store: str | None, agent: str | None, as_json: bool) -> None:
    """Say how the store is: up to date or not, its documents, today's agents, open conflicts, size of the history."""
    opened = open_to_read(store, agent)
    memory = opened.memory()
    documents: list[dict[str, Any]] = []
    for doc, name in memory.documents().items():
        text = memory.view(doc).text
        path = opened.layout.document(name)
        on_disk = None
        if os.path.isfile(path) and os.access(path, os.R_OK):
            with open(path, "rb") as file:
                on_disk = file.read()
        size = {"lines": text.count(b"\n"), "characters": len(text.decode("utf-8", "replace"))}
        documents.append({"doc": name, **size, "published": (on_disk or b"") == text})
    conflicts = memory.state.conflicts()
    since = (time.time() - 86400) * 1000
    today: dict[str, int] = {}
    for entry in memory.entries():
        if entry.milliseconds < since:
            break
        today[readable(entry.agent)] = today.get(readable(entry.agent), 0) + 1
    history = _size(opened.layout.path("history"))
    torn = [d for d in memory.damage if not _may_be_under_way(opened, d)]
    behind = [d["doc"] for d in documents if not d["published"]]
    first = "up to date" if not behind and not torn and not conflicts else "needs attention"
    if as_json:
        say_json({"store": opened.layout.root, "state": first, "documents": documents, "unfolded": len(memory.new),
                  "agents_today": today, "conflicts": len(conflicts), "damaged": len(torn), "history_bytes": history,
                  "notes": opened.notes})  # fmt: skip
        return
    say(f"Store {opened.layout.root}: {first}.")
    for document in documents:
        over = document["doc"] == "MEMORY.md" and (
            document["lines"] > LARGE_LINES or document["characters"] > LARGE_CHARACTERS
        )
        say(
            f"  {document['doc']}: {document['lines']} lines, {document['characters']} characters"
            + (f" (above {LARGE_LINES} lines or {LARGE_CHARACTERS} characters)" if over else "")
            + ("" if document["published"] else "; not published yet: memshim compact")
        )
    if today:
        say("  Today: " + ", ".join(f"{name} {n}" for name, n in sorted(today.items())))
    if conflicts:
        say(f"  {len(conflicts)} open conflicts: memshim conflicts")
    if torn:
        say(f"  {len(torn)} damaged places in journals: memshim check")
    say(f"  {len(memory.new)} entries not folded into a snapshot yet; history of revisions {history / 1e6:.1f} MB")
    say_notes(opened.notes)


def _may_be_under_way(store: Store, damage: tuple[str, int, int]) -> bool:
    path = store.layout.path("journals", damage[0])
    return os.path.exists(path) and damage[2] >= os.path.getsize(path)


def _size(folder: str) -> int:
    return sum(os.lstat(os.path.join(where, name)).st_size for where, _, names in os.walk(folder) for name in names)


@click.command()
@click.option("--repair", is_flag=True, help="Put right what can be put right.")
@store_options
@json_option
def check_command(repair: bool, store: str | None, agent: str | None, as_json: bool) -> int:
    """Verify the invariants of docs/format.md; exit 13 for what a crash cannot explain."""
    opened = Store.open(resolve(store), agent=agent_of(agent))
    repaired, findings = opened.check(repair=repair)
    bad = [f for f in findings if f.level != "note"]
    if as_json:
        rows = [{"level": f.level, "name": f.name, "path": f.path, "text": f.text} for f in findings]
        say_json({"ok": not bad, "findings": rows, "repaired": repaired})
        return CheckFailed.exit_code if bad else 0
    for text in repaired:
        say(text)
    for finding in findings:
        say(f"{finding.level:<6} {finding.name}: {finding.text}")
    if bad:
        hint = (
            "Some of it cannot be repaired; the text above says what is safe."
            if repair
            else "Try: memshim check --repair"
        )
        raise CheckFailed(f"{len(bad)} of the store's invariants are broken.", hint)
    say(
        "The store is sound." if not findings else "The store is sound; the notes are what a stopped command may leave."
    )
    return 0
