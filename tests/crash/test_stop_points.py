"""A process that is stopped at any write step (each of them, not a sample) loses nothing and leaves a sound store."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import STRESS
from scenarios import LONG, SCENARIOS

OFTEN = (
    "an append that publishes",
    "an append that does not publish",
    "an edit",
    "an init of an empty folder",
    "a compaction",
)
WHOLE = (
    "an append that publishes",
    "an append that does not publish",
    "an append by an agent that has a journal",
    "the first append of all makes the store",
    "an edit",
    "an edit of a stale revision",
    "a compaction",
    "a compaction that retires a journal",
    "a compaction that merges segments",
)
"""What is stopped at every step in the usual run too; the rest is stopped at a fifth of them there, by the seed."""
STOPPER = Path(__file__).with_name("stopper.py")


@pytest.fixture
def fast_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: thousands of small stores are made, and no disk is to survive here."""
    memory = "/dev/shm" if os.path.isdir("/dev/shm") and os.access("/dev/shm", os.W_OK) else tmp_path
    folder = Path(tempfile.mkdtemp(prefix="memshim-stops-", dir=memory))
    yield folder
    shutil.rmtree(folder)


def stop_everywhere(name: str, folder: Path, *options: str) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, str(STOPPER), name, str(folder), *options],
        capture_output=True, stdin=subprocess.DEVNULL, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr.decode(errors="replace")[-4000:]
    found: dict[str, Any] = json.loads(result.stdout)
    print(f"{found['stops']} stops at {len(found['steps'])} steps: {' '.join(found['steps'])}")
    return found


def test_what_is_named_here_are_scenarios() -> None:
    assert set(WHOLE) | set(OFTEN) <= set(SCENARIOS)


def fifth(seed: int) -> list[str]:
    return [f"fifth={seed % 5}"]


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.stress) if n in LONG else n for n in SCENARIOS])
def test_a_command_that_is_stopped_at_any_write_step_loses_nothing(name: str, fast_folder: Path, seed: int) -> None:
    whole = STRESS or name in WHOLE
    found = stop_everywhere(name, fast_folder, *([] if whole else fifth(seed)))
    assert len(found["steps"]) >= 5, "the steps are not seen"
    assert not found["failures"], "\n".join(found["failures"][:10])


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "name", [n if n in OFTEN else pytest.param(n, marks=pytest.mark.stress) for n in SCENARIOS], ids=str
)
def test_a_disk_that_is_full_or_denied_from_any_write_step_on_loses_nothing(name: str, fast_folder: Path) -> None:
    found = stop_everywhere(name, fast_folder, "failing")
    assert not found["failures"], "\n".join(found["failures"][:10])
    assert found["stops"] >= 15
    assert found["fine"] < found["stops"] / 2, "the failures are not felt"


def test_an_append_that_is_torn_at_any_byte_is_dropped_or_whole(fast_folder: Path, seed: int) -> None:
    """Torn at a fifth of its bytes in the usual run."""
    options = [] if STRESS else fifth(seed)
    found = stop_everywhere("an append that does not publish", fast_folder, "every-byte", *options)
    assert found["steps"].count("write") >= 1
    assert not found["failures"], "\n".join(found["failures"][:10])
