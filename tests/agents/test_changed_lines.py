"""An Edit, a Write and a shell command that change different lines, in any order that leases allow: each line is there once.

The Write is of a whole text that its agent was given at the session's start, or has read.
"""

import json
import os
import random
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import STRESS
from recorded import event, places
from test_interleavings import STEPS, Caller

from memshim import Store
from memshim.agents import door
from memshim.store import lease

TEXT = "# Memory\n- one\n- two\n- three\nEND\n"
CHANGES = [
    ("Edit", "END\n", "- helper\nEND\n"),
    ("Write", "- one\n", "- one, by the first\n"),
    ("Bash", "three", "three, by the second"),
]
DONE = Counter(["# Memory", "- one, by the first", "- two", "- three, by the second", "- helper", "END"])


class Changer(Caller):
    """Is one agent that makes one call, which replaces `old` by `new`; knows the memory from its session's start or by a Read."""

    def __init__(self, home: Path, name: str, tool: str, old: str, new: str, reads: bool) -> None:
        self.old, self.new, self.given = old, new, not reads
        super().__init__(home, name, tool)

    def tell(self, kind: str, tool: str = "", asked: dict[str, object] | None = None, **said: object) -> None:
        if tool == "Read" and self.given:
            payload = event("plain", self.home, "SessionStart")
            payload |= {"session_id": f"{self.name * 8}-0000-4000-8000-000000000000"}
            door.handle(json.dumps(payload).encode(), os.environ)
        else:
            super().tell(kind, tool, asked, **said)

    @property
    def asked(self) -> dict[str, object]:
        if self.tool == "Bash":
            return {"command": f"sed -i 's/{self.old}/{self.new}/' {self.mem}"}
        if self.tool == "Edit":
            return {"old_string": self.old, "new_string": self.new, "replace_all": False}
        return {"content": self.seen.replace(self.old, self.new)}

    def rename(self) -> None:
        self.after = (self.seen if self.tool == "Write" else self.before).replace(self.old, self.new)
        aside = self.mem.with_name("aside")
        aside.write_text(self.after)
        aside.rename(self.mem)

    def post(self) -> None:
        said = {"content": self.after} if self.tool == "Write" else {"oldString": self.old, "newString": self.new}
        more = {} if self.tool == "Bash" else {"originalFile": self.before, **said}
        self.tell("PostToolUse", asked=self.asked, **more)


def play(home: Path, draw: random.Random, reads: bool) -> tuple[list[str], Counter[str]]:
    """Makes the changes in an order that leases allow: a command alone, edits together. Gives it, and the lines of the end."""
    memory = places(home)["<MEM>"]
    shutil.rmtree(memory.parent, ignore_errors=True)
    memory.mkdir(parents=True)
    (memory / "MEMORY.md").write_text(TEXT)
    os.utime(memory / "MEMORY.md", (time.time() - 3600,) * 2)
    changers = [Changer(home, "abc"[n], *change, reads) for n, change in enumerate(CHANGES)]
    at, order = [0] * len(changers), []
    while any(step < len(STEPS) for step in at):
        at_work = [n for n, step in enumerate(at) if 0 < step < len(STEPS)]
        alone = any(changers[n].tool == "Bash" for n in at_work)
        fresh = [
            n for n, step in enumerate(at) if step == 0 and not alone and (changers[n].tool != "Bash" or not at_work)
        ]
        n = draw.choice(at_work + fresh)
        getattr(changers[n], STEPS[at[n]])()
        order.append(f"{changers[n].tool} {STEPS[at[n]]}")
        at[n] += 1
    Store.open(memory).compact()
    return order, Counter((memory / "MEMORY.md").read_text().splitlines())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("reads", [False, True])
def test_each_is_there_once(guarded_home: Path, reads: bool, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "WAIT_S", 0.01)
    draw = random.Random(seed)
    for _ in range(300 if STRESS else 15):
        order, found = play(guarded_home, draw, reads)
        assert found == DONE, order


def test_a_change_just_before_a_start_is_not_doubled(guarded_home: Path) -> None:
    """The session may have been given the text from before it: a line that it carries on is no new one."""
    memory = places(guarded_home)["<MEM>"]
    memory.mkdir(parents=True)
    (memory / "MEMORY.md").write_text(TEXT)
    os.utime(memory / "MEMORY.md", (time.time() - 3600,) * 2)
    Store.open(memory, agent="other").edit("- three", "- THREE")
    writer = Changer(guarded_home, "b", *CHANGES[1], reads=False)
    writer.seen = TEXT
    for step in STEPS:
        getattr(writer, step)()
    found = Counter((memory / "MEMORY.md").read_text().splitlines())
    assert found == Counter(["# Memory", "- one, by the first", "- two", "- THREE", "END"])
