"""Protocol: where the daemon's socket lies, and what a request and an answer look like.  Must not know what is asked.

    memshim 1 KIND LENGTH\n        the request's first line; LENGTH "-" means: until the client ends its half
    NAME=VALUE\n ...               any number of fields, then an empty line
    \n
    payload

    ok LENGTH\n payload            the answer; "no LENGTH\n" and a sentence where it could not be done

`docs/daemon.md` describes it for other programs.  Standard library only, and little of it: the agents' hook imports this.
"""

import os
import stat

VERSION = 1
MAX_BYTES = 16 * 1024 * 1024
MAX_HEAD = 64 * 1024
_WORDS = ["memshim", str(VERSION)]
_BEGIN = b"memshim "
_PATH_MAX = 100
"""Bytes that a socket's path may have: 104 on macOS, 108 on Linux, with the end."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class BadFrame(Exception):
    """Says that bytes are no request or answer of this protocol."""


class Request:
    """Is one request: its kind, fields and payload, and how many bytes it had on the way."""

    __slots__ = ("fields", "kind", "payload", "size")

    def __init__(self, kind: str, fields: "dict[str, str]", payload: bytes, size: int = 0) -> None:
        self.kind = kind
        self.fields = fields
        self.payload = payload
        self.size = size


# --- where --------------------------------------------------------------------------------------------------


def forbidden() -> bool:
    """Tells whether MEMSHIM_DAEMON=off: then nothing starts or asks a daemon."""
    return os.environ.get("MEMSHIM_DAEMON") == "off"


def present() -> bool:
    """Tells, for the price of one look, whether there may be a daemon to ask."""
    return not forbidden() and os.path.exists(socket_path())


def folder() -> str:
    """Returns the folder of the socket: memshim in the user's runtime folder, else one of this user's own in /tmp."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(base):
        return os.path.join(base, "memshim")
    return f"/tmp/memshim-{os.geteuid()}"


def socket_path() -> str:
    """Returns the socket's path; where it would be too long for the system, a short one named by its hash."""
    path = os.path.join(folder(), "socket")
    if len(os.fsencode(path)) <= _PATH_MAX:
        return path
    from hashlib import sha256

    return f"/tmp/memshim-{os.geteuid()}/{sha256(os.fsencode(path)).hexdigest()[:16]}"


def is_ours(path: str) -> bool:
    """Tells whether a folder is a real one, of this user, and closed to all others; a socket elsewhere is not trusted."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


# --- frames -------------------------------------------------------------------------------------------------


def encode_request(kind: str, fields: "Mapping[str, str]", payload: bytes) -> bytes:
    """Returns the bytes of a request.  Raises BadFrame for a field that cannot be sent, or a payload that is too long."""
    lines = "".join([f"{name}={value}\n" for name, value in fields.items()])
    if lines.count("\n") != len(fields) or "=" in "".join(fields) or "" in fields:
        wrong = next(n for n, value in fields.items() if "\n" in n + value or "=" in n or not n)
        raise BadFrame(f"the field {wrong!r} cannot be sent")
    head = f"memshim {VERSION} {kind} {len(payload)}\n{lines}\n".encode("utf-8", "surrogateescape")
    if len(payload) > MAX_BYTES or len(head) > MAX_HEAD:
        raise BadFrame("the request is too long")
    return head + payload


def decode_request(data: "bytes | bytearray", ended: bool) -> "Request | None":
    """Returns the request that stands in these bytes, None where it is not whole yet.  Raises BadFrame for anything else.

    `ended` says that the client has ended its half, so that no more will come.
    """
    end = data.find(b"\n\n", 0, MAX_HEAD)
    if end < 0:
        if not _BEGIN.startswith(bytes(data[: len(_BEGIN)])):
            raise BadFrame("that is no request")
        if ended or len(data) >= MAX_HEAD:
            raise BadFrame("the request's head has no end")
        return None
    lines = data[:end].decode("utf-8", "surrogateescape").split("\n")
    words = lines[0].split(" ")
    if len(words) != 4 or words[:2] != _WORDS or not words[2].isalpha():
        raise BadFrame("the request's first line is not understood")
    begin = end + 2
    if words[3] == "-":
        if not ended:
            if len(data) - begin > MAX_BYTES:
                raise BadFrame("the request is too long")
            return None
        size = len(data)
    else:
        size = begin + _number(words[3])
    if size - begin > MAX_BYTES:
        raise BadFrame("the request is too long")
    if len(data) < size:
        if ended:
            raise BadFrame("the request was cut short")
        return None
    fields: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if equals:
            fields[name] = value
    return Request(words[2], fields, bytes(data[begin:size]), size)


def encode_answer(payload: bytes, ok: bool = True) -> bytes:
    """Returns the bytes of an answer."""
    return b"%s %d\n" % (b"ok" if ok else b"no", len(payload)) + payload


def decode_answer(data: "bytes | bytearray") -> "tuple[bool, bytes] | None":
    """Returns whether it was done, and the answer; None where it is not whole yet.  Raises BadFrame for anything else."""
    end = data.find(b"\n", 0, 40)
    if end < 0:
        if len(data) >= 40:
            raise BadFrame("that is no answer")
        return None
    word, _, length = data[:end].decode("ascii", "replace").partition(" ")
    if word not in ("ok", "no"):
        raise BadFrame("that is no answer")
    whole = end + 1 + _number(length)
    return (word == "ok", bytes(data[end + 1 : whole])) if len(data) >= whole else None


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadFrame("a length is no number")
    return int(text)
