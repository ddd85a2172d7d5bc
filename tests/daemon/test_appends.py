"""Appends through the socket: durable when answered, together where they come together, once however often they are tried."""

import os
import shutil
import subprocess
import sys
import threading

import pytest
from waiting import until

from memshim import Store
from memshim.daemon import client, lifecycle
from memshim.daemon.appends import LONGEST, Appends
from memshim.daemon.protocol import Request
from memshim.disk import files

pytest_plugins = ["daemon_fixtures"]


def fields(store, n, **more):
    return {"store": str(store), "agent": f"agent{n % 3}", "id": f"{n:032x}", **more}


def test_an_append_is_in_the_journal_when_it_is_answered_under_its_own_agent(daemon, watched):
    assert client.ask("append", fields(watched, 7, why="because"), b"- use uv") == b"%032x" % 7
    entry = next(iter(Store.open(watched).log()))
    assert (entry.id, entry.agent, entry.why) == (f"{7:032x}", "agent1", "because")
    assert "use uv" in (watched / "memory" / "daemon.md").read_text()
    assert client.ask("publish", {"store": str(watched)}, timeout=20).startswith(b"published")
    assert b"- use uv" in (watched / "MEMORY.md").read_bytes()


def test_done_twice_it_counts_once(daemon, watched):
    for _ in range(2):
        client.ask("append", fields(watched, 1), b"- use uv")
    assert Store.open(watched).read().data.count(b"- use uv") == 1


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"id": "7"}, b"- x"),
        ({"agent": "../x"}, b"- x"),
        ({"doc": "x"}, b"- x"),
        ({}, b" "),
        ({}, b"- x" * LONGEST),
    ],
)
def test_what_cannot_be_appended_is_refused_and_the_rest_goes_on(daemon, watched, more, text):
    with pytest.raises(client.Refused):
        client.ask("append", {**fields(watched, 1), **more}, text)
    assert client.ask("append", fields(watched, 2), b"- y")


def test_a_journal_that_is_open_is_not_written_to_where_the_store_has_changed(daemon, watched, tmp_path):
    ours = watched / ".memshim"
    client.ask("append", fields(watched, 1), b"- before")
    (tmp_path / "newer").write_bytes(b"99\n")
    os.replace(tmp_path / "newer", ours / "format")
    with pytest.raises(client.Refused, match="format 99"):
        client.ask("append", fields(watched, 2), b"- written by one who does not know the format")
    (tmp_path / "known").write_bytes(b"1\n")
    os.replace(tmp_path / "known", ours / "format")
    client.ask("append", fields(watched, 3), b"- after")
    shutil.copytree(watched, tmp_path / "copy", symlinks=True)
    os.rename(watched, tmp_path / "original")
    os.rename(tmp_path / "copy", watched)
    client.ask("append", fields(watched, 4), b"- to the copy")
    assert b"- to the copy" in Store.open(watched).read().data
    assert b"- to the copy" not in Store.open(tmp_path / "original").read().data


def test_what_waits_together_costs_one_sync(watched, monkeypatch):
    syncs, gate, inside = [], threading.Event(), threading.Event()
    real = files.sync

    def sync(fd):
        syncs.append(fd)
        inside.set()
        assert gate.wait(20)
        real(fd)

    told = []
    appends = Appends(lambda store: None)
    monkeypatch.setattr(files, "sync", sync)
    appends.start()
    try:
        appends.put(Request("append", fields(watched, 0), b"- 0"), lambda id_, ok: told.append((id_, ok)))
        assert inside.wait(20)
        before = len(syncs)
        for n in range(1, 17):
            appends.put(Request("append", fields(watched, n), b"- %d" % n), lambda id_, ok: told.append((id_, ok)))
        gate.set()
        assert until(lambda: len(told) == 17)
    finally:
        gate.set()
        appends.stop()
    assert len(syncs) - before <= 2
    assert told == [(b"%032x" % n, True) for n in range(17)]
    lines = Store.open(watched).read().data.splitlines()
    assert [line for line in lines if line[2:].isdigit()] == [b"- %d" % n for n in range(17)]


def test_a_full_disk_is_an_answer_and_nothing_is_acknowledged(watched, monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    told = []
    appends = Appends(lambda store: None)
    appends.put(Request("append", fields(watched, 1), b"- 1"), lambda id_, ok: told.append(ok))
    monkeypatch.setattr(files, "sync", full)
    appends.start()
    assert until(lambda: told)
    appends.stop()
    assert told == [False]


def test_the_command_uses_it_and_works_the_same_without_it(daemon, watched, run_memshim):
    done = run_memshim("append", "through the daemon", "--store", watched, "--agent", "bob", check=True)
    assert b"- through the daemon" in (watched / "MEMORY.md").read_bytes()
    assert "through the daemon" in (watched / "memory" / "daemon.md").read_text()
    entry = next(iter(Store.open(watched).log()))
    assert (entry.id, entry.agent) == (done.stdout.decode().strip(), "bob")
    assert lifecycle.stop()
    run_memshim("append", "without it", "--store", watched, "--agent", "bob", check=True)
    assert "without it" in (watched / "memory" / "bob.md").read_text()


def test_a_text_that_is_too_long_for_it_is_appended_by_the_command(daemon, watched, run_memshim):
    text = b"- a line\n" * (LONGEST // 9 + 1)
    assert run_memshim("append", "--store", str(watched), "--no-publish", "-", input=text, check=True).stdout
    (entry,) = [e for e in Store.open(watched).log() if e.kind == "append"]
    assert b"".join(block for op in entry.ops for block in op["blocks"]) == text
    assert not (watched / "memory" / "daemon.md").exists()


def test_a_daemon_that_stands_still_costs_an_append_two_seconds_and_nothing_else(daemon, watched, run_memshim):
    os.kill(daemon.pid, 19)
    try:
        done = run_memshim("append", "all the same", "--store", watched, "--agent", "bob", check=True, timeout=30)
        assert "all the same" in (watched / "memory" / "bob.md").read_text()
    finally:
        os.kill(daemon.pid, 18)
    assert until(lambda: (lifecycle.status() or {}).get("pid") == daemon.pid)
    Store.open(watched).publish()  # where it was stopped with the store's lock in its hands, nobody could
    ids = [e.id for e in Store.open(watched).log()]
    assert ids.count(done.stdout.decode().strip()) == 1
    assert (watched / "MEMORY.md").read_bytes().count(b"- all the same") == 1


def test_what_was_answered_survives_a_kill_at_any_moment(start_daemon, watched):
    """Several clients append while the daemon is killed and started again; who gets no answer appends by themselves."""
    code = (
        "import os, sys\nfrom memshim.cli.append import run\n"
        "for n in range(15): run([f'- {sys.argv[1]} {n}', '--store', sys.argv[2], '--agent', sys.argv[1], '--no-publish'])\n"
    )
    process = start_daemon()
    names = [f"client{n}" for n in range(4)]
    clients = [
        subprocess.Popen([sys.executable, "-c", code, name, str(watched)], stdout=subprocess.PIPE) for name in names
    ]
    assert until(lambda: (watched / "memory" / "daemon.md").exists() or any(c.poll() is not None for c in clients))
    process.kill()
    process.wait()
    start_daemon()
    acknowledged = [line for c in clients for line in c.communicate(timeout=60)[0].decode().split()]
    assert len(acknowledged) == 60
    ids = {e.id for e in Store.open(watched).log()}
    assert set(acknowledged) <= ids
    lines = Store.open(watched).read().text.splitlines()
    assert all(lines.count(f"- {name} {n}") == 1 for name in names for n in range(15))
