"""The ways into the real client: settings, the plugin, all at once; and a memory that no rule reaches."""

import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from api import Gate, Step, Turn
from conftest import REPOSITORY
from room import Room, edit, lines, read, write

pytest_plugins = ["rooms"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

START = "# Memory\nEND\n"
ALONE = {"MEMSHIM_DAEMON": "off"}


def race(room: Room, *args: str, clients: int = 3) -> Counter[str]:
    """Runs clients that edit the memory at the same moment; gives the lines that should be there."""
    room.remember(START)
    gate = Gate(clients)
    wanted = [f"- note of a{n:02}" for n in range(clients)]
    sessions = []
    for line in wanted:
        steps: list[Step] = [read(room.index), Turn([edit(room.index, "END", f"{line}\nEND")], gate=gate), "done"]
        sessions.append(room.start(steps, *args, env=ALONE))
    for session in sessions:
        session.finish()
    return Counter([*wanted, "# Memory", "END"])


def kinds(room: Room, folder: Path) -> Counter[str]:
    """How many calls a store has taken in, by kind. What a busy machine's hooks adopted besides is told by the lines."""
    told = room.memshim("log", "--store", folder).splitlines()
    return Counter(word for line in told for word in line.split() if word in ("edit", "write", "init"))


def test_the_client_accepts_the_plugin(bare_room: Room) -> None:
    for what in (".", ".claude-plugin/plugin.json"):
        command = [str(bare_room.claude), "plugin", "validate", str(REPOSITORY / what)]
        done = subprocess.run(
            command, env=bare_room.environment(), cwd=bare_room.project, capture_output=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stdout.decode()


def test_the_plugin_alone(bare_room: Room) -> None:
    wanted = race(bare_room, "--plugin-dir", str(REPOSITORY))
    assert lines(bare_room.index) == wanted
    assert kinds(bare_room, bare_room.memory) == Counter(init=1, edit=3)
    state = bare_room.home / ".local/state/memshim"
    python = Path((state / "hook-python").read_text().strip())
    assert python.is_absolute()
    assert os.access(python, os.X_OK)
    assert not (bare_room.config / "settings.json").exists()
    bare_room.verify()


def test_every_way_at_once(bare_room: Room) -> None:
    for scope in ("user", "project", "local"):
        bare_room.memshim("install", "--scope", scope)
    wanted = race(bare_room, "--plugin-dir", str(REPOSITORY))
    assert lines(bare_room.index) == wanted
    assert kinds(bare_room, bare_room.memory) == Counter(init=1, edit=3)
    bare_room.verify()
    bare_room.memshim("uninstall")
    assert not (bare_room.project / ".claude").exists()


def test_a_memory_that_moved_after_the_installation(bare_room: Room) -> None:
    room = bare_room
    moved = room.home / "my notes" / "mém (1) [b]?"
    moved.mkdir(parents=True)
    room.memshim("install")
    room.settings({"autoMemoryDirectory": str(moved)})
    room.run([write(moved / "MEMORY.md", "# Memory\n- one\n"), "done"], env=ALONE)
    assert room.stores() == []
    incidents = room.home / ".local/state/memshim/incidents"
    assert "memshim install" in incidents.read_text()
    incidents.unlink()
    room.memshim("install")
    room.run([edit(moved / "MEMORY.md", "- one", "- one\n- two"), "done"], env=ALONE)
    assert kinds(room, moved) == Counter(init=1, edit=1)
    room.verify()


def test_a_store_of_ones_own_beside_other_files(bare_room: Room) -> None:
    room = bare_room
    (room.project / "MEMORY.md").write_text(START)
    room.memshim("init", "--store", room.project)
    room.memshim("install")
    room.run(
        [
            write(room.project / "code.py", "x = 1\n"),
            edit(room.project / "MEMORY.md", "END", "- mine\nEND"),
            "done",
        ],
        env=ALONE,
    )
    assert lines(room.project / "MEMORY.md") == Counter(["# Memory", "- mine", "END"])
    assert kinds(room, room.project) == Counter(init=1, edit=1)
    assert not (room.home / ".local/state/memshim/incidents").exists()
