"""JSON: what a program reads has exactly the fields of docs/json.md."""

import errno
import json
import re
from pathlib import Path

import pytest

from memshim import Store, __version__
from memshim.cli import complete
from memshim.store import journal

pytest_plugins = ["cli_fixtures", "daemon_fixtures"]

DOCS = Path(__file__).resolve().parents[2] / "docs" / "json.md"
TOKENS = re.compile(r"`([^`]+)`|(\[\{)|(\}\])|(\()|(\))")
START = b"# M\n\n- one\n- two\n- three\n"


def _fields(cell):
    """Returns a row's fields: name to the fields of its items, or None."""
    found = {}
    levels, name, remark = [found], "", 0
    for token in TOKENS.finditer(cell.split(";")[0]):
        word, opens, closes, remark_opens, remark_closes = token.groups()
        remark += bool(remark_opens) - bool(remark_closes)
        if word and not remark:
            name = word
            levels[-1][name] = None
        elif opens:
            levels[-1][name] = {}
            levels.append(levels[-1][name])
        elif closes:
            levels.pop()
    return found


def _table():
    rows = re.findall(r"^\| (`.*?) \| (.*) \|$", DOCS.read_text(), re.MULTILINE)
    return {name: _fields(cell) for names, cell in rows for name in _names(names)}


def _names(cell):
    return [name + cell.rpartition("`")[2] for name in re.findall(r"`([^`]+)`", cell)]


def _check(value, fields):
    assert set(value) == set(fields)
    for name, inner in fields.items():
        for item in value[name] if inner else ():
            _check(item, inner)


def shaped(answer, name):
    """Returns what a command printed, which has the shape of a row of the table."""
    assert answer.err == ""
    return _shaped(answer.out, name)


def _shaped(out, name):
    assert out.endswith(b"\n")
    assert out.count(b"\n") == 1
    value = json.loads(out)
    assert value.pop("version") == 1
    _check(value, _table()[name])
    return value


def test_the_table_has_a_row_for_every_command_that_reports():
    assert set(_table()) == {
        *("append", "edit", "write", "forget", "restore", "resolve", "init", "compact", "compact --dry-run"),
        *(
            "show",
            "show --at",
            "rev",
            "log",
            "log -p",
            "blame",
            "conflicts",
            "lost",
            "daemon status",
            "status",
            "check",
            "demo",
        ),
        *("diff", "undo", "undo --dry-run", "undo with exit 12", "redact", "timeline"),
        *("edit with exit 12", "write with exit 12"),
    }
    assert _table()["edit"] == {
        **dict.fromkeys(("id", "doc", "revision", "merged", "notes")),
        "settled": dict.fromkeys(("rule", "kept", "dropped")),
    }


def test_the_documented_kinds_of_entries_are_those_that_are_offered():
    listed = DOCS.read_text().split("Entry kinds: ")[1].split("`remark`")[0]
    offered = {kind for kind, _ in complete.kinds({}, "")}
    assert set(re.findall(r"`([a-z]+)`", listed)) == offered - {"compact"}  # which is no entry, but a row of the log


def test_init_and_append(inside, store_dir):
    made = shaped(inside("init", "--store", str(store_dir), "--json"), "init")
    assert made == {"store": str(store_dir), "made": True}
    assert not shaped(inside("init", "--store", str(store_dir), "--json"), "init")["made"]
    told = shaped(inside("append", "x", "--store", str(store_dir), "--json"), "append")
    assert len(told["id"]) == 32
    assert told["published"] is True
    assert (
        shaped(inside("append", "y", "--store", str(store_dir), "--json", "--no-publish"), "append")["published"]
        is False
    )


def test_the_commands_that_change(memory, inside):
    revision = json.loads(inside("rev", "--json").out)["revision"]
    done = shaped(inside("edit", "--old", "- two", "--new", "- TWO", "--json"), "edit")
    assert (len(done["id"]), done["doc"], done["merged"]) == (32, "MEMORY.md", False)
    assert done["revision"] == json.loads(inside("rev", "--json").out)["revision"]
    stale = ["edit", "--old", "- three", "--new", "- drei", "--expect", revision, "--json"]
    assert shaped(inside(*stale), "edit")["merged"] is True
    same = (memory / "MEMORY.md").read_bytes()
    assert shaped(inside("write", "--json", stdin=same), "write")["id"] is None
    gone = shaped(inside("forget", "--text", "one", "--json"), "forget")
    back = shaped(inside("restore", gone["id"], "--json"), "restore")
    assert len({done["id"], gone["id"], back["id"]}) == 3


def test_timeline(memory, inside, tmp_path):
    path = str(tmp_path / "page.html")
    told = shaped(inside("timeline", "--html", path, "--json"), "timeline")
    assert told == {"file": path, "entries": 1, "agents": 1}


def test_the_status_of_a_daemon(daemon, inside):
    told = shaped(inside("daemon", "status", "--json"), "daemon status")
    assert (told["running"], told["pid"], told["program"]) == (True, daemon.pid, __version__)


def test_redact(memory, inside):
    inside("append", "the key is sk-123456", "--agent", "bob")
    done = shaped(inside("redact", "--text", "-", "--json", stdin=b"sk-123456\n"), "redact")
    assert (done["texts"], done["entries"], done["notes"]) == (1, 1, [])
    assert json.loads(inside("log", "--json", "-n", "1").out)["entries"][0]["id"] == done["id"]
    assert inside("redact").code == inside("redact", "x" * 8, "--text", "y").code == 2
    assert inside("redact", "--text", "sk-123456").code == 1


def test_undo(memory, inside):
    base = inside("show").out
    first = shaped(inside("edit", "--old", "- two", "--new", "- TWO", "--json"), "edit")
    plan = shaped(inside("undo", "--dry-run", "--json"), "undo --dry-run")
    assert plan["undoes"] == first["id"]
    assert "-- TWO\n+- two\n" in plan["documents"][0]["diff"]
    assert b"TWO" in inside("show").out
    done = shaped(inside("undo", "--json"), "undo")
    assert inside("show").out == base
    shaped(inside("undo", done["id"], "--json"), "undo")
    inside("edit", "--old", "- TWO", "--new", "- zwei")
    answer = inside("undo", first["id"][-8:], "--json")
    assert answer.code == 12
    assert _shaped(answer.out, "undo with exit 12")["conflicts"] == [
        {"base": "- TWO\n", "ours": "- zwei\n", "theirs": "- two\n"}
    ]


@pytest.mark.parametrize("command", ["edit", "write"])
def test_a_refused_change_has_the_present_revision_and_all_texts(memory, inside, command):
    old = json.loads(inside("rev", "--json").out)["revision"]
    now = json.loads(inside("edit", "--old", "- two", "--new", "- TWO", "--json").out)["revision"]
    words = ["edit", "--old", "- two", "--new", "- zwei"] if command == "edit" else ["write"]
    answer = inside(*words, "--expect", old, "--json", stdin=START.replace(b"two", b"zwei"))
    assert answer.code == 12
    told = _shaped(answer.out, f"{command} with exit 12")
    assert told["actual"] == now
    assert told["conflicts"] == [{"base": "- two\n", "ours": "- TWO\n", "theirs": "- zwei\n"}]
    assert told["error"]["code"] == 12


def test_show_rev_and_log(memory, inside):
    inside("append", "caf\u00e9", "--why", "because", "--session", "s1", "--agent", "bob")
    shown = shaped(inside("show", "--json"), "show")
    assert shown["text"].endswith("- caf\u00e9\n")
    assert [b["kind"] for b in shown["blocks"]] == ["heading", "blank", "bullet", "bullet", "bullet", "bullet"]
    assert [b["lines"] for b in shown["blocks"]] == [[n, n] for n in range(1, 7)]
    assert shown["blocks"][-1]["agents"] == ["bob"]
    revision = shaped(inside("rev", "--json"), "rev")
    assert revision == {"doc": "MEMORY.md", "revision": shown["revision"]}
    at = shaped(inside("show", "--at", shown["revision"][:7], "--json"), "show --at")
    assert at == {name: shown[name] for name in ("doc", "revision", "text")}
    newest, first = shaped(inside("log", "--json"), "log")["entries"]
    assert newest["id"] == shown["blocks"][-1]["entries"][0]
    assert (newest["agent"], newest["session"], newest["kind"], newest["why"]) == ("bob", "s1", "append", "because")
    assert (first["kind"], first["docs"], first["session"], first["why"]) == ("init", ["MEMORY.md"], None, None)
    inside("edit", "--old", "- one", "--new", "- ONE")
    assert shaped(inside("log", "-p", "--json"), "log -p")["entries"][0]["changes"][0]["added"] == "- ONE\n"
    compared = shaped(inside("diff", revision["revision"][:7], "--json"), "diff")
    assert compared["from"] == revision["revision"]
    assert "\n-- one\n+- ONE\n" in compared["diff"]
    blamed = shaped(inside("blame", "--json"), "blame")
    assert blamed["revision"] == json.loads(inside("rev", "--json").out)["revision"]
    assert blamed["lines"][2]["authors"][0]["agent"] == "cli"


def test_bytes_that_are_no_text_are_replaced_in_json_only(memory, inside):
    (memory / "MEMORY.md").write_bytes(START + b"- caf\xe9\n")
    assert json.loads(inside("show", "--json").out)["text"].endswith("- caf\ufffd\n")
    assert inside("show").out.endswith(b"- caf\xe9\n")


def test_conflicts_and_resolve(clash, inside):
    (open_one,) = shaped(inside("conflicts", "--json"), "conflicts")["conflicts"]
    assert (open_one["doc"], open_one["base"]) == ("MEMORY.md", "- two\n")
    assert [(s["text"], s["agent"]) for s in open_one["sides"]] == [("- TWO\n", "cli"), ("- zwei\n", "external")]
    marked = [b["conflict"] for b in shaped(inside("show", "--json"), "show")["blocks"] if b["conflict"]]
    assert marked == [open_one["id"]] * 2
    assert shaped(inside("status", "--json"), "status")["state"] == "needs attention"
    assert shaped(inside("resolve", open_one["id"], "--keep", "ours", "--json"), "resolve")["doc"] == "MEMORY.md"
    assert shaped(inside("conflicts", "--json"), "conflicts") == {"conflicts": []}


def test_compact_status_and_check(memory, inside):
    inside("append", "x", "--no-publish")
    plan = shaped(inside("compact", "--dry-run", "--json"), "compact --dry-run")
    assert plan["dry_run"] is True
    assert "+- x\n" in plan["documents"][0]["diff"]
    status = shaped(inside("status", "--json"), "status")
    assert (status["store"], status["state"], status["unfolded"]) == (str(memory), "needs attention", 1)
    assert (status["protected"], status["mend"], status["lone_writer"]) == (False, "memshim install", None)
    assert status["documents"][0]["published"] is False
    assert shaped(inside("check", "--json"), "check")["findings"][0]["level"] == "note"
    done = shaped(inside("compact", "--json"), "compact")
    assert done == {"folded": 1, "archived": 0, "published": ["MEMORY.md"], "notes": []}
    assert shaped(inside("check", "--repair", "--json"), "check") == {"ok": True, "findings": [], "repaired": []}
    assert shaped(inside("status", "--json"), "status")["state"] == "up to date"
    assert shaped(inside("compact", "--dry-run", "--json"), "compact --dry-run")["documents"] == []


def test_a_check_that_fails_still_prints_its_findings(memory, inside):
    Store.open(memory).append("x")
    Store.open(memory).append("later")
    path = memory / "memory" / "cli.md"
    path.write_bytes(path.read_bytes().replace(b"- x", b"- y"))
    answer = inside("check", "--json")
    assert answer.code == 13
    told = _shaped(answer.out, "check")
    assert told["ok"] is False
    assert any(f["level"] in ("must", "should") for f in told["findings"])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["edit", "--old", "nothing like it", "--new", "x"], 1),
        (["append", "--frob", "x"], 2),
        (["append", "x", "--agent="], 2),
        (["edit", "--old", "two", "--new", "x", "--expect", "abc"], 2),
        (["show", "--store", "away"], 10),
        (["append", "x", "--store", "away"], 10),
    ],
)
def test_a_failure_is_an_object_too(memory, inside, words, code):
    answer = inside(*words, "--json")
    assert (answer.code, answer.err) == (code, "")
    told = json.loads(answer.out)
    assert set(told) == {"version", "error"}
    assert told["version"] == 1
    assert set(told["error"]) == {"code", "message", "hint"}
    assert told["error"]["code"] == code
    assert told["error"]["message"]


@pytest.mark.parametrize("words", [["append", "x"], ["log"]])
@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "journal"), 1, "No space left on device: journal"),
        (RuntimeError("the moon is in the wrong house"), 3, "This is a bug in memshim"),
    ],
)
def test_a_failure_of_the_machine_or_of_memshim_is_one_as_well(
    memory, inside, monkeypatch, words, failure, code, message
):
    def broken(*_args, **_named):
        raise failure

    monkeypatch.setattr(journal.Journal, "__init__", broken)
    monkeypatch.setattr(Store, "memory", broken)
    answer = inside(*words, "--json")
    assert (answer.code, answer.err) == (code, "")
    told = json.loads(answer.out)
    assert (told["version"], told["error"]["code"]) == (1, code)
    assert told["error"]["message"].startswith(message)
    assert told["error"]["hint"]


@pytest.mark.parametrize("words", ["compact --dry-run", "undo --dry-run", "diff"])
def test_a_diff_of_bytes_that_are_no_utf_8_is_text_for_any_program(memory, inside, words):
    with Store.open(memory) as store:
        seen = store.read().revision
        store.append(b"- caf\xe9\n", publish=words != "compact --dry-run")
    out = inside(*words.split(), *([seen] if words == "diff" else []), "--json").out
    assert "caf\ufffd" in json.dumps(json.loads(out), ensure_ascii=False)
    assert b"\\udc" not in out
