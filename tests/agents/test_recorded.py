"""The recordings are whole: every event that memshim reads is there, of each kind, and no path of a machine."""

import json
import re
from pathlib import Path

import pytest
from recorded import PAYLOADS, SESSIONS, event, places, session, tools

KINDS = [
    ("SessionStart", None),
    ("PreToolUse", "Read"),
    ("PreToolUse", "Edit"),
    ("PreToolUse", "Write"),
    ("PreToolUse", "Bash"),
    ("PostToolUse", "Read"),
    ("PostToolUse", "Edit"),
    ("PostToolUse", "Write"),
    ("PostToolUse", "Bash"),
    ("PostToolUseFailure", "Edit"),
    ("PostToolUseFailure", "Write"),
    ("PostToolUseFailure", "Bash"),
    ("PostToolBatch", "Edit"),
    ("PostToolBatch", "Write"),
    ("SubagentStart", None),
    ("SubagentStop", None),
    ("SessionEnd", None),
]


@pytest.mark.parametrize(("name", "tool"), KINDS)
def test_every_event_is_recorded(name: str, tool: str | None, tmp_path: Path) -> None:
    found = [e for s in SESSIONS for e in session(s, tmp_path) if e["hook_event_name"] == name]
    assert any(tool is None or tool in tools(e) for e in found)


@pytest.mark.parametrize("name", SESSIONS)
def test_paths_are_filled_in_and_none_is_of_another_machine(name: str, tmp_path: Path) -> None:
    told = json.dumps(session(name, tmp_path))
    assert str(tmp_path) in told
    assert not any(placeholder in told for placeholder in places(tmp_path))
    recorded = (PAYLOADS / f"{name}.json").read_text()
    # What is left are the ends of paths that begin with a placeholder.
    assert not re.search(r"(?<![\w>/.-])/(tmp|home|root|Users|var|private)/", recorded)


def test_a_stale_write_that_only_the_batch_tells_of(tmp_path: Path) -> None:
    told = session("refused-in-validation", tmp_path)
    batch = event("refused-in-validation", tmp_path, "PostToolBatch", "Write")
    (call,) = batch["tool_calls"]
    others = [e for e in told if e.get("tool_use_id") == call["tool_use_id"]]
    assert "File has been modified since read" in call["tool_response"]
    assert others == []
