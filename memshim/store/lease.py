"""Leases: which agents' tools are writing just now.  Must not know what they write.

A lease is no lock: nothing is lost without it but the bytes of a writer whose tool shows none.  It is a line in a file,
with an end that comes by itself.  A shell command, which shows no content, has the store alone; edits share it.  While
one is under way, unknown bytes on disk are most likely its own: they are left until its call tells (see `adopt`).
"""

import os
import time

from memshim.disk import files, locks
from memshim.disk.layout import Layout
from memshim.text import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WAIT_S = 2.0
"""How long anybody waits for a lease, at most; then the tool runs without one."""
LASTS_S = 5.0
_PAUSE_S = 0.005


def take(layout: Layout, agent: str, call: str, process: int, alone: bool, until: float) -> bool:
    """Takes a lease, waiting until `until` (monotonic) for those that exclude it; tells whether it was had.

    `agent` is a key that no other agent has, `process` its client's, 0 where unknown.  An agent does not wait for its
    own leases, nor for that of a command which started it.  A crash leaves a lease that ends by itself after 5 s.
    """
    row = [alone, agent, call, process, time.time() + LASTS_S]
    above: set[int] | None = None
    while True:
        with _Rows(layout) as rows:
            others = [r for r in rows.found if (alone or r[0]) and r[1] != agent]
            if others and above is None:
                above = _ancestors(os.getppid())
            if not any(r[3] not in (above or ()) for r in others):
                rows.found.append(row)
                rows.changed = True
                return True
        if time.monotonic() >= until:
            return False
        time.sleep(_PAUSE_S)


def give_back(layout: Layout, call: str) -> None:
    """Ends the lease of a call, if it has one."""
    if not os.path.exists(layout.path("leases")):
        return
    with _Rows(layout) as rows:
        kept = [r for r in rows.found if r[2] != call]
        rows.changed = rows.changed or len(kept) < len(rows.found)
        rows.found = kept


def under_way(layout: Layout) -> float:
    """Returns for how many seconds at most a tool is still writing; 0 where none is."""
    if not os.path.exists(layout.path("leases")):
        return 0.0
    with _Rows(layout) as rows:
        return max((float(r[4]) for r in rows.found), default=0.0) - time.time() if rows.found else 0.0


class _Rows:
    """Is the file of leases, locked while it is looked at; those that have ended are left out."""

    def __init__(self, layout: Layout) -> None:
        self.path = layout.path("leases")
        self.found: list[list[Any]] = []
        self.changed = False

    def __enter__(self) -> "_Rows":
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            locks.exclusive(self.fd)  # held for one look: nobody sleeps with it
            self._read(files.read_all(self.fd))
        except BaseException:
            os.close(self.fd)
            raise
        return self

    def _read(self, data: bytes) -> None:
        now = time.time()
        for line in data.splitlines():
            try:
                alone, agent, call, process, ends = jsontext.loads(line)
                if now < ends <= now + LASTS_S:  # one from a clock that was ahead would have no end: it counts as ended
                    self.found.append([alone, agent, call, process, ends])
            except (ValueError, TypeError):
                continue

    def __exit__(self, *_: object) -> None:
        import json

        try:
            if self.changed:
                data = "".join(json.dumps(row) + "\n" for row in self.found).encode()
                os.ftruncate(self.fd, 0)
                os.pwrite(self.fd, data, 0)
        finally:
            os.close(self.fd)


def _ancestors(process: int) -> "set[int]":
    """Returns the processes that this one comes from; none where the system does not tell."""
    found: set[int] = set()
    while process > 1 and process not in found:
        found.add(process)
        process = _parent(process)
    return found


def _parent(process: int) -> int:
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except FileNotFoundError:
        pass
    except (OSError, ValueError, IndexError):
        return 0
    if os.path.isdir("/proc/self"):
        return 0
    import subprocess  # macOS has no /proc; only who would wait comes here

    try:
        found = subprocess.run(
            ["/bin/ps", "-o", "ppid=", "-p", str(process)], capture_output=True, timeout=1, check=False
        )
        return int(found.stdout or 0)
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0
