"""Which revision had the writer of a text seen?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memshim.text.origin import _differing, from_nothing, nearest

LINES = st.lists(st.sampled_from([b"- a b\n", b"- c d e\n", b"- f\n", b"\n", b"# H\n", b"- a b c d\n"]), max_size=6)
TEXTS = LINES.map(b"".join)
START = b"# M\n\n- fact one\n- fact two\n"


@given(TEXTS, TEXTS)
def test_what_differs_is_the_other_way_round_from_the_other_side_and_nothing_for_the_same_lines_in_any_order(one, two):
    assert _differing(one, two) == {line: -more for line, more in _differing(two, one).items()}
    assert not _differing(one, b"".join(reversed(one.splitlines(keepends=True))))
    assert not _differing(one, one.rstrip(b"\n"))
    assert not _differing(one, one + b"\n\n")


@given(st.lists(TEXTS, min_size=1, max_size=4), st.booleans())
def test_a_text_that_is_a_revision_was_made_from_one_with_its_lines(revisions, sure):
    for text in revisions:
        at = nearest(text, revisions, sure)
        assert at == 0 if sure else not _differing(text, revisions[at])  # with time, an old text is a revert


@pytest.mark.parametrize("sure", [False, True])
def test_an_old_copy_with_a_line_more_was_made_from_the_old_revision(sure):
    newest = START + b"- three\n- four\n"
    assert nearest(START + b"- mine\n", [newest, START], sure) == 1
    assert nearest(newest + b"- mine\n", [newest, START], sure) == 0


def test_who_deletes_a_line_that_an_edit_made_longer_had_seen_the_edit():
    newest = START.replace(b"fact two", b"fact two with many more words than before")
    assert nearest(b"# M\n\n- fact one\n", [newest, START], True) == 0


def test_of_equally_near_ones_it_is_the_newest_only_if_the_writer_had_time_to_see_it():
    one, two, three = (START + b"- %s\n" % w for w in (b"one", b"two", b"three"))
    assert nearest(START, [three, two, one], True) == 0
    assert nearest(START, [three, two, one], False) == 1
    newest = three + b"- four\n- five\n"  # which is not one of them
    assert nearest(START, [newest, three, two, one], True) == 1
    assert nearest(START, [newest, three, two, one], False) == 2


def test_whoever_deletes_most_of_a_text_is_known_by_the_lines_that_they_kept():
    old = b"# M\n- one\n"
    new = old + b"".join(b"- %d\n" % n for n in range(30))
    assert nearest(old + b"- 1\n- 2\n- 3\n", [new, old], False) == 0
    assert nearest(old + b"- mine\n- 2\n", [new, old], False) == 1  # noted twice by two writers: no proof
    assert nearest(old + b"- mine\n- a\n- b\n- c\n- 1\n- 2\n- 3\n", [new, old], False) == 1


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        (b"# Notes\n\n- the tests run with make\n", True),
        (b"# Memory\n\n- use make\n", True),
        (b"# Memory\n\n- the package manager is uv\n", False),
        (b"- one more\n- with make and gcc\n- ruff\n", False),
        (b"- ruff\n", False),
        (b"# Memory\n", False),
        (b"", False),
    ],
)
def test_who_shares_no_line_and_no_more_words_than_not_may_have_known_of_no_text(text, alone):
    assert from_nothing(text, b"# Memory\n\n- the package manager is pip\n- ruff\n") == alone
