"""Client: one question to the daemon, if there is one.  Must not know what the answer means, and never waits long.

Standard library only, and little of it: the agents' hook and `memshim append` import this.
"""

import _socket
import os
import struct
import sys
import time

from memshim.daemon import protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TIMEOUT_S = 2.0


class NoDaemon(Exception):
    """Says that nobody answered in time: the caller does the work itself."""


class Refused(Exception):
    """Says that the daemon is there and could not do it; the text is its sentence."""


def ask(kind: str, fields: "Mapping[str, str]", payload: bytes = b"", timeout: float = TIMEOUT_S) -> bytes:
    """Sends one request and returns the answer.  Raises NoDaemon where none comes in time, Refused where it says no.

    After NoDaemon the request may have been carried out all the same: it must be one that can be done twice.
    """
    until = time.monotonic() + timeout
    connection = connect(timeout)
    try:
        connection.sendall(protocol.encode_request(kind, fields, payload))
        data = bytearray()
        while (answer := protocol.decode_answer(data)) is None:
            connection.settimeout(max(until - time.monotonic(), 0.001))
            part = connection.recv(1 << 16)
            if not part:
                raise NoDaemon("the daemon ended in the middle of its answer")
            data += part
    except (OSError, protocol.BadFrame) as error:
        raise NoDaemon(str(error)) from error
    finally:
        connection.close()
    if not answer[0]:
        raise Refused(answer[1].decode("utf-8", "replace"))
    return answer[1]


def connect(timeout: float) -> "_socket.socket":
    """Returns a connection to this user's daemon, checked.  Raises NoDaemon."""
    path = protocol.socket_path()
    if protocol.forbidden() or not protocol.is_ours(os.path.dirname(path)):
        raise NoDaemon("there is no folder of ours for a socket")
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(path)
        if peer(connection) != os.geteuid():
            raise NoDaemon("the socket is another user's")
    except OSError as error:
        connection.close()
        raise NoDaemon(str(error)) from error
    except NoDaemon:
        connection.close()
        raise
    return connection


def peer(connection: "_socket.socket") -> int:
    """Returns the user at the other end, as the kernel knows it."""
    if sys.platform == "darwin":
        # LOCAL_PEERCRED: struct xucred, of which the second field is the uid (sys/ucred.h)
        data = connection.getsockopt(0, 1, 76)
        return int(struct.unpack_from("iI", data)[1])
    data = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    return int(struct.unpack("3i", data)[1])


def lines(kind: str, fields: "Mapping[str, str]", timeout: "float | None") -> "Iterator[bytes]":
    """Subscribes, and yields the daemon's lines as they come; b"" after each `timeout` without one.

    Ends where the daemon ends.  Raises NoDaemon where there is none, or it does not speak.
    """
    connection = connect(TIMEOUT_S)
    try:
        connection.sendall(protocol.encode_request(kind, fields, b""))
        data = bytearray()
        connection.settimeout(timeout)
        while True:
            try:
                part = connection.recv(1 << 16)
            except TimeoutError:
                yield b""
                continue
            if not part:
                return
            data += part
            while (end := data.find(b"\n")) >= 0:
                line = bytes(data[:end])
                del data[: end + 1]
                if line.startswith(b"no "):
                    raise NoDaemon("the daemon refused the subscription")
                if line != b"ok 0":  # the answer to the subscription itself
                    yield line
    except OSError as error:
        raise NoDaemon(str(error)) from error
    finally:
        connection.close()
