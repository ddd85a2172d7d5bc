"""Clients that write the same memory at the same moment: every line is there, once, and on disk when they end."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from api import Call, Gate, Step, Turn
from conftest import STRESS
from room import Room, bash, edit, lines, read, write

pytest_plugins = ["rooms"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

CLIENTS = 8 if STRESS else 3
START = "# Memory\nEND\n"
REWRITE = "python3 -c \"p='{mem}'; s=open(p).read(); open(p,'w').write(s.replace('END', '{line}' + chr(10) + 'END'))\""

Plan = Callable[[Path, str], Sequence[Call]]
HOW: dict[str, Plan] = {
    "edit": lambda mem, line: [read(mem), edit(mem, "END", f"{line}\nEND")],
    "write": lambda mem, line: [read(mem), write(mem, f"# Memory\n{line}\nEND\n")],
    "echo": lambda mem, line: [bash(f"echo '{line}' >> {mem}")],
    "sed": lambda mem, line: [bash(f"sed -i 's/^END$/{line}\\nEND/' {mem}")],
    "python": lambda mem, line: [bash(REWRITE.format(mem=mem, line=line))],
}


def race(room: Room, plans: Sequence[Plan], *args: str, meanwhile: Callable[[], object] = lambda: None) -> list[str]:
    """Runs one client for each plan, the last calls of all released at once; gives the lines that they wrote."""
    gate = Gate(len(plans))
    wanted = [f"- note of a{n:02}" for n in range(len(plans))]
    sessions = []
    for plan, line in zip(plans, wanted, strict=True):
        *before, last = plan(room.index, line)
        steps: list[Step] = [*before, Turn([last], gate=gate), "done"]
        sessions.append(room.start(steps, *args))
    meanwhile()
    for session in sessions:
        session.finish()
    return wanted


@pytest.mark.parametrize("how", HOW)
def test_all_in_one_way(room: Room, how: str) -> None:
    room.remember(START)
    wanted = race(room, [HOW[how]] * CLIENTS)
    assert lines(room.index) == Counter([*wanted, "# Memory", "END"])


def test_all_ways_at_once(room: Room) -> None:
    room.remember(START)
    wanted = race(room, list(HOW.values()))
    assert lines(room.index) == Counter([*wanted, "# Memory", "END"])


def test_two_commands_in_one_line(room: Room) -> None:
    room.remember(START)

    def both(mem: Path, line: str) -> list[Call]:
        return [bash(f"echo '{line}, first' >> {mem}; sed -i 's/^END$/{line}, second\\nEND/' {mem}")]

    wanted = race(room, [both] * CLIENTS)
    assert lines(room.index) == Counter(
        [*(f"{line}, {which}" for line in wanted for which in ("first", "second")), "# Memory", "END"]
    )


@pytest.mark.stress
@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-sonnet-4-5"])
@pytest.mark.parametrize("how", HOW)
def test_older_models(room: Room, how: str, model: str) -> None:
    room.remember(START)
    wanted = race(room, [HOW[how]] * CLIENTS, "--model", model)
    assert lines(room.index) == Counter([*wanted, "# Memory", "END"])
