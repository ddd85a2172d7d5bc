"""Two users of one machine: neither end of the socket speaks with the other's, whatever the file modes say."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from memshim.daemon import client, protocol

pytest_plugins = ["daemon_fixtures"]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")

NOBODY = 65534


@contextmanager
def another_user(work) -> Iterator[int]:
    """Runs `work(say)` in a child that may call `become()`; gives the descriptor that what it says is read from."""
    out, into = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(out)
            work(lambda text: os.write(into, text))
        finally:
            os._exit(0)
    os.close(into)
    try:
        yield out
    finally:
        os.close(out)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def become():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def test_who_gets_through_to_the_socket_is_turned_away_all_the_same(daemon):
    os.chmod(protocol.folder(), 0o755)
    os.chmod(protocol.socket_path(), 0o666)

    def knock(say):
        os.chdir(protocol.folder())  # as root, because the folders above are closed
        become()
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20)
        try:
            sock.connect("socket")
            sock.sendall(protocol.encode_request("status", {}, b""))
            say(b"heard: " + sock.recv(100))
        except ConnectionError:
            say(b"heard: ")

    with another_user(knock) as heard:
        assert os.read(heard, 100) == b"heard: "
    os.chmod(protocol.folder(), 0o700)
    assert json.loads(client.ask("status", {}, timeout=10))["pid"] == daemon.pid


def test_a_folder_of_another_user_is_not_trusted(daemon):
    os.chown(protocol.folder(), NOBODY, NOBODY)
    with pytest.raises(client.NoDaemon, match="no folder of ours"):
        client.ask("status", {})
    os.chown(protocol.folder(), 0, 0)


def test_a_socket_that_another_user_listens_on_is_told_nothing(daemon_allowed):
    os.makedirs(protocol.folder(), 0o700)

    def pose(say):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(protocol.socket_path())
        become()
        sock.listen()
        say(b"listening")
        asking, _ = sock.accept()
        say(asking.recv(100))
        say(b"the end")

    with another_user(pose) as said:
        assert os.read(said, 100) == b"listening"
        with pytest.raises(client.NoDaemon, match="another user"):
            client.ask("hook", {"HOME": os.environ["HOME"]}, b"a secret")
        assert os.read(said, 100) == b"the end"


def test_the_daemon_does_not_write_to_the_store_of_another_user(daemon, watched):
    os.chown(watched / ".memshim", NOBODY, NOBODY)
    before = (watched / "MEMORY.md").read_bytes()
    with pytest.raises(client.Refused, match="another user"):
        client.ask("append", {"store": str(watched), "agent": "bob", "id": "0" * 32}, b"- planted")
    assert (watched / "MEMORY.md").read_bytes() == before
