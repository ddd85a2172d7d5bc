"""With every lock replaced by nothing, work may be done twice or fail, but nothing that was acknowledged is lost."""

import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from racing import Racer, entries_shown, make_old, race, started, take_locks_off, verify_sound, verify_whole

from memshim import Store
from memshim.disk import files
from memshim.errors import StoreUnusable
from memshim.store import adopt, history, publish, segment, snapshot
from memshim.store.journal import Journal
from memshim.store.turn import open_turn


def told_failures(told: list[dict[str, str]]) -> None:
    print(Counter(row["why"] for row in told if row["did"] == "failed"))


def verify_no_must(folder: Path) -> None:
    verify_sound(folder, level="should")


@pytest.mark.parametrize("agents", [6, 1])
def test_appends_beside_compactions_and_retirements_lose_nothing(store_dir: Path, seed: int, agents: int) -> None:
    (store_dir / "MEMORY.md").write_text("# Memory\n\nSome text.\n")
    Store.open(store_dir).init()
    racers = [
        Racer(store_dir, "append", f"agent{n % agents}", name=f"racer{n}", count=30, published=0.3, seed=seed + n,
              locks_off=True)
        for n in range(6)
    ]  # fmt: skip
    others = [Racer(store_dir, "compact", "one", count=20, locks_off=True),
              Racer(store_dir, "retire", "two", count=20, locks_off=True)]  # fmt: skip
    told = race(*racers, *others)
    told_failures(told)
    assert sum(row["did"] == "append" for row in told) == 180
    verify_whole(store_dir, told)


def test_each_one_keeps_the_last_edit_of_its_own_line(store_dir: Path) -> None:
    names = [f"racer{n}" for n in range(4)]
    (store_dir / "MEMORY.md").write_text("# Memory\n\n" + "".join(f"- line of {n}, version 0\n" for n in names))
    store = Store.open(store_dir)
    store.init()
    racers = [Racer(store_dir, "edit_own", name, count=15, locks_off=True) for name in names]
    told = race(*racers, Racer(store_dir, "compact", "one", count=15, locks_off=True))
    told_failures(told)
    store.compact()
    text = store.read().text
    for name in names:
        last = [row["text"] for row in told if row["did"] == "edit" and row["by"] == name][-1:]
        for line in last or [f"- line of {name}, version 0"]:
            assert text.count(f"{line}\n") == 1, (line, text)
    verify_no_must(store_dir)


def test_compactors_that_do_not_see_each_other_keep_everything(store_dir: Path, seed: int) -> None:
    racers = [Racer(store_dir, "mixed", f"agent{n}", count=12, seed=seed + n, locks_off=True) for n in range(4)]
    told = race(*racers)
    told_failures(told)
    verify_whole(store_dir, told)
    lines = (store_dir / "MEMORY.md").read_text().splitlines()
    assert not [row["text"] for row in told if row["did"] == "forget" and row["text"] in lines]


def test_a_publisher_that_read_the_store_too_early_takes_nothing_for_lost(store_dir: Path) -> None:
    """Once it took what had been published meanwhile for text of a lost journal: what was forgotten next came back."""
    store = Store.open(store_dir)
    store.append("- one")
    early = open_turn(store.layout)
    store.append("- a passing thought")
    publish.publish_all(early)
    store.forget(text="a passing thought")
    store.compact()
    assert (store_dir / "MEMORY.md").read_bytes() == b"- one\n"
    assert [e.kind for e in store.log()] == ["forget", "append", "append"]
    verify_sound(store_dir)


@pytest.mark.parametrize("locks_off", [False, True], ids=["with locks", "without locks"])
@pytest.mark.parametrize("pause", ["opened", "locked", "before the write", "written", "synced"])
def test_an_append_that_pauses_while_its_journal_is_retired_is_there_once(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch, pause: str, locks_off: bool
) -> None:
    store = Store.open(store_dir, agent="cli")
    first = Store.open(store_dir, agent="ann").append("- before")
    store.compact()
    with started(Racer(store_dir, "pausing", "ann", pause=pause, published=0.0, locks_off=locks_off)) as (racer,):
        racer.open_gate()
        _, status = os.waitpid(racer.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        if locks_off:
            take_locks_off(monkeypatch)
        make_old(store_dir, "ann")
        done = store.compact()
        held = pause not in ("opened",) and not locks_off
        assert done.archived == (0 if held else 1)
        os.kill(racer.process.pid, signal.SIGCONT)
        racer.finish()
    monkeypatch.undo()
    (told,) = racer.told
    for _ in range(2):
        shown = entries_shown(store_dir)
        assert (shown[first], shown[told["id"]]) == (1, 1)
        store.compact()
    verify_sound(store_dir)


# --- staged: the one interleaving that hurts, made to happen --------------------------------------------------


def test_an_append_between_the_last_look_and_the_retirement_is_shown_at_once(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_locks_off(monkeypatch)
    store, other = Store.open(store_dir, agent="ann"), Store.open(store_dir, agent="ann")
    store.append("- before")
    store.compact()
    make_old(store_dir, "ann")
    acknowledged = []
    rename = os.rename

    def renaming(source: str, target: str) -> None:
        if "archive" in target and source.endswith("ann.log"):
            acknowledged.append(other.append("- just in time", publish=False))
        rename(source, target)

    monkeypatch.setattr(os, "rename", renaming)
    assert store.compact().archived == 1
    assert len(acknowledged) == 1
    assert entries_shown(store_dir)[acknowledged[0]] == 1


def test_an_older_view_that_is_published_last_deletes_nothing(store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_locks_off(monkeypatch)
    monkeypatch.setattr(adopt, "SETTLED_S", 0.2)
    ann, bob = Store.open(store_dir, agent="ann"), Store.open(store_dir, agent="bob")
    ann.append("- one")
    confirm = history.History.confirm
    with bob.turn() as older:
        ann.append("- two", publish=False)
        older.record("append", "bob", [{"op": "add", "doc": "MEMORY.md", "section": "", "blocks": [b"- three\n"]}])

        def late(self: history.History, digest: str, path: str) -> None:
            monkeypatch.setattr(history.History, "confirm", confirm)
            publish.publish_all(older)
            confirm(self, digest, path)

        monkeypatch.setattr(history.History, "confirm", late)
        ann.publish()
    noted = time.time()
    while time.time() < noted + 0.3:
        time.sleep(0.01)
    assert sorted(ann.read().text.splitlines()) == ["- one", "- three", "- two"]


def test_a_compactor_that_slept_for_hours_clears_nothing_that_others_made(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_locks_off(monkeypatch)
    ann, bob = Store.open(store_dir, agent="ann"), Store.open(store_dir, agent="bob")
    ann.append("- one")
    clear = snapshot.clear_unnamed

    def late(*args: object) -> int:
        monkeypatch.setattr(snapshot, "clear_unnamed", clear)
        bob.append("- two")
        bob.compact()
        past = time.time() - 2 * 3600
        for folder in ("entries", "blocks", "snapshots"):
            for path in (store_dir / ".memshim" / folder).glob("*"):
                os.utime(path, (past, past))
        return clear(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(snapshot, "clear_unnamed", late)
    ann.compact()
    assert ann.read().text == "- one\n- two\n"
    verify_sound(store_dir)


def test_a_journal_that_takes_the_place_of_one_that_another_compactor_retired_is_kept(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_locks_off(monkeypatch)
    one, two, ann = (Store.open(store_dir, agent=name) for name in ("one", "two", "ann"))
    first = ann.append("- before")
    one.compact()
    make_old(store_dir, "ann")
    acknowledged = []
    rename = os.rename

    def renaming(source: str, target: str) -> None:
        if source.endswith("journals/ann.log"):
            monkeypatch.setattr(os, "rename", rename)
            assert two.compact().archived == 1
            acknowledged.append(ann.append("- in a new journal", publish=False))
        rename(source, target)

    monkeypatch.setattr(os, "rename", renaming)
    one.compact()
    assert len(acknowledged) == 1
    for _ in range(2):
        shown = entries_shown(store_dir)
        assert (shown[first], shown[acknowledged[0]]) == (1, 1)
        one.compact()
    assert len(list((store_dir / ".memshim" / "archive").glob("*/ann.*"))) == 2
    verify_sound(store_dir)


def test_an_append_just_before_the_retirement_survives_a_compactor_that_dies_right_after_it(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_locks_off(monkeypatch)
    store, ann = Store.open(store_dir), Store.open(store_dir, agent="ann")
    ann.append("- before")
    store.compact()
    make_old(store_dir, "ann")
    acknowledged = []
    rename = os.rename

    def renaming(source: str, target: str) -> None:
        if not source.endswith("journals/ann.log"):
            return rename(source, target)
        acknowledged.append(ann.append("- just in time", publish=False))
        rename(source, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", renaming)
    with pytest.raises(KeyboardInterrupt):
        store.compact()
    monkeypatch.setattr(os, "rename", rename)
    assert entries_shown(store_dir)[acknowledged[0]] == 1
    assert store.compact().archived == 1
    assert entries_shown(store_dir)[acknowledged[0]] == 1
    verify_sound(store_dir)


def test_a_readable_name_that_comes_back_while_its_journal_is_retired_goes_with_it(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, shown = Store.open(store_dir, agent="ann"), store_dir / "memory" / "ann.md"
    store.append("- before")
    store.compact()
    make_old(store_dir, "ann")
    rename = os.rename

    def renaming(source: str, target: str) -> None:
        if source.endswith("journals/ann.log"):
            os.link(source, shown)  # as a writer does that had opened it before
        rename(source, target)

    monkeypatch.setattr(os, "rename", renaming)
    assert store.compact().archived == 1
    assert not shown.exists()
    verify_sound(store_dir)


def test_a_journal_that_is_retired_before_its_writer_opens_it_is_made_anew(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, create = Store.open(store_dir, agent="ann"), Store.open(store_dir, agent="bob"), Journal._create

    def creating(self: Journal) -> None:
        create(self)
        monkeypatch.setattr(Journal, "_create", create)
        other.compact()
        make_old(store_dir, "ann")
        assert other.compact().archived == 1

    monkeypatch.setattr(Journal, "_create", creating)
    id_ = one.append("- one")
    assert entries_shown(store_dir)[id_] == 1
    verify_sound(store_dir)


def test_a_publish_that_came_to_nothing_does_not_undo_what_another_has_noted(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_locks_off(monkeypatch)
    ann, bob = Store.open(store_dir, agent="ann"), Store.open(store_dir, agent="bob")
    ann.append("- one", publish=False)
    link, withdraw, noted = os.link, history.History.withdraw, []

    def linking(source: str, target: str) -> None:
        if target.endswith("MEMORY.md"):
            monkeypatch.setattr(os, "link", link)
            assert bob.publish()
        link(source, target)

    def withdrawing(self: history.History, *args: Any) -> None:
        withdraw(self, *args)
        noted.append(self.published is not None and self.published.confirmed > 0)

    monkeypatch.setattr(os, "link", linking)
    monkeypatch.setattr(history.History, "withdraw", withdrawing)
    assert ann.publish()
    assert noted == [True]


def test_what_was_forgotten_stays_so_where_the_note_of_its_publication_is_gone(store_dir: Path) -> None:
    store = Store.open(store_dir)
    store.append("- kept")
    id_ = store.append("- passing")
    (block,) = store.memory().entry(id_).new_blocks()  # type: ignore[union-attr]
    with store.turn() as turn:  # recorded, and not published yet
        turn.record("forget", "ann", [{"op": "remove", "doc": "MEMORY.md", "targets": [block[2]]}])
    (note,) = (store_dir / ".memshim" / "published").iterdir()
    note.unlink()
    store.compact()
    assert (store_dir / "MEMORY.md").read_text() == "- kept\n"


def test_a_topic_file_that_is_put_back_after_its_deletion_is_new_text(store_dir: Path) -> None:
    store, topic = Store.open(store_dir), store_dir / "topic.md"
    store.append("- known", doc="topic.md")
    before = topic.read_bytes()
    topic.unlink()
    store.compact()
    assert "topic.md" not in store.memory().documents().values()
    topic.write_bytes(before)
    store.compact()
    assert topic.read_bytes() == before == store.read("topic.md").data


def test_a_compactor_that_slept_for_hours_makes_no_head_of_what_others_cleared(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_locks_off(monkeypatch)
    ann, bob = Store.open(store_dir, agent="ann"), Store.open(store_dir, agent="bob")
    kept = [ann.append("- one")]
    ann.compact()
    kept.append(ann.append("- two"))
    save = snapshot.save

    def late(*args: Any) -> str:
        monkeypatch.setattr(snapshot, "save", save)
        for n in range(segment.FAN):  # so many that segments are merged, and the first is named by no head any more
            kept.append(bob.append(f"- of bob {n}"))
            bob.compact()
        past = time.time() - 2 * 3600
        for folder in ("entries", "blocks", "snapshots"):
            for path in (store_dir / ".memshim" / folder).glob("*"):
                os.utime(path, (past, past))
        bob.compact()
        return save(*args)

    monkeypatch.setattr(snapshot, "save", late)
    with pytest.raises(StoreUnusable, match="by others meanwhile"):
        ann.compact()
    ann.compact()
    shown = entries_shown(store_dir)
    assert [shown[id_] for id_ in kept] == [1] * len(kept)
    verify_sound(store_dir)


def test_a_temporary_file_that_goes_while_a_compactor_looks_is_none_of_its_business(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, passing = Store.open(store_dir), store_dir / ".memshim" / "tmp" / "passing"
    store.append("- one")
    passing.touch()
    scandir = os.scandir

    def scanning(path: str) -> Any:
        if path != str(passing.parent):
            return scandir(path)
        found = list(scandir(path))
        passing.unlink()
        return found

    monkeypatch.setattr(os, "scandir", scanning)
    store.compact()
    assert not passing.exists()


def test_the_patch_reaches_every_lock(store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_locks_off(monkeypatch)
    store = Store.open(store_dir)
    with store.turn(), store.turn(timeout=0.0):
        store.append("- inside of two turns")
    assert files.read(str(store_dir / ".memshim" / "lock")) is None
