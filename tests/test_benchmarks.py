"""The benchmarks run to their end and print their tables; what they measure is no matter of a test."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


def core(folder: Path, *options: str, program: str = "core.py") -> "subprocess.CompletedProcess[str]":
    """Runs the quick form in a folder that need not lie on a disk: pip and the network are not asked for."""
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / program), "--quick", "--scratch", str(folder), *options],
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_core_prints_a_table_for_every_figure(tmp_path: Path) -> None:
    done = core(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"(?m)^([a-z])\. ", done.stdout) == list("abcdef")
    ways = [
        "raw O_APPEND",
        "memshim library, unpublished",
        "memshim library, published",
        "SQLite, WAL",
        "filelock, read",
    ]
    for way in [*ways, *(["git commit"] if shutil.which("git") else [])]:
        assert re.search(rf"(?m)^  {way}.* \d+\.\d\d \(", done.stdout), done.stdout
    assert len(re.findall(r"<= [\d.]+: |>= [\d.]+: ", done.stdout)) == 9, done.stdout
    assert list(tmp_path.glob("memshim-bench-*")) == []


@pytest.mark.parametrize("only", ["z", "a,z"])
def test_core_refuses_a_figure_that_there_is_not(only: str, tmp_path: Path) -> None:
    done = core(tmp_path, "--only", only)
    assert done.returncode == 2
    assert "no such figure: z" in done.stderr


def test_hooks_prints_a_table_for_every_figure(tmp_path: Path) -> None:
    done = core(tmp_path, program="hooks.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"(?m)^([a-z]+)\. ", done.stdout) == ["look", "take"]
    assert len(re.findall(r"(?m)^  Bash, .* \d+\.\d\d \(.*<= [\d.]+: ", done.stdout)) == 9, done.stdout
    assert re.search(r"(?m)^  edit of a memory, no daemon .* \d+\.\d\d \(.*<= 5\.0: ", done.stdout), done.stdout
    assert list(tmp_path.glob("memshim-bench-*")) == []


def test_reading_prints_a_row_for_every_command(tmp_path: Path) -> None:
    done = core(tmp_path, program="reading.py")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("log -n 20", "blame"):
        assert re.search(rf"(?m)^  {name} .* \d+\.\d\d \(.*<= 5\.0: ", done.stdout), done.stdout
    assert list(tmp_path.glob("memshim-bench-*")) == []
