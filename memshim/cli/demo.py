"""`memshim demo`: the same race twice, measured in this very run.  Must not print a figure that it did not measure."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

from memshim.cli.common import JSON, say, say_json
from memshim.cli.declare import Word, command
from memshim.errors import BadInput, word
from memshim.store.store import Store

WRITERS = 8
LOADS = (5, 10, 20)
"""How many notes each writer adds; more only where the plain way has lost nothing."""
START = "# Memory\n\nWhat the agents of this project remember.\n"
_WORKER = "from memshim.cli.demo import work; work()"


@command(
    Word("--keep", metavar="DIR", help="Leave the store of the second race there, to look around in."),
    JSON,
)
def demo_command(keep: str | None, as_json: bool) -> int:
    """Race 8 writers in a scratch folder: first the way agents' tools write, then through memshim."""
    if keep and os.path.isdir(keep) and os.listdir(keep):
        raise BadInput(f"{keep} is not empty.", "Name a folder that is empty, or not there yet.")
    with tempfile.TemporaryDirectory(prefix="memshim-demo-") as scratch:
        for notes in LOADS:
            plain = race(os.path.join(scratch, f"plain-{notes}"), "plain", notes, scratch)
            if plain["lost"]:
                break
            if not as_json:
                more = "; racing again with more" if notes != LOADS[-1] else ""
                say(f"The plain way lost none of {plain['sent']} notes this time{more}.")
        folder = keep or os.path.join(scratch, "memshim")
        safe = race(folder, "memshim", notes, None if keep else os.path.join(scratch, "state"))
        if as_json:
            say_json({"rows": [plain, safe]})
        else:
            _print_table([plain, safe])
            if keep:
                say(f"The store is in {keep}; try: memshim log --store {word(keep)}")
    return 1 if safe["lost"] else 0


def race(folder: str, how: str, notes: int, scratch: str | None = None) -> dict[str, object]:
    """Runs one race of WRITERS processes that each add some notes, released together; returns how, sent, kept, lost."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "MEMORY.md")
    with open(path, "w") as file:
        file.write(START)
    environment = dict(os.environ)
    if scratch:
        environment["XDG_STATE_HOME"] = scratch  # a store that goes away with the demo is not registered
    command = [sys.executable, "-P", "-c", _WORKER, how, folder, str(notes)]
    with contextlib.ExitStack() as stack:
        workers = []
        for n in range(WRITERS):
            worker = subprocess.Popen(
                [*command, f"agent-{n + 1}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
            )
            stack.callback(_end, worker)
            workers.append(worker)
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()  # it is ready
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.close()  # the gate opens
        for worker in workers:
            if worker.wait() != 0:
                raise RuntimeError(f"a writer of the race ended with {worker.returncode}")
    if how != "plain":
        with Store.open(folder) as store:
            store.compact()
    with open(path) as file:
        lines = set(file.read().splitlines())
    sent = WRITERS * notes
    kept = sum(f"- {_note(f'agent-{n + 1}', k)}" in lines for n in range(WRITERS) for k in range(notes))
    return {
        "how": "read, change, rename" if how == "plain" else "memshim",
        "sent": sent,
        "kept": kept,
        "lost": sent - kept,
    }


def _end(worker: "subprocess.Popen[bytes]") -> None:
    worker.kill()
    worker.wait()
    for pipe in (worker.stdin, worker.stdout):
        if pipe is not None:
            pipe.close()


def work() -> None:
    """Is one writer: says that it is ready, waits for the gate, adds its notes."""
    how, folder, notes, agent = sys.argv[1:5]
    add: Callable[[str], object]
    if how == "plain":
        add = _plain_writer(os.path.join(folder, "MEMORY.md"))
    else:
        store = Store.open(folder, agent=agent)
        add = store.append
    print("ready", flush=True)
    sys.stdin.read()
    for k in range(int(notes)):
        add(f"- {_note(agent, k)}")
        if how == "memshim" and agent == "agent-1" and k % 3 == 2:
            store.compact()


def _plain_writer(path: str) -> Callable[[str], object]:
    """Returns what agents' own tools do: read, change, write a temporary file, sync, rename; atomic, and not enough."""

    def add(line: str) -> None:
        with open(path) as file:
            text = file.read()
        temporary = f"{path}.tmp.{os.getpid()}"
        with open(temporary, "w") as file:
            file.write(text + line + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)

    return add


def _note(agent: str, k: int) -> str:
    return f"{agent} learned fact {k + 1}"


def _print_table(rows: list[dict[str, object]]) -> None:
    say(f"{WRITERS} writers at once, one MEMORY.md:")
    say(f"  {'how':<22}{'sent':>6}{'kept':>6}{'lost':>6}")
    for row in rows:
        say(f"  {row['how']:<22}{row['sent']:>6}{row['kept']:>6}{row['lost']:>6}")
