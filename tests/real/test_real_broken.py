"""What goes wrong in the middle: a client that is killed, hooks that vanish, a command that takes long."""

import shutil
import time
from collections import Counter

import pytest
from conftest import STRESS
from room import REPOSITORY, Room, after, bash, edit, lines, read, until

pytest_plugins = ["rooms"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

START = "# Memory\n- one\n- two\nEND\n"
LONG_S = 60 if STRESS else 8


def test_a_client_killed_between_pre_and_post(room: Room) -> None:
    room.remember(START)
    running = room.home / "running"
    running.write_text("")
    wait = f"while [ -e {running} ]; do sleep 0.05; done"
    victim = room.start([bash(f"echo '- of the killed' >> {room.index}; {wait}; touch {room.home}/ended"), "done"])
    try:
        until(lambda: "- of the killed" in room.index.read_text())
        victim.kill()
        room.run([read(room.index), edit(room.index, "END", "- of the next\nEND"), "done"])
    finally:
        running.unlink()
    until(lambda: (room.home / "ended").exists())
    wanted = Counter(["# Memory", "- one", "- two", "- of the next", "END", "- of the killed"])

    def is_taken_in() -> bool:
        """Its call may still tell until its lease has ended, 5 s after it began; then what it had written is taken in."""
        room.memshim("compact", "--store", room.memory)
        return lines(room.index) == wanted

    until(is_taken_in)


def test_uninstalled_half_way(room: Room) -> None:
    """Running sessions go on, plain Markdown is what they leave, and the settings are as they were before."""
    room.remember(START)
    room.memshim("uninstall")
    before = (room.config / "settings.json").read_text() if (room.config / "settings.json").exists() else None
    room.install()
    session = room.run([
        read(room.index),
        edit(room.index, "END", "- before\nEND"),
        after(lambda: room.memshim("uninstall"), edit(room.index, "END", "- after\nEND")),
        bash(f"echo '- and a command' >> {room.index}"),
        "done",
    ])  # fmt: skip
    assert [result.error for result in session.results()] == [False] * 4
    path = room.config / "settings.json"
    assert (path.read_text() if path.exists() else None) == before
    wanted = Counter(["# Memory", "- one", "- two", "- before", "- after", "END", "- and a command"])
    assert lines(room.index) == wanted
    # Installed again, the store takes in what happened without it.
    room.install()
    room.run([edit(room.index, "- one", "- ONE"), "done"])
    assert lines(room.index) == wanted - Counter(["- one"]) + Counter(["- ONE"])


def test_a_program_that_vanishes_half_way(room: Room) -> None:
    """The folder of the program is taken away under a running session: its tools go on."""
    room.remember(START)
    copied = room.home / "copied"
    shutil.copytree(REPOSITORY / "memshim", copied / "memshim")
    shutil.copytree(REPOSITORY / "hooks", copied / "hooks")
    room.memshim("install", source=copied)
    session = room.run([
        edit(room.index, "END", "- before\nEND"),
        after(lambda: shutil.rmtree(copied), edit(room.index, "END", "- after\nEND")),
        bash(f"echo '- and a command' >> {room.index}"),
        "done",
    ])  # fmt: skip
    assert [result.error for result in session.results()] == [False] * 3
    assert lines(room.index) == Counter(["# Memory", "- one", "- two", "- before", "- after", "END", "- and a command"])


def test_a_long_command_that_names_the_folder_delays_nobody(room: Room) -> None:
    room.remember(START)
    plain = _seconds(room, [edit(room.index, "- one", "- ONE"), "done"])
    started = room.home / "started"
    long = room.start([bash(f"touch {started}; sleep {LONG_S}; echo '- late' >> {room.index}"), "done"])
    until(started.exists)
    begun = time.monotonic()
    for n in range(2):
        took = _seconds(room, [edit(room.index, "END", f"- quick {n}\nEND"), "done"])
        assert took < 2 * plain + 2, (took, plain)
    took = _seconds(room, [bash(f"echo '- quick 2' >> {room.index}"), "done"])
    assert took < 2 * plain + 2, (took, plain)
    if STRESS:
        assert time.monotonic() - begun < LONG_S
        assert long.process.poll() is None
    long.finish()
    assert lines(room.index) == Counter(
        ["# Memory", "- ONE", "- two", "- quick 0", "- quick 1", "END", "- quick 2", "- late"]
    )


def _seconds(room: Room, steps: list[object]) -> float:
    begun = time.monotonic()
    room.run(steps)
    return time.monotonic() - begun
