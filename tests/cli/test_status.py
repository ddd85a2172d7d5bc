"""status: what it says of today, and that it costs the same whatever the history."""

import json
import time

import pytest

from memshim import Store
from memshim.disk import incidents
from memshim.store import survey
from memshim.store.journal import Journal
from memshim.text.entry import Entry

pytest_plugins = ["cli_fixtures"]


def told(inside):
    return json.loads(inside("status", "--json").out)


def test_it_counts_who_wrote_today(memory, inside):
    for agent, count in (("bob-0123abcd", 2), ("bob-89abcdef", 1), ("eve", 1)):
        for n in range(count):
            Store.open(memory, agent=agent).append(f"{agent} {n}")
    Store.open(memory).compact()
    Store.open(memory, agent="eve").append("later")
    assert told(inside)["agents_today"] == {"bob": 3, "eve": 2}
    assert b"Today: bob 3, eve 2" in inside("status").out


def test_a_lost_update_that_was_put_back_is_counted(memory, inside):
    store = Store.open(memory, agent="bob")
    stale = (memory / "MEMORY.md").read_bytes()
    store.append("wiped out")
    (memory / "MEMORY.md").write_bytes(stale + b"- by a writer who had not read it\n")
    assert told(inside)["saved_today"] == 1
    Store.open(memory).compact()
    assert told(inside)["saved_today"] == 1
    assert b"1 lost update was put back" in inside("status").out


def test_incidents_are_shown(memory, inside):
    for n in range(5):
        incidents.report("hook-failed", error=f"E{n}")
    out = inside("status").out.decode()
    assert "hook-failed (error E4)" in out
    assert "5 incidents since" in out
    assert len(told(inside)["incidents"]) == 5


def test_a_single_writer_is_told(memory, inside):
    store = Store.open(memory, agent="bob")
    for n in range(survey.LONE_LEAST):
        store.append(f"note {n}", publish=False)
    assert told(inside)["lone_writer"] == {"agent": "bob", "share": 1.0, "entries": survey.LONE_LEAST}
    assert b"100% of the last 20 writes" in inside("status").out


def test_a_large_document_is_told(memory, inside):
    (memory / "MEMORY.md").write_bytes(b"- line\n" * 141)
    assert b"141 lines of 140, 987 characters of 20,000; too large" in inside("status").out
    assert inside("compact").err.startswith("MEMORY.md has 141 lines and 987 characters; above 140 lines")
    Store.open(memory).write(b"- line\n" * 140)
    assert b"too large" not in inside("status").out
    assert inside("compact").err == ""
    Store.open(memory).write(b"- " + b"x" * 19_998 + b"\n")
    assert "MEMORY.md has 1 lines and 20001 characters" in inside("compact").err


@pytest.mark.parametrize("folded", [False, True])
def test_heads_say_what_the_entries_say(memory, folded):
    store = Store.open(memory, agent="bob")
    store.append('a text with "agent":"eve","id":"00" and <!-- memshim 00000000 1\n{"v":1,"kind":"x"', why='"saved":')
    store.edit("- one", "- ONE")
    with store.turn() as turn:  # a field that comes before the others, as another version may write
        entry = Entry("", "", 'odd "kind"', "eve", [], extra={"z": 1})
        journal = Journal(store.layout, "eve", turn.replica)
        journal.append(entry)
        journal.close()
    if folded:
        store.compact()
    reading = store.memory()
    heads = list(reading.heads())
    entries = list(reading.entries())
    assert [(e.time, e.id, e.agent) for e in entries] == [(t, i, a) for t, i, _, a, _ in heads]
    assert not any(saved for *_, saved in heads)


def test_it_is_quick_with_a_long_history(memory, inside):
    """Of a long history only the newest entries are looked at."""
    store = Store.open(memory, agent="bob")
    for n in range(600):
        store.append(f"note {n}", publish=False)
    store.compact()
    counted = survey.COUNTED
    survey.COUNTED = 100
    try:
        begin = time.perf_counter()
        found = survey.activity(store.memory())
        assert time.perf_counter() - begin < 5
    finally:
        survey.COUNTED = counted
    assert found.more
    assert found.agents == {"bob": 100}


def test_where_there_is_no_store_it_says_whether_agents_are_protected(inside, tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    answer = inside("status")
    assert answer.code == 10
    assert answer.out.startswith(b"Not protected: ")
    assert answer.err.startswith("memshim: There is no store here")
    told = json.loads(inside("status", "--json").out)
    assert told["error"]["code"] == 10
