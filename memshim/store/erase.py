"""Erasing texts from every file of a store: journals, archive, segments, snapshots, history, and whatever else lies there.

Each file is replaced in one step, the new one before the old one goes, so a stop at any point leaves every entry readable;
what was erased by then stays erased, and erasing again does the rest.  Must not know who asked for it, or why.
"""

import os
import zlib

from memshim.disk import files, locks
from memshim.disk.layout import state_home
from memshim.errors import StoreUnusable
from memshim.store import compact, encoding, journal, segment
from memshim.store.history import revision_of
from memshim.text import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from memshim.disk.layout import Layout
    from memshim.store.turn import Turn
    from memshim.text.facts import Facts
    from memshim.text.secret import Eraser

_IDS = "v id kind time when agent replica op doc do targets undoes settles ids slot at eol replaces from kinds".split()  # noqa: SIM905
_OURS = frozenset([*_IDS, *"journal salt digests sizes found base blocks saved gone".split()])  # noqa: SIM905
"""Fields that hold no text of anybody's: ids, places and names, in which an accidental match must not be replaced."""
FIELDS = (*_OURS, "texts", "store", "why", "ops", "session", "section", "name", "extra", "memshim")
"""What fields are called, and what else stands in every record."""
_SHELVES = ("journals", "archive", "entries", "blocks", "snapshots", "heads", "history")


def everything(turn: "Turn", eraser: "Eraser") -> None:
    """Erases texts from all that lies in the store's folders but its documents, and from the state in memory.

    The caller holds the store's lock; appends go on meanwhile.  Raises OSError; what was replaced by then stays so.
    """
    layout, memory = turn.layout, turn.memory
    for name in _names(layout.path("journals")):
        _journal(layout, name, eraser)
    _archive(layout, eraser)
    for facts in memory.state.facts.values():
        _scrub(facts, eraser)
    for titles in memory.state.headings.values():
        for title in list(titles):
            titles.setdefault(eraser.string(title), {}).update(titles.pop(title))
    hints = memory.snapshot.journals
    for tail in journal.read_tails(layout, {}):
        hints[tail.name] = tail.hint
        for entry in tail.entries:
            memory.take(entry)
    for new in memory.new.values():
        new.ops = [_meta(op, eraser) | _texts(op, eraser) for op in new.ops]
        new.why, new.extra = eraser.string(new.why), _meta(new.extra, eraser)
    _segments(turn, eraser)
    memory.forget_views()
    compact.save(turn, alone=True)
    _remove_unnamed(turn)
    _history(layout, eraser)


def leftovers(layout: "Layout", eraser: "Eraser") -> list[str]:
    """Erases texts from the other files of the store's folders; returns the files in the store's own folder that hold one
    and are not memshim's to change.  Raises StoreUnusable where a text is still somewhere."""
    for path in _files(layout):
        if not path.startswith(tuple(layout.path(shelf) + os.sep for shelf in _SHELVES)):
            data = files.read(path)
            if data is not None and eraser.holds(data):
                files.replace(path, _framed(data, eraser), os.path.dirname(path), os.stat(path).st_mode & 0o777)
    plain = tuple(layout.path(shelf) + os.sep for shelf in _SHELVES if shelf != "history")
    for path in _files(layout):
        if _traces(files.read(path) or b"", eraser, not path.startswith(plain)):
            raise StoreUnusable(
                f"{path} still holds the text.", "Run the command again; if that does not help, remove the file."
            )
    found = []
    for item in os.scandir(layout.root):
        if item.is_file(follow_symlinks=False) and os.access(item.path, os.R_OK) and item.stat().st_size < 50_000_000:
            with open(item.path, "rb") as file:
                if eraser.holds(file.read()):
                    found.append(item.path)
    return sorted(found)


def is_anywhere(layout: "Layout", eraser: "Eraser") -> bool:
    """Tells whether a file of memshim's holds a text, apart from the documents."""
    return any(_traces(files.read(path) or b"", eraser, True) for path in [*_files(layout), *_background()])


def reports(eraser: "Eraser") -> None:
    """Erases texts from what belongs to no store: reports of bugs, incidents, what agents tell and are told."""
    for path in _background():
        data = files.read(path)
        if data is not None and eraser.holds(data):
            files.replace(path, eraser.text(data), os.path.dirname(path))


def _background() -> list[str]:
    """Returns the files that belong to no store, and that a text may have come into."""
    try:
        home = state_home()
    except OSError:
        return []
    paths = [os.path.join(home, name) for name in _names(home) if name.endswith((".log", "incidents", ".old"))]
    for folder in (os.path.join(home, "inbox"), os.path.join(home, "told")):
        paths += [os.path.join(folder, name) for name in _names(folder)]
    return [path for path in paths if os.path.isfile(path) and not os.path.islink(path)]


def _files(layout: "Layout") -> "Iterator[str]":
    """Yields every regular file of ours."""
    for base in dict.fromkeys([layout.state, layout.memory]):
        if os.path.islink(base):
            continue  # somebody else's: what lies there is not ours
        for folder, _, names in os.walk(base):
            for name in sorted(names):
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    yield path


def _names(folder: str) -> list[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def _traces(data: bytes, eraser: "Eraser", packed: bool) -> bool:
    """Tells whether a file holds a text, also where a record of it is compressed (if some may be)."""
    if eraser.holds(data):
        return True
    for found in record.scan(data) if packed else ():
        for text in found.texts:
            try:
                if text[:1] == b"\x78" and eraser.holds(zlib.decompressobj().decompress(text, record.MAX_BYTES)):
                    return True
            except zlib.error:
                continue
    return False


# --- records ------------------------------------------------------------------------------------------------


def _framed(data: bytes, eraser: "Eraser") -> bytes:
    """Returns the bytes of a file without the texts: records stay records, and what is none is replaced as it stands."""
    parts = []
    for found in record.scan(data):
        piece = data[found.start : found.end]
        if not eraser.holds(piece):
            parts.append(piece)
        elif found.meta is None:
            parts.append(eraser.text(piece))
        else:
            parts.append(record.encode(_meta(found.meta, eraser), [eraser.text(text) for text in found.texts]))
    return b"".join(parts)


def _meta(meta: "dict[str, Any]", eraser: "Eraser") -> "dict[str, Any]":
    """Returns the fields of a record, or of an operation, with the texts erased from those that people wrote."""
    found: dict[str, Any] = {}
    for key, value in meta.items():
        if key == "ops":
            found[key] = [_meta(op, eraser) for op in value]
        else:
            found[key] = value if key in _OURS else eraser.value(value)
    return found


def _texts(op: "dict[str, Any]", eraser: "Eraser") -> "dict[str, Any]":
    return {"blocks": [eraser.text(text) for text in op["blocks"]]} if "blocks" in op else {}


def _scrub(facts: "Facts", eraser: "Eraser") -> "Facts":
    for said in facts.defs.values():
        said.text = eraser.text(said.text)
        said.section = eraser.string(said.section) if said.section else said.section
    return facts


# --- journals -----------------------------------------------------------------------------------------------


def _journal(layout: "Layout", name: str, eraser: "Eraser") -> None:
    """Replaces a journal by one without the texts, under its exclusive lock; a writer that waited for the lock, or did not
    take it, finds another file under the name and writes its record there.

    A stop may leave the journal without its readable name, which the next append gives it again.
    """
    path, shown = journal.place_of(layout, name), layout.shown(name)
    fd = files.open_ours(path)
    try:
        locks.exclusive(fd)
        data = files.read_all(fd)
        if not eraser.holds(data):
            return
        fresh = files.scratch_name(layout.path("tmp"), name)
        files.create(fresh, _framed(data, eraser))
        if os.path.lexists(shown) and os.path.samestat(os.lstat(shown), os.fstat(fd)):
            os.unlink(shown)  # first: it is a second name of the file that has to go
        os.rename(fresh, path)
        files.sync_folder(layout.path("journals"))
        late = files.read_all(fd, len(data))
        if late:  # written without the lock, and acknowledged before the rename
            with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW), "ab", buffering=0) as file:
                file.write(_framed(late, eraser))
                files.sync(file.fileno())
        journal.show(layout, name)
    finally:
        os.close(fd)


def _archive(layout: "Layout", eraser: "Eraser") -> None:
    """Replaces archived journals; those that are to be looked at once more will be read from their start."""
    base = layout.path("archive")
    changed = {}
    for folder, _, names in os.walk(base):
        for name in names:
            path = os.path.join(folder, name)
            data = files.read(path)
            if data is not None and eraser.holds(data):
                changed[os.path.relpath(path, base)] = _framed(data, eraser)
    listed = files.read(os.path.join(base, "recheck"))
    if listed is not None and changed:
        rows = [line.rpartition(" ") for line in listed.decode("utf-8", "surrogateescape").splitlines()]
        lines = "".join(f"{name} {0 if name in changed else offset}\n" for name, _, offset in rows)
        files.replace(os.path.join(base, "recheck"), lines.encode("utf-8", "surrogateescape"), layout.path("tmp"))
    for name, data in changed.items():
        files.replace(os.path.join(base, name), data, layout.path("tmp"))


# --- what was folded ----------------------------------------------------------------------------------------


def _segments(turn: "Turn", eraser: "Eraser") -> None:
    """Writes the segments that hold a text anew; the snapshot that is saved next names them."""
    past = turn.memory.snapshot.past
    for folder, shelf in (("entries", past.entries), ("blocks", past.blocks)):
        for row in shelf:
            found = past.segment(folder, row[0])
            if not found.holds(eraser.holds):
                continue
            items = [(key, _segment_value(folder, value, eraser)) for key, value in found.items()]
            row[0] = segment.write(turn.layout.path(folder), items, record.time_in if folder == "entries" else None)


def _segment_value(folder: str, value: bytes, eraser: "Eraser") -> bytes:
    if not eraser.holds(value):
        return value
    if folder == "entries":
        return _framed(value, eraser)
    return encoding.encode_facts(_scrub(encoding.decode_facts(value), eraser))


def _remove_unnamed(turn: "Turn") -> None:
    """Removes the snapshots and segments that no head names, at once: they hold what was erased."""
    found = turn.memory.snapshot
    named = {*found.digests, *(row[0] for row in [*found.past.entries, *found.past.blocks])}
    for folder in ("snapshots", "entries", "blocks"):
        for name in _names(turn.layout.path(folder)):
            if name not in named:
                files.unlink_quietly(turn.layout.path(folder, name))


def _history(layout: "Layout", eraser: "Eraser") -> None:
    """Replaces the revisions that hold a text; what they are called follows from what they say now.

    An empty file keeps the old name: bytes that have it are still known, and no foreign text, wherever they turn up.
    """
    for folder in _names(layout.path("history")):
        for name in _names(layout.path("history", folder)):
            path = layout.path("history", folder, name)
            data = files.read(path)
            found = next(record.scan(data), None) if data else None
            try:
                text = zlib.decompressobj().decompress(found.texts[0], record.MAX_BYTES) if found else b""
            except (zlib.error, IndexError):
                files.unlink_quietly(path)  # damaged: nobody can read it, nor tell what it holds
                continue
            if found is None or found.meta is None or not eraser.holds(text):
                continue
            rows, at, parts = [], 0, []
            for ids, length in found.meta["pieces"]:
                parts.append(eraser.text(text[at : at + length]))
                rows.append([ids, len(parts[-1])])
                at += length
            new = b"".join(parts)
            fresh = layout.path("history", folder, f"{name[:16]}-{revision_of(new)}")
            files.replace(
                fresh, record.encode({**found.meta, "pieces": rows}, [zlib.compress(new, 1)]), layout.path("tmp")
            )
            files.replace(path, b"", layout.path("tmp"))
