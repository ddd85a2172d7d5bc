"""The door: what the client never sends does nothing, and every event is answered with exit 0."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from memshim.agents import claude, door, inbox, ingest
from memshim.agents.door import catch_up, handle
from memshim.disk import incidents
from memshim.store.store import Store

HOOK = Path(__file__).resolve().parents[2] / "memshim" / "hook.py"


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    folder = tmp_path / "config" / "projects" / "-proj" / "memory"
    folder.mkdir(parents=True)
    (folder / "MEMORY.md").write_text("# Memory\n\n- one\n- two\n")
    return folder


def edit(memory: Path, old: str, new: str, call: str = "toolu_1", session: str = "5e55", **more: Any) -> dict[str, Any]:
    """An Edit of MEMORY.md, done on disk, as its PostToolUse."""
    path = memory / "MEMORY.md"
    before = path.read_text()
    path.write_text(before.replace(old, new))
    asked = {"file_path": str(path), "old_string": old, "new_string": new}
    said = {"filePath": str(path), "oldString": old, "newString": new, "originalFile": before, "replaceAll": False}
    return {"hook_event_name": "PostToolUse", "session_id": session, "cwd": "/", "tool_name": "Edit", "tool_use_id": call,
            "tool_input": asked, "tool_response": said, **more}  # fmt: skip


def take(event: Any) -> dict[str, Any]:
    payload = json.dumps(event).encode()
    answer = handle(payload, os.environ, inbox.keep(payload))
    return json.loads(answer) if answer else {}


def entries(memory: Path) -> list[tuple[str, str]]:
    return [(e.kind, e.agent) for e in Store.open(memory).log()]


def test_an_edit_becomes_an_entry_of_its_agent_and_nothing_is_said(memory: Path) -> None:
    event = edit(memory, "- two\n", "- two\n- three\n")
    assert take(event) == {}
    (entry, _) = Store.open(memory).log()
    assert (entry.kind, entry.session, entry.extra["tool"], entry.extra["call"]) == ("edit", "5e55", "Edit", "toolu_1")
    assert entry.agent.startswith("main-")
    assert (memory / "MEMORY.md").read_text() == "# Memory\n\n- one\n- two\n- three\n"
    assert incidents.recent(0) == []


def test_an_event_that_comes_twice_is_taken_once(memory: Path) -> None:
    event = edit(memory, "- two\n", "- two\n- three\n")
    take(event)
    take(event)
    (memory / "MEMORY.md").write_text("# Memory\n\n- two\n- three\n")
    Store.open(memory).publish()
    take(event)
    assert [kind for kind, _ in entries(memory)] == ["adopt", "edit", "init"]
    assert (memory / "MEMORY.md").read_text() == "# Memory\n\n- two\n- three\n", "what was deleted since stays deleted"


def test_agents_of_one_session_have_names_of_their_own(memory: Path) -> None:
    take(edit(memory, "- two\n", "- two\n- 3\n", "a", agent_id="abob-1234", agent_type="bob"))
    take(edit(memory, "- 3\n", "- 3\n- 4\n", "b", agent_id="aauto_dream-1"))
    take(edit(memory, "- 4\n", "- 4\n- 5\n", "c", agent_id="a12"))
    take(edit(memory, "- 5\n", "- 5\n- 6\n", "d", agent_id="a13", agent_type="My / Réviewer\n"))
    names = [agent.rpartition("-")[0] for _, agent in entries(memory)]
    assert names[:4] == ["My---R-viewer-", "extract", "dream", "bob"]


def test_two_sessions_whose_ids_begin_alike_write_two_journals_and_each_goes_on_in_its_own(memory: Path) -> None:
    sessions = ["0123abcd-0000-4000-8000-000000000001", "0123abcd-ffff-4000-8000-000000000002"]
    for n in range(4):
        take(edit(memory, "- two\n", f"- two\n- {n}\n", f"toolu_{n}", session=sessions[n % 2]))
    agents = [agent for kind, agent in entries(memory) if kind == "edit"]
    assert agents == ["main-0123abcdffff", "main-0123abcd"] * 2


def test_a_change_that_finds_the_store_locked_is_taken_in_by_the_next(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.open(memory).init()
    event = edit(memory, "- two\n", "- two\n- three\n")
    monkeypatch.setattr(ingest, "LOCK_S", 0.01)
    with Store.open(memory).turn(take_in=False):
        assert take(event) == {}
    assert [row["error"] for row in incidents.recent(0)] == ["LockTimeout"]
    (memory / "MEMORY.md").write_text("# Memory\n\n- one\n- two\n")  # somebody writes an old copy over it
    take(edit(memory, "- one\n", "- one\n- and a half\n", "toolu_2"))
    assert [kind for kind, _ in entries(memory)] == ["edit", "init"], "it is too young to be left behind"
    monkeypatch.setattr(inbox, "LEFT_S", 0.0)
    take(edit(memory, "- one\n", "- 1\n", "toolu_3"))
    assert (memory / "MEMORY.md").read_text() == "# Memory\n\n- 1\n- and a half\n- two\n- three\n"
    assert [kind for kind, _ in entries(memory)] == ["edit", "edit", "edit", "init"]
    assert list(inbox.waiting()) == []


def test_what_waits_goes_on_waiting_while_the_store_is_locked(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.open(memory).init()
    inbox.keep(json.dumps(edit(memory, "- two\n", "- two\n- three\n")).encode())
    monkeypatch.setattr(ingest, "LOCK_S", 0.01)
    with Store.open(memory).turn(take_in=False):
        catch_up(os.environ)
    assert len(list(inbox.waiting())) == 1
    catch_up(os.environ)
    assert [kind for kind, _ in entries(memory)] == ["edit", "init"]
    assert list(inbox.waiting()) == []


def test_what_a_killed_hook_left_is_taken_in_by_compact(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.open(memory).init()
    inbox.keep(json.dumps(edit(memory, "- two\n", "- two\n- three\n")).encode())
    (memory / "MEMORY.md").write_text("# Memory\n\n- one\n- two\n")
    command = [sys.executable, "-m", "memshim", "compact", "--store", str(memory)]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0
    assert (memory / "MEMORY.md").read_text() == "# Memory\n\n- one\n- two\n- three\n"


def refused(memory: Path, old: str, new: str, call: str = "toolu_1", **more: Any) -> dict[str, Any]:
    """An Edit that the client refused as stale."""
    asked = {"file_path": str(memory / "MEMORY.md"), "old_string": old, "new_string": new}
    return {"hook_event_name": "PostToolUseFailure", "session_id": "5e55", "cwd": "/", "tool_name": "Edit",
            "tool_use_id": call, "tool_input": {**asked, **more}, "error": claude.STALE[0]}  # fmt: skip


def test_a_change_that_was_refused_as_stale_is_saved_once_and_its_agent_is_told(memory: Path) -> None:
    Store.open(memory).append("- three")
    event = refused(memory, "- two\n", "- two\n- and a half\n")
    assert "memshim saved this change" in take(event)["hookSpecificOutput"]["additionalContext"]
    text = "# Memory\n\n- one\n- two\n- and a half\n- three\n"
    assert (memory / "MEMORY.md").read_text() == text
    Store.open(memory).forget(text="and a half")
    assert take(event) == {}
    assert (memory / "MEMORY.md").read_text() == text.replace("- and a half\n", ""), "what was forgotten since stays so"


@pytest.mark.parametrize(
    ("old", "every"), [("- nowhere\n", False), ("- nowhere\n", True), ("- ", False), ("", False)], ids=str
)
def test_a_refused_change_of_a_text_that_nobody_knows_is_left_to_the_agent(memory: Path, old: str, every: bool) -> None:
    Store.open(memory).init()
    assert take(refused(memory, old, "- new\n", replace_all=every)) == {}
    assert [kind for kind, _ in entries(memory)] == ["init"]
    assert incidents.recent(0) == []


def test_a_refused_change_of_every_place_is_one_of_every_place(memory: Path) -> None:
    Store.open(memory).append("- three")
    take(refused(memory, "- ", "* ", replace_all=True))
    assert (memory / "MEMORY.md").read_text() == "# Memory\n\n* one\n* two\n* three\n"


def test_a_file_that_a_write_makes_is_its_agents(memory: Path) -> None:
    Store.open(memory).init()
    path = memory / "topic.md"
    path.write_text("- new\n")
    said = {"type": "create", "filePath": str(path), "content": "- new\n", "originalFile": None}
    asked = {"file_path": str(path), "content": "- new\n"}
    event = {"hook_event_name": "PostToolUse", "session_id": "5e55", "cwd": "/", "tool_name": "Write",
             "tool_use_id": "toolu_1", "tool_input": asked, "tool_response": said}  # fmt: skip
    assert take(event) == {}
    (entry, _) = Store.open(memory).log()
    assert (entry.kind, entry.session, entry.documents()) == ("write", "5e55", ["topic.md"])
    assert path.read_text() == "- new\n"
    assert incidents.recent(0) == []


def test_in_a_project_root_an_agents_readme_stays_the_projects(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    store = Store.open(tmp_path)
    store.append("- a note", doc="topic.md")
    written = {
        "README.md": ["# Readme\n", "# Readme\n\nWhat it is.\n"],
        "topic.md": ["- a note\n", "- a note\n- more\n"],
    }
    for name, (before, after) in written.items():
        path = tmp_path / name
        path.write_text(before)
        call = {"session_id": "5e55", "cwd": "/", "tool_name": "Write", "tool_use_id": f"toolu_{name}",
                "tool_input": {"file_path": str(path), "content": after}}  # fmt: skip
        take({**call, "hook_event_name": "PreToolUse"})
        path.write_text(after)
        said = {"filePath": str(path), "originalFile": before, "content": after}
        take({**call, "hook_event_name": "PostToolUse", "tool_response": said})
    assert [e.documents() for e in store.log() if e.kind == "write"] == [["topic.md"]]
    (tmp_path / "README.md").write_text("by an editor\n")
    store.compact()
    assert (tmp_path / "README.md").read_text() == "by an editor\n"
    assert (tmp_path / "topic.md").read_text() == "- a note\n- more\n"
    assert sorted(store.memory().documents().values()) == ["MEMORY.md", "topic.md"]
    assert incidents.recent(0) == []


def test_a_session_that_starts_publishes_what_was_not(tmp_path: Path) -> None:
    work = tmp_path / "work"
    folder = Path(os.environ["CLAUDE_CONFIG_DIR"]) / "projects" / re.sub("[^A-Za-z0-9]", "-", str(work)) / "memory"
    for made in (work, folder):
        made.mkdir(parents=True)
    Store.open(folder).append("one", publish=False)
    event = {"hook_event_name": "SessionStart", "session_id": "5e55", "cwd": str(work), "source": "startup"}
    assert take(event) == {}
    assert (folder / "MEMORY.md").read_text() == "- one\n"
    assert incidents.recent(0) == []


def test_a_session_whose_memory_was_moved_is_given_it_published_too(tmp_path: Path) -> None:
    config, folder = Path(os.environ["CLAUDE_CONFIG_DIR"]), tmp_path / "moved"
    for made in (config, folder):
        made.mkdir(parents=True)
    Store.open(folder).append("one", publish=False)
    (config / "settings.json").write_text(json.dumps({"autoMemoryDirectory": str(folder)}))
    assert take({"hook_event_name": "SessionStart", "session_id": "5e55", "cwd": "/", "source": "startup"}) == {}
    assert (folder / "MEMORY.md").read_text() == "- one\n"


@pytest.mark.parametrize("path", [None, "/m/MEMORY.md"])
def test_a_full_disk_is_an_incident_and_the_event_waits_and_holds_up_no_other(
    memory: Path, monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    monkeypatch.setattr(inbox, "LEFT_S", 0.0)
    plain = ingest.changed

    def full(place: ingest.Place, event: Any) -> list[str]:
        if event.call.id == "toolu_1":
            raise OSError(28, "No space left", path)
        return plain(place, event)

    monkeypatch.setattr(ingest, "changed", full)
    take(edit(memory, "- two\n", "- two\n- three\n"))
    assert [(row["what"], row["path"]) for row in incidents.recent(0)] == [("event not taken in", path or "")]
    inbox.keep(json.dumps(edit(memory, "- three\n", "- three\n- four\n", "toolu_2")).encode())  # of a killed hook
    take(edit(memory, "- one\n", "- 1\n", "toolu_3"))
    assert [json.loads(payload)["tool_use_id"] for _, payload in inbox.waiting()] == ["toolu_1"]
    assert len(incidents.recent(0)) == 1
    monkeypatch.setattr(ingest, "changed", plain)
    catch_up(os.environ)
    assert list(inbox.waiting()) == []
    assert (memory / "MEMORY.md").read_text() == "# Memory\n\n- 1\n- two\n- three\n- four\n"


def test_a_payload_that_is_too_large_is_an_incident(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MAX_BYTES", 100)
    assert take(edit(memory, "- two\n", "- 2\n")) == {}
    assert [row["what"] for row in incidents.recent(0)] == ["event not understood"]
    assert list(inbox.waiting()) == []


HOSTILE: list[Any] = [
    None,
    [],
    "text",
    {},
    {"hook_event_name": 7, "session_id": "s"},
    {"hook_event_name": "PostToolUse"},
    {"hook_event_name": "PostToolUse", "session_id": ["s"], "tool_name": "Edit"},
    {"hook_event_name": "PostToolUse", "session_id": "s", "tool_name": "Edit", "tool_input": []},
    {"hook_event_name": "PostToolUse", "session_id": "s", "tool_name": "Edit", "tool_response": 1, "tool_input": {}},
    {"hook_event_name": "PostToolBatch", "session_id": "s", "tool_calls": {"a": 1}},
]


@pytest.mark.parametrize("event", HOSTILE)
def test_what_the_client_never_sends_is_an_incident(event: Any) -> None:
    assert take(event) == {}
    assert [row["what"] for row in incidents.recent(0)] == ["event not understood"]


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff\xfe", b'{"a":' * 5000, b"[" * 100_000, b"1" * 5000])
def test_what_is_no_json_is_an_incident(payload: bytes) -> None:
    assert handle(payload, os.environ) == b""
    assert incidents.recent(0)


@pytest.mark.parametrize("path", [7, None, "", "MEMORY.md", "x\0y/MEMORY.md", {"a": 1}])
def test_a_path_that_is_none_changes_nothing(memory: Path, path: Any) -> None:
    event = edit(memory, "- two\n", "- 2\n")
    event["tool_input"]["file_path"] = path
    assert take(event) == {}
    assert not (memory.parent / ".memshim").exists()


def test_no_file_outside_a_memory_is_touched(memory: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "MEMORY.md").write_text("- one\n")
    (memory / "linked").symlink_to(elsewhere)
    (memory / "link.md").symlink_to(elsewhere / "MEMORY.md")
    for path, reported in (
        (elsewhere / "MEMORY.md", False),
        (memory / ".." / ".." / ".." / ".." / "elsewhere" / "MEMORY.md", True),
        (memory / "linked" / "MEMORY.md", True),
        (memory / "link.md", True),
        (memory / ".hidden.md", False),
        (memory / "MEMORY.md.tmp.1.abc", False),
    ):
        event = edit(memory, "- two\n", "- two\n")
        event["tool_input"]["file_path"] = str(path)
        before = len(incidents.recent(0))
        assert take(event) == {}
        assert (len(incidents.recent(0)) > before) is reported
        assert (elsewhere / "MEMORY.md").read_text() == "- one\n"
        assert sorted(p.name for p in elsewhere.iterdir()) == ["MEMORY.md"]


def test_the_hook_is_harmless_and_needs_only_the_standard_library(memory: Path) -> None:
    event = edit(memory, "- two\n", "- two\n- three\n")
    command = [sys.executable, "-I", "-S", str(HOOK)]
    for payload in (json.dumps(event).encode(), b"", b"nonsense"):
        done = subprocess.run(command, input=payload, capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert [kind for kind, _ in entries(memory)] == ["edit", "init"]


def test_what_stood_there_untold_before_a_command_is_not_the_commands(memory: Path) -> None:
    Store.open(memory).init()
    path = memory / "MEMORY.md"
    call = {"session_id": "5e55", "cwd": "/", "tool_name": "Bash", "tool_use_id": "toolu_1"}
    call |= {"tool_input": {"command": f"echo '- three' >> {path}"}}
    path.write_text(path.read_text() + "- somebody else's\n")
    assert take({**call, "hook_event_name": "PreToolUse"}) == {}
    path.write_text(path.read_text() + "- three\n")
    assert take({**call, "hook_event_name": "PostToolUse", "tool_response": {"stdout": ""}}) == {}
    assert [kind for kind, _ in entries(memory)] == ["bash", "adopt", "init"]
    (bash, adopted, _) = Store.open(memory).log()
    assert [text for _, _, _, text in bash.new_blocks()] == [b"- three\n"]
    assert [text for _, _, _, text in adopted.new_blocks()] == [b"- somebody else's\n"]


def test_a_lease_is_given_back_before_what_folds_a_store_is_imported() -> None:
    code = "import sys, memshim.agents.door; print({'memshim.text.fold', 'memshim.store.memory'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, timeout=60, check=True)
    assert done.stdout == b"set()\n"
