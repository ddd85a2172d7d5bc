"""Events: what happens in folders, as far as the system tells.  Must not know stores.

They are hints: late, coalesced, dropped when there are too many.  Whoever listens looks for itself now and then.

Linux: one inotify instance for all folders, in a process of its own that sleeps while nothing happens (see `ears`).
(watchdog's observers wake up once a second for every folder, and hold a rename back for half a second.)
Elsewhere: watchdog's observer of the platform.
"""

import errno
import os
import queue
import socket
import sys
import threading

from memshim.daemon.ears import LOST, Observed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Listener = Callable[[str, str, str, int], None]

ANSWER_S = 10.0
REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "lustre", "glusterfs", "vboxsf", "fuse", "virtiofs", "prl_fs")
"""File systems on which others' changes come without an event."""


class CannotWatch(Exception):
    """Says why a folder has to be looked at from time to time instead."""


class Ended(CannotWatch):
    """Says that nothing is watched any more: what heard the events has ended."""


class Events:
    """Watches folders, none of them deeply; calls `listener(folder, name, what, fd)` from a thread of its own.

    `name` is a document's, or "".  Where a file ARRIVED, `fd` is that file, open, if it still could be had; it is the
    listener's to close.  After LOST nothing may be watched any more: add every folder again.
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
                self._source = _Ears(self._listener) if sys.platform == "linux" else Observed(self._listener)
            except OSError as error:
                raise CannotWatch(f"{error.strerror}") from error
        self._folders.pop(folder, None)
        try:
            self._folders[folder] = self._source.add(folder)
        except Ended:
            self._end()
            raise

    def remove(self, folder: str) -> None:
        """Stops watching a folder; one that is not watched is passed over."""
        watch = self._folders.pop(folder, None)
        if watch is None:
            return
        try:
            self._source.remove(watch)
        except Ended:
            self._end()

    def _end(self) -> None:
        """Lets the source go; those that it watched are to be added to a new one."""
        self._source.close()
        self._source = None
        if self._folders:
            self._folders.clear()
            self._listener("", "", LOST, -1)

    def close(self) -> None:
        """Ends the thread."""
        self._folders.clear()
        if self._source is not None:
            self._source.close()
            self._source = None


class _Ears:
    """Is the process that hears on Linux (see `ears`), and the thread that listens to it."""

    def __init__(self, listener: "Listener") -> None:
        self.listener = listener
        self._answers: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        self._closing = False
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        os.set_inheritable(theirs.fileno(), True)
        command = [sys.executable, "-P", "-m", "memshim.daemon.ears", str(theirs.fileno())]
        self._pid = os.posix_spawn(sys.executable, command, os.environ)
        theirs.close()
        self._socket = mine
        self._thread = threading.Thread(target=self._listen, name="events")
        self._thread.start()

    def add(self, folder: str) -> str:
        self._ask("add", folder)
        return folder

    def remove(self, folder: str) -> None:
        self._ask("remove", folder)

    def close(self) -> None:
        self._closing = True
        self._socket.shutdown(socket.SHUT_RDWR)  # it ends when it hears no more from us
        self._thread.join()
        self._socket.close()

    def _ask(self, word: str, folder: str) -> None:
        try:
            self._socket.send(os.fsencode(f"{word}\0{folder}"))
            answer = self._answers.get(timeout=ANSWER_S)
        except (OSError, queue.Empty) as error:
            raise Ended("the process that hears events has ended") from error
        if answer[0] == "failed":
            number = int(answer[1])
            if number == errno.ENOSPC:
                raise CannotWatch("there are too many watches: see fs.inotify.max_user_watches")
            raise OSError(number, answer[2], folder)
        if answer[0] != "done":
            raise Ended("the process that hears events has ended: see fs.inotify.max_user_instances")

    def _listen(self) -> None:
        worked = False
        while True:
            try:
                message, fds, _, _ = socket.recv_fds(self._socket, 1 << 16, 1)
            except OSError:
                message, fds = b"", []
            if not message:
                break
            fields = os.fsdecode(message).split("\0")
            if fields[0] in ("done", "failed"):
                worked = True
                self._answers.put(fields)
            else:
                what, folder, name = fields
                self.listener(folder, name, what, fds[0] if fds else -1)
        self._answers.put(["ended"])
        os.waitpid(self._pid, 0)
        if worked and not self._closing:  # else nobody missed anything, and would try again for ever
            self.listener("", "", LOST, -1)


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
