"""`memshim watch`: what happens is told while it happens, once, with or without a daemon."""

import json
import os
import subprocess
import sys

import pytest

from memshim import Store
from memshim.cli import watch
from memshim.store.feed import Feed

pytest_plugins = ["cli_fixtures", "daemon_fixtures"]

START = b"# M\n\n- one\n- two\n- three\n"


def lines(process, count):
    """Reads so many lines of what `watch --json` prints."""
    return [json.loads(process.stdout.readline()) for _ in range(count)]


@pytest.fixture
def watching(memory):
    """Starts `memshim watch --json` with some options; it is ended with the test."""
    started = []

    def begin(*options):
        command = [sys.executable, "-m", "memshim", "watch", "--json", "--since", first, *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        started.append(process)
        return process

    store = Store.open(memory, agent="ann")
    first = store.read().revision
    store.append("- replayed")
    yield begin
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_each_event_is_told_once_first_what_was_before(memory, watching):
    process = watching()
    assert [(r["event"], r["agent"], r["text"]) for r in lines(process, 1)] == [("append", "ann", "- replayed")]
    store = Store.open(memory, agent="bob")
    for n in range(3):
        store.append(f"- live {n}")
    found = lines(process, 3)
    assert [(r["version"], r["event"], r["text"]) for r in found] == [(1, "append", f"- live {n}") for n in range(3)]
    assert found[0]["changes"][0]["added"] == "- live 0"


def test_a_lost_update_and_a_clash_are_events(memory, watching):
    process = watching()
    lines(process, 1)
    Store.open(memory, agent="bob").edit("- two", "- TWO")
    lines(process, 1)
    (memory / "x.tmp").write_bytes(START.replace(b"two", b"zwei"))
    os.rename(memory / "x.tmp", memory / "MEMORY.md")
    found = lines(process, 4)
    assert [r["event"] for r in found] == ["adopt", "lost", "lost", "conflict"]
    told = {r["text"].strip(): (r["agent"], r["by"], r["state"]) for r in found[1:3]}
    assert told["- TWO"] == ("bob", "external", "conflict")
    assert told["- replayed"] == ("ann", "external", "restored")


def test_the_filters(memory, watching):
    process = watching("--agent", "bob", "--kind", "append", "--count", "1")
    Store.open(memory, agent="ann").append("- not this")
    Store.open(memory, agent="bob").append("- this")
    assert [r["text"] for r in lines(process, 1)] == ["- this"]
    assert process.wait(20) == 0


def test_a_daemon_hints_sooner_than_one_looks(memory, start_daemon, watching):
    start_daemon()
    process = watching()
    lines(process, 1)
    (memory / "x.tmp").write_bytes(START + b"- replayed\n- mine\n")
    os.rename(memory / "x.tmp", memory / "MEMORY.md")
    assert [r["event"] for r in lines(process, 1)] == ["adopt"]


def test_a_burst_is_one_line_for_people(memory, monkeypatch):
    store = Store.open(memory, agent="bob")
    feed = Feed(store)
    for n in range(5):
        store.append(f"- note {n}")
    store.forget(text="note 1")
    monkeypatch.setattr(watch, "_hints", lambda folder: iter([None]))
    told = [line for batch in watch._rows(feed, None, None, None) for line, _ in watch._lines(batch)]
    assert len(told) == 2
    assert "bob: 5 times append, at last: - note 4" in told[0]
    assert "forget" in told[1]


def test_a_feed_tells_what_a_paused_writer_brings_late_and_nothing_twice(memory):
    store = Store.open(memory, agent="bob")
    feed = Feed(store)
    assert feed.poll() is None
    ids = [store.append("- a"), store.append("- b")]
    news = feed.poll()
    assert [e.id for e in news.entries] == ids
    store.compact()
    again = feed.poll()
    assert again is None or again.entries == []


def test_people_are_told_names_without_digits_and_no_more_than_fits(memory, monkeypatch):
    store = Store.open(memory, agent="bob-0123abcd")
    stale = (memory / "MEMORY.md").read_bytes()
    store.append("- " + "a note of many words " * 5)
    feed = Feed(store)
    (memory / "MEMORY.md").write_bytes(stale + b"- mine\n")
    monkeypatch.setattr(watch, "_hints", lambda folder: iter([None]))
    monkeypatch.setattr(watch, "width", lambda: 80)
    told = [line for batch in watch._rows(feed, None, None, "lost") for line, _ in watch._lines(batch)]
    assert len(told) == 1
    assert "lost: bob's, overwritten by external, restored: - a note" in told[0]
    assert len(told[0]) == 80
