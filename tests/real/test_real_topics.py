"""Topic files: made, edited, deleted and renamed by agents, by tool and by shell."""

import pytest
from api import Gate, Turn
from room import Room, after, bash, edit, read, write

pytest_plugins = ["rooms"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

INDEX = "# Memory\n- [Tools](tools.md) - which tools\n"
TOPIC = "---\nname: tools\ndescription: which tools\nmetadata:\n  type: project\n---\n\n- uv\n- just\n"


def test_made_edited_renamed_and_deleted(room: Room) -> None:
    room.remember(INDEX)
    topic, late = room.memory / "tools.md", room.memory / "late.md"
    room.run([write(topic, TOPIC), edit(topic, "- just", "- make"), "done"])
    text = topic.read_text()
    # The client stamps a topic file; what it stamped is what stays.
    assert "originSessionId" in text
    assert text.endswith("- uv\n- make\n")
    assert "tools.md" in room.memshim("log", "--doc", "tools.md", "--store", room.memory)

    room.run([bash(f"mv {topic} {late}"), "done"])
    assert (topic.exists(), late.read_text()) == (False, text)
    assert room.memshim("show", "--doc", "late.md", "--store", room.memory) == text

    room.run([bash(f"rm {late}"), edit(room.index, "- [Tools](tools.md) - which tools", "- no tools"), "done"])
    assert not late.exists()
    room.run([edit(room.index, "- no tools", "- none"), "done"])
    room.memshim("compact", "--store", room.memory)
    assert sorted(path.name for path in room.memory.iterdir()) == ["MEMORY.md"]
    # It was a deletion by somebody, so it can be taken back.
    room.memshim("restore", "late.md", "--store", room.memory)
    assert late.read_text() == text


def test_a_topic_file_that_one_edits_and_another_deletes(room: Room) -> None:
    room.remember(INDEX)
    topic = room.remember(TOPIC, "tools.md")

    def edits() -> None:
        room.run([edit(topic, "- just", "- make, by B"), "done"])

    room.run([read(topic), after(edits, bash(f"rm {topic}")), "done"])
    room.memshim("compact", "--store", room.memory)
    # Whoever deleted it in the shell did so after that edit: deleted, and both can be had back.
    assert not topic.exists()
    room.memshim("restore", "tools.md", "--store", room.memory)
    assert "- make, by B" in topic.read_text()


def test_two_clients_make_the_same_topic_file(room: Room) -> None:
    room.remember(INDEX)
    gate, topic = Gate(2), room.memory / "tools.md"
    sessions = [room.start([Turn([write(topic, f"# Tools\n- of {n}\n")], gate=gate), "done"]) for n in range(2)]
    for session in sessions:
        session.finish()
    assert sorted(topic.read_text().splitlines()) == ["# Tools", "- of 0", "- of 1"]
