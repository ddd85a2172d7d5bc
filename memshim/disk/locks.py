"""Locks that save work: one for the store, one on each open journal.  Must not know what they protect.

Nothing acknowledged rests on them: agents' own tools never take them.  Rules that hold everywhere: never lock a
document (clients replace it by rename, and a lock stays with the old file), never break a lock by age (the kernel
frees it when its holder dies; a suspended laptop would lose a live one), never delete a lock file (waiters would be
split across two files).

The plain functions use `fcntl.flock`, which costs no import; filelock and portalocker take the same whole-file lock on
POSIX, so all three exclude each other on one file (measured), and they are used where a waiting time with the holder's
name, or a shared lock, is wanted.
"""

import fcntl
import os
import time

from memshim.errors import LockTimeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class SidecarLock:
    """Is the store's exclusive lock on a file of its own, taken with `with`; held until the block ends or the process dies.

    Raises LockTimeout, naming the holder, after `timeout` seconds.  Not re-entrant.  A crash leaves the file, unlocked.
    """

    def __init__(self, path: str, timeout: float, who: str = "") -> None:
        self.path = path
        self.timeout = timeout
        self.who = who
        self._fd = -1

    def __enter__(self) -> "SidecarLock":
        fd = os.open(self.path, _OPEN, 0o600)
        try:
            if not _wait_exclusive(fd, self.timeout):
                holder = os.pread(fd, 200, 0).decode("utf-8", "replace").strip()
                raise LockTimeout(
                    f"The store's lock was not free within {self.timeout:g} s: {self.path}",
                    holder,
                    f"It is held by {holder}." if holder else "See who has the file open, for example with lsof.",
                )
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"process {os.getpid()} ({self.who})\n".encode(), 0)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return self

    def __exit__(
        self, kind: "type[BaseException] | None", error: "BaseException | None", trace: "TracebackType | None"
    ) -> None:
        fd, self._fd = self._fd, -1
        os.close(fd)


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
