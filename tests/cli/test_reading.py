"""The commands that read, and merge-file, alone and as git's merge driver."""

import hashlib
import json
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from memshim import Store
from memshim.cli.main import COMMANDS

pytest_plugins = ["cli_fixtures"]

README = Path(__file__).resolve().parents[2] / "README.md"
START = b"# M\n\n- one\n- two\n- three\n"
BASE, OURS, THEIRS = b"- a\n- b\n- c\n", b"- A\n- b\n- c\n", b"- a\n- b\n- C\n"


def _on_a_terminal(*words):
    """Returns what a command prints where its standard output is a terminal."""
    master, slave = pty.openpty()
    try:
        command = [sys.executable, "-m", "memshim", *words]
        plain = {**os.environ, "MEMSHIM_PAGER": "cat"}
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=slave, timeout=30, check=False, env=plain)
        os.close(slave)
        slave = -1
        assert done.returncode == 0
        out = b""
        while True:
            try:
                some = os.read(master, 65536)
            except OSError:  # on Linux the end of a terminal is an error
                some = b""
            if not some:
                return out
            out += some
    finally:
        os.close(master)
        if slave >= 0:
            os.close(slave)


def test_show_gives_a_pipe_the_bytes_and_a_terminal_no_control_character(memory, run_memshim):
    text = START + b"- \x1b[31mred\x07 caf\xc3\xa9 \xff\r\n"
    (memory / "MEMORY.md").write_bytes(text)
    assert run_memshim("show", check=True).stdout == text
    for words in (["show"], ["log"]):
        seen = _on_a_terminal(*words)
        assert b"\x1b" not in seen
        assert b"\x07" not in seen
        assert b"\\x1b[31mred\\x07 caf\xc3\xa9" in seen or words == ["log"]


def test_the_log_of_a_pipe_has_no_control_character_either(memory, inside):
    inside("append", "x \x1b[2J y", "--why", "\x1b]0;title\x07")
    out = inside("log").out
    assert b"\x1b" not in out
    assert b"\\x1b[2J" in out


def test_the_revision_is_the_sha256_of_the_bytes_and_finds_them_again(memory, run_memshim, inside):
    text = run_memshim("show", check=True).stdout
    revision = run_memshim("rev", check=True).stdout.decode().strip()
    assert revision == hashlib.sha256(text).hexdigest()
    inside("append", "x")
    assert inside("rev").out.decode().strip() == hashlib.sha256((memory / "MEMORY.md").read_bytes()).hexdigest()
    for name in (revision, revision[:7], revision[:9].upper()):
        assert inside("show", "--at", name).out == text


def test_the_log_is_newest_first_and_takes_a_number_a_document_and_an_agent(memory, inside):
    inside("append", "first", "--agent", "bob")
    inside("append", "second", "--agent", "eve", "--doc", "topic.md")
    inside("append", "third", "--agent", "bob")
    inside("compact")
    inside("forget", "--text", "third", "--agent", "bob")

    def words(*options):
        answer = inside("log", *options)
        assert answer.code == 0, answer.err
        return re.findall(r"first|second|third|init", answer.out.decode())

    assert words() == ["third", "third", "second", "first", "init"]
    assert words("-n", "2") == ["third", "third"]
    assert words("--doc", "topic.md") == ["second"]
    assert words("--agent", "bob") == ["third", "third", "first"]
    assert words("--agent", "EVE") == ["second"]
    assert words("--agent", "nobody") == []


def test_the_first_lines_of_status_say_whether_all_is_well(memory, inside):
    assert inside("status").out.splitlines()[1] == f"Store {memory}: up to date.".encode()
    inside("append", "x", "--no-publish", "--agent", "bob")
    lines = inside("status").out.decode().splitlines()
    assert lines[0] == "Not protected: Claude Code's settings hold no hooks of memshim's. Mend it: memshim install"
    assert lines[1] == f"Store {memory}: needs attention."
    assert any("not published yet: memshim compact" in line for line in lines)
    assert any("Today:" in line and "bob 1" in line for line in lines)


def test_a_store_is_found_upwards_and_may_come_from_the_environment(memory, inside, monkeypatch, tmp_path):
    deep = memory / "src" / "deep"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert inside("show").out == START
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEMSHIM_STORE", str(memory))
    assert inside("show").out == START


@pytest.fixture
def versions(tmp_path, monkeypatch):
    """Three versions of a file, whose changes are of different blocks, in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("base", BASE), ("ours", OURS), ("theirs", THEIRS)):
        Path(name).write_bytes(text)
    return ["base", "ours", "theirs"]


def test_a_clean_merge_is_printed_and_ends_with_0(versions, run_memshim):
    done = run_memshim("merge-file", *versions)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"- A\n- b\n- C\n", b"")


def test_a_conflict_ends_with_1_and_markers_that_have_the_labels(versions, inside):
    Path("theirs").write_bytes(BASE.replace(b"- a", b"- x"))
    answer = inside("merge-file", *versions)
    assert answer.code == 1
    assert answer.out == (b"<<<<<<< ours\n- A\n||||||| base\n- a\n=======\n- x\n>>>>>>> theirs\n- b\n- c\n")
    named = inside("merge-file", *versions, "-L", "mine", "-L", "old", "-L", "yours", "--marker-size", "9", "--explain")
    assert named.code == 1
    assert re.findall(rb"^[<|>]{9} (\w+)$", named.out, re.MULTILINE) == [b"mine", b"old", b"yours"]
    assert "conflict 1" in named.err


def test_the_merged_text_goes_to_a_file_instead(versions, inside):
    answer = inside("merge-file", "-o", "ours", *versions)
    assert (answer.code, answer.out) == (0, b"")
    assert Path("ours").read_bytes() == b"- A\n- b\n- C\n"
    assert Path("base").read_bytes() == BASE


def test_a_version_that_cannot_be_read_ends_with_2_and_writes_nothing(versions, inside):
    answer = inside("merge-file", "-o", "out", "base", "ours", "missing")
    assert (answer.code, answer.out) == (2, b"")
    assert "missing" in answer.err
    assert not Path("out").exists()
    assert inside("merge-file", "base", "ours").code == 2


def _git(*words):
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false", *words]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_git_merges_with_the_two_lines_of_the_readme(tmp_path, monkeypatch, on_path):
    lines = re.findall(r"^(?:git config merge\..*|echo .*\.gitattributes)$", README.read_text(), re.MULTILINE)
    assert len(lines) == 2
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    repository = tmp_path / "repository"
    repository.mkdir()
    monkeypatch.chdir(repository)
    _git("init", "-q", "-b", "main")
    for line in lines:
        subprocess.run(["sh", "-c", line], check=True, timeout=30)
    note = Path("NOTES.md")

    def commit(text):
        note.write_bytes(text)
        assert _git("add", ".")[0] == 0
        code, said = _git("commit", "-q", "-m", "x")
        assert code == 0, said

    commit(BASE)
    for branch in ("one", "two"):
        _git("branch", branch)
    commit(BASE.replace(b"- b", b"- B"))  # git's own merge takes two neighbours for a conflict
    _git("checkout", "-q", "one")
    commit(THEIRS)
    _git("checkout", "-q", "two")
    commit(BASE.replace(b"- b", b"- zwei"))
    _git("checkout", "-q", "main")
    code, said = _git("merge", "-q", "--no-edit", "one")
    assert code == 0, said
    assert note.read_bytes() == b"- a\n- B\n- C\n"
    code, said = _git("merge", "-q", "--no-edit", "two")
    assert code == 1, said
    assert re.search(rb"<<<<<<<.*\n- B\n.*\n- b\n=======\n- zwei\n>>>>>>>", note.read_bytes())
    assert b"UU NOTES.md" in _git("status", "--short")[1]


def test_every_command_has_a_help(inside, run_memshim):
    assert run_memshim("--help", check=True).stdout.split(b"Commands:")[1].split()[0] == b"demo"
    listed = inside("--help").out.decode()
    for name in COMMANDS:
        assert f"\n  {name} " in listed
        answer = inside(name, "--help")
        assert (answer.code, answer.err) == (0, ""), name
        assert f"Usage: memshim {name} " in answer.out.decode()
        assert "..." not in re.sub(r"\[.*\]\.\.\.|ARGS", "", answer.out.decode()), name  # nothing is cut


def test_without_a_command_the_help_is_told_whatever_stands_before_it(inside):
    plain = inside()
    assert plain.code == 2
    for words in (["--store", "."], ["--store"], ["--store=.", "--agent", "bob"]):
        assert inside(*words) == plain
    assert inside("--store", ".", "--help") == inside("--help")
    assert "'--frob'" in inside("--store", ".", "--frob").err


def test_append_tells_its_help_to_who_asks_with_one_letter(memory, inside):
    assert inside("append", "-h").out == inside("append", "--help").out
    assert inside("append", "-h", "--raw").code == 0
    assert inside("append", "--", "-h").code == 0
    assert inside("append", "--", "--help").code == 0
    assert inside("show").out.endswith(b"- three\n\n-h\n\n- -h\n- --help\n")


def test_a_document_is_named_with_or_without_an_option(memory, inside):
    inside("append", "first", "--doc", "topic.md")
    for words in (["show"], ["rev"], ["blame"]):
        assert inside(*words, "topic.md").out == inside(*words, "--doc", "topic.md").out != inside(*words).out
        assert inside(*words, "topic.md", "MEMORY.md").code == 2
    assert inside("show", "nothing.md").code == 1
    assert inside("show", "").code == 1


@pytest.mark.parametrize("name", ["a.md", "b.md", "c.md"])
def test_a_document_that_was_renamed_has_one_log_under_each_of_its_names(memory, inside, name):
    """An append names its document as its writer knew it; all of them are shown under the name that it has now."""
    inside("append", "first", "--doc", "a.md")
    os.rename(memory / "a.md", memory / "b.md")
    inside("rev")  # whichever command comes next notices it
    inside("append", "second", "--doc", "b.md")
    inside("compact")
    inside("edit", "--doc", "b.md", "--old", "second", "--new", "2nd")
    os.rename(memory / "b.md", memory / "c.md")
    inside("rev")
    inside("append", "by its first name", "--doc", "a.md")
    inside("append", "by its second", "--doc", "b.md")
    rows = json.loads(inside("log", "--doc", name, "--json").out)["entries"]
    assert [row["kind"] for row in rows] == ["append", "append", "adopt", "edit", "append", "adopt", "append"]
    assert {tuple(row["docs"]) for row in rows} == {("c.md",)}
    shown = inside("log", "--doc", name).out.decode()
    assert shown.count("c.md") >= 7
    assert shown.count("compact") == 1
    page = inside("timeline", "--html", "-", "--doc", name).out.decode()
    assert page.count('"docs":["c.md"]') == 7 + 1  # and the list of documents
    assert memory.joinpath("c.md").read_text() == "- first\n- 2nd\n- by its first name\n- by its second\n"


def test_the_documented_commands_are_the_ones_that_exist():
    table = (README.parent / "docs" / "cli.md").read_text()
    assert {name for name in re.findall(r"^\| `([a-z-]+)", table, re.MULTILINE)} == set(COMMANDS)


def test_the_commands_of_the_readme_work_one_after_another(store_dir, monkeypatch, on_path):
    monkeypatch.chdir(store_dir)
    lines = re.findall(r"^memshim .*$", README.read_text().split("```", 1)[1], re.MULTILINE)
    lines = [line for line in lines if shlex.split(line)[1] in COMMANDS]  # the table of the demo has a row of that name
    assert {shlex.split(line)[1] for line in lines} >= {"init", "append", "edit", "show", "forget", "log"}
    for line in lines:
        done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=30, check=False)
        assert (done.returncode, done.stderr) == (0, b""), line
    assert b"pip was slow in CI" in done.stdout


def test_the_python_of_the_readme_works_as_it_stands(store_dir, monkeypatch):
    monkeypatch.chdir(store_dir)
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    exec(code, {})
    assert (store_dir / "MEMORY.md").read_bytes() == b"## Decisions\n\n- use uv\n"


def test_the_commands_in_the_table_of_the_readme_work_too(memory, on_path):
    inside_table = README.read_text().split("| command | says |")[1].split("\n\n")[0]
    lines = re.findall(r"^\| `(memshim [^`]*)`", inside_table, re.MULTILINE)
    assert len(lines) > 5
    (memory / "secret.txt").write_text("sk-123456\n")
    store = Store.open(memory, agent="bob")
    entry = store.append("sk-123456\n- and\n- two\n- more\n", raw=True)
    for line in lines:
        # The ids and revisions of the table are examples.
        typed = line.replace("9043a14e", entry[-8:]).replace("2e7cfc6", store.read().revision[:7])
        done = subprocess.run(["sh", "-c", typed], capture_output=True, timeout=30, check=False)
        assert done.returncode == 0, (typed, done.stderr)
    assert (memory / "memory.html").exists()
