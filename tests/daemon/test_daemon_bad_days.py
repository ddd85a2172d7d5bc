"""Bad days: killed in the middle of a race, stopped and woken, hundreds of stores, a clock that jumps."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import START, renamed, until

from memshim import Store
from memshim.daemon import lifecycle
from memshim.daemon.existing import Existing
from memshim.disk import incidents
from memshim.disk.layout import Layout
from memshim.errors import StoreUnusable

pytest_plugins = ["daemon_fixtures"]

UNHOOKED = Path(__file__).resolve().parents[2] / "benchmarks" / "unhooked.py"


def lines(folder):
    return (folder / "MEMORY.md").read_bytes().splitlines()


def test_killed_in_the_middle_of_a_race_the_next_one_goes_on_and_the_store_is_sound(start_daemon, watched):
    process = start_daemon()
    command = [sys.executable, str(UNHOOKED), str(watched / "MEMORY.md")]
    writers = [
        subprocess.Popen([*command, f"w{n}", "8", "rename", "1"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        for n in range(3)
    ]
    for writer in writers:
        writer.stdin.close()
    assert until(lambda: b"w" in (watched / "MEMORY.md").read_bytes())
    process.kill()
    process.wait()
    start_daemon()
    for writer in writers:
        assert writer.wait(60) == 0
    renamed(watched / "MEMORY.md", (watched / "MEMORY.md").read_bytes() + b"- the end\n")
    assert until(lambda: b"- the end" in lines(watched) and not _behind(watched))
    store = Store.open(watched)
    assert [f for f in store.check()[1] if f.level == "must"] == []
    assert len(lines(watched)) == len(set(lines(watched)) | {b""}) + lines(watched).count(b"") - 1
    assert set(START.splitlines()) <= set(lines(watched))


def _behind(folder):
    """Tells whether the document differs from its view."""
    from memshim.disk.layout import Layout
    from memshim.store.memory import Memory

    return Memory(Layout(str(folder))).view("MEMORY.md").text != (folder / "MEMORY.md").read_bytes()


def test_stopped_for_a_while_and_woken_it_takes_in_what_happened_meanwhile(daemon, watched):
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        Store.open(watched, agent="ann").append("- three")
        renamed(watched / "MEMORY.md", START + b"- mine\n")
        assert lifecycle.status(timeout=0.3) is None
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    assert until(lambda: {b"- three", b"- mine"} <= set(lines(watched)))


def _children(pid):
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [child for thread in threads for child in (thread / "children").read_text().split()]


def _handles(pid):
    """What a process has open; it opens and closes files while we look."""
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(fd)


def test_hundreds_of_stores_take_one_instance_and_each_is_heard(watched, start_daemon, tmp_path):
    for n in range(120):
        folder = tmp_path / f"s{n}"
        shutil.copytree(watched, folder, symlinks=True)
        registered = Path(os.environ["XDG_STATE_HOME"]) / "memshim" / "stores" / f"{n:016x}"
        registered.write_text(f"{folder}\n")
    process = start_daemon()
    assert until(lambda: len((lifecycle.status() or {}).get("stores", [])) == 121, 60)
    pids = {str(process.pid), *_children(process.pid)}
    assert sum("inotify" in handle for pid in pids for handle in _handles(pid)) == 1
    renamed(tmp_path / "s77" / "MEMORY.md", START + b"- mine\n")
    assert until(lambda: (tmp_path / "s77" / ".memshim" / "journals" / "external.log").exists())


def test_a_document_that_is_too_large_is_left_alone_and_the_rest_goes_on(daemon, watched):
    (watched / "big.md").write_bytes(b"- x\n")
    assert until(lambda: "big.md" in Store.open(watched).memory().documents())
    assert until(lambda: not any(store["busy"] for store in lifecycle.status()["stores"]))
    renamed(watched / "big.md", b"- line\n" * 6_000_000)
    renamed(watched / "MEMORY.md", START + b"- mine\n")
    assert until(lambda: b'"kind":"adopt"' in (watched / ".memshim" / "journals" / "external.log").read_bytes(), 60)
    assert until(lambda: b"- mine" in lines(watched) and not _behind(watched), 60)
    assert (watched / "big.md").stat().st_size == 42_000_000
    assert lifecycle.status(timeout=20) is not None


def test_a_clock_that_was_ahead_changes_nothing_for_the_watch(start_daemon, watched):
    ahead = "import time; n, t = time.time_ns, time.time; time.time_ns = lambda: n() + 9 * 10**12; time.time = lambda: t() + 9000; "
    process = start_daemon(ahead + "from memshim.daemon.lifecycle import run; run()")
    renamed(watched / "MEMORY.md", START + b"- then\n")
    assert until(lambda: (watched / ".memshim" / "journals" / "external.log").exists())
    process.terminate()
    process.wait(20)
    start_daemon()
    renamed(watched / "MEMORY.md", START + b"- then\n- now\n")
    journal = watched / ".memshim" / "journals" / "external.log"
    assert until(lambda: b"- now" in journal.read_bytes())
    assert lines(watched)[-2:] == [b"- then", b"- now"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_store_that_cannot_be_written_is_reported_once_and_the_rest_goes_on(daemon, watched, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "MEMORY.md").write_bytes(START)
    Store.open(other).init()
    assert until(lambda: len(lifecycle.status()["stores"]) == 2)
    done = subprocess.run(["mount", "--bind", "-o", "ro", other, other], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", other], capture_output=True, check=True)
        os.utime(watched / "MEMORY.md")
        renamed(watched / "MEMORY.md", START + b"- mine\n")
        assert until(lambda: (watched / ".memshim" / "journals" / "external.log").exists())
        assert len([r for r in incidents.recent(0) if r.get("store") == str(other)]) <= 1
    finally:
        subprocess.run(["umount", other], check=True)


def test_a_store_that_is_gone_is_not_made_again_by_the_daemon(watched, tmp_path):
    existing = Existing(Layout(str(watched)))
    os.rename(watched / ".memshim", tmp_path / "gone")
    for work in (existing.publish, existing.compact):
        with pytest.raises(StoreUnusable, match="was removed"):
            work()
    assert not (watched / ".memshim").exists()
