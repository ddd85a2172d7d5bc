"""What a shell command did to a memory: files that it made, changed, moved and removed are its agent's doing, told once."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from memshim.agents.door import handle
from memshim.disk import incidents
from memshim.store import adopt
from memshim.store.store import Store
from memshim.store.turn import Turn

START = "# Memory\n\n- one\n- two\n"
TOPIC = "- topic one\n- topic two\n"
AGENT = "main-5e551017"


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    folder = tmp_path / "config" / "projects" / "-proj" / "memory"
    folder.mkdir(parents=True)
    (folder / "MEMORY.md").write_text(START)
    (folder / "topic.md").write_text(TOPIC)
    for path in folder.iterdir():
        os.utime(path, (time.time() - 3600,) * 2)
    return folder


class Command:
    """Is one call of a shell tool; what it does is done between the two events."""

    def __init__(
        self, memory: Path, call: str = "toolu_1", session: str = "5e551017-0000-4000-8000-000000000000"
    ) -> None:
        self.memory = memory
        self.fields: dict[str, Any] = {"session_id": session, "cwd": str(memory), "tool_name": "Bash", "tool_use_id": call,
                       "tool_input": {"command": f"python3 work.py {memory}"}}  # fmt: skip

    def tell(self, name: str) -> str:
        more: dict[str, Any] = {"tool_response": {"stdout": "", "stderr": ""}} if name == "PostToolUse" else {}
        answer = handle(json.dumps({**self.fields, "hook_event_name": name, **more}).encode(), os.environ)
        assert incidents.recent(0) == []
        return answer.decode()

    def run(self, command: str) -> str:
        self.tell("PreToolUse")
        subprocess.run(["sh", "-c", command], cwd=self.memory, check=True)
        return self.tell("PostToolUse")


def entries(memory: Path) -> list[tuple[str, str]]:
    return [(e.kind, e.agent) for e in Store.open(memory).log() if e.kind != "init"]


def test_a_file_that_a_command_made_is_its_agents(memory: Path) -> None:
    Command(memory).run("echo '- new' > new.md")
    assert entries(memory) == [("bash", AGENT)]
    assert Store.open(memory).read("new.md").text == "- new\n"


def test_a_topic_file_that_a_command_removed_is_its_agents_deletion_and_comes_back_by_its_name(memory: Path) -> None:
    Command(memory).run("rm topic.md")
    assert entries(memory) == [("bash", AGENT)]
    store = Store.open(memory)
    store.compact()
    assert not (memory / "topic.md").exists()
    store.restore("topic.md")
    assert (memory / "topic.md").read_text() == TOPIC


def test_a_topic_file_that_a_command_moved_is_the_same_document(memory: Path) -> None:
    Command(memory).run("mv topic.md moved.md; echo '- new' > another.md")
    assert sorted(entries(memory)) == [("bash", AGENT)] * 2
    Store.open(memory).append("- later", doc="topic.md")  # its old name still reaches it
    assert (memory / "moved.md").read_text() == TOPIC + "- later\n"
    assert not (memory / "topic.md").exists()
    assert (memory / "another.md").read_text() == "- new\n"


def test_a_memory_file_that_a_command_removed_is_put_back(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Turn, "GRACE_S", 0.0)
    Command(memory).run("rm MEMORY.md")
    store = Store.open(memory)
    store.publish()
    assert (memory / "MEMORY.md").read_text() == START
    assert entries(memory) == []


def test_a_store_of_ones_own_is_in_use_by_a_command_that_names_a_document_and_not_by_every_one_in_it(
    store_dir: Path,
) -> None:
    (store_dir / "MEMORY.md").write_text(START)
    layout = Store.open(store_dir).layout
    Store.open(store_dir).init()
    Command(store_dir).run("echo '- by make' >> MEMORY.md")
    assert not os.path.exists(layout.path("calls"))
    Store.open(store_dir).publish()
    named = Command(store_dir)
    named.fields["tool_input"] = {"command": f"echo '- by name' >> {store_dir}/MEMORY.md"}
    named.run("echo '- by name' >> MEMORY.md")
    assert entries(store_dir) == [("bash", AGENT), ("adopt", "external")]


def test_what_a_command_did_is_taken_in_once_however_often_it_is_told(memory: Path) -> None:
    command = Command(memory)
    command.run("echo '- three' >> MEMORY.md; rm topic.md")
    command.tell("PostToolUse")
    command.tell("PreToolUse")
    command.tell("PostToolUse")
    assert entries(memory) == [("bash", AGENT)] * 2
    assert (memory / "MEMORY.md").read_text() == START + "- three\n"


def test_what_somebody_wrote_a_moment_before_a_command_is_not_the_commands(memory: Path) -> None:
    Store.open(memory).init()
    (memory / "MEMORY.md").write_text(START + "- by an editor\n")
    Command(memory).run("echo '- by the command' >> MEMORY.md")
    assert sorted(entries(memory)) == [("adopt", "external"), ("bash", AGENT)]
    authors = {e.agent: b"".join(t for *_, t in e.new_blocks()) for e in Store.open(memory).log()}
    assert authors["external"] == b"- by an editor\n"
    assert authors[AGENT] == b"- by the command\n"


def test_a_command_that_saves_what_it_read_before_others_wrote_removes_nothing_of_theirs(memory: Path) -> None:
    command = Command(memory)
    command.tell("PreToolUse")
    Store.open(memory, agent="bob").append("- by bob", publish=False)
    Store.open(memory).compact()
    (memory / "MEMORY.md").write_text(START.replace("- two\n", "") + "- by the command\n")
    command.tell("PostToolUse")
    assert sorted((memory / "MEMORY.md").read_text().splitlines()[2:]) == ["- by bob", "- by the command", "- one"]


def test_a_line_that_came_while_a_command_ran_and_that_it_changed_is_there_once(memory: Path) -> None:
    command = Command(memory)
    command.tell("PreToolUse")
    Store.open(memory, agent="bob").append("- by bob\n- by bob, too\n", publish=False)
    Store.open(memory).compact()
    (memory / "MEMORY.md").write_text(START + "- by bob\n- by bob, and by the command\n")
    command.tell("PostToolUse")
    assert (memory / "MEMORY.md").read_text() == START + "- by bob\n- by bob, and by the command\n"


def test_a_change_that_somebody_adopted_while_the_command_ran_becomes_the_commands(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopt, "STILL_S", 0.0)
    command = Command(memory)
    command.tell("PreToolUse")
    with (memory / "MEMORY.md").open("a") as file:
        file.write("- by the command\n")
    Path(Store.open(memory).layout.path("leases")).write_bytes(b"")  # its lease has ended
    Store.open(memory).publish()
    assert entries(memory) == [("adopt", "external")]
    with (memory / "MEMORY.md").open("a") as file:
        file.write("- and more\n")
    command.tell("PostToolUse")
    assert (memory / "MEMORY.md").read_text() == START + "- by the command\n- and more\n"
    view = Store.open(memory).memory().view("MEMORY.md")
    assert [sorted(piece.agents) for piece in view.pieces[-2:]] == [[AGENT]] * 2
