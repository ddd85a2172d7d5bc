"""Which memory folders the hooks reach, and who is told of one that they do not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from memshim import Store
from memshim.agents import coverage, fragment, protection, settings
from memshim.agents.door import handle
from memshim.disk import incidents
from memshim.disk.layout import state_home


def passes(_: fragment.Hooks) -> None:
    """Is a test of the hooks that has nothing to say."""


@pytest.fixture
def user(guarded_home: Path) -> Path:
    """The user's settings, with our hooks."""
    path = guarded_home / ".claude" / "settings.json"
    install(path)
    return path


def install(path: Path) -> None:
    settings.remember(state_home())
    settings.installing(str(path), "user").make(passes)


def move(path: Path, folder: str) -> None:
    holds = json.loads(path.read_text()) if path.exists() else {}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**holds, "autoMemoryDirectory": folder}, indent=2))


def start(cwd: Path, **environ: str) -> bytes:
    """A session begins."""
    event = {"hook_event_name": "SessionStart", "session_id": "91130daa", "cwd": str(cwd), "source": "startup"}
    return handle(json.dumps(event).encode(), {**os.environ, "CLAUDE_PROJECT_DIR": str(cwd), **environ})


def told() -> list[str]:
    return [str(row["path"]) for row in incidents.recent(0) if "no hook reaches" in row["what"]]


@pytest.mark.parametrize("where", ["user", "project", "local", "environment"])
def test_a_memory_that_was_moved_is_an_incident_and_one_command_mends_it(
    user: Path, guarded_home: Path, where: str
) -> None:
    memory = guarded_home / "my notes" / "mém (1)"
    memory.mkdir(parents=True)
    project = guarded_home / "work" / "project"
    (project / ".claude").mkdir(parents=True)
    environ = {}
    if where == "environment":
        environ["CLAUDE_COWORK_MEMORY_PATH_OVERRIDE"] = str(memory)
    elif where == "user":
        move(user, "~/my notes/mém (1)")
    else:
        name = "settings.json" if where == "project" else "settings.local.json"
        move(project / ".claude" / name, str(memory))
    assert protection.protection(str(project))[0]  # nobody has noticed yet
    start(project, **environ)
    assert told() == [str(memory)]
    safe, why, mend = protection.protection(str(project))
    assert not safe
    assert str(memory) in why
    assert mend == "memshim install"
    install(user)
    assert protection.protection(str(project))[0]
    start(project, **environ)
    assert told() == [str(memory)]  # once
    assert f"Write(/{fragment.rule('Write', str(memory))[7:]}" in json.dumps(
        json.loads(user.read_text()), ensure_ascii=False
    ).replace("\\\\", "\\")


def test_the_usual_places_need_no_rule(user: Path, guarded_home: Path) -> None:
    config = guarded_home / "elsewhere"
    for folder in ("projects/-x/memory", "agent-memory/bob", "agent-memory-local/bob"):
        (config / folder).mkdir(parents=True)
        start(guarded_home / "work", CLAUDE_COWORK_MEMORY_PATH_OVERRIDE=str(config / folder))
        Store.open(config / folder).append("- x")
    assert told() == []
    assert coverage.places() == []


def test_a_store_of_ones_own_needs_a_rule(user: Path, store_dir: Path) -> None:
    assert protection.protection(".")[0]
    Store.open(store_dir).append("- x")
    assert protection.protection(".") == (False, f"No hook reaches the memory folder {store_dir}.", "memshim install")
    install(user)
    assert protection.protection(".")[0]
    shutil.rmtree(store_dir)
    assert coverage.places() == []


# --- protected or not ---------------------------------------------------------------------------------------


def test_without_hooks_it_is_not_protected(guarded_home: Path) -> None:
    assert protection.protection(".") == (
        False,
        "Claude Code's settings hold no hooks of memshim's.",
        "memshim install",
    )
    assert protection.fired() is None


def test_when_hooks_last_fired(user: Path) -> None:
    assert protection.protection(".") == (
        True,
        "Claude Code's hooks are in place, but no session has used them yet.",
        "",
    )
    command = fragment.commands(json.loads(user.read_text())["hooks"])[1]
    subprocess.run(["/bin/sh", "-c", command], input=b"{}", check=True)
    assert protection.fired() is not None
    assert "last fired 20" in protection.protection(".")[1]


@pytest.mark.parametrize("scope", ["user", "project"])
def test_hooks_whose_target_is_gone(guarded_home: Path, scope: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = settings.path_of(scope, ".")
    gone = guarded_home / "gone" / "python"
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(gone))
        settings.installing(path, scope).make(passes)
    mend = "memshim install" + (" --scope project" if scope == "project" else "")
    assert protection.protection(".") == (False, f"The hooks in {path} call a memshim that is gone.", mend)


def test_in_the_home_folder_the_projects_settings_are_the_users(
    guarded_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLAUDE_CONFIG_DIR")
    install(guarded_home / ".claude" / "settings.json")
    assert settings.path_of("project", str(guarded_home)) == settings.path_of("user", str(guarded_home))
    assert protection.protection(str(guarded_home))[0]


def test_hooks_that_are_switched_off(user: Path) -> None:
    user.write_text(json.dumps({**json.loads(user.read_text()), "disableAllHooks": True}))
    safe, why, mend = protection.protection(".")
    assert (safe, mend) == (False, "")
    assert "disableAllHooks" in why


def test_settings_that_cannot_be_read_protect_nobody(user: Path) -> None:
    user.write_text("{,}")
    safe, why, _ = protection.protection(".")
    assert not safe
    assert "line 1" in why


def test_the_plugin_protects_too(guarded_home: Path) -> None:
    (guarded_home / ".claude").mkdir()
    path = guarded_home / ".claude" / "settings.json"
    path.write_text('{"enabledPlugins": {"memshim@market": true, "other@x": true}}')
    assert protection.protection(".")[0]
    path.write_text('{"enabledPlugins": {"memshim@market": false}}')
    assert not protection.protection(".")[0]
