"""Keys: strict order, room between any two, runs that are not interleaved, and keys that stay short."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memshim.text.position import between, key

INSERTS = st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 4), st.integers(0, 3)), max_size=40)


def insert(keys, at, count, tag):
    left = keys[at - 1] if at else None
    right = keys[at] if at < len(keys) else None
    stem = between(left, right, tag)
    keys[at:at] = [key(stem, n) for n in range(count)]


@given(INSERTS)
def test_any_sequence_of_inserts_keeps_the_order_strict(inserts):
    keys = []
    for n, (place, count, who) in enumerate(inserts):
        insert(keys, place % (len(keys) + 1), count, f"{n:04x}{who}")
        assert all(one < two for one, two in pairwise(keys)), keys


@given(INSERTS)
def test_what_two_writers_insert_apart_is_ordered_alike_when_it_comes_together(inserts):
    """Each inserts into its own copy; together all keys are distinct and each writer's order stands."""
    start = [key(between(None, None, "0"), n) for n in range(4)]
    mine = {0: list(start), 1: list(start)}
    for n, (place, count, who) in enumerate(inserts):
        keys = mine[who % 2]
        insert(keys, place % (len(keys) + 1), count, f"{n:04x}{who % 2}")
    together = sorted({*mine[0], *mine[1]})
    assert len(together) == len(mine[0]) + len(mine[1]) - len(start)
    for keys in mine.values():
        assert [k for k in together if k in set(keys)] == keys


@given(INSERTS, st.integers(0, 1000), st.integers(1, 5), st.integers(1, 5))
def test_runs_that_two_writers_insert_at_one_place_are_not_interleaved(inserts, place, one, two):
    keys = []
    for n, (at, count, who) in enumerate(inserts):
        insert(keys, at % (len(keys) + 1), count, f"{n:04x}{who}")
    at = place % (len(keys) + 1)
    ann, bob = list(keys), list(keys)
    insert(ann, at, one, "fffa")
    insert(bob, at, two, "fffb")
    new = sorted(set(ann + bob) - set(keys))
    writers = ["a" if k in ann else "b" for k in new]
    assert writers in (["a"] * one + ["b"] * two, ["b"] * two + ["a"] * one)
    assert sorted(keys + new)[at : at + len(new)] == new


@pytest.mark.parametrize(
    ("series", "longest"),
    [("append at the end", 20), ("prepend at the start", 20), ("always before one", 26), ("always after one", 26),
     ("after the last one inserted in the middle", 26)],
)  # fmt: skip
def test_keys_stay_short_in_a_series_of_inserts_at_one_place(series, longest):
    start = [key(between(None, None, "00000000"), n) for n in range(3)]
    start += [key(between(start[-1], None, "00000001"), n) for n in range(3)]
    keys, at = list(start), 3
    for n in range(5000):
        tag = f"{n + 2:08x}"
        left, right = {
            "append at the end": (keys[-1], None),
            "prepend at the start": (None, keys[0]),
            "always before one": (keys[at - 1], start[3]),
            "always after one": (start[2], keys[3]),
            "after the last one inserted in the middle": (keys[at - 1], keys[at]),
        }[series]
        new = key(between(left, right, tag), 0)
        assert (left or "") < new < (right or "~")
        if series == "prepend at the start":
            keys.insert(0, new)
        elif series == "append at the end":
            keys.append(new)
        else:
            keys.insert(3 if series == "always after one" else at, new)
            at += 1
    assert keys == sorted(set(keys))
    assert max(map(len, keys)) <= longest


def test_a_run_of_many_keeps_its_order_and_room_between_its_blocks():
    stem = between(None, None, "a")
    many = [key(stem, n) for n in (0, 1, 35, 36, 1295, 1296, 46655, 46656, 36**4 - 1)]
    assert many == sorted(many)
    for one, two in pairwise(many):
        assert one < key(between(one, two, "b"), 0) < two


BACKWARDS = [
    ("i001.a.0000", "i000.b.0000"),
    ("i000.a.0000", "i000.a.0000"),
    ("i001.a.0000", "i000.b.0000/i000.c.0000"),
    ("i000.a.0000/i000.b.0000", "i000.a.0000"),
]


@pytest.mark.parametrize("bounds", BACKWARDS)
def test_bounds_in_the_wrong_order_never_hang(bounds):
    assert isinstance(between(*bounds, "t"), str)
