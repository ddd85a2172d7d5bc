"""A store on a disk that takes nothing any more: what only reads works and says so, what writes says why not."""

import errno
import os

import pytest

from memshim import Store

pytest_plugins = ["cli_fixtures"]

READING = ["show", "rev", "log", "blame", "diff", "status", "conflicts", "lost", "timeline --html -"]
WRITING = ["append x", "edit --old first --new x", "forget --text first", "compact"]


@pytest.fixture(params=[errno.EROFS, errno.ENOSPC], ids=["read-only", "full"])
def disk(request, store_dir, monkeypatch):
    """Lets nobody write to the store, which holds a note that is not published."""
    with Store.open(store_dir, agent="ann") as store:
        store.append("first", publish=False)
    real = os.open

    def opened(path, flags, *rest, **more):
        if flags & (os.O_WRONLY | os.O_RDWR) and str(store_dir) in os.fsdecode(path):
            raise OSError(request.param, os.strerror(request.param), path)
        return real(path, flags, *rest, **more)

    def mkdir(path, *rest, **more):
        raise OSError(request.param, os.strerror(request.param), path)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "mkdir", mkdir)
    monkeypatch.chdir(store_dir)
    return os.strerror(request.param)


@pytest.mark.parametrize("words", READING)
def test_what_only_reads_works_and_says_what_it_could_not_take_in(disk, inside, words):
    done = inside(*words.split())
    assert done.code == 0
    if words not in ("diff", "timeline --html -"):
        assert f"Read without taking in changes: {disk}: " in done.err
    if words in ("show", "blame", "log"):
        assert b"first" in done.out


@pytest.mark.parametrize("words", WRITING)
def test_what_writes_says_why_not_and_what_to_do(disk, inside, words):
    done = inside(*words.split())
    assert done.code == 1
    assert done.err.startswith(f"memshim: {disk}: ")
    assert len(done.err.splitlines()) == 2
    with Store.open(".") as store:
        assert store.read().text == "- first\n"
