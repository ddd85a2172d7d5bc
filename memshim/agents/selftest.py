"""Self-test: runs the commands that were written into settings, on a scratch store.  Must not know where they were written."""

import json
import os
import subprocess
import tempfile
from typing import Any

from memshim.agents import fragment, settings
from memshim.disk.layout import Layout
from memshim.errors import MemshimError

BEFORE = "# Memory\n\n- was there before\n"
AFTER = BEFORE + "- written by the self-test\n"
_SESSION = "5e1f7e57-0000-4000-8000-000000000000"
_LIMIT_S = 30


def run(hooks: fragment.Hooks) -> None:
    """Sends recorded events to every command of a fragment, as the client would; nothing of the user's is touched.

    Raises MemshimError, which says what did not work: a command that fails or does not end, a write that did not become
    an entry of its session, a command that had nothing to do with memory and was taken for one that had.
    """
    with tempfile.TemporaryDirectory(prefix="memshim-self-test-") as scratch:
        scratch = os.path.realpath(scratch)
        folder = os.path.join(scratch, "projects", "-self-test", "memory")
        os.makedirs(folder)
        path = os.path.join(folder, "MEMORY.md")
        with open(path, "w") as file:
            file.write(AFTER)
        environ = {**os.environ, "HOME": scratch, "XDG_STATE_HOME": scratch, "XDG_RUNTIME_DIR": scratch}
        environ["MEMSHIM_DAEMON"] = "off"  # one that this session started would outlive the scratch folder
        environ.pop("CLAUDE_CONFIG_DIR", None)
        settings.remember(os.path.join(scratch, "memshim"))
        for command in fragment.commands(hooks):
            how = command.partition("set -- ")[2].partition(" ")[0].rstrip(";")
            event = {"look": _bash(scratch), "take": _write(path, scratch), "start": _start(scratch)}[how]
            said = _send(command, event, environ)
            if said.strip() and how != "start":
                raise MemshimError(f"The hook answered an event that asks for no answer: {said[:200]!r}.")
        _look(folder)


def _send(command: str, event: dict[str, Any], environ: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            input=json.dumps(event) + "\n",
            capture_output=True,
            text=True,
            errors="replace",
            env=environ,
            cwd=environ["HOME"],
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise MemshimError(f"The hook's command did not end within {_LIMIT_S} s.") from error
    if done.returncode or done.stderr.strip():
        raise MemshimError(
            f"The hook's command ended with {done.returncode}: {done.stderr.strip()[:200] or 'no message'}."
        )
    return done.stdout


def _look(folder: str) -> None:
    layout = Layout(folder)
    incidents = _incidents(os.path.dirname(os.path.dirname(os.path.dirname(folder))))
    if not layout.is_store():
        raise MemshimError(f"A write to a memory folder did not reach memshim through its hook{incidents}.")
    from memshim.store.store import Store

    if not any(entry.session == _SESSION for entry in Store.open(folder).log()):
        raise MemshimError(f"A write to a memory folder did not become an entry of its session{incidents}.")


def _incidents(state: str) -> str:
    """Returns what the hook noted in the scratch folder, as the end of a sentence."""
    try:
        with open(os.path.join(state, "memshim", "incidents"), encoding="utf-8", errors="replace") as file:
            return f" ({file.read().strip()[-300:]})"
    except FileNotFoundError:
        return ""


def _common(cwd: str, name: str) -> dict[str, Any]:
    where = os.path.join(cwd, "projects", "-self-test", f"{_SESSION}.jsonl")
    return {"session_id": _SESSION, "transcript_path": where, "cwd": cwd, "hook_event_name": name}


def _start(cwd: str) -> dict[str, Any]:
    return {**_common(cwd, "SessionStart"), "source": "startup"}


def _bash(cwd: str) -> dict[str, Any]:
    asked = {"command": "make test", "description": "Run the tests"}
    said = {"stdout": "ok", "stderr": "", "interrupted": False, "isImage": False}
    call = {"tool_name": "Bash", "tool_input": asked, "tool_response": said, "tool_use_id": "toolu_self_test_bash"}
    return {**_common(cwd, "PostToolUse"), **call}


def _write(path: str, cwd: str) -> dict[str, Any]:
    asked = {"file_path": path, "content": AFTER}
    said = {"type": "update", "filePath": path, "content": AFTER, "originalFile": BEFORE, "structuredPatch": []}
    call = {"tool_name": "Write", "tool_input": asked, "tool_response": said, "tool_use_id": "toolu_self_test_write"}
    return {**_common(cwd, "PostToolUse"), **call}
