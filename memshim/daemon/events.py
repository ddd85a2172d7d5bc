"""Events: what happens in folders, as far as the system tells.  The only importer of watchdog; must not know stores.

They are hints: late, coalesced, dropped when there are too many.  Whoever listens looks for itself now and then.

Linux: one inotify instance for all folders, read by one thread that sleeps while nothing happens.  (watchdog's observers
wake up once a second for every folder, and hold a rename back for half a second to find its other half.)
Elsewhere: watchdog's observer of the platform.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Listener = Callable[[str, str, str, int], None]

CREATED, WRITTEN, ARRIVED, LEFT, GONE, LOST = "created", "written", "arrived", "left", "gone", "lost"
"""A file was made here; was closed after writing; came by a rename; went by one or was removed; the folder itself went;
events were lost, so look everywhere."""

REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "lustre", "glusterfs", "vboxsf", "fuse", "virtiofs", "prl_fs")
"""File systems on which others' changes come without an event."""


class CannotWatch(Exception):
    """Says why a folder has to be looked at from time to time instead."""


class Events:
    """Watches folders, none of them deeply; calls `listener(folder, name, what, cookie)` from a thread of its own.

    `listener` must be quick.  The two halves of one rename have the same cookie, all else has 0; for LOST the names are "".
    """

    def __init__(self, listener: "Listener") -> None:
        self._listener = listener
        self._folders: dict[str, Any] = {}
        self._source: Any = None

    def add(self, folder: str) -> None:
        """Watches a real folder.  Raises CannotWatch where events do not come, OSError where it is gone."""
        kind = _file_system(folder)
        if kind.startswith(REMOTE):
            raise CannotWatch(f"changes on a file system of type {kind} do not all come as events")
        if self._source is None:
            try:
                self._source = _Inotify(self._listener) if sys.platform == "linux" else _Observer(self._listener)
            except OSError as error:
                raise CannotWatch(f"{error.strerror}: see fs.inotify.max_user_instances") from error
        self.remove(folder)
        self._folders[folder] = self._source.add(folder)

    def remove(self, folder: str) -> None:
        """Stops watching a folder; one that is not watched is passed over."""
        watch = self._folders.pop(folder, None)
        if watch is not None:
            self._source.remove(watch)

    def close(self) -> None:
        """Ends the thread."""
        self._folders.clear()
        if self._source is not None:
            self._source.close()


class _Inotify:
    """Is one inotify instance, through watchdog's reader of it."""

    def __init__(self, listener: "Listener") -> None:
        from watchdog.observers.inotify_c import InotifyConstants as Bits
        from watchdog.observers.inotify_c import InotifyFD, Mask

        self.listener = listener
        mask = Bits.IN_CREATE | Bits.IN_CLOSE_WRITE | Bits.IN_MOVED_TO | Bits.IN_MOVED_FROM | Bits.IN_DELETE
        mask |= Bits.IN_DELETE_SELF | Bits.IN_MOVE_SELF | Bits.IN_ONLYDIR | Bits.IN_DONT_FOLLOW
        self.mask = Mask(mask)
        self._fd = InotifyFD()
        self._fd.start()
        self._next = 0

    def add(self, folder: str) -> "_Watch":
        self._next += 1
        watch = _Watch(folder, self.listener, self._next)
        try:
            watch.wd = self._fd.add_callback(os.fsencode(folder), self.mask, watch, watch.id)
        except OSError as error:
            if error.errno == 28:
                raise CannotWatch("there are too many watches: see fs.inotify.max_user_watches") from error
            raise
        return watch

    def remove(self, watch: "_Watch") -> None:
        watch.listener = _nobody
        self._fd.remove_callbacks([(watch.wd, watch.id)])

    def close(self) -> None:
        self._fd.stop()
        self._fd.join()


class _Watch:
    """Is one folder's part in the instance: what watchdog calls a callback."""

    def __init__(self, folder: str, listener: "Listener", id_: int) -> None:
        self.folder = folder
        self.listener = listener
        self.id: Any = id_
        self.wd: Any = -1

    def on_event(self, event: "Any") -> None:
        name = os.fsdecode(event.name)
        if event.is_delete_self or event.is_move_self:
            self.listener(self.folder, "", GONE, 0)
        elif event.is_directory:
            return
        elif event.is_create:
            self.listener(self.folder, name, CREATED, 0)
        elif event.is_moved_to:
            self.listener(self.folder, name, ARRIVED, event.cookie)
        elif event.is_close_write:
            self.listener(self.folder, name, WRITTEN, 0)
        elif event.is_moved_from or event.is_delete:
            self.listener(self.folder, name, LEFT, event.cookie)

    def on_watch_deleted(self, wd: "Any") -> None:
        self.listener(self.folder, "", GONE, 0)

    def on_queue_overflow(self) -> None:
        self.listener("", "", LOST, 0)


def _nobody(folder: str, name: str, what: str, cookie: int) -> None:
    return


class _Observer:
    """Is watchdog's observer of another platform (macOS: FSEvents); it knows fewer kinds of events."""

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
                        listener(folder, "", GONE, 0)
                    return
                if event.event_type == "moved":
                    listener(folder, os.path.basename(path), LEFT, 0)
                    path = os.fsdecode(event.dest_path)
                kinds = {"created": CREATED, "moved": ARRIVED, "deleted": LEFT}
                if os.path.dirname(path) == folder:
                    listener(folder, os.path.basename(path), kinds.get(event.event_type, WRITTEN), 0)

        return self._observer.schedule(Handler(), folder)

    def remove(self, watch: "Any") -> None:
        self._observer.unschedule(watch)

    def close(self) -> None:
        self._observer.stop()
        self._observer.join()


def _file_system(folder: str) -> str:
    """Returns the type of the file system that a folder lies on, "" where the system does not say."""
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo") as file:
            for line in file:
                before, _, after = line.partition(" - ")
                if before.split()[2] == wanted:
                    return after.split()[0]
    except OSError:
        return ""
    return ""
