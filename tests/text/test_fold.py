"""The laws of the fold: a pure function of the set of entries, whatever the order, the split, the lateness."""

import random

from hypothesis import given
from hypothesis import strategies as st
from scenes import Past, Scene, fold, steps, told

from memshim.text.entry import block_id
from memshim.text.fold import State
from memshim.text.view import view

SEEDS = st.integers(0, 2**32 - 1)


@given(steps(), SEEDS)
def test_the_order_in_which_entries_arrive_does_not_matter(script, seed):
    entries = Scene(script).entries
    mixed = random.Random(seed).sample(entries, len(entries))
    assert told(fold(mixed)) == told(fold(entries))


@given(steps(), SEEDS)
def test_entries_that_arrive_one_by_one_or_again_give_the_same(script, seed):
    entries = Scene(script).entries
    chance = random.Random(seed)
    state, past = State(), Past()
    for entry in chance.sample(entries, len(entries)):
        state.apply([entry], past)
        state.apply([chance.choice(entries), entry], past)
    state.apply(entries + entries, past)
    assert told(state) == told(fold(entries))


def frozen_along(entries, chance):
    """Folds with a snapshot after every few entries, some of which come again later."""
    state, past = State(), Past()
    mixed = chance.sample(entries, len(entries))
    while mixed:
        count = chance.randint(1, 4)
        batch, mixed = mixed[:count], mixed[count:]
        again = chance.sample(entries, chance.randint(0, 1)) if chance.random() < 0.3 else []
        new = state.apply(batch + [e for e in again if e not in mixed], past)
        past.keep(new, state.freeze())
    return state, past


@given(steps(), SEEDS)
def test_a_snapshot_and_the_rest_are_the_same_as_all_at_once(script, seed):
    entries = Scene(script).entries
    state, _ = frozen_along(entries, random.Random(seed))
    assert told(state) == told(fold(entries))


@given(steps(), SEEDS)
def test_two_heads_united_and_the_rest_are_the_same_as_all_at_once(script, seed):
    entries = Scene(script).entries
    chance = random.Random(seed)
    one = [e for e in entries if chance.random() < 0.6]
    two = [e for e in entries if chance.random() < 0.6]
    (state, past), (other, other_past) = frozen_along(one, chance), frozen_along(two, chance)
    past.add(other_past)
    state.unite(other, past)
    assert told(state) == told(fold(dict.fromkeys(one + two)))
    past.keep(state.apply(entries, past), state.freeze())
    assert told(state) == told(fold(entries))


def test_equal_lines_of_which_one_was_told_twice_are_shown_alike_in_any_order():
    scene = Scene([], {"MEMORY.md": b"# M\n"})
    told_once = {"op": "add", "doc": "MEMORY.md", "at": "m000.ann", "kinds": "b", "blocks": [b"- x\n"]}
    scene._say("ann", "adopt", [told_once])
    again = {**told_once, "ids": [block_id(scene.entries[-1].id, 0)]}
    scene._say("bob", "edit", [{**told_once, "at": "m000.bob"}, again])
    assert told(fold(scene.entries)) == told(fold(scene.entries[::-1]))


def test_of_a_call_that_was_taken_in_twice_the_earlier_copy_counts_whichever_comes_first():
    """Its id comes from the call; where no lock held, two made an entry of it, each of the view that it had."""
    scene = Scene([("append", 0, 0, 0, 0), ("append", 0, 0, 0, 1), ("append", 1, 0, 0, 2)])
    first, early, late, other = scene.entries
    late.id, late.ops[0]["blocks"] = early.id, [b"- as seen later\n"]
    late.time = f"{int(early.time, 16) + 1:016x}"
    wanted = told(fold([first, early, other]))
    for entries in ([first, early, late, other], [late, first, other, early]):
        assert told(fold(entries)) == wanted


def test_what_a_dropped_entry_said_stays_away_however_often_its_block_is_frozen():
    """Each time it dies, what is known of a block goes behind the others' facts about it, which still hold what was dropped."""
    scene = Scene([], {"MEMORY.md": b"- x\n- y\n"})
    block = block_id(scene.entries[0].id, 0)
    remove = {"op": "remove", "doc": "MEMORY.md", "targets": [block]}
    scene._say("ann", "adopt", [remove])
    scene._say("bob", "write", [{"op": "resolve", "settles": []}], replaces=(scene.entries[-1].id,))
    for _ in range(2):
        scene._say("ann", "forget", [remove])
        scene._say("ann", "restore", [{**remove, "op": "restore", "undoes": [scene.entries[-1].id]}])
    state, past = State(), Past()
    for n, entry in enumerate(scene.entries):
        past.keep(state.apply([entry], past), state.freeze())
        assert told(state) == told(fold(scene.entries[: n + 1]))
    assert state.facts[block].alive()


def test_a_heading_that_was_renamed_twice_in_the_other_head_is_followed():
    script = [*(("change", 0, 0, "rename", 1, n) for n in (1, 2)), ("append", 1, 0, 1, 0)]
    first, once, twice, late = Scene(script).entries
    (state, past), (other, other_past) = (State(), Past()), (State(), Past())
    past.keep(state.apply([late], past), state.freeze())
    other_past.keep(other.apply([first, once, twice], other_past), other.freeze())
    past.add(other_past)
    state.unite(other, past)
    assert told(state) == told(fold([first, once, twice, late]))
    assert b"## Rules" not in view(state, "MEMORY.md").text
