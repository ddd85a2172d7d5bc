"""A survey of a store: how much is in it, who wrote lately, what was saved.  Must not know how it is shown, or agents' tools.

Costs about the same whatever the size of the history: of old entries only the newest are counted.
"""

import os
import time

from memshim.disk import files
from memshim.disk.layout import INDEX
from memshim.errors import DocumentUnusable
from memshim.store import journal
from memshim.text.view import readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memshim.disk.layout import Layout
    from memshim.store.memory import Memory

DAY_S, MONTH_S = 86_400.0, 30 * 86_400.0
LARGE_LINES, LARGE_CHARACTERS = 140, 20_000
"""Above this agents are told to shorten MEMORY.md."""
COUNTED = 5_000
"""How many of the newest entries are looked at."""
LONE_SHARE, LONE_LEAST = 0.9, 20
"""From which share of at least so many writes of a month on one agent is said to be alone."""
NO_AGENTS = ("before", "memshim")


class Size:
    """Is a document's size, whether it is what the view says (`published`), and whether agents will be told to shorten it."""

    __slots__ = ("characters", "large", "lines", "name", "published")

    def __init__(self, name: str, text: bytes, published: bool) -> None:
        self.name = name
        self.lines = text.count(b"\n")
        self.characters = len(text.decode("utf-8", "replace"))
        self.large = name == INDEX and (self.lines > LARGE_LINES or self.characters > LARGE_CHARACTERS)
        self.published = published


class Activity:
    """Is who wrote in the last 24 hours (agent -> entries), how many lost updates were put back, and who is alone.

    `lone` is an agent, its share and the number of entries of the last 30 days, if nearly all are one agent's; `more`
    tells that there are more entries than were counted.
    """

    __slots__ = ("agents", "lone", "more", "saved")

    def __init__(self, memory: "Memory", now: float) -> None:
        self.agents: dict[str, int] = {}
        self.saved = 0
        self.more = False
        month: dict[str, int] = {}
        today, since = now - DAY_S, now - MONTH_S
        for n, (when, id_, _, agent, saved) in enumerate(memory.heads()):
            seconds = int(when[:12], 16) / 1000
            if seconds < since:
                break
            if n == COUNTED:
                self.more = True
                break
            name = readable(agent)
            if name not in NO_AGENTS:
                month[name] = month.get(name, 0) + 1
                if seconds >= today:
                    self.agents[name] = self.agents.get(name, 0) + 1
            if saved and seconds >= today and id_ not in memory.state.dropped:
                entry = memory.entry(id_)
                self.saved += len(entry.extra["saved"]) if entry is not None else 0
        total = sum(month.values())
        name, count = max(month.items(), key=lambda item: item[1], default=("", 0))
        lone = total >= LONE_LEAST and count / total >= LONE_SHARE
        self.lone = (name, count / total, total) if lone else None


def sizes(memory: "Memory") -> list[Size]:
    """Returns the documents with their sizes."""
    found = []
    for doc, name in memory.documents().items():
        text = memory.view(doc).text
        try:
            on_disk = files.read_document(memory.layout.document(name))
        except DocumentUnusable:
            on_disk = None
        found.append(Size(name, text, (on_disk[0] if on_disk is not None else b"") == text))
    return found


def damage(memory: "Memory") -> int:
    """Returns in how many places of journals there is no record, apart from what may be an append under way."""
    places = 0
    for name, _, end in memory.damage:
        path = journal.place_of(memory.layout, name)
        places += not (os.path.exists(path) and end >= os.path.getsize(path))
    return places


def history_bytes(layout: "Layout") -> int:
    """Returns how much the kept revisions take."""
    found = os.walk(layout.path("history"))
    return sum(os.lstat(os.path.join(where, name)).st_size for where, _, names in found for name in names)


def activity(memory: "Memory") -> Activity:
    """Returns who wrote lately."""
    return Activity(memory, time.time())
