"""The store's lock: two ways to take it, one lock; freed by death, never by age, and its file stays."""

import os
import subprocess
import sys
import threading

import pytest

from memshim import Store
from memshim.disk import locks
from memshim.errors import LockTimeout

QUICK = [True, False]
HOLDER = """
import sys
from memshim.disk import locks
with locks.sidecar(sys.argv[1], 5, "the holder", quick=sys.argv[2] == "True"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(store_dir):
    return str(store_dir / "lock")


@pytest.fixture
def hold(path):
    """Starts a process that holds the lock until it is ended."""
    running = []

    def start(quick):
        command = [sys.executable, "-c", HOLDER, path, str(quick)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        running.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("other", QUICK)
@pytest.mark.parametrize("quick", QUICK)
def test_the_lock_excludes_itself_however_it_is_taken_within_a_process(path, quick, other):
    with (
        locks.sidecar(path, 1, "first", quick=quick),
        pytest.raises(LockTimeout) as raised,
        locks.sidecar(path, 0.02, "second", quick=other),
    ):
        pass
    assert f"process {os.getpid()} (first)" in raised.value.holder
    with locks.sidecar(path, 1, "third", quick=other):
        pass


@pytest.mark.parametrize("other", QUICK)
@pytest.mark.parametrize("quick", QUICK)
def test_the_lock_excludes_another_process_and_a_timeout_names_it(path, hold, quick, other):
    process = hold(quick)
    with pytest.raises(LockTimeout) as raised, locks.sidecar(path, 0.02, "second", quick=other):
        pass
    assert raised.value.holder == f"process {process.pid} (the holder)"
    assert raised.value.holder in raised.value.hint
    assert raised.value.exit_code == 11


@pytest.mark.parametrize("quick", QUICK)
def test_the_lock_is_free_when_its_holder_is_killed_and_its_file_stays(path, hold, quick):
    process = hold(quick)
    inode = os.stat(path).st_ino
    process.kill()
    process.wait()
    for other in QUICK:
        with locks.sidecar(path, 2, "second", quick=other):
            pass
    assert os.stat(path).st_ino == inode


def test_threads_take_turns(path):
    inside, seen, together = [], [], []

    def work(number):
        for _ in range(20):
            with locks.sidecar(path, 20, f"thread {number}", quick=bool(number % 2)):
                inside.append(number)
                together.append(len(inside))
                seen.append(number)
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(together) == {1}
    assert len(seen) == 80


@pytest.mark.parametrize("quick", QUICK)
def test_the_lock_is_free_after_an_error_within(path, quick):
    with pytest.raises(ZeroDivisionError), locks.sidecar(path, 1, "first", quick=quick):
        1 / 0  # noqa: B018
    with locks.sidecar(path, 0.02, "second", quick=not quick):
        pass


@pytest.mark.parametrize("quick", QUICK)
def test_on_a_full_disk_the_lock_is_had_without_a_name(path, monkeypatch, quick):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    first, second = locks.sidecar(path, 1, "first", quick=quick), locks.sidecar(path, 0.02, "second", quick=not quick)
    with first, pytest.raises(LockTimeout), second:
        pass
    with locks.sidecar(path, 0.02, "third", quick=quick):
        pass


@pytest.mark.parametrize("quick", QUICK)
def test_a_lock_that_is_a_planted_link_is_not_followed(path, store_dir, quick):
    (store_dir / "target").write_bytes(b"precious")
    os.symlink("target", path)
    with pytest.raises(OSError), locks.sidecar(path, 0.1, "first", quick=quick):  # noqa: PT011
        pass
    assert (store_dir / "target").read_bytes() == b"precious"


def test_an_appends_lock_and_a_readers_exclude_each_other(path):
    one, other = (os.open(path, os.O_RDWR | os.O_CREAT, 0o600) for _ in range(2))
    locks.exclusive(one)
    assert not locks.try_exclusive(other)
    locks.release(one)
    locks.shared(other)
    assert not locks.try_exclusive(one)
    os.close(other)
    assert locks.try_exclusive(one)
    os.close(one)


def test_an_append_is_acknowledged_although_the_stores_lock_is_held(store_dir, hold):
    with Store.open(store_dir, agent="ann", lock_timeout=0.02) as store:
        store.init()
        with locks.sidecar(store.layout.path("lock"), 1, "somebody"):
            id_ = store.append("one")
            assert "somebody" in " ".join(store.notes)
        assert store.publish()
        assert next(e.id for e in store.log()) == id_
    assert (store_dir / "MEMORY.md").read_bytes() == b"- one\n"


def test_a_reader_does_not_wait_for_a_held_lock(store_dir):
    with Store.open(store_dir, agent="ann") as store:
        store.append("one")
        with locks.sidecar(store.layout.path("lock"), 1, "somebody"):
            assert store.read().data == b"- one\n"
            assert "somebody" in " ".join(store.notes) or "lock" in " ".join(store.notes)


def test_the_files_of_the_only_one_are_closed_to_others(store_dir):
    lock = locks.OnlyOne(str(store_dir / "one.pid"))
    assert lock.take()
    try:
        assert {p.name: p.stat().st_mode & 0o777 for p in store_dir.glob("one.pid*")} == {
            "one.pid": 0o600,
            "one.pid.lock": 0o600,
        }
        assert lock.holder() == os.getpid()
    finally:
        lock.release()
