"""Writes that the client refused: a stale one is saved and the agent told; every other refusal is left alone."""

import json
from collections import Counter

import pytest
from room import Room, after, edit, lines, read, write

pytest_plugins = ["rooms"]
pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

START = "# Memory\n- one\n- two\n- three\n"
MINE = "# Memory\n- one\n- two\n- three\n- mine\n"


def other_adds(room: Room) -> None:
    """Another session adds a line."""
    room.run([edit(room.index, "- two", "- two\n- theirs"), "done"])


def told(room: Room) -> list[str]:
    """What hooks added to the conversation of the newest request."""
    texts = []
    for message in room.api.requests[-1]["messages"]:
        content = message["content"]
        texts += [content] if isinstance(content, str) else [part.get("text", "") for part in content]
    marked = [text for text in texts if "hook additional context:" in text]
    return [text.partition("hook additional context:")[2].partition("</system-reminder>")[0].strip() for text in marked]


def verify_told_in_one_sentence(room: Room) -> None:
    (sentence,) = told(room)
    assert "saved" in sentence
    assert len(sentence) < 400
    assert sentence.count(". ") <= 1


@pytest.mark.parametrize("call", ["write", "edit"])
def test_a_stale_call_refused_in_validation_is_saved(room: Room, call: str) -> None:
    room.remember(START)

    def interfere() -> None:
        if call == "write":
            other_adds(room)
        else:
            room.run([edit(room.index, "- three", "- drei"), "done"])

    calls = {"write": write(room.index, MINE), "edit": edit(room.index, "- three", "- three\n- mine")}
    session = room.run([read(room.index), after(interfere, calls[call]), "done"])
    assert session.results()[-1].error
    assert "modified since read" in session.results()[-1].text
    verify_told_in_one_sentence(room)
    if call == "write":
        assert lines(room.index) == Counter(["# Memory", "- one", "- two", "- theirs", "- three", "- mine"])
    else:
        assert lines(room.index) == Counter(["# Memory", "- one", "- two", "- drei", "- mine"])


def test_a_stale_write_refused_after_the_hooks_is_saved(room: Room) -> None:
    """Another hook changes the file between the check and the tool's own look, as a client that is quicker would."""
    room.remember(START)
    add_hook(room, f"echo '- theirs' >> {room.index}")
    session = room.run([read(room.index), write(room.index, MINE), "done"])
    assert session.results()[-1].error
    assert "has changed since" in session.results()[-1].text
    verify_told_in_one_sentence(room)
    assert lines(room.index) == Counter(["# Memory", "- one", "- two", "- theirs", "- three", "- mine"])


def test_the_same_text_sent_again_appears_once(room: Room) -> None:
    room.remember(START)
    session = room.run([
        read(room.index),
        after(lambda: other_adds(room), write(room.index, MINE)),
        read(room.index),
        write(room.index, MINE),
        edit(room.index, "- one", "- ONE"),
        "done",
    ])  # fmt: skip
    assert [result.error for result in session.results()] == [False, True, False, False, False]
    found = lines(room.index)
    assert found["- mine"] == 1
    assert found["- ONE"] == 1
    # The last Write came after a Read that showed "- theirs", and left it out: that is a deletion.
    assert found["- theirs"] == 0


def test_an_ambiguous_edit_is_left_alone(room: Room) -> None:
    room.remember(START)
    session = room.run([edit(room.index, "- ", "* "), edit(room.index, "not there", "x"), "done"])
    assert [result.error for result in session.results()] == [True, True]
    assert room.index.read_text() == START
    assert told(room) == []


def test_a_call_that_another_hook_denies_is_left_alone(room: Room) -> None:
    room.remember(START)
    answer = {"hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": "Not today."}
    add_hook(room, f"echo '{json.dumps({'hookSpecificOutput': answer})}'")
    session = room.run([edit(room.index, "- one", "- ONE"), write(room.index, MINE), "done"])
    assert [result.error for result in session.results()] == [True, True]
    assert room.index.read_text() == START
    assert told(room) == []


def test_a_write_without_a_read_is_left_alone_where_the_model_must_read(room: Room) -> None:
    room.remember(START)
    session = room.run([write(room.index, MINE), "done"], "--model", "claude-haiku-4-5")
    assert "has not been read yet" in session.results()[-1].text
    assert room.index.read_text() == START
    assert told(room) == []


def add_hook(room: Room, command: str) -> None:
    """Adds somebody else's hook, which runs before Write and Edit."""
    path = room.config / "settings.json"
    settings = json.loads(path.read_text())
    hook = {"matcher": "Write|Edit", "hooks": [{"type": "command", "command": command}]}
    settings["hooks"]["PreToolUse"].append(hook)
    room.settings(settings)
