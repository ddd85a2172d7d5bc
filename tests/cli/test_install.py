"""memshim install and uninstall, as a person uses them: with the self-test, in a home of their own."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from memshim import Store
from memshim.agents import fragment, protection, selftest
from memshim.daemon import protocol
from memshim.disk import files
from memshim.disk.layout import Layout, state_home
from memshim.errors import MemshimError
from memshim.store import registry

pytest_plugins = ["cli_fixtures"]
Inside = Callable[..., Any]


@pytest.fixture
def path(guarded_home: Path) -> Path:
    """The user's settings."""
    folder = guarded_home / ".claude"
    folder.mkdir()
    (folder / "settings.json").write_text('{\n  "model": "opus"\n}\n')
    return folder / "settings.json"


def test_in_and_out_again(inside: Inside, path: Path) -> None:
    before = path.read_bytes()
    first = inside("install")
    assert (first.code, first.err) == (0, "")
    assert b"passed their test" in first.out
    assert b"restart" in first.out
    once = path.read_bytes()
    assert b"already" in inside("install").out
    assert path.read_bytes() == once
    assert protection.protection(".")[0]
    out = inside("uninstall")
    assert (out.code, out.err) == (0, "")
    assert path.read_bytes() == before
    assert not list(Path(state_home()).glob("hook*"))
    assert inside("uninstall").out == b"No hooks of memshim's are in the settings.\n"


def test_it_says_if_that_does_not_protect(inside: Inside, path: Path) -> None:
    path.write_text('{"disableAllHooks": true}')
    said = inside("install")
    assert said.code == 0
    assert "Not protected yet" in said.err
    assert "disableAllHooks" in said.err


def test_a_dry_run_prints_a_diff_and_changes_nothing(inside: Inside, path: Path) -> None:
    before = path.read_bytes()
    said = inside("install", "--dry-run")
    assert said.code == 0
    assert said.out.startswith(f"--- {path}\n+++ {path}\n".encode())
    assert b'+  "hooks": {' in said.out
    assert path.read_bytes() == before
    assert not os.path.exists(state_home())
    inside("install")
    once = path.read_bytes()
    assert b'-  "hooks": {' in inside("uninstall", "--dry-run").out
    assert inside("install", "--dry-run").out == f"{path} stays as it is.\n".encode()
    assert path.read_bytes() == once


def test_a_failed_self_test_puts_the_file_back(inside: Inside, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    monkeypatch.setattr("sys.executable", "/no/such/python")
    said = inside("install")
    assert said.code == 1
    assert "did not reach memshim" in said.err
    assert "as it was before" in said.err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("exit 0; set -- take;", "did not reach"),
        ("exit 3; set -- take;", "ended with 3"),
        ("echo hello; set -- take;", "asks for no answer"),
        ("echo hello >&2; set -- take;", "hello"),
        ("echo hello; set -- look;", "asks for no answer"),
    ],
)
def test_the_self_test_sees_hooks_that_do_not_work(command: str, why: str) -> None:
    with pytest.raises(MemshimError, match=why):
        selftest.run({"PostToolUse": [{"hooks": [{"type": "command", "command": command}]}]})


def test_the_self_test_touches_nothing_of_the_users(path: Path) -> None:
    selftest.run(fragment.fragment([], portable=False))
    assert not os.path.exists(state_home())
    assert os.listdir(path.parent) == [path.name]


def test_settings_that_are_no_json_are_left_alone(inside: Inside, path: Path) -> None:
    path.write_text('{"a": 1, // mine\n}')
    for command in ("install", "uninstall"):
        said = inside(command)
        assert said.code == 15
        assert "line 1" in said.err
        assert "Nothing was changed" in said.err
    assert path.read_text() == '{"a": 1, // mine\n}'


def test_out_of_every_scope_from_anywhere(inside: Inside, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Path("repo").absolute()
    (repo / ".git").mkdir(parents=True)
    monkeypatch.chdir(repo)
    for scope in ("user", "project", "local"):
        assert inside("install", "--scope", scope).code == 0
    monkeypatch.chdir("/")
    assert inside("uninstall", "--scope", "user").code == 0
    assert "memshim" not in path.read_text()
    assert inside("uninstall").code == 0
    assert os.listdir(repo) == [".git"]


def test_one_file_that_cannot_be_changed_keeps_no_other(
    inside: Inside, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = Path("repo").absolute()
    (repo / ".git").mkdir(parents=True)
    monkeypatch.chdir(repo)
    inside("install", "--scope", "local")
    inside("install")
    path.write_text("{,}")
    said = inside("uninstall")
    assert said.code == 15
    assert str(path) in said.err
    assert os.listdir(repo) == [".git"]


def test_project_hooks_work_where_memshim_is_and_are_nothing_where_not(
    inside: Inside, guarded_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = Path("repo").absolute()
    (repo / ".git").mkdir(parents=True)
    monkeypatch.chdir(repo)
    inside("install", "--scope", "project")
    hooks = json.loads((repo / ".claude" / "settings.json").read_text())["hooks"]
    assert str(guarded_home) not in json.dumps(hooks)
    mate = guarded_home / "mate"
    mate.mkdir()
    environ = {"HOME": str(mate), "PATH": os.environ["PATH"]}
    for command in fragment.commands(hooks):
        done = subprocess.run(
            ["/bin/sh", "-c", command], input=b"{}", capture_output=True, env=environ, cwd=repo, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert os.listdir(mate) == []
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(mate))
    # A session of the same user's finds memshim without the variable too, in the usual place.
    (mate / ".local" / "state").mkdir(parents=True)
    (mate / ".local" / "state" / "memshim").symlink_to(guarded_home / ".local" / "state" / "memshim")
    selftest.run(hooks)


def test_an_upgrade_writes_the_hooks_anew_wherever_they_are(inside: Inside, path: Path) -> None:
    inside("install")
    good = path.read_bytes()
    path.write_bytes(good.replace(b"exit 0;", b"exit 0; : older;"))
    assert protection.protection(".") == (
        False,
        f"The hooks in {path} are another version's.",
        "memshim install",
    )
    assert inside("install", "--again").code == 0
    assert path.read_bytes() == good
    inside("uninstall")
    assert inside("install", "--again").out == b""
    assert b"memshim" not in path.read_bytes()


# --- purge --------------------------------------------------------------------------------------------------


def test_without_purge_it_says_what_stays_and_where(inside: Inside, memory: Path) -> None:
    inside("install")
    said = inside("uninstall").out.decode().splitlines()
    assert said[-4] == "1 store stays as it is, Markdown and history; memshim's own folders there:"
    assert said[-3:-1] == [f"  {memory}/.memshim", f"  {memory}/memory (the journals)"]
    assert said[-1].endswith("memshim uninstall --purge")
    assert (memory / ".memshim").is_dir()


def test_purge_leaves_plain_markdown(inside: Inside, memory: Path, guarded_home: Path) -> None:
    inside("append", "four", "--no-publish", "--agent", "Bob.X")
    client = guarded_home / ".claude" / "projects" / "-x" / "memory"
    client.mkdir(parents=True)
    Store.open(client, agent="eve").append("- five")
    (memory / "memory" / "mine.md").write_text("mine\n")
    inside("install")
    os.mkdir(protocol.folder(), 0o700)  # as a daemon leaves it
    dry = inside("uninstall", "--purge", "--dry-run").out.decode()
    assert f"would be removed: {memory / '.memshim'}\n" in dry
    assert "bob.x.md" in dry
    assert (memory / ".memshim").is_dir()
    assert inside("uninstall", "--purge").code == 0
    assert (memory / "MEMORY.md").read_bytes() == b"# M\n\n- one\n- two\n- three\n- four\n"
    assert (client / "MEMORY.md").read_bytes() == b"- five\n"
    assert sorted(os.listdir(memory)) == ["MEMORY.md", "memory"]
    assert os.listdir(memory / "memory") == ["mine.md"]
    assert os.listdir(client.parent) == ["memory"]
    assert not os.path.exists(state_home())
    assert not os.path.exists(protocol.folder())


def test_purge_keeps_a_store_that_cannot_be_published(inside: Inside, memory: Path) -> None:
    inside("append", "four", "--no-publish")
    (memory / "MEMORY.md").unlink()
    (memory / "MEMORY.md").mkdir()
    said = inside("uninstall", "--purge")
    assert said.code != 0
    assert "MEMORY.md" in said.err
    assert Layout(str(memory)).is_store()
    assert registry.known() == [str(memory)]


def test_purge_says_where_a_conflict_was_open(inside: Inside, clash: Path) -> None:
    said = inside("uninstall", "--purge").out.decode().splitlines()
    assert said[-2].endswith(f": {clash}")
    assert said[-1].startswith("  1 conflict was open: both texts stand there, marked")
    text = (clash / "MEMORY.md").read_text()
    assert text.count("(conflict ") == 2


def test_purge_publishes_what_is_appended_while_it_looks(
    inside: Inside, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, notes = files.unlink_quietly, ["late"]

    def unlink(path: str) -> None:
        if path.endswith(".memshim/format") and notes:
            with Store.open(memory, agent="eve") as store:
                store.append(notes.pop(), publish=False)
        real(path)

    monkeypatch.setattr(files, "unlink_quietly", unlink)
    assert inside("uninstall", "--purge").code == 0
    assert (memory / "MEMORY.md").read_bytes().endswith(b"- late\n")
    assert os.listdir(memory) == ["MEMORY.md"]


def test_purge_gives_a_store_up_that_is_written_to_all_the_time(
    inside: Inside, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, ids = files.unlink_quietly, []

    def unlink(path: str) -> None:
        if path.endswith(".memshim/format"):
            with Store.open(memory, agent="eve") as store:
                ids.append(store.append(f"once more {len(ids)}", publish=False))
        real(path)

    with monkeypatch.context() as patch:
        patch.setattr(files, "unlink_quietly", unlink)
        said = inside("uninstall", "--purge")
    assert said.code == 1
    assert "written to all the time" in said.err
    assert inside("check").code == 0
    assert set(ids) <= {entry.id for entry in Store.open(memory).log()}


@pytest.mark.parametrize("folder", ["unreadable", "aside"])
def test_purge_removes_no_file_of_somebodys_own_that_was_put_out_of_the_way(
    inside: Inside, memory: Path, folder: str
) -> None:
    kept = memory / ".memshim" / folder / "mine"
    kept.parent.mkdir(mode=0o700)
    kept.write_text("mine\n")
    said = inside("uninstall", "--purge")
    assert said.code == 1
    assert str(kept.parent) in said.err
    assert kept.read_text() == "mine\n"
    assert inside("check").code == 0


def test_purge_keeps_the_journals_of_a_store_whose_disk_is_not_there(inside: Inside, memory: Path) -> None:
    journal = Path(state_home()) / "beside" / "0123456789abcdef" / "journals" / "ann.log"
    journal.parent.mkdir(parents=True)
    journal.write_text("a journal\n")
    said = inside("uninstall", "--purge")
    assert said.code == 0
    assert b"beside stays: " in said.out
    assert journal.read_text() == "a journal\n"
    assert os.listdir(state_home()) == ["beside"]
