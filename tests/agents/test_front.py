"""The `sh` front: what it lets through, under every shell that is here, with payloads as odd as they come."""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HOOKS = Path(__file__).resolve().parents[2] / "hooks"
SHELLS = [name for name in ("dash", "bash") if shutil.which(name)]
STAND_IN = "import sys; sys.stdout.buffer.write(b'got ' + sys.stdin.buffer.read())"


class Front:
    """Is the front in a folder of its own, with a stand-in for `hook.py` beside it as in an installed package."""

    def __init__(self, folder: Path, shell: str) -> None:
        self.hooks = folder / "package" / "hooks"
        self.hook = folder / "package" / "hook.py"
        self.shell = shell
        self.state = Path(os.environ["XDG_STATE_HOME"]) / "memshim"
        shutil.copytree(HOOKS, self.hooks)
        self.hook.write_text(STAND_IN)

    def run(self, how: str, event: bytes, *words: str, python: str = sys.executable, **environ: str) -> bytes:
        """Runs the front as the command in an agent's settings does, and returns what it printed: only that, and exit 0."""
        quoted = " ".join(f"'{word}'" for word in (how, python, *words))
        command = f'F=\'{self.hooks}/memshim-hook\'; [ -r "$F" ] || exit 0; set -- {quoted}; . "$F"'
        # Other tests may start no daemon; here one is only ever asked.
        inherited = {name: value for name, value in os.environ.items() if name != "MEMSHIM_DAEMON"}
        done = subprocess.run(
            [self.shell, "-c", command], input=event, capture_output=True, env={**inherited, **environ}, check=False
        )
        assert (done.returncode, done.stderr) == (0, b""), done
        return done.stdout

    def incidents(self) -> list[str]:
        """Returns what the front noted."""
        path = self.state / "incidents"
        return [json.loads(line)["what"] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(params=SHELLS)
def front(request: pytest.FixtureRequest, tmp_path: Path) -> Front:
    made = Front(tmp_path, request.param)
    made.state.mkdir(parents=True)
    return made


def bash_event(command: str, output: str = "", name: str = "PostToolUse", cwd: str = "/home/u/work") -> bytes:
    """An event of the Bash tool, as the client writes it."""
    event = {
        "session_id": "91130daa-0000-4000-8000-000000000000",
        "transcript_path": "/home/u/.claude/projects/-home-u-work/91130daa.jsonl",
        "cwd": cwd,
        "hook_event_name": name,
        "tool_name": "Bash",
        "tool_input": {"command": command},
        "tool_response": {"stdout": output, "stderr": ""},
        "tool_use_id": "toolu_1",
    }
    return json.dumps(event).encode() + b"\n"


@pytest.mark.parametrize(
    "command",
    [
        "echo x >> ~/.claude/projects/-home-u-work/memory/MEMORY.md",
        "cd ~/.claude/projects/-x/memory && sed -i s/a/b/ topic.md",
        "rm $HOME/.claude/projects/-x/memory/*.md",
        "cp a.md .claude/agent-memory/bob/",
        "echo x >> memory/topic.md",
        "cd /m/memory",
        "cd '/m/memory'",
        'printf "%s\\n" "- \\"quoted\\"" >> MEMORY.md',
        "cat <<EOF\ntool_response\nEOF\necho >> MEMORY.md",
        "echo '{\"tool_response\":1}' >> MEMORY.md",
        "é" * 5000 + " > MEMORY.md",
    ],
)
def test_a_command_that_may_write_to_memory_is_handed_on_byte_for_byte(front: Front, command: str) -> None:
    event = bash_event(command, "x" * 3000)
    assert front.run("look", event) == b"got " + event


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("make test", ""),
        ("make test", "MEMORY.md /memory/ agent-memory"),
        ("echo out of memory; free memory", ""),
        ("cat src/memory.c in-memory memory-lab", ""),
        ("ls /home/u/memory-lab/x", "-" * 100_000),
        ("tool_response", "MEMORY.md"),
    ],
)
def test_other_commands_start_no_python(front: Front, command: str, output: str) -> None:
    front.hook.write_text("raise SystemExit('Python was started')")
    assert front.run("look", bash_event(command, output)) == b""
    assert front.incidents() == []
    assert not (front.state / "hook-fired").exists()


def test_a_command_in_a_memory_folder_is_handed_on(front: Front) -> None:
    event = bash_event("sed -i s/a/b/ topic.md", cwd="/home/u/.claude/projects/-x/memory")
    assert front.run("look", event) == b"got " + event


def test_a_place_of_ones_own_is_looked_for(front: Front) -> None:
    event = bash_event("cd ~/notes/team$x && touch new.md")
    assert front.run("look", event) == b""
    assert front.run("look", event, "a/b", "notes/team$x") == b"got " + event


def test_a_batch_is_searched_to_its_end(front: Front) -> None:
    calls = [
        {"tool_name": "Read", "tool_input": {"file_path": "/a.py"}, "tool_response": "x"},
        {
            "tool_name": "Write",
            "tool_input": {"file_path": "/x/memory/a.md"},
            "tool_response": "File has been modified",
        },
    ]
    event = json.dumps({"hook_event_name": "PostToolBatch", "tool_calls": calls}).encode()
    assert front.run("look", event) == b"got " + event
    event = json.dumps({"hook_event_name": "PostToolBatch", "tool_calls": calls[:1]}).encode()
    assert front.run("look", event) == b""


@pytest.mark.parametrize(
    "event",
    [
        b"",
        b"\n",
        b"{",
        b'"' * 1001,
        b"\\" * 1001,
        b'{"tool_input": {"command": "$(touch pwned) `touch pwned` %s%n \\\\"}}',
        b"\xff\xfe\x00\x01" * 300,
        b"x" * 3_000_000,
        b'{"a": "' + b"\\n" * 1_000_000 + b'"}',
        b"\n".join([b'"tool_input"'] * 5000),
    ],
)
def test_no_payload_is_too_odd(front: Front, event: bytes) -> None:
    assert front.run("look", event) == b""
    answer = front.run("take", event)
    assert answer == b"got " + event
    assert front.incidents() == []
    assert not list(Path().glob("pwned"))


def test_random_bytes_with_a_memory_in_them_come_through_unchanged(front: Front, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(8):
        noise = bytes(chance.choice(b"\"\\{}: \xe9\xff\r\t%$`'ab") for _ in range(chance.randrange(5000)))
        at = chance.randrange(len(noise) + 1)
        event = noise[:at] + b" MEMORY.md " + noise[at:] + b"\n"
        assert front.run("look", event) == b"got " + event


def test_the_last_firing_leaves_its_time(front: Front) -> None:
    front.run("take", b"{}\n")
    first = (front.state / "hook-fired").stat()
    os.utime(front.state / "hook-fired", (1, 1))
    front.run("take", b"{}\n")
    assert (front.state / "hook-fired").stat().st_mtime >= first.st_mtime


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import os; os.kill(os.getpid(), 9)", "import nowhere"])
def test_a_hook_that_fails_is_an_incident_and_no_answer(front: Front, code: str) -> None:
    front.hook.write_text(code)
    assert front.run("take", b"{}\n") == b""
    assert front.incidents() == ["hook-failed"]


def test_a_damaged_installation_is_an_incident(front: Front) -> None:
    """Of memshim only hook.py is left, so it cannot note anything itself."""
    shutil.copy(HOOKS.parent / "memshim" / "hook.py", front.hook)
    assert front.run("take", b"{}\n") == b""
    assert front.incidents() == ["hook-failed"]


def test_without_awk_every_event_is_handed_on(front: Front, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    event = bash_event("make test")
    shell = shutil.which(front.shell)
    assert shell
    front.shell = shell
    assert front.run("look", event, PATH=str(few)) == b"got " + event


def test_a_front_that_is_gone_is_nothing(front: Front) -> None:
    shutil.rmtree(front.hooks)
    assert front.run("take", b"{}\n") == b""
    assert front.incidents() == []


# --- which Python -------------------------------------------------------------------------------------------


def test_the_python_that_was_remembered_is_used(front: Front) -> None:
    (front.state / "hook-python").write_text(sys.executable + "\n")
    assert front.run("take", b"{}\n", python="") == b"got {}\n"


def test_without_a_python_nothing_happens_but_an_incident(front: Front) -> None:
    assert front.run("take", b"{}\n", python="/no/such/python") == b""
    assert front.incidents() == ["no-python"]


def test_a_session_start_finds_a_python_once(front: Front, tmp_path: Path) -> None:
    folder = tmp_path / "pythons"
    folder.mkdir()
    old = folder / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    (folder / "python3.11").symlink_to(sys.executable)
    path = f"{folder}:{os.environ['PATH']}"
    assert front.run("start", b"{}\n", python="", PATH=path) == b"got {}\n"
    found = (front.state / "hook-python").read_text().strip()
    assert os.path.isabs(found)
    old.write_text("#!/bin/sh\ntouch started\n")
    assert front.run("start", b"{}\n", python="", PATH=path) == b"got {}\n"
    assert not Path("started").exists()


def test_a_session_start_says_that_there_is_no_python(front: Front, tmp_path: Path) -> None:
    folder = tmp_path / "none"
    folder.mkdir()
    for name in ("date", "cat", "id"):
        (folder / name).symlink_to(shutil.which(name) or "")
    front.shell = shutil.which(front.shell) or ""
    said = json.loads(front.run("start", b"{}\n", python="", PATH=str(folder)))
    assert "no Python 3.11" in said["systemMessage"]
    assert front.incidents() == ["no-python"]


def test_a_relative_state_folder_is_not_trusted(front: Front) -> None:
    """It would lie in the project, and with it the Python that is run."""
    folder = Path("state/memshim")
    folder.mkdir(parents=True)
    planted = Path("planted").absolute()
    planted.write_text("#!/bin/sh\ntouch pwned\n")
    planted.chmod(0o755)
    (folder / "hook-python").write_text(f"{planted}\n")
    assert front.run("take", b"{}\n", python="", XDG_STATE_HOME="state") == b""
    assert not Path("pwned").exists()


# --- the daemon ---------------------------------------------------------------------------------------------

NC = shutil.which("nc")
needs_nc = pytest.mark.skipif(
    NC is None or b"-U" not in subprocess.run([NC, "-h"], capture_output=True, check=False).stderr,
    reason="there is no nc with -U",
)


@contextmanager
def daemon(*answers: bytes) -> Iterator[list[bytes]]:
    """Stands in for the daemon: gives each connection the next answer, as it is, and keeps what it was sent."""
    folder = Path(os.environ["XDG_RUNTIME_DIR"]) / "memshim"
    folder.mkdir(mode=0o700)
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
        listening.listen()

        def serve() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                with connection:
                    asked.append(_request(connection))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join()


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\n\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\n\n")
    length = int(head.split(b"\n")[0].split()[-1])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\n\n" + body


@needs_nc
def test_the_daemon_is_asked_and_no_python_started(front: Front) -> None:
    front.hook.write_text("raise SystemExit('Python was started')")
    event = b'{"text": "\xc3\xa9 %s \\\\"}'
    with daemon(b"ok 0\n", b'ok 13\n{"a":"\xc3\xa9 %"}\n') as asked:
        assert front.run("take", event + b"\n", LANG="C.UTF-8", CLAUDE_PID="17") == b""
        assert front.run("take", event + b"\n", LANG="C.UTF-8") == b'{"a":"\xc3\xa9 %"}\n'
    assert asked[0].endswith(b"\n\n" + event + b"\n")
    assert asked[0].startswith(b"memshim 1 hook %d\n" % len(event + b"\n"))
    assert b"\nCLAUDE_PID=17\n" in asked[0]
    assert front.incidents() == []


@needs_nc
@pytest.mark.parametrize("answer", [b"", b"ok 20\n{", b"no 4\nbusy", b"what", b"ok\n", b"ok x\n{}", b"\n\n"])
def test_a_daemon_that_gives_no_whole_answer_costs_nothing(front: Front, answer: bytes) -> None:
    with daemon(answer):
        front.hook.write_text(STAND_IN + "; import os; sys.stdout.write(os.environ['MEMSHIM_DAEMON'])")
        assert front.run("take", b'{"a": 1}\n') == b'got {"a": 1}\noff'


@needs_nc
def test_a_session_start_is_no_matter_of_the_daemons(front: Front) -> None:
    with daemon() as asked:
        assert front.run("start", b"{}\n") == b"got {}\n"
    assert asked == []


@needs_nc
def test_a_socket_that_nobody_serves_costs_nothing(front: Front) -> None:
    with daemon():
        pass
    assert front.run("take", b'{"a": 1}\n') == b'got {"a": 1}\n'


@needs_nc
def test_a_daemon_is_not_asked_where_it_is_off_or_planted(front: Front) -> None:
    with daemon() as asked:
        assert front.run("take", b"{}\n", MEMSHIM_DAEMON="off") == b"got {}\n"
        elsewhere = Path(os.environ["XDG_RUNTIME_DIR"]) / "else"
        elsewhere.mkdir()
        (elsewhere / "memshim").symlink_to(Path(os.environ["XDG_RUNTIME_DIR"]) / "memshim")
        assert front.run("take", b"{}\n", XDG_RUNTIME_DIR=str(elsewhere)) == b"got {}\n"
        assert front.run("take", b"{}\n", HOME="a\nb=c") == b"got {}\n"
    assert asked == []


@needs_nc
def test_a_daemon_that_hangs_is_left_alone(front: Front) -> None:
    folder = Path(os.environ["XDG_RUNTIME_DIR"]) / "memshim"
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
        listening.listen()
        assert front.run("take", b"{}\n") == b"got {}\n"
