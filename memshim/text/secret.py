"""Erasing texts, and knowing them again without keeping them.  Must not know files, or where a text may hide.

What was erased is kept as salted digests only: of the text itself, and of every line that held it.  So a stale copy of
such a line, or the text in a new line (between white space or punctuation), is recognised when it comes back.
"""

import re

from memshim.text.digest import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

REDACTED = b"[redacted]"
SHORTEST = 4
"""A text below this length is in too many others to be a secret."""
_LEAD = re.compile(rb"^\s*(?:(?:[-*+]|\d{1,9}[.)]|>)[ \t]+|#{1,6}[ \t]+)*")
_SUFFIX = re.compile(rb" \(conflict c[0-9a-f]+, [^()]*\)\s*$")
_EDGES = b".,;:!?\"'`()[]{}<>*_|="
_WORD = re.compile(rb"\S+")


def bare(line: bytes) -> bytes:
    """Returns a line without list marks, heading marks, outer space, and a note that marks a clash."""
    return _SUFFIX.sub(b"", _LEAD.sub(b"", line, count=1)).strip()


def parts(text: bytes) -> list[bytes]:
    """Returns what is to be erased for a text that a person names: its lines, each without marks and outer space."""
    found = [bare(line) for line in text.split(b"\n")]
    return list(dict.fromkeys(line for line in found if len(line) >= SHORTEST and line != REDACTED))


class Eraser:
    """Puts `[redacted]` in the place of some texts, wherever they stand in bytes, strings, lists or dicts."""

    def __init__(self, secrets: "Iterable[bytes]") -> None:
        self.secrets = sorted(set(secrets), key=len, reverse=True)  # the longest first: one may hold another
        self._written = re.compile(b"|".join(map(_written, self.secrets)))

    def text(self, data: bytes) -> bytes:
        """Returns the bytes without the texts, however they are written there."""
        return self._written.sub(REDACTED, data)

    def string(self, text: str) -> str:
        """Returns the string without the texts."""
        return self.text(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def value(self, value: "Any") -> "Any":
        """Returns a JSON value without the texts; its keys stay."""
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {key: self.value(item) for key, item in value.items()}
        return value

    def holds(self, data: "bytes | Any") -> bool:
        """Tells whether bytes (or a mapped file) hold one of the texts, as it is or as JSON or a shell writes it."""
        return self._written.search(data) is not None


_SHORT = {"\b": b"b", "\f": b"f", "\n": b"n", "\r": b"r", "\t": b"t"}


def _written(secret: bytes) -> bytes:
    """Returns a pattern for a text as it is, and as programs write it that escape: signs and what is not ASCII as JSON
    does, in any of its ways, and again within a string of JSON or of a shell."""
    return b"".join(map(_written_sign, secret.decode("utf-8", "surrogateescape")))


def _written_sign(sign: str) -> bytes:
    plain = re.escape(sign.encode("utf-8", "surrogateescape"))
    if sign.isascii() and (sign.isalnum() or sign in " -_.,:;"):
        return plain
    if sign == "\\":
        return rb"(?:\\+(?i:u005c)?)"
    units = sign.encode("utf-16-be", "surrogatepass")
    escaped = b"".join(rb"\\+u(?i:%b)" % units[n : n + 2].hex().encode() for n in range(0, len(units), 2))
    short = rb"|\\+" + _SHORT[sign] if sign in _SHORT else b""
    before = rb"\\*" if sign in "\"'`/$" else b""
    return b"(?:" + before + plain + b"|" + escaped + short + b")"


class Marks:
    """Is what is kept of texts that were erased: salt, digests, and how many words each of them had."""

    __slots__ = ("digests", "salt", "sizes")

    def __init__(self, salt: str, digests: "Iterable[str]", sizes: "Iterable[int]") -> None:
        self.salt = salt
        self.digests = set(digests)
        self.sizes = sorted(set(sizes))

    def find(self, text: bytes) -> "Iterator[bytes]":
        """Yields what was erased before and stands in this text: the text itself where it can be told, else the line."""
        for line in text.split(b"\n"):
            whole = bare(line)
            if len(whole) >= SHORTEST and whole != REDACTED:
                inside = [part for part in self._runs(whole) if digest(self.salt, part) in self.digests]
                yield from inside or ([whole] if digest(self.salt, whole) in self.digests else [])

    def _runs(self, line: bytes) -> "Iterator[bytes]":
        """Yields the runs of words of the lengths that erased texts had, with and without punctuation at their ends."""
        places = [match.span() for match in _WORD.finditer(line)]
        for size in self.sizes:
            for n in range(len(places) - size + 1):
                run = line[places[n][0] : places[n + size - 1][1]]
                if run != line:
                    yield run
                inner = run.strip(_EDGES)
                yield from (inner,) if inner != run else ()
                for _, sign, rest in (inner.partition(b"="), inner.partition(b":")) if size == 1 else ():
                    yield from (rest.strip(_EDGES),) if sign else ()


def digest(salt: str, text: bytes) -> str:
    """Returns what is kept of a text: SHA-256 with the store's salt."""
    return sha256(salt.encode() + b"\n" + text).hexdigest()


def words(text: bytes) -> int:
    """Returns how many words a text has."""
    return len(_WORD.findall(text))
