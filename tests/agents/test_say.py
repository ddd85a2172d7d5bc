"""What agents are told: nothing when nothing happened, else a sentence, with others' words quoted short."""

import re
from pathlib import Path

import pytest

from memshim import Store
from memshim.agents.say import QUOTED, about, quote, saved
from memshim.store import intake


def test_others_words_are_short_and_plain() -> None:
    assert quote(b"\n\n- use \x1b[31muv\x07\xff, not pip\nmore") == "- use [31muv\ufffd, not pip"
    long = quote("x" * 500)
    assert len(long) == QUOTED
    assert long.endswith("…")
    assert quote("a\u202eb\u2028c") == "ab"
    assert quote(b"") == ""


def test_a_saved_change_needs_nothing() -> None:
    assert "nothing needs to be done" in saved("MEMORY.md")
    assert len(saved("x" * 200 + ".md")) < 400


START = b"# M\n\n- one\n- two\n- three\n"
GONE, MINE, YOURS = START.replace(b"- two\n", b""), START.replace(b"two", b"TWO"), START.replace(b"two", b"zwei")


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [
        (MINE, YOURS, "This change clashes with ann's (“- TWO”) in MEMORY.md; memshim kept both, marked"),
        (GONE, MINE, "ann removed what this change edits in MEMORY.md; memshim kept your text, marked"),
        (MINE, GONE, "ann changed what this change removes in MEMORY.md (“- TWO”); memshim kept it, marked"),
    ],
)
def test_a_clash_is_told_with_the_other_agents_name(store_dir: Path, first: bytes, then: bytes, said: str) -> None:
    (store_dir / "MEMORY.md").write_bytes(START)
    with Store.open(store_dir).turn() as turn:
        seen = next(turn.history("MEMORY.md").recent(1))
        for agent, text in (("ann", first), ("bob", then)):
            source = intake.Source("write", agent)
            taken = intake.take_in(turn, "MEMORY.md", text, seen.text, seen.pieces, source)
            told = about(turn, "MEMORY.md", taken, None, text, agent)
            assert bool(told) == (agent == "bob")
    assert told[0].startswith(said)
    assert re.fullmatch(r".* \(conflict c\w+\)\. Edit the file to leave what is right\.", told[0])
