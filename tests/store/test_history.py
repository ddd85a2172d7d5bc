"""History: which revisions are kept, which are looked at, and which may go."""

import os
import random
from pathlib import Path

import pytest

from memshim import Store
from memshim.store import history as module
from memshim.store.history import History, now_ms, prune, revision_of
from memshim.text.view import View

DAY_MS = 86_400_000


@pytest.fixture
def layout(store_dir):
    with Store.open(store_dir) as store:
        store.init()
        return store.layout


@pytest.fixture
def history(layout):
    return History(layout, "MEMORY.md")


def keep(history, text, days_ago):
    return history.record(View("MEMORY.md", [], [], []), now_ms() - int(days_ago * DAY_MS), text)


def kept(history):
    return {revision.text for revision in History(history.layout, "MEMORY.md").recent(1000)}


def test_a_revision_goes_thirty_days_after_another_followed_it(history):
    for days_ago in (90, 60, 31, 10, 1):
        keep(history, b"- %d\n" % days_ago, days_ago)
    Path(history.layout.path("history", "stray")).write_bytes(b"no folder")
    assert prune(history.layout, now_ms()) > 0
    assert kept(history) == {b"- 31\n", b"- 10\n", b"- 1\n"}


def test_the_newest_revision_and_the_one_on_disk_stay_however_old_they_are(history):
    for days_ago in (90, 80, 70, 60):
        keep(history, b"- %d\n" % days_ago, days_ago)
    history.confirm(revision_of(b"- 80\n"), "MEMORY.md")
    prune(history.layout, now_ms())
    assert kept(history) == {b"- 80\n", b"- 60\n"}


@pytest.mark.parametrize("left", [{2, 3, 4}, {0, 2, 3, 4}])
def test_beyond_so_many_bytes_the_oldest_go_first_and_what_is_returned_is_what_is_left(history, monkeypatch, left):
    chance = random.Random(1)
    texts = [chance.randbytes(size) for size in (300, 9000, 1000, 1000, 1000)]
    for n, text in enumerate(texts):
        keep(history, text, len(texts) - n)
    sizes = {
        n: os.path.getsize(next(Path(history.folder).glob(f"*-{revision_of(text)}"))) for n, text in enumerate(texts)
    }
    monkeypatch.setattr(module, "KEPT_BYTES", sum(sizes[n] for n in left - {4}))  # the newest is not counted
    assert prune(history.layout, now_ms()) == module.KEPT_BYTES
    assert kept(history) == {texts[n] for n in left}


def test_what_a_publish_has_just_displaced_is_known_however_much_there_is(store_dir, monkeypatch):
    monkeypatch.setattr(module, "KEPT_BYTES", 0)
    (store_dir / "MEMORY.md").write_bytes(b"- one\n")
    store = Store.open(store_dir)
    store.init()
    store.append("two", publish=False)
    for _ in range(3):
        store.compact()  # looks again at what the one before displaced
    assert [e.kind for e in store.log()] == ["append", "init"]
    assert (store_dir / "MEMORY.md").read_bytes() == b"- one\n- two\n"


@pytest.mark.parametrize(("count", "most", "shown"), [(2, 0, 2), (2, 100, 3), (2, 1, 2), (4, 100, 4), (30, 0, 6)])
def test_of_many_revisions_the_newest_are_looked_at_and_while_many_write_those_of_the_last_seconds(
    history, count, most, shown
):
    names = ["old 1", "old 2", "old 3", "young 0", "young 1", "young 2", "young 0"]
    for n, name in enumerate(names):
        keep(history, name.encode(), (name < "young") + 1e-6 * (len(names) - n))
    newest = [b"young 0", b"young 2", b"young 1", b"old 3", b"old 2", b"old 1"]
    assert [revision.text for revision in history.recent(count, most)][:6] == newest[:shown]
