#!/usr/bin/env python3
"""Times the merge in process against the merge3 package, and beside them git merge-file, on the same cases.

    python benchmarks/merge.py --corpus DIR [--rounds N]

DIR holds <kind>/<case>/{base,ours,theirs}.md. Prints a table with the best of N rounds over all cases, and the ratio
to merge3. git is started once for each case, so its row says what a process costs, not what its merge does.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import merge3

from memshim.text.merge import merge

Case = tuple[bytes, bytes, bytes]


def memshim(case: Case) -> bool:
    merged = merge(*case)
    merged.render()
    return bool(merged.conflicts)


def merge3_package(case: Case) -> bool:
    base, ours, theirs = (re.findall(rb"[^\n]*\n|[^\n]+$", text) for text in case)
    merger = merge3.Merge3(base, ours, theirs)
    lines = list(merger.merge_lines(name_a=b"ours", name_b=b"theirs", start_marker=b"<<<<<<<"))
    b"".join(lines)
    return any(line.startswith(b"<<<<<<< ours") for line in lines)


def git(case: Case) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        names = [str(Path(folder) / name) for name in ("base", "ours", "theirs")]
        for name, text in zip(names, case, strict=True):
            Path(name).write_bytes(text)
        argv = ["git", "merge-file", "-p", "--diff3", names[1], names[0], names[2]]
        return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0


def best(tool: Callable[[Case], bool], cases: list[Case], rounds: int) -> tuple[float, int]:
    """Returns the shortest time of some rounds over all cases, and the number of cases with conflicts."""
    least, conflicts = float("inf"), 0
    for _ in range(rounds):
        begun = time.perf_counter()
        conflicts = sum(map(tool, cases))
        least = min(least, time.perf_counter() - begun)
    return least, conflicts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    args = parser.parse_args()
    cases: list[Case] = []
    for path in sorted(args.corpus.glob("*/*/base.md")):
        base, ours, theirs = (path.with_name(f"{name}.md").read_bytes() for name in ("base", "ours", "theirs"))
        cases.append((base, ours, theirs))
    if not cases:
        parser.error(f"no cases in {args.corpus}")
    rows = [
        ("merge3", *best(merge3_package, cases, args.rounds)),
        ("memshim", *best(memshim, cases, args.rounds)),
        ("git merge-file", *best(git, cases, 1)),
    ]
    print(f"{len(cases)} cases, {sum(map(len, (text for case in cases for text in case))) / 1e6:.1f} MB")
    print(f"{'tool':<16}{'all, ms':>10}{'case, ms':>10}{'x merge3':>10}{'conflicts':>11}")
    for name, spent, conflicts in rows:
        each = 1000 * spent / len(cases)
        print(f"{name:<16}{1000 * spent:>10.0f}{each:>10.2f}{spent / rows[0][1]:>10.2f}{conflicts:>11}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
