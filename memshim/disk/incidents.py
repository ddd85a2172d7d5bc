"""Incidents: what went wrong in the background, where nobody could be told.  Must not know memory text.

    $XDG_STATE_HOME/memshim/incidents     one JSON object a line: time (seconds since 1970), what, and paths, sizes, hashes

The agents' hook and the daemon write here because they must not stop an agent; `memshim status` shows it to a person.
"""

import os
import time

from memshim.disk.layout import state_home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_BYTES = 256_000
"""When the file grows beyond this, it becomes `incidents.old`, in the place of the one before."""


def path() -> str:
    """Returns the file's path.  Raises OSError where there is no home."""
    return os.path.join(state_home(), "incidents")


def report(what: str, **details: "str | int | float") -> None:
    """Notes an incident; never raises, because its callers have nobody to raise to.

    `details` hold paths, sizes, hashes and names of exceptions, never a text that somebody remembered.
    """
    import json

    try:
        os.makedirs(state_home(), mode=0o700, exist_ok=True)
        line = json.dumps({"time": round(time.time(), 3), "what": what, **details}) + "\n"
        fd = os.open(path(), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, line.encode("ascii", "replace"))
            full = os.fstat(fd).st_size > MAX_BYTES
        finally:
            os.close(fd)
        if full:
            os.replace(path(), path() + ".old")
    except OSError:
        return  # no home, a full disk: there is nowhere to say so


def recent(since: float) -> "list[dict[str, Any]]":
    """Returns the incidents since a time (seconds since 1970), oldest first; lines that are damaged are left out."""
    import json

    found = []
    for name in (path() + ".old", path()):
        try:
            with open(name, "rb") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            continue
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and isinstance(row.get("time"), int | float) and row["time"] >= since:
                found.append(row)
    return found
