"""The socket: what a client may do, slow, silent or hostile, holds up nobody else."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import until

from memshim.daemon import client, protocol, server

pytest_plugins = ["daemon_fixtures"]


def connect():
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(protocol.socket_path())
    sock.settimeout(20)
    return sock


def works():
    return json.loads(client.ask("status", {}, timeout=10))["pid"] > 0


@given(
    st.dictionaries(st.sampled_from(["store", "A"]), st.text("ab=é /", max_size=9)), st.binary(max_size=40), st.data()
)
def test_a_request_comes_out_as_it_went_in_however_it_is_cut(fields, payload, data):
    whole = protocol.encode_request("hook", fields, payload)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert protocol.decode_request(whole[:cut], False) is None
    found = protocol.decode_request(whole, False)
    assert (found.kind, found.fields, found.payload) == ("hook", fields, payload)
    with pytest.raises(protocol.BadFrame):
        protocol.decode_request(whole[:cut], True)


def test_an_answer_comes_out_as_it_went_in():
    for ok in (True, False):
        assert protocol.decode_answer(protocol.encode_answer(b"x\n\x00", ok)) == (ok, b"x\n\x00")
    assert protocol.decode_answer(b"ok 3\nab") is None
    with pytest.raises(protocol.BadFrame):
        protocol.decode_answer(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize("name", ["a=b", "", "a\nb"])
def test_a_field_that_could_be_taken_for_another_is_not_sent(name):
    with pytest.raises(protocol.BadFrame):
        protocol.encode_request("hook", {name: "x"}, b"")


GARBAGE = [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, b"memshim 1\n\n"]
GARBAGE += [b"memshim 2 status 0\n\n", b"memshim 1 status -5\n\n", b"memshim 1 status 99999999999\n\n"]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_refused_in_a_sentence_and_the_connection_ends(daemon, garbage):
    with connect() as sock:
        sock.sendall(garbage)
        answer = b"".join(iter(lambda: sock.recv(4096), b""))
    assert answer.startswith(b"no ")
    assert works()


def test_a_kind_that_is_not_known_is_refused(daemon):
    with pytest.raises(client.Refused, match="no kind"):
        client.ask("dance", {})


def test_half_a_frame_and_nothing_at_all_are_cut_off_after_two_seconds(daemon):
    with connect() as half, connect() as nothing:
        half.sendall(b"memshim 1 status 10\n\nhal")
        begin = time.monotonic()
        assert works()
        assert half.recv(10) == b""
        assert nothing.recv(10) == b""
        assert 1 < time.monotonic() - begin < 10


def test_a_gigabyte_is_not_kept(daemon):
    with connect() as sock:
        sock.sendall(b"memshim 1 status -\n\n")
        sent = 0
        with contextlib.suppress(OSError):  # reset, or a broken pipe
            while sent < 1024:
                sock.sendall(b"x" * (1 << 20))
                sent += 1
    assert sent < 64
    assert works()


def test_beyond_64_connections_the_next_is_turned_away_and_the_rest_goes_on(daemon):
    held = [connect() for _ in range(server.CONNECTIONS)]
    try:
        with connect() as one_more:
            assert one_more.recv(1) == b""
        held[0].sendall(protocol.encode_request("status", {}, b""))
        assert held[0].recv(3) == b"ok "
    finally:
        for sock in held:
            sock.close()
    assert until(works)


def test_several_requests_may_follow_each_other_on_one_connection(daemon):
    with connect() as sock:
        sock.sendall(protocol.encode_request("status", {"more": "1"}, b"") * 3)
        data = b""
        for _ in range(3):
            while (answer := protocol.decode_answer(data)) is None:
                data += sock.recv(4096)
            assert answer[0]
            data = data[data.index(b"\n") + 1 + len(answer[1]) :]


def test_a_subscriber_who_does_not_read_holds_up_nobody(daemon, watched):
    with connect() as sock:
        sock.sendall(protocol.encode_request("watch", {}, b""))
        assert sock.recv(5) == b"ok 0\n"
        for _ in range(30):
            assert client.ask("publish", {"store": str(watched)}, timeout=20)
        assert works()


def test_it_acts_on_stores_only(daemon, tmp_path):
    for folder in ("", "relative", str(tmp_path), "/nowhere"):
        with pytest.raises(client.Refused):
            client.ask("publish", {"store": folder})
    assert not (tmp_path / ".memshim").exists()


def test_a_folder_that_others_may_enter_is_not_trusted(daemon):
    folder = os.path.dirname(protocol.socket_path())
    os.chmod(folder, 0o755)
    with pytest.raises(client.NoDaemon):
        client.ask("status", {})
    os.chmod(folder, 0o700)
    assert works()


def test_a_planted_socket_gets_no_answer_from_us_in_time(daemon_allowed):
    os.mkdir(protocol.folder(), 0o700)
    with socket.socket(socket.AF_UNIX) as planted:
        planted.bind(protocol.socket_path())
        planted.listen()
        begin = time.monotonic()
        with pytest.raises(client.NoDaemon):
            client.ask("status", {}, timeout=0.3)
        assert time.monotonic() - begin < 5


def test_a_path_that_is_too_long_gets_a_short_name(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("long" * 30)))
    path = protocol.socket_path()
    assert len(path) < 60
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("lang" * 30)))
    assert protocol.socket_path() != path
    assert os.path.dirname(protocol.socket_path()) == os.path.dirname(path)


@pytest.mark.skipif(shutil.which("nc") is None, reason="there is no nc")
def test_a_shell_with_nc_is_a_client(daemon):
    line = f"printf 'memshim 1 status -\\n\\n' | nc -U -N -w 2 {protocol.socket_path()}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=20, check=False)
    if b"usage" in done.stderr or b"invalid option" in done.stderr:
        pytest.skip("this nc cannot do it")
    assert done.stdout.startswith(b"ok ")
