"""What every test gets: a home of its own that nothing can leave, a seed, and a look at what it left running.

Must not know anything of memshim's insides: it must work, and guard, whatever the program does.
"""

import contextlib
import os
import pwd
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import hypothesis
import pytest
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.database import DirectoryBasedExampleDatabase

REPOSITORY = Path(__file__).resolve().parent.parent

# Read now: during tests no MEMSHIM_* variable is set.
STRESS = os.environ.get("MEMSHIM_STRESS") == "1"
REAL = os.environ.get("MEMSHIM_REAL") == "1"
PROFILE = os.environ.get("MEMSHIM_HYPOTHESIS", "deterministic")

set_hypothesis_home_dir(REPOSITORY / ".hypothesis")
_examples = DirectoryBasedExampleDatabase(REPOSITORY / ".hypothesis" / "examples")
# No deadlines: on a busy machine a slow example is no wrong one. pytest-timeout guards against hangs.
hypothesis.settings.register_profile("dev", max_examples=40, deadline=None, database=_examples)
hypothesis.settings.register_profile("ci", max_examples=150, deadline=None, database=None, print_blob=True)
hypothesis.settings.register_profile("deterministic", deadline=None, database=None, derandomize=True)
hypothesis.settings.load_profile(PROFILE)


# --- the real home is out of reach ----------------------------------------------------------------

# Of the real home only this is guarded: the checkout and the Python that runs the tests may lie below it.
GUARDED_IN_HOME = [
    *(".agents", ".claude", ".claude.json", ".codex", ".copilot", ".cursor", ".gemini", ".memshim"),
    *(".bash_profile", ".bashrc", ".profile", ".zshrc", "CLAUDE.md", "MEMORY.md", "memory"),
    *(
        ".cache/memshim",
        ".config/memshim",
        ".local/bin/memshim",
        ".local/share/memshim",
        ".local/state/memshim",
    ),
]
XDG_FOLDERS = {
    "XDG_CACHE_HOME": ".cache",
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
}
PATH_EVENTS = {
    *("open", "os.chdir", "os.chmod", "os.chown", "os.link", "os.listdir", "os.mkdir", "os.remove"),
    *("os.removexattr", "os.rename", "os.rmdir", "os.scandir", "os.setxattr", "os.symlink", "os.truncate"),
    *("os.utime", "sqlite3.connect"),
}
SPAWN_EVENTS = {
    *("os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"),
}


def _guarded_paths() -> tuple[str, ...]:
    # HOME may be unset or wrong; the password database then says where a program would go.
    homes = {pwd.getpwuid(os.getuid()).pw_dir, os.environ.get("HOME", "")} - {"", "/"}
    paths = {os.path.join(home, name) for home in homes for name in GUARDED_IN_HOME}
    paths |= {os.path.join(os.environ[name], "memshim") for name in XDG_FOLDERS if os.environ.get(name)}
    paths |= {os.environ[name] for name in ("CLAUDE_CONFIG_DIR",) if os.environ.get(name)}
    if os.environ.get("XDG_RUNTIME_DIR"):
        paths.add(os.path.join(os.environ["XDG_RUNTIME_DIR"], "memshim"))
    absolute = {os.path.abspath(path) for path in paths} | {os.path.realpath(path) for path in paths}
    return tuple(path + os.sep for path in absolute)


# Each ends in a slash, as does what is compared with them: one call of startswith for every open.
GUARDED = _guarded_paths()
# A checkout or a Python may lie in an agent's own folder (some keep working trees there). It stays usable.
_NEEDED = tuple(os.path.realpath(path) + os.sep for path in (REPOSITORY, sys.prefix, sys.base_prefix))
EXEMPT = tuple(path for path in _NEEDED if path.startswith(GUARDED))


class RealHomeTouched(RuntimeError):
    """A test tried to use a file of the person who runs the tests."""


class _Watch:
    """What the audit hook saw during the test that is running."""

    touched: ClassVar[list[str]] = []
    spawned = False


def _is_guarded(path: str) -> bool:
    if not path.startswith(os.sep) or ".." in path:
        path = os.path.abspath(path)
    return f"{path}/".startswith(GUARDED) and not f"{path}/".startswith(EXEMPT)


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if event in SPAWN_EVENTS:
        _Watch.spawned = True
    elif event in PATH_EVENTS:
        for argument in arguments[:2]:
            if isinstance(argument, str | bytes | os.PathLike):
                path = os.fsdecode(argument)
                if _is_guarded(path):
                    # Noted as well as raised: code under test may swallow any exception, as a hook does.
                    _Watch.touched.append(f"{event}: {path}")
                    raise RealHomeTouched(f"A test may not touch the real home: {event} of {path}")


sys.addaudithook(_audit)


def _point_environment_to(home: Path, runtime: str, patch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MEMSHIM_")]:
        patch.delenv(name)
    patch.setenv("HOME", str(home))
    patch.setenv("CLAUDE_CONFIG_DIR", str(home / ".claude"))
    patch.setenv("XDG_RUNTIME_DIR", runtime)
    patch.setenv("MEMSHIM_DAEMON", "off")  # who tests the daemon takes it away
    for name, below in XDG_FOLDERS.items():
        patch.setenv(name, str(home / below))
    # A child with another working folder finds this tree's memshim too, installed or not.
    patch.setenv("PYTHONPATH", str(REPOSITORY))


def _runtime_folder() -> str:
    # Short on purpose, and not below pytest's folders: the path of a Unix socket may have 104 bytes only.
    return tempfile.mkdtemp(prefix="ms-")


@pytest.fixture(scope="session", autouse=True)
def _guarded_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Redirects the environment for fixtures that live longer than one test."""
    runtime = _runtime_folder()
    with pytest.MonkeyPatch.context() as patch:
        _point_environment_to(tmp_path_factory.mktemp("session-home"), runtime, patch)
        yield
    shutil.rmtree(runtime, ignore_errors=True)


@pytest.fixture(autouse=True)
def guarded_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The test's own, empty home. The working folder is `work` in it: a search upwards ends at this home."""
    home = tmp_path / "home"
    (home / "work").mkdir(parents=True)
    runtime = _runtime_folder()
    _point_environment_to(home, runtime, monkeypatch)
    monkeypatch.chdir(home / "work")
    _Watch.touched, _Watch.spawned = [], False
    threads = set(threading.enumerate())
    children = _children()
    yield home
    # The folder of a test that fails here is kept by pytest; the runtime folder is ours to remove.
    leftover = _leftovers(threads, children, home)
    shutil.rmtree(runtime, ignore_errors=True)
    touched, _Watch.touched = _Watch.touched, []
    assert not touched, f"The test touched the real home, and its code swallowed the error: {touched}"
    assert not leftover, f"The test left something running; end it and wait for it: {leftover}"


# --- nothing is left running ----------------------------------------------------------------------


def _children() -> set[int]:
    """The ids of this process's children, zombies included. Empty where the system does not tell (macOS)."""
    found: set[int] = set()
    try:
        for thread in os.listdir("/proc/self/task"):
            text = Path(f"/proc/self/task/{thread}/children").read_text()
            found.update(map(int, text.split()))
    except OSError:
        pass
    return found


def _processes_at(home: Path) -> set[int]:
    """The ids of processes whose HOME is this one: this test started them, also those that became daemons."""
    wanted = b"HOME=" + os.fsencode(home)
    found: set[int] = set()
    if not os.path.isdir("/proc/self"):
        return found
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                environment = Path(f"/proc/{name}/environ").read_bytes()
            except OSError:
                continue  # gone in the meantime, or another user's
            if wanted in environment.split(b"\0"):
                found.add(int(name))
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _leftovers(threads: set[threading.Thread], children: set[int], home: Path) -> list[str]:
    """Waits up to two seconds for what is on its way out, and ends the processes that stay."""
    deadline = time.monotonic() + 2
    while True:
        running = [thread for thread in threading.enumerate() if thread not in threads and thread.is_alive()]
        pids: set[int] = set()
        if _Watch.spawned:
            # multiprocessing keeps its own helpers until the end of this process.
            pids = {
                pid
                for pid in (_children() - children) | _processes_at(home)
                if "from multiprocessing." not in _command(pid)
            }
        if not (running or pids) or time.monotonic() > deadline:
            break
        time.sleep(0.01)
    told = [f"thread {thread.name}" for thread in running]
    for pid in sorted(pids):
        told.append(f"process {pid} ({_command(pid) or 'ended, not waited for'})")
        with contextlib.suppress(OSError):
            os.kill(pid, 9)
    return told


# --- seeds and selection --------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    # With pytest-xdist the workers use the seed of the process that started them.
    worker = getattr(config, "workerinput", {})
    chosen = worker.get("memshim_seed", os.environ.get("MEMSHIM_SEED"))
    config.stash[_SEED] = random.SystemRandom().getrandbits(32) if chosen is None else int(chosen)


_SEED = pytest.StashKey[int]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    node.workerinput["memshim_seed"] = node.config.stash[_SEED]  # type: ignore[attr-defined]


def _how_to_repeat(config: pytest.Config) -> str:
    return f"memshim: MEMSHIM_SEED={config.stash[_SEED]} MEMSHIM_HYPOTHESIS={PROFILE}"


def pytest_report_header(config: pytest.Config) -> str:
    return _how_to_repeat(config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.get_verbosity() < 0:  # `-q` hides the header
        terminalreporter.write_line(_how_to_repeat(config))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for name, wanted in {"stress": STRESS, "real": REAL}.items():
        for item in items:
            # Not `item.keywords`: it holds the names of folders too, and a checkout may be called "real".
            if not wanted and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"runs only with MEMSHIM_{name.upper()}=1"))
    items.sort(key=lambda item: item.path.name != "test_install_sh.py")  # last, its longest test would run alone


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A number for `random.Random`, the same for this test whenever MEMSHIM_SEED is the same."""
    mixed = request.config.stash[_SEED] ^ zlib.crc32(request.node.nodeid.encode())
    print(f"seed {mixed}, from {_how_to_repeat(request.config)}")
    return mixed


# --- what most tests need -------------------------------------------------------------------------


@pytest.fixture
def store_dir(tmp_path: Path) -> Path:
    """A fresh empty folder."""
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


RunMemshim = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def run_memshim() -> RunMemshim:
    """Runs `python -m memshim ARGS` in the guarded environment and returns what it answered, as bytes.

    `env` is laid over the environment, and None takes a variable away. `check=True` fails the test, with both
    outputs in the message, if the exit code is not 0. Without `input` standard input is empty.
    """

    def run(
        *args: str | bytes | Path,
        input: bytes | str = b"",
        cwd: str | Path | None = None,
        env: Mapping[str, str | None] | None = None,
        check: bool = False,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[bytes]:
        merged: dict[str, str | None] = {**os.environ, **(env or {})}
        command: Sequence[str | bytes | Path] = [sys.executable, "-m", "memshim", *args]
        result = subprocess.run(
            command,
            input=input.encode() if isinstance(input, str) else input,
            capture_output=True,
            cwd=cwd,
            env={name: value for name, value in merged.items() if value is not None},
            timeout=timeout,
            check=False,
        )
        assert not check or result.returncode == 0, (
            f"{command} ended with {result.returncode}\n"
            f"{result.stdout.decode(errors='replace')}\n{result.stderr.decode(errors='replace')}"
        )
        return result

    return run
