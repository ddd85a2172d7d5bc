"""blame and log: who wrote each line, and what happened, as people and programs read it."""

import json
import os
import pty
import subprocess
import sys
import time

import pytest

from memshim import Store
from memshim.cli import when
from memshim.cli.common import columns
from memshim.errors import BadInput

pytest_plugins = ["cli_fixtures"]

START = b"# M\n\n- one\n- two\n- three\n"


def authors(inside, *words):
    lines = json.loads(inside("blame", "--json", *words).out)["lines"]
    return {line["text"]: [a["name"] for a in line["authors"]] for line in lines}


def test_each_line_has_its_author_age_and_reason(memory, inside):
    inside("append", "use uv", "--agent", "bob-0123abcd", "--why", "pip was slow", "--section", "Tools")
    (memory / "MEMORY.md").write_bytes((memory / "MEMORY.md").read_bytes() + b"- by hand\n")
    out = inside("blame").out.decode().splitlines()
    assert [line.split("│ ", 1)[1] for line in out] == [
        *(
            "# M",
            "",
            "- one",
            "- two",
            "- three",
            "",
            "## Tools  (pip was slow)",
            "",
            "- use uv  (pip was slow)",
            "- by hand",
        )
    ]
    assert [line.split()[1] for line in out] == ["before"] * 5 + ["bob"] * 4 + ["external"]
    log = json.loads(inside("log", "--json").out)["entries"]
    assert out[8].startswith(next(e["id"] for e in log if e["agent"].startswith("bob"))[-8:])
    (one,) = inside("blame", "-L", "9").out.decode().splitlines()
    assert one.split() == out[8].split()
    two = inside("blame", "MEMORY.md", "-L", "2,3").out.decode().splitlines()
    assert [line.split() for line in two] == [line.split() for line in out[1:3]]
    assert inside("blame", "-L", "3,2").code == 2
    assert inside("blame", "nothing.md").code == 1


def test_authors_survive_compaction_edits_of_neighbours_and_of_the_same_block(memory, inside):
    inside("append", "- use uv\n  because of CI\n  and speed", "--agent", "bob", "--section", "Tools")
    inside("compact")
    inside("edit", "--old", "because of CI", "--new", "because of our CI", "--agent", "eve")
    inside("edit", "--old", "- two\n", "--new", "- two\n- two and a half\n", "--agent", "eve")
    inside("compact")
    inside("edit", "--old", "# M", "--new", "# Memory", "--agent", "ann")
    inside("compact")
    assert authors(inside) == {
        "# Memory": ["ann"], "": ["bob"], "- one": ["before"], "- two": ["before"], "- two and a half": ["eve"],
        "- three": ["before"], "## Tools": ["bob"], "- use uv": ["bob"], "  because of our CI": ["eve"],
        "  and speed": ["bob"],
    }  # fmt: skip


def test_a_line_of_both_sides_names_both(memory, inside):
    base = json.loads(inside("rev", "--json").out)["revision"]
    inside("append", "the same", "--agent", "ann")
    inside("append", "the same", "--agent", "bob")
    inside("edit", "--old", "- one\n", "--new", "- one\n- in between\n", "--agent", "ann")
    inside(
        "write", "--expect", base, "--agent", "eve", stdin=START.replace(b"- one\n", b"- one\n- in between\n- more\n")
    )
    found = authors(inside)
    assert found["- the same"] == ["ann", "bob"]
    assert found["- in between"] == ["ann", "eve"]
    assert found["- more"] == ["eve"]
    inside("compact")
    assert authors(inside) == found
    inside("forget", "--text", "in between")
    assert b"in between" not in inside("show").out


def test_a_clash_names_each_side(clash, inside):
    lines = json.loads(inside("blame", "--json").out)["lines"]
    marked = [(line["text"], line["authors"][0]["name"]) for line in lines if line["conflict"]]
    assert [(text.split(" (")[0], name) for text, name in marked] == [("- TWO", "cli"), ("- zwei", "external")]


def on_a_terminal(columns, *words, pager="cat"):
    """Returns the lines that a command prints on a terminal of this width."""
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "MEMSHIM_PAGER": pager, "TERM": "dumb"}
    command = [sys.executable, "-m", "memshim", *words]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=slave, env=environment) as running:
        os.close(slave)
        out = b""
        while True:
            try:
                some = os.read(master, 65536)
            except OSError:  # on Linux the end of a terminal is an error
                some = b""
            if not some:
                break
            out += some
        os.close(master)
        assert running.wait(30) == 0
    return out.decode().replace("\r\n", "\n").splitlines()


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(memory, inside, columns):
    why = "a reason that is told at length, as agents do when nobody stops them"
    inside("append", "a long note " * 20, "--agent", "an-agent-with-quite-a-long-name", "--why", why)
    inside("append", "short", "--agent", "bob", "--why", why)
    for words in (["blame"], ["log"]):
        lines = on_a_terminal(columns, *words)
        assert max(map(len, lines)) <= columns
        assert any("bob" in line and "short" in line for line in lines)


def test_a_pager_gets_what_is_printed_and_may_quit_early(memory, inside):
    for n in range(20):
        Store.open(memory, agent="bob").append(f"note {n} " * 200, publish=False)
    lines = on_a_terminal(80, "log", pager="head -n 3 | sed s/^/paged:/")
    assert len(lines) == 3
    assert all(line.startswith("paged:") for line in lines)
    assert on_a_terminal(80, "log", "-n", "1", pager="no-such-pager-at-all") != []


def test_the_log_is_filtered_by_all_that_it_is_asked_for(memory, inside):
    inside("append", "first", "--agent", "bob-0123abcd", "--session", "s-one")
    inside("append", "second", "--agent", "bob-89abcdef", "--session", "s-two", "--why", "the Reason")
    inside("compact")
    inside("forget", "--text", "first", "--agent", "eve")

    def told(*options):
        answer = inside("log", "--json", *options)
        assert answer.code == 0, answer.err
        return [(e["kind"], e["text"].strip()) for e in json.loads(answer.out)["entries"]]

    everything = [("forget", ""), ("append", "- second"), ("append", "- first"), ("init", START.decode().strip())]
    assert told() == everything
    assert told("--agent", "bob") == everything[1:3]
    assert told("--agent", "bob-0123abcd") == everything[2:3]
    assert told("--session", "s-t") == everything[1:2]
    assert told("--kind", "forget") == everything[:1]
    assert told("--grep", "reason") == everything[1:2]
    assert told("--grep", "FIRST") == [everything[0], everything[2]]  # a removal is found by what it removed
    assert told("--since", "1h") == everything
    assert told("--since", "2100-01-01") == []
    assert told("--grep", "first", "--agent", "eve", "-n", "1") == everything[:1]
    assert inside("log", "--grep", "(").code == 2
    assert inside("log", "--since", "soon").code == 2


def test_a_patch_shows_what_went_and_what_came(memory, inside):
    inside("append", "x", "--section", "New", "--agent", "bob")
    inside("edit", "--old", "- two", "--new", "- TWO\n- and", "--agent", "eve", "--why", "louder")
    inside("forget", "--text", "one", "--agent", "ann")
    out = inside("log", "-p", "-n", "3").out.decode()
    assert "    MEMORY.md:\n    - - one\n" in out
    assert "    - - two\n    + - TWO\n    + - and\n" in out
    assert "    MEMORY.md:\n      under New\n    + - x\n" in out
    changes = json.loads(inside("log", "-p", "--json", "--agent", "eve").out)["entries"][0]["changes"]
    assert "".join(c["removed"] for c in changes) == "- two\n"
    assert "".join(c["added"] for c in changes) == "- TWO\n- and\n"  # and not the heading that bob's note had made


@pytest.mark.parametrize(
    ("text", "back"), [("30s", 30), ("5m", 300), ("2h ago", 7200), ("3d", 3 * 86400), ("1w", 7 * 86400)]
)
def test_an_age_is_a_point_in_time(text, back):
    assert abs(time.time() - back - when.moment(text) / 1000) < 5


def test_a_date_is_one_too(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert when.moment("2026-11-21 10:30") == 1795253400000
        assert when.moment("2026-11-21T09:30:00Z") == 1795253400000
        assert when.moment("2026-11-21 09:30 UTC") == 1795253400000
        assert when.clock(1795253400000) == "2026-11-21 10:30"
        assert when.moment("2026-11-21") == 1795215600000
        for wrong in ("", "h", "-2h", "2x", "2026-13-01", "now", "٣h"):
            with pytest.raises(BadInput):
                when.moment(wrong)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_age_is_told_in_four_characters():
    for seconds in (0, 59, 61, 3599, 3601, 47 * 3600, 49 * 3600, 20 * 86400, 22 * 86400, 700 * 86400, 9999 * 86400):
        assert len(when.age((time.time() - seconds) * 1000)) <= 4
    assert when.age((time.time() - 7300) * 1000) == "2h"
    assert when.age((time.time() + 100) * 1000) == "soon"


def test_compactions_stand_in_the_log_with_the_revision_that_they_found(memory, inside):
    for n in range(2):
        inside("append", f"note {n}", "--agent", "bob", "--no-publish")
        before = (memory / "MEMORY.md").read_bytes()
        inside("compact")
    newest, oldest = inside("log", "--kind", "compact").out.decode().splitlines()
    revision = newest.split()[-1]
    assert inside("show", "--at", revision).out == before
    assert revision != oldest.split()[-1]
    assert [line.split()[4] for line in inside("log").out.decode().splitlines()] == [
        *("compact", "append", "compact", "append", "init")
    ]
    path = memory / ".memshim" / "compactions"
    path.write_bytes(path.read_bytes() + b'{"time": 1, torn')
    assert inside("log", "--kind", "compact").out.decode().splitlines() == [newest, oldest]
    inside("compact")  # nothing to fold, nothing to note
    assert len(inside("log", "--kind", "compact").out.decode().splitlines()) == 2


def test_the_line_of_a_compaction_can_be_typed_and_is_whole_on_a_narrow_terminal(memory, inside):
    inside("append", "a", "--doc", "topic.md")
    before = (memory / "topic.md").read_bytes()
    inside("append", "b", "--doc", "topic.md")
    inside("compact")
    inside("append", "c", "--doc", "topic.md", "--no-publish")
    inside("compact")
    line = inside("log", "--doc", "topic.md", "--kind", "compact").out.decode().splitlines()[0]
    words = line.partition(": memshim ")[2].split()
    assert words[-2:] == ["--doc", "topic.md"]
    assert inside(*words).out == before + b"- b\n"
    (narrow, _) = on_a_terminal(60, "log", "--doc", "topic.md", "--kind", "compact")
    assert inside("show", "--doc", "topic.md", "--at", narrow.split()[-1]).out == before + b"- b\n"


def test_an_undo_says_what_went_and_what_came_back(memory, inside):
    noted = inside("append", "a note").out.decode().split()[-1]
    inside("undo", noted)
    inside("undo")  # the undo
    edited = inside("edit", "--old", "one", "--new", "uno").out.decode().split()[1]
    inside("compact")
    inside("undo", edited)
    inside("undo")
    inside("forget", "--text", "two")
    inside("undo")
    (memory / "MEMORY.md").write_bytes((memory / "MEMORY.md").read_bytes().replace(b"- three\n", b""))
    inside("undo", json.loads(inside("log", "--json", "-n", "1").out)["entries"][0]["id"])
    rows = json.loads(inside("log", "--json", "-p", "--kind", "undo").out)["entries"]
    told = [[(c["removed"].strip(), c["added"].strip()) for c in row["changes"]] for row in reversed(rows)]
    assert told == [
        [("- a note", "")],
        [("", "- a note")],
        [("- uno", "- one")],
        [("- one", "- uno")],
        [("", "- two")],
        [("", "- three")],
    ]
    lines = inside("log", "--kind", "undo").out.decode().splitlines()
    assert [line.split("MEMORY.md  ")[1] for line in reversed(lines)] == [
        *("\u2212 - a note", "+ - a note", "+ - one", "+ - uno", "+ - two", "+ - three")
    ]


def test_that_nothing_matches_is_said(memory, inside):
    answer = inside("log", "--agent", "nobody")
    assert (answer.code, answer.out, answer.err) == (0, b"", "No entry matches.\n")
    assert json.loads(inside("log", "--agent", "nobody", "--json").out)["entries"] == []


def test_signs_of_two_columns_fit_and_a_pipe_gets_whole_lines(memory, inside):
    inside("append", "\u65e5\u672c\u8a9e" * 60, "--agent", "bob", "--why", "\u7406\u7531" * 30)
    for words in (["blame"], ["log"]):
        assert max(columns(line) for line in on_a_terminal(60, *words)) in (59, 60)
    assert "\u65e5\u672c\u8a9e" * 60 + "  (" + "\u7406\u7531" * 30 + ")" in inside("blame").out.decode()
    assert (columns("e\u0301"), columns("\U0001f511a")) == (1, 3)


def test_a_line_that_is_not_there_is_said(memory, inside):
    assert inside("blame", "-L", "0").code == inside("blame", "-L", "3,2").code == 2
    answer = inside("blame", "-L", "6")
    assert (answer.code, answer.out) == (1, b"")
    assert answer.err.startswith("memshim: MEMORY.md has no line 6; it has 5 lines.")
    assert inside("blame", "-L", "5,9").out.count(b"\n") == 1


def test_a_redaction_says_what_it_is(memory, inside):
    inside("append", "the key is sk-123456", "--agent", "bob")
    assert inside("redact", "--text", "sk-123456").code == 0
    assert inside("log", "-n", "1").out.rstrip().endswith(b"redact   a text was erased")
    assert b"a text was erased" in inside("log", "-n", "1", "-p").out
