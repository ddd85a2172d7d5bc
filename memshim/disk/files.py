"""Durable files: read, create, replace, exchange.  Must not know what a store or a journal is.

Every function that writes says what a crash at any point leaves behind.  "Durable" means fsync of the file and of its
folder (F_FULLFSYNC on macOS, where fsync only reaches the drive's cache).
"""

import errno
import os
import stat
import sys

from memshim.errors import DocumentUnreadable, DocumentUnusable, StoreUnusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_NOFOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EXDEV)
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


def read(path: str) -> "bytes | None":
    """Returns the bytes of a file of ours, or None where there is none; see `open_ours`."""
    try:
        fd = open_ours(path)
    except FileNotFoundError:
        return None
    try:
        return read_all(fd)
    finally:
        os.close(fd)


def open_ours(path: str) -> int:
    """Opens a file of ours for reading; raises StoreUnusable for what somebody may have planted (a link, a pipe)."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _NOFOLLOW)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EMLINK, errno.ENXIO):
            raise
        fd = -1
    if fd >= 0 and stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    if fd >= 0:
        os.close(fd)
    raise StoreUnusable(f"{path} is no regular file.", "memshim check --repair moves it out of the way.")


def read_document(path: str) -> "tuple[bytes, os.stat_result] | None":
    """Returns a document's bytes and status, or None where there is no such file.

    Raises DocumentUnusable for a link, a folder, a device, or a file that we may not read: unreadable is not empty.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            hint = "Put a regular file in its place; agents' own tools refuse to write through a link as well."
            raise DocumentUnusable(f"{path} is a symbolic link, so memshim leaves it alone.", hint) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise DocumentUnreadable(f"{path} cannot be read: permission denied.", f"Try: chmod u+r {path}") from error
        if error.errno in (errno.ENXIO, errno.ENODEV):
            raise DocumentUnusable(f"{path} is not a regular file.", "Move it away.") from error
        raise
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise DocumentUnusable(f"{path} is {what}, so it cannot be a document.", "Move or rename it.")
        return read_all(fd), status
    finally:
        os.close(fd)


def read_all(fd: int, offset: int = 0) -> bytes:
    """Returns everything from `offset` on; the handle's own position is not used."""
    parts = []
    while part := os.pread(fd, 1 << 20, offset):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def write_all(fd: int, data: bytes) -> None:
    """Writes all of `data`, in one call where the kernel takes it; raises OSError when it takes no more."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync(fd: int) -> None:
    """Makes the file's bytes durable."""
    if sys.platform == "darwin":
        import fcntl

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


def sync_folder(path: str) -> None:
    """Makes the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(fd)


def make_folder(path: str, within: str = "") -> None:
    """Makes a folder of ours (0700) and its parents; what is there already must be a real folder, not a link.

    Those outside `within` are not made: raises FileNotFoundError where that folder is gone.  So what somebody removes or
    moves away while we work does not come back in part, which would be no store and stand in the way of a new one.
    """
    try:
        os.mkdir(path, 0o700)
    except FileNotFoundError:
        above = os.path.dirname(path)
        if above == within:
            raise
        make_folder(above, within)
        make_folder(path, within)
        return
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise
        return
    sync_folder(os.path.dirname(path) or ".")


def create(path: str, data: bytes, mode: int = 0o600, durable: bool = True) -> None:
    """Writes a new file, synced if `durable`, but its name not yet; raises FileExistsError.  A crash leaves a part of it."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW, mode)
    try:
        write_all(fd, data)
        if durable:
            sync(fd)
    except BaseException as error:
        os.unlink(path)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = path
        raise
    finally:
        os.close(fd)


def replace(path: str, data: bytes, scratch: str, mode: int = 0o600, durable: bool = True) -> None:
    """Puts `data` at `path` in one step; after a crash there is the old file or the new one, whole.

    `scratch` is a folder on the same file system; a crash may leave a temporary file in it.
    Does not: notice who replaced the file in between.  Whoever renames last wins, so only for files of ours.
    """
    temporary = scratch_name(scratch, os.path.basename(path))
    try:
        create(temporary, data, mode, durable)
        os.rename(temporary, path)
    except BaseException:
        unlink_quietly(temporary)
        raise
    if durable:
        sync_folder(os.path.dirname(path))


def scratch_name(folder: str, what: str) -> str:
    """Returns a name in `folder` that nobody uses."""
    return os.path.join(folder, f"{what}.{os.getpid()}.{os.urandom(6).hex()}")


def unlink_quietly(path: str) -> None:
    """Removes a file, if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def add_name(path: str, name: str) -> None:
    """Gives a file one name more; raises FileExistsError where that is taken.

    On a file system without hard links the file is renamed instead: the first name goes, and what somebody else puts
    under the new one within microseconds is lost.
    """
    try:
        os.link(path, name)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if os.path.lexists(name):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name) from error
        os.rename(path, name)


def exchange(one: str, other: str) -> bool:
    """Swaps two files in one step, so that neither name is ever missing; False where the system cannot.

    Uses renameat2 with RENAME_EXCHANGE on Linux (man 2 rename), renamex_np with RENAME_SWAP on macOS.  Raises OSError
    where either is missing.  A crash leaves them as they were, or swapped.
    """
    call = _exchange_call()
    if call is None:
        return False
    code = call(os.fsencode(one), os.fsencode(other))
    if code == 0:
        return True
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), one, None, other)


def _exchange_call() -> "Callable[[bytes, bytes], int] | None":
    import ctypes  # only on the path that publishes

    library = ctypes.CDLL(None, use_errno=True)
    try:
        if sys.platform == "darwin":
            swap = library.renamex_np
            return lambda one, other: ctypes.get_errno() if swap(one, other, 2) else 0
        rename = library.renameat2
    except AttributeError:
        return None
    here = -100  # AT_FDCWD
    return lambda one, other: ctypes.get_errno() if rename(here, one, here, other, 2) else 0
