"""The watcher: others' changes are taken in without anybody asking, and what they overwrite unseen comes back."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from waiting import START, renamed, until

from memshim import Store
from memshim.daemon import ears, events
from memshim.daemon.watcher import Watcher
from memshim.disk import incidents
from memshim.store import lost

pytest_plugins = ["daemon_fixtures"]


@pytest.fixture
def changes():
    return []


@pytest.fixture
def watcher(watched, changes):
    watching = Watcher(changes.append)
    watching.start()
    assert until(lambda: [store["polled"] for store in watching.status()] == [""])
    yield watching
    watching.stop()


def adopted(watched):
    journal = watched / ".memshim" / "journals" / "external.log"
    return journal.read_bytes().count(b'"kind":"adopt"') if journal.exists() else 0


def lines(watched):
    return (watched / "MEMORY.md").read_bytes().splitlines()


def test_a_foreign_change_is_taken_in_and_told(watcher, watched, changes):
    renamed(watched / "MEMORY.md", START + b"- mine\n")
    assert until(lambda: adopted(watched) == 1)
    assert until(lambda: changes == [str(watched)])
    assert lines(watched)[-1] == b"- mine"


def test_a_note_that_was_overwritten_unseen_comes_back_by_itself(watcher, watched):
    Store.open(watched, agent="ann").append("- three")
    renamed(watched / "MEMORY.md", START + b"- mine\n")
    assert until(lambda: {b"- three", b"- mine"} <= set(lines(watched)))
    assert [(x.agent, x.state) for x in lost.listed(Store.open(watched).memory())] == [("ann", "restored")]


def test_a_version_that_is_overwritten_at_once_is_kept(watcher, watched):
    """By another process, as writers are: in this one the thread that hears events would wait for the writer."""
    code = (
        "import os, sys; path = sys.argv[1]; data = open(path, 'rb').read()\n"
        "for n in range(5):\n"
        "    file = open(f'{path}.tmp.{n}', 'wb'); file.write(data + b'- quick %d\\n' % n); file.flush()\n"
        "    os.fsync(file.fileno()); time.sleep(0.02); os.rename(file.name, path)\n"
    )
    subprocess.run([sys.executable, "-c", "import time\n" + code, watched / "MEMORY.md"], check=True, timeout=30)
    assert until(lambda: {b"- quick %d" % n for n in range(5)} <= set(lines(watched)))


def test_half_of_a_text_that_is_written_slowly_is_not_taken_in(watcher, watched):
    path = watched / "MEMORY.md"
    text = START + b"".join(b"- line %d\n" % n for n in range(40))
    with open(path, "wb", buffering=0) as file:
        for n in range(0, len(text), 40):
            file.write(text[n : n + 40])
            time.sleep(0.02)
    assert until(lambda: adopted(watched))
    assert path.read_bytes() == text
    assert adopted(watched) == 1


def test_a_deletion_and_a_revert_stay_done_while_others_race(watcher, watched):
    store = Store.open(watched, agent="ann")
    store.append("- three")
    renamed(watched / "MEMORY.md", b"# M\n\n- two\n- three\n")
    assert until(lambda: adopted(watched) == 1)
    (watched / "topic.md").write_bytes(b"- t\n")
    assert until(lambda: "topic.md" in store.memory().documents())
    os.unlink(watched / "topic.md")
    for n in range(3):
        renamed(watched / "MEMORY.md", b"# M\n\n- two\n- three\n- race %d\n" % n)
        time.sleep(0.03)
    assert until(lambda: {b"- race %d" % n for n in range(3)} <= set(lines(watched)))
    assert until(lambda: "topic.md" not in store.memory().documents())
    assert b"- one" not in lines(watched)
    assert not (watched / "topic.md").exists()


def test_a_new_store_is_watched_without_a_word(watcher, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "MEMORY.md").write_bytes(START)
    Store.open(other).init()
    assert until(lambda: (str(other), "") in [(s["store"], s["polled"]) for s in watcher.status()])
    renamed(other / "MEMORY.md", START + b"- mine\n")
    assert until(lambda: adopted(other))


def test_a_store_that_goes_away_is_not_made_again(watcher, watched):
    def remove():
        shutil.rmtree(watched, ignore_errors=True)  # a file that is being written there just now may be in the way
        return not watched.exists()

    assert until(remove)
    assert until(lambda: watcher.status() == [])
    assert not watched.exists()


def test_without_our_folder_a_store_is_one_no_more(watcher, watched, tmp_path):
    os.rename(watched / ".memshim", tmp_path / "gone")  # in one step: what is being written there now goes along
    renamed(watched / "MEMORY.md", START + b"- mine\n")
    assert until(lambda: watcher.status() == [])
    assert not (watched / ".memshim").exists()


def test_a_folder_that_takes_the_place_of_a_store_is_watched_instead(watcher, watched, tmp_path):
    shutil.copytree(watched, tmp_path / "copy", symlinks=True)
    os.rename(watched, tmp_path / "old")
    os.rename(tmp_path / "copy", watched)
    assert until(
        lambda: watcher._stores.get(str(watched)) and watcher._stores[str(watched)].identity[1] == watched.stat().st_ino
    )
    renamed(watched / "MEMORY.md", START + b"- mine\n")
    assert until(lambda: adopted(watched))


def test_where_no_events_come_the_store_is_looked_at_every_second(watched, monkeypatch):
    def refuse(self, folder):
        raise events.CannotWatch("there are too many watches")

    monkeypatch.setattr(events.Events, "add", refuse)
    watching = Watcher(lambda store: None)
    watching.start()
    try:
        assert until(lambda: [s["polled"] for s in watching.status()] == ["there are too many watches"])
        until(lambda: False, 0.3)
        renamed(watched / "MEMORY.md", START + b"- mine\n")
        assert until(lambda: adopted(watched))
    finally:
        watching.stop()


def test_events_that_were_lost_are_made_up_for_by_looking(watcher, watched, monkeypatch):
    monkeypatch.setattr("memshim.daemon.watcher.RESCAN_S", 3600.0)  # nothing but what it is told makes it look
    watcher._events.remove(str(watched))  # as if the kernel had dropped everything
    renamed(watched / "MEMORY.md", START + b"- mine\n")
    watcher._hear("", "", ears.LOST, -1)
    assert until(lambda: adopted(watched) == 1)


def test_the_process_that_hears_is_started_again_when_it_dies(watcher, watched):
    os.kill(watcher._events._source._pid, signal.SIGKILL)
    renamed(watched / "MEMORY.md", START + b"- mine\n")
    assert until(lambda: adopted(watched) == 1)
    assert until(lambda: [s["polled"] for s in watcher.status()] == [""])
    renamed(watched / "MEMORY.md", START + b"- mine\n- more\n")
    assert until(lambda: adopted(watched) == 2)


def test_a_failing_disk_is_reported_and_tried_again(watcher, watched, monkeypatch):
    from memshim.store.journal import Journal

    real, failing = Journal.append, threading.Event()
    failing.set()

    def append(self, entry, seen=""):
        if failing.is_set():
            raise OSError(28, "No space left on device")
        return real(self, entry, seen)

    monkeypatch.setattr(Journal, "append", append)
    monkeypatch.setattr("memshim.daemon.watcher.RETRY_S", (0.2,))
    renamed(watched / "MEMORY.md", START + b"- mine\n")
    assert until(lambda: [r["what"] for r in incidents.recent(0)] == ["not taken in"])
    renamed(watched / "MEMORY.md", START + b"- yours\n")
    failing.clear()
    assert until(lambda: {b"- mine", b"- yours"} <= set(lines(watched)))


def test_nothing_stays_open_that_nobody_asked_for(watcher, watched):
    before = len(os.listdir("/proc/self/fd"))
    for n in range(1000):
        (watched / f"other {n}.txt").write_bytes(b"x")
    renamed(watched / "MEMORY.md", START + b"- mine\n")
    assert until(lambda: adopted(watched))
    assert len(os.listdir("/proc/self/fd")) < before + 450


def test_versions_that_wait_when_it_ends_are_kept_for_the_next_command(watched):
    from memshim.daemon.versions import Version
    from memshim.daemon.watcher import _take_version

    old = watched / "old.tmp"
    old.write_bytes(START + b"- waiting\n")
    store = Store.open(watched)
    with store.turn() as turn:
        _take_version(turn, Version("MEMORY.md", os.open(old, os.O_RDONLY), 0.0), later=True)
    assert b"- waiting" in store.read().data.split(b"\n")
