"""Durable files: whole or not there, whatever fails; and nothing planted is followed."""

import errno
import os
import stat

import pytest

from memshim.disk import files
from memshim.errors import DocumentUnreadable, DocumentUnusable, StoreUnusable


def fail(*_, **__):
    raise OSError(errno.ENOSPC, "full")


@pytest.fixture(params=["write", "fsync"])
def full_disk(request, monkeypatch):
    monkeypatch.setattr(os, request.param, fail)


def test_a_created_file_is_private_and_whole(store_dir):
    path = store_dir / "a"
    files.create(str(path), b"x" * 3_000_000)
    assert path.read_bytes() == b"x" * 3_000_000
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_create_takes_nothing_that_is_there(store_dir):
    (store_dir / "a").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        files.create(str(store_dir / "a"), b"new")
    assert (store_dir / "a").read_bytes() == b"old"


@pytest.mark.usefixtures("full_disk")
def test_create_leaves_nothing_behind_when_the_disk_takes_no_more(store_dir):
    with pytest.raises(OSError, match="full") as raised:
        files.create(str(store_dir / "a"), b"new")
    assert raised.value.filename == str(store_dir / "a")
    assert os.listdir(store_dir) == []


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_replace_leaves_the_old_file_and_nothing_else_when_a_step_fails(
    store_dir, tmp_path, monkeypatch, call, durable
):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (store_dir / "a").write_bytes(b"old")
    monkeypatch.setattr(os, call, fail)
    if call == "fsync" and not durable:
        files.replace(str(store_dir / "a"), b"new", str(scratch), durable=False)
        assert (store_dir / "a").read_bytes() == b"new"
    else:
        with pytest.raises(OSError, match="full") as raised:
            files.replace(str(store_dir / "a"), b"new", str(scratch), durable=durable)
        if call != "rename":
            assert raised.value.filename.startswith(str(scratch / "a."))
        assert (store_dir / "a").read_bytes() == b"old"
    assert os.listdir(scratch) == []
    assert os.listdir(store_dir) == ["a"]


def test_a_write_that_takes_a_part_goes_on_with_the_rest(store_dir, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    files.create(str(store_dir / "a"), b"0123456789" * 10)
    assert (store_dir / "a").read_bytes() == b"0123456789" * 10


def test_replace_never_shows_a_part(store_dir):
    path = store_dir / "a"
    path.write_bytes(b"old")
    reader = path.open("rb")
    files.replace(str(path), b"new", str(store_dir))
    assert (reader.read(), path.read_bytes()) == (b"old", b"new")
    reader.close()


@pytest.mark.parametrize("links", [True, False])
def test_a_name_that_is_taken_is_never_given_to_another_file(store_dir, monkeypatch, links):
    def refuse(*_):
        raise OSError(errno.EPERM, "no")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    one, other = store_dir / "one", store_dir / "other"
    one.write_bytes(b"1")
    files.add_name(str(one), str(other))
    assert other.read_bytes() == b"1"
    one.unlink(missing_ok=True)
    one.write_bytes(b"2")
    with pytest.raises(FileExistsError):
        files.add_name(str(one), str(other))
    assert (one.read_bytes(), other.read_bytes()) == (b"2", b"1")


def test_exchange_swaps_two_files(store_dir):
    one, other = store_dir / "one", store_dir / "other"
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    assert files.exchange(str(one), str(other))
    assert (one.read_bytes(), other.read_bytes()) == (b"2", b"1")


def test_exchange_with_a_missing_file_raises_and_changes_nothing(store_dir):
    (store_dir / "one").write_bytes(b"1")
    with pytest.raises(FileNotFoundError):
        files.exchange(str(store_dir / "one"), str(store_dir / "missing"))
    assert (store_dir / "one").read_bytes() == b"1"


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EXDEV, None])
def test_exchange_tells_where_the_system_cannot(store_dir, monkeypatch, code):
    monkeypatch.setattr(files, "_exchange_call", lambda: None if code is None else lambda one, other: code)
    assert not files.exchange(str(store_dir / "one"), str(store_dir / "other"))


def test_a_document_that_is_missing_is_none_and_an_empty_one_is_empty(store_dir):
    assert files.read_document(str(store_dir / "a.md")) is None
    (store_dir / "a.md").write_bytes(b"")
    found = files.read_document(str(store_dir / "a.md"))
    assert found is not None
    assert found[0] == b""


@pytest.mark.parametrize(
    ("kind", "said"),
    [("link", "symbolic link"), ("dangling", "symbolic link"), ("folder", "is a folder"), ("fifo", "not a regular")],
)
def test_what_is_no_regular_file_is_no_document(store_dir, kind, said):
    path = store_dir / "a.md"
    (store_dir / "target").write_bytes(b"x")
    if kind in ("link", "dangling"):
        path.symlink_to(store_dir / ("target" if kind == "link" else "nowhere"))
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(DocumentUnusable, match=said) as raised:
        files.read_document(str(path))
    assert not isinstance(raised.value, DocumentUnreadable)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
def test_a_document_that_may_not_be_read_is_told_from_an_empty_one(store_dir, monkeypatch, code):
    def refuse(path, *_, **more):
        if "dir_fd" in more:  # pytest's, of a temporary folder
            return opening(path, *_, **more)
        raise OSError(code, "no")

    opening = os.open
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DocumentUnreadable, match="permission denied"):
        files.read_document(str(store_dir / "a.md"))


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_what_somebody_planted_in_place_of_a_file_of_ours_is_refused_at_once(store_dir, kind):
    path = store_dir / "a"
    (store_dir / "target").write_bytes(b"x")
    {"link": lambda: path.symlink_to("target"), "fifo": lambda: os.mkfifo(path), "folder": path.mkdir}[kind]()
    with pytest.raises(StoreUnusable, match="no regular file"):
        files.read(str(path))


def test_no_handle_stays_open_after_a_refusal(store_dir):
    os.mkfifo(store_dir / "a")
    free = os.dup(0)
    os.close(free)
    for read in (files.read, files.read_document):
        with pytest.raises((StoreUnusable, DocumentUnusable)):
            read(str(store_dir / "a"))
    now = os.dup(0)
    os.close(now)
    assert now == free


def test_a_file_of_ours_that_is_missing_is_none(store_dir):
    assert files.read(str(store_dir / "a")) is None


def test_folders_of_ours_are_private_and_made_with_their_parents(store_dir):
    files.make_folder(str(store_dir / "a" / "b" / "c"))
    files.make_folder(str(store_dir / "a" / "b" / "c"))
    for name in ("a", "a/b", "a/b/c"):
        assert stat.S_IMODE((store_dir / name).stat().st_mode) == 0o700


def test_a_link_in_place_of_a_folder_of_ours_is_refused(store_dir, tmp_path):
    (store_dir / "a").symlink_to(tmp_path)
    with pytest.raises(FileExistsError):
        files.make_folder(str(store_dir / "a"))
