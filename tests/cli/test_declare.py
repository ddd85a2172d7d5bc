"""The words of a line: what is read without click is what click reads, and what click would refuse is left to it."""

import contextlib
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memshim.cli import usage
from memshim.cli.declare import Command, Group, Number, OneOf, Unusual, Word, command
from memshim.cli.main import COMMANDS, find

pytest_plugins = ["cli_fixtures"]


def declared() -> list[tuple[str, Command]]:
    found = []
    for name in COMMANDS:
        one = find(name)
        assert one is not None
        found += one.commands.items() if isinstance(one, Group) else [(name, one)]
    return [(name, one) for name, one in found if not one.anything]


ALL = declared()


@command(
    Word("one", required=True),
    Word("many", many=True),
    Word("-n", key="count", kind=Number(1, 9)),
    Word("--half", kind=Number(1, whole=False), default=2.5),
    Word("-k", "--keep", kind=OneOf("ours", "theirs")),
    Word("-L", key="labels", many=True),
    Word("--dry-run", flag=True),
)
def everything(**words: Any) -> None:
    raise AssertionError(words)


def by_click(name: str, one: Command, line: list[str]) -> dict[str, Any] | None:
    """Returns the words as click reads them; None where it refuses the line, or answers it itself."""
    made = usage.as_click(name, one)
    made.context_settings = {"help_option_names": ["-h", "--help"]}
    try:
        return made.make_context(name, line).params
    except (click.UsageError, click.exceptions.Exit):
        return None


def by_us(one: Command, line: list[str]) -> dict[str, Any] | None:
    with contextlib.suppress(Unusual):
        return one.read(line).keywords  # type: ignore[attr-defined, no-any-return]
    return None


def lines(one: Command) -> st.SearchStrategy[list[str]]:
    """Lines of its own options, of values that may fit, and of what is neither."""
    own = [name for word in one.words for name in word.names if word.option]
    values = [
        "",
        "-",
        "--",
        "x",
        "3",
        "0",
        " 5 ",
        "1_0",
        "2.5",
        "nan",
        "ours",
        "user",
        "- a",
        "-x",
        "--none",
        "a=b",
        "é",
    ]
    joined = st.builds("{}={}".format, st.sampled_from(own or ["--x"]), st.sampled_from(values))
    return st.lists(st.sampled_from([*own, *values]) | joined, max_size=6)


@given(data=st.data(), pair=st.sampled_from([("everything", everything), *ALL]))
def test_what_is_read_here_is_what_click_reads(data: st.DataObject, pair: tuple[str, Command]) -> None:
    name, one = pair
    line = data.draw(lines(one))
    ours, theirs = by_us(one, line), by_click(name, one, line)
    if ours is not None:
        assert repr(sorted(ours.items())) == repr(sorted((theirs or {}).items()))  # nan is not nan


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["a"], {"one": "a"}),
        (["a", "b", "--", "-c"], {"one": "a", "many": ("b", "-c")}),
        (["-n", "3", "a", "--half=1.5", "--dry-run"], {"one": "a", "count": 3, "half": 1.5, "dry_run": True}),
        (["a", "-L", "x", "-L", "-y", "--keep", "ours"], {"one": "a", "labels": ("x", "-y"), "keep": "ours"}),
    ],
)
def test_usual_lines_need_no_click(line: list[str], words: dict[str, Any]) -> None:
    rest = {"one": None, "many": (), "count": None, "half": 2.5, "keep": None, "labels": (), "dry_run": False}
    assert by_us(everything, line) == {**rest, **words}


@pytest.mark.parametrize(
    "line",
    [
        [],
        ["-n", "10", "a"],
        ["-n", "a"],
        ["a", "-k", "mine"],
        ["a", "-n3"],
        ["a", "--dry-run=1"],
        ["a", "-h"],
        ["a", "-n"],
    ],
)
def test_what_is_not_usual_is_left_to_click(line: list[str]) -> None:
    with pytest.raises(Unusual):
        everything.read(line)


def test_a_mistake_is_told_with_the_help_to_ask_for(inside: Any) -> None:
    answer = inside("log", "-n", "0")
    assert answer.code == 2
    assert "memshim log --help" in answer.err
    assert inside("daemon", "fly").code == 2
    assert inside("nonsense").code == 2


@pytest.mark.parametrize("words", [[], ["daemon"]])
def test_a_line_that_is_not_finished_gets_the_help(inside: Any, words: list[str]) -> None:
    answer = inside(*words)
    assert (answer.code, answer.out) == (2, b"")
    assert answer.err.startswith("Usage: memshim")
    assert "Commands:" in answer.err
