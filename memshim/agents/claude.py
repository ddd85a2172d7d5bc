"""Claude Code's shapes: its events, texts and folders, as docs/hooks.md lists them.  Must not know stores' insides.

Measured on 2.1.329 (and in part on 2.1.197).
"""

import os

from memshim.agents.event import Call, Changed, Changing, Event, Looked, Ran, Refused, Running, Started, Writer
from memshim.disk.layout import is_client_store, is_document
from memshim.text import jsontext
from memshim.text.digest import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

STALE = (
    "File has been modified since read, either by the user or by a linter. Read it again before attempting to write it.",
    "File content has changed since it was last read.",
    "Write verification failed: ",
)
"""How a refusal begins that means: somebody else wrote the file, after the agent's read or (the last) just after its
write, before the client looked at it again.  Every other refusal is left alone."""
BLIND = ("Explore", "Plan")
"""The subagents that are not given the session's memory."""
LOADED_LINES, LOADED_CHARACTERS = 200, 25_000
"""How much of MEMORY.md a session is given, comments and front matter not counted."""
MAX_ANSWER = 9_000
"""Characters of one answer; above 10,000 the client puts it into a file."""
ANSWERING = ("PostToolUse", "PostToolUseFailure", "PostToolBatch")
"""The events whose answer reaches the model."""


class BadEvent(ValueError):
    """Says that a payload is none that the client sends; nothing was done with it."""


def events(payload: "dict[str, Any]", environ: "Mapping[str, str]") -> "Iterator[Event]":
    """Yields what a hook's payload says that happened; nothing for events that are no concern of a memory's.

    Raises BadEvent where a field has a shape that the client never gives it.
    """
    name = _text(payload, "hook_event_name")
    writer = writer_of(payload, environ)
    cwd = _text(payload, "cwd", "")
    if name in ("SessionStart", "SubagentStart"):
        yield Started(writer, cwd)
    elif name == "PostToolBatch":
        calls = payload.get("tool_calls")
        if not isinstance(calls, list):
            raise BadEvent("tool_calls is no list")
        for call in calls:
            if isinstance(call, dict) and isinstance(call.get("tool_response"), str):
                yield from _refused(writer, call, call["tool_response"])
    elif name in ("PreToolUse", "PostToolUse", "PostToolUseFailure"):
        tool = _text(payload, "tool_name")
        if tool == "Bash":
            yield _shell(name, writer, payload, cwd)
        elif tool in ("Edit", "Write") and name == "PreToolUse":
            yield Changing(writer, _call(payload), _path(payload))
        elif tool in ("Edit", "Write") and name == "PostToolUse":
            yield _changed(writer, payload)
        elif tool in ("Edit", "Write"):
            yield from _refused(writer, payload, _text(payload, "error", ""))
        elif tool == "Read" and name == "PostToolUse":
            yield from _looked(writer, payload)


def writer_of(fields: "dict[str, Any]", environ: "Mapping[str, str]") -> Writer:
    """Returns whose event it is.  Raises BadEvent as `events` does."""
    session = _text(fields, "session_id")
    key = _text(fields, "agent_id", "")
    kind = _text(fields, "agent_type", "")
    process = environ.get("CLAUDE_PID", "")
    fork = bool(key) and not kind and fields.get("hook_event_name") != "SubagentStart"
    who = kind or ("main" if not key else "dream" if key.startswith("aauto_dream-") else "extract")
    number = int(process) if process.isascii() and process.isdigit() else 0
    return Writer(session, key, who, kind not in BLIND, fork, number)


def reaches(payload: "dict[str, Any]") -> bool:
    """Tells whether what is answered to an event reaches the model."""
    return payload.get("hook_event_name") in ANSWERING


def answer(payload: "dict[str, Any]", sentences: "list[str]") -> "dict[str, Any] | None":
    """Returns what the hook prints so that the agent is told, or None where there is nothing to say."""
    if not sentences:
        return None
    name = payload.get("hook_event_name")
    text = " ".join(sentences)[:MAX_ANSWER]
    return {"hookSpecificOutput": {"hookEventName": name, "additionalContext": text}}


def plain(text: "bytes | str") -> str:
    """Returns a text as the client hands it on: Unix line ends, no byte order mark, what is no UTF-8 replaced."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return words.removeprefix("\ufeff").replace("\r\n", "\n")


def memory_folder(path: str, environ: "Mapping[str, str]") -> "tuple[str, bool] | None":
    """Returns the folder of memory that a path is a document of, and whether it is the client's own; None for any other.

    `path` decides, never a name computed from the project: the client follows worktrees and settings that we do not see.
    """
    from memshim.disk.layout import Layout

    folder, name = os.path.split(path)
    if not is_document(name) or not os.path.isabs(folder):
        return None
    root = os.path.realpath(folder)
    if is_client_store(root):
        return root, True
    if Layout(root).is_store():
        return root, False
    return (root, True) if root in configured_folders(environ) else None


def leads_out(path: str) -> bool:
    """Tells whether a path that is no memory's says that it is: by a link, or by `..`, it leads elsewhere."""
    parts = path.split("/")
    within = any(is_client_store("/".join(parts[:n])) for n in range(2, len(parts)))
    return ".." in parts or (within and os.path.realpath(path) != os.path.normpath(path))


def configured_folders(environ: "Mapping[str, str]") -> "set[str]":
    """Returns the folders to which settings or the environment have moved the memory, as real paths."""
    home = environ.get("HOME") or os.path.expanduser("~")
    config = environ.get("CLAUDE_CONFIG_DIR") or os.path.join(home, ".claude")
    found = [environ.get("CLAUDE_COWORK_MEMORY_PATH_OVERRIDE", "")]
    project = environ.get("CLAUDE_PROJECT_DIR") or "."
    for folder, name in (
        (config, "settings.json"),
        (project, ".claude/settings.json"),
        (project, ".claude/settings.local.json"),
    ):
        try:
            with open(os.path.join(folder, name), "rb") as file:
                settings = jsontext.loads(file.read())
        except (OSError, ValueError):
            continue  # the client cannot read it either
        moved = settings.get("autoMemoryDirectory") if isinstance(settings, dict) else None
        if isinstance(moved, str):
            found.append(os.path.join(home, moved[2:]) if moved.startswith("~/") else moved)
    return {os.path.realpath(folder) for folder in found if folder and os.path.isabs(folder)}


def loaded(text: bytes) -> "set[int]":
    """Returns the lines of MEMORY.md (from 0) that a session is given at its start; a line in doubt is not counted."""
    shown: set[int] = set()
    characters = 0
    lines = text.split(b"\n")
    n = 0
    if lines[0].removeprefix(b"\xef\xbb\xbf").rstrip() == b"---":
        ends = [i for i, line in enumerate(lines[1:], 1) if line.rstrip() == b"---"]
        n = ends[0] + 1 if ends else 0
    comment = False
    for i in range(n, len(lines)):
        if comment or lines[i].lstrip().startswith(b"<!--"):
            comment = b"-->" not in lines[i]
            continue
        characters += len(lines[i].decode("utf-8", "replace")) + 1
        if len(shown) == LOADED_LINES or characters > LOADED_CHARACTERS:
            break
        shown.add(i)
    return shown


# --- the fields ---------------------------------------------------------------------------------------------


def _text(fields: "dict[str, Any]", name: str, default: "str | None" = None) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise BadEvent(f"{name} is no text")
    return value


def _input(fields: "dict[str, Any]") -> "dict[str, Any]":
    value = fields.get("tool_input")
    if not isinstance(value, dict):
        raise BadEvent("tool_input is no object")
    return value


def _path(fields: "dict[str, Any]") -> str:
    path = _text(_input(fields), "file_path")
    if "\0" in path or not path:
        raise BadEvent("file_path is no path")
    return path


def _call(fields: "dict[str, Any]") -> Call:
    from json import dumps

    asked = dumps(_input(fields), sort_keys=True)
    return Call(_text(fields, "tool_name"), _text(fields, "tool_use_id"), sha256(asked.encode()).hexdigest())


def _shell(name: str, writer: Writer, fields: "dict[str, Any]", cwd: str) -> Event:
    command = _text(_input(fields), "command")
    if name == "PreToolUse":
        return Running(writer, _call(fields), command, cwd, bool(_input(fields).get("run_in_background")))
    return Ran(writer, _call(fields), command, cwd)


def _changed(writer: Writer, fields: "dict[str, Any]") -> Changed:
    said = fields.get("tool_response")
    if not isinstance(said, dict):
        raise BadEvent("tool_response is no object")
    before = said.get("originalFile")
    if before is not None and not isinstance(before, str):
        raise BadEvent("originalFile is no text")
    call, path = _call(fields), _path(fields)
    if call.tool == "Write":
        return Changed(writer, call, path, before, [_text(said, "content")], None, None)
    old, new = _text(said, "oldString"), _text(said, "newString")
    after = _replaced(before or "", old, new, bool(said.get("replaceAll")))
    return Changed(writer, call, path, before, after, old, new)


def _replaced(before: str, old: str, new: str, every: bool) -> "list[str]":
    """Returns what an Edit may have made, the likeliest first: where nothing is put in its place, the line end goes too."""
    count = -1 if every else 1
    found = []
    if not before and not old:
        found.append(new)
    elif old and old in before:
        if not new and not old.endswith("\n") and old + "\n" in before:
            found.append(before.replace(old + "\n", new, count))
        found.append(before.replace(old, new, count))
    return found


def _refused(writer: Writer, fields: "dict[str, Any]", error: str) -> "Iterator[Event]":
    if fields.get("tool_name") not in ("Edit", "Write"):
        return
    if not error.strip().removeprefix("<tool_use_error>").removeprefix("Error: ").startswith(STALE):
        return
    call, path, asked = _call(fields), _path(fields), _input(fields)
    if call.tool == "Write":
        yield Refused(writer, call, path, None, _text(asked, "content"), False)
    else:
        old, new = _text(asked, "old_string"), _text(asked, "new_string")
        yield Refused(writer, call, path, old, new, bool(asked.get("replace_all")))


def _looked(writer: Writer, fields: "dict[str, Any]") -> "Iterator[Event]":
    said = fields.get("tool_response")
    file = said.get("file") if isinstance(said, dict) else None
    if not isinstance(file, dict) or not isinstance(file.get("content"), str):
        return  # a picture, a notebook, or "unchanged since your last read": nothing new was shown
    first, total = file.get("startLine", 1), file.get("totalLines", 0)
    if not isinstance(first, int) or not isinstance(total, int) or first < 1:
        raise BadEvent("startLine or totalLines is no number")
    yield Looked(writer, _path(fields), file["content"], first - 1, total)
