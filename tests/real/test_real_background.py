"""The client's own background pass writes memory too: a fork of the session, after a turn that did not."""

import json
from collections import Counter
from itertools import count

import pytest
from api import Gate, Turn
from room import Room, bash, edit, lines, read

pytest_plugins = ["rooms"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

START = "# Memory\n- one\n- two\nEND\n"
# What a server switches on for some users: the extraction of memories, in headless sessions as well.
SWITCHES = {"tengu_passport_quail": True, "tengu_slate_thimble": True}
HEEDED = {"CLAUDE_CODE_GB_DISK_CACHE_WHEN_TELEMETRY_OFF": "1"}


def test_extraction_by_two_sessions_while_a_third_edits(room: Room) -> None:
    room.remember(START)
    (room.config / ".claude.json").write_text(json.dumps({"cachedGrowthBookFeatures": SWITCHES}))
    gate, numbers = Gate(3), count(1)
    room.api.scripts["extraction"] = [
        read(room.index),
        lambda _: Turn([edit(room.index, "END", f"- extracted {next(numbers)}\nEND")], gate=gate),
        "done",
    ]
    sessions = [room.start([bash("echo hello"), "I have learnt much"], env=HEEDED) for _ in range(2)]
    sessions.append(room.start([Turn([edit(room.index, "- one", "- ONE")], gate=gate), "done"], env=HEEDED))
    ids = [session.finish().id for session in sessions]

    assert lines(room.index) == Counter(["# Memory", "- ONE", "- two", "- extracted 1", "- extracted 2", "END"])
    log = json.loads(room.memshim("log", "--json", "--store", room.memory))["entries"]
    wrote = {(entry["name"], entry["session"]) for entry in log if entry["kind"] == "edit"}
    assert wrote == {("extract", ids[0]), ("extract", ids[1]), ("main", ids[2])}
