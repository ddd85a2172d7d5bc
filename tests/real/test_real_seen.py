"""What an agent had seen decides what its whole-file Write takes away."""

import hashlib
from collections import Counter

import pytest
from room import Room, after, bash, edit, lines, read, write

pytest_plugins = ["rooms"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

START = "# Memory\n- one\n- two\n- three\n"


def test_the_sequence_that_a_base_revision_gets_wrong(room: Room) -> None:
    """A starts; B adds M; A edits another line; A writes the whole file without M: M stays."""
    room.remember(START)

    def b_adds() -> None:
        room.run([edit(room.index, "- three", "- three\n- M, by B"), "done"])

    room.run([
        after(b_adds, edit(room.index, "- one", "- ONE")),
        write(room.index, "# Memory\n- ONE\n- two\n- three, by A\n"),
        "done",
    ])  # fmt: skip
    assert lines(room.index) == Counter(["# Memory", "- ONE", "- two", "- three, by A", "- M, by B"])


def test_a_blind_write_deletes_nothing_that_it_never_saw(room: Room) -> None:
    """The client shows the first 200 lines of the index at the start, so the others were never seen."""
    text = "# Memory\n" + "".join(f"- fact {n}\n" for n in range(2, 251))
    room.remember(text)
    room.run([write(room.index, "# Memory\n- fact 2\n- new\n"), "done"])
    assert lines(room.index) == Counter(["# Memory", "- fact 2", "- new", *(f"- fact {n}" for n in range(201, 251))])
    # The text as it was before that write is the store's first snapshot.
    before = hashlib.sha256(text.encode()).hexdigest()
    assert room.memshim("show", "--at", before, "--store", room.memory) == text


def test_a_deletion_of_what_the_agent_saw_is_a_deletion(room: Room) -> None:
    room.remember(START)
    room.run([read(room.index), write(room.index, "# Memory\n- one\n- three\n"), "done"])
    assert room.index.read_text() == "# Memory\n- one\n- three\n"
    room.run([edit(room.index, "- one", "- ONE"), "done"])
    assert room.index.read_text() == "# Memory\n- ONE\n- three\n"


def test_the_first_write_of_an_empty_project_makes_the_store(room: Room) -> None:
    assert not room.memory.exists()
    room.run([write(room.index, "# Memory\n- first\n"), "done"])
    assert room.index.read_text() == "# Memory\n- first\n"
    assert room.stores() == [room.memory.parent / ".memshim" / "memory"]
    # The write is an entry of the agent that made it, not text that was there before.
    assert "main" in room.memshim("log", "--store", room.memory)


def test_two_first_writes_of_an_empty_project(room: Room) -> None:
    def other_writes() -> None:
        room.run([write(room.index, "# Memory\n- of B\n"), "done"])

    room.run([after(other_writes, write(room.index, "# Memory\n- of A\n")), "done"])
    assert lines(room.index) == Counter(["# Memory", "- of A", "- of B"])


def test_a_session_that_only_reads_leaves_the_memory_as_it_is(room: Room) -> None:
    index = room.remember(START)
    before = index.stat()
    room.run([read(index), bash(f"cat {index}; ls {room.memory}; grep -c one {index}"), "done"])
    assert index.read_text() == START
    assert (index.stat().st_ino, index.stat().st_mtime) == (before.st_ino, before.st_mtime)
    assert [path.name for path in room.memory.iterdir()] == ["MEMORY.md"]
