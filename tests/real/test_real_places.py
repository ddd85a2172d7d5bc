"""Where memories are: moved by settings, and beside the client's own files, which it cleans up."""

import os
import time
from collections import Counter
from pathlib import Path

import pytest
from room import Room, after, bash, edit, lines, read, until, write

pytest_plugins = ["rooms"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def test_a_memory_folder_that_settings_moved(room: Room) -> None:
    """Its folder is covered by no rule of the hooks: an incident says so, and installing once more mends it."""
    moved = room.home / "elsewhere" / "notes"
    room.settings({"autoMemoryDirectory": str(moved)})
    first = room.run([write(moved / "MEMORY.md", "# Memory\n- first\nEND\n"), "done"])
    assert os.path.realpath(first.memory or "") == os.path.realpath(moved)
    (incident,) = room.incidents(clear=True)
    assert str(moved) in incident
    assert "memshim install" in incident
    room.memshim("install")

    def other_adds() -> None:
        room.run([edit(moved / "MEMORY.md", "END", "- theirs\nEND"), "done"])

    mine = write(moved / "MEMORY.md", "# Memory\n- first\n- mine\nEND\n")
    room.run([read(moved / "MEMORY.md"), after(other_adds, mine), "done"])
    assert lines(moved / "MEMORY.md") == Counter(["# Memory", "- first", "- theirs", "- mine", "END"])
    assert sorted(path.name for path in moved.iterdir()) == ["MEMORY.md"]


def test_the_clients_clean_up_leaves_our_folder_alone(room: Room) -> None:
    room.remember("# Memory\n- one\nEND\n")
    room.run([edit(room.index, "END", "- two\nEND"), "done"])
    old = room.memory.parent / "11111111-1111-4111-8111-111111111111.jsonl"
    old.write_text('{"type": "user"}\n')
    beside = room.memory.parent / ".memshim"
    long_ago = time.time() - 100 * 24 * 3600
    for path in (old, beside, *beside.rglob("*")):
        os.utime(path, (long_ago, long_ago))
    ours = _kept(beside)
    (room.config / ".last-cleanup").unlink(missing_ok=True)
    room.settings({"cleanupPeriodDays": 1})
    room.run([after(lambda: until(lambda: not old.exists(), 60), bash("true")), "done"])
    assert ours
    assert _kept(beside).items() >= ours.items()


def _kept(beside: Path) -> dict[str, bytes]:
    """The files that nothing of ours changes either: journals, snapshots and old revisions."""
    found = [path for path in beside.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(beside)): path.read_bytes()
        for path in found
        if path.relative_to(beside).parts[1] in ("memory", "snapshots", "history", "format")
    }
