"""Renamed topic files: one document under a new name, whoever renamed it and whoever still says the old name."""

import os

import pytest

from memshim import Store
from memshim.store import publish

TEXT = b"# T\n\n- one\n- two\n"


@pytest.fixture
def store(store_dir):
    with Store.open(store_dir, agent="ann") as opened:
        opened.append("index")
        opened.write(TEXT, doc="a.md")
        yield opened


def rename(store, old, new):
    """Records a rename through memshim."""
    with store.turn() as turn:
        doc = turn.memory.document_id(old)
        turn.record("rename", "ann", [{"op": "doc", "do": "rename", "doc": doc, "name": new}])
        publish.publish_all(turn)


def texts(store_dir):
    return {p.name: p.read_bytes() for p in store_dir.iterdir() if p.suffix == ".md" and p.name != "MEMORY.md"}


@pytest.mark.parametrize("where", ["by an entry", "on disk"])
@pytest.mark.parametrize("name", ["a.md", "b.md"])
def test_after_a_rename_both_names_reach_the_one_document(store, store_dir, where, name):
    if where == "on disk":
        os.rename(store_dir / "a.md", store_dir / "b.md")
        store.publish()
    else:
        rename(store, "a.md", "b.md")
    assert texts(store_dir) == {"b.md": TEXT}
    store.append("three", doc=name)
    assert texts(store_dir) == {"b.md": TEXT + b"- three\n"}
    store.append("four", doc=name, publish=False)
    store.edit("- one", "- 1", doc=name)
    store.forget(text="two", doc=name)
    assert texts(store_dir) == {"b.md": b"# T\n\n- 1\n- three\n- four\n"}
    store.compact()
    assert store.read(name).data == b"# T\n\n- 1\n- three\n- four\n"
    assert {e.kind for e in store.log()} >= {"append", "edit", "forget"}
    assert [e.kind for e in store.log()].count("adopt") == (where == "on disk")
    assert store.check()[1] == []


def test_a_rename_that_is_taken_back_moves_the_file_back(store, store_dir):
    """The only rename of a store: nothing but its undo says that there ever was one."""
    os.rename(store_dir / "a.md", store_dir / "b.md")
    store.publish()
    renamed = next(store.log())
    store.undo(renamed.id)
    assert texts(store_dir) == {"a.md": TEXT}
    store.publish()
    store.undo()
    assert texts(store_dir) == {"b.md": TEXT}
    assert [e.kind for e in store.log()][:3] == ["undo", "undo", "adopt"]
    assert store.check()[1] == []


def test_an_append_by_a_new_name_follows_the_document_to_the_next_one(store, store_dir):
    rename(store, "a.md", "b.md")
    store.append("three", doc="b.md")
    rename(store, "b.md", "c.md")
    store.append("four", doc="b.md")
    store.compact()
    assert texts(store_dir) == {"c.md": TEXT + b"- three\n- four\n"}
    assert store.check()[1] == []


def test_a_new_file_with_the_old_name_is_a_document_of_its_own(store, store_dir):
    rename(store, "a.md", "b.md")
    store.append("to the renamed one", doc="a.md")
    (store_dir / "a.md").write_bytes(b"# New\n")
    store.publish()
    store.append("to the new one", doc="a.md")
    store.compact()
    store.edit("# New", "# Newer", doc="a.md")
    assert texts(store_dir) == {
        "a.md": b"# Newer\n\n- to the new one\n",
        "b.md": TEXT + b"- to the renamed one\n",
    }
    (store_dir / "a.md").unlink()
    store.compact()
    assert list(texts(store_dir)) == ["b.md"]
    store.restore("a.md")
    assert texts(store_dir)["a.md"] == b"# Newer\n\n- to the new one\n"
    assert store.check()[1] == []


def test_a_document_renamed_to_a_name_that_another_has_loses_neither_text(store, store_dir):
    store.write(b"# B\n\n- other\n", doc="b.md")
    rename(store, "a.md", "b.md")
    for _ in range(2):
        store.compact()
        assert list(texts(store_dir)) == ["b.md"]
        assert set(texts(store_dir)["b.md"].splitlines()) >= {b"# B", b"- other", b"# T", b"- one", b"- two"}
    (store_dir / "b.md").unlink()
    store.compact()
    assert texts(store_dir) == {}
    assert store.check()[1] == []


def test_a_file_moved_and_changed_at_once_is_a_deletion_and_a_new_document(store, store_dir):
    (store_dir / "a.md").rename(store_dir / "b.md")
    (store_dir / "b.md").write_bytes(TEXT + b"- more\n")
    store.publish()
    assert texts(store_dir) == {"b.md": TEXT + b"- more\n"}
    store.restore("a.md")
    assert texts(store_dir) == {"a.md": TEXT, "b.md": TEXT + b"- more\n"}


def test_a_moved_file_whose_move_a_crash_cut_in_two_is_one_document(store, store_dir, monkeypatch):
    link = os.link

    def crash(old, new, **how):
        link(old, new, **how)
        if str(new).endswith("b.md"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", crash)
        with pytest.raises(KeyboardInterrupt):
            rename(store, "a.md", "b.md")
    assert texts(store_dir) == {"a.md": TEXT, "b.md": TEXT}
    store.compact()
    assert texts(store_dir) == {"b.md": TEXT}
    assert store.check()[1] == []


def test_the_index_is_never_renamed(store, store_dir):
    text = (store_dir / "MEMORY.md").read_bytes()
    os.rename(store_dir / "MEMORY.md", store_dir / "other.md")
    store.compact()
    assert (store_dir / "MEMORY.md").read_bytes() == text
    assert texts(store_dir)["other.md"] == text
