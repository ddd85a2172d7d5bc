"""The commands that read: show, rev, conflicts."""

import time

from memshim.cli.common import (
    JSON,
    NAMED,
    STORE,
    existing,
    open_to_read,
    say,
    say_json,
    say_notes,
    visible,
    write_bytes,
)  # fmt: skip
from memshim.cli.declare import Word, command
from memshim.cli.when import moment
from memshim.store.earlier import text_at, text_of
from memshim.store.history import revision_of
from memshim.text.sections import Piece
from memshim.text.view import readable


@command(
    *STORE,
    *NAMED,
    Word(
        "--at",
        metavar="REV|TIME",
        completes="revisions",
        help="As it was at this revision (7 or more hex digits), or at this time.",
    ),
    JSON,
)
def show_command(
    store: str | None, agent: str | None, document: str | None, doc: str, at: str | None, as_json: bool
) -> None:
    """Print the merged document, journals' tails included."""
    doc = doc if document is None else document
    opened = open_to_read(store, agent)
    if at is not None:
        memory = opened.memory()
        id_, digits = memory.document_id(doc), at.strip().lower()
        is_revision = len(digits) >= 7 and not digits.strip("0123456789abcdef")
        text = text_of(memory, id_, digits) if is_revision else text_at(memory, id_, moment(at))
        if as_json:
            say_json({"doc": doc, "revision": revision_of(text), "text": text.decode("utf-8", "replace")})
        else:
            write_bytes(text)
            say_notes(opened.notes)
        return
    memory = opened.memory()
    existing(memory, doc)
    view = opened.view_of(memory, doc)
    if not as_json:
        write_bytes(view.data)
        say_notes(opened.notes)
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
        "entries": piece.entries if piece.ids else [], "agents": piece.agents if piece.ids else [],
        "conflict": piece.label or None,
    }  # fmt: skip


@command(
    *STORE,
    *NAMED,
    JSON,
)
def rev_command(store: str | None, agent: str | None, document: str | None, doc: str, as_json: bool) -> None:
    """Print the merged document's revision: SHA-256 of its bytes, the token for --expect."""
    doc = doc if document is None else document
    opened = open_to_read(store, agent)
    view = opened.read(doc)
    if as_json:
        say_json({"doc": doc, "revision": view.revision})
        return
    say(view.revision)
    say_notes(opened.notes)


@command(
    *STORE,
    JSON,
)
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
    say_notes(opened.notes)
