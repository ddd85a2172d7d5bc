"""A folder that is no store yet: what only reads shows it and writes nothing, and the first write makes a store of it."""

import json
import os

import pytest

from memshim import Store
from memshim.disk.layout import Layout
from memshim.errors import StoreUnusable
from memshim.store.history import revision_of

pytest_plugins = ["cli_fixtures"]

TEXT, TOPIC = b"# M\n\n- one\n- two\n", b"# Topic\n"
READING = [
    "show", "show --json", "show topic.md", "show --at 2000-01-01", f"show --at {revision_of(TEXT)}", "rev", "log", "log -p",
    "log --json", "blame", "diff", f"diff {revision_of(TEXT)}", "diff --since 2000-01-01", "status", "status --json",
    "conflicts", "lost", "timeline --html ../t.html", "compact --dry-run",
]  # fmt: skip


@pytest.fixture
def plain(store_dir, monkeypatch):
    """A folder with two documents and nothing of memshim's, as the working folder."""
    (store_dir / "MEMORY.md").write_bytes(TEXT)
    (store_dir / "topic.md").write_bytes(TOPIC)
    os.utime(store_dir / "MEMORY.md", (1_700_000_000, 1_700_000_000))
    monkeypatch.chdir(store_dir)
    return store_dir


@pytest.mark.parametrize("words", READING)
def test_reading_writes_nothing(plain, inside, words):
    assert inside(*words.split()).code == 0
    assert sorted(os.listdir(plain)) == ["MEMORY.md", "topic.md"]


@pytest.mark.parametrize("words", ["check", "undo --dry-run"])
def test_what_needs_a_store_says_so(plain, inside, words):
    assert inside(*words.split()).code == 10
    assert sorted(os.listdir(plain)) == ["MEMORY.md", "topic.md"]


def test_what_reading_says(plain, inside):
    assert inside("show").out == TEXT
    assert inside("show", "topic.md").out == TOPIC
    assert inside("show", "none.md").code == 1
    assert inside("rev").out.decode().strip() == revision_of(TEXT)
    assert b"before" in inside("blame").out
    assert inside("compact", "--dry-run").out == b"The documents are up to date.\n"
    status = json.loads(inside("status", "--json").out)
    assert (status["state"], status["unfolded"]) == ("not a store yet", 0)


def test_ids_and_revisions_that_were_shown_hold_in_the_store_that_the_first_write_makes(plain, inside):
    shown = json.loads(inside("show", "--json").out)
    entry = json.loads(inside("log", "--json").out)["entries"][0]["id"]
    block = next(block["id"] for block in shown["blocks"] if block["lines"] == [3, 3])
    assert inside("edit", "--old", "- two", "--new", "- 2", "--expect", shown["revision"]).code == 0
    assert inside("forget", block).code == 0
    assert (plain / "MEMORY.md").read_bytes() == b"# M\n\n- 2\n"
    assert [e.id for e in Store.open(plain).log()][-1] == entry


def test_what_is_left_of_a_store_is_not_shown_as_a_plain_folder(plain):
    Store.open(plain).append("- three")
    (plain / ".memshim" / "format").unlink()
    with pytest.raises(StoreUnusable, match="no store of memshim's"):
        Store.open(plain).read()


def test_a_lone_lock_is_nothing_that_is_left_of_a_store(plain):
    (plain / ".memshim").mkdir()
    (plain / ".memshim" / "lock").touch()
    assert Store.open(plain).read().text == TEXT.decode()


def test_a_store_that_somebody_makes_at_this_moment_is_read_as_one(plain, monkeypatch):
    real, looks = Layout.is_store, []

    def is_store(self):
        looks.append(1)
        if len(looks) == 1:
            with monkeypatch.context() as other:
                other.setattr(Layout, "is_store", real)
                Store.open(plain).append("- three", publish=False)
            return False  # as it was before
        return real(self)

    monkeypatch.setattr(Layout, "is_store", is_store)
    assert Store.open(plain).read().text == TEXT.decode() + "- three\n"
