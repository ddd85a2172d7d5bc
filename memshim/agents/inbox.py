"""Inbox: events that are being taken in, kept until they are.  Must not know what they say.

    <store>/.memshim/inbox/<hash>    the payload of one hook, as it came

What a tool wrote may be overwritten on disk a moment later, so its event can be the only copy: a hook that is killed, or
does not get the store's lock in time, leaves it here, and the next event or `memshim compact` takes it in.
"""

import os
import time
from hashlib import sha256

from memshim.disk import files
from memshim.disk.layout import Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LEFT_S = 5.0
"""How old an event must be to count as left behind: no hook lives longer than 3 s."""


def keep(layout: Layout, payload: bytes) -> str:
    """Keeps a payload and returns its path.  A crash leaves it, or not; it is not made durable, as the tool's own file is not."""
    path = layout.path("inbox", sha256(payload).hexdigest()[:32])
    files.make_folder(os.path.dirname(path))
    files.replace(path, payload, layout.path("tmp"), durable=False)
    return path


def left(layout: Layout) -> "Iterator[tuple[str, bytes]]":
    """Yields the path and payload of each event that was left behind, oldest first."""
    folder = layout.path("inbox")
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    found = []
    for name in names:
        path = os.path.join(folder, name)
        try:
            found.append((os.stat(path, follow_symlinks=False).st_mtime, path))
        except FileNotFoundError:
            continue  # taken in just now
    for written, path in sorted(found):
        payload = files.read(path) if time.time() - written > LEFT_S else None
        if payload is not None:
            yield path, payload
