"""Appends through the socket: durable when answered, together where they come together, once however often they are tried."""

import fcntl
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import deque

import pytest
from waiting import until

from memshim import Store
from memshim.daemon import client, lifecycle
from memshim.daemon.appends import LONGEST, QUICK_S, Appends
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


class Thread:
    """Stands for the server's thread: puts requests, commits, and does what the other thread hands back, when told to."""

    def __init__(self, monkeypatch, store):
        self.store, self.told, self.calls = store, [], deque()
        self.syncs, self.gate, self.inside = [], threading.Event(), threading.Event()
        self.gate.set()
        self.appends = Appends(lambda store: None, self.calls.append)
        self.real = files.sync
        monkeypatch.setattr(files, "sync", self.sync)

    def sync(self, fd):
        self.syncs.append(threading.current_thread() is threading.main_thread())
        self.inside.set()
        assert self.gate.wait(20)
        self.real(fd)

    def put(self, *numbers):
        for n in numbers:
            request = Request("append", fields(self.store, n), b"- %d" % n)
            self.appends.put(request, lambda id_, ok: self.told.append((id_, ok)))

    def go_on(self):
        """What the server does when everything that had come was handled."""
        while self.calls:
            self.calls.popleft()()
        return self.appends.commit()

    def settled(self, count):
        return until(lambda: self.go_on() == math.inf and len(self.told) == count and not self.calls)

    def __enter__(self):
        self.appends.start()
        return self

    def __exit__(self, *_):
        self.gate.set()
        self.appends.stop()


@pytest.fixture
def thread(watched, monkeypatch):
    with Thread(monkeypatch, watched) as made:
        yield made


def test_what_waits_together_costs_one_sync(thread):
    thread.gate.clear()
    thread.put(0)
    assert thread.go_on() == math.inf
    assert thread.inside.wait(20)
    before = len(thread.syncs)
    thread.put(*range(1, 17))
    assert thread.go_on() == math.inf  # nobody waits for a disk that may be slow
    thread.gate.set()
    assert thread.settled(17)
    assert len(thread.syncs) - before <= 2
    assert thread.told == [(b"%032x" % n, True) for n in range(17)]
    lines = Store.open(thread.store).read().data.splitlines()
    assert [line for line in lines if line[2:].isdigit()] == [b"- %d" % n for n in range(17)]


@pytest.mark.parametrize("took", [0.0, QUICK_S * 2])
def test_only_on_a_disk_that_was_quick_the_server_s_own_thread_syncs(thread, took):
    thread.put(0)
    assert thread.settled(1)
    thread.appends._journals[str(thread.store)].took = took
    thread.syncs.clear()
    thread.put(1)
    assert thread.settled(2)
    assert thread.syncs == [took == 0]


def test_several_stores_wait_together_and_only_the_slow_one_is_handed_on(thread, watched, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    Store.open(other).init()
    thread.put(0)
    assert thread.settled(1)
    thread.appends._journals[str(watched)].took = 0.0
    thread.syncs.clear()
    thread.put(1)
    thread.store = other
    thread.put(2)
    thread.gate.set()
    assert thread.settled(3)
    assert thread.syncs[0] is True
    assert False in thread.syncs[1:]
    assert b"- 1\n" in Store.open(watched).read().data
    assert b"- 2\n" in Store.open(other).read().data


def test_those_who_asked_together_lately_are_waited_for_half_a_sync_and_no_longer(thread, monkeypatch):
    thread.put(0, 1, 2)
    assert thread.settled(3)
    thread.appends._took, now = 0.008, time.monotonic()
    monkeypatch.setattr("memshim.daemon.appends.time.monotonic", lambda: now)
    thread.put(3)
    assert thread.go_on() == pytest.approx(0.004)
    now += 0.0035
    assert thread.go_on() == 0.0  # less than can be waited for
    now += 0.001
    assert thread.go_on() == math.inf
    monkeypatch.undo()
    assert thread.settled(4)
    thread.appends._took = 0.008
    thread.put(6)
    assert 0 < thread.go_on() < 0.005  # the others came in the last batch but one
    assert thread.settled(5)
    thread.put(9)
    assert thread.go_on() == math.inf


def test_what_waits_when_it_is_stopped_is_made_durable(thread):
    thread.put(0)
    assert thread.settled(1)
    thread.put(1)
    thread.appends.stop()
    assert thread.told == [(b"%032x" % n, True) for n in range(2)]
    assert b"- 1\n" in Store.open(thread.store).read().data
    thread.appends = Appends(lambda store: None, thread.calls.append)
    thread.appends.start()


def test_a_journal_that_another_process_has_holds_up_nothing_but_its_own_appends(daemon, watched):
    for n in range(2):
        client.ask("append", fields(watched, n), b"- %d" % n)
    with open(watched / ".memshim" / "journals" / "daemon.log", "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        answers = []
        waiting = threading.Thread(
            target=lambda: answers.append(client.ask("append", fields(watched, 2), b"- 2", timeout=20))
        )
        waiting.start()
        for _ in range(20):
            assert lifecycle.status(timeout=5)
        assert not answers
        fcntl.flock(held, fcntl.LOCK_UN)
        waiting.join(20)
    assert answers == [b"%032x" % 2]


def test_a_full_disk_is_an_answer_and_nothing_is_acknowledged(thread, monkeypatch):
    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "sync", full)
    for n in range(2):
        thread.put(n)
        assert thread.settled(n + 1)
    assert [ok for _, ok in thread.told] == [False, False]


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
