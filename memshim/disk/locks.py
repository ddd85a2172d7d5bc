"""Locks that save work: one for the store, one on each open journal.  Must not know what they protect.

Nothing acknowledged rests on them: agents' own tools never take them.  Rules that hold everywhere: never lock a
document (clients replace it by rename, and a lock stays with the old file), never break a lock by age (the kernel
frees it when its holder dies; a suspended laptop would lose a live one), never delete a lock file (waiters would be
split across two files).

filelock takes the store's lock and portalocker the shared one on a journal.  Both are `flock` on the whole file on
POSIX, as `fcntl.flock` is, so all three exclude each other on one file (measured); the plain call serves the paths that
cannot pay for an import of five interpreter starts.
"""

import fcntl
import os
import time

from memshim.errors import LockTimeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def sidecar(path: str, timeout: float, who: str, quick: bool = False) -> "AbstractContextManager[object]":
    """Returns the store's exclusive lock, to be taken with `with`; held until the block ends or the process dies.

    Raises LockTimeout, naming the holder, after `timeout` seconds.  Not re-entrant.  A crash leaves the file, unlocked.
    """
    return QuickLock(path, timeout, who) if quick else _file_lock(path, timeout, who)


def _file_lock(path: str, timeout: float, who: str) -> "AbstractContextManager[object]":
    from contextlib import contextmanager

    import filelock

    @contextmanager
    def held() -> "Iterator[None]":
        lock = filelock.FileLock(
            path,
            timeout=timeout,
            mode=0o600,
            poll_interval=0.005,
            thread_local=False,
            fallback_to_soft=False,  # else a file system without flock gets a marker that excludes nobody
            on_acquired=lambda fd: _name_holder(fd, who),
        )
        try:
            lock.acquire()
        except filelock.Timeout:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                raise _timed_out(fd, path, timeout) from None
            finally:
                os.close(fd)
        try:
            yield
        finally:
            lock.release()

    return held()


class QuickLock:
    """Is the same lock without the library, for a process that lives for one append."""

    def __init__(self, path: str, timeout: float, who: str) -> None:
        self.path = path
        self.timeout = timeout
        self.who = who
        self._fd = -1

    def __enter__(self) -> None:
        fd = os.open(self.path, _OPEN, 0o600)
        try:
            if not _wait_exclusive(fd, self.timeout):
                raise _timed_out(fd, self.path, self.timeout)
            _name_holder(fd, self.who)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd

    def __exit__(
        self, kind: "type[BaseException] | None", error: "BaseException | None", trace: "TracebackType | None"
    ) -> None:
        fd, self._fd = self._fd, -1
        release(fd)  # a child that was forked meanwhile has the file open as well: closing alone frees nothing
        os.close(fd)


def _name_holder(fd: int, who: str) -> None:
    """Writes who has the lock, for whom it keeps waiting; on a full disk it is had without a name."""
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()} ({who})\n".encode(), 0)
    except OSError:
        return


def _timed_out(fd: int, path: str, timeout: float) -> LockTimeout:
    holder = os.pread(fd, 200, 0).decode("utf-8", "replace").strip()
    hint = f"It is held by {holder}." if holder else "See who has the file open, for example with lsof."
    return LockTimeout(f"The store's lock was not free within {timeout:g} s: {path}", holder, hint)


def _wait_exclusive(fd: int, timeout: float) -> bool:
    """Polls from 0.5 ms up to 20 ms apart: a blocking flock cannot be given a time in a thread."""
    until = time.monotonic() + timeout
    pause = 0.0005
    while not try_exclusive(fd):
        left = until - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, 0.02)
    return True


def exclusive(fd: int) -> None:
    """Waits for the exclusive lock on an open handle (an append holds it for one write and one fsync)."""
    fcntl.flock(fd, fcntl.LOCK_EX)


def try_exclusive(fd: int) -> bool:
    """Takes the exclusive lock on an open handle if it is free; tells whether it did."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def release(fd: int) -> None:
    """Gives a handle's lock back."""
    fcntl.flock(fd, fcntl.LOCK_UN)


def shared(fd: int) -> None:
    """Waits until no append is under way on an open journal, and holds new ones off until the handle is closed."""
    import portalocker

    portalocker.lock(fd, portalocker.LOCK_SH)


class OnlyOne:
    """Is the lock that one process of a user holds for as long as it lives, with its pid in a file beside it.

    A crash leaves the files, unlocked.  Take it after every fork: a child would hold it too.
    """

    def __init__(self, path: str) -> None:
        import portalocker

        self._lock = portalocker.PidFileLock(path)
        self._taken = portalocker.exceptions.AlreadyLocked

    def take(self) -> bool:
        """Takes the lock if it is free; tells whether it did."""
        before = os.umask(0o077)
        try:
            self._lock.acquire()
        except self._taken:
            return False
        finally:
            os.umask(before)
        return True

    def holder(self) -> int:
        """Returns the pid in the file, 0 where there is none; a dead holder's may still stand there."""
        return self._lock.read_pid() or 0

    def release(self) -> None:
        """Gives the lock back and removes its files."""
        self._lock.release()
