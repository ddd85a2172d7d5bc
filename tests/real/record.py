"""Records what the client tells hooks, into tests/agents/payloads: `python tests/real/record.py BINARY`.

Every event of the sessions below goes to a hook that only writes it down. A file is one session, event by event, with the
paths of this machine taken out. Run it again when a new version of the client is out, and read the diff.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api import Api, Call, Result, Step
from room import Room, bash, edit, read, together, write

PAYLOADS = Path(__file__).resolve().parent.parent / "agents" / "payloads"
EVENTS = ["SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "PostToolBatch"]
EVENTS += ["SubagentStart", "SubagentStop", "Stop", "PreCompact", "PostCompact", "SessionEnd"]
MEMORY = "# Memory\n\n- use pip\n- use make\nEND\n"
TOPIC = "---\nname: tools\ndescription: which tools\nmetadata:\n  type: project\n---\n\n- uv, not pip\n"

Payload = dict[str, Any]


class Recorder:
    """Runs sessions in a fresh room each, and yields what the hooks were told."""

    def __init__(self, claude: Path, folder: Path, api: Api) -> None:
        self.claude, self.folder, self.api = claude, folder, api
        self.count = 0

    def room(self) -> Room:
        self.count += 1
        home = self.folder / str(self.count)
        (home / "work").mkdir(parents=True)
        room = Room(self.claude, home, self.api)
        (home / "heard").mkdir()
        hook = {"type": "command", "command": f'cat >"{home}/heard/$(date +%s%N).$$"'}
        room.settings({"hooks": {event: [{"hooks": [hook]}] for event in EVENTS}})
        return room

    def before_write(self, room: Room, command: str, answer: str = "") -> None:
        """Adds a hook that does something just before a Write or an Edit runs."""
        settings = json.loads((room.config / "settings.json").read_text())
        hook = {"type": "command", "command": f"{command}; {answer or 'true'}"}
        settings["hooks"]["PreToolUse"].append({"matcher": "Write|Edit", "hooks": [hook]})
        room.settings(settings)

    def heard(self, room: Room) -> list[Payload]:
        """What hooks heard since this was asked last."""
        files = sorted((room.home / "heard").iterdir())
        found = [json.loads(path.read_text()) for path in files]
        for path in files:
            path.unlink()
        return [scrubbed(payload, room) for payload in found]


def scrubbed(value: Any, room: Room) -> Any:
    if isinstance(value, dict):
        return {key: scrubbed(inner, room) for key, inner in value.items()}
    if isinstance(value, list):
        return [scrubbed(inner, room) for inner in value]
    if isinstance(value, str):
        for path, name in (
            (str(room.memory), "<MEM>"),
            (str(room.config), "<CONFIG>"),
            (str(room.project), "<PROJECT>"),
            (str(room.home), "<HOME>"),
            (room.slug, "<SLUG>"),
        ):
            value = value.replace(path, name)
    return value


def outside(path: Path, text: str, call: Call) -> Step:
    """A turn before which somebody else changes the file."""

    def change(_: list[Result]) -> Call:
        os.utime(path, (1, 1))  # the clock of the file system is coarse
        path.write_text(text)
        return call

    return change


def sessions(recorder: Recorder) -> Iterator[tuple[str, list[Payload]]]:
    """Every session by name, with what its hooks heard."""
    room = recorder.room()
    mem = room.remember(MEMORY)
    first = room.run([read(mem), read(mem, offset=3, limit=1), edit(mem, "END", "- main\nEND"), "done"])
    yield "plain", recorder.heard(room)
    room.run(["done"], "--resume", first.id)
    yield "resume", recorder.heard(room)
    room.run(["done"], "--resume", first.id, "--fork-session")
    yield "fork", recorder.heard(room)
    room.run([], "--resume", first.id, prompt="/compact")
    yield "compact", recorder.heard(room)

    room = recorder.room()
    mem = room.remember(MEMORY)
    topic, late = room.memory / "tools.md", room.memory / "late.md"
    room.run([
        *(write(mem, MEMORY.replace("END", "- whole\nEND")), write(topic, TOPIC), edit(topic, "uv, not pip", "uv")),
        *(bash(f"echo '- more' >> {mem}"), bash(f"sed -i 's/more/less/' {mem}"), bash(f"cat {mem}"), bash("exit 3")),
        *(bash(f"mv {topic} {late}"), bash(f"rm {late}")),
        bash(f"sleep 0.1; echo '- behind' >> {mem}", run_in_background=True),
        together(edit(mem, "- use pip", "- use uv"), edit(mem, "- use make", "- use just"), read(mem)),
        edit(mem, "not there", "x"), edit(mem, "- ", "x"), "done",
    ])  # fmt: skip
    yield "writes", recorder.heard(room)

    room = recorder.room()
    room.run([write(room.index, "# Memory\n\n- first\n"), "done"])
    yield "empty", recorder.heard(room)

    room = recorder.room()
    mem = room.remember(MEMORY)
    room.run([
        read(mem), outside(mem, MEMORY + "- theirs\n", write(mem, MEMORY.replace("END", "- mine\nEND"))),
        read(mem), outside(mem, MEMORY.replace("END", "FIN"), edit(mem, "END", "- mine\nEND")), "done",
    ])  # fmt: skip
    yield "refused-in-validation", recorder.heard(room)

    for tool, change, call in (
        ("write", "echo '- theirs' >>", lambda mem: write(mem, MEMORY.replace("END", "- mine\nEND"))),
        ("edit", "sed -i s/END/FIN/", lambda mem: edit(mem, "END", "- mine\nEND")),
        ("recovered", "echo '- theirs' >>", lambda mem: edit(mem, "END", "- mine\nEND")),
    ):
        room = recorder.room()
        mem = room.remember(MEMORY)
        recorder.before_write(room, f"{change} {mem}")
        room.run([read(mem), call(mem), "done"])
        yield f"refused-in-tool-{tool}", recorder.heard(room)

    room = recorder.room()
    mem = room.remember(MEMORY)
    denial = {"hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": "Not today."}
    recorder.before_write(room, "true", f"echo '{json.dumps({'hookSpecificOutput': denial})}'")
    room.run([read(mem), edit(mem, "END", "- mine\nEND"), "done"])
    yield "denied", recorder.heard(room)

    room = recorder.room()
    mem = room.remember(MEMORY)
    room.run([write(mem, MEMORY + "- blind\n"), "done"], "--model", "claude-haiku-4-5")
    yield "not-read", recorder.heard(room)

    room = recorder.room()
    mem = room.remember(MEMORY)
    room.subagent("keeper", memory="user")
    own = room.config / "agent-memory" / "keeper" / "MEMORY.md"
    room.run([
        together(
            room.agent("helper", [read(mem), edit(mem, "END", "- helper\nEND"), "done"]),
            room.agent("keeper", [write(own, "# Own\n\n- mine\n"), edit(own, "- mine", "- changed"), "done"], "keeper"),
        ),
        "done", "done", "done",
    ])  # fmt: skip
    yield "subagents", recorder.heard(room)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Api() as api:
        for name, heard in sessions(Recorder(Path(sys.argv[1]), Path(folder), api)):
            lines = ",\n".join(json.dumps(payload, ensure_ascii=False) for payload in heard)
            (PAYLOADS / f"{name}.json").write_text(f"[\n{lines}\n]\n")
            print(f"{name}: {len(heard)} events")
            if api.faults:
                raise SystemExit("\n".join(api.faults))


if __name__ == "__main__":
    main()
