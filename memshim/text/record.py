"""The frame around one journal record: found again after any damage, forged by no text.  Must not know what it holds.

A record is one line that opens an HTML comment, one line of JSON, a line that closes the comment, and then the
record's texts as they are, so that a journal reads as Markdown:

    <!-- memshim 5f3a9c01 148
    {"v":1,"id":"...","kind":"append",...}
    -->
    - use uv

The first number is the CRC-32 of everything after its line, the second its length in bytes.  Where a text holds the
words that open a frame, two backslashes are put behind them (two more, if some are there already): no text can look
like a frame, not even to a reader that has lost its place, nor after a byte of it was lost.
"""

import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

MARK = b"<!-- memshim "
_WORD = MARK[:-1]
_CLOSE = "\n-->\n"
_CLOSING = _CLOSE.encode()
_HEAD_MAX = len(MARK) + 8 + 1 + 12 + 1
MAX_BYTES = 64 * 1024 * 1024
"""The longest record that is written or believed; a longer text is refused before anything is touched."""


class RecordTooLong(ValueError):
    """The texts make a record longer than `MAX_BYTES`."""


class Found:
    """Is one thing met while reading: a record (`meta`, `texts`) or, with `meta` None, a damaged or unfinished range."""

    __slots__ = ("end", "meta", "start", "texts")

    def __init__(self, start: int, end: int, meta: "dict[str, Any] | None", texts: "list[bytes]") -> None:
        self.start = start
        self.end = end
        self.meta = meta
        self.texts = texts


class Form:
    """Is the frame of records that differ only in their texts and in what stands where their meta has a HOLE.

    Putting one and the same meta into JSON for each of a thousand appends was a third of their cost.
    """

    __slots__ = ("_pattern",)

    def __init__(self, meta: "dict[str, Any]") -> None:
        comma = "," if meta else ""
        self._pattern = f'{_json(meta)[:-1].replace("%", "%%")}{comma}"texts":[\0]}}{_CLOSE}'.replace("\0", "%s")

    def fill(self, values: "tuple[str, ...]", texts: "Sequence[bytes]") -> bytes:
        """Returns the bytes of one record; `values` are plain ASCII without quotes, one for each HOLE.

        Raises RecordTooLong where the record would be longer than `MAX_BYTES`.
        """
        lengths, parts = "", [b""]
        for text in texts:
            lengths += f",{len(text)}"
            parts.append(_shift(text, 2) if _WORD in text else text)
            if text and not text.endswith(b"\n"):
                parts.append(b"\n")
        parts[0] = (self._pattern % (*values, lengths[1:])).encode()
        body = b"".join(parts)
        if len(body) > MAX_BYTES:
            raise RecordTooLong(f"A record of {len(body)} bytes is over the limit of {MAX_BYTES}")
        return b"%b%08x %d\n%b" % (MARK, zlib.crc32(body), len(body), body)


def encode(meta: "dict[str, Any]", texts: "Sequence[bytes]" = ()) -> bytes:
    """Returns the bytes of one record; `scan` gives back the same meta and the same texts, byte for byte.

    Raises RecordTooLong where the record would be longer than `MAX_BYTES`.
    """
    return Form(meta).fill((), texts)


def scan(data: bytes, start: int = 0) -> "Iterator[Found]":
    """Yields every record from `start`, and every range that is none; never raises, whatever the bytes are.

    An unfinished record at the end (a torn append) is the last range and reaches to the end of the data.
    """
    at = start
    while at < len(data):
        found = _record_at(data, at)
        if found is None:
            again = data.find(b"\n" + MARK, at)
            end = len(data) if again < 0 else again + 1
            found = Found(at, end, None, [])
        yield found
        at = found.end


def _record_at(data: bytes, at: int) -> "Found | None":
    if not data.startswith(MARK, at):
        return None
    line_end = data.find(b"\n", at, at + _HEAD_MAX)
    head = data[at + len(MARK) : line_end].split(b" ") if line_end > 0 else []
    if len(head) != 2 or len(head[0]) != 8 or not head[1].isdigit():
        return None
    body = data[line_end + 1 : line_end + 1 + int(head[1])]
    if len(body) != int(head[1]) or b"%08x" % zlib.crc32(body) != head[0]:
        return None
    decoded = _decode_body(body)
    if decoded is None:
        return None
    return Found(at, line_end + 1 + len(body), *decoded)


def _decode_body(body: bytes) -> "tuple[dict[str, Any], list[bytes]] | None":
    from memshim.text import jsontext  # not on the append path

    meta_end = body.find(_CLOSING)
    if meta_end < 0:
        return None
    try:
        meta = jsontext.loads(body[:meta_end])
        lengths = meta.pop("texts")
        rest = _unescape(body[meta_end + len(_CLOSING) :])
        texts, at = [], 0
        for length in lengths:
            text = rest[at : at + length]
            if len(text) != length:
                return None
            texts.append(text)
            at += length + (1 if text and not text.endswith(b"\n") else 0)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return meta, texts


def time_in(frame: bytes) -> bytes:
    """Returns the `time` of one record as it stands there, b"" where there is none (cheap: checks nothing)."""
    at = frame.find(b'"time":"')
    return frame[at + 8 : at + 24] if at >= 0 else b""


def last_time(tail: bytes) -> str:
    """Returns the `time` of the last frame that begins in `tail`, or "" (cheap: looks at the frame, checks nothing)."""
    at = tail.rfind(b"\n" + MARK)
    begin = tail.find(b'"time":"', at) if at >= 0 else -1  # without a frame it is a text's own words
    time = tail[begin + 8 : begin + 24] if begin >= 0 else b""
    return time.decode() if len(time) == 16 and not time.strip(b"0123456789abcdef") else ""


def _unescape(text: bytes) -> bytes:
    return _shift(text, -2) if _WORD + b"\\\\" in text else text


def _shift(text: bytes, by: int) -> bytes:
    """Adds or takes two backslashes in the middle of each mark: no byte that is lost or changed makes it a mark again."""
    parts = text.split(_WORD)
    for i, part in enumerate(parts[1:], 1):
        count = len(part) - len(part.lstrip(b"\\"))
        if part[count : count + 1] == b" " and count + by >= 0:
            parts[i] = b"\\" * (count + by) + part[count:]
    return _WORD.join(parts)


_ESCAPES = {i: f"\\u{i:04x}" for i in [*range(32), 0x3C, 0x3E, 0x7F, 0x2028, 0x2029]}
_ESCAPES.update({0x22: '\\"', 0x5C: "\\\\", 10: "\\n"})


HOLE = object()
"""Stands in the meta of a Form for a string that each record has of its own."""


def dumps(value: "Any") -> bytes:
    """Returns compact JSON in which no `<` or `>` stands, so that it cannot end the comment around it.

    Knows None, bool, int, str, list, tuple and dict; a lone surrogate (a byte that was no UTF-8) becomes an escape.
    """
    return _json(value).encode("utf-8")


_seen: dict[str, str] = {}
"""Strings that were put into JSON before: keys, ids of documents and agents come again and again."""


def _json(value: "Any") -> str:
    if isinstance(value, str):
        return _seen.get(value) or _string(value)
    if isinstance(value, dict):
        return "{" + ",".join([f"{_seen.get(k) or _string(k)}:{_json(v)}" for k, v in value.items()]) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([_json(v) for v in value]) + "]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if value is HOLE:
        return '"\0"'  # in JSON a NUL is an escape, so this one is no text's
    raise TypeError(f"no JSON for {type(value).__name__}")


def _string(value: str) -> str:
    if value.isalnum():
        text = value
    else:
        text = value.translate(_ESCAPES)
        if not text.isascii():
            text = "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text)
    quoted = f'"{text}"'
    if len(value) < 16 and len(_seen) < 1000:
        _seen[value] = quoted
    return quoted
