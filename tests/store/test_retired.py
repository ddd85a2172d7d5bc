"""Journals that are retired: silent for a day and folded whole, they go to the archive, and no entry goes with them."""

import os
import time
from pathlib import Path

import pytest

from memshim import Store
from memshim.store import compact, identity
from memshim.text import record
from memshim.text.entry import Entry, make_id, make_time, to_record

pytest_plugins = ["journal_fixtures"]

DAY = 24 * 3600


@pytest.fixture
def write_late(store, registered):
    """Writes an entry to the journal as it is open now: without a lock, whatever has become of it."""
    time_ = make_time(time.time_ns() // 1_000_000, "")
    op = {"op": "add", "doc": "MEMORY.md", "section": "", "kinds": "b", "blocks": [b"- late\n"]}
    entry = Entry(make_id(time_, identity.replica(store.layout), "01234567"), time_, "append", "ann", [op])
    with registered.open("ab", buffering=0) as file:
        yield lambda: file.write(record.encode(*to_record(entry)))


def test_a_journal_that_is_retired_while_open_is_followed_by_a_new_one(store, registered, monkeypatch):
    shown = Path(store.layout.memory, "ann.md")
    store.append("two")
    now = time.time
    with monkeypatch.context() as patch, Store.open(store.layout.root, agent="bob") as other:
        patch.setattr(time, "time", lambda: now() + DAY + 60)
        assert other.compact().archived == 1
    assert not registered.exists()
    assert not shown.exists()
    store.append("three")
    assert registered.samefile(shown)
    assert store.read().data == b"- one\n- two\n- three\n"
    assert store.check()[1] == []


def test_what_a_paused_writer_adds_to_an_archived_journal_is_read_an_hour_later(store, write_late, monkeypatch):
    now, ahead = time.time, [DAY + 60]
    monkeypatch.setattr(time, "time", lambda: now() + ahead[0])
    assert store.compact().archived == 1
    listed = Path(store.layout.path("archive", "recheck"))
    os.utime(listed, (time.time(), time.time()))
    ahead[0] += 60
    store.compact()  # too early: it stays listed
    write_late()
    listed.write_bytes(b"no line of ours\n../../x 5\n" + listed.read_bytes())
    ahead[0] += 3700
    store.compact()
    assert store.read().data == b"- one\n- late\n"
    assert not listed.exists()


def test_what_a_writer_adds_until_its_journal_is_moved_is_in_the_head_before_that_is_archived(
    store, registered, write_late, monkeypatch
):
    now, rename, archive = time.time, os.rename, compact._archive

    def late(source, target):
        if source == str(registered):
            write_late()
        rename(source, target)

    def stopped(turn):
        archive(turn)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now() + DAY + 60)
        patch.setattr(os, "rename", late)
        patch.setattr(compact, "_archive", stopped)
        with pytest.raises(KeyboardInterrupt):
            store.compact()
    assert not registered.exists()
    assert os.listdir(store.layout.path("archive", "arriving")) == []
    assert store.read().data == b"- one\n- late\n"
