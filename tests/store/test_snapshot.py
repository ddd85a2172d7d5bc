"""Snapshots and segments: damage is never taken for an empty store, and everything can be built again."""

import hashlib
import os
import random
import shutil
import time
from pathlib import Path

import pytest

from memshim import Store
from memshim.errors import StoreUnusable
from memshim.store import compact, segment, snapshot
from memshim.text import record

TEXT = b"- one\n- two\n- three\n"


@pytest.fixture
def store(store_dir):
    with Store.open(store_dir, agent="ann") as opened:
        for text in ("one", "two", "three", "four"):
            opened.append(text)
            opened.compact()
        opened.forget(text="four")
        opened.compact()
        assert opened.read().data == TEXT
        yield opened


def only(store, folder):
    return max(Path(store.layout.path(folder)).iterdir(), key=lambda path: path.stat().st_size)


def head(store):
    (name,) = snapshot.heads(store.layout)
    return Path(store.layout.path("snapshots", name))


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path):
    os.truncate(path, path.stat().st_size - 10)


DAMAGE = {"flipped": flip, "cut": cut, "emptied": lambda path: path.write_bytes(b""), "missing": Path.unlink}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_snapshot_is_unusable_never_empty_and_repair_rebuilds_everything(store, store_dir, how):
    DAMAGE[how](head(store))
    with pytest.raises(StoreUnusable):
        store.read()
    with pytest.raises(StoreUnusable):
        store.publish()
    assert (store_dir / "MEMORY.md").read_bytes() == TEXT
    assert {(f.level, f.name) for f in store.check()[1]} == {("must", "snapshot")}
    done, left = store.check(repair=True)
    assert "Built the snapshot again" in done[0]
    assert left == []
    assert store.read().data == (store_dir / "MEMORY.md").read_bytes() == TEXT
    assert len(list(store.log())) == 5


def test_an_append_is_acknowledged_also_while_the_snapshot_is_damaged(store):
    flip(head(store))
    id_ = store.append("five")
    assert any("damaged" in note for note in store.notes)
    store.check(repair=True)
    assert next(store.log()).id == id_
    assert store.read().data == TEXT + b"- five\n"


def test_a_store_without_a_head_is_unusable_and_repair_rebuilds_everything(store, store_dir):
    for name in snapshot.heads(store.layout):
        os.unlink(store.layout.path("heads", name))
    with pytest.raises(StoreUnusable):
        store.read()
    assert [f.level for f in store.check()[1]] == ["must"]
    assert store.check(repair=True)[1] == []
    assert store.read().data == (store_dir / "MEMORY.md").read_bytes() == TEXT


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_segment_of_entries_is_reported_and_rebuilt(store, store_dir, how):
    DAMAGE[how](only(store, "entries"))
    assert {(f.level, f.name) for f in store.check()[1]} == {("must", "segment")}
    assert store.check(repair=True)[1] == []
    assert store.read().data == (store_dir / "MEMORY.md").read_bytes() == TEXT
    assert len(list(store.log())) == 5


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_segment_of_dead_blocks_is_reported(store, how):
    DAMAGE[how](only(store, "blocks"))
    assert {(f.level, f.name) for f in store.check()[1]} == {("must", "segment")}


def test_what_was_forgotten_stays_forgotten_through_a_rebuild(store):
    flip(head(store))
    store.check(repair=True)
    assert store.read().data == TEXT
    store.restore(next(e.id for e in store.log() if e.kind == "forget"))
    assert store.read().data == TEXT + b"- four\n"


EMPTY = {"entries": [], "cold": [], "hot": [], "docs": {}, "resolved": {}, "dropped": [], "headings": {}, "latest": "",
         "journals": {}}  # fmt: skip
ODD = [{}, {**EMPTY, "hot": 5}, {**EMPTY, "entries": [["../../../etc/passwd", 1, "", ""]]}, {**EMPTY, "cold": [7]}]


@pytest.mark.parametrize("meta", ODD, ids=str)
def test_a_snapshot_that_says_nothing_we_understand_is_unusable_never_empty(store, meta):
    data = record.encode({"kind": "snapshot", "v": 1, **meta})
    name = hashlib.sha256(data).hexdigest()[:32]
    Path(store.layout.path("snapshots", name)).write_bytes(data)
    os.rename(store.layout.path("heads", head(store).name), store.layout.path("heads", name))
    with pytest.raises(StoreUnusable, match="nothing that memshim understands"):
        store.read()
    assert store.check(repair=True)[1] == []
    assert store.read().data == TEXT


def test_a_head_that_names_nothing_is_unusable(store):
    Path(store.layout.path("heads", "0" * 32)).write_bytes(b"")
    with pytest.raises(StoreUnusable, match="missing"):
        snapshot.load(store.layout)


def test_a_head_that_goes_while_it_is_read_is_followed_by_the_new_one(store, monkeypatch):
    load, gone = snapshot._load, [True]

    def racing(layout):
        if gone and gone.pop():
            raise FileNotFoundError(2, "replaced just now", "head")
        return load(layout)

    monkeypatch.setattr(snapshot, "_load", racing)
    assert snapshot.load(store.layout).digests == snapshot.heads(store.layout)
    assert gone == []


def test_a_settlement_that_was_taken_back_stays_so_in_a_snapshot(store, store_dir):
    store.edit("two", "2")
    (store_dir / "MEMORY.md").write_bytes(TEXT.replace(b"two", b"zwei"))
    store.publish()
    (clash,) = store.conflicts()
    store.undo(store.resolve(clash.label, "both").id)
    assert [c.label for c in store.conflicts()] == [clash.label]
    shown = store.read().data
    store.compact()
    assert [c.label for c in store.conflicts()] == [clash.label]
    assert store.read().data == shown


def test_a_head_that_another_stands_for_alone_says_nothing_more(store, store_dir):
    """As when a redaction is stopped after its snapshot is there, and before the old one is gone."""
    (old,) = snapshot.heads(store.layout)
    text = head(store).read_bytes()
    with store.turn() as turn:
        compact.save(turn, alone=True)
    (new,) = snapshot.heads(store.layout)
    assert new != old
    Path(store.layout.path("snapshots", old)).write_bytes(text)
    Path(store.layout.path("heads", old)).write_bytes(b"")
    loaded = snapshot.load(store.layout)
    assert loaded.past.entries == snapshot._read(store.layout, new).past.entries
    assert sorted(loaded.digests) == sorted([old, new])
    assert loaded.journals


def test_a_block_that_died_many_times_comes_back_when_its_segments_have_become_one(store):
    for _ in range(2 * segment.FAN):
        forgotten = store.forget(text="one")
        store.compact()
        store.restore(forgotten.id)
        store.compact()
        assert store.read().data == TEXT
    assert store.check()[1] == []


def test_a_snapshot_is_named_by_its_bytes_so_doing_it_again_changes_nothing(store):
    before = head(store).name
    store.compact()
    assert head(store).name == before


def test_two_heads_are_united(store, store_dir, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(store_dir, copy)
    store.append("here")
    store.compact()
    with Store.open(copy, agent="bob") as other:
        other.append("there")
        other.forget(text="one")
        other.compact()
    for folder in ("entries", "blocks", "snapshots", "heads"):
        for path in (copy / ".memshim" / folder).iterdir():
            shutil.copy(path, store.layout.path(folder, path.name))
    assert len(snapshot.heads(store.layout)) == 2
    assert {(f.level, f.name) for f in store.check()[1]} >= {("note", "heads")}
    assert store.read().data == b"- two\n- three\n- here\n- there\n"
    store.append("after")
    store.compact()
    assert len(snapshot.heads(store.layout)) == 1
    assert store.read().data == b"- two\n- three\n- here\n- there\n- after\n"
    assert len(list(store.log())) == 9
    assert store.check()[1] == []


# --- segments -------------------------------------------------------------------------------------


@pytest.fixture
def shelf(store_dir):
    (store_dir / "tmp").mkdir()
    (store_dir / "entries").mkdir()
    return str(store_dir / "entries")


@pytest.mark.parametrize("count", [1, 2, 3, 8, 1000])
def test_every_key_is_found_and_no_other(shelf, seed, count):
    chance = random.Random(seed)
    keys = sorted({f"{chance.getrandbits(128):032x}" for _ in range(2 * count)})
    items = [(key, os.urandom(chance.randrange(50))) for key in keys[::2]]
    found = segment.Segment(shelf, segment.write(shelf, items))
    assert list(found.items()) == items
    assert (found.count, found.first, found.last) == (len(items), items[0][0], items[-1][0])
    assert all(found.find(key) == value for key, value in items)
    assert all(found.find(key) is None for key in [*keys[1::2], "0" * 32, "f" * 32])
    assert found.intact()
    assert found.position("0" * 32) == 0
    assert found.position("f" * 32) == len(items)


def test_records_come_backwards_in_the_order_of_their_rank(shelf, seed):
    chance = random.Random(seed)
    texts = [b"", b"- a\n", b"<!-- memshim 0 1\n", b"\n<!-- memshim \\\\ x", b"<!-- memshim " * 3, b"-->\n{}"]
    items = []
    for key in sorted(f"{chance.getrandbits(128):032x}" for _ in range(200)):
        words = [chance.choice(texts) for _ in range(chance.randrange(4))]
        items.append((key, record.encode({"time": f"{chance.randrange(50):016x}"}, words)))
    found = segment.Segment(shelf, segment.write(shelf, items, record.time_in))
    ranked = sorted(items, key=lambda item: (record.time_in(item[1]), item[0]))
    assert list(found.backwards()) == [data for _, data in reversed(ranked)]
    assert list(segment.Segment(shelf, segment.write(shelf, [])).backwards()) == []


def test_a_segment_written_twice_is_one_file(shelf):
    items = [("0" * 32, b"x")]
    assert segment.write(shelf, items) == segment.write(shelf, items)
    assert len(os.listdir(shelf)) == 1


def test_a_segment_that_is_cut_short_or_changed_is_told(shelf):
    name = segment.write(shelf, [("0" * 32, b"x" * 100)])
    path = Path(shelf, name)
    whole = path.read_bytes()
    path.write_bytes(b"y" + whole[1:])
    assert not segment.Segment(shelf, name).intact()
    for data in (b"", whole[:20], whole[:-1], whole + b"x"):
        path.write_bytes(data)
        with pytest.raises(StoreUnusable):
            segment.Segment(shelf, name)


def test_eight_segments_of_one_size_are_merged_and_seven_are_not():
    small = [(f"s{n}", 1 + n % 7) for n in range(8)]
    assert segment.plan_merges(small[:7]) == []
    assert segment.plan_merges(small) == [[f"s{n}" for n in range(8)]]
    larger = [(f"m{n}", 8 + n) for n in range(8)]
    assert segment.plan_merges(larger[:7] + small[:7]) == []
    assert segment.plan_merges(larger + small) == [[f"s{n}" for n in range(8)], [f"m{n}" for n in range(8)]]


def test_the_number_of_segments_stays_small(store_dir):
    with Store.open(store_dir) as store:
        for n in range(40):
            store.append(f"fact {n}", publish=False)
            store.compact()
        rows = snapshot.load(store.layout).past.entries
        assert len(rows) <= 12
        assert sum(count for _, count, *_ in rows) == 40
        assert len(list(store.log())) == 40


# --- clearing away --------------------------------------------------------------------------------


def test_what_no_head_has_named_for_an_hour_goes_and_the_rest_stays(store):
    loaded = snapshot.load(store.layout)
    places = [store.layout.path(folder, "f" * 32) for folder in ("snapshots", "entries", "blocks", "tmp")]
    version = store.layout.path("tmp", "publish.0123.x")
    for path in [*places, version]:
        Path(path).write_bytes(b"x")
    snapshot.clear_unnamed(store.layout, loaded, time.time())
    assert all(os.path.exists(path) for path in places)
    snapshot.clear_unnamed(store.layout, loaded, time.time() + snapshot.KEPT_S + 60)
    assert not any(os.path.exists(path) for path in places)
    assert os.path.exists(version)
    assert store.read().data == TEXT
    assert not [f for f in store.check()[1] if f.level != "note"]


def test_nothing_is_cleared_away_while_somebody_else_has_made_a_head(store):
    loaded = snapshot.load(store.layout)
    stray = Path(store.layout.path("entries", "f" * 32))
    stray.write_bytes(b"x")
    Path(store.layout.path("heads", "0" * 32)).write_bytes(b"")
    assert snapshot.clear_unnamed(store.layout, loaded, time.time() + 2 * snapshot.KEPT_S) == 0
    assert stray.exists()


def test_folded_entries_are_told_newest_first_whatever_their_ids(store):
    """A call of an agent's tool has an id that says nothing of its time."""
    before = len(list(store.log()))
    for n in range(30):
        with store.turn() as turn:
            turn.record(
                "write", "bob", [{"op": "resolve", "settles": []}], id=hashlib.sha256(b"%d" % n).hexdigest()[:32]
            )
            if n % 7 == 0:
                compact.save(turn)
    store.compact()
    times = [e.time for e in store.log()]
    assert len(times) == before + 30
    assert times == sorted(times, reverse=True)
    assert [t for t, *_ in store.memory().heads()] == times
    everything = list(store.log())
    assert all(store.memory().entry(e.id) == e for e in everything)
