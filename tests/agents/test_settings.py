"""Claude Code's settings: our hooks go in and out, and a file that cannot be changed safely is not changed."""

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from memshim.agents import fragment, settings
from memshim.disk import files
from memshim.disk.layout import state_home
from memshim.errors import MemshimError, SettingsUnreadable

THEIRS: dict[str, Any] = {
    "model": "opus",
    "env": {"KEY": "v\u00e9", "BIG": 12345678901234567890},
    "hooks": {
        "PreToolUse": [{"matcher": "Bash", "hooks": [{"type": "command", "command": "./check.sh"}]}],
        "Stop": [{"hooks": [{"type": "command", "command": "say done"}]}],
    },
}


def passes(_: fragment.Hooks) -> None:
    """Is a test of the hooks that has nothing to say."""


@pytest.fixture
def path(guarded_home: Path) -> Path:
    folder = guarded_home / ".claude"
    folder.mkdir()
    return folder / "settings.json"


def put_in(path: Path, scope: str = "user") -> None:
    settings.installing(str(path), scope).make(passes)


def take_out(path: Path) -> None:
    settings.uninstalling(str(path), "user").make(passes)


@pytest.mark.parametrize(
    "before",
    [
        json.dumps(THEIRS, indent=2) + "\n",
        json.dumps(THEIRS, indent=4, ensure_ascii=False),
        json.dumps(THEIRS),
        json.dumps(THEIRS, indent="\t").replace("\n", "\r\n"),
        '{ "hooks" : { } ,\n\n      "a" : [ 1.0 , 1e3 ] }\n\n\n',
        "{}",
        "",
        " \n",
        '{"a": "\\ud800"}',
    ],
)
def test_in_and_out_leaves_the_file_byte_for_byte(path: Path, before: str) -> None:
    path.write_bytes(before.encode())
    path.chmod(0o640)
    put_in(path)
    holds = json.loads(path.read_bytes())
    assert fragment.ours(holds) == fragment.fragment([], portable=False)
    assert fragment.without(holds) == {k: v for k, v in json.loads(before.strip() or "{}").items() if v != {}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    take_out(path)
    assert path.read_bytes() == before.encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(path.parent) == [path.name]


def test_a_file_that_was_not_there_is_gone_again_with_its_folder(path: Path) -> None:
    path.parent.rmdir()
    put_in(path)
    assert path.exists()
    take_out(path)
    assert not path.parent.exists()


def test_twice_installed_is_once_installed(path: Path) -> None:
    path.write_text(json.dumps(THEIRS))
    put_in(path)
    once = path.read_bytes()
    put_in(path)
    assert path.read_bytes() == once
    take_out(path)
    assert json.loads(path.read_text()) == THEIRS


def test_an_older_version_of_ours_is_replaced_wherever_it_stands(path: Path) -> None:
    path.write_text(json.dumps(THEIRS))
    put_in(path)
    old = json.loads(path.read_text())
    for groups in old["hooks"].values():
        groups.reverse()
        for group in groups:
            for handler in group["hooks"]:
                handler["command"] = handler["command"].replace("exit 0;", "exit 0; : older;")
    old["hooks"]["FileChanged"] = [{"hooks": [{"type": "command", "command": ". /x/hooks/memshim-hook"}]}]
    # They put one of theirs beside one of ours.
    old["hooks"]["PreToolUse"][0]["hooks"].append({"type": "command", "command": "theirs"})
    path.write_text(json.dumps(old, indent=1))
    put_in(path)
    now = json.loads(path.read_text())
    assert fragment.ours(now) == fragment.fragment([], portable=False)
    assert "FileChanged" not in now["hooks"]
    assert "theirs" in path.read_text()
    assert "older" not in path.read_text()
    take_out(path)
    left = json.loads(path.read_text())
    assert "memshim" not in path.read_text()
    assert {"type": "command", "command": "theirs"} in left["hooks"]["PreToolUse"][0]["hooks"]
    assert left["hooks"]["Stop"] == THEIRS["hooks"]["Stop"]


def test_what_somebody_added_since_stays(path: Path) -> None:
    path.write_text(json.dumps(THEIRS, indent=2))
    put_in(path)
    holds = json.loads(path.read_text())
    holds["new"] = True
    holds["hooks"]["SessionStart"].insert(0, {"hooks": [{"type": "command", "command": "greet"}]})
    path.write_text(json.dumps(holds, indent=2))
    put_in(path)
    assert json.loads(path.read_text()) == holds  # ours are all there: nothing to do
    take_out(path)
    left = json.loads(path.read_text())
    assert left.pop("new") is True
    assert left["hooks"].pop("SessionStart") == [{"hooks": [{"type": "command", "command": "greet"}]}]
    assert left == THEIRS


def test_taking_out_what_is_not_there_changes_nothing(path: Path) -> None:
    take_out(path)
    assert not path.exists()
    path.write_text('{"hooks":{}}')
    take_out(path)
    assert path.read_text() == '{"hooks":{}}'


def test_hooks_without_a_record_are_ours_by_content(path: Path) -> None:
    path.write_text(json.dumps(THEIRS, indent=2) + "\n")
    before = path.read_bytes()
    put_in(path)
    for name in Path(state_home(), "installed").iterdir():
        name.unlink()
    take_out(path)
    assert path.read_bytes() == before


# --- files that are left alone ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b'{"a": 1,}', "line 1"),
        (b'// mine\n{"a": 1}', "line 1"),
        (b'{"a": 1 /* one */}', "line 1"),
        (b'\xef\xbb\xbf{"a": 1}', "byte order mark"),
        (b'{"a": 1}\n{"b": 2}', "line 2"),
        (b'{"a": "\xff"}', "utf-8"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b"[]", "hooks"),
        (b"null", "hooks"),
        (b'{"hooks": []}', "hooks"),
        (b'{"hooks": {"Stop": {}}}', "hooks"),
        (b'{"hooks": null}', "hooks"),
        (b"[" * 100_000, "recursion"),
        (b"{", "line 1"),
    ],
)
def test_a_file_that_is_no_plain_json_is_not_changed(path: Path, text: bytes, word: str) -> None:
    path.write_bytes(text)
    for change in (put_in, take_out):
        with pytest.raises(SettingsUnreadable, match=word) as caught:
            change(path)
        assert str(path) in str(caught.value)
        assert "Nothing was changed" in caught.value.hint
    assert path.read_bytes() == text
    assert os.listdir(path.parent) == [path.name]
    assert settings.recorded() == []


def test_a_link_a_folder_and_a_read_only_file_are_not_changed(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.json"
    target.write_text("{}")
    path.symlink_to(target)
    with pytest.raises(SettingsUnreadable, match="symbolic link"):
        put_in(path)
    assert target.read_text() == "{}"
    path.unlink()
    path.mkdir()
    with pytest.raises(SettingsUnreadable, match="regular"):
        put_in(path)
    path.rmdir()
    path.write_text("{}")
    path.chmod(0o444)
    with pytest.raises(SettingsUnreadable, match="read-only"):
        put_in(path)
    assert path.read_text() == "{}"


def test_a_file_that_changes_while_we_look_is_not_changed(path: Path) -> None:
    path.write_text("{}")
    change = settings.installing(str(path), "user")
    path.write_text('{"theirs": 1}')
    with pytest.raises(SettingsUnreadable, match="changed while"):
        change.make(passes)
    assert path.read_text() == '{"theirs": 1}'


@pytest.mark.parametrize("there", [True, False])
def test_a_file_that_changes_at_the_last_moment_is_not_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """Between our look and our rename."""
    if there:
        path.write_text("{}")
    create = files.create

    def late(name: str, *rest: Any) -> None:
        create(name, *rest)
        if os.path.dirname(name) == str(path.parent):
            other = path.with_name("other")
            other.write_text('{"theirs": 2}')
            other.rename(path)

    monkeypatch.setattr(files, "create", late)
    with pytest.raises(SettingsUnreadable, match="changed while"):
        put_in(path)
    assert path.read_text() == '{"theirs": 2}'
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("there", [True, False])
def test_hooks_that_fail_their_test_are_taken_out_again(path: Path, there: bool) -> None:
    if there:
        path.write_text('{"a":  1}')

    def fails(hooks: fragment.Hooks) -> None:
        assert fragment.ours(json.loads(path.read_text())) == hooks
        raise MemshimError("no")

    with pytest.raises(MemshimError, match="no"):
        settings.installing(str(path), "user").make(fails)
    assert (path.read_text() if there else path.exists()) == ('{"a":  1}' if there else False)
    assert settings.recorded() == []


# --- scopes -------------------------------------------------------------------------------------------------


def test_a_projects_settings_hold_no_path_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "repo" / ".claude" / "settings.json"
    path.parent.mkdir(parents=True)
    put_in(path, "project")
    text = path.read_text()
    commands = fragment.commands(json.loads(text)["hooks"])
    for word in (str(tmp_path), os.path.expanduser("~"), str(fragment.front_folder()), "python"):
        assert word not in text
    for command in commands:
        assert fragment.OUR_MARK in command


def test_the_settings_file_of_each_scope(guarded_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = guarded_home / "work" / "repo"
    (repo / ".git").mkdir(parents=True)
    (repo / "deep" / "er").mkdir(parents=True)
    assert settings.path_of("project", str(repo / "deep" / "er")) == str(repo / ".claude" / "settings.json")
    assert settings.path_of("local", str(repo)) == str(repo / ".claude" / "settings.local.json")
    (guarded_home / ".claude").mkdir()
    here = guarded_home / "work"
    assert settings.path_of("project", str(here)) == str(here / ".claude" / "settings.json")  # never the user's own
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(here / "config"))
    assert settings.path_of("user", str(repo)) == str(here / "config" / "settings.json")


def test_the_plugin_has_the_same_hooks() -> None:
    with open(os.path.join(fragment.front_folder(), "hooks.json"), "rb") as file:
        plugin = json.load(file)["hooks"]
    ours = fragment.fragment([], portable=False)
    for hooks in (plugin, ours):
        for groups in hooks.values():
            for group in groups:
                for handler in group["hooks"]:
                    _, how, tail = handler["command"].partition("set -- ")
                    assert how
                    handler["command"] = tail.partition(" ")[0].rstrip(";")
    assert plugin == ours


def test_a_path_with_odd_characters_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/a b/it's $HOME/python")
    hooks = fragment.fragment(["/n/it's $x/mem"], portable=False)
    looking = next(c for c in fragment.commands(hooks) if " look " in c)
    shown = looking.replace('. "$F"', "printf '%s\\n' \"$@\"")
    said = subprocess.run(
        ["/bin/sh", "-c", f"F=/dev/null; {shown.partition(';')[2]}"], capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines() == ["look", "/a b/it's $HOME/python", "it's $x/mem"]


def test_a_place_gets_a_rule_for_each_tool() -> None:
    hooks = fragment.fragment(["/n/a [b] (c)*"], portable=False)
    rules = [h["if"] for group in hooks["PostToolUse"] for h in group["hooks"] if "/n/" in h.get("if", "")]
    assert rules == [f"{tool}(//n/a \\[b\\] \\(c\\)\\*/*.md)" for tool in ("Read", "Edit", "Write")]
    assert not any("/n/" in json.dumps(groups) for groups in fragment.fragment(["/n/a"], portable=True).values())
