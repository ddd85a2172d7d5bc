import difflib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memshim.text.diff import matching

LETTERS = st.lists(st.sampled_from("abcd\n"), max_size=30)


def kept(runs: list[tuple[int, int, int]]) -> int:
    return sum(n for _, _, n in runs)


@given(LETTERS, LETTERS)
def test_runs_are_equal_rise_and_are_maximal(a: list[str], b: list[str]) -> None:
    i = j = 0
    for first, (x, y, n) in enumerate(runs := matching(a, b)):
        assert n > 0
        assert x >= i
        assert y >= j
        assert first == 0 or (x, y) != (i, j)
        assert a[x : x + n] == b[y : y + n]
        i, j = x + n, y + n
    assert bool(runs) == bool(set(a) & set(b))


@given(LETTERS)
def test_equal_sequences_match_whole(a: list[str]) -> None:
    assert matching(a, a) == ([(0, 0, len(a))] if a else [])


def test_unique_items_lead_and_blank_ones_do_not() -> None:
    a = ["x", "", "", "", "- one", "z"]
    b = ["w", "- one", "", "", "", "y"]
    assert matching(a, b) == [(4, 1, 1)]


def test_rare_items_lead_where_none_is_unique() -> None:
    a = list("..a..a..")
    b = list("a.....a.")
    pairs = {(i + k, j + k) for i, j, n in matching(a, b) for k in range(n)}
    assert {(2, 0), (5, 6)} <= pairs


def test_the_heavier_match_wins() -> None:
    assert matching(["heading", "s"], ["s", "heading"], len) == [(0, 1, 1)]
    assert matching(["x", "s", "heading"], ["heading", "s", "y"], len) == [(2, 0, 1)]


def test_some_items_never_lead() -> None:
    def leads(item: str) -> bool:
        return item != "-"

    assert matching(["a", "-", "b"], ["c", "-", "d"], leads=leads) == []
    assert matching(["a", "-", "same"], ["c", "-", "same"], leads=leads) == [(1, 1, 2)]


def test_an_insertion_costs_no_match() -> None:
    a = [f"line {n}" for n in range(50)]
    b = [*a[:20], "new", "new", *a[20:]]
    assert matching(a, b) == [(0, 0, 20), (20, 22, 30)]


def test_is_about_as_long_as_difflib_on_text() -> None:
    a = [f"line {n * n % 17}" for n in range(200)]
    b = [line for n, line in enumerate(a) if n % 7] + ["tail"]
    other = difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    assert kept(matching(a, b)) >= 0.8 * sum(m.size for m in other)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (["same"] * 10_000, ["same"] * 9_000),
        (["x", *["same"] * 10_000, "y"], ["z", *["same"] * 9_000, "w"]),
        ([f"a{n}" for n in range(10_000)], [f"b{n}" for n in range(10_000)]),
        ([f"{n % 2}" for n in range(10_000)], [f"{n % 3}" for n in range(10_000)]),
        ([f"{n}" for n in range(10_000)], [f"{n}" for n in reversed(range(10_000))]),
        ([f"{n * n % 101}" for n in range(10_000)], [f"{n * n * n % 101}" for n in range(10_000)]),
    ],
    ids=["equal", "equal-inside", "different", "two-letters", "reversed", "many-letters"],
)
def test_takes_no_quadratic_time(a: list[str], b: list[str]) -> None:
    begun = time.process_time()
    matching(a, b)
    assert time.process_time() - begun < 1.5
