"""What the commands share: their common options, and how text, JSON and notes are printed.  Must not know the commands."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from memshim.cli import failure
from memshim.disk.layout import INDEX, resolve
from memshim.store.store import Store

F = TypeVar("F", bound=Callable[..., Any])


def completing(what: str) -> Callable[..., Any]:
    """Returns what completes a word in a shell: agents, documents, entries, conflicts or revisions."""

    def complete(context: click.Context, parameter: click.Parameter, typed: str) -> Any:
        from memshim.cli import complete as completions

        return getattr(completions, what)(context, parameter, typed)

    return complete


def store_options(command: F) -> F:
    """Adds --store and --agent."""
    agents = completing("agents")
    help_ = "Who writes; default $MEMSHIM_AGENT, else cli."
    command = click.option("--agent", metavar="ID", shell_complete=agents, help=help_)(command)
    return click.option("--store", metavar="DIR", help="The store; default $MEMSHIM_STORE, else the nearest.")(command)


def doc_option(command: F) -> F:
    """Adds --doc."""
    names = completing("documents")
    return click.option(
        "--doc", metavar="NAME", default=INDEX, show_default=True, shell_complete=names, help="The document."
    )(command)


def json_option(command: F) -> F:
    """Adds --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object, see docs/json.md.")(command)


def open_store(store: str | None, agent: str | None = None) -> Store:
    """Opens the store that the options mean."""
    return Store.open(resolve(store), agent=agent_of(agent))


def agent_of(given: str | None) -> str:
    """Returns the agent that --agent or the environment names; an empty --agent is not the default."""
    return given if given is not None else os.environ.get("MEMSHIM_AGENT") or "cli"


def open_to_read(store: str | None, agent: str | None = None) -> Store:
    """Opens the store for a command that only reads: its lock, for adoption, without the library's import."""
    opened = open_store(store, agent)
    opened.quick = True
    return opened


def say(text: str) -> None:
    """Prints a line of text for people, control characters made visible."""
    click.echo(visible(text))


def say_json(value: dict[str, Any]) -> None:
    """Prints one JSON object with the version of its shape."""
    click.echo(json.dumps({"version": 1, **value}, ensure_ascii=True))


def say_notes(notes: list[str]) -> None:
    """Prints sentences for people on standard error."""
    for note in notes:
        failure.tell(note)


def write_bytes(data: bytes) -> None:
    """Writes a document to standard output: as it is into a pipe, with control characters made visible on a terminal."""
    if sys.stdout.isatty():
        click.echo(visible(data.decode("utf-8", "replace"), keep="\n\t"), nl=False)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def visible(text: str, keep: str = "\t") -> str:
    """Returns the text with control characters as escapes: memory must not be able to steer a terminal."""
    return "".join(c if c in keep or c.isprintable() or c == " " else ascii(c)[1:-1] for c in text)


def width() -> int:
    """Returns the terminal's width, or a wide one where there is no terminal."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 200


def shorten(text: str, room: int) -> str:
    """Returns one line of at most `room` characters."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= room else line[: max(room - 1, 1)] + "…"


def text_in(value: str) -> bytes:
    """Returns an argument's bytes as they were typed."""
    return os.fsencode(value)
