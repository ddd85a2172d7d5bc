"""A stand-in for a client: one process that writes to memory as Claude Code does, without a lock, and tells the hook.

What it tells are the recorded payloads with its own words in them. A line of JSON at the end says what it wrote.

    python stand_in.py HOME NAME COUNT SEED HOOK WAYS
"""

import copy
import json
import os
import random
import re
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from recorded import Payload, event, places

STALE = "refused-in-tool-write"


class StandIn:
    """Is one session; `mem` is the document that it writes."""

    def __init__(self, home: Path, name: str, seed: int, hook: str) -> None:
        self.home, self.name, self.hook = home, name, hook
        self.random = random.Random(f"{seed} {name}")
        self.session = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        self.mem = places(home)["<MEM>"] / "MEMORY.md"
        self.wrote: list[str] = []
        self.refused = self.ambiguous = 0

    # -- what the hook is told -------------------------------------------------------------------------------

    def tell(self, payload: Payload) -> None:
        payload = {**payload, "session_id": self.session}
        payload.pop("agent_id", None)
        done = subprocess.run(
            [sys.executable, "-I", "-S", self.hook], input=json.dumps(payload).encode(), capture_output=True, timeout=60
        )
        assert done.returncode == 0, (done.returncode, done.stderr)
        assert not done.stderr, done.stderr

    def told(self, session: str, name: str, tool: str, call: str, **changes: dict[str, Any]) -> None:
        """A recorded event with other words: `changes` are laid over its fields of that name."""
        payload = copy.deepcopy(event(session, self.home, name, tool))
        payload["tool_use_id"] = call
        for field, values in changes.items():
            payload[field] = {**payload[field], **values}
        self.tell(payload)

    # -- the tools, as the client's ---------------------------------------------------------------------------

    def replace(self, text: str) -> None:
        """A temporary file beside it, synced, renamed."""
        aside = self.mem.with_name(f"MEMORY.md.tmp.{os.getpid()}.{self.random.getrandbits(48):012x}")
        with open(aside, "w") as file:
            file.write(text)
            os.fsync(file.fileno())
        aside.rename(self.mem)

    def read(self) -> str:
        text = self.mem.read_text()
        count = text.count("\n") + 1
        file = {"filePath": str(self.mem), "content": text, "numLines": count, "startLine": 1, "totalLines": count}
        asked = {"file_path": str(self.mem)}
        self.told("plain", "PostToolUse", "Read", self.call(), tool_input=asked, tool_response={"file": file})
        return text

    def call(self) -> str:
        return f"toolu_{self.random.getrandbits(96):024x}"

    def edit(self, line: str) -> None:
        call, old, new = self.call(), "END\n", f"{line}\nEND\n"
        asked = {"file_path": str(self.mem), "old_string": old, "new_string": new, "replace_all": False}
        self.told("plain", "PreToolUse", "Edit", call, tool_input=asked)
        text = self.mem.read_text()
        if text.count(old) != 1:
            self.ambiguous += 1  # the client refuses it, and so does nobody merge it
            return
        self.replace(text.replace(old, new))
        self.wrote.append(line)
        said = {"filePath": str(self.mem), "oldString": old, "newString": new, "originalFile": text}
        self.told("plain", "PostToolUse", "Edit", call, tool_input=asked, tool_response=said)

    def write(self, line: str) -> None:
        """Looks whether the file has changed since it was read, then writes all of it: the client's race in full."""
        call, seen = self.call(), self.read()
        text = seen.replace("END\n", f"{line}\nEND\n")
        asked = {"file_path": str(self.mem), "content": text}
        self.told("writes", "PreToolUse", "Write", call, tool_input=asked)
        self.wrote.append(line)
        before = self.mem.read_text()
        if before != seen:
            self.refused += 1
            self.told(STALE, "PostToolUseFailure", "Write", call, tool_input=asked)
            return
        self.replace(text)
        said = {"type": "update", "filePath": str(self.mem), "content": text, "originalFile": before}
        self.told("writes", "PostToolUse", "Write", call, tool_input=asked, tool_response=said)

    def shell(self, command: str) -> None:
        call, asked = self.call(), {"command": command}
        self.told("writes", "PreToolUse", "Bash", call, tool_input=asked)
        subprocess.run(["bash", "-c", command], check=True, stdin=subprocess.DEVNULL)
        self.told("writes", "PostToolUse", "Bash", call, tool_input=asked)

    def echo(self, line: str) -> None:
        self.wrote.append(line)
        self.shell(f"echo '{line}' >> {self.mem}")

    def sed(self, line: str) -> None:
        self.wrote.append(line)
        self.shell(f"sed -i 's/^END$/{line}\\nEND/' {self.mem}")


def main() -> None:
    home, name, count, seed, hook, ways = sys.argv[1:]
    agent = StandIn(Path(home), name, int(seed), hook)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    begun = time.monotonic()
    for n in range(int(count)):
        line = f"- line {n} of {name}"
        assert re.fullmatch(r"- line \d+ of \w+", line)
        getattr(agent, agent.random.choice(ways.split(",")))(line)
    told = {"wrote": agent.wrote, "refused": agent.refused, "ambiguous": agent.ambiguous}
    print(json.dumps({**told, "seconds": time.monotonic() - begun}))


if __name__ == "__main__":
    main()
