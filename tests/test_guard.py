"""The guards of conftest.py guard: a test cannot reach the real home, nor leave anything running."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import conftest
import pytest

HOME_VARIABLES = ["HOME", "CLAUDE_CONFIG_DIR", *conftest.XDG_FOLDERS]


def run_inner(folder: Path, body: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Runs one test under our conftest in a process whose real home is this test's temporary one."""
    suite = folder / "suite"
    suite.mkdir()
    (suite / "conftest.py").write_text(Path(conftest.__file__).read_text())
    (suite / "test_inner.py").write_text(body)
    (suite / "pytest.ini").write_text("[pytest]\nmarkers =\n    stress\n    real\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "test_inner.py"],
        cwd=suite,
        env={**os.environ, **extra},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", HOME_VARIABLES)
def test_home_variables_point_into_the_temporary_folder(name: str, tmp_path: Path) -> None:
    assert Path(os.environ[name]).is_relative_to(tmp_path)


def test_runtime_folder_is_private_and_its_path_short_enough_for_a_socket() -> None:
    runtime = os.environ["XDG_RUNTIME_DIR"]
    assert os.stat(runtime).st_mode & 0o777 == 0o700
    assert len(os.fsencode(runtime)) + len("/memshim/daemon.sock") < 104


def test_no_setting_of_memshim_is_inherited() -> None:
    assert [name for name in os.environ if name.startswith("MEMSHIM_")] == ["MEMSHIM_DAEMON"]


def test_working_folder_lies_in_the_temporary_home(guarded_home: Path) -> None:
    assert Path.cwd() == guarded_home / "work"
    assert Path.home() == guarded_home


def test_child_sees_the_temporary_home(guarded_home: Path) -> None:
    code = "import json, os, pathlib; print(json.dumps([dict(os.environ), str(pathlib.Path.home())]))"
    environment, home = json.loads(subprocess.check_output([sys.executable, "-c", code]))
    assert home == str(guarded_home)
    for name in HOME_VARIABLES:
        assert Path(environment[name]).is_relative_to(guarded_home)


def test_agents_folders_of_the_real_home_are_guarded() -> None:
    # Asked, not tried: a broken guard must not be found out by writing into somebody's settings.
    home = conftest.pwd.getpwuid(os.getuid()).pw_dir
    for name in [".claude/settings.json", ".claude.json", ".local/state/memshim/x", ".config/memshim"]:
        assert conftest._is_guarded(os.path.join(home, name))
        assert conftest._is_guarded(os.path.join(home, "x", "..", name))
    assert not conftest._is_guarded(os.path.join(home, ".claude-of-another-tool"))
    assert not conftest._is_guarded(conftest.__file__)
    assert not conftest._is_guarded(sys.executable)


TOUCHES = {
    "open to read": "open(home + '/.claude/settings.json')",
    "open to write": "open(home + '/.claude/x', 'w')",
    "os.open": "os.open(home + '/.claude/x', os.O_CREAT | os.O_WRONLY)",
    "pathlib": "pathlib.Path(home, '.claude', 'x').write_text('')",
    "bytes": "os.mkdir(os.fsencode(home) + b'/.claude/x')",
    "roundabout": "os.mkdir(home + '/x/../.claude/x')",
    "relative": "os.chdir(home); os.mkdir('.claude/x')",
    "mkdir": "os.makedirs(home + '/.local/state/memshim/x')",
    "rename": "open('x', 'w').close(); os.rename('x', home + '/.claude/x')",
    "replace": "open('x', 'w').close(); os.replace('x', home + '/.claude/settings.json')",
    "remove": "os.remove(home + '/.claude/settings.json')",
    "link": "open('x', 'w').close(); os.link('x', home + '/.claude/x')",
    "symlink": "os.symlink('x', home + '/.claude/x')",
    "listing": "os.listdir(home + '/.claude')",
    "truncate": "os.truncate(home + '/.claude/settings.json', 0)",
}


def test_a_test_that_touches_the_real_home_fails(tmp_path: Path, guarded_home: Path) -> None:
    settings = guarded_home / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text("theirs")
    tests = [
        f"def test_{number}():\n    import os, pathlib\n    home = {str(guarded_home)!r}\n    {code}\n"
        for number, code in enumerate(TOUCHES.values())
    ]
    result = run_inner(tmp_path, "\n".join(tests))
    assert result.returncode == 1, result.stdout
    assert f"{len(TOUCHES)} failed" in result.stdout, result.stdout
    assert " passed" not in result.stdout
    assert result.stdout.count(" - conftest.RealHomeTouched: ") == len(TOUCHES), result.stdout
    assert settings.read_text() == "theirs"
    assert [path.name for path in settings.parent.iterdir()] == ["settings.json"]
    assert not (guarded_home / ".local/state/memshim").exists()


def test_swallowing_the_error_does_not_help(tmp_path: Path, guarded_home: Path) -> None:
    result = run_inner(
        tmp_path,
        f"""
def test_inner():
    try:
        open({str(guarded_home / ".claude" / "x")!r}, "w")
    except BaseException:
        pass
""",
    )
    assert result.returncode == 1
    assert "its code swallowed the error" in result.stdout
    assert not (guarded_home / ".claude").exists()


def test_a_thread_left_running_fails_the_test(tmp_path: Path) -> None:
    result = run_inner(
        tmp_path,
        """
import threading

def test_inner():
    threading.Thread(target=threading.Event().wait, args=(20,), name="forgotten", daemon=True).start()
""",
    )
    assert result.returncode == 1
    assert "left something running; end it and wait for it: ['thread forgotten']" in result.stdout


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="the system does not list its processes in /proc")
@pytest.mark.parametrize("detached", [False, True])
def test_a_process_left_running_fails_the_test_and_is_ended(tmp_path: Path, detached: bool) -> None:
    # Detached as a daemon is: its parent ended at once, so it is nobody's child any more.
    spawn = "import subprocess\nchild = subprocess.Popen(['sleep', '60'], stdout=-3, start_new_session=True)\n"
    body = f"""
import subprocess, sys

def test_inner():
    global child
    if {detached}:
        subprocess.run([sys.executable, "-W", "ignore", "-c", {spawn!r}])
    else:
        child = subprocess.Popen(["sleep", "60"])
"""
    result = run_inner(tmp_path, body)
    assert result.returncode == 1
    assert "left something running" in result.stdout
    assert "(sleep 60)" in result.stdout


def test_what_ends_in_time_is_no_leftover() -> None:
    thread = threading.Thread(target=threading.Event().wait, args=(0.2,))
    thread.start()


def test_seed_is_printed_and_repeats(tmp_path: Path) -> None:
    body = "def test_inner(seed):\n    print('got', seed)\n    assert 0\n"
    first = run_inner(tmp_path, body, MEMSHIM_SEED="12345").stdout
    assert "MEMSHIM_SEED=12345" in first
    (tmp_path / "suite").rename(tmp_path / "first")
    got = [line for line in first.splitlines() if line.startswith("got ")]
    second = run_inner(tmp_path, body, MEMSHIM_SEED="12345").stdout
    assert got
    assert got == [line for line in second.splitlines() if line.startswith("got ")]


def test_stress_and_real_run_only_when_asked(tmp_path: Path) -> None:
    body = "\n".join(f"import pytest\n\n@pytest.mark.{name}\ndef test_{name}(): pass\n" for name in ("stress", "real"))
    assert "2 skipped" in run_inner(tmp_path, body).stdout
    (tmp_path / "suite").rename(tmp_path / "first")
    assert "2 passed" in run_inner(tmp_path, body, MEMSHIM_STRESS="1", MEMSHIM_REAL="1").stdout
