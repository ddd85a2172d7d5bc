"""While memshim publishes as fast as it can, no version that somebody else puts there in between is lost."""

import errno
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from racing import BUDGET_S, verify_sound

from memshim import Store
from memshim.disk import files
from memshim.store import adopt, history, publish
from memshim.store.turn import Turn

BASE = b"# Memory\n\nA text from before.\n\n- kept from before\n"


@pytest.fixture
def store(store_dir: Path) -> Store:
    (store_dir / "MEMORY.md").write_bytes(BASE)
    store = Store.open(store_dir, agent="ann")
    store.init()
    return store


def document(store: Store) -> Path:
    return Path(store.layout.root) / "MEMORY.md"


def put(store: Store, text: bytes) -> None:
    """Puts a foreign version there, by rename."""
    aside = Path(store.layout.root).parent / "foreign"
    aside.write_bytes(text)
    os.rename(aside, document(store))


def add(store: Store, line: str) -> None:
    """Puts a foreign version there that has read the file and says one line more."""
    put(store, document(store).read_bytes() + f"{line}\n".encode())


def lines(store: Store) -> Counter[str]:
    store.compact()
    text = store.read().text
    assert document(store).read_text() == text
    return Counter(text.splitlines())


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + BUDGET_S
    while not condition():
        assert time.monotonic() < until, "hangs"
        time.sleep(0.01)


# --- as fast as both can --------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["own", "reads", "in-place"])
def test_a_fast_foreign_writer_loses_no_line_that_memshim_displaced(
    store: Store, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    displaced: list[bytes] = []
    exchange = files.exchange

    def watched(aside: str, path: str) -> bool:
        done = exchange(aside, path)
        displaced.append(Path(aside).read_bytes())
        return done

    monkeypatch.setattr(files, "exchange", watched)
    words = [sys.executable, str(Path(__file__).with_name("renamer.py")), store.layout.root, way, "400"]
    writer = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    appended = []
    try:
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
        while writer.poll() is None or len(appended) < 20:
            appended.append(f"- ours {len(appended)}")
            store.append(appended[-1])
        written = writer.stdout.read().decode().splitlines()
    finally:
        writer.kill()
        writer.communicate()
    if way == "in-place":  # a line written to a displaced file is taken in while that is kept, two seconds at least
        store.append("- the next command")
    kept = lines(store)
    seen = {line.decode() for text in displaced for line in text.splitlines() if line.startswith(b"- foreign")}
    print(f"{len(written)} foreign versions, {len(appended)} appends, {len(displaced)} displaced, {len(seen)} lines")
    assert {line: kept[line] for line in seen if kept[line] != 1} == {}, "displaced by memshim, and gone"
    assert {line: kept[line] for line in appended if kept[line] != 1} == {}, "acknowledged, and gone"
    assert kept["- kept from before"] == 1
    last = [line for line in written if line in kept]
    assert written[-1] in last, "the last version, which nobody but memshim replaced"
    if way == "in-place":
        assert [line for line in written if kept[line] != 1] == []
    verify_sound(Path(store.layout.root))


# --- staged: a foreign version lands exactly there ------------------------------------------------------------


def hook(patch: pytest.MonkeyPatch, where: Any, name: str, act: Callable[[], None], times: int = 1) -> list[int]:
    """Calls `act` just before the next `times` calls of a function; returns a list that grows with each."""
    plain, done = getattr(where, name), []

    def call(*args: Any, **options: Any) -> Any:
        if len(done) < times:
            done.append(1)
            act()
        return plain(*args, **options)

    patch.setattr(where, name, call)
    return done


@pytest.mark.parametrize(
    ("where", "name"),
    [(files, "exchange"), (history.History, "plan"), (history.History, "record"), (files, "create")],
    ids=["before the exchange", "before the plan", "before the revision is kept", "before the view is written"],
)
def test_a_version_that_lands_while_a_view_is_published_is_taken_in(
    store: Store, monkeypatch: pytest.MonkeyPatch, where: Any, name: str
) -> None:
    done = hook(monkeypatch, where, name, lambda: add(store, "- foreign"))
    store.append("- ours")
    assert done
    assert document(store).read_text().count("- foreign\n") == 1
    assert (lines(store)["- foreign"], lines(store)["- ours"]) == (1, 1)


def test_versions_that_land_at_every_retry_are_all_taken_in(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    count = iter(range(100))
    done = hook(monkeypatch, files, "exchange", lambda: add(store, f"- foreign {next(count)}"), times=5)
    store.append("- ours")
    assert len(done) == 5
    kept = lines(store)
    assert [kept[f"- foreign {n}"] for n in range(5)] == [1] * 5
    assert kept["- ours"] == 1


def test_a_publish_gives_way_to_somebody_who_never_stops(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "ROUNDS_S", 0.2)
    count = iter(range(publish.ROUNDS))
    done = hook(monkeypatch, files, "exchange", lambda: add(store, f"- foreign {next(count)}"), times=publish.ROUNDS)
    store.append("- ours")
    assert 0 < len(done) < publish.ROUNDS
    assert any("is being rewritten all the time" in note for note in store.notes)
    monkeypatch.undo()
    kept = lines(store)
    assert [kept[f"- foreign {n}"] for n in range(len(done))] == [1] * len(done)
    assert kept["- ours"] == 1


def test_a_document_that_is_removed_before_the_exchange_is_put_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Turn, "GRACE_S", 0.1)
    hook(monkeypatch, files, "exchange", lambda: os.unlink(document(store)))
    store.append("- ours")
    assert document(store).read_bytes() == BASE + b"- ours\n"


def test_a_document_that_is_removed_and_written_anew_keeps_the_new_text(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Turn, "GRACE_S", 5.0)
    hook(monkeypatch, files, "exchange", lambda: os.unlink(document(store)))
    hook(monkeypatch, Turn, "absent_for", lambda: put(store, BASE + b"- written anew\n"))
    store.append("- ours")
    assert (lines(store)["- ours"], lines(store)["- written anew"]) == (1, 1)


@pytest.mark.parametrize("begin", [os.unlink, lambda path: path.write_bytes(b"")], ids=["removed", "emptied"])
def test_a_document_that_is_not_there_for_a_moment_is_left_to_its_writer(
    store: Store, monkeypatch: pytest.MonkeyPatch, begin: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(Turn, "GRACE_S", 5.0)
    begin(document(store))
    waited = hook(monkeypatch, Turn, "absent_for", lambda: put(store, BASE + b"- written anew\n"))
    store.append("- ours")
    assert waited
    assert (lines(store)["- ours"], lines(store)["- written anew"]) == (1, 1)
    assert os.listdir(store.layout.path("absent")) == []  # when it goes next, it is waited for anew


@pytest.mark.parametrize("name", ["MEMORY.md", "topic.md"])
def test_a_document_that_somebody_makes_before_memshim_does_keeps_both_texts(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    link = os.link

    def linking(source: str, target: str) -> None:
        if target.endswith(name):
            monkeypatch.setattr(os, "link", link)
            (store_dir / name).write_text("- somebody's\n")
        link(source, target)

    monkeypatch.setattr(os, "link", linking)
    with Store.open(store_dir, agent="ann") as store:
        store.append("- ours", doc=name)
        assert sorted(store.read(name).text.splitlines()) == ["- ours", "- somebody's"]
        assert (store_dir / name).read_text() == store.read(name).text


def test_a_line_that_is_written_to_the_displaced_file_comes_back(store: Store) -> None:
    with document(store).open("ab") as old:
        store.append("- ours")
        old.write(b"- late\n")
        old.flush()
        kept = lines(store)
        assert (kept["- ours"], kept["- late"]) == (1, 1)
        old.write(b"- later\n")
        old.flush()
        kept = lines(store)
    assert (kept["- ours"], kept["- late"], kept["- later"]) == (1, 1, 1)


def test_an_interrupt_right_after_the_exchange_loses_no_foreign_version(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = files.exchange

    def interrupted(aside: str, path: str) -> bool:
        add(store, "- foreign")
        exchange(aside, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "exchange", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.append("- ours")
    monkeypatch.setattr(files, "exchange", exchange)
    assert (lines(store)["- foreign"], lines(store)["- ours"]) == (1, 1)


def test_a_link_that_takes_the_documents_place_is_kept_and_stops_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.md").write_text("- elsewhere\n")

    def plant() -> None:
        os.unlink(document(store))
        os.symlink(tmp_path / "elsewhere.md", document(store))

    hook(monkeypatch, files, "exchange", plant)
    id_ = store.append("- ours")
    store.append("- more")
    assert id_ in [entry.id for entry in store.log()]
    assert (tmp_path / "elsewhere.md").read_text() == "- elsewhere\n"
    document(store).unlink(missing_ok=True)
    put(store, BASE)
    assert (lines(store)["- ours"], lines(store)["- more"]) == (1, 1)


@pytest.mark.parametrize(("links", "exchange"), [(False, True), (False, False), (True, False)])
def test_a_file_system_without_hard_links_or_exchange_gets_every_document_and_journal(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch, links: bool, exchange: bool
) -> None:
    def refuse(path: str, name: str) -> None:
        os.stat(os.path.dirname(name))
        raise PermissionError(errno.EPERM, "no hard links here", path, None, name)

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    if not exchange:
        monkeypatch.setattr(files, "exchange", lambda one, other: False)
    store = Store.open(store_dir, agent="ann")
    for line in ("- one", "- two"):
        store.append(line)
    put(store, b"- one\n- two\n- foreign\n")
    hook(monkeypatch, files, "exchange", lambda: add(store, "- just then"))
    store.append("- three")
    store.append("- topic", doc="topic.md")
    assert lines(store) == Counter(["- one", "- two", "- foreign", "- just then", "- three"])
    assert (store_dir / "topic.md").read_bytes() == b"- topic\n"
    assert b"- one" in (store_dir / "memory" / "ann.md").read_bytes()
    assert [found.name for found in store.check()[1] if found.level != "note"] == []
    assert [name for name in os.listdir(store.layout.path("tmp")) if not name.startswith("publish.")] == []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_a_document_keeps_its_mode_whatever_a_new_file_would_get(store: Store, mode: int) -> None:
    document(store).chmod(mode)
    before = os.umask(0o027)
    try:
        store.append("- ours")
    finally:
        os.umask(before)
    assert document(store).read_bytes().endswith(b"- ours\n")
    assert document(store).stat().st_mode & 0o7777 == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_a_document_keeps_its_owner(store: Store) -> None:
    os.chown(document(store), 12345, 23456)
    store.append("- ours")
    status = document(store).stat()
    assert (status.st_uid, status.st_gid) == (12345, 23456)


# --- old bytes ------------------------------------------------------------------------------------------------


def test_old_bytes_written_right_after_a_publish_delete_nothing_however_late_memshim_looks(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopt, "SETTLED_S", 0.3)
    store.append("- ours")
    put(store, BASE)  # a writer that had read the file before
    done = time.monotonic()
    wait_until(lambda: time.monotonic() > done + 0.4)
    assert lines(store)["- ours"] == 1


def test_old_bytes_put_back_when_the_newer_ones_had_stood_for_long_are_a_revert(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopt, "SETTLED_S", 0.1)
    store.append("- ours")
    done = time.monotonic()
    wait_until(lambda: time.monotonic() > done + 0.2)
    put(store, BASE)
    assert lines(store)["- ours"] == 0
    assert document(store).read_bytes() == BASE


def test_a_writer_that_is_half_way_through_the_file_deletes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopt, "SETTLED_S", -60.0)  # as if it had been published long ago
    body = BASE + b"".join(b"- line %d\n" % n for n in range(20))
    store.write(body)
    for path in Path(store.layout.path("history")).glob("*/*"):  # no revision is left that lacks what is missing now
        if not path.name.endswith(store.read().revision):
            path.unlink()
    for path in Path(store.layout.path("tmp")).glob("publish.*"):  # nor a displaced one, which would be unknown now
        path.unlink()
    with document(store).open("wb") as file:
        file.write(body[:120])
        file.flush()

        def finish() -> None:
            file.write(body[120:] + b"- foreign\n")
            file.flush()

        waited = hook(monkeypatch, time, "sleep", finish)  # while memshim waits, the writer goes on
        store.append("- ours")
        if not waited:
            finish()
    store.append("- more")
    kept = lines(store)
    assert [kept[f"- line {n}"] for n in range(20)] == [1] * 20
    assert (kept["- ours"], kept["- more"], kept["- foreign"]) == (1, 1, 1)
