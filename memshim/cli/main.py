"""The command line: which commands there are, and what every one of them does with a failure.  Must not import click."""

import importlib
import os
import sys

from memshim.cli import failure
from memshim.cli.append import run as run_append
from memshim.cli.declare import Command, Group, Unusual
from memshim.errors import MemshimError

COMMANDS = {
    "demo": ("demo", "Race 8 writers, first as agents' tools write, then through memshim."),
    "init": ("write", "Make a store of this folder."),
    "append": ("write", "Add a note; it is durable when its id is printed."),
    "edit": ("write", "Replace one text by another."),
    "write": ("write", "Replace a whole document from standard input."),
    "forget": ("write", "Remove a note for good."),
    "restore": ("write", "Take a removal back."),
    "undo": ("undo", "Take back what an entry did."),
    "redact": ("redact", "Erase a text from everything that memshim keeps."),
    "resolve": ("write", "Settle a clash."),
    "compact": ("write", "Fold the journals into the documents."),
    "show": ("read", "Print a document."),
    "rev": ("read", "Print a document's revision."),
    "log": ("log", "Who changed what, newest first."),
    "blame": ("blame", "Who wrote each line, when and why."),
    "diff": ("diff", "What changed between revisions, or since a time or session."),
    "conflicts": ("read", "List open clashes, with both texts."),
    "lost": ("lost", "List overwritten updates, and what became of them."),
    "status": ("status", "Protected or not, and how the store is."),
    "check": ("health", "Verify the store's invariants."),
    "install": ("install", "Put memshim's hooks into Claude Code's settings."),
    "uninstall": ("install", "Take them out again."),
    "watch": ("watch", "Tell what happens, while it happens."),
    "daemon": ("daemon", "The watcher: run, start, stop, status."),
    "timeline": ("timeline", "Write a page that shows what happened."),
    "completion": ("complete", "Print the completion script of a shell."),
    "merge-file": ("merge", "Merge three versions of a file; works as a git merge driver."),
}
GLOBAL = ("--store", "--agent", "--doc")


def run(line: list[str]) -> int:
    """Runs one command and returns the exit code of the contract (docs/cli.md)."""
    line = _options_last(line)
    if line[:1] == ["append"]:
        return run_append(line[1:])  # its own parser, because its text may begin with "-"
    try:
        code = _run(line)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return failure.INTERRUPTED
    except MemshimError as error:
        return failure.report(error, "--json" in line)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has what it wanted, as with `memshim log | head`
        return 0
    except OSError as error:
        return failure.report_os(error, "--json" in line)
    except Exception:
        return failure.report_bug("--json" in line)


def _run(line: list[str]) -> int:
    try:
        found = find(line[0]) if line else None
        if found is None:
            raise Unusual
        call = found.read(line[1:])
    except Unusual:
        from memshim.cli import usage

        return usage.run(line)
    return call() or 0


def find(name: str) -> Command | Group | None:
    """Returns the command of this name; imports its module."""
    if name not in COMMANDS:
        return None
    module = importlib.import_module(f"memshim.cli.{COMMANDS[name][0]}")
    found = getattr(module, name.replace("-", "_") + "_command")
    assert isinstance(found, Command | Group)
    return found


def _options_last(args: list[str]) -> list[str]:
    """Allows `memshim --store DIR COMMAND`: moves the options that every command has behind the command."""
    at = 0
    while at < len(args) and args[at].partition("=")[0] in GLOBAL:
        at += 1 if "=" in args[at] else 2
    if not args[at:] or args[at].startswith("-"):
        return args[at:]  # no command: the help is told, or what is wrong with the next option
    return [args[at], *args[:at], *args[at + 1 :]]
