"""What one call of the agents' hook costs, by the command that `memshim install` writes, beside `python -c pass`.

    python benchmarks/hooks.py [--only look,take,others] [--rounds N] [--quick] [--scratch DIR]

    look    Bash events that have nothing to do with memory: 2 KB, 30 KB and 1 MB, in the output and in the command
    take    an Edit of a memory: with a daemon over `nc -U`, with a daemon and no nc, without a daemon
    others  edit-guard and agent-coherence from the package index, on the same Edit, by the commands that they install

Everything runs in a scratch folder with a home of its own.
"""

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bench

REPOSITORY = Path(__file__).resolve().parent.parent
PASS = "python -c pass"
SESSION = "91130daa-0000-4000-8000-000000000000"
TARGETS = {"2 KB": 0.15, "30 KB": 0.2, "1 MB": 0.5}
SIZES = {"2 KB": 2_000, "30 KB": 30_000, "1 MB": 1_000_000}
Send = Callable[[], None]


class Home:
    """Is a scratch home with memshim's hooks in its settings, and the commands that stand there."""

    def __init__(self, folder: str, python: str, program: str) -> None:
        self.folder = folder
        self.python = python
        self.program = program
        self.memory = os.path.join(folder, "home", ".claude", "projects", "-work", "memory")
        self.text = "# Memory\n\n" + "".join(f"- a line that is remembered, number {n}\n" for n in range(100))
        self.calls = 0
        subprocess.run([program, "install"], check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(folder, "home", ".claude", "settings.json")) as file:
            groups = json.load(file)["hooks"]["PostToolUse"]
        self.take = next(
            h["command"] for group in groups for h in group["hooks"] if h.get("if", "").startswith("Edit(")
        )
        self.look = next(h["command"] for group in groups for h in group["hooks"] if group["matcher"] == "Bash")
        os.makedirs(self.memory)
        self.write()
        send(self.take, self.edited())()  # makes the store

    @property
    def document(self) -> str:
        """Returns the path of MEMORY.md."""
        return os.path.join(self.memory, "MEMORY.md")

    def write(self) -> None:
        """Writes the document as the client does."""
        with open(self.document + ".tmp", "w") as file:
            file.write(self.text)
        os.rename(self.document + ".tmp", self.document)

    def edited(self) -> bytes:
        """Changes a line as the client's Edit does, and returns the event that follows."""
        with open(self.document) as file:
            before = file.read()
        self.calls += 1
        old = before.splitlines()[2 + self.calls % 100]
        new = f"- a line that is remembered, changed {self.calls}"
        self.text = before.replace(old + "\n", new + "\n", 1)
        self.write()
        asked = {"file_path": self.document, "old_string": old, "new_string": new, "replace_all": False}
        said = {
            "filePath": self.document,
            "oldString": old,
            "newString": new,
            "originalFile": before,
            "replaceAll": False,
        }
        return event("Edit", asked, {**said, "structuredPatch": [], "userModified": False}, f"toolu_{self.calls}")


def event(tool: str, asked: dict[str, object], said: dict[str, object], call: str) -> bytes:
    """Returns a PostToolUse event as the client writes it."""
    home = os.environ["HOME"]
    fields = {
        "session_id": SESSION,
        "transcript_path": f"{home}/.claude/projects/-work/{SESSION}.jsonl",
        "cwd": f"{home}/work",
        "permission_mode": "default",
        "hook_event_name": "PostToolUse",
        "tool_name": tool,
        "tool_input": asked,
        "tool_response": said,
        "tool_use_id": call,
        "duration_ms": 17,
    }
    return json.dumps(fields).encode() + b"\n"


def bash(size: int, where: str) -> bytes:
    """Returns an event of Bash with nothing about memory in it, of a size, mostly in the output or the command."""
    line = "src/parser/tokens.py:118: warning: unused name in a loop\n"
    filler = (line * (size // len(line) + 1))[: size - 700]
    asked: dict[str, object] = {"command": "make test", "description": "Run the tests"}
    said: dict[str, object] = {"stdout": "", "stderr": "", "interrupted": False, "isImage": False}
    if where == "output":
        said["stdout"] = filler
    elif where == "command":
        asked["command"] = f"cat > notes.txt <<'END'\n{filler}END"
    else:  # one word, which nothing splits
        asked["command"] = "echo " + "x" * (size - 700)
    return event("Bash", asked, said, "toolu_1")


def send(command: str, payload: bytes) -> Send:
    """Returns a call that runs a hook's command as the client does: a shell, the event on a socket."""
    return lambda: started(["/bin/sh", "-c", command], payload)


def started(command: list[str], payload: bytes) -> None:
    """Runs a command with a socket as its standard input, by the cheapest call there is: this program's own cost is no hook's."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            inputs = (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)
            pid = os.posix_spawn(command[0], command, os.environ, file_actions=[inputs, _NO_OUTPUT])
        with contextlib.suppress(BrokenPipeError):  # the front reads no further than it must
            ours.sendall(payload)
        ours.shutdown(socket.SHUT_WR)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise RuntimeError(f"exit {code}: {command}")


_NO_OUTPUT = (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)


def timed(prepare: Callable[[], bytes], command: str) -> Callable[[], float]:
    """Returns a call of which only the hook counts: not what the client does before it, nor what a daemon does after it."""

    def call() -> float:
        payload = prepare()
        begin = time.perf_counter()
        send(command, payload)()
        took = time.perf_counter() - begin
        settled()
        return took

    return call


def settled() -> None:
    """Waits until all that hooks were told is taken in: the next agent comes to an idle machine."""
    inbox = os.path.join(os.environ["XDG_STATE_HOME"], "memshim", "inbox")
    until = time.monotonic() + 10
    while os.listdir(inbox):
        if time.monotonic() > until:
            raise RuntimeError("an event was not taken in")
        time.sleep(0.005)


def base(python: str) -> Send:
    """Returns what everything is compared with; it is started as the hooks are."""
    return lambda: started([python, "-c", "pass"], b"")


def rows(took: bench.Seconds, targets: dict[str, float]) -> list[list[str]]:
    """Returns a table's rows: milliseconds, ratio, target."""
    found = []
    for name, seconds in took.items():
        ratio = bench.ratio(took, name, PASS)
        aim = f"<= {targets[name]}: {bench.verdict(ratio, targets[name])}" if name in targets else ""
        found.append([name, bench.median_ms(seconds), f"{ratio:.2f} ({bench.spread(took, name, PASS)})", aim])
    return found


HEAD = ["", "ms", f"ratio to {PASS}", "target"]


def look(home: Home, rounds: int) -> None:
    """Measures Bash events that have nothing to do with memory."""
    variants: dict[str, Send] = {PASS: base(home.python)}
    targets = {}
    for where in ("output", "command", "one word"):
        for size, length in SIZES.items():
            name = f"Bash, {size} in the {where}" if where != "one word" else f"Bash, {size} in one word of the command"
            variants[name] = send(home.look, bash(length, where))
            targets[name] = TARGETS[size]
    bench.table("look. Bash outside memory", HEAD, rows(bench.interleave(variants, rounds), targets))


def take(home: Home, rounds: int, nc: str | None) -> None:
    """Measures an Edit of a memory of 100 lines, taken in, merged and published."""
    off = "MEMSHIM_DAEMON=off; export MEMSHIM_DAEMON; "
    alone = "edit of a memory, no daemon"
    targets = {alone: 5.0}
    variants = {PASS: base(home.python), alone: timed(home.edited, off + home.take)}
    if daemon_runs(home):
        if nc:
            variants["edit, daemon over nc -U"] = timed(home.edited, f"PATH='{os.path.dirname(nc)}':$PATH; {home.take}")
            targets["edit, daemon over nc -U"] = 0.4
        variants["edit, daemon, no nc"] = timed(home.edited, f"PATH='{without_nc(home.folder)}'; {home.take}")
        targets["edit, daemon, no nc"] = 1.3
    took = bench.interleave(variants, rounds)
    bench.table("take. An edit of a memory of 100 lines", HEAD, rows(took, targets))
    if not nc:
        bench.say("There is no nc with -U on PATH, so the daemon was asked through Python only.")


def daemon_runs(home: Home) -> bool:
    """Starts the daemon; tells whether it came up."""
    os.makedirs(os.environ["XDG_RUNTIME_DIR"], mode=0o700, exist_ok=True)
    return subprocess.run([home.program, "daemon", "start"], stdout=subprocess.DEVNULL, check=False).returncode == 0


def nc_with_sockets() -> str | None:
    """Returns an nc that knows -U, None where there is none."""
    found = shutil.which("nc")
    said = subprocess.run([found, "-h"], capture_output=True, check=False) if found else None
    return found if said is not None and b"-U" in said.stdout + said.stderr else None


def without_nc(folder: str) -> str:
    """Returns a folder for PATH with what the front uses, and no nc."""
    path = os.path.join(folder, "few")
    os.makedirs(path, exist_ok=True)
    for name in ("awk", "cat", "date", "id", "mkdir", "mv"):
        if not os.path.lexists(os.path.join(path, name)):
            os.symlink(shutil.which(name) or name, os.path.join(path, name))
    return path


@contextlib.contextmanager
def coordinator(folder: str, env: str) -> Iterator[str]:
    """Runs agent-coherence's coordinator for a workspace with one tracked file; gives that file's path."""
    work = os.path.join(folder, "workspace")
    os.makedirs(work)
    path = os.path.join(work, "MEMORY.md")
    with open(path, "w") as file:
        file.write("# Memory\n")
    subprocess.run(["git", "init", "-q", work], check=True)
    subprocess.run([f"{env}/bin/agent-coherence-coordinator", "--root", work, "--quiet"], check=True)
    with open(os.path.join(work, ".coherence", "server.pid")) as file:
        pid = int(file.readline())
    try:
        track = [f"{env}/bin/agent-coherence-track", "--root", work, "MEMORY.md"]
        subprocess.run(track, check=True, cwd=work, stdout=subprocess.DEVNULL)
        yield path
    finally:
        os.kill(pid, 15)


def others(home: Home, rounds: int) -> None:
    """Measures two packages that guard against stale edits, each after the same Edit."""
    env = os.path.join(home.folder, "others")
    subprocess.run([sys.executable, "-m", "venv", env], check=True)
    pip = [f"{env}/bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "edit-guard", "agent-coherence"], check=True)
    with coordinator(home.folder, env) as path:
        numbers = iter(range(1_000_000))

        def edited() -> bytes:
            with open(path, "a") as file:
                file.write(f"- line {next(numbers)}\n")
            return event(
                "Edit", {"file_path": path, "old_string": "a", "new_string": "b"}, {"filePath": path}, "toolu_1"
            )

        there = f"cd '{os.path.dirname(path)}' && "
        variants = {
            PASS: base(home.python),
            "memshim: taken in, merged, published, no daemon": timed(home.edited, home.take),
            "edit-guard hook --post-write": timed(edited, f"{there}'{env}/bin/edit-guard' hook --post-write"),
            "agent-coherence-hook-client post-edit": timed(
                edited, f"{there}'{env}/bin/agent-coherence-hook-client' post-edit"
            ),
        }
        os.environ["MEMSHIM_DAEMON"] = "off"
        bench.table("others. After the same Edit", HEAD, rows(bench.interleave(variants, rounds), {}))


def main() -> None:
    """Runs the figures that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="look,take,others", help="look, take, others")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help="few rounds, nothing from the package index")
    parser.add_argument("--scratch", help="a folder on the disk to measure")
    args = parser.parse_args()
    wanted = args.only.split(",")
    if unknown := set(wanted) - {"look", "take", "others"}:
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    rounds = 2 if args.quick else args.rounds
    with bench.scratch(args.scratch) as folder, tempfile.TemporaryDirectory(prefix="ms-") as runtime:
        os.environ["XDG_RUNTIME_DIR"] = runtime
        os.environ.pop("CLAUDE_CONFIG_DIR", None)
        from core import installed  # one way to an environment that is like a user's

        home = Home(folder, *installed(folder, args.quick))
        try:
            if "look" in wanted:
                look(home, rounds)
            if "take" in wanted:
                take(home, rounds, nc_with_sockets())
            if "others" in wanted and not args.quick:
                others(home, rounds)
        finally:
            subprocess.run([home.program, "daemon", "stop"], stdout=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    main()
