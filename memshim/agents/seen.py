"""What each agent had seen of each document, kept between its calls.  Must not know what is done with it.

    <store>/.memshim/seen/<hash>              when (milliseconds), then the text that the agent had before its eyes
    $XDG_STATE_HOME/memshim/sessions/<hash>   when a session or subagent was given its memory, in milliseconds

Losing any of it costs deletions, never text: what is not known to be seen is not deleted by whoever leaves it out.
"""

import os
import time

from memshim.agents.event import Writer, name_of
from memshim.disk import files
from memshim.disk.layout import INDEX, Layout, state_home
from memshim.store.history import History, now_ms
from memshim.text.blocks import split_lines
from memshim.text.seen import common, look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

KEPT_DAYS = 30
SURE_MS = 5_000
"""A session may read its memory some time before it says that it has started: what changed in between may be unseen."""


class Seen:
    """Is what one agent has seen of one document; `loaded` tells which lines of a text its product gives it at the start."""

    def __init__(self, layout: Layout, writer: Writer, doc: str, loaded: "Callable[[bytes], set[int]]") -> None:
        self.layout = layout
        self.writer = writer
        self.doc = doc
        self.loaded = loaded
        self.path = layout.path("seen", name_of(writer.session, writer.key, doc))

    def text(self, wrote: bytes = b"") -> bytes:
        """Returns what the agent has seen; nothing where that is not known.

        A line that it may have seen, or one that replaced it, was seen where what it `wrote` has this line.
        """
        time_ms, text = self._kept()
        given = _started(self.writer.session, self._giver())
        if self.doc == INDEX and given > time_ms and (self.writer.memory or self._own()):
            text = self._look_at_start(text, given, wrote)
        elif not time_ms and self.writer.fork:
            text = Seen(self.layout, Writer(self.writer.session), self.doc, self.loaded).text(wrote)
        return text

    def keep(self, text: bytes) -> None:
        """Remembers what the agent has seen; a crash leaves the old or the new."""
        files.make_folder(os.path.dirname(self.path), self.layout.state)
        data = b"%d\n" % now_ms() + text
        files.replace(self.path, data, self.layout.path("tmp"), durable=False)

    def _kept(self) -> tuple[int, bytes]:
        time_ms, _, text = (files.read(self.path) or b"").partition(b"\n")
        return (int(time_ms), text) if time_ms.isdigit() else (0, b"")

    def _own(self) -> bool:
        """Tells a memory that belongs to one kind of subagent: that one is given it, and its session is not."""
        return os.path.basename(os.path.dirname(self.layout.root)).startswith("agent-memory")

    def _giver(self) -> str:
        return self.writer.key if self._own() else ""

    def _look_at_start(self, seen: bytes, when: int, wrote: bytes) -> bytes:
        """Adds what stood in the document all the time before a start, as far as the product shows it.

        Of the texts of that time the one is taken of which most is in what the agent `wrote`, and what is there was seen.
        What changed after the start does not matter: a line that was new to the agent is no deletion of an old one.
        """
        history = History(self.layout, self.doc)
        around: list[str] = []
        for name in history.names():  # newest first
            moment = int(name[:16], 16) >> 16
            if moment <= when:
                around.append(name)
            if moment <= when - SURE_MS:
                break
        else:
            return seen  # nothing is known of what stood there before
        texts = [found.text for found in map(history.load, reversed(around)) if found is not None]
        if len(texts) < len(around):
            return seen
        carried = set(split_lines(wrote))
        texts.sort(key=lambda text: len(carried & set(split_lines(text))))  # stable: of equal ones the newest is last
        again = {n for n, line in enumerate(split_lines(texts[-1])) if line in carried}
        return look(seen, texts[-1], (common(texts) | again) & self.loaded(texts[-1]))


def start(writer: Writer) -> None:
    """Notes that an agent was given its memory now, and forgets the notes of sessions of a month ago."""
    folder = os.path.join(state_home(), "sessions")
    files.make_folder(folder)
    data = b"%d\n" % now_ms()
    files.replace(os.path.join(folder, name_of(writer.session, writer.key)), data, folder, durable=False)
    clear_old(folder)


def clear_old(folder: str) -> None:
    """Removes the files of a folder that nobody has touched for a month."""
    oldest = time.time() - KEPT_DAYS * 86_400
    try:
        with os.scandir(folder) as items:
            for item in items:
                if item.is_file(follow_symlinks=False) and item.stat(follow_symlinks=False).st_mtime < oldest:
                    files.unlink_quietly(item.path)
    except FileNotFoundError:
        return


def _started(session: str, key: str) -> int:
    data = (files.read(os.path.join(state_home(), "sessions", name_of(session, key))) or b"").strip()
    return int(data) if data.isdigit() else 0
