"""Versions: what writers rename over documents, held open from the moment they create it.  Must not know stores.

A version that is overwritten within a millisecond has no name any more when somebody gets around to reading it, but
whoever has its file open can.  So every file that appears is opened; if it is renamed to a document it is a version.
"""

import os
import time
from collections import deque

from memshim.disk import files
from memshim.disk.layout import is_document

MAX_OPEN = 400
"""How many files are held open at most, over all folders; beyond it the oldest are let go, which is reported."""
MAX_BYTES = 32 * 1024 * 1024
FATE_S = 5.0
"""For how long a created file is held when nothing more is heard of it."""
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


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
    """Is what is held open of one folder: files whose fate is not known yet, and versions nobody has taken in yet.

    Used by the thread that hears events, and under its listener's lock by the one that takes versions in.
    """

    total = 0

    def __init__(self) -> None:
        self._made: dict[str, tuple[int, float]] = {}
        self._moving: dict[int, tuple[int, float]] = {}
        self.ready: deque[Version] = deque()
        self.dropped = 0

    def created(self, folder: str, name: str) -> None:
        """Opens a new file; a name that is a document's is none of a temporary file."""
        if is_document(name):
            return
        fd = _open(folder, name)
        if fd >= 0:
            self._let_go(self._made.pop(name, None))
            self._make_room()
            self._made[name] = (fd, time.monotonic())
            Versions.total += 1

    def left(self, name: str, cookie: int) -> None:
        """Notes that a file was renamed away (its other half has the same cookie), or removed (0)."""
        held = self._made.pop(name, None)
        if held is not None and cookie:
            self._moving[cookie] = held
        else:
            self._let_go(held)

    def arrived(self, folder: str, name: str, cookie: int) -> None:
        """Notes that a file got this name by a rename; if it is a document's, it is a version."""
        held = self._moving.pop(cookie, None) if cookie else None
        if not is_document(name):
            if held is not None:
                self._made[name] = held
            return
        fd = held[0] if held is not None else _open(folder, name)
        if fd >= 0:
            Versions.total += held is None
            self.ready.append(Version(name, fd, time.monotonic()))
            self._make_room()

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

    def forget_old(self) -> None:
        """Lets files go of which nothing more was heard."""
        until = time.monotonic() - FATE_S
        for name in [name for name, (_, since) in self._made.items() if since < until]:
            self._let_go(self._made.pop(name))
        for cookie in [cookie for cookie, (_, since) in self._moving.items() if since < until]:
            self._let_go(self._moving.pop(cookie))

    def close(self) -> None:
        """Lets everything go."""
        for version in self.take():
            version.close()
        for held in (*self._made.values(), *self._moving.values()):
            self._let_go(held)
        self._made.clear()
        self._moving.clear()

    def _make_room(self) -> None:
        if Versions.total < MAX_OPEN:
            return
        if self._made:
            self._let_go(self._made.pop(next(iter(self._made))))
        elif self.ready:
            self.ready.popleft().close()
            Versions.total -= 1
            self.dropped += 1

    def _let_go(self, held: "tuple[int, float] | None") -> None:
        if held is not None:
            os.close(held[0])
            Versions.total -= 1


def _open(folder: str, name: str) -> int:
    """Opens a file for reading, -1 where it is gone or cannot be."""
    try:
        return os.open(os.path.join(folder, name), _FLAGS)
    except OSError:
        return -1
