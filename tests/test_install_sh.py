"""install.sh: a life of one installation, and everything that can be wrong before there is one."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
TOOLS = "cat date dirname grep kill ln mkdir readlink rm rmdir sed sh sort uname".split()  # noqa: SIM905
SHELL = shutil.which("dash") or "sh"

# What a Python answers to install.sh's questions, without being one.
FAKE_PYTHON = """#!/bin/sh
case "$*" in
    *"import sys; v ="*) echo "{answer} $0" ;;
    *"import ensurepip"*) exit {without_venv} ;;
    *"-m venv"*) echo "This Python is a fake." >&2; exit 1 ;;
esac
"""


def fake_python(folder: Path, name: str, answer: str, without_venv: int = 0) -> Path:
    path = folder / name
    path.write_text(FAKE_PYTHON.format(answer=answer, without_venv=without_venv))
    path.chmod(0o755)
    return path


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder for PATH that holds what install.sh needs, and no Python."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "somebody's home"
    folder.mkdir()
    return folder


def run(
    home: Path,
    *arguments: str,
    script: Path | str = REPOSITORY / "install.sh",
    cwd: Path | None = None,
    **env: str,
) -> subprocess.CompletedProcess[str]:
    """Runs install.sh with this home and nothing else that could lead it elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MEMSHIM_", "PYTHON"))}
    return subprocess.run(
        [SHELL, str(script), *arguments],
        env={**kept, "HOME": str(home), **env},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def listing(folder: Path) -> dict[str, tuple[int, bytes | str]]:
    """Everything below a folder: mode, and content or target."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else "",
        )
        for path in folder.rglob("*")
    }


def fails(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert done.returncode == 1, done
    assert "\nHint: " in done.stderr, done.stderr
    for part in parts:
        assert part in done.stderr, done.stderr


# --- before there is an installation --------------------------------------------------------------


def test_help_names_every_option(home: Path) -> None:
    done = run(home, "--help")
    assert done.returncode == 0
    for option in ["--uninstall", "--no-demo", "--which-python", "--help", "MEMSHIM_PYTHON"]:
        assert option in done.stdout


def test_unknown_option_is_wrong_usage(home: Path) -> None:
    done = run(home, "--demo")
    assert done.returncode == 2
    assert "--demo is not an option" in done.stderr


def test_no_python(home: Path, tools: Path) -> None:
    fails(run(home, PATH=str(tools)), "No Python was found on PATH", "3.11 or newer", "apt install python3")
    assert listing(home) == {}


def test_python_too_old_is_named_with_what_was_found(home: Path, tools: Path) -> None:
    fake_python(tools, "python3", "3 8 3.8.18")
    fails(run(home, PATH=str(tools)), f"python3 is Python 3.8.18 ({tools}/python3)", "needs Python 3.11")
    assert listing(home) == {}


def test_a_newer_python_is_found_behind_an_old_one(home: Path, tools: Path) -> None:
    fake_python(tools, "python3", "3 10 3.10.1")
    fake_python(tools, "python3.13", "3 13 3.13.0", without_venv=1)
    newer = fake_python(tools, "python3.12", "3 12 3.12.1")
    done = run(home, "--which-python", PATH=str(tools))
    assert (done.returncode, done.stdout) == (0, f"{newer}\n")


def test_a_python_that_was_asked_for_is_not_replaced_by_another(home: Path, tools: Path) -> None:
    fake_python(tools, "python3", "3 12 3.12.1")
    old = fake_python(tools, "my python", "3 9 3.9.1")
    fails(run(home, PATH=str(tools), MEMSHIM_PYTHON=str(old)), "my python is Python 3.9.1")
    fails(run(home, PATH=str(tools), MEMSHIM_PYTHON="/no/such"), "MEMSHIM_PYTHON is /no/such")


def test_python_without_venv_names_the_package(home: Path, tools: Path) -> None:
    fake_python(tools, "python3", "3 11 3.11.2", without_venv=1)
    fails(run(home, PATH=str(tools)), "Python 3.11.2", "apt install python3.11-venv", "python3-venv")
    assert listing(home) == {}


def test_environment_that_cannot_be_made_leaves_nothing(home: Path, tools: Path) -> None:
    fake_python(tools, "python3", "3 11 3.11.2")
    fails(run(home, PATH=str(tools)), "This Python is a fake.", "could not be made", "python3.11-venv")
    assert listing(home) == {}


def test_home_missing(home: Path) -> None:
    fails(run(home, HOME=""), "HOME is not set")
    fails(run(home, HOME=str(home / "nowhere")), "there is no such folder")
    fails(run(home, HOME="relative"), "not an absolute path")


@pytest.mark.parametrize("variable", ["XDG_DATA_HOME", "XDG_BIN_HOME"])
def test_folder_that_cannot_be_made_leaves_nothing(home: Path, variable: str) -> None:
    (home / "file").write_text("")
    before = listing(home)
    fails(run(home, **{variable: str(home / "file" / "below")}), "cannot be made")
    assert listing(home) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written(home: Path) -> None:
    home.chmod(0o500)
    fails(run(home), "cannot be")
    home.chmod(0o700)
    assert listing(home) == {}


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_foreign_command_is_never_touched(home: Path, kind: str) -> None:
    folder = home / ".local" / "bin"
    folder.mkdir(parents=True)
    if kind == "file":
        (folder / "memshim").write_text("theirs")
    else:
        (folder / "memshim").symlink_to("/bin/sh" if kind == "link" else "/no/such")
    before = listing(home)
    fails(run(home), f"{folder}/memshim exists and was not made by this script", "XDG_BIN_HOME=")
    assert listing(home) == before
    assert run(home, "--uninstall").returncode == 0
    assert listing(home) == before


def test_script_without_its_source_installs_nothing_from_an_index(home: Path, tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "install.sh", tmp_path / "install.sh")
    fails(run(home, script=tmp_path / "install.sh"), "does not hold memshim's source", "nothing by name")
    assert listing(home) == {}


def test_uninstall_without_an_installation_does_nothing(home: Path) -> None:
    done = run(home, "--uninstall")
    assert done.returncode == 0
    assert "nothing to remove" in done.stdout
    assert listing(home) == {}


@pytest.fixture
def program(home: Path) -> Path:
    """An installed memshim, whose program is still to be written."""
    environment = home / ".local/share/memshim/venv-20260101000000-1"
    (environment / "bin").mkdir(parents=True)
    (environment.parent / "venv").symlink_to(environment.name)
    (home / ".local/bin").mkdir()
    (home / ".local/bin/memshim").symlink_to(environment.parent / "venv/bin/memshim")
    program = environment / "bin" / "memshim"
    program.touch(mode=0o755)
    return program


@pytest.mark.parametrize("works", [True, False])
def test_uninstall_takes_hooks_out_first_and_stops_if_that_fails(home: Path, program: Path, works: bool) -> None:
    program.write_text(f'#!/bin/sh\necho "$@" >>"{home}/called"\n[ "$1" = --version ] || exit {0 if works else 15}\n')
    done = run(home, "--uninstall")
    assert (home / "called").read_text() == "--version\nuninstall\n"
    if works:
        assert done.returncode == 0
        assert not program.parent.exists()
        assert not (home / ".local/bin/memshim").is_symlink()
    else:
        fails(done, "hooks could not be taken out")
        assert program.exists()
        assert (home / ".local/bin/memshim").exists()


@pytest.mark.parametrize("hooks", [True, False])
def test_uninstall_of_what_runs_no_more_leaves_no_hooks_behind(home: Path, program: Path, hooks: bool) -> None:
    program.write_text("#!/nonexistent/python\n")
    installed = home / ".local/state/memshim/installed"
    installed.mkdir(parents=True)
    if hooks:
        (installed / "0123456789abcdef").write_text("{}")
    done = run(home, "--uninstall")
    assert program.exists() == hooks
    if hooks:
        fails(done, "does not run any more", "Run install.sh")
    else:
        assert done.returncode == 0


# --- the life of one installation -----------------------------------------------------------------


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with all that pip needs. After this one download the index is out of the game."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    needed = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    folder = tmp_path / "wheels"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--retries",
        "1",
        "--timeout",
        "15",
        "-d",
        str(folder),
    ]
    done = subprocess.run([*command, *needed], capture_output=True, text=True, timeout=100, check=False)
    if done.returncode and "onnection" in done.stderr:
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.timeout(400)  # three environments are built, and pip takes its time on a busy machine
def test_life_of_an_installation(home: Path, tmp_path: Path, wheels: Path, tools: Path) -> None:
    source = tmp_path / "a folder with spaces" / "memshim"
    source.mkdir(parents=True)
    for name in ["install.sh", "pyproject.toml", "README.md", "LICENSE"]:
        shutil.copy(REPOSITORY / name, source / name)
    for name in ["memshim", "hooks"]:
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    source_before = listing(source)
    released = re.findall('^__version__ = "(.+)"$', (source / "memshim/__init__.py").read_text(), re.MULTILINE)[0]
    (home / ".local" / "state").mkdir(parents=True)
    (home / ".local" / "kept").write_text("theirs")
    home_before = listing(home)
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels.as_uri(), "PIP_NO_CACHE_DIR": "1"}
    # A PATH of its own, because pip asks for programs (rustc), and some of those write into the home.
    offline |= {"MEMSHIM_PYTHON": sys.executable, "PATH": str(tools)}
    command = home / ".local/bin/memshim"
    data = home / ".local/share/memshim"

    def version() -> str:
        return subprocess.check_output([command, "--version"], env={"HOME": str(home)}, text=True, cwd=home)

    def environments() -> list[str]:
        return [path.name for path in data.glob("venv-*")]

    # Installed, by a relative name and from the folder itself.
    first = run(home, script="install.sh", cwd=source, **offline)
    assert command.exists(), first
    assert released in version()
    assert f"\n{command.parent} is not on PATH" in first.stdout
    [line] = [line.strip() for line in first.stdout.splitlines() if "export PATH=" in line]
    assert subprocess.check_output([SHELL, "-c", f"{line}; command -v memshim"], text=True) == f"{command}\n"
    assert listing(source) == source_before
    [installed] = environments()
    # What memshim writes into other files (its interpreter's path) outlives an upgrade.
    assert f"{data}/venv/bin/python".encode() in (data / "venv/bin/memshim").read_bytes()
    assert installed.encode() not in (data / "venv/bin/memshim").read_bytes()

    # Its hooks name nothing that an upgrade takes away.
    hooks = home / ".claude" / "settings.json"
    subprocess.run([command, "install"], env={"HOME": str(home)}, cwd=home, check=True)
    assert "/share/memshim/venv/bin/python'" in hooks.read_text()
    assert installed not in hooks.read_text()

    # An upgrade that fails changes nothing.
    offline_and_empty = {**offline, "PIP_FIND_LINKS": ""}
    fails(run(home, script=source / "install.sh", **offline_and_empty), "pip could not install", "not changed")
    assert environments() == [installed]
    assert released in version()

    # Upgraded: called through a symlink, with the bin folder on PATH, beside what a killed run left behind.
    (data / "venv-20200101000000-999999999").mkdir()
    (tmp_path / "link").symlink_to("a folder with spaces/memshim/install.sh")
    file = source / "memshim/__init__.py"
    file.write_text(file.read_text().replace(f'"{released}"', '"99.1"'))
    template = source / "hooks/hooks.json"
    template.write_text(template.read_text().replace('"timeout": 10', '"timeout": 11'))
    offline["PATH"] += f":{command.parent}"
    second = run(home, "--no-demo", script="link", cwd=tmp_path, **offline)
    assert second.returncode == 0, second
    assert "Upgraded" in second.stdout
    assert "not on PATH" not in second.stdout
    assert "99.1" in version()
    [upgraded] = environments()
    assert upgraded != installed
    assert '"timeout": 11' in hooks.read_text()

    # Gone without a trace.
    last = run(home, "--uninstall", script=source / "install.sh")
    assert last.returncode == 0, last
    assert listing(home) == home_before

    # The first run ended with the demo.
    assert first.returncode == 0, first
    assert "kept" in first.stdout
