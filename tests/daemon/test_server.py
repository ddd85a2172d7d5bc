"""The server by itself: each connection gets its answers, in order and whole, and its own time."""

import os
import socket
import threading

import pytest
from waiting import until

from memshim.daemon import protocol, server


class Bare:
    """Is a server whose requests are answered by the test."""

    def __init__(self) -> None:
        self.requests: list[server.Answer] = []
        self.server = server.Server(self.handle, lambda: 60.0)
        assert self.server.listen()
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()

    def handle(self, request: protocol.Request, answer: "server.Answer") -> bool:
        if request.kind == "watch":
            answer(b"", True)
            return True
        self.requests.append(answer)
        return False

    def connect(self, kind: str, count: int = 1) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(protocol.socket_path())
        sock.settimeout(20)
        sock.sendall(protocol.encode_request(kind, {"more": "1"}, b"") * count)
        return sock

    def subscribe(self) -> socket.socket:
        sock = self.connect("watch")
        assert sock.recv(5) == b"ok 0\n"
        return sock


@pytest.fixture
def bare():
    made = Bare()
    yield made
    made.server.stop()
    made.thread.join(20)
    assert not made.thread.is_alive()
    if made.server._wake_w >= 0:
        made.server.close()


def test_who_answers_when_all_is_closed_writes_into_no_other_file(bare, tmp_path):
    """The numbers of the closed handles are soon those of others."""
    bare.server.stop()
    bare.thread.join(20)
    bare.server.close()
    opened = [os.open(tmp_path / str(n), os.O_WRONLY | os.O_CREAT) for n in range(20)]
    bare.server.call(lambda: None)
    bare.server.stop()
    for fd in opened:
        os.close(fd)
    assert not any((tmp_path / str(n)).stat().st_size for n in range(20))


def test_the_next_request_of_a_connection_waits_until_this_one_is_answered(bare):
    with bare.connect("status", 2) as sock:
        assert until(lambda: len(bare.requests) == 1)
        with bare.connect("status"):  # somebody else's is not held up
            assert until(lambda: len(bare.requests) == 2)
        bare.requests[0](b"first", True)
        assert until(lambda: len(bare.requests) == 3)
        bare.requests[2](b"second", True)
        assert sock.makefile("rb").read(21) == b"ok 5\nfirstok 6\nsecond"  # at once or one by one


def test_a_request_may_be_worked_on_for_as_long_as_it_takes(bare, monkeypatch):
    monkeypatch.setattr(server, "FRAME_S", 0.02)
    with bare.connect("status") as sock:
        assert until(lambda: len(bare.requests) == 1)
        for _ in range(2):  # others are late meanwhile
            with socket.socket(socket.AF_UNIX) as silent:
                silent.connect(protocol.socket_path())
                assert silent.recv(1) == b""
        bare.requests[0](b"done", True)
        assert sock.recv(100) == b"ok 4\ndone"


def test_a_subscriber_may_be_silent_and_one_that_goes_is_noticed(bare, monkeypatch):
    monkeypatch.setattr(server, "SILENT_S", 0.02)
    monkeypatch.setattr(server, "FRAME_S", 0.02)
    with bare.subscribe() as sock:
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as silent:
                silent.connect(protocol.socket_path())
                assert silent.recv(1) == b""
        assert bare.server.subscribers() == 1
        bare.server.broadcast(b"line")
        assert sock.recv(100) == b"line\n"
    assert until(lambda: bare.server.connections() == 0)


def test_a_subscriber_who_reads_late_gets_all_that_was_not_too_much(bare):
    lines = [b"%d " % n + b"x" * 50_000 for n in range(16)]
    with bare.subscribe() as sock:
        for line in lines:
            bare.server.broadcast(line)
        wanted, found = b"".join(line + b"\n" for line in lines), b""
        while len(found) < len(wanted):
            part = sock.recv(1 << 20)
            assert part
            found += part
        assert found == wanted
        for _ in range(60):
            bare.server.broadcast(lines[0])
        assert until(lambda: bare.server.subscribers() == 0)  # nobody keeps it for them
