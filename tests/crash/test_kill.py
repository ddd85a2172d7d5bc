"""Twenty long-lived processes append under five ids and are killed at any moment: what was acknowledged is there."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from memshim import Store

RunMemshim = Callable[..., "subprocess.CompletedProcess[bytes]"]
APPENDER = Path(__file__).with_name("appender.py")
AGENTS = ["ann", "bob", "cid", "dan", "eve"]
COMPACTOR = "compactor"
HANG_S = 60.0
"""How long nothing may be acknowledged and nobody may end."""


class Crowd:
    """Is the processes of one run; each that is killed starts again, until all have done their part."""

    def __init__(self, folder: Path, notes: Path, count: int) -> None:
        self.folder, self.notes, self.count = folder, notes, count
        self.names = {f"writer{n}": AGENTS[n % 5] for n in range(20)} | {COMPACTOR: "-"}
        self.lives: Counter[str] = Counter()
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        self.lives[name] += 1
        words = [self.folder, self.names[name], name, self.count, self.lives[name], self.notes]
        command = [sys.executable, str(APPENDER), *map(str, words)]
        self.running[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def acknowledged(self) -> dict[str, str]:
        found = {}
        for name in self.names:
            if (self.notes / name).exists():
                found.update(line.split(" ", 1) for line in (self.notes / name).read_text().splitlines())
        return found

    def collect(self) -> int:
        """Takes the writers that have done their part out; returns how many go on."""
        for name, process in list(self.running.items()):
            if process.poll() is not None:
                assert process.returncode == 0, f"{name} ended with {process.returncode}"
                del self.running[name]
        return len(self.running.keys() - {COMPACTOR})

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        process.kill()
        process.wait()
        self.start(name)

    def run(self, chance: random.Random, kills: int) -> int:
        """Runs to the end; kills somebody each time that a random number more was acknowledged.  Returns the kills."""
        total, killed, last = 20 * self.count, 0, time.monotonic()
        marks = sorted(chance.sample(range(1, total), kills))
        for name in self.names:
            self.start(name)
        seen = -1
        while left := self.collect():
            now = sum(f.stat().st_size for f in self.notes.iterdir()), left
            if now != seen:
                seen, last = now, time.monotonic()
            assert time.monotonic() < last + HANG_S, f"{left} writers hang: {sorted(self.running)}"
            while marks and len(self.acknowledged()) >= marks[0]:
                marks.pop(0)
                self.kill(chance.choice(sorted(self.running)))
                killed += 1
            time.sleep(0.002)
        (self.notes / "done").touch()
        assert self.running[COMPACTOR].wait(HANG_S) == 0
        return killed

    def end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


def kill_and_compare(store_dir: Path, tmp_path: Path, run_memshim: RunMemshim, seed: int, count: int) -> None:
    (store_dir / "MEMORY.md").write_text("# Memory\n\nA text from before.\n")
    Store.open(store_dir).init()
    notes = tmp_path / "notes"
    notes.mkdir()
    crowd = Crowd(store_dir, notes, count)
    try:
        killed = crowd.run(random.Random(seed), kills=40)
    finally:
        crowd.end()
    acknowledged = crowd.acknowledged()
    print(f"{len(acknowledged)} acknowledged, {killed} kills of {sum(n > 1 for n in crowd.lives.values())} processes")
    assert len(acknowledged) == 20 * count
    assert killed >= 20

    found = json.loads(run_memshim("check", "--json", "--store", store_dir, check=True).stdout)
    assert [f for f in found["findings"] if f["level"] != "note"] == []
    run_memshim("compact", "--store", store_dir, check=True)
    shown = json.loads(run_memshim("show", "--json", "--store", store_dir, check=True).stdout)
    entries = Counter(entry for block in shown["blocks"] for entry in block["entries"])
    assert {id_: entries[id_] for id_ in acknowledged if entries[id_] != 1} == {}
    lines = Counter((store_dir / "MEMORY.md").read_text().splitlines())
    assert {text: lines[text] for text in acknowledged.values() if lines[text] != 1} == {}
    assert [line for line, times in lines.items() if times > 1 and line] == []
    found = json.loads(run_memshim("check", "--json", "--store", store_dir, check=True).stdout)
    assert [f for f in found["findings"] if f["level"] != "note"] == []


def test_twenty_processes_that_are_killed_lose_nothing_acknowledged(
    store_dir: Path, tmp_path: Path, run_memshim: RunMemshim, seed: int
) -> None:
    kill_and_compare(store_dir, tmp_path, run_memshim, seed, 50)


@pytest.mark.stress
@pytest.mark.timeout(1200)
def test_twenty_processes_times_five_hundred(
    store_dir: Path, tmp_path: Path, run_memshim: RunMemshim, seed: int
) -> None:
    kill_and_compare(store_dir, tmp_path, run_memshim, seed, 500)
