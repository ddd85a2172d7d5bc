"""Append: the text as typed, durable when its id is printed, whatever becomes of the streams."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["cli_fixtures"]

START = b"# M\n\n- one\n- two\n- three\n"
APPEND = [sys.executable, "-m", "memshim", "append"]


@pytest.mark.parametrize(
    ("text", "block"),
    [
        ("use uv, not pip", "- use uv, not pip"),
        ("- use uv", "- use uv"),
        ("-x is an option of sh", "- -x is an option of sh"),
        ("--x is no option here", "- --x is no option here"),
        ("1. first", "1. first"),
        ("## Title", "## Title"),
        ("> said", "> said"),
        ("| a | b |", "| a | b |"),
        ("```\ncode\n```", "```\ncode\n```"),
        ("    indented", "    indented"),
        ("one line\nand another", "one line\nand another"),
    ],
)
def test_a_plain_line_becomes_a_bullet_and_everything_else_goes_in_as_given(memory, inside, text, block):
    answer = inside("append", text)
    assert (answer.code, answer.err) == (0, "")
    assert (memory / "MEMORY.md").read_text().endswith(f"\n{block}\n")


def test_raw_adds_no_list_mark(memory, inside):
    assert inside("append", "--raw", "a paragraph").code == 0
    assert (memory / "MEMORY.md").read_text().endswith("\na paragraph\n")


def test_a_text_may_begin_with_a_minus_sign_as_it_is_typed(memory, run_memshim):
    run_memshim("append", "- use uv", "--agent", "bob", check=True)
    run_memshim("append", "--why", "it is one", "--", "--raw", check=True)
    assert (memory / "MEMORY.md").read_bytes() == START + b"- use uv\n- --raw\n"


def test_the_options_stand_before_or_behind_the_text(memory, inside):
    for words in (
        ["append", "--agent", "bob", "--doc=t.md", "first"],
        ["append", "second", "--agent=bob", "--doc", "t.md"],
        ["append", "--agent=bob", "third", "--doc=t.md"],
    ):
        assert inside(*words).code == 0, words
    assert inside("--doc", "t.md", "--agent", "bob", "show").out == b"- first\n- second\n- third\n"
    assert inside("--doc=t.md", "show").out == inside("show", "--doc=t.md").out
    assert inside("log", "--agent", "bob").out.count(b"\n") == 3


def test_a_section_is_found_or_made_and_the_reason_is_kept(memory, inside):
    assert inside("append", "use uv", "--section", "Tools", "--why", "pip was slow").code == 0
    assert inside("append", "use ruff", "--section", "tools").code == 0
    assert inside("append", "at the top", "--section", "# M").code == 0
    text = (memory / "MEMORY.md").read_text()
    assert text.endswith("\n## Tools\n\n- use uv\n- use ruff\n")
    assert text.index("- at the top") < text.index("## Tools")
    assert b"(pip was slow)" in inside("log").out


def test_only_a_text_of_exactly_minus_reads_standard_input(memory, run_memshim):
    run_memshim("append", "-", input=b"- caf\xe9\r\n", check=True)
    assert (memory / "MEMORY.md").read_bytes() == START + b"- caf\xe9\r\n"
    run_memshim("append", "typed", input=b"not this", check=True)
    assert b"not this" not in (memory / "MEMORY.md").read_bytes()


def test_the_bytes_of_a_typed_text_are_never_converted(memory, run_memshim):
    run_memshim("append", b"caf\xe9", check=True)
    assert (memory / "MEMORY.md").read_bytes() == START + b"- caf\xe9\n"


def test_nothing_waits_for_a_standard_input_that_never_ends_or_is_closed(memory, run_memshim):
    reading, writing = os.pipe()
    try:
        for words in (["append", "x"], ["show"], ["edit", "--old", "two", "--new", "TWO"]):
            command = [sys.executable, "-m", "memshim", *words]
            done = subprocess.run(command, stdin=reading, capture_output=True, timeout=30, check=False)
            assert done.returncode == 0, done.stderr
    finally:
        os.close(reading)
        os.close(writing)
    closed = subprocess.run(["sh", "-c", '"$0" "$@" <&-', *APPEND, "y"], capture_output=True, timeout=30, check=False)
    assert closed.returncode == 0, closed.stderr
    none = subprocess.run(["sh", "-c", '"$0" "$@" <&-', *APPEND, "-"], capture_output=True, timeout=30, check=False)
    assert none.returncode == 2
    assert b"closed" in none.stderr
    assert (memory / "MEMORY.md").read_bytes() == START.replace(b"two", b"TWO") + b"- x\n- y\n"


def test_the_id_is_all_that_is_printed_and_log_knows_it(memory, run_memshim):
    out = run_memshim("append", "x", check=True).stdout
    assert re.fullmatch(rb"[0-9a-f]{32}\n", out)
    assert out.strip()[-8:] in run_memshim("log", check=True).stdout


def test_without_publishing_the_document_stays_and_show_has_the_entry_at_once(memory, inside):
    assert inside("append", "x", "--no-publish").code == 0
    assert (memory / "MEMORY.md").read_bytes() == START
    assert inside("show").out == START + b"- x\n"


def test_what_stands_in_the_way_of_publishing_is_a_note_and_the_entry_is_kept(memory, inside):
    (memory / "MEMORY.md").unlink()
    (memory / "MEMORY.md").mkdir()
    answer = inside("append", "x")
    assert (answer.code, len(answer.out)) == (0, 33)
    assert "MEMORY.md" in answer.err
    (memory / "MEMORY.md").rmdir()
    assert inside("compact").code == 0
    assert (memory / "MEMORY.md").read_bytes() == START + b"- x\n"


def test_a_reader_that_went_away_does_not_undo_the_entry(memory):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([*APPEND, "x"], stdout=writing, stderr=subprocess.PIPE, timeout=30, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (memory / "MEMORY.md").read_bytes() == START + b"- x\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_an_id_that_cannot_be_printed_is_said_on_standard_error(memory, inside):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*APPEND, "x"], stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)
    assert done.returncode == 0
    (said,) = re.findall(rb"[0-9a-f]{32}", done.stderr)
    assert said[-8:] in inside("log").out
    assert (memory / "MEMORY.md").read_bytes() == START + b"- x\n"


def test_six_processes_at_once_keep_everything(memory, inside):
    started = [
        subprocess.Popen([*APPEND, f"note {n}", "--agent", f"agent-{n % 3}"], stdout=subprocess.PIPE) for n in range(6)
    ]
    ids = [process.communicate(timeout=60)[0].decode().strip() for process in started]
    assert [process.returncode for process in started] == [0] * 6
    assert len(set(ids)) == 6
    lines = (memory / "MEMORY.md").read_text().splitlines()
    assert sorted(lines[5:]) == [f"- note {n}" for n in range(6)]
    assert inside("check").out == b"The store is sound.\n"


def test_options_may_stand_before_append_as_before_any_command(inside):
    assert inside("--store", ".", "--agent=bob", "append", "- use uv").code == 0
    assert inside("show").out == b"- use uv\n"
