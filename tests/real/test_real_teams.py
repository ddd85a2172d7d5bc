"""Teammates, which only the client on a terminal has: agents with names, in the session of who leads them."""

import json
import os
import pty
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from api import Call, Gate, Turn
from room import Room, edit, lines, read, together, until, write

pytest_plugins = ["rooms"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

START = "# Memory\n- one\n- two\nEND\n"


@contextmanager
def on_a_terminal(room: Room, prompt: str) -> Iterator[None]:
    """The client as a person starts it, everything that it asks at first answered, until the block ends."""
    known = {os.path.realpath(room.project): {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}}
    answers = {"hasCompletedOnboarding": True, "theme": "dark", "projects": known}
    answers["customApiKeyResponses"] = {"approved": [room.environment()["ANTHROPIC_API_KEY"][-20:]], "rejected": []}
    (room.config / ".claude.json").write_text(json.dumps(answers))
    room.settings({"skipDangerousModePermissionPrompt": True})
    ours, theirs = pty.openpty()

    def drain() -> None:
        with suppress(OSError):
            while os.read(ours, 1 << 16):
                pass

    reader = threading.Thread(target=drain)
    client = subprocess.Popen(
        [str(room.claude), "--dangerously-skip-permissions", prompt],
        cwd=room.project,
        env=room.environment({"CLAUDE_CODE_EXPERIMENTAL_AGENT_TEAMS": "1", "TERM": "xterm-256color"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    reader.start()
    try:
        yield
    finally:
        client.kill()
        client.wait()
        reader.join()  # its read fails when the client has closed the other end
        os.close(ours)


def test_two_teammates_and_another_session_write_at_once(room: Room) -> None:
    room.remember(START)
    gate = Gate(3)
    room.api.scripts |= {
        "bob": [read(room.index), Turn([edit(room.index, "END", "- by bob\nEND")], gate=gate), "done"],
        "eve": [
            read(room.index),
            Turn([write(room.index, START.replace("END", "- by eve\nEND"))], gate=gate),
            "done",
        ],
    }
    mates = [
        Call("Agent", {"description": name, "subagent_type": "general-purpose", "name": name, "prompt": f"play:{name}"})
        for name in ("bob", "eve")
    ]
    room.api.scripts["lead"] = [together(*mates), "waiting"]

    def wrote() -> dict[str, str]:
        if not room.stores():
            return {}
        log = json.loads(room.memshim("log", "--json", "--store", room.memory))["entries"]
        return {entry["name"]: entry["session"] for entry in log if entry["kind"] in ("edit", "write")}

    with on_a_terminal(room, "Go on. play:lead"):
        other = room.run([Turn([edit(room.index, "- one", "- ONE")], gate=gate), "done"])
        until(lambda: wrote().keys() == {"bob", "eve", "main"}, 60)
    assert lines(room.index) == Counter(["# Memory", "- ONE", "- two", "- by bob", "- by eve", "END"])
    assert wrote()["bob"] == wrote()["eve"] != wrote()["main"] == other.id
