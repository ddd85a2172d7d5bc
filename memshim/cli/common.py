"""What the commands share: their common options, and how text, JSON and notes are printed.  Must not know the commands."""

import os
import sys

from memshim.agents import inbox
from memshim.cli import failure
from memshim.cli.declare import Word
from memshim.disk.layout import INDEX, resolve
from memshim.errors import NotFound
from memshim.store.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memshim.store.memory import Memory

FOLDER = Word("--store", metavar="DIR", help="The store; default $MEMSHIM_STORE, else the nearest.")
AGENT = Word("--agent", metavar="ID", completes="agents", help="Who writes; default $MEMSHIM_AGENT, else cli.")
STORE = (FOLDER, AGENT)
DOC = Word("--doc", metavar="NAME", default=INDEX, shown=True, completes="documents", help="The document.")
NAMED = (Word("document", metavar="[DOC]", completes="documents"), DOC)
"""For commands that take nothing but a document: with or without --doc."""
JSON = Word("--json", key="as_json", flag=True, help="Print one JSON object, see docs/json.md.")


def open_store(store: str | None, agent: str | None = None) -> Store:
    """Opens the store that the options mean, with what hooks were told and nobody has taken in yet."""
    opened = Store.open(resolve(store), agent=agent_of(agent))
    if next(inbox.waiting(), None):
        from memshim.agents.door import catch_up

        catch_up(os.environ)
    return opened


def agent_of(given: str | None) -> str:
    """Returns the agent that --agent or the environment names; an empty --agent is not the default."""
    return given if given is not None else os.environ.get("MEMSHIM_AGENT") or "cli"


def open_to_read(store: str | None, agent: str | None = None) -> Store:
    """Opens the store for a command that only reads: its lock, for adoption, without the library's import."""
    opened = open_store(store, agent)
    opened.quick = True
    return opened


def existing(memory: "Memory", name: str) -> str:
    """Returns the id of the document with this name; raises NotFound, with those that there are."""
    documents = memory.documents()
    doc = memory.document_id(name)
    if doc not in documents:
        raise NotFound(f"There is no document {name}", f"There are: {', '.join(sorted(documents.values()))}")
    return doc


def say(text: str) -> None:
    """Prints a line of text for people, control characters made visible."""
    print(visible(text), flush=True)


def say_text(text: str) -> None:
    """Prints several lines of text for people as they are, control characters made visible."""
    print(visible(text, keep="\n\t"), end="", flush=True)


def say_json(value: "dict[str, Any]") -> None:
    """Prints one JSON object with the version of its shape."""
    import json

    print(json.dumps({"version": 1, **value}, ensure_ascii=True), flush=True)


def say_notes(notes: list[str]) -> None:
    """Prints sentences for people on standard error."""
    for note in notes:
        failure.tell(note)


def write_bytes(data: bytes) -> None:
    """Writes a document to standard output: as it is into a pipe, with control characters made visible on a terminal."""
    if sys.stdout.isatty():
        say_text(data.decode("utf-8", "replace"))
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def counted(number: int, one: str, more: str = "") -> str:
    """Returns a number with its noun: `1 line`, `2 lines`; `more` is the plural where it is not made with an s."""
    return f"{number} {one if number == 1 else more or one + 's'}"


def visible(text: str, keep: str = "\t") -> str:
    """Returns the text with control characters as escapes: memory must not be able to steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c in keep or c.isprintable() or c == " " else ascii(c)[1:-1] for c in text)


def width() -> int:
    """Returns the terminal's width, or a wide one where there is no terminal."""
    if not sys.stdout.isatty():
        return 200
    import shutil  # not in a pipe, nor below: it knows archives too, and waits for all their modules

    return shutil.get_terminal_size((100, 24)).columns


def shorten(text: str, room: int) -> str:
    """Returns a text as one line of at most `room` columns."""
    return cut(visible(" ".join(text.split())), room)


def cut(line: str, room: int) -> str:
    """Returns as much of a line as fits into so many columns, with a sign where it was cut."""
    if columns(line) <= room:
        return line
    line = line[: max(room - 1, 1)]
    while columns(line) > max(room - 1, 1):
        line = line[:-1]
    return line + "…"


def columns(line: str) -> int:
    """Returns how many columns of a terminal a line takes: Chinese signs and emoji take two."""
    if line.isascii():
        return len(line)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(sign) else 1 + (east_asian_width(sign) in "WF") for sign in line)


def text_in(value: str) -> bytes:
    """Returns an argument's bytes as they were typed."""
    return os.fsencode(value)
