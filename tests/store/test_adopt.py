"""Foreign changes: what others write into the documents is taken in, and costs nobody else anything."""

import os
import time

import pytest

from memshim import Store
from memshim.disk import files
from memshim.errors import DocumentUnreadable
from memshim.store import adopt
from memshim.store.history import History, revision_of
from memshim.store.turn import Turn

START = b"# M\n\n- one\n- two\n"


@pytest.fixture
def later(monkeypatch):
    """Makes the clock run ahead by so many seconds."""
    now, ahead = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: now() + ahead[0])

    def wait(seconds):
        ahead[0] += seconds

    return wait


@pytest.fixture
def store(store_dir):
    (store_dir / "MEMORY.md").write_bytes(START)
    with Store.open(store_dir, agent="ann") as opened:
        opened.init()
        yield opened


@pytest.mark.parametrize("read_first", [False, True])
@pytest.mark.parametrize("seconds", [0, adopt.SETTLED_S + 1, 3600])
def test_an_old_copy_that_an_editor_saves_deletes_nothing_newer_however_late(
    store, store_dir, later, seconds, read_first
):
    store.append("- three")
    store.forget(text="one")
    later(seconds)
    (store_dir / "MEMORY.md").write_bytes(START + b"- mine\n")
    if read_first:  # what was taken in, and is still on disk, is no revert
        assert store.read().data.count(b"- three") == 1
        later(seconds)
        assert store.read().data.count(b"- three") == 1
        later(seconds)
    store.publish()
    text = (store_dir / "MEMORY.md").read_bytes()
    assert (text.count(b"- three"), text.count(b"- mine"), text.count(b"- one")) == (1, 1, 0)
    assert [e.kind for e in store.log()].count("adopt") == 1


def test_an_older_text_put_back_after_ten_seconds_is_a_revert(store, store_dir, later):
    store.append("- three")
    later(adopt.SETTLED_S + 1)
    (store_dir / "MEMORY.md").write_bytes(START)
    os.utime(store_dir / "MEMORY.md", (time.time(), time.time()))
    store.publish()
    assert (store_dir / "MEMORY.md").read_bytes() == START


def test_a_text_that_a_crash_left_unconfirmed_counts_as_published_since_somebody_read_it(store, store_dir, later):
    store.append("- three")
    history = History(store.layout, "MEMORY.md")
    history.plan(history.published.revision, history.published.name)
    assert store.read().data == START + b"- three\n"
    later(adopt.SETTLED_S + 1)
    (store_dir / "MEMORY.md").write_bytes(START)
    os.utime(store_dir / "MEMORY.md", (time.time(), time.time()))
    store.publish()
    assert (store_dir / "MEMORY.md").read_bytes() == START


def test_an_older_text_put_back_at_once_is_a_stale_writers_and_is_published_over(store, store_dir):
    store.append("- three")
    (store_dir / "MEMORY.md").write_bytes(START)
    store.publish()
    assert (store_dir / "MEMORY.md").read_bytes() == START + b"- three\n"


def test_a_compaction_right_after_the_first_change_in_months_makes_no_foreign_text_of_the_old_one(store, store_dir):
    store.publish()
    months_ago = (int(time.time()) - 100 * 86_400) * 1000 << 16
    for path in (store_dir / ".memshim" / "history").glob("*/*"):
        path.rename(path.with_name(f"{months_ago:016x}{path.name[16:]}"))
    store.append("- three")
    store.compact()  # the text before is still put aside, and an editor may still hold it
    assert store.read().data == START + b"- three\n"
    (store_dir / "MEMORY.md").write_bytes(START + b"- mine\n")
    assert store.read().data.count(b"- three") == 1


def test_a_line_that_was_edited_and_is_deleted_in_an_editor_much_later_stays_deleted(store, store_dir, later):
    store.edit("- two", "- two, but said in many more words than before")
    later(3600)
    path = store_dir / "MEMORY.md"
    path.write_bytes(b"# M\n\n- one\n")
    os.utime(path, (time.time(), time.time()))
    store.publish()
    assert path.read_bytes() == b"# M\n\n- one\n"


def test_what_an_editor_wrote_a_moment_ago_can_be_edited_forgotten_and_expected(store, store_dir):
    path = store_dir / "MEMORY.md"
    path.write_bytes(START + b"- three\n- four\n")
    store.edit("- three", "- 3")
    path.write_bytes(START + b"- 3\n- four\n- five\n")
    store.forget(text="five")
    path.write_bytes(START + b"- 3\n- four\n- six\n")
    store.edit("- six", "- 6", expected=revision_of(path.read_bytes()), strict=True)
    assert path.read_bytes() == START + b"- 3\n- four\n- 6\n"


@pytest.mark.parametrize("publish", [False, True])
@pytest.mark.parametrize(
    ("text", "section", "after"),
    [
        (b"# T\n\n- old\n\nSome prose.\n", "", b"# T\n\n- old\n\nSome prose.\n\n- new\n"),
        (b"# T\n\n## Rules\n\n- old\n\n## Rest\n", "Rules", b"# T\n\n## Rules\n\n- old\n- new\n\n## Rest\n"),
        (b"# T\n", "Rules", b"# T\n\n## Rules\n\n- new\n"),
        (b"- old\r\n- no line end", "", b"- old\r\n- no line end\r\n- new\r\n"),
    ],
)
def test_an_append_to_a_document_that_memshim_had_not_seen_comes_behind_its_text(
    store, store_dir, publish, text, section, after
):
    path = store_dir / "topic.md"
    path.write_bytes(text)
    store.append("new", doc="topic.md", section=section, publish=publish)
    store.publish()
    assert path.read_bytes() == after
    assert store.read("topic.md").data == after
    store.compact()
    assert path.read_bytes() == after
    assert store.check()[1] == []


def test_a_file_that_already_says_what_would_be_published_is_a_published_one(store, store_dir):
    store.append("one", doc="topic.md", publish=False)
    (store_dir / "topic.md").write_bytes(b"- one\n")
    store.publish()
    (store_dir / "topic.md").unlink()
    store.publish()
    assert not (store_dir / "topic.md").exists()
    assert next(store.log()).kind == "adopt"


def test_an_append_waits_for_the_text_of_a_memory_file_that_comes_later(tmp_path):
    (tmp_path / "empty").mkdir()
    path = tmp_path / "empty" / "MEMORY.md"
    with Store.open(path.parent, agent="ann") as store:
        store.append("new", publish=False)
        path.write_bytes(START)
        store.publish()
        assert path.read_bytes() == START + b"- new\n"


def test_text_that_lies_where_a_document_was_written_loses_nothing_on_either_side(store, store_dir):
    with store.turn() as turn:
        turn.record("write", "ann", [
            {"op": "doc", "do": "create", "doc": "topic.md"},
            {"op": "add", "doc": "topic.md", "at": "i000.a", "kinds": "b", "blocks": [b"- written\n"]},
        ])  # fmt: skip
    (store_dir / "topic.md").write_bytes(b"- found\n")
    store.publish()
    assert sorted((store_dir / "topic.md").read_bytes().splitlines()) == [b"- found", b"- written"]


def test_a_memory_file_that_may_not_be_read_is_put_back_after_a_while_and_kept(store, store_dir, later, monkeypatch):
    """As root everything can be read, so the refusal is staged: for this file, by its inode."""
    store.append("- three")
    path = store_dir / "MEMORY.md"
    path.write_bytes(b"- secret\n")
    locked, read = path.stat().st_ino, files.read_document

    def refusing(where):
        if os.path.exists(where) and os.stat(where).st_ino == locked:
            raise DocumentUnreadable(f"{where} cannot be read: permission denied.")
        return read(where)

    monkeypatch.setattr(files, "read_document", refusing)
    monkeypatch.setattr(Turn, "GRACE_S", 0.05)
    store.append("- four")
    assert path.read_bytes() == START + b"- three\n- four\n"
    assert [p.read_bytes() for p in (store_dir / ".memshim" / "unreadable").iterdir()] == [b"- secret\n"]
    assert "put back" in " ".join(store.notes)


def test_text_that_was_published_outlives_a_journal_that_is_cut_at_a_record(store, store_dir):
    store.append("- three")
    journal = store_dir / ".memshim" / "journals" / "ann.log"
    whole = journal.stat().st_size
    store.append("- four")
    os.truncate(journal, whole)
    assert "journal-cut" in [f.name for f in store.check()[1]]
    store.append("- five")
    assert set(store.read().text.splitlines()[2:]) == {"- one", "- two", "- three", "- four", "- five"}
    assert store.check()[1] == []


def test_of_two_clashing_paragraphs_that_became_one_no_mark_is_left(store, store_dir, later):
    """Without a blank line between them they are one paragraph to whoever takes the first one's mark away."""
    path = store_dir / "MEMORY.md"
    path.write_bytes(START + b"\nProse a.\nProse b.\n")
    store.publish()
    store.edit("Prose a.", "Prose a. by ann")
    path.write_bytes(START + b"\nProse a. by hand\nProse b.\n")
    store.publish()
    (one,) = store.conflicts()
    shown = path.read_bytes()
    assert shown.count(b"(conflict ") == 2
    later(adopt.SETTLED_S + 1)
    path.write_bytes(shown.replace(f" (conflict {one.label}, ann)".encode(), b"", 1))
    store.publish()
    assert path.read_bytes() == START + b"\nProse a. by ann\nProse b.\nProse a. by hand\nProse b.\n"
    assert store.conflicts() == []
    assert store.check()[1] == []


def test_an_edit_beside_a_deletion_that_took_the_blank_line_too_is_listed_as_a_clash(store, store_dir):
    path = store_dir / "MEMORY.md"
    store.write(b"- keep\n\n- use pip now\n\nx\n")
    store.edit("use pip", "use uv")
    path.write_bytes(b"- keep\n\nx\n")
    store.publish()
    clashes = store.conflicts()
    assert [[side[0] for side in clash.sides] for clash in clashes] == [[b"- use uv now\n", b""]]
    assert b"- use uv now (conflict " in path.read_bytes()


FIRST = b"# Memory\n\n- the tests run with make\n"


@pytest.mark.parametrize("seconds", [0, 9, 11])
def test_a_program_that_begins_the_same_document_a_moment_later_wipes_nothing_out(tmp_path, later, seconds):
    folder = tmp_path / "new"
    folder.mkdir()
    store = Store.open(folder, agent="ann")
    store.append("use uv, not pip")
    later(seconds)
    (folder / "aside").write_bytes(FIRST)
    os.rename(folder / "aside", folder / "MEMORY.md")
    os.utime(folder / "MEMORY.md", (time.time(), time.time()))
    store.publish()
    found = (folder / "MEMORY.md").read_bytes()
    assert FIRST in found
    assert (b"- use uv, not pip\n" in found) == (seconds < adopt.SETTLED_S)  # later it had the time to be read


def test_who_writes_a_new_text_over_a_document_that_was_there_before_the_store_has_seen_it(store, store_dir):
    (store_dir / "MEMORY.md").write_bytes(FIRST)
    store.publish()
    assert (store_dir / "MEMORY.md").read_bytes() == FIRST


def test_who_changes_the_only_line_of_a_new_document_has_seen_it(tmp_path):
    folder = tmp_path / "new"
    folder.mkdir()
    store = Store.open(folder, agent="ann")
    store.append("the package manager is pip")
    (folder / "MEMORY.md").write_bytes(b"- the package manager is uv\n")
    store.publish()
    assert (folder / "MEMORY.md").read_bytes() == b"- the package manager is uv\n"
