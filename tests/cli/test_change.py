"""The commands that change: edit, write, forget, restore, resolve, compact."""

import json
import re

import pytest

from memshim import Store
from memshim.store import intake

pytest_plugins = ["cli_fixtures"]

START = b"# M\n\n- one\n- two\n- three\n"


def _id(answer):
    assert answer.code == 0, answer.err
    return re.search(rb"entry ([0-9a-f]{32})", answer.out)[1].decode()


def _text(memory):
    return (memory / "MEMORY.md").read_bytes()


def test_an_edit_replaces_the_text_and_says_its_entry_and_revision(memory, run_memshim, inside):
    done = run_memshim("edit", "--old", "two\n- three", "--new", "2\n- 3", "--why", "shorter", check=True).stdout
    assert _text(memory) == b"# M\n\n- one\n- 2\n- 3\n"
    assert b"revision " + inside("rev").out in done
    assert b"(shorter)" in inside("log", "-n", "1").out


def test_an_edit_of_a_topic_file_leaves_the_others_alone(memory, inside):
    inside("append", "two", "--doc", "topic.md")
    assert inside("edit", "--doc", "topic.md", "--old", "two", "--new", "zwei").code == 0
    assert (memory / "topic.md").read_bytes() == b"- zwei\n"
    assert _text(memory) == START


def test_an_edit_that_changes_nothing_makes_no_entry(memory, inside):
    assert inside("edit", "--old", "two", "--new", "two").out.startswith(b"Nothing to change.\n")
    assert inside("log").out.count(b"\n") == 1


def test_a_write_is_the_whole_text_merged_with_what_came_meanwhile(memory, run_memshim, inside):
    revision = inside("rev").out.decode().strip()
    inside("append", "four")
    wanted = START.replace(b"- one", b"- ONE")
    done = run_memshim("write", "--expect", revision[:12], input=wanted, check=True)
    assert b"had moved on" in done.stdout
    assert _text(memory) == wanted + b"- four\n"


def test_an_empty_write_empties_the_document_on_purpose(memory, run_memshim, inside):
    run_memshim("write", input=b"", check=True)
    assert _text(memory) == b""
    assert inside("show").out == b""
    assert inside("compact").code == 0
    assert _text(memory) == b""


def test_a_note_is_forgotten_by_its_text_without_list_mark_and_outer_space(memory, inside):
    inside("append", "two and more")
    assert inside("forget", "--text", " two ").code == 0
    assert _text(memory) == b"# M\n\n- one\n- three\n- two and more\n"
    assert inside("forget", "--text", "and more", "--why", "wrong").code == 0
    assert _text(memory) == b"# M\n\n- one\n- three\n"


def test_a_text_that_several_blocks_contain_is_refused_with_their_ids(memory, inside):
    answer = inside("forget", "--text", "e")
    assert answer.code == 1
    ids = re.findall(r"([0-9a-f]{32})  - (one|three)", answer.err)
    assert [text for _, text in ids] == ["one", "three"]
    assert inside("forget", ids[0][0]).code == 0
    assert _text(memory) == b"# M\n\n- two\n- three\n"


@pytest.mark.parametrize("of", ["the entry", "the forgetting", "the end of it"])
def test_what_was_forgotten_by_its_entry_is_restored(memory, inside, of):
    entry = inside("append", "use uv").out.decode().strip()
    forgotten = _id(inside("forget", entry[-8:]))
    assert _text(memory) == START
    name = {"the entry": entry, "the forgetting": forgotten, "the end of it": forgotten[-8:]}[of]
    assert inside("restore", name).code == 0
    assert _text(memory) == START + b"- use uv\n"
    inside("restore", name)
    assert _text(memory) == START + b"- use uv\n"


def test_a_forgotten_note_stays_away_while_an_old_copy_still_carries_it(memory, inside):
    entry = inside("append", "use uv").out.decode().strip()
    old = _text(memory)
    inside("forget", entry)
    (memory / "MEMORY.md").write_bytes(old + b"- new\n")
    assert inside("show").out == START + b"- new\n"


def test_a_removed_topic_file_comes_back_by_its_name_only(memory, inside):
    inside("append", "use pdb", "--doc", "debugging.md")
    (memory / "debugging.md").unlink()
    assert inside("compact").code == 0
    assert not (memory / "debugging.md").exists()
    assert inside("show", "--doc", "debugging.md").code == 1
    assert inside("restore", "debugging.md").code == 0
    assert (memory / "debugging.md").read_bytes() == b"- use pdb\n"


@pytest.mark.parametrize(
    ("keep", "left"), [("ours", b"- TWO\n"), ("theirs", b"- zwei\n"), ("both", b"- TWO\n- zwei\n")]
)
def test_a_clash_shows_both_texts_and_is_settled_as_one_says(clash, inside, keep, left):
    shown = inside("conflicts").out.decode()
    label = shown.split()[0]
    assert re.search(r"ours +cli, .*:\n +- TWO\n +theirs +external, .*:\n +- zwei\n", shown)
    assert f"memshim resolve {label} --keep ours|theirs|both" in shown
    text = inside("show").out
    assert f"- TWO (conflict {label}, cli)\n- zwei (conflict {label}, external)\n".encode() in text
    assert inside("resolve", label, "--keep", keep).code == 0
    assert _text(clash) == START.replace(b"- two\n", left)
    assert inside("conflicts").out == b"There is no open conflict.\n"
    assert inside("resolve", label, "--keep", keep).code == 1


def test_a_dry_run_prints_the_difference_and_changes_nothing(memory, inside, run_memshim):
    inside("append", "x", "--no-publish")
    before = {p: p.read_bytes() for p in memory.rglob("*") if p.is_file() and p.name != "lock"}
    diff = run_memshim("compact", "--dry-run", check=True).stdout.decode()
    assert diff.startswith("--- MEMORY.md (on disk)\n+++ MEMORY.md (merged)\n@@ ")
    assert diff.endswith("\n - three\n+- x\n")
    assert {p: p.read_bytes() for p in memory.rglob("*") if p.is_file() and p.name != "lock"} == before


def test_a_second_compact_has_nothing_to_do(memory, inside):
    inside("append", "x", "--no-publish")
    assert inside("compact").out == b"1 entry folded; MEMORY.md published.\n"
    assert _text(memory) == START + b"- x\n"
    assert inside("compact").out == b"Nothing to do.\n"
    assert inside("compact", "--dry-run").out == b"The documents are up to date.\n"


def test_a_document_of_more_than_140_lines_is_said_to_be_long(memory, inside):
    inside("append", "\n".join(f"- note {n}" for n in range(135)))
    assert "140" not in inside("compact").err
    inside("append", "one more")
    answer = inside("compact")
    assert answer.code == 0
    assert "MEMORY.md has 141 lines" in answer.err
    assert b"lines of 140" in inside("status").out
    told = json.loads(inside("compact", "--json").out)
    assert "141 lines" in told["notes"][0]


def test_a_clash_of_an_edit_with_a_removal_names_its_document(memory, inside):
    with Store.open(memory).turn() as turn:
        seen = turn.history("MEMORY.md").recent(1)
        base = next(seen)
        for agent, text in (("ann", START.replace(b"- two\n", b"")), ("bob", START.replace(b"two", b"TWO"))):
            intake.take_in(turn, "MEMORY.md", text, base.text, base.pieces, intake.Source("write", agent))
    (found,) = json.loads(inside("conflicts", "--json").out)["conflicts"]
    assert (found["doc"], found["base"]) == ("MEMORY.md", "- two\n")
    assert [(side["agent"], side["text"]) for side in found["sides"]] == [("ann", ""), ("bob", "- TWO\n")]
