"""Shell completion: the scripts load in their shells, and agents, documents, ids and revisions are offered."""

import os
import pty
import select
import shutil
import subprocess
import time

import pytest

from memshim import Store

pytest_plugins = ["cli_fixtures"]


@pytest.fixture
def offered(memory, run_memshim, monkeypatch):
    """Returns what the shell would offer for the last word of a line."""

    def ask(line):
        words = line.split(" ")
        monkeypatch.setenv("_MEMSHIM_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        out = run_memshim().stdout.decode()
        monkeypatch.delenv("_MEMSHIM_COMPLETE")
        return [row.partition(",")[2] for row in out.splitlines() if row]

    return ask


def test_commands_agents_documents_and_ids_are_offered(memory, offered):
    Store.open(memory, agent="bob-0123abcd").append("use uv", doc="topic.md")
    noted = Store.open(memory, agent="eve").append("second")
    assert offered("memshim bl") == ["blame"]
    assert "undo" in offered("memshim ")
    assert offered("memshim log --agent b") == ["bob", "bob-0123abcd"]
    assert offered("memshim append --agent e") == ["eve"]
    assert offered("memshim blame ") == ["MEMORY.md", "topic.md"]
    assert offered("memshim show --doc t") == ["topic.md"]
    assert noted[-8:] in offered("memshim undo ")
    assert offered(f"memshim forget {noted[-8:-4]}") == [noted[-8:]]
    assert offered("memshim log --kind r") == ["redact", "resolve", "restore"]
    revision = Store.open(memory).read().revision
    assert offered(f"memshim diff {revision[:4]}") == [revision[:12]]


def test_open_clashes_are_offered(clash, offered):
    (one,) = Store.open(clash).conflicts()
    assert offered("memshim resolve c") == [one.label]


def test_without_a_store_nothing_is_offered_and_nothing_is_made(offered, tmp_path, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    assert offered("memshim log --agent ") == []
    assert offered("memshim undo ") == []
    assert list(empty.iterdir()) == []


def test_it_waits_for_no_lock(held, offered):
    begin = time.monotonic()
    offered("memshim undo ")
    assert time.monotonic() - begin < 10  # the lock is waited for longer than this


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_is_one_that_its_shell_takes(inside, shell, tmp_path):
    script = inside("completion", shell).out
    assert b"_MEMSHIM_COMPLETE=" + shell.encode() + b"_complete" in script
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    (tmp_path / "script").write_bytes(script)
    done = subprocess.run([shell, "-n", str(tmp_path / "script")], capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def bash(script, line, wanted):
    """What bash would offer for the last word of a line."""
    words = " ".join(f"'{word}'" for word in line.split(" "))
    code = f"source {script}; COMP_WORDS=({words}); COMP_CWORD={line.count(' ')}; _memshim_completion memshim"
    code += '; printf "%s\\n" "${COMPREPLY[@]}"'
    return subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout


def fish(script, line, wanted):
    """What fish would offer, with what it says of each."""
    code = f"source {script}; complete -C'{line}'"
    return subprocess.run(["fish", "-N", "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout


def zsh(script, line, wanted):
    """What a zsh on a terminal shows after a line and the tabulator key, until it is what is wanted."""
    # Two ids may begin with the same letter: zsh would put that letter in, and show what there is at the second key.
    setup = f"PS1=; stty cols 160; setopt no_list_ambiguous; autoload -U compinit; compinit -u -D; source {script}"
    setup += "; zle-line-init() { print -n rea''dy }; zle -N zle-line-init\n"
    terminal, theirs = pty.openpty()
    with subprocess.Popen(
        ["zsh", "-f", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as shell:
        os.close(theirs)
        try:
            os.write(terminal, setup.encode())
            until(terminal, "ready")
            os.write(terminal, line.encode() + b"\t")
            return until(terminal, wanted)
        finally:
            os.close(terminal)
            shell.kill()


def until(terminal, wanted):
    """Reads a terminal until it says something; returns all that it has said, also where that does not come."""
    shown = ""
    while wanted not in shown and select.select([terminal], [], [], 30)[0]:
        shown += os.read(terminal, 4096).decode("utf-8", "replace")
    return shown


@pytest.mark.parametrize("shell", [bash, zsh, fish])
def test_each_shell_offers_commands_agents_documents_and_ids(memory, inside, on_path, tmp_path, shell):
    if shutil.which(shell.__name__) is None:
        pytest.skip(f"needs {shell.__name__}")
    noted = Store.open(memory, agent="bob-0123abcd").append("use uv: not pip, ever", doc="topic.md")
    script = tmp_path / "script"
    script.write_bytes(inside("completion", shell.__name__).out)
    for line, wanted in (
        ("memshim bla", "blame"),
        ("memshim log --kin", "--kind"),
        ("memshim log --agent bob-", "bob-0123abcd"),
        ("memshim blame ", "topic.md"),
        ("memshim show --doc t", "topic.md"),
        ("memshim undo ", noted[-8:] if shell is bash else "not pip, ever"),
        (f"memshim forget {noted[-8:-4]}", noted[-8:]),
    ):
        assert wanted in shell(script, line, wanted), line


def test_an_unknown_shell_is_wrong_usage(inside):
    assert inside("completion", "tcsh").code == 2
