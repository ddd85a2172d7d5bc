"""A foreign writer: renames new versions onto MEMORY.md as fast as it can, and knows nothing of memshim.

    python renamer.py FOLDER own|reads|in-place COUNT

Each version says one line more. "own" writes its own text only; "reads" reads the file first and adds a line;
"in-place" appends the line to the file that it opened, as `>>` does. Prints each line before its version is there.
"""

import os
import sys
from pathlib import Path


def main(folder: Path, way: str, count: int) -> None:
    document, aside = folder / "MEMORY.md", folder.parent / "renamed"
    known = document.read_bytes()
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(count):
        line = f"- foreign {n}"
        print(line, flush=True)
        if way == "in-place":
            with document.open("ab") as file:
                file.write(f"{line}\n".encode())
            continue
        if way == "reads":
            known = document.read_bytes()
        known += f"{line}\n".encode()
        aside.write_bytes(known)
        os.rename(aside, document)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
