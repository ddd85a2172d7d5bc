"""The command that erases: redact."""

from memshim.cli.append import standard_input
from memshim.cli.common import JSON, STORE, counted, open_store, say, say_json, say_notes, text_in
from memshim.cli.declare import Word, command
from memshim.cli.write import WHY
from memshim.errors import BadInput


@command(
    Word("id", completes="entries"),
    Word("--text", metavar="TEXT", help="Erase this text wherever it stands; - reads it from standard input."),
    *STORE,
    WHY,
    JSON,
)
def redact_command(
    id: str | None, text: str | None, store: str | None, agent: str | None, why: str, as_json: bool
) -> None:
    """Erase a text from the documents, journals, archive, snapshots, history and reports; this cannot be undone.

    By ID the text of that entry, and what others made of it. What is left says [redacted]; the log keeps that it
    happened, when, and by whom. A stale writer who brings it back is redacted again.
    """
    if (id is None) == (text is None):
        raise BadInput(
            "redact takes an ID or --text, one of them.", "For example: memshim redact --text - < secret.txt"
        )
    opened = open_store(store, agent)
    wanted = standard_input() if text == "-" else text_in(text or "")
    done = opened.redact(id, text=wanted, why=why)
    if as_json:
        say_json({"id": done.id, "texts": done.texts, "entries": done.entries, "notes": done.notes})
        return
    texts, entries = counted(done.texts, "text"), counted(done.entries, "entry", "entries")
    say(f"Erased {texts} from {entries}, and from every file that held {'it' if done.texts == 1 else 'them'}.")
    say(f"entry {done.id}")
    say_notes(done.notes)
