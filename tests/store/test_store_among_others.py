"""The library among others: threads, processes, copies, stores nearby, and agents that went silent."""

import os
import shutil
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from memshim import Store
from memshim.errors import StoreTooNew, StoreUnusable
from memshim.store import registry

DAY = 24 * 3600


@pytest.fixture
def store(store_dir):
    with Store.open(store_dir, agent="ann") as opened:
        yield opened


@pytest.fixture
def memory(store_dir):
    return store_dir / "MEMORY.md"


def test_threads_may_share_a_store(store, memory):
    def work(number):
        for n in range(8):
            store.append(f"fact {number} {n}", publish=n % 4 == 0)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.publish()
    lines = memory.read_bytes().splitlines()
    assert sorted(lines) == sorted(f"- fact {a} {n}".encode() for a in range(6) for n in range(8))
    assert os.listdir(store.layout.memory) == ["ann.md"]


def test_closing_frees_every_handle_and_the_store_can_be_used_again(store_dir):
    with Store.open(store_dir) as warm:
        warm.append("one")
    free = os.dup(0)
    os.close(free)
    store = Store.open(store_dir)
    store.append("two")
    store.close()
    store.close()
    now = os.dup(0)
    os.close(now)
    assert now == free
    store.append("three")
    store.close()
    assert store.read().data == b"- one\n- two\n- three\n"


def test_a_store_that_is_copied_goes_on_twice(store, store_dir, tmp_path):
    store.append("one")
    copy = tmp_path / "copy"
    shutil.copytree(store_dir, copy)
    with Store.open(copy, agent="ann") as other:
        there, here = other.append("there"), store.append("here")
        assert there[16:24] != here[16:24]
        assert other.read().data == b"- one\n- there\n"
        assert other.check() == ([], [])
        assert (copy / "memory" / "ann.md").samefile(other.layout.path("journals", "ann.log"))
    assert store.read().data == b"- one\n- here\n"
    assert store.check() == ([], [])


def test_a_newer_store_is_read_and_never_written(store, store_dir, memory):
    store.append("one")
    store.close()
    Path(store.layout.path("format")).write_text("2\n")
    before = sorted((str(p), p.stat().st_mtime_ns) for p in store_dir.rglob("*"))
    with Store.open(store_dir) as other:
        changes = (partial(other.append, "two"), partial(other.edit, "one", "1"), other.compact, other.publish)
        for refused in (*changes, other.check):
            with pytest.raises(StoreTooNew) as raised:
                refused()
            assert raised.value.exit_code == 14
        assert other.read().data == b"- one\n"
    after = sorted((str(p), p.stat().st_mtime_ns) for p in store_dir.rglob("*"))
    assert {name for name, _ in after} - {name for name, _ in before} <= {store.layout.path("lock")}
    assert memory.read_bytes() == b"- one\n"


def test_stores_inside_one_another_are_independent(store, store_dir):
    (store_dir / "inner").mkdir()
    with Store.open(store_dir / "inner") as inner:
        inner.append("inner")
        store.append("outer")
        assert inner.read().data == b"- inner\n"
        assert store.read().data == b"- outer\n"
        assert inner.check() == store.check() == ([], [])


@pytest.mark.parametrize("name", ["memory", ".memshim", ".memshim/journals"])
def test_a_folder_of_ours_cannot_be_a_store(store, store_dir, name):
    store.append("one")
    before = sorted(os.listdir(store_dir / name))
    with pytest.raises(StoreUnusable, match="own files"), Store.open(store_dir / name) as wrong:
        wrong.append("two")
    assert sorted(os.listdir(store_dir / name)) == before


FIRST = """
import sys
from memshim import Store
with Store.open(sys.argv[1], agent=sys.argv[2]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    store.append(f"from {sys.argv[2]}")
"""


def test_many_processes_that_make_the_store_at_once_make_one_and_lose_nothing(store_dir):
    (store_dir / "MEMORY.md").write_bytes(b"# M\n\n- start\n")
    names = [f"a{n}" for n in range(8)]
    command = [sys.executable, "-c", FIRST, str(store_dir)]
    running = [subprocess.Popen([*command, n], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for n in names]
    for process in running:
        assert process.stdout.readline() == b"ready\n"
    for process in running:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in running:
        process.communicate()
        assert process.returncode == 0
    lines = (store_dir / "MEMORY.md").read_bytes().splitlines()
    assert lines[:3] == [b"# M", b"", b"- start"]
    assert sorted(lines[3:]) == sorted(f"- from {n}".encode() for n in names)
    assert sorted(p.name for p in store_dir.iterdir()) == [".memshim", "MEMORY.md", "memory"]
    with Store.open(store_dir) as store:
        assert store.check() == ([], [])


def test_the_registry_lists_a_store_until_it_is_removed(store, store_dir):
    store.init()
    assert registry.known() == [os.path.realpath(store_dir)]
    shutil.rmtree(store_dir)
    assert registry.known() == []


def test_in_a_project_root_other_files_are_untouched_until_memshim_writes_them(store, store_dir):
    readme = store_dir / "README.md"
    (store_dir / ".git").mkdir()
    readme.write_bytes(b"# Project\n")
    before = readme.stat()
    store.append("one")
    store.compact()
    assert readme.stat().st_ino == before.st_ino
    readme.write_bytes(b"# Project 2\n")
    store.compact()
    assert [e.kind for e in store.log()] == ["append"]
    assert readme.read_bytes() == b"# Project 2\n"
    store.append("two", doc="README.md")
    assert readme.read_bytes() == b"# Project 2\n\n- two\n"


def test_journals_that_were_silent_for_a_day_are_archived_and_log_still_has_them(store_dir, monkeypatch):
    for n in range(5):
        with Store.open(store_dir, agent=f"old{n}") as old:
            old.append(f"fact {n}")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + DAY + 60)
    with Store.open(store_dir, agent="new") as store:
        store.append("today")
        os.utime(store.layout.path("journals", "new.log"), (time.time(), time.time()))
        assert store.compact().archived == 5
        assert os.listdir(store.layout.memory) == ["new.md"]
        assert os.listdir(store.layout.path("journals")) == ["new.log"]
        assert {e.agent for e in store.log()} == {"new", *(f"old{n}" for n in range(5))}
        assert store.read().data.count(b"- fact") == 5
        assert store.check() == ([], [])
