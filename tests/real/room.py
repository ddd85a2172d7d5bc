"""A clean room for the real Claude Code client: everything it reads, writes and asks lies in one folder of the test.

Nothing of the caller's environment reaches the client except PATH. It talks to the stand-in on loopback, with a key that
is none.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api import Api, Call, Result, Step, Turn, results

REPOSITORY = Path(__file__).resolve().parents[2]
SESSION_S = 100.0
"""How long a headless session may take before it counts as hung."""


@dataclass
class Session:
    """Is a headless session that has been started."""

    process: subprocess.Popen[bytes]
    room: "Room"
    events: list[dict[str, Any]] = field(default_factory=list)
    errors: str = ""

    def finish(self) -> "Session":
        """Waits for its end and keeps what it said."""
        try:
            out, err = self.process.communicate(timeout=SESSION_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self.errors = err.decode(errors="replace")
        self.events = [json.loads(line) for line in out.splitlines() if line.startswith(b"{")]
        assert self.events, f"The client said nothing; exit {self.process.returncode}: {self.errors}"
        return self

    def kill(self) -> None:
        """Ends it as a crash would."""
        self.process.kill()
        self.process.communicate()

    def results(self) -> list[Result]:
        """What its tools reported, subagents' included."""
        return results([event["message"] for event in self.events if event.get("type") == "user"])

    @property
    def id(self) -> str:
        return next(event["session_id"] for event in self.events if "session_id" in event)

    @property
    def memory(self) -> str | None:
        """The memory folder that the client says it uses."""
        first = next(event for event in self.events if event.get("subtype") == "init")
        found: str | None = first.get("memory_paths", {}).get("auto")
        return found


class Room:
    """Is a home, a configuration, a project that is a git repository, and a stand-in for the API.

    `home` is the test's own. `claude` is the client's binary.
    """

    def __init__(self, claude: Path, home: Path, api: Api) -> None:
        self.claude, self.home, self.api = claude, home, api
        self.daemon = "off"  # what $MEMSHIM_DAEMON says
        self.config = home / ".claude"
        self.project = home / "work" / "project"
        for folder in (self.config, self.project, home / "tmp"):
            folder.mkdir(parents=True)
        git = ["git", "-C", str(self.project), "-c", "user.name=x", "-c", "user.email=x@example.org"]
        for command in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "start"]):
            subprocess.run([*git, *command], check=True, env=self.environment(), stdin=subprocess.DEVNULL)
        self.memory = self.config / "projects" / self.slug / "memory"
        self.index = self.memory / "MEMORY.md"

    @property
    def slug(self) -> str:
        return re.sub(r"[^A-Za-z0-9]", "-", os.path.realpath(self.project))

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        home = self.home
        return {
            **{"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home / "tmp"), "USER": "somebody"},
            **{"LANG": "C.UTF-8", "TERM": "dumb", "SHELL": "/bin/bash", "IS_SANDBOX": "1"},
            **{"XDG_CONFIG_HOME": str(home / ".config"), "XDG_CACHE_HOME": str(home / ".cache")},
            **{"XDG_DATA_HOME": str(home / ".local/share"), "XDG_STATE_HOME": str(home / ".local/state")},
            # The test's own already, and short: a socket's path may have 104 bytes.
            "XDG_RUNTIME_DIR": os.environ.get("XDG_RUNTIME_DIR", str(home / "run")),
            **{"CLAUDE_CONFIG_DIR": str(self.config), "ANTHROPIC_BASE_URL": self.api.url},
            **{"ANTHROPIC_API_KEY": "sk-ant-no-key", "DISABLE_TELEMETRY": "1", "DISABLE_AUTOUPDATER": "1"},
            **{"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "MEMSHIM_DAEMON": self.daemon},
            **(more or {}),
        }

    # -- setting up ------------------------------------------------------------------------------------------

    def settings(self, value: Mapping[str, Any], scope: str = "user") -> None:
        """Adds to the settings of a scope."""
        names = {"user": "settings.json", "project": "settings.json", "local": "settings.local.json"}
        path = (self.config if scope == "user" else self.project / ".claude") / names[scope]
        path.parent.mkdir(exist_ok=True)
        old = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**old, **value}, indent=2))

    def remember(self, text: str, name: str = "MEMORY.md") -> Path:
        """Puts a file into the memory folder, as if it had been there for an hour."""
        self.memory.mkdir(parents=True, exist_ok=True)
        path = self.memory / name
        path.write_text(text)
        os.utime(path, (time.time() - 3600,) * 2)
        return path

    def subagent(self, name: str, **front: str) -> None:
        """Adds a subagent to the project."""
        lines = "".join(f"{key}: {value}\n" for key, value in {"name": name, "description": name, **front}.items())
        path = self.project / ".claude" / "agents" / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"---\n{lines}---\n\nDo what you are told.\n")

    # -- memshim ---------------------------------------------------------------------------------------------

    def install(self) -> None:
        """Puts memshim's hooks into the user's settings, as a person would."""
        self.memshim("install")

    def memshim(self, *args: str | Path, code: int = 0, source: Path = REPOSITORY) -> str:
        """What a command of memshim prints, run by the person whose room this is."""
        environment = self.environment({"PYTHONPATH": str(source)})
        command = [sys.executable, "-m", "memshim", *map(str, args)]
        done = subprocess.run(command, env=environment, cwd=self.project, stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode == code, (command, done.returncode, done.stdout.decode(), done.stderr.decode())
        return done.stdout.decode()

    def incidents(self, clear: bool = False) -> list[str]:
        """What went wrong in hooks, where nobody could be told."""
        path = self.home / ".local/state/memshim/incidents"
        found = path.read_text().splitlines() if path.exists() else []
        if clear:
            path.unlink(missing_ok=True)
        return found

    def verify(self) -> None:
        """Fails if a hook noted that something went wrong, or a store is not sound.

        That one ended itself after 3 s is what a busy machine makes it do; what it was told is taken in later.
        """
        assert [line for line in self.incidents() if '"hook ended itself"' not in line] == []
        for store in self.stores():
            self.memshim("check", "--store", store.parent.parent / store.name)

    def stores(self) -> list[Path]:
        """What lies beside every folder of a client's memory that has become a store."""
        return sorted(path for beside in self.home.rglob(".memshim") for path in beside.iterdir() if path.is_dir())

    # -- running ---------------------------------------------------------------------------------------------

    def start(
        self,
        steps: Sequence[Step],
        *args: str,
        prompt: str = "",
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Session:
        """Starts a headless session that follows these steps; `prompt` alone, where given, starts none of its own."""
        if not prompt:
            name = f"session-{len(self.api.scripts)}"
            self.api.scripts[name] = steps
            prompt = f"Go on. play:{name}"
        command = [str(self.claude), "-p", prompt, "--output-format", "stream-json", "--verbose"]
        process = subprocess.Popen(
            [*command, "--dangerously-skip-permissions", *args],
            cwd=cwd or self.project,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        return Session(process, self)

    def run(self, steps: Sequence[Step], *args: str, **more: Any) -> Session:
        """A headless session from start to end."""
        return self.start(steps, *args, **more).finish()

    # -- what agents say -------------------------------------------------------------------------------------

    def agent(self, name: str, steps: Sequence[Step], kind: str = "general-purpose") -> Call:
        """The call that starts a subagent, which follows these steps."""
        self.api.scripts[name] = steps
        return Call("Agent", {"description": name, "subagent_type": kind, "prompt": f"play:{name}"})


def read(path: Path, **more: int) -> Call:
    return Call("Read", {"file_path": str(path), **more})


def edit(path: Path, old: str, new: str) -> Call:
    return Call("Edit", {"file_path": str(path), "old_string": old, "new_string": new})


def write(path: Path, text: str) -> Call:
    return Call("Write", {"file_path": str(path), "content": text})


def bash(command: str, **more: Any) -> Call:
    return Call("Bash", {"command": command, "description": "a command", **more})


def together(*calls: Call) -> Turn:
    """Several calls in one answer."""
    return Turn(calls)


def after(action: Callable[[], object], call: Call) -> Step:
    """A turn before which something else happens."""

    def turn(_: list[Result]) -> Call:
        action()
        return call

    return turn


def until(true: Any, seconds: float = 30) -> None:
    """Waits until `true()` is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "This did not come true in time."
        time.sleep(0.02)


def lines(path: Path) -> Counter[str]:
    """The lines of a file with how often each is there, blank ones left out."""
    return Counter(line for line in path.read_text().splitlines() if line.strip())
