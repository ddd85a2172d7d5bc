"""Our folder is moved away while a command works: what comes back is a whole store or nothing, never a part of one."""

import contextlib
import os
import shutil
import time

import pytest

from memshim import Store
from memshim.disk.layout import Layout
from memshim.errors import MemshimError, StoreUnusable

TEXT = b"# Memory\n\n- use uv\n- use ruff\n"

COMMANDS = {
    "append": lambda s: s.append("a note"),
    "write": lambda s: s.write(TEXT + b"- more\n"),
    "publish": lambda s: s.publish(),
    "compact": lambda s: s.compact(),
    "repair": lambda s: s.check(repair=True),
}


def prepare(folder, client):
    root = folder / "projects" / "-work" / "memory" if client else folder
    root.mkdir(parents=True, exist_ok=True)
    (root / "MEMORY.md").write_bytes(TEXT)
    Store.open(root, agent="ann").append("known")
    (root / "MEMORY.md").write_bytes((root / "MEMORY.md").read_bytes() + b"- by hand\n")
    os.utime(root / "MEMORY.md", (time.time() - 60,) * 2)  # nobody waits until it stands still
    return root


@pytest.mark.parametrize("client", [False, True], ids=["store of its own", "client's store"])
@pytest.mark.parametrize("name", COMMANDS)
def test_our_folder_is_moved_away_before_a_folder_is_made_in_it(tmp_path, monkeypatch, name, client):
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    real, at = os.mkdir, 0
    while True:
        at += 1
        folder = tmp_path / f"store-{at}"
        root = prepare(folder, client)
        state = Layout(str(root)).state
        for names in ("history", "published", "snapshots", "entries", "heads", "journals"):
            assert os.path.isdir(os.path.join(state, names))
        calls = []

        def mkdir(path, *rest, at=at, state=state, calls=calls, **more):
            calls.append(path)
            if len(calls) == at:
                os.rename(state, state + ".gone")
            real(path, *rest, **more)

        store = Store.open(root, agent="bob")
        with monkeypatch.context() as patch:
            patch.setattr(os, "mkdir", mkdir)
            with contextlib.suppress(MemshimError, OSError):
                COMMANDS[name](store)
        if len(calls) < at:
            break
        # filelock makes the folder of a lock anew; the next command takes that away.
        alone = os.path.exists(state) and os.listdir(state) == ["lock"]
        assert alone or not os.path.exists(state) or Layout(str(root)).is_store(), calls
        assert Store.open(root, agent="eve").append("afterwards")
    assert at > 1


def test_without_its_history_a_store_loses_old_revisions_and_no_note(tmp_path):
    (tmp_path / "MEMORY.md").write_bytes(TEXT)
    store = Store.open(tmp_path, agent="ann")
    store.append("not published", publish=False)
    shutil.rmtree(tmp_path / ".memshim" / "history")
    store.compact()
    for _ in range(2):
        store.compact()  # looks again at what the first one displaced
        assert (tmp_path / "MEMORY.md").read_bytes() == TEXT + b"- not published\n"
    assert [e.kind for e in store.log()] == ["append", "init"]


def test_a_link_that_somebody_planted_is_not_followed_and_a_repair_puts_it_away(tmp_path):
    outside, root = tmp_path / "outside", tmp_path / "store"
    for folder in (outside, root):
        folder.mkdir()
    (root / "MEMORY.md").write_bytes(TEXT)
    store = Store.open(root, agent="ann")
    store.append("not published", publish=False)
    shutil.rmtree(root / ".memshim" / "history")
    (root / ".memshim" / "history").symlink_to(outside)
    assert store.read().data == TEXT + b"- not published\n"
    assert "is a link" in store.notes[0]
    with pytest.raises(StoreUnusable):
        store.publish()
    assert os.listdir(outside) == []
    assert store.check(repair=True)[1] == []
    assert store.check()[1] == []
    assert (root / "MEMORY.md").read_bytes() == TEXT + b"- not published\n"
    assert os.listdir(outside) == []
