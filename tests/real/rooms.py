"""The fixtures of the tests with the real client: where it is, and a room with memshim's hooks in it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from api import Api
from conftest import REPOSITORY
from room import Room

CACHE = REPOSITORY / ".ci" / "cache" / "claude"
_CHOSEN = os.environ.get("MEMSHIM_CLAUDE")  # read now: during tests no MEMSHIM_* variable is set


@pytest.fixture(scope="session")
def claude() -> Path:
    """The client's binary: $MEMSHIM_CLAUDE, else where .ci/run puts it."""
    found = [Path(_CHOSEN)] if _CHOSEN else sorted(CACHE.glob("node_modules/@anthropic-ai/claude-code-*/claude"))
    usable = [path for path in found if os.access(path, os.X_OK)]
    if not usable:
        pytest.fail(f"MEMSHIM_REAL=1, but no client: neither $MEMSHIM_CLAUDE nor one in {CACHE}; .ci/run installs it.")
    return usable[0]


@pytest.fixture
def bare_room(claude: Path, guarded_home: Path) -> Iterator[Room]:
    """A room without memshim."""
    with Api() as api:
        room = Room(claude, guarded_home, api)
        yield room
        faults = api.faults
    assert faults == [], faults


@pytest.fixture
def room(bare_room: Room) -> Iterator[Room]:
    """A room with memshim's hooks. At the end nothing may have gone wrong in them, and the store is sound."""
    bare_room.install()
    yield bare_room
    bare_room.verify()
