"""Ears: the process that hears what happens in folders, and opens at once what must not be missed.  Must not know stores.

A version that is overwritten within a millisecond has no name any more when somebody gets around to reading it, but
whoever has its file open can.  So every file that appears is opened; if it is renamed to a document, the open file is
handed over.  That is the one thing in the daemon that cannot wait for a merge, so it has a process of its own, which
does nothing else and sleeps while nothing happens.  It ends when the daemon does.

    python -m memshim.daemon.ears FD        FD is one end of a pair of sockets that keep messages apart (SOCK_SEQPACKET)

The daemon sends `add` or `remove` and a folder, and gets `done`, or `failed` and why; besides, a message for each event
(see `events`), with the open file where one arrived.  Fields are parted by NUL.
"""

import os
import socket
import sys
import time

from memshim.disk.layout import is_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Listener = Callable[[str, str, str, int], None]

CREATED, WRITTEN, ARRIVED, LEFT, GONE, LOST = "created", "written", "arrived", "left", "gone", "lost"
"""A document was made; was closed after writing; came by a rename; went; the folder itself went; events were lost."""
MAX_OPEN = 200
"""How many files whose fate is not known are held open; beyond it the oldest are let go."""
FATE_S = 5.0
"""For how long such a file is held when nothing more is heard of it."""
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def open_quietly(folder: str, name: str) -> int:
    """Opens a file for reading, -1 where it is gone or cannot be."""
    try:
        return os.open(os.path.join(folder, name), _FLAGS)
    except OSError:
        return -1


class Ears:
    """Hears the folders of one inotify instance, through watchdog's reader of it, and tells the other end."""

    def __init__(self, to: socket.socket) -> None:
        from watchdog.observers.inotify_c import InotifyConstants as Bits
        from watchdog.observers.inotify_c import InotifyFD, Mask

        self.to = to
        mask = Bits.IN_CREATE | Bits.IN_CLOSE_WRITE | Bits.IN_MOVED_TO | Bits.IN_MOVED_FROM | Bits.IN_DELETE
        mask |= Bits.IN_DELETE_SELF | Bits.IN_MOVE_SELF | Bits.IN_ONLYDIR | Bits.IN_DONT_FOLLOW
        self.mask = Mask(mask)
        self.source = InotifyFD()
        self.watches: dict[str, _Watch] = {}
        self.held: dict[tuple[str, str], tuple[int, float]] = {}  # files whose fate is not known
        self.moving: dict[int, int] = {}  # such files that are being renamed, by what their two halves have in common
        self.source.start()

    def obey(self) -> None:
        """Does what the other end says, until that is gone."""
        while message := self.to.recv(1 << 16):
            word, _, folder = os.fsdecode(message).partition("\0")
            try:
                self.remove(folder)
                if word == "add":
                    self.add(folder)
            except OSError as error:
                self.tell("failed", str(error.errno or 0), error.strerror or "")
            else:
                self.tell("done")

    def add(self, folder: str) -> None:
        """Begins to hear a folder; raises OSError where that cannot be (ENOSPC: no watches are left)."""
        watch = self.watches[folder] = _Watch(self, folder)
        watch.wd = self.source.add_callback(os.fsencode(folder), self.mask, watch, watch.id)

    def remove(self, folder: str) -> None:
        """Hears a folder no more; one that is not heard is passed over."""
        watch = self.watches.pop(folder, None)
        if watch is not None:
            watch.folder = ""
            self.source.remove_callbacks([(watch.wd, watch.id)])

    def tell(self, *fields: str, fd: int = -1) -> None:
        """Sends one message, and hands an open file over."""
        message = os.fsencode("\0".join(fields))
        try:
            if fd < 0:
                self.to.send(message)
            else:
                socket.send_fds(self.to, [message], [fd])
        except OSError:
            os._exit(0)  # the daemon is gone
        finally:
            if fd >= 0:
                os.close(fd)

    # -- in the thread that hears -------------------------------------------------------------------------------

    def heard(self, folder: str, name: str, event: "Any") -> None:
        """Opens what must be opened, tells what the daemon must know."""
        document = is_document(name)
        if event.is_create:
            if not document:
                self.hold(folder, name)
        elif event.is_moved_from or event.is_delete:
            fd = self.held.pop((folder, name), (-1, 0.0))[0]
            if fd >= 0 and event.is_moved_from:
                self.moving[event.cookie] = fd
            elif fd >= 0:
                os.close(fd)
        elif event.is_moved_to:
            fd = self.moving.pop(event.cookie, -1)
            if document:
                self.tell(ARRIVED, folder, name, fd=fd if fd >= 0 else open_quietly(folder, name))
                return
            if fd >= 0:
                self.held[folder, name] = (fd, time.monotonic())
        if document or event.is_moved_to:
            left = event.is_moved_from or event.is_delete
            self.tell(CREATED if event.is_create else LEFT if left else WRITTEN, folder, name)

    def hold(self, folder: str, name: str) -> None:
        """Opens a new file, and lets those go of which nothing more was heard."""
        fd = open_quietly(folder, name)
        if fd < 0:
            return
        self.held[folder, name] = (fd, time.monotonic())
        for key, (old, since) in list(self.held.items()):
            if len(self.held) <= MAX_OPEN and since > time.monotonic() - FATE_S:
                break
            del self.held[key]
            os.close(old)
        if len(self.moving) > MAX_OPEN:
            os.close(self.moving.pop(next(iter(self.moving))))


class _Watch:
    """Is one folder's part in the instance: what watchdog calls a callback."""

    def __init__(self, ears: Ears, folder: str) -> None:
        self.ears = ears
        self.folder = folder
        self.id: Any = id(self)
        self.wd: Any = -1

    def on_event(self, event: "Any") -> None:
        if not self.folder:
            return
        if event.is_delete_self or event.is_move_self:
            self.ears.tell(GONE, self.folder, "")
        elif not event.is_directory:
            self.ears.heard(self.folder, os.fsdecode(event.name), event)

    def on_watch_deleted(self, wd: "Any") -> None:
        if self.folder:
            self.ears.tell(GONE, self.folder, "")

    def on_queue_overflow(self) -> None:
        self.ears.tell(LOST, "", "")


class Observed:
    """Is watchdog's observer of another platform (macOS: FSEvents), in the daemon's own process; it knows fewer events."""

    def __init__(self, listener: "Listener") -> None:
        from watchdog.observers import Observer

        self.listener = listener
        self._observer = Observer()
        self._observer.start()

    def add(self, folder: str) -> "Any":
        from watchdog.events import FileSystemEventHandler

        listener = self.listener

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: "Any") -> None:
                path = os.fsdecode(event.src_path)
                if event.is_directory:
                    if path == folder and event.event_type in ("deleted", "moved"):
                        listener(folder, "", GONE, -1)
                    return
                if event.event_type == "moved":
                    listener(folder, os.path.basename(path), LEFT, -1)
                    path = os.fsdecode(event.dest_path)
                kinds = {"created": CREATED, "moved": ARRIVED, "deleted": LEFT}
                name, what = os.path.basename(path), kinds.get(event.event_type, WRITTEN)
                if os.path.dirname(path) == folder and is_document(name):
                    listener(folder, name, what, open_quietly(folder, name) if what == ARRIVED else -1)

        return self._observer.schedule(Handler(), folder)

    def remove(self, watch: "Any") -> None:
        self._observer.unschedule(watch)

    def close(self) -> None:
        self._observer.stop()
        self._observer.join()


if __name__ == "__main__":
    Ears(socket.socket(fileno=int(sys.argv[1]))).obey()
    os._exit(0)
