"""Several agents of one session, and of two: subagents, parallel calls, a subagent with a memory of its own."""

from collections import Counter

import pytest
from api import Gate, Turn
from room import Room, bash, edit, lines, read, together, write

pytest_plugins = ["rooms"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

START = "# Memory\n- one\n- two\n- three\nEND\n"


def test_subagents_of_one_session_edit_at_once(room: Room) -> None:
    room.remember(START)
    gate, names = Gate(4), [f"helper{n}" for n in range(4)]
    helpers = [
        room.agent(
            name,
            [read(room.index), Turn([edit(room.index, "END", f"- by {name}\nEND")], gate=gate), "done"],
        )
        for name in names
    ]
    room.run([together(*helpers), "waiting"])
    assert lines(room.index) == Counter([*START.split("\n")[:-1], *(f"- by {name}" for name in names)])


def test_parallel_calls_of_one_turn(room: Room) -> None:
    room.remember(START)
    topic = room.memory / "topic.md"
    room.run([
        together(
            edit(room.index, "- one", "- ONE"),
            edit(room.index, "- two", "- TWO"),
            write(topic, "# Topic\n\n- fact\n"),
            bash(f"echo '- more' >> {room.index}"),
            edit(room.index, "END", "- main\nEND"),
        ),
        "done",
    ])  # fmt: skip
    assert lines(room.index) == Counter(["# Memory", "- ONE", "- TWO", "- three", "- main", "END", "- more"])
    assert topic.read_text() == "# Topic\n\n- fact\n"


def test_two_sessions_and_a_subagent(room: Room) -> None:
    room.remember(START)
    gate = Gate(3)
    helper = room.agent("helper", [Turn([edit(room.index, "END", "- helper\nEND")], gate=gate), "done"])
    first = room.start([
        together(helper),
        Turn([write(room.index, START.replace("- one\n", "- one, by the first\n"))], gate=gate),
        "waiting",
    ])  # fmt: skip
    second = room.start([Turn([bash(f"sed -i 's/- three/- three, by the second/' {room.index}")], gate=gate), "done"])
    first.finish()
    second.finish()
    assert lines(room.index) == Counter(
        ["# Memory", "- one, by the first", "- two", "- three, by the second", "- helper", "END"]
    )


def test_the_memory_of_a_subagent_becomes_a_store(room: Room) -> None:
    room.subagent("keeper", memory="user")
    own = room.config / "agent-memory" / "keeper" / "MEMORY.md"
    room.subagent("clerk", memory="project")
    shared = room.project / ".claude" / "agent-memory" / "clerk" / "MEMORY.md"

    gate = Gate(2)
    sessions = []
    for n in range(2):
        keeper = room.agent(f"keeper{n}", [Turn([write(own, f"# Own\n\n- of {n}\n")], gate=gate), "done"], "keeper")
        sessions.append(room.start([keeper, "waiting"]))
    for one in sessions:
        one.finish()
    assert lines(own) == Counter(["# Own", "- of 0", "- of 1"])
    assert (own.parent.parent / ".memshim" / "keeper").is_dir()

    steps = [write(shared, "# Shared\n\n- fact\n"), edit(shared, "- fact", "- facts"), "done"]
    clerk = room.agent("clerk0", steps, "clerk")
    room.run([clerk, "waiting"])
    assert shared.read_text() == "# Shared\n\n- facts\n"
    assert (shared.parent.parent / ".memshim" / "clerk").is_dir()
