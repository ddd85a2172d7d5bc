"""diff and show --at: what changed, and what a document said."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import until

from memshim import Store
from memshim.cli.diff import coloured, unified
from memshim.store.history import History, now_ms, prune

pytest_plugins = ["cli_fixtures"]

START = b"# M\n\n- one\n- two\n- three\n"
LINES = st.lists(st.sampled_from((b"- a\n", b"- b\n", b"\n", b"- c", b"- d\r\n", b"- \xff\n")), max_size=12).map(
    b"".join
)


def tick():
    """Waits for the clock's next millisecond."""
    now = now_ms()
    assert until(lambda: now_ms() > now)


def text(inside, *words):
    answer = inside(*words)
    assert answer.code == 0, answer.err
    return answer.out.decode()


def test_between_two_revisions_and_from_one_to_now(memory, inside):
    first = text(inside, "rev").strip()
    inside("edit", "--old", "- two", "--new", "- two and a half")
    second = text(inside, "rev").strip()
    inside("append", "four")
    wanted = "@@ -1,5 +1,5 @@\n # M\n \n - one\n-- two\n+- two and a half\n - three\n"
    assert text(inside, "diff", first[:7], second[:9]).split("\n", 2)[2] == wanted
    assert "+- four\n" in text(inside, "diff", first)
    assert "+- four\n" not in text(inside, "diff", first, second)
    assert text(inside, "diff", second, second) == ""
    assert inside("diff", "0000000").code == 1
    assert inside("diff", first[:6]).code == 2
    assert inside("diff", first, second, first).code == 2


def test_without_a_revision_against_the_disk_and_nothing_is_taken_in(memory, inside):
    assert text(inside, "diff") == ""
    (memory / "MEMORY.md").write_bytes(START + b"- by hand\n")
    for _ in range(2):
        assert "+- by hand\n" in text(inside, "diff")
    assert [e.kind for e in Store.open(memory).log()] == ["adopt", "init"]  # this reading takes it in
    assert text(inside, "diff") == ""


def test_since_a_session_and_since_a_time(memory, inside):
    inside("append", "before all", "--session", "s-one")
    tick()  # two sessions in one millisecond have no order
    inside("append", "by the second", "--session", "s-two")
    inside("append", "by the third", "--session", "s-three")
    shown = text(inside, "diff", "--since-session", "s-two")
    assert "+- by the second\n" in shown
    assert "+- by the third\n" in shown
    assert "+- before all\n" not in shown
    assert "+- before all\n" in text(inside, "diff", "--since", "1h")
    assert text(inside, "diff", "--since", "2100-01-01") == ""
    assert inside("diff", "--since-session", "nobody").code == 1
    assert inside("diff", "abcdef0", "--since", "1h").code == 2


def test_what_it_said_at_a_time(memory, inside):
    tick()
    middle = now_ms()
    tick()
    inside("edit", "--old", "- two", "--new", "- TWO")
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(middle / 1000 + 1))
    assert b"TWO" in inside("show", "--at", at).out
    from memshim.store.earlier import text_at

    reading = Store.open(memory).memory()
    assert text_at(reading, "MEMORY.md", middle) == START
    assert text_at(reading, "MEMORY.md", middle - 3_600_000) == b""
    assert inside("show", "--at", "yesterday").code == 2


def test_what_it_said_when_the_revision_is_no_longer_kept(memory, inside):
    inside("append", "kept in the entries")
    tick()
    middle = now_ms()
    tick()
    inside("append", "later")
    reading = Store.open(memory).memory()
    from memshim.store.earlier import text_at

    wanted = START + b"- kept in the entries\n"
    assert text_at(reading, "MEMORY.md", middle) == wanted
    prune(reading.layout, now_ms() + 40 * 86_400_000)
    assert len(History(reading.layout, "MEMORY.md").names()) < 3
    assert text_at(reading, "MEMORY.md", middle) == wanted


@given(LINES, LINES)
def test_the_diff_says_what_there_is_to_say_and_no_more(before, after):
    shown = list(unified("a", "b", before, after))
    assert bool(shown) == (before != after)
    olds = [row[1:] for row in shown if row[0] == "-" and not row.startswith("---")]
    news = [row[1:] for row in shown if row[0] == "+" and not row.startswith("+++")]
    assert len(olds) <= len(before.split(b"\n"))
    assert len(news) <= len(after.split(b"\n"))
    assert "\x1b" not in "".join(shown)


@pytest.mark.skipif(shutil.which("patch") is None, reason="needs the program patch")
@given(LINES, LINES)
def test_patch_makes_one_of_the_other(tmp_path_factory, before, after):
    if before == after or not before or not after:
        return  # patch removes a file that becomes empty
    folder = Path(tmp_path_factory.mktemp("patch"))
    (folder / "f").write_bytes(before)
    data = "".join(unified("f", "f", before, after)).encode("utf-8", "surrogateescape")
    done = subprocess.run(
        ["patch", "--binary", "-s", str(folder / "f")], input=data, capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout
    assert (folder / "f").read_bytes() == after


def test_on_a_terminal_the_changed_words_are_marked_and_nothing_steers_it():
    lines = coloured("a", "b", b"- use pip in CI\n- x\n", b"- use uv in CI\n- x\n- \x1b[2J\n")
    assert any("\x1b[31m-- use \x1b[7mpip\x1b[27m in CI" in line for line in lines)
    assert any("\x1b[32m+- use \x1b[7muv\x1b[27m in CI" in line for line in lines)
    assert any("\\x1b[2J" in line for line in lines)
    assert not any("\x1b[2J" in line for line in lines)


def test_json_has_both_revisions(memory, inside):
    first = text(inside, "rev").strip()
    inside("append", "x")
    told = json.loads(text(inside, "diff", first, "--json"))
    assert (told["from"], told["to"]) == (first, text(inside, "rev").strip())
    assert os.linesep not in told["to"]
