"""Leases: a shell command has the store alone, edits share it, and nobody waits for long."""

import os
import threading
import time
from pathlib import Path

import pytest

from memshim.disk.layout import Layout
from memshim.store import lease
from memshim.store.store import Store


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    Store.open(tmp_path).init()
    return Layout(str(tmp_path))


def soon() -> float:
    return time.monotonic() + 0.05


def test_a_command_excludes_everybody_and_an_edit_only_commands(layout: Layout) -> None:
    assert lease.under_way(layout) == 0
    assert lease.take(layout, "ann", "call 1", 0, False, soon())
    assert lease.take(layout, "bob", "call 2", 0, False, soon()), "edits share"
    assert not lease.take(layout, "eve", "call 3", 0, True, soon()), "a command waits for edits"
    lease.give_back(layout, "call 1")
    lease.give_back(layout, "call 2")
    assert lease.take(layout, "eve", "call 3", 0, True, soon())
    assert not lease.take(layout, "ann", "call 4", 0, False, soon())
    assert not lease.take(layout, "bob", "call 5", 0, True, soon())
    assert 0 < lease.under_way(layout) <= lease.LASTS_S
    lease.give_back(layout, "call 3")
    assert lease.under_way(layout) == 0
    assert lease.take(layout, "ann", "call 4", 0, False, soon())


def test_an_agent_does_not_wait_for_itself(layout: Layout) -> None:
    assert lease.take(layout, "eve", "call 1", 0, True, soon())
    assert lease.take(layout, "eve", "call 2", 0, True, soon())


def test_a_session_does_not_wait_for_the_command_that_started_it(layout: Layout) -> None:
    assert lease.take(layout, "parent", "call 1", os.getppid(), True, soon())
    assert lease.take(layout, "child", "call 2", 0, True, soon())
    assert not lease.take(layout, "stranger", "call 3", 0, True, soon()) or os.getppid() == 1


def test_the_processes_above_are_known_and_one_that_ended_has_none() -> None:
    assert lease._ancestors(os.getpid()) >= {os.getpid(), os.getppid()} - {0, 1}
    assert lease._parent(os.getpid()) == os.getppid()
    assert lease._parent(2**22 + 1) == 0


def test_whoever_waits_goes_on_as_soon_as_the_lease_ends(layout: Layout) -> None:
    assert lease.take(layout, "ann", "call 1", 0, True, soon())
    had: list[bool] = []
    waiter = threading.Thread(
        target=lambda: had.append(lease.take(layout, "bob", "call 2", 0, True, time.monotonic() + 30))
    )
    waiter.start()
    lease.give_back(layout, "call 1")
    waiter.join(10)
    assert had == [True]


def test_a_lease_ends_by_itself_also_when_the_clock_was_ahead(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    assert lease.take(layout, "ann", "call 1", 0, True, soon())
    monkeypatch.setattr(lease.time, "time", lambda: now + lease.LASTS_S + 0.1)
    assert lease.under_way(layout) == 0
    assert lease.take(layout, "bob", "call 2", 0, True, soon())
    monkeypatch.setattr(lease.time, "time", lambda: now - 86_400)
    assert lease.under_way(layout) == 0
    assert lease.take(layout, "eve", "call 3", 0, True, soon())


def test_a_damaged_file_of_leases_holds_nobody_up(layout: Layout) -> None:
    Path(layout.path("leases")).write_bytes(b'\xff\n{"a": 1}\n[]\n[true, "x", "y", 0, "soon"]\n[1,2,3\n')
    assert lease.under_way(layout) == 0
    assert lease.take(layout, "ann", "call 1", 0, True, soon())


def test_unknown_bytes_are_left_alone_while_a_tool_is_writing(tmp_path: Path) -> None:
    memory = tmp_path / "MEMORY.md"
    memory.write_text("- one\n")
    store = Store.open(tmp_path)
    store.init()
    layout = Layout(str(tmp_path))
    assert lease.take(layout, "ann", "call 1", 0, False, soon())
    (tmp_path / "new").write_text("- one\n- by a tool\n")
    os.rename(tmp_path / "new", memory)
    store.append("- beside it")
    assert "tool is writing" in store.notes[0]
    assert [e.kind for e in store.log()] == ["append", "init"], "not adopted, and not published over"
    assert memory.read_text() == "- one\n- by a tool\n"
    lease.give_back(layout, "call 1")
    store.publish()
    assert sorted(memory.read_text().splitlines()) == ["- beside it", "- by a tool", "- one"]


def test_a_topic_file_that_is_missing_while_a_tool_is_writing_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "MEMORY.md").write_text("- one\n")
    topic = tmp_path / "topic.md"
    topic.write_text("- two\n")
    store = Store.open(tmp_path)
    store.init()
    layout = Layout(str(tmp_path))
    assert lease.take(layout, "ann", "call 1", 0, True, soon())
    topic.unlink()
    store.publish()
    assert not topic.exists()
    topic.write_text("- two\n- and a half\n")
    lease.give_back(layout, "call 1")
    store.publish()
    assert topic.read_text() == "- two\n- and a half\n"
    assert not [e for e in store.log() for op in e.ops if op.get("do") == "delete"]
