"""Making a store: what is there is its first text, what is no document is left alone, and what a crash left goes."""

import os
import shutil
import time

import pytest

from memshim import Store
from memshim.errors import DocumentUnusable, StoreUnusable

TEXT = b"# M\n\n- one\n"


@pytest.fixture
def folder(store_dir):
    (store_dir / "MEMORY.md").write_bytes(TEXT)
    (store_dir / "topic.md").write_bytes(b"- topic\n")
    return store_dir


@pytest.fixture
def memory(tmp_path):
    """A client's store."""
    place = tmp_path / "config" / "projects" / "-proj" / "memory"
    place.mkdir(parents=True)
    (place / "MEMORY.md").write_bytes(TEXT)
    return place


def documents(store):
    """What it begins with."""
    (begun,) = (entry for entry in store.log() if entry.kind == "init")
    return {op["doc"] for op in begun.ops}


def test_what_is_no_document_is_no_part_of_a_new_store(folder, tmp_path):
    (tmp_path / "secret").write_bytes(b"- secret\n")
    (folder / "link.md").symlink_to(tmp_path / "secret")
    (folder / "folder.md").mkdir()
    os.mkfifo(folder / "pipe.md")
    for name in ("notes.txt", ".hidden.md", "MEMORY.md.tmp.1.abc"):
        (folder / name).write_bytes(b"- not a document\n")
    store = Store.open(folder)
    assert documents(store) == {"MEMORY.md", "topic.md"}  # of a folder that is no store yet
    store.init()
    assert documents(store) == {"MEMORY.md", "topic.md"}
    store.publish()
    assert (folder / "link.md").is_symlink()


def test_the_ids_hold_no_digest_of_the_text_which_may_be_redacted_one_day(folder):
    def begins():
        return [entry.id for entry in Store.open(folder).log()]

    path = folder / "MEMORY.md"
    before, times = begins(), path.stat()
    path.write_bytes(TEXT.replace(b"one", b"two"))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert begins() == before
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert begins() != before


def test_the_topic_files_of_a_project_are_not_ours_and_those_of_a_clients_memory_are(folder, memory):
    for place in (folder, memory):
        (place / ".git").mkdir()
        (place / "README.md").write_bytes(b"- a project's\n")
        Store.open(place).init()
    assert documents(Store.open(folder)) == {"MEMORY.md"}
    assert documents(Store.open(memory)) == {"MEMORY.md", "README.md"}


def test_where_the_index_is_no_document_no_store_is_made(folder):
    (folder / "MEMORY.md").unlink()
    (folder / "MEMORY.md").symlink_to("topic.md")
    for work in (Store.init, Store.read):
        with pytest.raises(DocumentUnusable, match="symbolic link"):
            work(Store.open(folder))
    assert sorted(os.listdir(folder)) == ["MEMORY.md", "topic.md"]


@pytest.mark.parametrize("place", ["folder", "memory"])
def test_what_a_crash_left_of_the_making_goes_after_an_hour_and_nothing_else(request, tmp_path, place):
    """Of a store of one's own it lies beside the documents, of a client's beside other stores' folders."""
    place = request.getfixturevalue(place)
    other = tmp_path / "other"
    other.mkdir()
    Store.open(other).append("one")
    layout = Store.open(place).layout
    parent, begin = os.path.split(layout.state)[0], "new" if layout.client else ".memshim.new"
    os.makedirs(parent, exist_ok=True)
    for name in ("old", "young", "foreign"):
        shutil.copytree(other / ".memshim", f"{parent}/{begin}.1.{name}", ignore=shutil.ignore_patterns("j*", "lock"))
    with open(f"{parent}/{begin}.1.foreign/notes", "wb") as file:
        file.write(b"somebody's\n")
    with open(f"{parent}/{begin}.1.file", "wb") as file:
        file.write(b"somebody's\n")
    for name in ("old", "foreign", "file"):
        os.utime(f"{parent}/{begin}.1.{name}", (time.time() - 3700,) * 2)
    Store.open(place).init()
    left = sorted(name for name in os.listdir(parent) if name.startswith(begin))
    assert left == [f"{begin}.1.{name}" for name in ("file", "foreign", "young")]


def test_a_folder_with_a_lone_lock_stands_in_nobodys_way(folder):
    (folder / ".memshim").mkdir()
    (folder / ".memshim" / "lock").touch()
    assert Store.open(folder).init()
    assert Store.open(folder).check() == ([], [])


def test_what_is_no_store_of_ours_is_never_removed(folder):
    (folder / ".memshim").mkdir()
    for name in ("lock", "notes"):
        (folder / ".memshim" / name).write_bytes(b"somebody's\n")
    with pytest.raises(StoreUnusable, match="no store of memshim's"):
        Store.open(folder).init()
    assert sorted(os.listdir(folder / ".memshim")) == ["lock", "notes"]
    assert [name for name in os.listdir(folder) if "new" in name] == []


@pytest.mark.parametrize("work", [Store.init, Store.read], ids=["init", "read"])
def test_a_link_in_the_place_of_our_folder_is_followed_by_nobody(folder, tmp_path, work):
    (tmp_path / "elsewhere").mkdir()
    (folder / ".memshim").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnusable):
        work(Store.open(folder))
    assert os.listdir(tmp_path / "elsewhere") == []
    assert (folder / ".memshim").is_symlink()
