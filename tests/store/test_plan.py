"""The plan of a compaction: what it says is what the compaction then does, whatever stands on disk."""

import os

import pytest

from memshim import Store
from memshim.store import adopt, turn

START = b"# M\n\n- one\n- two\n"


@pytest.fixture
def store(store_dir, monkeypatch):
    monkeypatch.setattr(turn.Turn, "GRACE_S", 0.0)  # who is in the middle of writing has been waited for
    monkeypatch.setattr(adopt, "STILL_S", 0.0)
    (store_dir / "MEMORY.md").write_bytes(START)
    (store_dir / "topic.md").write_bytes(b"- a topic\n")
    with Store.open(store_dir) as opened:
        opened.compact()
        yield opened


def unpublished(folder, store):
    store.append("three", publish=False)
    store.append("four", doc="topic.md", publish=False)


def edited(folder, store):
    unpublished(folder, store)
    (folder / "MEMORY.md").write_bytes(START + b"- mine\n")


def removed(folder, store):
    (folder / "topic.md").unlink()


def renamed(folder, store):
    os.rename(folder / "topic.md", folder / "other.md")


def renamed_with_a_note_under_way(folder, store):
    store.append("four", doc="topic.md", publish=False)
    renamed(folder, store)


def new(folder, store):
    (folder / "new.md").write_bytes(b"- new\n")


def emptied(folder, store):
    (folder / "MEMORY.md").write_bytes(b"")


def missing(folder, store):
    (folder / "MEMORY.md").unlink()


def emptied_on_purpose(folder, store):
    store.write("")


def beside_what_is_no_document(folder, store):
    unpublished(folder, store)
    (folder / "link.md").symlink_to("topic.md")
    (folder / "folder.md").mkdir()


def too_large(folder, store):
    unpublished(folder, store)
    (folder / "topic.md").write_bytes(b"- a topic\n" + b"x\n" * 500_001)


@pytest.mark.parametrize(
    "change",
    [unpublished, edited, removed, renamed, renamed_with_a_note_under_way, new, emptied, missing, emptied_on_purpose,
     beside_what_is_no_document, too_large],
)  # fmt: skip
def test_the_plan_is_what_is_done(store, store_dir, change):
    change(store_dir, store)
    before = on_disk(store_dir)
    planned = store.plan()
    notes = store.notes
    assert on_disk(store_dir) == before
    done = store.compact()
    assert on_disk(store_dir) == {**before, **{name: text for name, _, text in planned}}
    assert [old for _, old, _ in planned] == [before.get(name, b"") for name, _, _ in planned]
    assert set(notes) <= set(done.notes)
    assert [note for note in done.notes if "link.md" in note or "folder.md" in note or "too large" in note] == notes


def on_disk(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.md") if path.is_file() and not path.is_symlink()}
