"""The demo: measured in this run, and nothing of it stays."""

import json
import os
from pathlib import Path

from memshim.cli import demo

pytest_plugins = ["cli_fixtures"]


def test_the_demo_loses_nothing_through_memshim_and_leaves_nothing_behind(
    run_memshim, guarded_home, tmp_path, monkeypatch
):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    done = run_memshim("demo", "--json", check=True)
    told = json.loads(done.stdout)
    assert set(told) == {"version", "rows"}
    plain, safe = told["rows"]
    assert (plain["how"], safe["how"]) == ("read, change, rename", "memshim")
    for row in told["rows"]:
        assert set(row) == {"how", "sent", "kept", "lost"}
        assert row["sent"] == row["kept"] + row["lost"]
    assert safe["sent"] == plain["sent"] >= 40
    assert safe["lost"] == 0
    # Where the plain way lost nothing, it was given more to do, up to four times as much.
    assert plain["lost"] > 0 or plain["sent"] == 160
    assert os.listdir(scratch) == []
    assert [str(p) for p in guarded_home.rglob("*")] == [str(guarded_home / "work")]


def test_the_demo_keeps_its_store_where_it_is_told_to(run_memshim, tmp_path):
    kept = tmp_path / "kept"
    done = run_memshim("demo", "--keep", str(kept), check=True).stdout.decode()
    assert "8 writers at once, one MEMORY.md:" in done
    assert f"memshim log --store {kept}" in done
    assert Path(kept, "MEMORY.md").read_text().count("learned fact") >= 40
    assert run_memshim("check", "--store", kept).returncode == 0
    full = run_memshim("demo", "--keep", kept)
    assert full.returncode == 2
    assert b"not empty" in full.stderr


def test_where_the_plain_way_loses_nothing_it_is_told_and_given_more_up_to_an_end(inside, monkeypatch):
    def race(folder, how, notes, scratch=None):
        lost = 1 if how == "memshim" else 0
        return {"how": how, "sent": 8 * notes, "kept": 8 * notes - lost, "lost": lost}

    monkeypatch.setattr(demo, "race", race)
    answer = inside("demo")
    assert answer.code == 1  # memshim lost one
    said = answer.out.decode().splitlines()
    assert said[:3] == [
        "The plain way lost none of 40 notes this time; racing again with more.",
        "The plain way lost none of 80 notes this time; racing again with more.",
        "The plain way lost none of 160 notes this time.",
    ]
