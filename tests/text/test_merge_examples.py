"""The examples of docs/merge.md do what it says."""

import re
from pathlib import Path

import pytest

from memshim.text.merge import Merged, merge

PAGE = (Path(__file__).parents[2] / "docs" / "merge.md").read_text()
EXAMPLES = [line for line in PAGE.splitlines() if line.startswith("`") and " → " in line]


def rows(heading: str) -> list[list[str]]:
    """The rows of the table below a heading, without its head."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in table[2:]]


CLASHES = rows("What is never decided silently")
SETTLED = rows("What is settled by a rule")


def text(cell: str) -> bytes:
    """The lines that a cell holds, each in backticks; a lone space is a blank line, or nothing at all."""
    found = re.findall(r"`([^`]+)`", cell)
    return (
        "".join(line.strip(" ") + "\n" if line == " " else line + "\n" for line in found).encode()
        if found != [" "]
        else b""
    )


def without_blanks(data: bytes) -> list[bytes]:
    return [line for line in data.split(b"\n") if line]


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_rule(example: str) -> None:
    sides, _, wanted = example.partition(" → ")
    base, ours, theirs = map(text, sides.split(" | "))
    merged = merge(base, ours, theirs)
    assert merged.conflicts == []
    assert without_blanks(merged.text) == without_blanks(text(wanted))


@pytest.mark.parametrize("row", CLASHES, ids=lambda row: row[0])
def test_a_clash(row: list[str]) -> None:
    base, ours, theirs = map(text, row[1:])
    for merged in (merge(base, ours, theirs), merge(base, theirs, ours)):
        assert merged.conflicts
        assert merged.settled == []
        shown = merged.render()
        assert all(line in shown for line in (ours + theirs).split(b"\n"))


def settled(rule: str, base: bytes, kept: bytes, dropped: bytes) -> list[Merged]:
    """The merges that a row of the table is about, the sides either way."""
    if rule == "placeholder":
        ours, theirs = (line + b"\n" for line in without_blanks(kept))
        return [merge(base, ours, theirs)]
    if rule == "moved":
        removed = base.replace(dropped, b"")
        return [merge(base, *two) for two in ((removed, removed + dropped), (removed + dropped, removed))]
    return [merge(base, kept, dropped), merge(base, dropped, kept)]


@pytest.mark.parametrize("row", SETTLED, ids=lambda row: row[0])
def test_a_settlement(row: list[str]) -> None:
    rule, base, kept, dropped = row[0].strip("`"), *map(text, row[2:])
    for merged in settled(rule, base, kept, dropped):
        assert merged.conflicts == []
        assert [(one.rule, one.kept, one.dropped) for one in merged.settled] == [(rule, kept, dropped)]
        assert merged.text == (base.replace(dropped, b"") if rule == "moved" else kept)


def test_every_rule_is_in_the_page() -> None:
    source = "".join(path.read_text() for path in (Path(__file__).parents[2] / "memshim/text/merge").glob("*.py"))
    assert set(re.findall(r'Settled\("(\w+)"', source)) == {row[0].strip("`") for row in SETTLED}
    assert len(EXAMPLES) >= 12
    assert len(CLASHES) >= 9
