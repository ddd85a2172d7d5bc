"""hook.py asks the daemon if there is one, and does the work itself if it gets no answer."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from conftest import RunMemshim
from waiting import until

from memshim import Store
from memshim.daemon import protocol
from memshim.disk import incidents
from memshim.hook import TOLD

pytest_plugins = ["daemon_fixtures"]
ROOT = Path(__file__).resolve().parents[2]


def edit(memory: Path, new: str, old: str = "", session: str = "5e55") -> dict[str, object]:
    """An Edit, done on disk, as its PostToolUse; it puts a line behind `- two`, or in the place of `old`."""
    path = memory / "MEMORY.md"
    before = path.read_text()
    old, text = (old, new) if old else ("- two\n", f"- two\n{new}\n")
    path.write_text(before.replace(old, text))
    asked = {"file_path": str(path), "old_string": old, "new_string": text}
    said = {"filePath": str(path), "oldString": old, "newString": text, "originalFile": before}
    return {
        "hook_event_name": "PostToolUse", "session_id": session, "cwd": "/", "tool_name": "Edit", "tool_use_id": new,
        "tool_input": asked, "tool_response": said,
    }  # fmt: skip


def round_of(event: dict[str, object]) -> dict[str, object]:
    """The PostToolBatch that the client sends when all calls of a turn are over."""
    call = {name: event[name] for name in ("tool_name", "tool_input", "tool_use_id")}
    shown = {**call, "tool_response": "The file has been updated successfully."}
    return {"hook_event_name": "PostToolBatch", "session_id": event["session_id"], "cwd": "/", "tool_calls": [shown]}


def hook(event: object, says: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-I", "-S", "-X", "importtime", str(ROOT / "memshim" / "hook.py")]
    done = subprocess.run(command, input=json.dumps(event).encode(), capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done
    assert says in done.stdout if says else done.stdout == b"", done
    return done


def taken_in(memory: Path) -> list[str]:
    """The sessions of the edits that became entries, the newest first."""
    return [e.session for e in Store.open(memory).log() if e.kind == "edit"]


def test_the_daemon_takes_it_in_and_hook_imports_nothing_for_it(
    watched: Path, daemon: "subprocess.Popen[bytes]"
) -> None:
    done = hook(edit(watched, "- three"))
    assert b"memshim.agents" not in done.stderr
    assert b"memshim.store" not in done.stderr
    assert until(lambda: taken_in(watched) == ["5e55"])


def test_an_agent_goes_on_before_its_edit_is_merged(watched: Path, daemon: "subprocess.Popen[bytes]") -> None:
    with Store.open(watched).turn(take_in=False):  # nobody can merge now
        done = hook(edit(watched, "- three"))
        assert b"memshim.agents" not in done.stderr  # it had an answer, and did nothing itself
    assert until(lambda: taken_in(watched) == ["5e55"])


def test_what_nobody_waited_for_is_said_at_the_end_of_the_round(
    watched: Path, daemon: "subprocess.Popen[bytes]"
) -> None:
    before = (watched / "MEMORY.md").read_text()
    hook(edit(watched, "- 2", old="- two", session="a11ce"))
    assert until(lambda: taken_in(watched) == ["a11ce"])
    begun = {"hook_event_name": "PreToolUse", "session_id": "5e55", "tool_name": "Edit", "tool_use_id": "- zwei"}
    hook({**begun, "tool_input": {"file_path": str(watched / "MEMORY.md")}})  # so the daemon leaves its bytes alone
    (watched / "MEMORY.md").write_text(before)  # it had read it before the other one
    mine = edit(watched, "- zwei", old="- two")
    hook(mine)
    hook(round_of(mine), says=b"clashes with main's")
    hook(round_of(mine))
    assert sorted(taken_in(watched)) == ["5e55", "a11ce"]


def test_a_daemon_that_is_killed_after_its_answer_loses_nothing(
    watched: Path, daemon: "subprocess.Popen[bytes]", run_memshim: RunMemshim
) -> None:
    before = (watched / "MEMORY.md").read_text()
    with Store.open(watched).turn(take_in=False):
        done = hook(edit(watched, "- three"))
        assert b"memshim.agents" not in done.stderr
        (watched / "MEMORY.md").write_text(before)  # the event is the only copy now
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
    assert b"- three" in run_memshim("show", "--store", watched, check=True).stdout
    assert taken_in(watched) == ["5e55"]
    assert incidents.recent(0) == []


def test_a_daemon_that_was_killed_costs_nothing(watched: Path, daemon: "subprocess.Popen[bytes]") -> None:
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()
    assert os.path.exists(protocol.socket_path())
    done = hook(edit(watched, "- three"))
    assert b"memshim.agents" in done.stderr
    assert until(lambda: taken_in(watched) == ["5e55"])
    assert incidents.recent(0) == []


def test_a_daemon_that_does_not_answer_costs_nothing(watched: Path, daemon: "subprocess.Popen[bytes]") -> None:
    daemon.send_signal(signal.SIGSTOP)
    try:
        hook(edit(watched, "- three"))
    finally:
        daemon.send_signal(signal.SIGCONT)
    assert until(lambda: taken_in(watched) == ["5e55"])


def test_a_daemon_of_another_home_is_not_believed(
    watched: Path, start_daemon: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    start_daemon(HOME=str(tmp_path))
    done = hook(edit(watched, "- three"))
    assert b"memshim.agents" in done.stderr
    assert until(lambda: taken_in(watched) == ["5e55"])


def test_the_front_and_hook_tell_the_daemon_the_same() -> None:
    front = (ROOT / "hooks" / "memshim-hook").read_text()
    [line] = [line for line in front.splitlines() if "for name in HOME" in line]
    assert line.partition(" in ")[2].removesuffix("; do").split() == list(TOLD)
