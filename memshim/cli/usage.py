"""What click does for the commands: help, the sentence about a mistake, and completion; made of what they declare.

Imported only for these, so that a line without a mistake does not wait for click.
"""

import inspect
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from memshim import __version__
from memshim.cli import failure
from memshim.cli.declare import Command, Group, Number, OneOf, Word
from memshim.cli.main import COMMANDS, find
from memshim.errors import BadInput


def run(line: list[str]) -> int:
    """Answers a line that is not a usual one and returns the exit code; raises BadInput with what is wrong with it."""
    try:
        return program().main(args=line, prog_name="memshim", standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        failure.tell(error.format_message())
        return error.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "memshim"
        raise BadInput(error.format_message(), f"Try: {command} --help") from error
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.Abort as error:
        raise KeyboardInterrupt from error


def program() -> click.Group:
    """Returns the whole command line as click's."""
    shown = Lazy(help="Several agents write one Markdown memory (MEMORY.md and topic files), and nothing gets lost.")
    shown.context_settings = {"help_option_names": ["-h", "--help"]}
    return click.version_option(__version__, message="memshim %(version)s")(shown)


class Lazy(click.Group):
    """Is a group that imports a command's module when the command is asked for; its own help costs no import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names, in the order that a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Returns one command."""
        found = find(cmd_name)
        return as_click(cmd_name, found) if found is not None else None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Returns what a shell may offer: the commands from the table, so that none of them is imported."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def as_click(name: str, declared: Command | Group) -> click.Command:
    """Returns a command as click's."""
    if isinstance(declared, Group):
        commands = {name: as_click(name, command) for name, command in declared.commands.items()}
        return click.Group(name, commands, help=declared.help)
    text = inspect.cleandoc(declared.function.__doc__ or "")
    settings = {"ignore_unknown_options": True, "allow_extra_args": True} if declared.anything else {}
    return click.Command(
        name,
        params=[_parameter(word) for word in declared.words],
        callback=declared.function,
        help=text,
        short_help=text.partition("\n\n")[0],  # whole: click would cut it after 45 signs
        context_settings=settings,
    )


def _parameter(word: Word) -> click.Parameter:
    more: dict[str, Any] = {"required": word.required}
    if word.metavar:
        more["metavar"] = word.metavar
    if word.completes:
        more["shell_complete"] = _completing(word.completes)
    if word.many:
        more["nargs" if not word.option else "multiple"] = -1 if not word.option else True
    elif not word.required:
        more["default"] = word.default
    if not word.option:
        return click.Argument([word.key], type=_type(word), **more)
    if word.flag:
        return click.Option([*word.names, word.key], is_flag=True, help=word.help, **more)
    return click.Option([*word.names, word.key], type=_type(word), help=word.help, show_default=word.shown, **more)


def _type(word: Word) -> click.ParamType[Any]:
    if isinstance(word.kind, OneOf):
        return click.Choice(word.kind.values)
    if isinstance(word.kind, Number):
        return (click.IntRange if word.kind.whole else click.FloatRange)(word.kind.least, word.kind.most)
    return click.STRING


def _completing(what: str) -> Any:
    """Returns what completes a word in a shell: agents, documents, entries, conflicts or revisions."""

    def complete(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
        from memshim.cli import complete as completions

        return [CompletionItem(text, help=about) for text, about in getattr(completions, what)(context.params, typed)]

    return complete


def script(shell: str) -> str:
    """Returns the completion script of a shell."""
    maker = get_completion_class(shell)
    assert maker is not None
    made = maker(program(), {}, "memshim", "_MEMSHIM_COMPLETE")
    text = made.source_template % made.source_vars()
    return text.replace('string split ","', 'string split --max 1 ","')  # fish: an explanation may hold commas
