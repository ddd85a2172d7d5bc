"""What a writer has seen: only what was shown, and nothing that they know to be gone."""

from hypothesis import given
from hypothesis import strategies as st

from memshim.text.seen import carry, common, look

LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"d\n", b"e\n", b"\n"]), max_size=8)
TEXTS = LINES.map(b"".join)


def test_a_text_shown_whole_is_what_was_seen() -> None:
    assert look(b"old\n", b"new\n") == b"new\n"


def test_only_the_lines_that_were_shown_count() -> None:
    assert look(b"", b"one\ntwo\nthree\nfour\n", range(1, 3)) == b"two\nthree\n"
    assert look(b"four\n", b"one\ntwo\nthree\nfour\n", range(1, 3)) == b"two\nthree\nfour\n"


def test_a_line_that_is_gone_stays_seen_until_its_place_is_shown_without_it() -> None:
    seen, now = b"one\nforgotten\ntwo\nthree\n", b"one\ntwo\nthree\n"
    assert look(seen, now, range(2, 3)) == seen, "the agent was shown another place, and may still carry the line"
    assert look(seen, now, range(0, 2)) == now
    assert look(b"one\nold\ntwo\n", b"one\nnew\ntwo\n", range(1, 2)) == b"one\nnew\ntwo\n"


def test_ones_own_replacement_is_known_and_nothing_else_of_the_new_text() -> None:
    seen, text = b"one\ntwo\n", b"one\nof another\n2\n"
    assert carry(seen, b"two\n", b"2\n", text) == b"one\n2\n"
    assert carry(b"", b"two\n", b"2\n", text) == b"2\n"
    assert carry(seen, b"two\n", b"", b"one\nof another\n") == b"one\n"
    assert carry(seen, b"one\n", b"1\n", b"1\nof another\ntwo\n") == b"1\ntwo\n"
    assert carry(seen, b"one", b"1", b"1\nof another\ntwo\n") == b"1\ntwo\n"


def test_a_last_line_without_its_end_is_the_same_line() -> None:
    assert look(b"one\ntwo", b"one\ntwo\nthree\n", range(0)) == b"one\ntwo\n"


def test_what_all_of_several_texts_have_was_seen_whichever_was_shown() -> None:
    assert common([b"one\ntwo\n", b"one\nnew\ntwo\n"]) == {0, 2}
    assert common([b"one\n"]) == {0}


@given(TEXTS, LINES, st.integers(0, 8), st.integers(0, 8))
def test_nothing_is_seen_that_was_never_shown(seen: bytes, lines: list[bytes], first: int, size: int) -> None:
    shown = range(first, first + size)
    found = look(seen, b"".join(lines), shown).splitlines()
    allowed = seen.splitlines() + [line.rstrip(b"\n") for n, line in enumerate(lines) if n in shown]
    for line in set(found):
        assert found.count(line) <= allowed.count(line)
    for n, line in enumerate(lines):
        assert n not in shown or line.rstrip(b"\n") in found


@given(TEXTS, LINES)
def test_looking_at_every_line_is_looking_at_the_whole(seen: bytes, lines: list[bytes]) -> None:
    text = b"".join(lines)
    assert look(seen, text, range(len(lines))) == text or not text
