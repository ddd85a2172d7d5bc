"""A project root: its Markdown files are no documents of memshim's, until somebody names one."""

import pytest

from memshim import Store
from memshim.errors import DocumentUnusable, NotFound, RevisionMismatch
from memshim.store.history import revision_of

README = b"# Readme\n\nWhat it is.\n"


@pytest.fixture
def readme(store_dir):
    (store_dir / ".git").mkdir()
    (store_dir / "MEMORY.md").write_bytes(b"- one\n")
    (store_dir / "README.md").write_bytes(README)
    return store_dir / "README.md"


@pytest.fixture
def store(store_dir, readme):
    with Store.open(store_dir) as opened:
        opened.compact()
        yield opened


def documents(store):
    return sorted(store.memory().documents().values())


def test_what_nobody_named_is_left_alone(store, readme):
    readme.write_bytes(b"by an editor\n")
    store.append("two")
    readme.write_bytes(README)
    store.compact()
    assert readme.read_bytes() == README
    assert documents(store) == ["MEMORY.md"]


@pytest.mark.parametrize("expected", [None, revision_of(README)])
def test_an_edit_of_a_file_that_is_named_is_one_of_the_text_that_stands_there(store, readme, expected):
    store.edit("What it is.", "What it was.", doc="README.md", expected=expected)
    assert readme.read_bytes() == README.replace(b"is.", b"was.")
    assert documents(store) == ["MEMORY.md", "README.md"]


def test_a_whole_text_takes_the_place_of_the_one_that_stands_there(store, readme):
    store.write(b"# Anew\n", doc="README.md")
    assert readme.read_bytes() == b"# Anew\n"
    store.undo()
    assert readme.read_bytes() == README


def test_what_is_refused_makes_no_document_of_it(store, readme):
    with pytest.raises(NotFound):
        store.edit("no such text", "x", doc="README.md")
    with pytest.raises(RevisionMismatch) as refused:
        store.write(b"x", doc="README.md", expected="0" * 64)
    assert refused.value.actual == revision_of(README)
    (readme.parent / "LINK.md").symlink_to("README.md")
    with pytest.raises(DocumentUnusable):
        store.write(b"x", doc="LINK.md")
    assert readme.read_bytes() == README
    assert documents(store) == ["MEMORY.md"]


def test_a_new_document_is_made_where_no_file_stands(store, readme):
    store.write(b"# Topic\n", doc="topic.md")
    assert (readme.parent / "topic.md").read_bytes() == b"# Topic\n"
    assert documents(store) == ["MEMORY.md", "topic.md"]
