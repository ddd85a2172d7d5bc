"""What is done when the process is stopped: each scenario prepares a store, and names the one command that is stopped.

Every prepared entry has a name of its own here, so that runs with different ids can be compared.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from memshim import Store

BASE = b"# Memory\n\nA paragraph from before.\n\n## Tools\n\n- use uv\n- use ruff\n\n## Style\n\n- short lines\n"


def next_millisecond() -> None:
    """Waits for the clock: two agents' notes of one millisecond stand in either order."""
    now = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == now:
        pass


@dataclass
class World:
    """Is one store in the making: its folder, the ids that were acknowledged, by name, and the arguments they give."""

    folder: Path
    ids: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)

    def store(self, agent: str = "ann") -> Store:
        return Store.open(self.folder, agent=agent)

    def file(self, text: bytes, name: str = "MEMORY.md") -> None:
        """Writes a document as other programs do, by rename."""
        aside = self.folder.parent / "foreign"
        aside.write_bytes(text)
        os.rename(aside, self.folder / name)

    def append(self, name: str, text: str, *, agent: str = "ann", doc: str = "MEMORY.md", publish: bool = True) -> None:
        with self.store(agent) as store:
            self.ids[name] = store.append(text, doc=doc, publish=publish)
        next_millisecond()

    def change(self, name: str, verb: str, *args: str, **options: str) -> None:
        self.ids[name] = getattr(self.store(), verb)(*args, **options).id
        next_millisecond()

    def make_silent(self, agent: str) -> None:
        """Lets an agent's journal look as if nothing had been written to it for two days."""
        past = time.time() - 2 * 86400
        os.utime(self.folder / ".memshim" / "journals" / f"{agent}.log", (past, past))


@dataclass
class Scenario:
    """Is a command to stop.  `{name}` in its words is a value of the world; `proof` is a file that it must make."""

    prepare: Callable[[World], None]
    words: list[str]
    stdin: bytes = b""
    proof: str = ""
    grace: bool = True
    tail: int = 256
    exchange: bool = True
    links: bool = True
    secret: bytes = b""  # what a redaction erases: a part of it done is neither old nor new
    foreign: bool = False  # the document on disk at the start is not yet known to the store


def nothing(world: World) -> None:
    return


def some(world: World) -> None:
    """A store with text from before, two agents' notes in the journals, and a published document."""
    world.file(BASE)
    world.append("one", "- the first note")
    world.append("two", "- the second note", agent="bob")


def folded(world: World) -> None:
    some(world)
    world.store().compact()
    world.append("three", "- the third note", publish=False)


def moved_on(world: World) -> None:
    folded(world)
    world.store().publish()
    world.values["base"] = world.store().read().revision
    world.change("moved", "edit", "- use ruff", "- use ruff, not flake8")


def forgotten(world: World) -> None:
    folded(world)
    world.change("gone", "forget", world.ids["one"])
    world.values["one"] = world.ids["one"]


def frozen(world: World) -> None:
    forgotten(world)
    world.store().compact()


def topic(world: World) -> None:
    some(world)
    world.append("deep", "- a detail", doc="topic.md")
    world.values["deep"] = world.ids["deep"]


def topic_removed(world: World) -> None:
    topic(world)
    os.unlink(world.folder / "topic.md")


def mostly_merged(world: World) -> None:
    """Seven segments of entries and seven of dead blocks: one more of either and they are merged."""
    world.file(BASE)
    with world.store() as store:
        store.init()
        for n in range(6):
            world.append(f"n{n}", f"- note {n}")
            world.change(f"g{n}", "forget", text=f"note {n}")
            store.compact()
        world.append("last", "- the last note")
        world.change("gone", "forget", text="use ruff")
        store.compact()
        world.append("six", "- another", publish=False)
        world.change("sixth", "forget", text="use uv")


def silent(world: World) -> None:
    folded(world)
    world.make_silent("bob")


def silent_and_folded(world: World) -> None:
    folded(world)
    world.store().compact()
    world.make_silent("bob")
    world.make_silent("ann")


def edited_outside(world: World) -> None:
    folded(world)
    text = (world.folder / "MEMORY.md").read_bytes()
    text = text.replace(b"- use ruff\n", b"").replace(b"- short", b"- very short")
    world.file(text + b"\nA paragraph from an editor.\n\n- a bullet from an editor\n")


def new_outside(world: World) -> None:
    some(world)
    world.file(b"# Topic\n\nWritten by hand.\n", "topic.md")


def missing(world: World) -> None:
    some(world)
    os.unlink(world.folder / "MEMORY.md")


def leaked(world: World) -> None:
    """A text that is in the archive, in segments of live and dead blocks, in the history and in a journal."""
    folded(world)
    world.change("edited", "edit", "the first note", "the first note, leaked")
    world.change("gone", "forget", text="second")
    world.store().compact()
    world.make_silent("bob")
    world.store().compact()
    world.append("four", "- leaked again", publish=False)
    world.values["one"] = world.ids["one"]


EDIT = ["edit", "--old", "- use uv", "--new", "- use uv, never pip"]
STALE = ["edit", "--expect", "{base}", "--old", "- use uv", "--new", "- use uv, never pip"]
APPEND = ["append", "- a new note", "--agent", "cid"]

SCENARIOS = {
    "the first append of all makes the store": Scenario(nothing, APPEND),
    "the first append in a folder with a document": Scenario(lambda w: w.file(BASE), APPEND),
    "an append that publishes": Scenario(some, APPEND),
    "an append by an agent that has a journal": Scenario(some, ["append", "- more of it", "--agent", "bob"]),
    "an append under a section that is new": Scenario(some, [*APPEND, "--section", "New things"]),
    "an append to a topic file": Scenario(some, [*APPEND, "--doc", "topic.md"]),
    "an append that does not publish": Scenario(some, [*APPEND, "--no-publish"]),
    "an append whose publishing makes a snapshot": Scenario(some, APPEND, tail=1, proof=".memshim/entries/*"),
    "an append that meets a foreign edit": Scenario(edited_outside, APPEND, foreign=True),
    "an append where files cannot be exchanged": Scenario(some, APPEND, exchange=False),
    "an append where there are no hard links either": Scenario(
        edited_outside, APPEND, exchange=False, links=False, foreign=True
    ),
    "an edit": Scenario(folded, EDIT),
    "an edit of a stale revision": Scenario(moved_on, STALE),
    "a write": Scenario(folded, ["write"], stdin=BASE.replace(b"- use uv\n", b"- use uv\n- use ty\n")),
    "a write of nothing": Scenario(folded, ["write"]),
    "a forget": Scenario(folded, ["forget", "--text", "the first note"]),
    "a forget of all that a topic file holds": Scenario(topic, ["forget", "{deep}"]),
    "a restore": Scenario(forgotten, ["restore", "{one}"]),
    "a restore of what is frozen": Scenario(frozen, ["restore", "{one}"]),
    "a restore of a removed topic file": Scenario(topic_removed, ["restore", "topic.md"], foreign=True),
    "a compaction": Scenario(folded, ["compact"]),
    "a compaction that freezes dead blocks": Scenario(forgotten, ["compact"], proof=".memshim/blocks/*"),
    "a compaction that merges segments": Scenario(mostly_merged, ["compact"], proof=".memshim/entries/*"),
    "a compaction that retires a journal": Scenario(silent, ["compact"], proof=".memshim/archive/*/bob.*"),
    "a compaction that only retires": Scenario(silent_and_folded, ["compact"], proof=".memshim/archive/*/ann.*"),
    "a reading that adopts a foreign edit": Scenario(edited_outside, ["show"], foreign=True),
    "a reading that adopts a new topic file": Scenario(new_outside, ["show"], foreign=True),
    "a reading that notes a removed topic file": Scenario(topic_removed, ["show"], foreign=True),
    "a compaction that puts MEMORY.md back": Scenario(missing, ["compact"], grace=False, foreign=True),
    "a redaction of a part of a line": Scenario(leaked, ["redact", "--text", "leaked"], secret=b"leaked"),
    "an undo": Scenario(forgotten, ["undo", "--agent", "ann"]),
    "an undo of what is frozen": Scenario(frozen, ["undo", "--agent", "ann"]),
    "an init": Scenario(lambda w: w.file(BASE), ["init"]),
    "an init of an empty folder": Scenario(nothing, ["init"]),
    "a redaction of a whole line": Scenario(leaked, ["redact", "--text", "the second note"]),
    "a redaction of an entry": Scenario(leaked, ["redact", "{one}"]),
}
LONG = ("a redaction of a whole line", "a redaction of an entry")
"""Three hundred stops each."""
