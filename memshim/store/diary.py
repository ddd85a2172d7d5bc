"""The diary of compactions: when, how much, and which revisions stood before and after.  Must not know what they said.

One JSON object a line in `.memshim/compactions`.  It is for people (`memshim log`, `timeline`); nothing rests on it: a line
that a crash has torn is left out, and of a long diary only the newer half is kept.
"""

import os
import time

from memshim.disk import files
from memshim.text import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from memshim.disk.layout import Layout

MAX_BYTES = 200_000
NAME = "compactions"


def note(layout: "Layout", folded: int, archived: int, documents: "dict[str, list[str]]") -> None:
    """Adds a compaction; `documents` has each name with its revision before and after."""
    from memshim.text.record import dumps

    row = {"time": time.time_ns() // 1_000_000, "folded": folded, "archived": archived, "documents": documents}
    path = layout.path(NAME)
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        files.write_all(fd, dumps(row) + b"\n")
        full = os.fstat(fd).st_size > MAX_BYTES
    finally:
        os.close(fd)
    if full:
        lines = (files.read(path) or b"").splitlines(keepends=True)
        files.replace(path, b"".join(lines[len(lines) // 2 :]), layout.path("tmp"))


def compactions(layout: "Layout") -> "list[dict[str, Any]]":
    """Returns the compactions, oldest first, as far as kept."""
    found = []
    for line in (files.read(layout.path(NAME)) or b"").splitlines():
        try:
            row = jsontext.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and all(isinstance(row.get(name), int) for name in ("time", "folded", "archived")):
            documents = row.get("documents")
            found.append({**row, "documents": documents if isinstance(documents, dict) else {}})
    return found
