"""A long-lived process that is killed at any moment: appends distinct texts, or compacts, until it has done its part.

    python appender.py FOLDER AGENT NAME COUNT LIFE FOLDER_OF_ACKNOWLEDGEMENTS

What append returned is noted in the file NAME there, one line `id text` in one write; a process that is started again
goes on behind the last of them, with texts that say which life of it wrote them. AGENT "-" compacts until there is a
file `done`.
"""

import os
import random
import sys
from pathlib import Path

from memshim import Store

LOCK_S = 120.0
"""Twenty-one processes ask for the lock all the time, and who gets it is luck."""


def main(folder: Path, agent: str, name: str, count: int, life: int, notes: Path) -> None:
    if agent == "-":
        store = Store.open(folder, lock_timeout=LOCK_S)
        while not (notes / "done").exists():
            store.compact()
        return
    chance = random.Random(f"{name} {life}")
    out = os.open(notes / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with Store.open(folder, agent=agent, lock_timeout=LOCK_S) as store:
        for n in range((notes / name).read_bytes().count(b"\n"), count):
            text = f"- note {n} of {name} in its life {life}"
            id_ = store.append(text, publish=chance.random() < 0.05)
            os.write(out, f"{id_} {text}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), Path(sys.argv[6]))
