"""Inbox: events that hooks were told, kept until they are taken in.  Must not know what they say.

    $XDG_STATE_HOME/memshim/inbox/<time>-<random>    the payload of one hook, as it came

What a tool wrote may be overwritten on disk a moment later, so its event can be the only copy.  It is kept before anything
else is done with it: a hook that is killed, or ends itself, or does not get the store's lock in time, leaves it here, and so
does a daemon that is killed after its answer.  Later events and commands take it in.  No store is needed to keep it,
because finding out which store it is about takes time that a hurried hook may not have.
"""

import os
import time

from memshim.disk import files
from memshim.disk.layout import state_home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT_S = 5.0
"""How old an event must be to count as left behind: no hook lives longer than 3 s."""


def keep(payload: bytes) -> str:
    """Keeps a payload and returns its path, "" where that cannot be; never raises.

    A crash leaves it, or not; it is not made durable, as the tool's own file is not.
    """
    try:
        path = os.path.join(folder(), f"{time.time_ns():016x}-{os.urandom(4).hex()}")
        files.make_folder(folder())
        files.replace(path, payload, folder(), durable=False)
    except OSError:
        return ""  # no home, a full disk: then it is taken in now or never
    return path


def waiting(age: float = 0.0) -> "Iterator[tuple[str, bytes]]":
    """Yields the path and payload of each event that is kept and is at least so many seconds old, oldest first."""
    try:
        names = sorted(name for name in os.listdir(folder()) if "." not in name)
    except OSError:
        return  # nothing was ever kept
    for name in names:
        path = os.path.join(folder(), name)
        try:
            old = time.time() - os.stat(path, follow_symlinks=False).st_mtime >= age
        except FileNotFoundError:
            continue  # taken in just now
        payload = files.read(path) if old else None
        if payload is not None:
            yield path, payload


def folder() -> str:
    """Returns the folder that events are kept in.  Raises OSError where there is no home."""
    return os.path.join(state_home(), "inbox")
