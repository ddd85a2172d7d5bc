"""History: every revision that was published or found, and which one is on disk.  Must not know how one came about.

    history/<doc>/<time>-<revision>    the text, and the blocks that it consisted of; written before the text is published
    published/<doc>                    the revision that was last put on disk, and since when it is known to be there;
                                       "-" and since when, where the file was removed

A revision that is recorded but not confirmed was planned: a crash may have come before or after it reached the disk.
"""

import itertools
import os
import time
import zlib

from memshim.disk import files
from memshim.disk.layout import Layout
from memshim.errors import Ambiguous, BadInput, NotFound
from memshim.text import record
from memshim.text.digest import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from memshim.text.view import View

KEPT_DAYS = 30
KEPT_BYTES = 50_000_000
DISPLACED_MS = 60_000
"""For how long a revision that another followed is kept whatever its size: what a publish displaced is looked at again."""
_GONE = "-"


RACE_MS = 30_000
KEPT_LOADED, KEPT_LOADED_BYTES = 200, 100_000
_loaded: "dict[str, Revision]" = {}
"""The revisions that this process has read last; a recorded one never changes."""


def revision_of(text: bytes) -> str:
    """Returns the revision of a text: SHA-256, 64 hex digits."""
    return sha256(text).hexdigest()


def digits_of(text: str | None) -> str | None:
    """Returns a revision as it was given, in lower case; raises BadInput for what can be none."""
    digits = text.strip().lower() if text is not None else None
    if digits is not None and (not 7 <= len(digits) <= 64 or digits.strip("0123456789abcdef")):
        raise BadInput(f"{(text or '')[:80]!r} is no revision.", "A revision is 64 hex digits, or the first 7 or more.")
    return digits


class Revision:
    """Is a text that once stood in a document: when, and of which pieces (block ids and bytes) it consisted.

    Not `sure`: it holds changes of calls that had not told yet, so what was made of it does not say that these are known.
    """

    __slots__ = ("digest", "pieces", "sure", "text", "time")

    def __init__(
        self, digest: str, time: str, text: bytes, pieces: list[tuple[list[str], bytes]], sure: bool = True
    ) -> None:
        self.digest = digest
        self.time = time
        self.text = text
        self.pieces = pieces
        self.sure = sure


class Published:
    """Is what is known of a document's file: the revision put there, since when (0: planned, not confirmed), inode, name."""

    __slots__ = ("confirmed", "inode", "name", "revision")

    def __init__(self, revision: str, confirmed: float, inode: int, name: str) -> None:
        self.revision = revision
        self.confirmed = confirmed
        self.inode = inode
        self.name = name


class History:
    """Is one document's revisions; bounded by age and size, unlike entries."""

    def __init__(self, layout: Layout, doc: str) -> None:
        self.layout = layout
        key = sha256(doc.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.folder = layout.path("history", key)
        self._published = layout.path("published", key)
        self._names: list[str] | None = None

    def record(self, view: "View", now_ms: int, found: bytes | None = None, sure: bool = True) -> str:
        """Keeps a view (or, with `found`, a foreign text) as a revision, durably; returns the revision.

        A crash leaves it whole or not at all (a temporary file may stay).
        """
        text = view.text if found is None else found
        digest = revision_of(text)
        files.make_folder(self.folder, self.layout.state)
        name = f"{now_ms << 16:016x}-{digest}"
        rows = [[p.ids, len(p.data)] for p in view.pieces] if found is None else [[[], len(text)]]
        meta = {"kind": "revision", "v": 1, "pieces": rows, **({} if sure or found is None else {"unsure": True})}
        data = record.encode(meta, [zlib.compress(text, 1)])
        files.replace(os.path.join(self.folder, name), data, self.layout.path("tmp"))
        if self._names is not None:
            self._names.insert(0, name)
        return digest

    def names(self) -> list[str]:
        """Returns the recorded revisions as `time-revision`, newest first; listed once, whoever else may record."""
        if self._names is None:
            try:
                self._names = sorted(os.listdir(self.folder), reverse=True)
            except FileNotFoundError:
                self._names = []
        return self._names

    @property
    def begun(self) -> float:
        """Returns when the oldest revision that is kept was recorded, in seconds since 1970; now, where there is none."""
        return (int(self.names()[-1][:16], 16) >> 16) / 1000 if self.names() else time.time()

    def knows(self, digest: str, since: str = "") -> bool:
        """Tells whether a text with this revision ever stood in the document (`since` a time), as far as kept."""
        if any(name.endswith(digest) and name > since for name in self.names()):
            return True
        self._names = None  # what somebody else recorded meanwhile must not be taken for a foreign text
        return any(name.endswith(digest) and name > since for name in self.names())

    def recent(self, count: int = 30, most: int = 0) -> "Iterator[Revision]":
        """Yields the newest revisions, each text once, newest first; beyond `count` those of the last RACE_MS, `most` in all.

        Where many write at once 30 revisions are over in a second, and a writer may have read before that.
        """
        seen: set[str] = set()
        young = f"{(now_ms() - RACE_MS) << 16:016x}" if most else "g"
        for name in self.names():
            if len(seen) >= count and (len(seen) >= most or name[:16] < young):
                return
            if name[17:] not in seen:
                seen.add(name[17:])
                found = self.load(name)
                if found is not None:
                    yield found

    def bases(self, count: int = 30, most: int = 0) -> "list[Revision]":
        """Returns those of the `recent` revisions of which a foreign text may be taken for a change."""
        return [found for found in self.recent(count, most) if found.sure]

    def find(self, revision: str) -> Revision:
        """Returns the newest revision with these leading hex digits (7 or more).

        Raises NotFound where none is kept, Ambiguous where the digits fit several.
        """
        names = [n for n in self.names() if n[17:].startswith(revision)] if len(revision) >= 7 else []
        digests = sorted({n[17:] for n in names})
        if len(digests) > 1:
            raise Ambiguous(f"{revision} fits {len(digests)} revisions.", digests, "Give more digits.")
        found = self.load(names[0]) if names else None
        if found is None:
            raise NotFound(
                f"No revision {revision[:64]} of this document is kept.",
                "memshim rev prints the present one; older ones are kept for 30 days or 50 MB.",
            )
        return found

    def is_view(self, digest: str, since: str = "") -> bool:
        """Tells whether a text with this revision was a view of ours (`since` a time), made of blocks; else only found."""
        named = (name for name in self.names() if name.endswith(digest) and name > since)
        return any(ids for found in map(self.load, named) if found is not None for ids, _ in found.pieces)

    def is_sure(self, digest: str) -> bool:
        """Tells whether a text with this revision stood in the document, and all of it was known when it was recorded."""
        return any(
            found.sure for found in map(self.load, [n for n in self.names() if n.endswith(digest)]) if found is not None
        )

    def load(self, name: str) -> Revision | None:
        """Returns one recorded revision, or None where it is damaged or gone."""
        path = os.path.join(self.folder, name)
        known = _loaded.pop(path, None) or self._read(path, name)
        if known is not None and len(known.text) <= KEPT_LOADED_BYTES:
            _loaded[path] = known
            if len(_loaded) > KEPT_LOADED:
                _loaded.pop(next(iter(_loaded)), None)
        return known

    def _read(self, path: str, name: str) -> Revision | None:
        data = files.read(path)
        found = next(record.scan(data), None) if data else None
        if found is None or found.meta is None:
            return None
        pieces, at = [], 0
        try:
            text = zlib.decompressobj().decompress(found.texts[0], record.MAX_BYTES)
            for ids, length in found.meta["pieces"]:
                pieces.append((ids, text[at : at + length]))
                at += length
        except (KeyError, TypeError, ValueError, IndexError, zlib.error):
            return None
        sure = not found.meta.get("unsure")
        return Revision(name[17:], name[:16], text, pieces, sure) if revision_of(text) == name[17:] else None

    # -- what is on disk ------------------------------------------------------------------------------------

    @property
    def published(self) -> Published | None:
        """Returns what was last put on disk, or None where nothing ever was, or the file was removed."""
        noted = self._noted()
        return noted if noted is not None and noted.revision != _GONE else None

    @property
    def gone(self) -> str:
        """Returns since when the document has no file any more, as a time like those of revisions; "" where it never had one."""
        noted = self._noted()
        return f"{int(noted.confirmed * 1000) << 16:016x}" if noted is not None and noted.revision == _GONE else ""

    def _noted(self) -> Published | None:
        data = files.read(self._published) or b""
        parts = data.decode("utf-8", "surrogateescape").rstrip("\n").split(" ", 3)
        try:
            return Published(parts[0], float(parts[1]), int(parts[2]), parts[3])
        except (IndexError, ValueError):
            return None

    def plan(self, digest: str, path: str) -> Published | None:
        """Notes the revision that is about to be put on disk; returns what had been noted before, for `withdraw`."""
        before = self._noted()
        self.note(Published(digest, 0, 0, os.path.basename(path)))
        return before

    def withdraw(self, digest: str, before: Published | None) -> None:
        """Takes a plan back that came to nothing, unless somebody else has noted something since.

        What stood there before is noted as confirmed now: should another publish come in between, which no lock held
        off, its text is then at worst one to be published again, never an old one that somebody put back.
        """
        planned = self._noted()
        if planned is None or planned.revision != digest or planned.confirmed:
            return
        if before is not None and before.confirmed and before.revision != _GONE:
            before.confirmed = time.time()
        self.note(before)

    def confirm(self, digest: str, path: str) -> None:
        """Notes that a revision is on disk now, as this file, and durable there ("": as a file that was replaced since)."""
        try:
            inode = os.lstat(path).st_ino
        except FileNotFoundError:
            inode = 0
        self.note(Published(digest, time.time(), inode, os.path.basename(path)))

    def note(self, published: Published | None) -> None:
        """Notes what is on disk; None: nothing ever was."""
        if published is None:
            files.unlink_quietly(self._published)
            return
        text = f"{published.revision} {published.confirmed:.3f} {published.inode} {published.name}\n"
        files.make_folder(os.path.dirname(self._published), self.layout.state)
        data = text.encode("utf-8", "surrogateescape")
        files.replace(self._published, data, self.layout.path("tmp"), durable=False)

    def forget_published(self) -> None:
        """Notes that the document has no file any more: what is found there later is new, whatever it says."""
        if self.published is not None:
            self.note(Published(_GONE, time.time(), 0, ""))


def prune(layout: Layout, now_ms: int) -> int:
    """Removes revisions that newer ones followed 30 days ago, and the first of these beyond 50 MB; never the newest of a
    document, nor the one that is on disk, nor one that was followed within the last minute.

    A text that nobody changed for months may have been read, and put aside, until the moment when another followed.
    Returns how many bytes are kept.
    """
    found: list[tuple[str, int, str]] = []
    base = layout.path("history")
    for folder in os.scandir(base) if os.path.isdir(base) and not os.path.islink(base) else ():
        if folder.is_dir(follow_symlinks=False):
            shown = (files.read(layout.path("published", folder.name)) or b"").split(b" ")[0].decode("ascii", "replace")
            names = sorted(os.scandir(folder.path), key=lambda item: item.name)
            for item, follower in itertools.pairwise(names):
                if not item.name.endswith(shown or "-"):
                    found.append((follower.name, item.stat(follow_symlinks=False).st_size, item.path))
    found.sort(reverse=True)
    oldest = f"{max(0, now_ms - KEPT_DAYS * 86_400_000) << 16:016x}"
    displaced = f"{max(0, now_ms - DISPLACED_MS) << 16:016x}"
    kept = 0
    for name, size, path in found:
        kept += size
        if name[:16] < oldest or (kept > KEPT_BYTES and name[:16] < displaced):
            kept -= size
            files.unlink_quietly(path)
    return kept


def now_ms() -> int:
    """Returns the wall clock in milliseconds."""
    return time.time_ns() // 1_000_000
