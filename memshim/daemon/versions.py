"""Versions: what stood under documents' names, however shortly, held open until it is taken in.  Must not know stores."""

import os
import time
from collections import deque

from memshim.disk import files
from memshim.disk.layout import is_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memshim.disk.layout import Layout

MAX_OPEN = 400
"""How many are held open at most, over all folders; beyond it the oldest of that folder is let go, which is reported."""
MAX_BYTES = 32 * 1024 * 1024


class Version:
    """Is one file that stood under a document's name, open; `seen` is when (monotonic)."""

    __slots__ = ("fd", "name", "seen")

    def __init__(self, name: str, fd: int, seen: float) -> None:
        self.name = name
        self.fd = fd
        self.seen = seen

    def read(self) -> "tuple[bytes, float] | None":
        """Returns the bytes and when they were written; None for a file that is too large."""
        status = os.fstat(self.fd)
        return (files.read_all(self.fd), status.st_mtime) if status.st_size <= MAX_BYTES else None

    def close(self) -> None:
        """Lets the file go."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


class Versions:
    """Is what stood in one folder's documents and was not taken in yet; used under the watcher's lock."""

    total = 0  # over all folders

    def __init__(self) -> None:
        self.ready: deque[Version] = deque()
        self.dropped = 0

    def arrived(self, name: str, fd: int) -> None:
        """Keeps an open file that got a document's name."""
        self.ready.append(Version(name, fd, time.monotonic()))
        Versions.total += 1
        if Versions.total > MAX_OPEN:
            self.ready.popleft().close()
            Versions.total -= 1
            self.dropped += 1

    def take(self) -> "list[Version]":
        """Hands over the versions that are waiting, oldest first; they are the caller's to close."""
        taken = list(self.ready)
        self.ready.clear()
        Versions.total -= len(taken)
        return taken

    def put_back(self, versions: "list[Version]") -> None:
        """Takes versions back that could not be taken in yet."""
        self.ready.extendleft(reversed(versions))
        Versions.total += len(versions)

    def close(self) -> None:
        """Lets everything go."""
        for version in self.take():
            version.close()


def signature(layout: "Layout") -> "dict[str, tuple[int, ...]]":
    """Returns what tells, at the price of a look at each document, whether something was written there."""
    found: dict[str, tuple[int, ...]] = {}
    try:
        with os.scandir(layout.root) as items:
            for item in items:
                if is_document(item.name):
                    status = item.stat(follow_symlinks=False)
                    found[item.name] = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    except OSError:
        return {}
    return found
