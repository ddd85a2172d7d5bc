"""The commands that read: show, rev, log, conflicts."""

import itertools
import time

import click

from memshim.cli.common import (
    doc_option,
    json_option,
    open_to_read,
    say,
    say_json,
    say_notes,
    shorten,
    store_options,
    visible,
    width,
    write_bytes,
)  # fmt: skip
from memshim.errors import NotFound
from memshim.store import lookup
from memshim.store.history import History, digits_of
from memshim.store.memory import Memory
from memshim.text.entry import Entry
from memshim.text.sections import Piece
from memshim.text.view import readable


@click.command()
@store_options
@doc_option
@click.option("--at", metavar="REV", help="As it was at this revision.")
@json_option
def show_command(store: str | None, agent: str | None, doc: str, at: str | None, as_json: bool) -> None:
    """Print the merged document, journals' tails included."""
    opened = open_to_read(store, agent)
    if at is not None:
        memory = opened.memory()
        found = History(opened.layout, memory.document_id(doc)).find(digits_of(at) or "")
        if as_json:
            say_json({"doc": doc, "revision": found.digest, "text": found.text.decode("utf-8", "replace")})
        else:
            write_bytes(found.text)
        return
    memory = opened.memory()
    id_ = memory.document_id(doc)
    if id_ not in memory.documents():
        raise NotFound(f"There is no document {doc}", f"There are: {', '.join(sorted(memory.documents().values()))}")
    view = opened.view_of(memory, doc)
    if not as_json:
        write_bytes(view.data)
        return
    blocks, line = [], 1
    for piece in view.folded.pieces:
        lines = piece.data.count(b"\n") + (not piece.data.endswith(b"\n"))
        blocks.append(_block_json(piece, line, line + lines - 1))
        line += lines
    say_json({"doc": doc, "revision": view.revision, "text": view.data.decode("utf-8", "replace"), "blocks": blocks})


def _block_json(piece: Piece, first: int, last: int) -> dict[str, object]:
    return {
        "id": piece.ids[0] if piece.ids else None, "lines": [first, last], "kind": piece.kind,
        "entries": piece.entries, "agents": piece.agents, "conflict": piece.label or None,
    }  # fmt: skip


@click.command()
@store_options
@doc_option
@json_option
def rev_command(store: str | None, agent: str | None, doc: str, as_json: bool) -> None:
    """Print the merged document's revision: SHA-256 of its bytes, the token for --expect."""
    view = open_to_read(store, agent).read(doc)
    if as_json:
        say_json({"doc": doc, "revision": view.revision})
    else:
        say(view.revision)


@click.command()
@store_options
@click.option("-n", "count", type=click.IntRange(1), default=30, show_default=True, help="How many entries.")
@click.option("--doc", metavar="NAME", help="Only this document's.")
@click.option("--by", metavar="AGENT", help="Only this agent's, by its id or readable name.")
@json_option
def log_command(
    store: str | None, agent: str | None, count: int, doc: str | None, by: str | None, as_json: bool
) -> None:
    """List what happened, newest first: time, id, agent, kind, document, first words. Folded entries too."""
    opened = open_to_read(store, agent)
    memory = opened.memory()
    wanted = memory.document_id(doc) if doc else None
    rows = (
        e
        for e in memory.entries()
        if (wanted is None or wanted in e.documents())
        and (by is None or by.lower() in (e.agent.lower(), readable(e.agent).lower()))
    )
    found = list(itertools.islice(rows, count))
    if as_json:
        say_json({"entries": [_entry_json(e) for e in found]})
        return
    for entry in found:
        say(_line(memory, entry))
    say_notes(opened.notes)


def _entry_json(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.id, "time": entry.milliseconds / 1000, "agent": entry.agent, "session": entry.session or None,
        "kind": entry.kind, "docs": entry.documents(), "why": entry.why or None,
        "text": b"".join(t for _, _, _, t in entry.new_blocks()).decode("utf-8", "replace"),
        "settled": entry.extra.get("settled", []),
    }  # fmt: skip


def _words(memory: Memory, entry: Entry) -> str:
    """Returns what an entry wrote, or after a minus sign what it took away."""
    new = [text for _, _, _, text in entry.new_blocks() if text.strip()]
    gone = [t for op in entry.ops if op.get("op") == "remove" for t in op["targets"][:20]] if not new else []
    old = [f.definition().text for f in lookup.known(memory, gone) if f.definition().text.strip()]
    text = b" ".join(t.strip() for t in new or old).decode("utf-8", "replace")
    return f"\u2212 {text}" if old and not new else text


def _line(memory: Memory, entry: Entry) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.milliseconds / 1000))
    docs = ", ".join(entry.documents())
    words = _words(memory, entry)
    if entry.why:
        words = f"{words} ({entry.why})" if words else f"({entry.why})"
    for rule, kept, dropped in entry.extra.get("settled", []):
        words += f" [settled by {rule}: kept {kept.strip()!r}, dropped {dropped.strip()!r}]"
    head = f"{when}  {entry.id[-8:]}  {readable(entry.agent):<10} {entry.kind:<8} "
    return head + shorten(f"{docs}  {words}".strip(), max(width() - len(head), 20))


@click.command()
@store_options
@json_option
def conflicts_command(store: str | None, agent: str | None, as_json: bool) -> None:
    """List open clashes with both texts; settle one with memshim resolve, or by editing the document."""
    opened = open_to_read(store, agent)
    clashes = opened.conflicts()
    if as_json:
        say_json({"conflicts": [
            {"id": c.label, "doc": c.doc, "base": c.base.decode("utf-8", "replace"),
             "sides": [{"text": t.decode("utf-8", "replace"), "agent": a, "time": int(w[:12] or "0", 16) / 1000}
                       for t, a, w in c.sides]} for c in clashes]})  # fmt: skip
        return
    for clash in clashes:
        say(f"{clash.label}  {clash.doc}")
        for name, (text, who, when) in zip(("ours", *["theirs"] * len(clash.sides)), clash.sides, strict=False):
            at = time.strftime("%Y-%m-%d %H:%M", time.localtime(int(when[:12] or "0", 16) / 1000))
            say(f"  {name:<7} {readable(who)}, {at}:")
            for line in text.decode("utf-8", "replace").splitlines() or ["(removed)"]:
                say(f"    {visible(line)}")
        say(f"  Settle it: memshim resolve {clash.label} --keep ours|theirs|both")
    if not clashes:
        say("There is no open conflict.")
