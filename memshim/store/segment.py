"""Segments: immutable sorted files of what was folded, looked up by id.  Must not know what the records mean.

    records, one after another, as in a journal, in an order of their own · index: for each, by key, a key of 16 bytes,
    offset and length · footer

Looking one id up costs a binary search, whatever the size; a compaction adds a small segment, and segments of like size
are merged into one, so their number grows as the logarithm of the history.
"""

import mmap
import os
import zlib

from memshim.disk import files
from memshim.errors import StoreUnusable
from memshim.text import record
from memshim.text.digest import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

_ROW = 16 + 8 + 8
_MAGIC = b"memshim segment 1\n"
_FOOTER = 8 + 8 + 4 + len(_MAGIC)
FAN = 8


class Segment:
    """Is one segment, open for reading: a sorted map from 32-digit ids to records."""

    def __init__(self, folder: str, name: str) -> None:
        self.name = name
        self.path = os.path.join(folder, name)
        fd = files.open_ours(self.path)
        try:
            size = os.fstat(fd).st_size
            if size < _FOOTER:
                raise StoreUnusable(f"{self.path} is cut short.", "Run memshim check to see what is affected.")
            self._map = mmap.mmap(fd, size, access=mmap.ACCESS_READ)
        finally:
            os.close(fd)
        footer = self._map[size - _FOOTER :]
        self.count = int.from_bytes(footer[:8])
        self._index = int.from_bytes(footer[8:16])
        if footer[20:] != _MAGIC or self._index + self.count * _ROW + _FOOTER != size:
            raise StoreUnusable(f"{self.path} is damaged.", "Run memshim check to see what is affected.")
        self.first = self.key(0) if self.count else ""
        self.last = self.key(self.count - 1) if self.count else ""

    def key(self, n: int) -> str:
        """Returns the n-th id."""
        at = self._index + n * _ROW
        return self._map[at : at + 16].hex()

    def keys(self) -> "Iterator[str]":
        """Yields every id, in order."""
        rows = self._map[self._index : self._index + self.count * _ROW]
        for at in range(0, len(rows), _ROW):
            yield rows[at : at + 16].hex()

    def value(self, n: int) -> bytes:
        """Returns the n-th record."""
        at = self._index + n * _ROW + 16
        offset = int.from_bytes(self._map[at : at + 8])
        return self._map[offset : offset + int.from_bytes(self._map[at + 8 : at + 16])]

    def position(self, key: str) -> int:
        """Returns the index of the first id that is not below `key`."""
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if self.key(middle) < key:
                low = middle + 1
            else:
                high = middle
        return low

    def find(self, key: str) -> bytes | None:
        """Returns the record with this id, or None."""
        if not self.first <= key <= self.last:
            return None
        n = self.position(key)
        return self.value(n) if n < self.count and self.key(n) == key else None

    def items(self) -> "Iterator[tuple[str, bytes]]":
        """Yields every id with its record, in order."""
        for n in range(self.count):
            yield self.key(n), self.value(n)

    def holds(self, test: "Callable[[Any], bool]") -> bool:
        """Tells whether a test finds what it looks for in the bytes."""
        return test(self._map)

    def backwards(self) -> "Iterator[bytes]":
        """Yields every record, the last one first, in the order in which they were written; reads only what is asked for."""
        end = self._index
        while end > 0:
            begin = max(0, self._map.rfind(record.MARK, 0, end))  # no text can look like a mark
            yield self._map[begin:end]
            end = begin

    def intact(self) -> bool:
        """Tells whether the bytes are those that were written."""
        size = len(self._map)
        crc = int.from_bytes(self._map[size - _FOOTER + 16 : size - _FOOTER + 20])
        return zlib.crc32(memoryview(self._map)[: size - _FOOTER]) == crc


def write(folder: str, items: "Iterable[tuple[str, bytes]]", rank: "Callable[[bytes], Any] | None" = None) -> str:
    """Writes a segment of items sorted by id, each id once; returns its name, which follows from its bytes.

    Their records stand in the order of `rank`, if it is given.

    A file of that name is replaced: it has the same bytes, or is damaged.

    A crash leaves a temporary file, or a segment that no snapshot names; both are cleared away later.
    """
    body, index = [], []
    offset = 0
    for key, value in sorted(items, key=lambda item: (rank(item[1]), item[0])) if rank is not None else items:
        body.append(value)
        index.append(bytes.fromhex(key) + offset.to_bytes(8) + len(value).to_bytes(8))
        offset += len(value)
    data = b"".join(body) + b"".join(sorted(index))
    data += len(index).to_bytes(8) + offset.to_bytes(8) + zlib.crc32(data).to_bytes(4) + _MAGIC
    name = sha256(data).hexdigest()[:32]
    path = os.path.join(folder, name)
    scratch = files.scratch_name(os.path.join(os.path.dirname(folder), "tmp"), "segment")
    try:
        files.create(scratch, data)
        os.rename(scratch, path)
    finally:
        files.unlink_quietly(scratch)
    return name


def plan_merges(segments: "list[tuple[str, int]]") -> list[list[str]]:
    """Returns which segments (name, count) to merge: any FAN of one size class, a class being a power of FAN."""
    classes: dict[int, list[str]] = {}
    for name, count in segments:
        size = 0
        while count >= FAN:
            count //= FAN
            size += 1
        classes.setdefault(size, []).append(name)
    return [names for _, names in sorted(classes.items()) if len(names) >= FAN]
