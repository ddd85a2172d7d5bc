"""The library: what the docstrings of Store promise, for one who works alone."""

import os

import pytest

from memshim import Store
from memshim.errors import (
    Ambiguous,
    BadInput,
    NoStore,
    NotFound,
    RevisionMismatch,
)


@pytest.fixture
def store(store_dir):
    with Store.open(store_dir, agent="ann") as opened:
        yield opened


@pytest.fixture
def memory(store_dir):
    return store_dir / "MEMORY.md"


def test_opening_makes_nothing_and_the_first_write_makes_the_store(store, store_dir):
    assert os.listdir(store_dir) == []
    store.append("one")
    assert sorted(os.listdir(store_dir)) == [".memshim", "MEMORY.md", "memory"]


def test_init_makes_a_store_once_and_leaves_the_documents_as_they_are(store, store_dir, memory):
    memory.write_bytes(b"no newline, \xff\r\nand mixed")
    before = memory.stat()
    assert store.init()
    assert not store.init()
    assert memory.read_bytes() == b"no newline, \xff\r\nand mixed"
    assert (memory.stat().st_ino, memory.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert store.read().data == b"no newline, \xff\r\nand mixed"
    assert store.check() == ([], [])


def test_a_folder_that_does_not_exist_is_no_store(store_dir):
    with pytest.raises(NoStore, match="There is no folder"):
        Store.open(store_dir / "missing")
    with pytest.raises(NoStore, match="no store yet"):
        Store.open(store_dir).check()


def test_an_append_without_publishing_is_shown_and_not_on_disk(store, memory):
    id_ = store.append("one", publish=False)
    assert not memory.exists()
    assert store.read().data == b"- one\n"
    assert next(store.log()).id == id_
    assert store.publish()
    assert memory.read_bytes() == b"- one\n"


def test_an_append_goes_to_its_section_and_document_and_says_why(store, store_dir):
    store.append("one", section="Rules", why="because")
    store.append("two", doc="topic.md", raw=True)
    assert (store_dir / "MEMORY.md").read_bytes() == b"## Rules\n\n- one\n"
    assert (store_dir / "topic.md").read_bytes() == b"two\n"
    assert [e.why for e in store.log()] == ["", "because"]


@pytest.mark.parametrize("text", ["", " \n", b"\t"])
def test_an_append_of_nothing_is_refused(store, text):
    with pytest.raises(BadInput):
        store.append(text)


def test_a_note_says_what_stands_in_the_way_of_publishing(store, store_dir, memory):
    store.append("one")
    memory.unlink()
    memory.mkdir()
    store.append("two")
    assert "is a folder" in " ".join(store.notes)
    memory.rmdir()
    memory.write_bytes(b"- one\n")
    store.append("three")
    assert store.notes == []
    assert memory.read_bytes() == b"- one\n- two\n- three\n"


def test_an_edit_replaces_the_one_occurrence_or_nothing(store, memory):
    store.append("one")
    store.append("two")
    change = store.edit("one", "1")
    assert memory.read_bytes() == b"- 1\n- two\n"
    assert change.revision == store.read().revision
    with pytest.raises(NotFound, match="0 times"):
        store.edit("one", "x")
    with pytest.raises(Ambiguous, match="2 times"):
        store.edit("- ", "x")
    with pytest.raises(BadInput, match="empty"):
        store.edit("", "x")
    assert memory.read_bytes() == b"- 1\n- two\n"
    assert store.edit("two", "two").id == ""


def test_a_change_of_an_older_revision_is_merged_or_refused(store, memory):
    store.append("one")
    store.append("two")
    old = store.read()
    store.edit("one", "1")
    assert store.edit("two", "2", expected=old.revision).merged
    assert memory.read_bytes() == b"- 1\n- 2\n"
    with pytest.raises(RevisionMismatch) as raised:
        store.edit("one", "uno", expected=old.revision[:12])
    (clash,) = raised.value.conflicts
    assert all(text in side for text, side in zip((b"- one\n", b"- 1\n", b"- uno\n"), clash, strict=True))
    with pytest.raises(RevisionMismatch):
        store.write(old.data + b"- three\n", expected=old.revision, strict=True)
    assert memory.read_bytes() == b"- 1\n- 2\n"
    store.write(old.data + b"- three\n", expected=old.revision)
    assert memory.read_bytes() == b"- 1\n- 2\n- three\n"
    with pytest.raises(BadInput, match="no revision"):
        store.write(b"x", expected="zzz")


def test_writing_an_empty_text_empties_the_document_on_purpose(store, memory):
    store.append("one")
    store.write(b"")
    assert memory.read_bytes() == b""
    assert store.publish()
    assert store.read().data == b""


def test_what_is_forgotten_stays_away_and_restore_brings_it_back(store, memory):
    id_ = store.append("use pip")
    store.append("use pip-tools")
    forgotten = store.forget(text="use pip")
    assert memory.read_bytes() == b"- use pip-tools\n"
    with pytest.raises(NotFound):
        store.forget(text="nowhere")
    store.restore(forgotten.id)
    assert sorted(memory.read_bytes().split(b"\n"))[1:] == [b"- use pip", b"- use pip-tools"]
    store.forget(id_)
    store.restore(id_)
    assert b"- use pip\n" in memory.read_bytes()


def test_a_removed_topic_file_comes_back_by_its_name(store, store_dir):
    store.append("one", doc="topic.md")
    (store_dir / "topic.md").unlink()
    store.publish()
    assert not (store_dir / "topic.md").exists()
    store.restore("topic.md")
    assert (store_dir / "topic.md").read_bytes() == b"- one\n"


@pytest.mark.parametrize(("keep", "left"), [("ours", [b"- 1"]), ("theirs", [b"- uno"]), ("both", [b"- 1", b"- uno"])])
def test_a_clash_keeps_both_texts_until_it_is_resolved(store, memory, keep, left):
    memory.write_bytes(b"- a line\n- one\n- and another line\n")
    store.edit("one", "1")
    memory.write_bytes(b"- a line\n- uno\n- and another line\n")
    store.publish()
    (clash,) = store.conflicts()
    assert {side[0] for side in clash.sides} == {b"- 1\n", b"- uno\n"}
    assert {side[1] for side in clash.sides} == {"ann", "external"}
    with pytest.raises(NotFound):
        store.resolve("c000000", keep)
    with pytest.raises(BadInput):
        store.resolve(clash.label, "mine")
    store.resolve(clash.label, keep)
    assert store.conflicts() == []
    assert memory.read_bytes().splitlines() == [b"- a line", *left, b"- and another line"]
    assert store.check() == ([], [])


def test_compacting_twice_changes_nothing(store, store_dir, memory):
    for n in range(5):
        store.append(f"fact {n}")
    assert store.compact().folded == 5
    before = memory.stat()
    heads = os.listdir(store.layout.path("heads"))
    again = store.compact()
    assert (again.folded, again.archived, again.published) == (0, 0, [])
    assert os.listdir(store.layout.path("heads")) == heads
    assert (memory.stat().st_ino, memory.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_plan_tells_what_would_change_and_changes_nothing(store, memory):
    store.append("one")
    store.append("two", publish=False)
    assert store.plan() == [("MEMORY.md", b"- one\n", b"- one\n- two\n")]
    assert memory.read_bytes() == b"- one\n"
