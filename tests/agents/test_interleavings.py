"""Two agents' tool calls, cut into their steps and run in every order: each line is there once, whatever came first.

A call is what the client does: PreToolUse, its last read of the file, its rename (or the command), PostToolUse.  A Write
of what has changed since it was seen is refused by the client: before its hooks, so that the agent reads first, or after
them, at its last read.
"""

import itertools
import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from conftest import STRESS
from recorded import event, places

from memshim import Store
from memshim.agents import door, inbox
from memshim.disk import files
from memshim.store import lease

START = "# Memory\n- one\n- two\nEND\n"
EXCHANGE = files.exchange
STEPS = ("pre", "read", "rename", "post")
STALE = "File content has changed since it was last read. This commonly happens when a linter or formatter (...)."
UNVERIFIED = "Write verification failed: MEMORY.md is 29 bytes on disk, expected 61. The filesystem may have (...)."


def tell(event: dict[str, object]) -> None:
    """What a hook does with an event."""
    payload = json.dumps(event).encode()
    door.handle(payload, os.environ, inbox.keep(payload))


class Caller:
    """Is one agent that makes calls of one tool; each adds a line before END. Its steps are to be run in their order."""

    def __init__(self, home: Path, name: str, tool: str) -> None:
        self.home, self.name, self.tool = home, name, tool
        self.mem = places(home)["<MEM>"] / "MEMORY.md"
        self.calls = 0
        self.look()

    def look(self) -> None:
        self.seen = self.mem.read_text()
        self.tell("PostToolUse", "Read", file={"content": self.seen, "totalLines": self.seen.count("\n") + 1})

    def tell(self, kind: str, tool: str = "", asked: dict[str, object] | None = None, **said: object) -> None:
        tool = tool or self.tool
        payload = event("writes" if tool in ("Write", "Bash") else "plain", self.home, kind, tool)
        payload |= {"session_id": f"{self.name * 8}-0000-4000-8000-000000000000"}
        payload |= {"tool_use_id": f"toolu_{tool}_{self.name}{self.calls}"}
        payload["tool_input"] = {"file_path": str(self.mem), **(asked or {})}
        if "file" in said:
            said["file"] = payload["tool_response"]["file"] | said["file"]
        if said:
            payload["tool_response"] |= {"filePath": str(self.mem), **said}
        tell(payload)

    @property
    def line(self) -> str:
        return f"- {self.calls} by {self.name}\nEND\n"

    @property
    def asked(self) -> dict[str, object]:
        if self.tool == "Edit":
            return {"old_string": "END\n", "new_string": self.line, "replace_all": False}
        return {"content": self.seen.replace("END\n", self.line)}

    def pre(self) -> None:
        if self.tool == "Write" and self.mem.read_text() != self.seen:
            self.look()
        self.tell("PreToolUse", asked=self.asked)

    def read(self) -> None:
        self.before = self.mem.read_text()
        self.refused = self.tool == "Write" and self.before != self.seen

    def rename(self) -> None:
        if self.refused:
            return
        # Like the client, an Edit is made of the last read; a Write is what it is.
        edited = self.before.replace("END\n", self.line)
        self.after = edited if self.tool == "Edit" else str(self.asked["content"])
        aside = self.mem.with_name("MEMORY.md.tmp.1.abcdef")
        aside.write_text(self.after)
        aside.rename(self.mem)

    def post(self) -> None:
        if self.refused:
            self.fail(STALE)
            return
        said = {"content": self.after} if self.tool == "Write" else {"oldString": "END\n", "newString": self.line}
        self.tell("PostToolUse", asked=self.asked, originalFile=self.before, **said)
        self.seen = self.after
        self.calls += 1

    def fail(self, error: str = UNVERIFIED) -> None:
        """The client refuses; UNVERIFIED: it looked at the file that it had just written, and found somebody else's."""
        payload = event(f"refused-in-tool-{self.tool.lower()}", self.home, "PostToolUseFailure", self.tool)
        payload |= {"session_id": f"{self.name * 8}-0000-4000-8000-000000000000", "error": error}
        payload |= {"tool_use_id": f"toolu_{self.tool}_{self.name}{self.calls}"}
        payload["tool_input"] = {"file_path": str(self.mem), **self.asked}
        tell(payload)
        self.calls += 1


def orders(callers: int) -> Iterator[tuple[int, ...]]:
    """Every order in which the steps of so many callers can come."""
    yield from sorted(set(itertools.permutations(sorted([*range(callers)] * len(STEPS)))))


def play(home: Path, tools: list[str], order: Sequence[int], inside: random.Random | None = None) -> Counter[str]:
    """Runs the callers' steps in this order, each as many calls as it has steps for; gives the lines of the end.

    With `inside` some renames come early, in the middle of another's publish, just before its exchange; and somebody
    who was told nothing looks at the folder now and then, as a daemon does.
    """
    memory = places(home)["<MEM>"]
    shutil.rmtree(memory.parent, ignore_errors=True)
    memory.mkdir(parents=True)
    (memory / "MEMORY.md").write_text(START)
    callers = [Caller(home, "abcdef"[n], tool) for n, tool in enumerate(tools)]
    order, steps = list(order), [itertools.cycle(STEPS) for _ in callers]
    due = [next(mine) for mine in steps]

    def step(n: int) -> None:
        name, due[n] = due[n], next(steps[n])
        getattr(callers[n], name)()

    def exchange(aside: str, path: str) -> bool:
        ready = [n for n in order if due[n] == "rename"]
        if inside and ready and path == str(callers[0].mem) and inside.random() < 0.5:
            order.remove(n := inside.choice(ready))
            step(n)
        return EXCHANGE(aside, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "exchange", exchange)
        while order:
            step(order.pop(0))
            if inside and inside.random() < 0.2:
                Store.open(memory).publish_soon()
    incidents = home / ".local/state/memshim/incidents"
    assert not incidents.exists(), incidents.read_text()
    return Counter((memory / "MEMORY.md").read_text().splitlines())


def two_that_wrote(home: Path, tools: Sequence[str]) -> list[Caller]:
    """Two callers who wrote over each other in a fresh memory, and whose hooks have not told of it yet."""
    memory = places(home)["<MEM>"]
    shutil.rmtree(memory.parent, ignore_errors=True)
    memory.mkdir(parents=True)
    (memory / "MEMORY.md").write_text(START)
    callers = [Caller(home, "ab"[n], tool) for n, tool in enumerate(tools)]
    for step in STEPS[:-1]:
        for caller in callers:
            getattr(caller, step)()
    return callers


def wanted(calls: Sequence[int]) -> Counter[str]:
    lines = [f"- {n} by {name}" for name, count in zip("abcdef", calls, strict=False) for n in range(count)]
    return Counter([*START.splitlines(), *lines])


@pytest.mark.parametrize("tools", [["Edit", "Edit"], ["Edit", "Write"], ["Write", "Write"]], ids="-".join)
def test_orders_of_two_calls(guarded_home: Path, tools: list[str], seed: int) -> None:
    every = list(orders(2))
    chosen = every if STRESS else random.Random(seed).sample(every, 12)
    found = {order: play(guarded_home, tools, order) for order in chosen}
    assert {order: text for order, text in found.items() if text != wanted([1, 1])} == {}


@pytest.mark.parametrize("told_first", [0, 1])
@pytest.mark.parametrize("tools", [["Edit", "Edit"], ["Edit", "Write"], ["Write", "Edit"]], ids="-".join)
def test_a_write_that_another_followed_at_once(guarded_home: Path, tools: list[str], told_first: int) -> None:
    """The client says that the first has failed; seen on the real client, eight at once."""
    first, second = two_that_wrote(guarded_home, tools)
    for end in [first.fail, second.post] if told_first == 0 else [second.post, first.fail]:
        end()
    assert Counter(first.mem.read_text().splitlines()) == wanted([1, 1])


MANY = pytest.mark.parametrize("tools", [["Edit"] * 3, ["Write"] * 3, ["Edit", "Write", "Edit", "Write"]], ids="-".join)


@MANY
@pytest.mark.parametrize("leases", [False, True])
@pytest.mark.timeout(1200)
def test_orders_of_many_calls(
    guarded_home: Path, tools: list[str], leases: bool, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not leases:  # a slow machine: every lease has ended before its call has
        monkeypatch.setattr(lease, "LASTS_S", 0.0)
    draw = random.Random(seed)
    for _ in range(100 if STRESS else 2):
        order = drawn(draw, len(tools))
        found = play(guarded_home, tools, order)
        assert found == wanted([3] * len(tools)), (order, found)


@pytest.mark.parametrize("leases", [False, True])
@pytest.mark.parametrize(
    "order",
    [
        [0, 0, 2, 2, 2, 0, 1, 1, 3, 3, 3, 2, 1, 3, 0, 1],  # a tells of text that b had read, when b's has been adopted
        [0, 1, 1, 1, 0, 2, 2, 2, 3, 3, 3, 0, 3, 2, 0, 1],
        [0, 1, 2, 3, 3, 3, 0, 1, 1, 2, 2, 1, 0, 0, 2, 3],  # a read what d wrote, adopted before either tells
        [0, 2, 2, 2, 0, 0, 1, 1, 1, 1, 0, 2],  # b writes back what a has written, and tells first
        [0, 0, 1, 1, 1, 3, 0, 3, 3, 3, 0, 1],  # d, who had read what b wrote and a wrote over, is refused
    ],
)
def test_orders_that_went_wrong(
    guarded_home: Path, order: list[int], leases: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not leases:
        monkeypatch.setattr(lease, "LASTS_S", 0.0)
    calls = [order.count(n) // len(STEPS) for n in range(4)]
    assert play(guarded_home, ["Edit", "Write", "Edit", "Write"], order) == wanted(calls)


@MANY
@pytest.mark.parametrize("leases", [False, True])
@pytest.mark.timeout(1200)
def test_orders_with_somebody_in_between(
    guarded_home: Path, tools: list[str], leases: bool, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With leases exactly what was written; without them a line may stand there twice, or clash, but none is lost."""
    if not leases:
        monkeypatch.setattr(lease, "LASTS_S", 0.0)
    draw = random.Random(seed)
    for _ in range(100 if STRESS else 2):
        order = drawn(draw, len(tools))
        found = play(guarded_home, tools, order, draw)
        bare = Counter(line.partition(" (conflict ")[0] for line in found.elements())
        assert wanted([3] * len(tools)) - bare == Counter(), (order, found)
        assert not leases or found == wanted([3] * len(tools)), (order, found)


def drawn(draw: random.Random, callers: int) -> list[int]:
    """An order of three calls of each caller."""
    order = [*range(callers)] * len(STEPS) * 3
    draw.shuffle(order)
    return order
