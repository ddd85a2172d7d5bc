"""Races between real processes: they start, wait at a gate, and tell what they did; none outlives its test."""

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from memshim import Store
from memshim.disk import locks

RACER = Path(__file__).with_name("racer.py")
BUDGET_S = 90.0
"""How long a race may take before it counts as hung."""


class Racer:
    """Is one process of a race: its role, and, when it has ended, what it said."""

    def __init__(self, folder: Path, role: str, agent: str, **options: Any) -> None:
        words = json.dumps({"folder": str(folder), "role": role, "agent": agent, **options})
        self.role = role
        self.process = subprocess.Popen(
            [sys.executable, str(RACER), words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.told: list[dict[str, Any]] = []

    def wait_at_gate(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n", self.process.communicate(timeout=BUDGET_S)[1].decode()

    def open_gate(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def finish(self) -> None:
        """Waits for the end, which must be a good one."""
        out, err = self.process.communicate(timeout=BUDGET_S)
        assert self.process.returncode == 0, f"{self.role}: {self.process.returncode}\n{err.decode(errors='replace')}"
        self.told = [json.loads(line) for line in out.splitlines()]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


@contextlib.contextmanager
def started(*racers: Racer) -> Iterator[tuple[Racer, ...]]:
    """Lets racers wait at the gate; ends them, whatever happens."""
    try:
        for racer in racers:
            racer.wait_at_gate()
        yield racers
    finally:
        for racer in racers:
            racer.end()


def race(*racers: Racer) -> list[dict[str, Any]]:
    """Runs a race to its end and returns what all told."""
    with started(*racers):
        for racer in racers:
            racer.open_gate()
        for racer in racers:
            racer.finish()
    return [row for racer in racers for row in racer.told]


def make_old(folder: Path, agent: str) -> None:
    """Lets a journal look as if nothing had been written to it for two days."""
    journal = folder / ".memshim" / "journals" / f"{agent}.log"
    status = journal.stat()
    os.utime(journal, (status.st_mtime - 2 * 86400, status.st_mtime - 2 * 86400))


def entries_shown(folder: Path, doc: str = "MEMORY.md") -> Counter[str]:
    """Returns how many blocks of each entry stand in the document, as `memshim show --json` prints them.

    What has no id is no block: a blank line that the view put there because an entry's text needs one.
    """
    command = [sys.executable, "-m", "memshim", "show", "--json", "--store", str(folder), "--doc", doc]
    result = subprocess.run(command, capture_output=True, timeout=BUDGET_S, check=False)
    assert result.returncode == 0, result.stderr.decode(errors="replace")
    return Counter(entry for block in json.loads(result.stdout)["blocks"] if block["id"] for entry in block["entries"])


def verify_whole(folder: Path, told: list[dict[str, Any]]) -> None:
    """The two detectors for appends: ids in `show --json`, lines in MEMORY.md; and a sound store."""
    Store.open(folder).compact()
    shown = entries_shown(folder)
    lines = Counter((folder / "MEMORY.md").read_text().splitlines())
    kept = [row for row in told if row["did"] == "append"]
    wrong: dict[str, int] = {row["id"]: shown[row["id"]] for row in kept if shown[row["id"]] != 1}
    assert not wrong, f"acknowledged, not shown once: {wrong}"
    wrong = {row["text"]: lines[row["text"]] for row in kept if lines[row["text"]] != 1}
    assert not wrong, f"not in MEMORY.md once: {wrong}"
    verify_sound(folder)


def verify_sound(folder: Path, level: str = "note") -> None:
    """Lets `check` find nothing above a level."""
    allowed = {"note": {"note"}, "should": {"note", "should"}}[level]
    _, findings = Store.open(folder).check()
    bad = [(f.level, f.name, f.text) for f in findings if f.level not in allowed]
    assert not bad, bad


def take_locks_off(patch: Any = None) -> None:
    """Replaces every lock by nothing in this process; with a monkeypatch, until the end of the test."""
    put = patch.setattr if patch is not None else setattr
    put(locks, "sidecar", lambda *_, **__: contextlib.nullcontext())
    for name in ("exclusive", "release", "shared"):
        put(locks, name, lambda fd: None)
    put(locks, "try_exclusive", lambda fd: True)
