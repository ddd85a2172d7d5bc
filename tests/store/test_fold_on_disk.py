"""The laws of the fold with real snapshots, segments and journals between the entries, instead of a past in memory."""

import contextlib
import os
import random
import tempfile
from unittest import mock

from hypothesis import example, given
from hypothesis import strategies as st
from scenes import Scene, fold, steps, told

from memshim.disk.layout import Layout
from memshim.store import check, compact, create, segment, snapshot
from memshim.store.journal import Journal
from memshim.store.memory import Memory
from memshim.store.turn import open_turn
from memshim.text import record
from memshim.text.entry import to_record

SEEDS = st.integers(0, 2**32 - 1)
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
MANY = [("append", n % 3, n % 4, n % 3, n % 12) for n in range(40)]
"""So many entries that segments are merged with the real sizes too."""


@contextlib.contextmanager
def new_store(fan=2):
    """An empty store in memory, whose segments are merged as soon as there are `fan` of one size."""
    with (
        tempfile.TemporaryDirectory(dir=MEMORY) as folder,
        mock.patch.object(segment, "FAN", fan),
        mock.patch("os.fsync"),
        mock.patch("memshim.store.registry.register"),
    ):
        layout = Layout(folder)
        create.create(layout)
        yield layout


def batches(entries, chance, again=()):
    """Splits entries in any order; some that were there before come again."""
    mixed = chance.sample(entries, len(entries))
    while mixed:
        count = chance.randint(1, 4)
        batch, mixed = mixed[:count], mixed[count:]
        known = [*again, *(e for e in entries if e not in mixed)]
        yield batch + chance.sample(known, chance.randint(0, 2) if len(known) > 2 else 0)


def take(layout, loaded, batch):
    """Folds entries onto a loaded snapshot and makes a new one of it."""
    new = loaded.state.apply(batch, loaded.past)
    snapshot.save(layout, loaded, new, loaded.state.freeze())


def verify(layout, entries, loaded=None):
    loaded = loaded or snapshot.load(layout)
    assert told(loaded.state) == told(fold(entries))
    for entry in entries:
        kept = loaded.past.entry(entry.id)
        assert kept is not None
        assert loaded.past.folded(entry.id)
        assert record.encode(*to_record(kept)) == record.encode(*to_record(entry))
    assert not loaded.past.folded("0" * 32)
    assert sum(row[1] for row in loaded.past.entries) == len(entries)  # each once, however often it came


@given(steps(), SEEDS)
@example(MANY, 1)
def test_any_order_split_and_repetition_over_snapshots_come_to_the_same(script, seed):
    entries = Scene(script).entries
    chance = random.Random(seed)
    with new_store(fan=chance.choice([2, 3, 8])) as layout:
        for batch in batches(entries, chance):
            take(layout, snapshot.load(layout), batch)
        verify(layout, entries)
        loaded = snapshot.load(layout)
        assert loaded.state.apply(entries, loaded.past) == []  # all of it once more, however late
        assert loaded.state.freeze() == []
        snapshot.save(layout, loaded, [], [])
        verify(layout, entries)


@given(steps(), SEEDS)
def test_a_snapshot_on_disk_and_the_rest_are_the_same_as_all_at_once(script, seed):
    entries = Scene(script).entries
    chance = random.Random(seed)
    early = [e for e in entries if chance.random() < 0.6]
    with new_store() as layout:
        for batch in batches(early, chance):
            take(layout, snapshot.load(layout), batch)
        loaded = snapshot.load(layout)
        for batch in batches([e for e in entries if e not in early], chance, early):
            loaded.state.apply(batch, loaded.past)
        assert told(loaded.state) == told(fold(entries))


@given(steps(), SEEDS)
def test_two_heads_on_disk_united_and_the_rest_are_the_same_as_all_at_once(script, seed):
    entries = Scene(script).entries
    chance = random.Random(seed)
    base, one, two = ([e for e in entries if chance.random() < 0.5] for _ in range(3))
    with new_store() as layout:
        take(layout, snapshot.load(layout), base)
        here, there = snapshot.load(layout), snapshot.load(layout)  # two compactors that do not see each other
        for batch in batches(one, chance):
            take(layout, here, batch)
        for batch in batches(two, chance):
            take(layout, there, batch)
        if {*one} - {*base, *two} and {*two} - {*base, *one}:
            assert sorted(snapshot.heads(layout)) == sorted([*here.digests, *there.digests])
        known = list(dict.fromkeys(base + one + two))
        both = snapshot.load(layout)
        assert told(both.state) == told(fold(known))
        take(layout, both, [])
        assert len(snapshot.heads(layout)) == 1
        for batch in batches([e for e in entries if e not in known], chance, known):
            take(layout, snapshot.load(layout), batch)
        loaded = snapshot.load(layout)
        assert told(loaded.state) == told(fold(entries))
        assert all(loaded.past.entry(e.id) is not None for e in entries)


@given(steps(), SEEDS)
def test_entries_in_real_journals_between_real_compactions_come_to_the_same(script, seed):
    entries = Scene(script).entries
    chance = random.Random(seed)
    with new_store() as layout:
        for n, batch in enumerate(batches(entries, chance)):
            for entry in batch:
                journal = Journal(layout, f"{entry.agent}{chance.randint(0, 1)}", "00000000")
                journal.append(entry)
                journal.close()
            if n % 2:
                assert told(Memory(layout).state) == told(fold(Memory(layout).entries()))
            if chance.random() < 0.5:
                compact.save(open_turn(layout))
        assert told(Memory(layout).state) == told(fold(entries))
        compact.save(open_turn(layout))
        verify(layout, entries)
        assert sorted(e.id for e in Memory(layout).entries()) == sorted(e.id for e in entries)
        assert [f.text for f in check.check(layout) if f.level != "note"] == []
