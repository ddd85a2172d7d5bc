"""Where memories are: moved by settings, and beside the client's own files, which it cleans up."""

import os
import time
from collections import Counter

import pytest
from room import Room, after, bash, edit, lines, until, write

pytest_plugins = ["rooms"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def test_a_memory_folder_that_settings_moved(room: Room) -> None:
    moved = room.home / "elsewhere" / "notes"
    room.settings({"autoMemoryDirectory": str(moved)})
    first = room.run([write(moved / "MEMORY.md", "# Memory\n- first\nEND\n"), "done"])
    assert first.memory is not None
    assert os.path.realpath(first.memory) == os.path.realpath(moved)

    def other_adds() -> None:
        room.run([edit(moved / "MEMORY.md", "END", "- theirs\nEND"), "done"])

    room.run([after(other_adds, write(moved / "MEMORY.md", "# Memory\n- first\n- mine\nEND\n")), "done"])
    assert lines(moved / "MEMORY.md") == Counter(["# Memory", "- first", "- theirs", "- mine", "END"])
    assert not list(moved.rglob("*.md"))[1:]


def test_the_clients_clean_up_leaves_our_folder_alone(room: Room) -> None:
    room.remember("# Memory\n- one\nEND\n")
    room.run([edit(room.index, "END", "- two\nEND"), "done"])
    old = room.memory.parent / "11111111-1111-4111-8111-111111111111.jsonl"
    old.write_text('{"type": "user"}\n')
    beside = room.memory.parent / ".memshim"
    long_ago = time.time() - 100 * 24 * 3600
    for path in (old, beside, *beside.rglob("*")):
        os.utime(path, (long_ago, long_ago))
    ours = _tree(beside)
    (room.config / ".last-cleanup").unlink(missing_ok=True)
    room.settings({"cleanupPeriodDays": 1})
    room.run([after(lambda: until(lambda: not old.exists(), 60), bash("true")), "done"])
    assert _tree(beside).items() >= ours.items()


def _tree(folder: os.PathLike[str]) -> dict[str, bytes]:
    found = {}
    for above, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(above, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found
