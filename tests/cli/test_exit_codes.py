"""Exit codes: each one of docs/cli.md is what a program gets, and what a person reads beside it."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from memshim import Store
from memshim.store import journal

pytest_plugins = ["cli_fixtures"]

DOCS = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
START = b"# M\n\n- one\n- two\n- three\n"


@pytest.fixture
def impatient(monkeypatch):
    """Makes commands give the lock up at once."""
    monkeypatch.setitem(Store.open.__func__.__kwdefaults__, "lock_timeout", 0.05)


def test_the_documented_codes_are_the_ones_that_are_tested_here():
    codes = re.findall(r"^\| (\d+) \|", DOCS.read_text(), re.MULTILINE)
    assert codes == ["0", "1", "2", "3", "10", "11", "12", "13", "14", "15", "130"]


def test_a_command_that_did_its_work_ends_with_0_and_says_nothing_on_standard_error(memory, run_memshim):
    done = run_memshim("edit", "--old", "- two", "--new", "- TWO")
    assert (done.returncode, done.stderr) == (0, b"")
    assert (memory / "MEMORY.md").read_bytes() == START.replace(b"two", b"TWO")


@pytest.mark.parametrize(
    ("old", "said"),
    [
        ("- twoo", ["occurs 0 times", "nearest line is 4: - two"]),
        ("e\n", ["occurs 2 times, in lines 3, 5"]),
    ],
)
def test_an_edit_of_what_is_not_there_exactly_once_says_how_often_and_where(memory, inside, old, said):
    answer = inside("edit", "--old", old, "--new", "x")
    assert answer.code == 1
    assert all(words in answer.err for words in said), answer.err
    assert (memory / "MEMORY.md").read_bytes() == START


def test_what_was_named_and_is_not_there_ends_with_1(memory, inside):
    for words in (
        ["forget", "abcd"],
        ["forget", "--text", "nobody wrote this"],
        ["forget", "--text", "t"],
        ["restore", "abcd"],
        ["resolve", "abcd", "--keep", "both"],
        ["show", "--doc", "none.md"],
        ["show", "--at", "1234567"],
    ):
        answer = inside(*words)
        assert answer.code == 1, words
        assert answer.err.startswith("memshim: "), words


def test_wrong_usage_ends_with_2_and_a_hint(memory, inside):
    for words in (
        ["frobnicate"],
        ["show", "--frob"],
        ["edit", "--old", "a"],
        ["forget"],
        ["forget", "abcd", "--text", "x"],
        ["resolve", "abcd", "--keep", "neither"],
        ["log", "-n", "0"],
        ["append"],
        ["append", "one", "two"],
        ["append", "--frob", "x"],
        ["append", "x", "--why"],
        ["append", ""],
        ["append", "x", "--agent="],
        ["append", "x", "--agent", "a b"],
        ["append", "x", "--agent", "../bob"],
        ["append", "x", "--doc", "../x.md"],
        ["show", "--agent="],
        ["show", "--agent", "a" * 65],
        ["edit", "--old", "", "--new", "x"],
        ["edit", "--old", "two", "--new", "x", "--expect", "newest"],
        ["edit", "--old", "two", "--new", "x", "--expect", "abc"],
    ):
        answer = inside(*words)
        assert (answer.code, answer.out) == (2, b""), words
        first, *rest = answer.err.splitlines()
        assert first.startswith("memshim: "), words
        assert rest, words
    assert (memory / "MEMORY.md").read_bytes() == START


def test_a_bad_agent_in_the_environment_is_refused_and_never_mapped(memory, inside, monkeypatch):
    monkeypatch.setenv("MEMSHIM_AGENT", "bob!")
    for words in (["append", "x"], ["show"]):
        answer = inside(*words)
        assert answer.code == 2
        assert "bob!" in answer.err


def _files(folder):
    """Returns what a store holds; its lock file, which says who had it last, is nobody's memory."""
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "lock"}


@pytest.mark.parametrize("words", [["append", "x"], ["log"]])
def test_a_bug_ends_with_3_and_names_the_file_that_tells_about_it(memory, inside, monkeypatch, guarded_home, words):
    def broken(*_args, **_named):
        raise RuntimeError("the moon is in the wrong house")

    monkeypatch.setattr(journal.Journal, "__init__", broken)
    monkeypatch.setattr(Store, "memory", broken)
    answer = inside(*words)
    assert (answer.code, answer.out) == (3, b"")
    path = Path(answer.err.rsplit(" ", 1)[1].strip())
    assert path.is_relative_to(guarded_home / ".local" / "state" / "memshim")
    assert "the moon is in the wrong house" in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    assert "Traceback" not in answer.err


def test_no_store_ends_with_10_and_the_line_that_makes_one(inside, run_memshim, guarded_home):
    for words in (["show"], ["append", "x"], ["edit", "--old", "a", "--new", "b"], ["check"]):
        answer = inside(*words)
        assert answer.code == 10, words
        assert "memshim init" in answer.err
        missing = inside(*words, "--store", "away")
        assert missing.code == 10, words
        assert "memshim init --store away" in missing.err
    assert run_memshim("append", "x", env={"MEMSHIM_STORE": "away"}).returncode == 10
    assert list((guarded_home / "work").iterdir()) == []
    assert inside("init", "--store", "away").code == 0
    assert inside("append", "x", "--store", "away").code == 0


@pytest.mark.parametrize("name", ["away", "far away", "it's"])
def test_a_line_to_type_can_be_typed(inside, on_path, name):
    line = inside("log", "--store", name).err.split("To make a store there: ")[1]
    subprocess.run(["sh", "-c", line], capture_output=True, timeout=30, check=True)
    assert inside("log", "--store", name).code == 0
    topic = Path(name, f"{name}.md")
    topic.write_text("- x\n")
    inside("rev", "--store", name)
    topic.unlink()
    line = re.search("was removed; (memshim restore .*) brings", inside("rev", "--store", name).err)[1]
    subprocess.run(["sh", "-c", f"{line} --store {shlex.quote(name)}"], capture_output=True, timeout=30, check=True)
    assert topic.read_text() == "- x\n"


def test_a_lock_that_is_not_had_in_time_ends_with_11_and_names_its_holder(memory, inside, held, impatient):
    for words in (["edit", "--old", "two", "--new", "x"], ["compact"], ["check"]):
        answer = inside(*words)
        assert answer.code == 11, words
        assert f"process {held} (the-holder)" in answer.err
    told = json.loads(inside("compact", "--json").out)
    assert told["error"]["code"] == 11
    assert (memory / "MEMORY.md").read_bytes() == START


def test_reading_does_not_need_the_lock_and_says_what_it_left_out(memory, inside, held):
    answer = inside("log")
    assert answer.code == 0
    assert b"init" in answer.out
    assert f"process {held}" in answer.err or "lock" in answer.err
    for words in (["show"], ["rev"], ["conflicts"], ["blame"], ["lost"], ["status"]):
        assert inside(*words).err.startswith("Read without taking in changes: "), words


def test_a_stale_edit_that_clashes_ends_with_12_shows_both_texts_and_changes_nothing(memory, run_memshim, inside):
    revision = run_memshim("rev").stdout.decode().strip()
    inside("edit", "--old", "- two", "--new", "- TWO")
    refused = run_memshim("edit", "--old", "- two", "--new", "- zwei", "--expect", revision)
    assert (refused.returncode, refused.stdout) == (12, b"")
    assert b"It now says:\n    - TWO" in refused.stderr
    assert b"You wanted:\n    - zwei" in refused.stderr
    assert inside("write", "--expect", revision, stdin=START.replace(b"two", b"deux")).code == 12
    assert (memory / "MEMORY.md").read_bytes() == START.replace(b"two", b"TWO")
    assert json.loads(inside("log", "--json").out)["entries"][0]["text"] == "- TWO\n"


def test_strict_refuses_any_move_that_would_have_merged(memory, inside):
    revision = inside("rev").out.decode().strip()
    inside("edit", "--old", "- two", "--new", "- TWO")
    words = ["edit", "--old", "- three", "--new", "- drei", "--expect", revision]
    assert inside(*words, "--strict").code == 12
    assert b"drei" not in (memory / "MEMORY.md").read_bytes()
    merged = inside(*words)
    assert merged.code == 0
    assert b"merged" in merged.out
    assert (memory / "MEMORY.md").read_bytes() == b"# M\n\n- one\n- TWO\n- drei\n"


def test_a_revision_that_nobody_knows_ends_with_12_and_names_the_present_one(memory, inside):
    answer = inside("edit", "--old", "two", "--new", "x", "--expect", "1234567")
    assert answer.code == 12
    assert inside("rev").out.decode().strip() in answer.err


def test_check_of_a_damaged_segment_ends_with_13(memory, inside, run_memshim):
    assert inside("check").code == 0
    segment = next((memory / ".memshim" / "entries").iterdir())
    data = segment.read_bytes()
    segment.write_bytes(data[: len(data) // 2] + b"#" + data[len(data) // 2 + 1 :])
    answer = run_memshim("check")
    assert answer.returncode == 13
    assert b"segment" in answer.stdout
    assert segment.name.encode() in answer.stdout
    assert json.loads(inside("check", "--json").out)["ok"] is False


@pytest.mark.parametrize("folded", [False, True])
def test_check_of_a_journal_that_was_edited_by_hand_ends_with_13(memory, inside, folded):
    inside("append", "use uv")
    inside("append", "use ruff")
    if folded:
        inside("compact")
    path = memory / "memory" / "cli.md"
    path.write_bytes(path.read_bytes().replace(b"use uv", b"use xx"))
    answer = inside("check")
    assert answer.code == 13
    assert "check --repair" in answer.err
    assert b"cli" in answer.out


def test_a_store_of_a_newer_format_is_read_and_never_written(memory, inside):
    (memory / ".memshim" / "format").write_text("2\n")
    before = _files(memory)
    for words in (
        ["append", "x"],
        ["edit", "--old", "two", "--new", "x"],
        ["compact"],
        ["check"],
        ["check", "--repair"],
    ):
        answer = inside(*words)
        assert answer.code == 14, words
        assert "format 2" in answer.err
    assert _files(memory) == before
    assert inside("show").out == START


def test_an_interrupted_append_ends_with_130_and_keeps_what_it_acknowledged(memory, held, inside):
    command = [sys.executable, "-m", "memshim", "append", "use uv"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what runs behind a shell's & is deaf to it
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heard) as process:
        assert process.stdout is not None
        acknowledged = process.stdout.readline().decode().strip()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert acknowledged in (memory / "memory" / "cli.md").read_text()


def test_an_interrupted_edit_ends_with_130_and_changes_nothing(memory, inside, monkeypatch):
    def interrupted(*_args, **_named):
        raise KeyboardInterrupt

    monkeypatch.setattr("memshim.disk.locks.sidecar", interrupted)
    assert inside("edit", "--old", "two", "--new", "x").code == 130
    assert (memory / "MEMORY.md").read_bytes() == START


@pytest.mark.parametrize("words", [["log", "--since", "never"], ["append", ""]])
def test_a_failure_that_nobody_reads_any_more_keeps_its_code(memory, words):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "memshim", *words, "--json"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=30, check=False)
    os.close(write)
    assert (done.returncode, done.stderr.startswith(b"memshim: ")) == (2, True), done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("words", ["show", "append x", "init", "install", "uninstall", "status --store ../there"])
def test_a_working_folder_that_is_gone_is_told(tmp_path, words):
    for name in ("gone", "there"):
        (tmp_path / name).mkdir()
    line = [sys.executable, "-P", "-m", "memshim", *words.replace("../there", str(tmp_path / "there")).split()]
    shell = ["/bin/sh", "-c", 'cd gone && rmdir ../gone && exec "$@"', "sh", *line]
    done = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "memshim: The working folder is gone.")
