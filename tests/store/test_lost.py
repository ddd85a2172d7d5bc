"""Lost updates: what a writer wiped out unseen comes back, is listed, and is not fought over."""

import os
import time

import pytest

from memshim import Store
from memshim.store import lost

START = b"# M\n\n- one\n- two\n"


@pytest.fixture
def store(store_dir):
    (store_dir / "MEMORY.md").write_bytes(START)
    with Store.open(store_dir, agent="ann") as opened:
        opened.init()
        yield opened


@pytest.fixture
def later(monkeypatch):
    """Makes the clock run ahead by so many seconds, for memshim and for the files that this test writes."""
    now, now_ns, ahead = time.time, time.time_ns, [0.0]
    monkeypatch.setattr(time, "time", lambda: now() + ahead[0])
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + int(ahead[0] * 1e9))

    def wait(seconds):
        ahead[0] += seconds

    return wait


def put(store, data):
    """Writes as others do: a temporary file, renamed over the document."""
    path = store.layout.document("MEMORY.md")
    with open(path + ".tmp", "wb") as file:
        file.write(data)
    os.utime(path + ".tmp", (time.time(), time.time()))
    os.rename(path + ".tmp", path)


def listed(store):
    return [(item.text, item.agent, item.by, item.state) for item in lost.listed(store.memory())]


def test_a_note_that_was_overwritten_unseen_comes_back_and_is_listed(store):
    store.append("- three")
    put(store, START + b"- mine\n")
    store.publish()
    assert set(store.read().data.split(b"\n")) >= {b"- three", b"- mine"}
    assert listed(store) == [(b"- three", "ann", "external", "restored")]
    assert "memshim lost" in " ".join(store.notes) or store.publish()


def test_an_old_copy_that_is_put_back_at_once_is_listed_too_and_once(store):
    store.append("- three")
    put(store, START)
    store.read()
    store.publish()
    assert store.read().data == START + b"- three\n"
    assert listed(store) == [(b"- three", "ann", "external", "restored")]


def test_a_deletion_by_a_writer_who_had_read_the_newest_text_is_no_lost_update(store):
    store.append("- three")
    put(store, START)
    store.publish()
    put(store, b"# M\n\n- two\n- three\n")
    store.publish()
    assert store.read().data == b"# M\n\n- two\n- three\n"
    assert [text for text, *_ in listed(store)] == [b"- three"]


def test_a_note_that_was_never_on_disk_was_not_overwritten(store):
    store.append("- three", publish=False)
    put(store, START + b"- mine\n")
    store.publish()
    assert listed(store) == []


def test_a_version_that_a_publish_displaces_has_overwritten_nothing(store, monkeypatch):
    from memshim.store import publish

    real, once = publish._swap, []

    def swap(aside, path, expected):
        if not once:
            once.append(put(store, START + b"- mine\n"))
        return real(aside, path, expected)

    monkeypatch.setattr(publish, "_swap", swap)
    store.append("- three")
    assert once
    assert set(store.read().data.split(b"\n")) >= {b"- three", b"- mine"}
    assert listed(store) == []


def test_what_clashes_is_listed_as_a_conflict_until_it_is_settled(store):
    store.edit("- two", "- TWO")
    put(store, START.replace(b"two", b"zwei"))
    store.publish()
    assert listed(store) == [(b"- TWO\n", "ann", "external", "conflict")]
    store.resolve(store.conflicts()[0].label, "ours")
    assert listed(store)[0][3] == "restored"


def test_what_is_forgotten_after_it_came_back_is_listed_as_removed(store):
    store.append("- three")
    put(store, START + b"- mine\n")
    store.publish()
    store.forget(text="three")
    assert [state for *_, state in listed(store)] == ["removed"]


def test_a_block_comes_back_once_and_overwritten_again_it_stays_removed_but_can_be_restored(store, later):
    store.append("- three")
    put(store, START + b"- mine 1\n")
    store.publish()
    later(60)
    put(store, START + b"- mine 1\n- mine 2\n")
    store.publish()
    lines = store.read().data.split(b"\n")
    assert b"- three" not in lines
    assert b"- mine 2" in lines
    assert [state for *_, state in listed(store)] == ["again", "restored" if b"- three" in lines else "removed"]
    block = next(lost.listed(store.memory())).block
    store.restore(block)
    assert b"- three" in store.read().data.split(b"\n")


def test_within_a_race_a_block_comes_back_as_often_as_it_is_overwritten(store):
    store.append("- three")
    for n in range(4):
        put(store, START + b"".join(b"- mine %d\n" % k for k in range(n + 1)))
        store.publish()
        assert b"- three" in store.read().data.split(b"\n"), n


def test_within_a_race_it_comes_back_also_when_memshim_looks_much_later(store, later):
    store.append("- three")
    for n in range(2):
        put(store, START + b"- mine 0\n- mine 1\n"[: 9 * (n + 1)])  # at once after the publish before
        later(120 * n)
        store.publish()
    assert b"- three\n" in store.read().data
    assert [state for *_, state in listed(store)] == ["restored"] * 2


def test_a_program_that_never_reads_wins_after_five_restorations_and_all_of_it_is_told(store, later):
    """Each time somebody adds a note, and the program writes its own copy over it."""
    mine = START
    for n in range(lost.PATTERN + 3):
        store.append(f"- note {n}")
        later(30)
        mine += b"- tick %d\n" % n
        put(store, mine)
        store.publish()
    lines = store.read().text.splitlines()
    assert all(f"- tick {n}" in lines for n in range(lost.PATTERN + 3))
    assert f"- note {lost.PATTERN + 2}" not in lines
    states = {text.strip(): state for text, _, _, state in reversed(listed(store))}
    assert states[b"- note %d" % (lost.PATTERN + 2)] == "pattern"
    assert len([1 for *_, state in listed(store) if state == "pattern"]) >= 2


def test_the_same_old_copy_put_back_every_few_seconds_wins_in_the_end(store, later):
    store.append("- three")
    rounds = 0
    while b"- three" in store.read().data:
        later(3)
        put(store, START)
        store.publish()
        rounds += 1
        assert rounds < 10
    assert 2 <= rounds <= lost.PATTERN + 1
    assert listed(store)[0][3] in ("again", "pattern")


def test_a_writer_who_removes_most_of_a_document_is_reported(store_dir, later):
    (store_dir / "MEMORY.md").write_bytes(b"# M\n\n" + b"".join(b"- fact %d\n" % n for n in range(12)))
    store = Store.open(store_dir)
    store.init()
    later(60)
    put(store, b"# M\n\n- fact 1\n")
    store.publish()
    entry = next(iter(store.log()))
    assert entry.extra["mass"] == [11, 13]
    assert store.read().data == b"# M\n\n- fact 1\n"
    store.restore(entry.id)
    assert store.read().data.count(b"- fact") == 12


def test_that_a_block_came_back_survives_a_snapshot(store, later):
    store.append("- three")
    put(store, START + b"- mine 1\n")
    store.publish()
    store.compact()
    later(60)
    put(store, START + b"- mine 1\n- mine 2\n")
    store.publish()
    assert b"- three" not in store.read().data.split(b"\n")
    assert store.check()[1] == []
