"""Clients that race while a daemon runs, and while one is killed: every line is there, once."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator

import pytest
from conftest import STRESS
from room import Room, lines, until
from test_real_races import HOW, START, race

pytest_plugins = ["rooms"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

CLIENTS = 8 if STRESS else 4
WAYS = HOW if STRESS else ["edit"]


@pytest.fixture
def daemon(room: Room) -> Iterator[int]:
    """The process of a daemon that the room's hooks ask."""
    room.daemon = ""
    room.remember(START)
    room.memshim("daemon", "start")
    yield json.loads(room.memshim("daemon", "status", "--json"))["pid"]
    room.memshim("daemon", "stop")


@pytest.mark.parametrize("how", WAYS)
def test_with_a_daemon(room: Room, daemon: int, how: str) -> None:
    wanted = race(room, [HOW[how]] * CLIENTS)
    assert lines(room.index) == Counter([*wanted, "# Memory", "END"]), "on disk when the sessions end"
    assert json.loads(room.memshim("daemon", "status", "--json"))["pid"] == daemon


@pytest.mark.parametrize("how", WAYS)
def test_killed_half_way(room: Room, daemon: int, how: str) -> None:
    def kill() -> None:
        until(lambda: room.index.read_text() != START)
        os.kill(daemon, signal.SIGKILL)

    wanted = race(room, [HOW[how]] * CLIENTS, meanwhile=kill)
    room.memshim("compact", "--store", room.memory)
    assert lines(room.index) == Counter([*wanted, "# Memory", "END"])
