"""The commands that change a store: init, append (its help), edit, write, forget, restore, resolve, compact."""

import os
import sys

from memshim.cli import failure
from memshim.cli.append import standard_input
from memshim.cli.common import (
    DOC,
    JSON,
    STORE,
    agent_of,
    counted,
    open_store,
    say,
    say_json,
    say_notes,
    text_in,
)
from memshim.cli.declare import OneOf, Word, command
from memshim.errors import BadInput, RevisionMismatch
from memshim.store.result import Change
from memshim.store.store import Store

WHY = Word("--why", default="", metavar="WHY", help="The reason, kept with the entry.")
EXPECT = Word(
    "--expect",
    metavar="REV",
    completes="revisions",
    help="The revision that you read; what changed since is merged. Default: the newest.",
)
STRICT = Word("--strict", flag=True, help="Refuse if the document has moved on at all.")


@command(
    *STORE,
    JSON,
)
def init_command(store: str | None, agent: str | None, as_json: bool) -> None:
    """Make a store of this folder (or of --store); the text that is there is its first snapshot."""

    folder = store if store is not None else os.environ.get("MEMSHIM_STORE") or "."
    if not folder:
        raise BadInput("The name of the store's folder is empty.", "For example: memshim init --store notes")
    if not os.path.isdir(folder):
        os.makedirs(folder)
    opened = Store.open(folder, agent=agent_of(agent))
    made = opened.init()
    if as_json:
        say_json({"store": opened.layout.root, "made": made})
    else:
        say(f"{opened.layout.root} is a store now." if made else f"{opened.layout.root} is a store already.")


@command(
    Word("text", required=True),
    *STORE,
    DOC,
    Word("--section", metavar="HEADING", default="", help="Under this heading (made if missing), else at the end."),
    WHY,
    Word("--session", metavar="ID", default="", help="The session that it belongs to."),
    Word("--raw", flag=True, help="Add nothing: no list mark."),
    Word("--no-publish", flag=True, help="Do not bring the document up to date now."),
    JSON,
    anything=True,
)
def append_command(**_: object) -> None:
    """Add a note; when its id is printed it is durable, and never refused because of others.

    One line of plain TEXT becomes a bullet. TEXT may begin with "-"; a TEXT of exactly "-" reads standard input.
    """
    raise AssertionError("append has left before click")


@command(
    Word("--old", required=True, metavar="A", help="The text to replace; it must occur exactly once."),
    Word("--new", required=True, metavar="B", help="What to put in its place."),
    *STORE,
    DOC,
    EXPECT,
    STRICT,
    WHY,
    JSON,
)
def edit_command(
    old: str,
    new: str,
    store: str | None,
    agent: str | None,
    doc: str,
    expect: str | None,
    strict: bool,
    why: str,
    as_json: bool,
) -> int:
    """Replace the one occurrence of A by B; merged if the document has moved on and nothing clashes."""
    opened = open_store(store, agent)
    try:
        change = opened.edit(text_in(old), text_in(new), doc=doc, expected=expect, strict=strict, why=why)
    except RevisionMismatch as error:
        return refused(error, as_json)
    changed(change, as_json)
    return 0


@command(
    *STORE,
    DOC,
    EXPECT,
    STRICT,
    WHY,
    JSON,
)
def write_command(
    store: str | None, agent: str | None, doc: str, expect: str | None, strict: bool, why: str, as_json: bool
) -> int:
    """Make standard input the document, merged as an edit of --expect REV; empty input empties it on purpose."""
    opened = open_store(store, agent)
    if sys.stdin is not None and sys.stdin.isatty():
        raise BadInput("write reads the new text from standard input.", "For example: memshim write < new.md")
    text = standard_input()
    try:
        change = opened.write(text, doc=doc, expected=expect, strict=strict, why=why)
    except RevisionMismatch as error:
        return refused(error, as_json)
    changed(change, as_json)
    return 0


def changed(change: Change, as_json: bool) -> None:
    """Prints what a change did."""
    if as_json:
        say_json(
            {"id": change.id or None, "doc": change.doc, "revision": change.revision, "merged": change.merged,
             "settled": [{"rule": r, "kept": k, "dropped": d} for r, k, d in change.settled], "notes": change.notes}
        )  # fmt: skip
        return
    if change.merged:
        say(f"{change.doc} had moved on; your change was merged into it.")
    for rule, kept, dropped in change.settled:
        say(f"Settled by the rule {rule}: kept {kept.strip()!r}, dropped {dropped.strip()!r}.")
    say(f"entry {change.id}" if change.id else "Nothing to change.")
    say(f"revision {change.revision}")
    say_notes(change.notes)


def refused(error: RevisionMismatch, as_json: bool) -> int:
    """Prints both texts of what clashed; for a program as JSON, and returns the exit code, else raises it again."""
    clashes = [
        {
            "base": b.decode("utf-8", "replace"),
            "ours": o.decode("utf-8", "replace"),
            "theirs": t.decode("utf-8", "replace"),
        }
        for b, o, t in error.conflicts
    ]
    if as_json:
        body = {"code": error.exit_code, "message": str(error), "hint": error.hint}
        say_json({"error": body, "actual": error.actual, "conflicts": clashes})
        return error.exit_code
    for clash in clashes:
        for title, text in (("It now says", clash["ours"]), ("You wanted", clash["theirs"])):
            failure.tell(f"{title}:")
            for line in text.splitlines() or ["(nothing)"]:
                failure.tell(f"    {line}")
    raise error


@command(
    Word("id", completes="entries"),
    Word("--text", metavar="TEXT", help="The one live block that says this."),
    Word("--doc", metavar="NAME", completes="documents", help="Look only in this document."),
    *STORE,
    WHY,
    JSON,
)
def forget_command(
    id: str | None, text: str | None, doc: str | None, store: str | None, agent: str | None, why: str, as_json: bool
) -> None:
    """Remove a note for good: it stays removed while a writer who had seen it still carries it."""
    if (id is None) == (text is None):
        raise BadInput("forget takes an ID or --text, one of them.", 'For example: memshim forget --text "use pip"')
    opened = open_store(store, agent)
    change = opened.forget(id, text=text_in(text) if text is not None else None, doc=doc, why=why)
    changed(change, as_json)


@command(
    Word("what", required=True, metavar="ID|NAME", completes="entries"),
    *STORE,
    WHY,
    JSON,
)
def restore_command(what: str, store: str | None, agent: str | None, why: str, as_json: bool) -> None:
    """Take a removal back: of an entry, of a forget, or of a removed document by its NAME."""
    change = open_store(store, agent).restore(what, why=why)
    changed(change, as_json)


@command(
    Word("id", required=True, completes="conflicts"),
    Word("--keep", required=True, kind=OneOf("ours", "theirs", "both"), help="Which text stays."),
    *STORE,
    WHY,
    JSON,
)
def resolve_command(id: str, keep: str, store: str | None, agent: str | None, why: str, as_json: bool) -> None:
    """Settle a clash: `ours` is the text that came first, `theirs` the other, see memshim conflicts."""
    change = open_store(store, agent).resolve(id, keep, why=why)
    changed(change, as_json)


@command(
    Word("--dry-run", flag=True, help="Show what would change on disk, and change nothing."),
    *STORE,
    JSON,
)
def compact_command(dry_run: bool, store: str | None, agent: str | None, as_json: bool) -> None:
    """Fold the journals into the documents, publish them, and archive silent journals."""
    opened = open_store(store, agent)
    if dry_run:
        _show_plan(opened, as_json)
        return
    done = opened.compact()
    if as_json:
        say_json({"folded": done.folded, "archived": done.archived, "published": done.published, "notes": done.notes})
        return
    parts = [f"{counted(done.folded, 'entry', 'entries')} folded"] if done.folded else []
    parts += [f"{', '.join(done.published)} published"] if done.published else []
    parts += [f"{counted(done.archived, 'silent journal')} archived"] if done.archived else []
    say(("; ".join(parts) or "Nothing to do") + ".")
    say_notes(done.notes)


def _show_plan(opened: Store, as_json: bool) -> None:
    from memshim.cli import diff

    plan = [(name, f"{name} (on disk)", f"{name} (merged)", a, b) for name, a, b in opened.plan()]
    if as_json:
        rows = [{"doc": name, "diff": diff.as_text(one, other, a, b)} for name, one, other, a, b in plan]
        say_json({"dry_run": True, "documents": rows, "notes": opened.notes})
        return
    for _, one, other, before, after in plan:
        diff.show(one, other, before, after)
    if not plan:
        say("The documents are up to date.")
    say_notes(opened.notes)
