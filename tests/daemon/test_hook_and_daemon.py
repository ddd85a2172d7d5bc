"""hook.py asks the daemon if there is one, and does the work itself if it gets no answer."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from memshim import Store
from memshim.daemon import protocol
from memshim.disk import incidents
from memshim.hook import TOLD

pytest_plugins = ["daemon_fixtures"]
ROOT = Path(__file__).resolve().parents[2]


def edit(memory: Path, new: str) -> dict[str, object]:
    """An Edit that put a line behind `- two`, done on disk, as its PostToolUse."""
    path = memory / "MEMORY.md"
    before = path.read_text()
    path.write_text(before.replace("- two\n", f"- two\n{new}\n"))
    asked = {"file_path": str(path), "old_string": "- two\n", "new_string": f"- two\n{new}\n"}
    said = {"filePath": str(path), "oldString": "- two\n", "newString": f"- two\n{new}\n", "originalFile": before}
    return {
        "hook_event_name": "PostToolUse", "session_id": "5e55", "cwd": "/", "tool_name": "Edit", "tool_use_id": new,
        "tool_input": asked, "tool_response": said,
    }  # fmt: skip


def hook(event: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-I", "-S", "-X", "importtime", str(ROOT / "memshim" / "hook.py")]
    done = subprocess.run(command, input=json.dumps(event).encode(), capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (0, b""), done
    return done


def test_the_daemon_takes_it_in_and_hook_imports_nothing_for_it(
    watched: Path, daemon: "subprocess.Popen[bytes]"
) -> None:
    done = hook(edit(watched, "- three"))
    assert b"memshim.agents" not in done.stderr
    assert b"memshim.store" not in done.stderr
    assert [e.session for e in Store.open(watched).log() if e.kind == "edit"] == ["5e55"]


def test_a_daemon_that_was_killed_costs_nothing(watched: Path, daemon: "subprocess.Popen[bytes]") -> None:
    daemon.send_signal(signal.SIGKILL)
    daemon.wait()
    assert os.path.exists(protocol.socket_path())
    done = hook(edit(watched, "- three"))
    assert b"memshim.agents" in done.stderr
    assert [e.session for e in Store.open(watched).log() if e.kind == "edit"] == ["5e55"]
    assert incidents.recent(0) == []


def test_a_daemon_that_does_not_answer_costs_nothing(watched: Path, daemon: "subprocess.Popen[bytes]") -> None:
    daemon.send_signal(signal.SIGSTOP)
    try:
        hook(edit(watched, "- three"))
    finally:
        daemon.send_signal(signal.SIGCONT)
    assert [e.session for e in Store.open(watched).log() if e.kind == "edit"] == ["5e55"]


def test_a_daemon_of_another_home_is_not_believed(
    watched: Path, start_daemon: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    start_daemon(HOME=str(tmp_path))
    done = hook(edit(watched, "- three"))
    assert b"memshim.agents" in done.stderr
    assert [e.session for e in Store.open(watched).log() if e.kind == "edit"] == ["5e55"]


def test_the_front_and_hook_tell_the_daemon_the_same() -> None:
    front = (ROOT / "hooks" / "memshim-hook").read_text()
    [line] = [line for line in front.splitlines() if "for name in HOME" in line]
    assert line.partition(" in ")[2].removesuffix("; do").split() == list(TOLD)
