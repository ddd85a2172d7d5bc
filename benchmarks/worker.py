"""One process of a race, `worker.py HOW FOLDER NOTES AGENT`: waits for the gate, makes notes durable one by one, ends.

Every way writes the same notes of 300 bytes, and goes on to the next only when the last would survive a power cut.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable

SIZE = 300


def note(agent: str, n: int) -> bytes:
    """Returns a note of SIZE bytes with its line end, like no other."""
    head = f"- {agent} learned fact {n}: "
    return (head + "x" * (SIZE - len(head) - 1) + "\n").encode()


def raw(folder: str, agent: str) -> Callable[[bytes], object]:
    """The floor: one O_APPEND write and one fsync, to a file of one's own."""
    fd = os.open(os.path.join(folder, f"{agent}.raw"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def add(text: bytes) -> None:
        os.write(fd, text)
        os.fsync(fd)

    return add


def library(folder: str, agent: str, publish: bool) -> Callable[[bytes], object]:
    """memshim's library, the store open; the journal is made before the gate opens, as the raw file is."""
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from memshim import Store

    store = Store.open(folder, agent=agent)
    store.append("- begins", publish=publish)
    return lambda text: store.append(text, publish=publish)


def git(folder: str, agent: str) -> Callable[[bytes], object]:
    """One commit per note, to a file of one's own in one repository; tries again while another holds git's lock."""
    path = os.path.join(folder, f"{agent}.md")
    open(path, "ab").close()
    until = time.monotonic() + 60
    while subprocess.run(["git", "add", path], cwd=folder, stderr=subprocess.DEVNULL).returncode != 0:
        _pause(until)
    command = ["git", "commit", "-q", "-m", "note", "--only", path]

    def add(text: bytes) -> None:
        with open(path, "ab") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        until = time.monotonic() + 60
        while subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
            _pause(until)

    return add


def _pause(until: float) -> None:
    if time.monotonic() > until:
        raise TimeoutError("git's lock was not free for a minute")
    time.sleep(0.001)


def git_prepare(folder: str) -> None:
    """Makes a repository whose commits are durable, and that never packs in the middle."""
    subprocess.run(["git", "init", "-q", folder], check=True)
    settings = {"core.fsync": "committed,reference", "gc.auto": "0", "maintenance.auto": "false"}
    settings |= {"user.name": "bench", "user.email": "bench@example.invalid", "commit.gpgsign": "false"}
    for name, value in settings.items():
        subprocess.run(["git", "config", name, value], cwd=folder, check=True)


def sqlite(folder: str, agent: str) -> Callable[[bytes], object]:
    """SQLite, write-ahead log, synchronous=FULL, one transaction per note."""
    import sqlite3

    base = sqlite3.connect(os.path.join(folder, "notes.db"), timeout=60, isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=FULL")
    base.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, agent TEXT, text BLOB)")
    return lambda text: base.execute("INSERT INTO notes (agent, text) VALUES (?, ?)", (agent, text))


def filelock(folder: str, agent: str) -> Callable[[bytes], object]:
    """Read, add, write aside, sync, rename: one file for all, under filelock."""
    from filelock import FileLock

    path = os.path.join(folder, "MEMORY.md")
    lock = FileLock(path + ".lock")

    def add(text: bytes) -> None:
        with lock:
            try:
                with open(path, "rb") as file:
                    before = file.read()
            except FileNotFoundError:
                before = b""
            with open(path + ".new", "wb") as file:
                file.write(before + text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(path + ".new", path)
            here = os.open(folder, os.O_RDONLY)
            os.fsync(here)
            os.close(here)

    return add


WAYS: dict[str, Callable[[str, str], Callable[[bytes], object]]] = {
    "raw": raw,
    "memshim": lambda folder, agent: library(folder, agent, False),
    "published": lambda folder, agent: library(folder, agent, True),
    "git": git,
    "sqlite": sqlite,
    "filelock": filelock,
}


def slow_disk(delay_ms: int) -> None:
    """Makes every fsync of this process longer, the processor left to others meanwhile, as a slower disk would."""
    real = os.fsync
    if delay_ms:

        def fsync(fd: int) -> None:
            time.sleep(delay_ms / 1000)
            real(fd)

        os.fsync = fsync


def main() -> None:
    """Gets ready, waits for the gate, writes, says done."""
    how, folder, notes, agent = sys.argv[1:]
    slow_disk(int(os.environ.get("BENCH_FSYNC_DELAY_MS", "0")))
    add = WAYS[how](folder, agent)
    texts = [note(agent, n) for n in range(int(notes))]
    print("ready", flush=True)
    sys.stdin.read()
    for text in texts:
        add(text)
    print("done", flush=True)


if __name__ == "__main__":
    main()
