"""Journals: what was acknowledged survives whatever is done to the readable names, and damage is told."""

import os
import re
import shutil
import time
from pathlib import Path

import pytest

from memshim import Store
from memshim.errors import StoreUnusable
from memshim.store.journal import Journal, read_tails
from memshim.text import record
from memshim.text.entry import Entry, to_record

pytest_plugins = ["journal_fixtures"]

DAY = 24 * 3600
Y2099 = 4_070_908_800 * 10**9


@pytest.fixture
def shown(store):
    return Path(store.layout.memory, "ann.md")


@pytest.fixture
def clock(monkeypatch):
    """Sets the clock, in nanoseconds."""
    now = [time.time_ns()]
    monkeypatch.setattr(time, "time_ns", lambda: now[0])
    return now


def again(store, text, **options):
    with Store.open(store.layout.root, agent=store.agent) as other:
        return other.append(text, **options)


def frame(journal, entry):
    """An entry's bytes as the journal would write them."""
    entry.time = entry.time or f"{time.time_ns() // 1_000_000 << 16:016x}"
    entry.id = entry.id or f"{entry.time}{journal.replica}{os.urandom(4).hex()}"
    return record.encode(*to_record(entry))


def findings(store):
    return {(f.level, f.name) for f in store.check()[1]}


def exit_code_of_check(run_memshim, store):
    return run_memshim("check", "--store", store.layout.root).returncode


def test_a_journal_begins_with_a_record_that_says_whose_it_is(store, registered):
    first = next(record.scan(registered.read_bytes()))
    assert first.start == 0
    assert (first.meta["kind"], first.meta["agent"], first.meta["session"]) == ("journal", "ann", "s-1")
    assert re.fullmatch("[0-9a-f]{16}", first.meta["journal"])
    assert b"# Journal of ann" in first.texts[0]


def test_a_journal_has_two_names_and_is_private(store, registered, shown):
    assert registered.samefile(shown)
    assert registered.stat().st_nlink == 2
    assert registered.stat().st_mode & 0o777 == 0o600
    assert os.listdir(store.layout.path("tmp")) == [] or all(
        n.startswith("publish.") for n in os.listdir(store.layout.path("tmp"))
    )


def test_removing_the_readable_name_loses_nothing_and_the_next_append_links_it_again(store, registered, shown):
    shown.unlink()
    assert findings(store) == {("note", "journal-hidden")}
    assert store.read().data == b"- one\n"
    again(store, "two")
    assert registered.samefile(shown)
    assert store.read().data == b"- one\n- two\n"
    assert findings(store) == set()


def test_a_journal_that_is_open_gets_its_readable_name_back_with_the_next_append(store, registered, shown):
    shown.unlink()
    store.append("two", publish=False)
    assert registered.samefile(shown)


def test_ids_differ_however_fast_and_from_however_many_handles_they_are_made(store, clock):
    ids = [store.append(f"fact {n}", publish=False) for n in range(50)]
    ids += [again(store, f"other {n}", publish=False) for n in range(50)]
    assert len(set(ids)) == 100
    assert len({id_[24:] for id_ in ids}) == 100  # the clock stands still, yet the last digits alone tell them apart
    assert sorted(e.id for e in store.log() if e.id in ids) == sorted(ids)


def test_removing_the_whole_memory_folder_loses_nothing(store, registered, shown):
    shown.unlink()
    shown.parent.rmdir()
    again(store, "two")
    assert registered.samefile(shown)
    assert store.read().data == b"- one\n- two\n"


def test_repair_links_the_readable_name_again(store, registered, shown):
    shown.unlink()
    done, left = store.check(repair=True)
    assert len(done) == 1
    assert left == []
    assert registered.samefile(shown)


def test_replacing_the_readable_name_by_rename_loses_nothing_and_is_reported(
    store, registered, shown, tmp_path, run_memshim
):
    copy = tmp_path / "copy"
    copy.write_bytes(shown.read_bytes())
    copy.chmod(0o600)
    copy.rename(shown)
    again(store, "two")
    assert store.read().data == b"- one\n- two\n"
    assert findings(store) == {("should", "journal-replaced")}
    assert exit_code_of_check(run_memshim, store) == 13
    assert store.check(repair=True)[1] == []
    assert registered.samefile(shown)
    assert store.read().data == b"- one\n- two\n"


def test_a_file_of_ones_own_under_the_readable_name_is_left_alone(store, shown):
    shown.unlink()
    shown.write_bytes(b"my own notes\n")
    again(store, "two")
    assert findings(store) == {("note", "name-taken")}
    store.check(repair=True)
    assert shown.read_bytes() == b"my own notes\n"
    assert store.read().data == b"- one\n- two\n"


@pytest.mark.parametrize("kind", ["file", "link", "closed folder", "link that leads nowhere"])
def test_an_append_is_acknowledged_whatever_is_in_the_place_of_the_readable_names(store_dir, tmp_path, kind):
    place, outside = store_dir / "memory", tmp_path / "outside"
    outside.mkdir()
    if kind == "file":
        place.write_bytes(b"my own notes\n")
    elif kind == "link":
        place.symlink_to(outside)
    elif kind == "closed folder":
        place.mkdir(mode=0o500)
    else:
        place.mkdir()
        (place / "ann.md").symlink_to("/nowhere/at/all")
    with Store.open(store_dir, agent="ann") as store:
        ids = [store.append("one"), store.append("two")]
        assert [e.id for e in store.log()][::-1][-2:] == ids
        assert store.read().data == b"- one\n- two\n"
        if kind != "closed folder":
            assert findings(store) == {("note", "name-taken")}
        assert store.check(repair=True)[1] == [] or kind != "closed folder"
    assert os.listdir(outside) == []
    assert kind != "file" or place.read_bytes() == b"my own notes\n"


def test_a_journal_truncated_in_place_after_folding_shows_the_same_and_is_reported(store, registered, run_memshim):
    store.append("two")
    store.compact()
    os.truncate(registered, registered.stat().st_size - 40)
    assert store.read().data == b"- one\n- two\n"
    assert ("should", "journal-cut") in findings(store)
    assert exit_code_of_check(run_memshim, store) == 13
    again(store, "three")
    store.compact()
    assert store.read().data == b"- one\n- two\n- three\n"


def test_a_journal_edited_by_hand_after_folding_shows_the_same_and_is_reported(store, registered, run_memshim):
    store.append("two")
    store.compact()
    registered.write_bytes(registered.read_bytes().replace(b"- two", b"- 2!!"))
    assert store.read().data == b"- one\n- two\n"
    assert ("should", "journal-edited") in findings(store)
    assert exit_code_of_check(run_memshim, store) == 13


def test_only_what_lies_behind_a_hint_is_read_unless_the_bytes_before_it_are_others(store, registered):
    hints = {}

    def read():
        tails = list(read_tails(store.layout, hints))
        hints.update({tail.name: tail.hint for tail in tails})
        return [[e.id for e in tail.entries] for tail in tails]

    (first,) = read()[0]
    assert read() == []
    second = store.append("two", publish=False)
    assert read() == [[second]]
    third = store.append("three", publish=False)
    data = registered.read_bytes()
    registered.write_bytes(data.replace(b"- two\n", b"- TWO\n"))
    assert read() == [[first, third]]  # all that can be read of it
    hints.clear()
    registered.write_bytes(data)
    assert read() == [[first, second, third]]
    assert hints["ann.log"][5] == 3


def test_an_entry_that_was_damaged_when_it_was_folded_and_put_back_since_is_found_by_check(store, registered):
    id_ = store.append("two", publish=False)
    data = registered.read_bytes()
    registered.write_bytes(data.replace(b"- two\n", b"- TWO\n"))
    store.append("three")
    store.compact()
    registered.write_bytes(data + registered.read_bytes()[len(data) :])
    assert ("must", "fold") in findings(store)
    store.check(repair=True)
    assert findings(store) == set()
    assert [e.id for e in store.log()].count(id_) == 1
    assert store.read().data == b"- one\n- two\n- three\n"


def test_a_journal_edited_by_hand_before_folding_is_reported(store, registered, run_memshim):
    store.append("two", publish=False)
    store.append("three", publish=False)
    registered.write_bytes(registered.read_bytes().replace(b"- two", b"- 2!!"))
    assert ("must", "journal") in findings(store)
    assert exit_code_of_check(run_memshim, store) == 13
    assert store.read().data == b"- one\n- three\n"


def test_a_journal_truncated_within_a_record_before_folding_is_reported(store, registered):
    store.append("two", publish=False)
    os.truncate(registered, registered.stat().st_size - 1)
    assert ("note", "torn-tail") in findings(store)
    assert store.read().data == b"- one\n"


def test_a_planted_file_with_a_header_is_not_read_and_is_reported(store, registered, shown, run_memshim):
    eve = shown.with_name("eve.md")
    eve.write_bytes(registered.read_bytes().replace(b"one", b"bad"))
    journal = Journal(store.layout, "eve", "00000000")
    eve.write_bytes(eve.read_bytes() + frame(journal, Entry("", "", "append", "ann", [])))
    assert [e.agent for e in store.log()] == ["ann"]
    assert store.read().data == b"- one\n"
    assert ("should", "unregistered") in findings(store)
    assert exit_code_of_check(run_memshim, store) == 13
    assert store.check(repair=True)[1] == []
    assert not eve.exists()


def test_notes_of_ones_own_in_the_memory_folder_are_nobodys_business(store, shown):
    shown.with_name("diary.md").write_bytes(b"# Dear diary\n")
    assert findings(store) == set()
    assert store.read().data == b"- one\n"


@pytest.mark.parametrize("keep", [1, 5, 20, 60, 150, -1])
def test_an_append_goes_on_after_a_torn_tail(store, registered, keep):
    whole = registered.read_bytes()
    store.append("torn", publish=False)
    added = registered.read_bytes()[len(whole) :]
    registered.write_bytes(whole + added[:keep])
    again(store, "two")
    assert store.read().data == b"- one\n- two\n"
    assert {level for level, _ in findings(store)} <= {"note"}


def test_a_short_write_is_an_error_and_not_acknowledged(store, monkeypatch):
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, bytes(data)[: len(data) // 2]))
        with pytest.raises(OSError, match="in part only") as raised:
            store.append("lost", publish=False)
        assert raised.value.filename == store.layout.path("journals", "ann.log")
    kept = store.append("two")
    assert store.read().data == b"- one\n- two\n"
    assert [e.id for e in store.log()].count(kept) == 1
    assert len(list(store.log())) == 2
    assert {level for level, _ in findings(store)} <= {"note"}


def test_a_failed_sync_is_an_error_and_later_appends_go_on(store, monkeypatch):
    def fail(fd):
        raise OSError(5, "I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="I/O error"):
            store.append("maybe", publish=False)
    store.append("two")
    assert store.read().data.endswith(b"- two\n")


# --- time -----------------------------------------------------------------------------------------


def times(store):
    data = Path(store.layout.path("journals", "ann.log")).read_bytes()
    return [f.meta["time"] for f in record.scan(data) if f.meta.get("kind") == "append"]


def test_times_increase_within_a_journal_when_the_clock_stands_still_or_goes_back(store, clock):
    for back in (0, 0, 1, 60, 600, 0):
        clock[0] -= back * 10**9
        store.append(f"back {back}", publish=False)
        again(store, f"another process {back}", publish=False)
    assert times(store) == sorted(set(times(store)))
    assert len(times(store)) == 13


def test_times_increase_also_behind_a_long_entry_that_looks_like_records(store, clock):
    store.append('"time":"0123456789abcdef" ' * 400, publish=False)
    clock[0] -= 600 * 10**9
    again(store, "after it", publish=False)
    assert times(store) == sorted(set(times(store)))


def test_a_clock_that_had_been_at_2099_is_not_followed_for_ever(store, clock):
    present = clock[0]
    clock[0] = Y2099
    store.append("from 2099")
    clock[0] = present + 10**9
    for text in ("back", "again"):
        store.append(text)
    assert int(times(store)[-1], 16) >> 16 < present // 10**6 + DAY * 1000
    assert times(store)[-2] < times(store)[-1]
    assert sorted(store.read().data.split(b"\n")) == sorted(b"- one\n- from 2099\n- back\n- again\n".split(b"\n"))
    store.forget(text="from 2099")
    store.compact()
    assert b"2099" not in store.read().data
    assert findings(store) == set()


def test_a_store_that_was_removed_while_open_is_not_made_again_in_part(store):
    shutil.rmtree(store.layout.state)
    shutil.rmtree(store.layout.memory)
    with pytest.raises(StoreUnusable, match="was removed"):
        store.append("two")
    assert not os.path.exists(store.layout.state)
