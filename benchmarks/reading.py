#!/usr/bin/env python3
"""Measures what it costs to read the history of a store, as ratios to the start of Python within one run.

    python benchmarks/reading.py [--quick] [--scratch DIR]

Each command runs as a process of its own, as a person would start it, on a store with 100,000 folded entries and a view
of 140 lines. --quick takes small numbers, only to see that everything runs: its figures mean nothing.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bench
import stores

TARGETS = {"log -n 20": 5.0, "blame": 5.0}


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small numbers: shows that it runs, measures nothing")
    parser.add_argument("--scratch", help="a folder on the disk to measure")
    options = parser.parse_args()
    with bench.scratch(options.scratch) as folder:
        count = 1_000 if options.quick else 100_000
        aged = stores.Aged(f"{folder}/store", count)
        bench.say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, a store of {aged.count} entries")
        program = [bench.PYTHON, "-m", "memshim"]
        newest = "log", "-n", "20"
        works = {
            "python -c pass": [bench.PYTHON, "-c", "pass"],
            "log -n 20": [*program, *newest, "--store", aged.folder],
            "blame": [*program, "blame", "--store", aged.folder],
            "status": [*program, "status", "--store", aged.folder],
            "show": [*program, "show", "--store", aged.folder],
        }
        took = bench.interleave(
            {name: lambda words=words: bench.run(words) for name, words in works.items()},
            rounds=3 if options.quick else 20,
            warm=1 if options.quick else 3,
        )
        rows = []
        for name, seconds in took.items():
            value = bench.ratio(took, name, "python -c pass")
            target = TARGETS.get(name)
            said = f"<= {target}: {bench.verdict(value, target)}" if target else ""
            spread = bench.spread(took, name, "python -c pass")
            rows.append([name, bench.median_ms(seconds), f"{value:.2f} ({spread})", said])
        bench.table(f"reading a store of {count:,} entries", ["", "ms", "to python -c pass", "target"], rows)


if __name__ == "__main__":
    main()
