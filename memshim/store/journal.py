"""Journals: one agent's append-only log, written durably and read from where a snapshot left off.  Must not know the fold.

A journal has two names, which are hard links to one file: `memory/<agent-id>.md`, for people, and
`.memshim/journals/<agent-id>.log`, its registration, which is the one that counts.  So an `rm`, or a sync tool that
replaces the first, takes nothing away; and a file that somebody plants in `memory/` is no journal.

This module is on the path of `memshim append`: it imports next to nothing.
"""

import errno
import os
import time as clock
import zlib

from memshim.disk import files, locks
from memshim.disk.layout import Layout
from memshim.errors import BadInput, StoreUnusable
from memshim.text import record
from memshim.text.entry import Entry, from_record, make_time, readable_time, to_form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from memshim.text.record import Form

    Row = tuple[Form, Sequence[bytes], str, str]  # form, texts, time, id

    Hint = list[
        int
    ]  # inode, offset, CRC-32 of the bytes before it, size and mtime_ns when looked at, entries before it
    Hints = dict[str, Hint]

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_PROOF = 64


class Journal:
    """Is one agent's journal, open for appending; threads and forks each need their own.

    Guarantees: when `append` returns, the entry survives any crash, and everything done to `memory/`.
    Concurrent appends, also of several processes under one id, never interleave.
    """

    def __init__(self, layout: Layout, agent: str, replica: str, session: str = "") -> None:
        self.layout = layout
        self.agent = agent
        self.replica = replica
        self.session = session
        self.name = agent.lower() + ".log"
        self.path = place_of(layout, self.name)
        self.process = os.getpid()
        self._fd = -1
        self._device = self._inode = 0  # of the open file
        self._end = -1  # its size after our own last write, which ended in a newline and had the time `_last`
        self._last = ""
        self._noise = int.from_bytes(os.urandom(4))

    def append(self, entry: Entry, seen: str = "") -> Entry:
        """Appends one entry as `put` does; fills in its `time` and `id` where they are empty."""
        form, texts = to_form(entry)
        entry.time, entry.id = self.put(form, texts, seen, entry.time, entry.id)
        return entry

    def put(
        self, form: "Form", texts: "Sequence[bytes]", seen: str = "", time: str = "", id: str = ""
    ) -> tuple[str, str]:
        """Appends one entry of this form as `put_all` does; returns its time and id."""
        return self.put_all([(form, texts, time, id)], seen)[0]

    def put_all(self, rows: "Sequence[Row]", seen: str = "", wait: bool = True) -> "list[tuple[str, str]]":
        """Appends entries and makes them durable, all with one sync; returns the time and id of each, new where none is given.

        Without `wait` it does nothing, and returns nothing, where somebody else is at this journal.
        A time is later than the last one in this journal and than `seen` (see `entry.make_time`).  A crash before
        the return leaves each entry whole, torn (then it is dropped), or not at all; none was acknowledged.
        Raises OSError (disk full, I/O error): then no entry is acknowledged, and nothing else is harmed.
        """
        while True:
            fd = self._fd if self._fd >= 0 else self._open()
            if wait:
                locks.exclusive(fd)
            elif not locks.try_exclusive(fd):
                return []
            try:
                size, _ = self._look()
                if size < 0:
                    self.close()  # retired between opening and locking: go on in a new one
                    continue
                fresh = size != self._end
                data = self._catch_up(fd, size) if fresh else b""
                last = self._last
                done: list[tuple[str, str]] = []
                for form, texts, time, id in rows:
                    if not time:
                        now = clock.time_ns() // 1_000_000
                        time = make_time(now, last if last > seen else seen)
                        if time <= seen:  # a clock from far ahead was here: keep at least our own order
                            time = make_time(now, last)
                    if not id:  # counting on from random digits, which are as unlike any other as new ones each time
                        self._noise = (self._noise + 1) & 0xFFFFFFFF
                        id = f"{time}{self.replica}{self._noise:08x}"
                    data += form.fill((readable_time(time), id, time), texts)
                    last = time
                    done.append((time, id))
                if os.write(fd, data) != len(data):
                    raise OSError(errno.ENOSPC, "the record was written in part only")
                files.sync(fd)
                again, names = self._look()
                if again >= 0:
                    self._end, self._last = size + len(data), last
                    if fresh or names < 2:
                        show(self.layout, self.name)  # under the lock: whoever retires it takes this name away first
                    return done
                self.close()  # retired while we wrote, so no lock held it: write the same entries once more
                rows = [(form, texts, *known) for (form, texts, _, _), known in zip(rows, done, strict=True)]
            except record.RecordTooLong as error:
                raise BadInput(f"{error}.", "Split the text into several entries.") from error
            except OSError as error:
                error.filename = error.filename or self.path
                raise
            finally:
                if self._fd >= 0:
                    locks.release(fd)

    def _look(self) -> tuple[int, int]:
        """Returns the journal's size and how many names it has; -1 where the open file is no longer the one at its path."""
        try:
            here = os.lstat(self.path)
        except FileNotFoundError:
            return -1, 0
        same = here.st_ino == self._inode and here.st_dev == self._device
        return here.st_size if same else -1, here.st_nlink

    def _catch_up(self, fd: int, size: int) -> bytes:
        """Reads the last time that somebody else wrote, or we before we opened it; returns what must come before a record."""
        tail = os.pread(fd, 4096, max(0, size - 4096))
        self._last = record.last_time(tail) or record.last_time(os.pread(fd, 1 << 20, max(0, size - (1 << 20))))
        if size and not tail.endswith(b"\n"):
            return b" \n"  # a new line after a torn tail; the space keeps it from completing that record
        return b""

    def _open(self) -> int:
        while self._fd < 0:
            try:
                self._fd = os.open(self.path, _FLAGS)
            except FileNotFoundError:
                self._create()  # and if that one is retired before it is opened, another one
        status = os.fstat(self._fd)
        self._device, self._inode = status.st_dev, status.st_ino
        self._end = -1
        return self._fd

    def close(self) -> None:
        """Closes the handle (and so gives its lock back)."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _create(self) -> None:
        self.layout.require_store()
        header = {"kind": "journal", "v": 1, "agent": self.agent, "journal": os.urandom(8).hex()}
        if self.session:
            header["session"] = self.session
        text = (
            f"# Journal of {self.agent}\n\n"
            "memshim writes this file and folds it into the documents. Read it, but do not edit it.\n\n"
        )
        scratch = files.scratch_name(self.layout.path("tmp"), "journal")
        files.make_folder(self.layout.path("journals"), self.layout.state)
        files.create(scratch, record.encode(header, [text.encode()]))
        try:
            try:
                files.add_name(scratch, self.path)
            except FileExistsError:
                return  # another process was first; its journal is ours as well
            files.sync_folder(self.layout.path("journals"))
        finally:
            files.unlink_quietly(scratch)


def show(layout: Layout, name: str) -> None:
    """Makes sure that a journal has its readable name; what is in the way of it is left for `check` to report.

    What was appended is durable by now: an append that failed for want of this name would be made once more.
    """
    path, shown = place_of(layout, name), layout.shown(name)
    try:
        if os.path.lexists(shown) or os.path.islink(layout.memory):
            return  # a link may have come with a clone, and lead anywhere
        if not os.path.isdir(layout.memory):
            files.make_folder(layout.memory, os.path.dirname(layout.memory))
        try:
            os.link(path, shown)  # not there any more: retired just now, the append goes on in a new one
        except OSError as error:
            if error.errno not in files.NO_LINKS:
                raise
            os.symlink(os.path.relpath(path, layout.memory), shown)
    except OSError:
        return


def session_of(layout: Layout, agent: str) -> str | None:
    """Returns the session that an agent's open journal was begun for, "" where it names none; None where there is no journal."""
    try:
        fd = files.open_ours(layout.path("journals", agent.lower() + ".log"))
    except FileNotFoundError:
        return None
    try:
        head = next(record.scan(os.pread(fd, 4096, 0)), None)
    finally:
        os.close(fd)
    return str((head.meta or {}).get("session", "")) if head is not None else ""


class Tail:
    """Is what was read of one journal: its entries, the damaged ranges, and where to go on reading."""

    __slots__ = ("damage", "entries", "hint", "name")

    def __init__(self, name: str, entries: list[Entry], damage: list[tuple[int, int]], hint: "Hint") -> None:
        self.name = name
        self.entries = entries
        self.damage = damage
        self.hint = hint


ARRIVING = "arriving/"
"""What begins the name of a journal that was retired, and that no head is known to hold whole yet."""


def place_of(layout: Layout, name: str) -> str:
    """Returns the path of a journal by its tail's name."""
    return layout.path("archive" if name.startswith(ARRIVING) else "journals", name)


def read_tails(layout: Layout, hints: "Hints", settle: "Callable[[int], None] | None" = None) -> "Iterator[Tail]":
    """Yields, for each journal that has grown or changed, what lies behind its hint; then so for the retired ones that
    are on their way to the archive: in this order, so that one that is retired just now is met in one place or in both.

    A hint is believed only if the bytes before its offset are still the same; otherwise the journal is read whole,
    which costs time and changes nothing (the fold knows what it has seen).  A record that is being written at this
    moment looks like a torn tail and is read next time; `settle` may wait for it.
    """
    yield from _read_folder(layout, "", hints, settle)
    yield from _read_folder(layout, ARRIVING, hints, settle)


def names(layout: Layout, prefix: str = "") -> list[str]:
    """Returns the names of the journals, or with `ARRIVING` of those on their way to the archive."""
    try:
        return sorted(prefix + name for name in os.listdir(place_of(layout, prefix)))
    except FileNotFoundError:
        return []


def _read_folder(
    layout: Layout, prefix: str, hints: "Hints", settle: "Callable[[int], None] | None"
) -> "Iterator[Tail]":
    for name in names(layout, prefix):
        hint = hints.get(name)
        path = place_of(layout, name)
        try:
            status = os.stat(path, follow_symlinks=False)
            if hint and hint[0] == status.st_ino and hint[3:5] == [status.st_size, status.st_mtime_ns]:
                continue
            fd = files.open_ours(path)
        except FileNotFoundError:
            continue  # moved just now: it is met in the next folder, or a new head holds it
        except PermissionError as error:
            raise StoreUnusable(f"The journal {path} cannot be read.", f"Try: chmod u+r {path}") from error
        try:
            if settle is not None:
                settle(fd)
            yield _read_tail(name, fd, hint)
        finally:
            os.close(fd)


def _read_tail(name: str, fd: int, hint: "Hint | None") -> Tail:
    status = os.fstat(fd)
    start = count = 0
    if hint and hint[0] == status.st_ino and _proof(fd, hint[1]) == hint[2]:
        start, count = hint[1], hint[5]
    entries, damage = [], []
    end = start
    data = files.read_all(fd, start)
    for found in record.scan(data):
        if found.meta is None:
            damage.append((start + found.start, start + found.end))
            continue
        end = start + found.end
        entry = from_record(found.meta, found.texts)
        if entry is not None:
            entries.append(entry)
        elif found.meta.get("kind") != "journal":
            damage.append((start + found.start, start + found.end))
    place = [status.st_ino, end, _proof(fd, end), status.st_size, status.st_mtime_ns, count + len(entries)]
    return Tail(name, entries, damage, place)


def read_rest(path: str, offset: int) -> list[Entry]:
    """Returns the entries of an archived journal behind `offset`; none where the file is gone."""
    data = (files.read(path) or b"")[offset:]
    found = (from_record(f.meta, f.texts) for f in record.scan(data) if f.meta is not None)
    return [entry for entry in found if entry is not None]


def _proof(fd: int, offset: int) -> int:
    begin = max(0, offset - _PROOF)
    return zlib.crc32(os.pread(fd, offset - begin, begin))
