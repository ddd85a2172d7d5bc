"""What the client told its hooks, as recorded: see payloads/README.md."""

import json
from pathlib import Path
from typing import Any

PAYLOADS = Path(__file__).with_name("payloads")
SESSIONS = sorted(path.stem for path in PAYLOADS.glob("*.json"))

Payload = dict[str, Any]


def session(name: str, folder: Path) -> list[Payload]:
    """All events of a recorded session, in order, as if its home were `folder`."""
    text = (PAYLOADS / f"{name}.json").read_text()
    for placeholder, path in places(folder).items():
        text = text.replace(placeholder, json.dumps(str(path))[1:-1])
    found: list[Payload] = json.loads(text)
    return found


def event(name: str, folder: Path, event: str, tool: str | None = None, n: int = 0) -> Payload:
    """The n-th event of that kind (and tool; a batch counts for each of its tools) in a recorded session."""
    return [e for e in session(name, folder) if e["hook_event_name"] == event and (tool is None or tool in tools(e))][n]


def tools(payload: Payload) -> set[str]:
    """The names of the tools that an event is about."""
    return {call["tool_name"] for call in [payload, *payload.get("tool_calls", ())] if "tool_name" in call}


def places(folder: Path) -> dict[str, Path]:
    """Where each placeholder of the recordings is, in a home at `folder`; none of these folders is made."""
    return {
        "<MEM>": folder / ".claude/projects/-project/memory",
        "<CONFIG>": folder / ".claude",
        "<PROJECT>": folder / "work/project",
        "<HOME>": folder,
        "<SLUG>": Path("-project"),
    }
