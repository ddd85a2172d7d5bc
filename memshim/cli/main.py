"""The command line below click: which commands there are, and what every one of them does with a failure."""

import importlib
import os
import sys

import click

from memshim import __version__
from memshim.cli import failure
from memshim.cli.append import run as run_append
from memshim.errors import BadInput, MemshimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

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


class Lazy(click.Group):
    """Is a group that imports a command's module when the command is called; its help costs no import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names, in the order that a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"memshim.cli.{COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name.replace("-", "_") + "_command")
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Returns what a shell may offer: the commands from the table, so that none of them is imported."""
        from click.shell_completion import CompletionItem

        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="memshim %(version)s")
def main() -> None:
    """Several agents write one Markdown memory (MEMORY.md and topic files), and nothing gets lost."""


def run_click(args: list[str]) -> int:
    """Runs one command and returns the exit code of the contract (docs/cli.md)."""
    args = _options_last(args)
    if args[:1] == ["append"] and "--help" not in args:
        return run_append(args[1:])  # its own parser, because its text may begin with "-"
    try:
        result = main.main(args=args, prog_name="memshim", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "memshim"
        return failure.report(BadInput(error.format_message(), f"Try: {command} --help"), "--json" in args)
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return failure.INTERRUPTED
    except MemshimError as error:
        return failure.report(error, "--json" in args)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has what it wanted, as with `memshim log | head`
        return 0
    except OSError as error:
        return failure.report_os(error)
    except Exception:
        return failure.report_bug()


def _options_last(args: list[str]) -> list[str]:
    """Allows `memshim --store DIR COMMAND`: moves the options that every command has behind the command."""
    at = 0
    while at < len(args) and args[at].partition("=")[0] in GLOBAL:
        at += 1 if "=" in args[at] else 2
    if not at or at >= len(args):
        return args
    return [args[at], *args[:at], *args[at + 1 :]]
