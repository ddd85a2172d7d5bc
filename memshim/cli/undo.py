"""The command that takes back: undo."""

from memshim.cli.common import JSON, STORE, open_store, say, say_json
from memshim.cli.declare import Word, command
from memshim.cli.diff import as_text, show
from memshim.cli.write import WHY, changed, refused
from memshim.errors import RevisionMismatch
from memshim.store.undo import preview, undo


@command(
    Word("id", completes="entries"),
    Word("--dry-run", flag=True, help="Show what would change, and change nothing."),
    *STORE,
    WHY,
    JSON,
)
def undo_command(id: str | None, dry_run: bool, store: str | None, agent: str | None, why: str, as_json: bool) -> int:
    """Take back what an entry did: an append, edit, write, adoption, restoration, forget, resolution, or an undo.

    Without ID the newest entry of this agent. What came after it on the same text is kept, merged; where that clashes
    nothing is changed (exit 12).
    """
    opened = open_store(store, agent)
    try:
        if not dry_run:
            changed(opened.undo(id, why=why), as_json)
            return 0
        opened.layout.require_made()
        with opened.turn() as turn:
            plan = undo(turn, id, opened.agent)
            pairs = preview(turn, plan)
    except RevisionMismatch as error:
        return refused(error, as_json)
    names = [(f"{name} now", f"{name} undone", before, after, name) for name, before, after in pairs]
    if as_json:
        rows = [{"doc": name, "diff": as_text(one, other, a, b)} for one, other, a, b, name in names]
        say_json({"dry_run": True, "undoes": plan.extra["undoes"], "documents": rows})
        return 0
    say(f"Would take back entry {plan.extra['undoes']}" + (":" if names else "; no document would change."))
    for one, other, before, after, _ in names:
        show(one, other, before, after)
    return 0
