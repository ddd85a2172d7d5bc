"""What agents are told: nothing when nothing happened, else a sentence, with others' words quoted short."""

from memshim.agents.say import QUOTED, quote, saved


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
