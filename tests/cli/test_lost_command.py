"""`memshim lost`: what was overwritten unseen, for people and for programs."""

import json
import os

from memshim import Store

pytest_plugins = ["cli_fixtures"]

START = b"# M\n\n- one\n- two\n- three\n"


def overwrite(memory, data):
    (memory / "MEMORY.md.tmp").write_bytes(data)
    os.rename(memory / "MEMORY.md.tmp", memory / "MEMORY.md")


def test_nothing_lost_is_said_in_a_sentence(memory, inside):
    assert inside("lost") == (0, b"Nothing was overwritten unseen.\n", "")


def test_a_lost_update_is_told_with_its_author_and_what_became_of_it(memory, inside):
    Store.open(memory, agent="bob").append("- new \x1b[31m")
    overwrite(memory, START + b"- mine\n")
    text = inside("lost").out.decode()
    assert "bob's, overwritten by external" in text
    assert "put back" in text
    assert "\x1b" not in text
    found = json.loads(inside("lost", "--json").out)
    assert [(r["agent"], r["by"], r["state"], r["doc"]) for r in found["lost"]] == [
        ("bob", "external", "restored", "MEMORY.md")
    ]
    assert found["lost"][0]["text"] == "- new \x1b[31m"
    assert found["mass"] == []


def test_a_mass_deletion_is_told_with_the_command_that_takes_it_back(memory, inside):
    overwrite(memory, START + b"".join(b"- %d\n" % n for n in range(30)))
    inside("compact")
    overwrite(memory, START + b"".join(b"- %d\n" % n for n in range(9)))
    inside("compact")
    row = json.loads(inside("lost", "--json").out)["mass"]
    assert row[0]["removed"] == 21
    assert f"memshim undo {row[0]['entry'][-8:]}" in inside("lost").out.decode()
