"""Undo: whatever was done is taken back, and what came after it stays."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memshim import Store
from memshim.agents import ingest
from memshim.agents.event import Call, Changed, Writer
from memshim.errors import BadInput, MemshimError, NotFound, RevisionMismatch
from memshim.store import lookup
from memshim.store.blame import blame
from memshim.text import blocks as markdown
from memshim.text.sections import title_of

START = b"# M\n\n- one\n- two\n\n## Rules\n\nProse a.\nProse b.\nProse c.\n"
_N = st.integers(0, 20)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), _N, st.sampled_from(("", "Rules", "New"))),
        st.tuples(st.just("topic"), _N),
        st.tuples(st.just("topic_edit"), _N, _N),
        st.tuples(st.just("rename"), _N),
        st.tuples(st.just("remove_topic"), _N),
        st.tuples(st.just("restore_topic"), _N),
        st.tuples(st.just("prose"), _N, _N),
        st.tuples(st.just("tool"), _N, _N),
        st.tuples(st.just("edit"), _N, _N),
        st.tuples(st.just("edit"), _N, _N),
        st.tuples(st.just("move"), _N, _N),
        st.tuples(st.just("forget"), _N),
        st.tuples(st.just("restore"), _N),
        st.tuples(st.just("foreign"), _N, _N),
        st.tuples(st.just("clash"), _N),
        st.tuples(st.just("resolve"), st.sampled_from(("ours", "theirs", "both"))),
        st.tuples(st.just("undo"), _N),
        st.tuples(st.just("compact")),
    ),
    max_size=12,
)
TOPICS = ("topic.md", "other.md", "third.md")
EXAMPLES = 400 if os.environ.get("MEMSHIM_STRESS") else 80 if os.environ.get("MEMSHIM_HYPOTHESIS") == "ci" else 25


class World:
    """A store and two agents who do what the steps say; what cannot be done is not."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "MEMORY.md").write_bytes(START)
        self.store = Store.open(folder, agent="ann")
        self.other = Store.open(folder, agent="bob")
        self.store.init()
        self.count = 0

    def new(self):
        self.count += 1
        return b"- new %d" % self.count

    def lines(self):
        return self.text().splitlines(keepends=True)

    def text(self, name="MEMORY.md"):
        path = self.folder / name
        return path.read_bytes() if path.exists() else None

    def run(self, steps):
        for step in steps:
            try:
                getattr(self, step[0])(*step[1:])
            except MemshimError:
                continue

    def append(self, n, section):
        (self.other if n % 2 else self.store).append(self.new(), section=section)

    def topic(self, n):
        self.other.append(self.new(), doc=TOPICS[n % 3])

    def topics(self):
        return sorted(name for name in os.listdir(self.folder) if name in TOPICS)

    def topic_edit(self, n, how):
        for name in self.topics()[:1]:
            lines = self.text(name).splitlines(keepends=True)
            if how % 2:
                lines[n % len(lines) :] = [self.new() + b" of a topic\n"]
                (self.folder / name).write_bytes(b"".join(lines))
                self.store.publish()
            else:
                self.store.write(b"".join([*lines, self.new() + b"\n"]), doc=name)

    def rename(self, n):
        for name in self.topics()[:1]:
            other = TOPICS[n % 3]
            if not (self.folder / other).exists():
                os.rename(self.folder / name, self.folder / other)
                self.store.publish()

    def remove_topic(self, n):
        for name in self.topics()[:1]:
            os.unlink(self.folder / name)
            self.store.publish()

    def restore_topic(self, n):
        self.store.restore(TOPICS[n % 3])

    def prose(self, place, n):
        """A paragraph of several lines, in the middle of others."""
        lines = self.lines()
        at = place % (len(lines) + 1)
        lines[at:at] = [b"\n", *(self.new()[2:] + b"\n" for _ in range(1 + n % 3)), b"\n"]
        self.store.write(b"".join(lines))

    def tool(self, place, n):
        """An agent's Write of what it had read some time ago, told by its hook."""
        lines = self.lines()
        before = b"".join(lines)
        self.other.append(self.new())
        lines[place % len(lines)] = self.new() + b"\n"
        after = b"".join(lines[: len(lines) - n % 2])
        (self.folder / "MEMORY.md").write_bytes(after)
        writer = Writer(f"{n:08x}-1111-2222-3333-444444444444")
        place_ = ingest.Place(
            self.store.layout, "MEMORY.md", lambda data: data.decode("utf-8", "replace"), lambda text: set()
        )
        call = Call("Write", f"toolu_{self.count}", "")
        ingest.changed(place_, Changed(writer, call, "MEMORY.md", before.decode(), [after.decode()], None, None))

    def edit(self, place, n):
        lines = self.lines()
        at = place % len(lines)
        lines[at] = lines[at].rstrip() + b" edited %d\n" % n
        self.store.write(b"".join(lines))

    def move(self, one, other):
        lines = self.lines()
        lines.insert(other % len(lines), lines.pop(one % len(lines)))
        self.other.write(b"".join(lines))

    def forget(self, n):
        found = [e for e in self.store.log() if e.kind == "append"]
        if found:
            self.store.forget(found[n % len(found)].id)

    def restore(self, n):
        found = [e for e in self.store.log() if e.kind == "forget"]
        if found:
            self.store.restore(found[n % len(found)].id)

    def foreign(self, place, n):
        lines = self.lines()
        lines[place % len(lines) : place % len(lines) + n % 3] = [self.new() + b"\n"]
        (self.folder / "MEMORY.md").write_bytes(b"".join(lines))
        self.store.publish()

    def clash(self, place):
        lines = self.lines()
        at = place % len(lines)
        stale = [*lines[:at], lines[at].rstrip() + b" by hand\n", *lines[at + 1 :]]
        lines[at] = lines[at].rstrip() + b" by ann\n"
        self.store.write(b"".join(lines))
        (self.folder / "MEMORY.md").write_bytes(b"".join(stale))
        self.store.publish()

    def resolve(self, keep):
        for clash in self.store.conflicts():
            self.store.resolve(clash.label, keep)

    def undo(self, n):
        found = [e for e in self.store.log() if e.kind != "init"]
        if found:
            self.store.undo(found[n % len(found)].id)

    def compact(self):
        self.store.compact()


@pytest.fixture
def world(store_dir):
    return World(store_dir)


@settings(max_examples=EXAMPLES)
@given(STEPS)
def test_undoing_everything_newest_first_gives_the_first_bytes(steps):
    folder = Path(tempfile.mkdtemp(prefix="memshim-undo-"))
    try:
        world = World(folder)
        world.run(steps)
        _every_line_is_somebodys(world)
        for entry in [e for e in world.store.log() if e.kind != "init"]:
            with contextlib.suppress(NotFound):  # where nothing of it was left: it had been undone already
                world.store.undo(entry.id)
        assert world.text() == START
        assert world.topics() == []
        assert world.store.conflicts() == []
        assert [f for f in world.store.check()[1] if f.level != "note"] == []
    finally:
        shutil.rmtree(folder)


def _every_line_is_somebodys(world):
    """Every line names an entry whose text contains it."""
    memory = world.store.memory()
    rows = [row for doc in memory.documents() for row in blame(memory, doc)]
    for row, above in zip(rows, [None, *rows], strict=False):
        bare = row.data.rstrip(b"\r\n")
        if above is None or above.piece is not row.piece:  # a mark further down is part of the text
            bare = bare.removesuffix(row.piece.suffix)
        assert row.entries
        for entry in row.entries:
            said = [line.rstrip(b"\r\n") for *_, text in entry.new_blocks() for line in markdown.split_lines(text)]
            titles = [title_of(op["section"])[1].encode() for op in entry.ops if op.get("section")]
            assert bare in said or not bare.strip() or bare.lstrip(b"# ") in titles, (bare, entry)


def test_without_an_id_it_is_the_newest_of_this_agent_and_an_undo_is_an_entry(world):
    world.store.append("by ann")
    world.other.append("by bob")
    done = world.store.undo(why="by mistake")
    assert b"by ann" not in world.text()
    assert b"by bob" in world.text()
    newest = next(iter(world.store.log()))
    assert (newest.id, newest.kind, newest.agent, newest.why) == (done.id, "undo", "ann", "by mistake")
    world.store.undo()  # the undo is the newest now
    assert b"by ann" in world.text()
    world.store.undo()
    assert b"by ann" not in world.text()


@pytest.mark.parametrize("compact", [False, True])
def test_undo_of_undo_of_each_kind_gives_the_same_bytes_again(world, compact):
    store = world.store
    append = store.append("noted", section="New")
    ids = [append, store.edit("- one", "- ONE").id, store.forget(text="two").id]
    ids.append(store.restore(ids[-1]).id)
    ids.append(store.write(world.text().replace(b"Prose b.\n", b"") + b"- written\n").id)
    (world.folder / "MEMORY.md").write_bytes(b"# M\n\n- ONE\n- two\n\n## Rules\n\n- written\n")
    store.publish()
    ids.append(next(iter(store.log())).id)
    assert b"noted" not in world.text()  # a mass deletion, by hand
    for id_ in reversed(ids):
        before = world.text()
        if compact:
            store.compact()
        undone = store.undo(id_)
        after = world.text()
        assert after != before
        if compact:
            store.compact()
        again = store.undo(undone.id)
        assert world.text() == before
        store.undo(again.id)
        assert world.text() == after
    assert world.text() == START


def test_what_came_after_it_on_the_same_block_is_merged(world):
    first = world.store.edit("Prose a.", "Prose A.").id
    world.other.edit("Prose c.", "Prose C.")
    world.store.undo(first)
    assert b"Prose a.\nProse b.\nProse C.\n" in world.text()
    assert {row.data: row.entries[0].agent for row in blame(world.store.memory(), "MEMORY.md")}[b"Prose C.\n"] == "bob"


@pytest.mark.parametrize("how", ["edit", "forget"])
def test_what_clashes_is_refused_and_nothing_is_changed(world, how):
    first = world.store.edit("- one", "- one more").id
    if how == "edit":
        world.other.edit("- one more", "- one more time")
    else:
        world.other.forget(text="one more")
    before = (world.text(), len(list(world.store.log())))
    with pytest.raises(RevisionMismatch) as caught:
        world.store.undo(first)
    assert caught.value.exit_code == 12
    assert caught.value.conflicts[0][0] == b"- one more\n"
    assert (world.text(), len(list(world.store.log()))) == before
    world.other.undo()  # the later change first
    world.store.undo(first)
    assert world.text() == START


def test_an_append_that_somebody_edited_is_not_taken_back_over_their_head(world):
    noted = world.store.append("noted")
    world.other.edit("- noted", "- noted, and more")
    with pytest.raises(RevisionMismatch):
        world.store.undo(noted)
    assert b"- noted, and more" in world.text()


def test_a_line_that_two_wrote_stays_when_one_takes_theirs_back(world):
    base = world.store.read().revision
    world.store.edit("- one\n", "- one\n- both\n")
    second = world.other.write(START.replace(b"- one\n", b"- one\n- both\n") + b"- more\n", expected=base)
    world.other.undo(second.id)
    assert b"- both\n" in world.text()
    assert b"- more\n" not in world.text()
    row = next(row for row in blame(world.store.memory(), "MEMORY.md") if row.data == b"- both\n")
    assert [e.agent for e in row.entries] == ["ann"]


def test_a_topic_file_comes_and_goes(world):
    made = world.store.append("deep", doc="topic.md")
    assert world.text("topic.md") == b"- deep\n"
    undone = world.store.undo(made)
    assert world.text("topic.md") is None
    world.store.undo(undone.id)
    assert world.text("topic.md") == b"- deep\n"
    (world.folder / "topic.md").unlink()
    world.store.publish()
    removed = next(iter(world.store.log()))
    assert world.text("topic.md") is None
    world.store.undo(removed.id)
    assert world.text("topic.md") == b"- deep\n"


def test_restore_brings_back_what_was_undone(world):
    noted = world.store.append("noted")
    world.store.undo(noted)
    world.store.restore(noted)
    assert b"- noted" in world.text()


def test_what_cannot_be_taken_back_is_told(world):
    first = list(world.store.log())[-1]
    with pytest.raises(BadInput):
        world.store.undo(first.id)
    with pytest.raises(NotFound):
        world.store.undo()
    noted = world.store.append("noted")
    world.store.undo(noted)
    with pytest.raises(NotFound):
        world.store.undo(noted)
    assert lookup.entry(world.store.memory(), noted).kind == "append"
