"""One daemon per user: it starts, outlives its starter, gives way to a newer one, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import until

from memshim import __version__
from memshim.daemon import client, lifecycle, protocol

pytest_plugins = ["daemon_fixtures"]


@pytest.fixture
def ended(daemon_allowed):
    yield
    assert lifecycle.stop()


def _files(folder):
    return sorted(p.name for p in Path(folder).rglob("*") if not p.is_dir()) if os.path.isdir(folder) else []


def _is_gone(pid):
    """Tells whether a process has ended; who adopted it may be slow to ask for its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_it_outlives_its_starter_and_a_second_start_says_that_it_runs(ended, run_memshim):
    first = run_memshim("daemon", "start", check=True)
    assert b"The daemon runs, as process" in first.stdout
    pid = lifecycle.status()["pid"]
    assert os.getsid(pid) not in (os.getsid(0), pid)  # in a session of its own, which it does not lead
    again = run_memshim("daemon", "start", check=True)
    assert again.stdout == f"The daemon runs already, as process {pid}.\n".encode()
    assert f"process {pid}".encode() in run_memshim("daemon", "status", check=True).stdout
    assert run_memshim("daemon", "stop", check=True).stdout == b"The daemon has ended.\n"
    assert until(lambda: _is_gone(pid))


def test_stopped_it_leaves_no_socket_and_no_pid(start_daemon):
    process = start_daemon()
    assert os.stat(protocol.socket_path()).st_mode & 0o777 == 0o600
    assert lifecycle.stop()
    assert process.wait(10) == 0
    assert _files(protocol.folder()) == []
    assert not any("pid" in name for name in _files(os.environ["XDG_STATE_HOME"]))
    assert lifecycle.status() is None


def test_what_a_killed_one_left_behind_stops_nobody(start_daemon):
    process = start_daemon()
    process.kill()
    process.wait()
    assert os.path.exists(protocol.socket_path())
    assert lifecycle.status() is None
    with pytest.raises(client.NoDaemon):
        client.ask("status", {})
    assert start_daemon().poll() is None


def test_there_is_one_however_many_are_started_at_once(start_daemon):
    code = "import sys; from memshim.daemon.lifecycle import run; sys.exit(0 if run() else 7)"
    others = [subprocess.Popen([sys.executable, "-P", "-c", code]) for _ in range(5)]
    assert until(lambda: sum(p.poll() is None for p in others) == 1)
    assert sorted(p.returncode for p in others if p.poll() is not None) == [7] * 4
    assert lifecycle.stop()
    assert [p.wait(10) for p in others].count(0) == 1


def test_it_ends_when_nobody_has_used_it_for_a_while(start_daemon):
    process = start_daemon(MEMSHIM_DAEMON_IDLE="1.2")
    assert process.wait(20) == 0
    assert _files(protocol.folder()) == []


def test_one_of_another_version_gives_way(start_daemon):
    old = start_daemon("import memshim; memshim.__version__ = '0.0.1'; from memshim.daemon.lifecycle import run; run()")
    assert lifecycle.status()["program"] == "0.0.1"
    new = start_daemon()
    assert old.wait(10) == 0
    assert until(lambda: (lifecycle.status() or {}).get("pid") == new.pid)  # it listens when the old one has gone
    assert lifecycle.status()["program"] == __version__


def test_the_start_of_a_session_starts_it_once_and_replaces_an_older_one(ended, start_daemon):
    old = start_daemon("import memshim; memshim.__version__ = '0.0.1'; from memshim.daemon.lifecycle import run; run()")
    lifecycle.start_if_wanted()
    assert lifecycle.wait_for(True, 20)
    assert old.wait(10) == 0
    pid = lifecycle.status()["pid"]
    lifecycle.start_if_wanted()
    assert lifecycle.status()["pid"] == pid


def test_where_it_is_forbidden_nothing_starts_or_asks(run_memshim):
    assert os.environ["MEMSHIM_DAEMON"] == "off"
    lifecycle.start_if_wanted()
    assert not protocol.present()
    answer = run_memshim("daemon", "start")
    assert answer.returncode == 1
    assert b"forbids" in answer.stderr
    assert run_memshim("daemon", "status").returncode == 1


def test_a_signal_ends_it_as_a_stop_does(start_daemon):
    process = start_daemon()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert _files(protocol.folder()) == []


def test_without_a_folder_of_its_own_it_runs_and_has_no_socket(start_daemon, tmp_path, monkeypatch):
    elsewhere = tmp_path / "planted"
    elsewhere.mkdir(mode=0o700)
    os.symlink(elsewhere, protocol.folder())
    process = subprocess.Popen([sys.executable, "-P", "-m", "memshim.daemon"])
    log = Path(lifecycle.log_file())
    assert until(lambda: log.exists() and b"there is no socket" in log.read_bytes())
    assert list(elsewhere.iterdir()) == []
    assert lifecycle.status() is None
    assert lifecycle.stop()  # by its pid: there is no other door
    assert process.wait(10) == 0


def test_it_ends_when_its_own_files_are_those_of_another_version(start_daemon):
    code = "import memshim; memshim.__version__ = '0.0.1'; from memshim.daemon import lifecycle as l; l.UPGRADE_S = 0.5; l.run()"
    assert start_daemon(code).wait(20) == 0
    assert _files(protocol.folder()) == []


def test_the_hook_of_a_session_starts_it_and_the_next_goes_through_it(ended, watched):
    event = {"hook_event_name": "SessionStart", "session_id": "s1", "cwd": str(watched), "source": "startup"}
    command = [sys.executable, "-I", "-S", str(Path(lifecycle.__file__).parent.parent / "hook.py")]
    subprocess.run(command, input=json.dumps(event).encode(), check=True, timeout=30)
    assert lifecycle.wait_for(True, 20)
    fields = {name: os.environ.get(name, "") for name in ("HOME", "XDG_STATE_HOME", "CLAUDE_CONFIG_DIR")}
    assert client.ask("hook", fields, json.dumps(event).encode(), timeout=10) == b""
    with pytest.raises(client.Refused):
        client.ask("hook", {**fields, "HOME": "/elsewhere"}, b"{}")
