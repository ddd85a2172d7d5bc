"""Bytes that stand in a memory a second time, or that somebody adopts while they are made: nobody's line goes with them."""

import os
import time
from collections import Counter
from pathlib import Path

import pytest
from recorded import places
from test_interleavings import START, Caller, wanted

from memshim import Store
from memshim.store import lease


@pytest.fixture
def index(guarded_home: Path) -> Path:
    memory = places(guarded_home)["<MEM>"]
    memory.mkdir(parents=True)
    (memory / "MEMORY.md").write_text(START)
    os.utime(memory / "MEMORY.md", (time.time() - 3600,) * 2)
    return memory / "MEMORY.md"


def replace(caller: Caller, old: str, new: str) -> None:
    """One Edit from its beginning to its end."""
    before = caller.mem.read_text()
    asked: dict[str, object] = {"old_string": old, "new_string": new, "replace_all": False}
    caller.calls += 1
    caller.tell("PreToolUse", "Edit", asked)
    caller.mem.write_text(before.replace(old, new))
    caller.tell("PostToolUse", "Edit", asked, originalFile=before, oldString=old, newString=new)


@pytest.mark.parametrize("by", ["an editor", "a command"])
def test_who_takes_out_their_own_line_again_takes_nothing_else(guarded_home: Path, index: Path, by: str) -> None:
    """The text is then that of an earlier adoption, or of a shell command; the Edit did not make that one."""
    agent, other = Caller(guarded_home, "a", "Edit"), Caller(guarded_home, "b", "Bash")
    command: dict[str, object] = {"command": f"echo '- theirs' >> {index}"}
    if by == "a command":
        other.tell("PreToolUse", asked=command)
    index.write_text(START + "- theirs\n")
    if by == "a command":
        other.tell("PostToolUse", asked=command)
    Store.open(index.parent).publish()
    replace(agent, "- one\n", "- one\n- mine\n")
    replace(agent, "- mine\n", "")
    assert index.read_text() == START + "- theirs\n"


def test_a_long_command_does_not_remove_what_was_appended_while_it_ran(
    guarded_home: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease has ended, so the append takes its text in; that one and the appended line are near to each other."""
    monkeypatch.setattr(lease, "LASTS_S", 0.0)
    agent = Caller(guarded_home, "a", "Bash")
    command: dict[str, object] = {"command": f"echo '- 0 by a' >> {index} && make"}
    agent.tell("PreToolUse", asked=command)
    index.write_text(START + "- 0 by a\n")
    Store.open(index.parent, agent="bob").append("- 0 by b")
    agent.tell("PostToolUse", asked=command)
    assert Counter(index.read_text().splitlines()) == wanted([1, 1])
    assert {e.agent for e in Store.open(index.parent).log()} == {"before", "bob", "external", "main-aaaaaaaa"}


def test_a_line_behind_an_edit_was_not_seen_by_who_made_it(guarded_home: Path, index: Path) -> None:
    agent = Caller(guarded_home, "a", "Write")
    replace(Caller(guarded_home, "b", "Edit"), "- one\n", "- one\n- theirs\n")
    replace(agent, "- one\n", "- mine\n- one\n")
    agent.seen = START.replace("- one\n", "- mine\n- one\n")
    for step in ("pre", "read", "rename", "post"):
        getattr(agent, step)()
    assert Counter(index.read_text().splitlines())["- theirs"] == 1


def test_a_line_that_somebody_edited_before_its_call_told_stays_edited(guarded_home: Path, index: Path) -> None:
    """The adoption took what the Write lacks for removed; its writer had never seen that, so the call is merged anew."""
    writer, store = Caller(guarded_home, "a", "Write"), Store.open(index.parent, agent="bob")
    writer.name = "c"  # another session, which has read nothing
    text = START.replace("- one\n", "") + "- mine\n"
    asked: dict[str, object] = {"content": text}
    writer.tell("PreToolUse", "Write", asked)
    index.write_text(text)
    os.utime(index, (time.time() - 60,) * 2)
    Path(store.layout.path("leases")).write_bytes(b"")  # the client is slow: its lease has ended
    store.publish()
    store.edit("- mine", "- mine, as bob says")
    writer.tell("PostToolUse", "Write", asked, originalFile=START, content=text)
    assert Counter(index.read_text().splitlines()) == Counter([*START.splitlines(), "- mine, as bob says"])
    assert [e.kind for e in store.log()] == ["write", "edit", "adopt", "init"]
