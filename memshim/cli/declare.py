"""How a command says which words it takes.  Must not import click, whose import costs three times the start of Python.

A usual line of words is read here.  Help, errors and completion are click's, made of the same declaration (`usage`).
"""

from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    Function = Callable[..., int | None]
    """What a command does; it gets its words by name, and returns the exit code if that is not 0."""
    Call = Callable[[], int | None]


class Number:
    """Is a kind of value: a number of at least, and of at most, so much."""

    def __init__(self, least: int, most: int | None = None, whole: bool = True) -> None:
        self.least = least
        self.most = most
        self.whole = whole

    def __call__(self, text: str) -> float:
        """Returns the number; raises ValueError where the text is none that is meant."""
        number = int(text) if self.whole else float(text)
        if not (number >= self.least and (self.most is None or number <= self.most)):
            raise ValueError(text)
        return number


class OneOf:
    """Is a kind of value: one of these."""

    def __init__(self, *values: str) -> None:
        self.values = values

    def __call__(self, text: str) -> str:
        """Returns the text; raises ValueError where it is none of them."""
        if text not in self.values:
            raise ValueError(text)
        return text


class Word:
    """Is an option, or an argument where its name has no dash; the function gets its value as `key`.

    A `flag` has no value, of one with `many` there may be any number.  `kind` makes the value of the text, or raises
    ValueError; `completes` says what of a store it may be (see `complete`); `shown`: the help names the default.
    """

    def __init__(
        self,
        *names: str,
        key: str = "",
        help: str = "",
        metavar: str = "",
        kind: "Callable[[str], Any]" = str,
        default: "Any" = None,
        completes: str = "",
        flag: bool = False,
        many: bool = False,
        required: bool = False,
        shown: bool = False,
    ) -> None:
        self.names = names
        self.key = key or names[-1].strip("-").replace("-", "_")
        self.help = help
        self.metavar = metavar
        self.kind = kind
        self.default = False if flag else () if many else default
        self.completes = completes
        self.flag = flag
        self.many = many
        self.required = required
        self.shown = shown
        self.option = names[0].startswith("-")

    def put(self, text: str, values: "dict[str, Any]") -> None:
        """Puts its value to the others; raises ValueError where the text can be none."""
        value = self.kind(text)
        values[self.key] = (*values[self.key], value) if self.many else value


class Unusual(Exception):
    """Is raised for a line that is not read here: click knows what is to be said."""


class Command:
    """Is a function that a line of words calls; `anything`: words that it does not know are no mistake."""

    def __init__(self, function: "Function", words: "Sequence[Word]", anything: bool) -> None:
        self.function = function
        self.words = words
        self.anything = anything

    def read(self, line: "Sequence[str]") -> "Call":
        """Returns the call that a usual line means; raises Unusual for any other."""
        values: dict[str, Any] = {word.key: word.default for word in self.words}
        given = set()
        try:
            for word, text in self._pairs(line):
                given.add(word.key)
                if word.flag:
                    values[word.key] = True
                else:
                    word.put(text, values)
        except ValueError as error:
            raise Unusual from error
        if any(word.required and word.key not in given for word in self.words):
            raise Unusual
        return partial(self.function, **values)

    def _pairs(self, line: "Sequence[str]") -> "list[tuple[Word, str]]":
        """Returns the words with their texts, arguments last."""
        options = {name: word for word in self.words for name in word.names}
        found: list[tuple[Word, str]] = []
        arguments: list[str] = []
        rest = iter(line)
        for text in rest:
            name, equals, value = text.partition("=")
            if text == "--":
                arguments += rest
            elif not text.startswith("-") or text == "-":
                arguments.append(text)
            elif name not in options or (equals and (options[name].flag or not name.startswith("--"))):
                raise Unusual
            elif equals or options[name].flag:
                found.append((options[name], value))
            else:
                found.append((options[name], _next(rest)))
        for word in (w for w in self.words if not w.option):
            count = len(arguments) if word.many else 1
            found += [(word, text) for text in arguments[:count]]
            del arguments[:count]
        if arguments:
            raise Unusual
        return found


def _next(rest: "Iterator[str]") -> str:
    for text in rest:
        return text
    raise Unusual


class Group:
    """Is a command of several, each with a name of its own."""

    def __init__(self, help: str, **commands: Command) -> None:
        self.help = help
        self.commands = commands

    def read(self, line: "Sequence[str]") -> "Call":
        """Returns the call that a usual line means; raises Unusual for any other."""
        if not line or line[0] not in self.commands:
            raise Unusual
        return self.commands[line[0]].read(line[1:])


def command(*words: Word, anything: bool = False) -> "Callable[[Function], Command]":
    """Declares the words of the function below; its docstring is the help."""
    return lambda function: Command(function, words, anything)
