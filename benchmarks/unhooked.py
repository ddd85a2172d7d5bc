"""A writer that never heard of memshim: waits, reads, thinks, writes, as clients' tools do; run by daemon.py.

python unhooked.py PATH NAME CHANGES HOW SEED        prints "ready", waits for the end of its input, prints "done"
"""

import os
import random
import sys
import time

WAIT_S, THINK_S = 0.150, 0.060


def renamed(path: str, data: bytes) -> None:
    """Writes a temporary file beside it, syncs, renames: the pattern of real clients."""
    temporary = f"{path}.tmp.{os.getpid()}.{time.monotonic_ns()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(fd, data)
    os.fsync(fd)
    os.close(fd)
    os.rename(temporary, path)


def in_place(path: str, data: bytes) -> None:
    """Truncates and writes, as open(..., "w") and > do."""
    with open(path, "wb") as file:
        file.write(data)


def main() -> None:
    """Makes the changes: each adds one line at the end."""
    path, name, changes, how, seed = sys.argv[1:6]
    chance = random.Random(f"{seed} {name}")
    print("ready", flush=True)
    sys.stdin.read()
    for n in range(int(changes)):
        time.sleep(chance.expovariate(1 / WAIT_S))
        line = f"- {name} learned fact {n}\n".encode()
        if how == "append":  # >>
            with open(path, "ab") as file:
                file.write(line)
            continue
        with open(path, "rb") as file:
            text = file.read()
        time.sleep(chance.expovariate(1 / THINK_S))
        (renamed if how == "rename" else in_place)(path, text + line)
    print("done", flush=True)


if __name__ == "__main__":
    main()
