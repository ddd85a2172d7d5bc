"""Lifecycle: one daemon per user, started by whoever comes first, ending by itself.  Must not know stores or requests.

Starting and asking are light, because the agents' hook does both; what runs the daemon is imported in its own process.
"""

import os
import signal
import sys
import time

from memshim import __version__
from memshim.daemon import client, protocol
from memshim.disk.layout import state_home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IDLE_S = 1800.0
"""After so long without a session or a watched change the daemon ends; MEMSHIM_DAEMON_IDLE (seconds) says otherwise."""
UPGRADE_S = 60.0
"""How often it looks whether its own files are those of another version: then it ends, and the next start is the new one."""
LOG_BYTES = 512_000
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TZ",
    "PYTHONPATH",
    "PYTHONDONTWRITEBYTECODE",
    "MEMSHIM_DAEMON_IDLE",
)


def start_if_wanted() -> None:
    """Makes sure that a daemon of this version runs, or soon will; returns at once and never fails.

    For the start of a session.  One of another version is asked to end, and the new one waits for that.
    """
    if protocol.forbidden():
        return
    try:
        if (status() or {}).get("program") != __version__:
            spawn()
    except (OSError, ValueError):
        return  # no home, no processes left: everything works without it


def status(timeout: float = 1.0) -> "dict[str, Any] | None":
    """Returns what the running daemon says of itself, None where none answers."""
    import json

    try:
        found = json.loads(client.ask("status", {}, timeout=timeout))
    except (client.NoDaemon, client.Refused, ValueError):
        return None
    return found if isinstance(found, dict) else None


def spawn() -> None:
    """Starts a daemon that survives this process, its terminal and its session; whether it can run shows later.

    Its environment is a small one: what a daemon keeps for days should not be one session's.
    """
    keep = {name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith("XDG_")}
    environment = {**keep, "MALLOC_ARENA_MAX": "2"}  # a thread of ours needs no arena of its own
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        os.closerange(3, 256)
        os.execve(sys.executable, [sys.executable, "-P", "-m", "memshim.daemon"], environment)
    finally:
        os._exit(1)


def wait_for(running: bool, timeout: float) -> bool:
    """Waits until a daemon of this version answers, or until none does; tells whether it came to that."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        found = status()
        if (found is not None and found.get("program") == __version__) if running else not _alive():
            return True
        time.sleep(0.02)
    return False


def stop(timeout: float = 10.0) -> bool:
    """Asks the daemon to end and waits for it; True if none runs any more."""
    try:
        client.ask("stop", {})
    except (client.NoDaemon, client.Refused):
        pid = _alive()
        if pid:
            os.kill(pid, signal.SIGTERM)  # it holds the lock and has no socket, or does not answer
    return wait_for(False, timeout)


def _alive() -> int:
    """Returns the pid of the process that holds the daemon's lock, 0 where nobody does."""
    from memshim.disk.locks import OnlyOne

    path = _pid_file()
    if not os.path.exists(path + ".lock"):
        return 0
    lock = OnlyOne(path)
    if lock.take():
        lock.release()
        return 0
    return lock.holder()


def _pid_file() -> str:
    return os.path.join(state_home(), "daemon.pid")


def log_file() -> str:
    """Returns the log's path; older lines are in the same name with .1 behind."""
    return os.path.join(state_home(), "daemon.log")


# --- in the daemon's own process ----------------------------------------------------------------------------


def run(idle: "float | None" = None, foreground: bool = False) -> bool:
    """Is the daemon, until it is stopped or has been idle; False where another one runs already.

    A daemon of another version is asked to end first.  A crash leaves the socket and the pid file, which the next one
    takes over; nothing acknowledged is lost.
    """
    from memshim.disk import files
    from memshim.disk.locks import OnlyOne

    for number in _SIGNALS:
        signal.signal(number, lambda *_: sys.exit(0))  # until there is a server to be stopped
    files.make_folder(state_home())
    lock = OnlyOne(_pid_file())
    if not lock.take():
        other = status(timeout=10)
        if other is None or other.get("program") == __version__ or not stop():
            return False
        if not lock.take():
            return False
    try:
        _serve(_idle_time() if idle is None else idle, foreground)
    finally:
        lock.release()
    return True


def _idle_time() -> float:
    try:
        return float(os.environ.get("MEMSHIM_DAEMON_IDLE", ""))
    except ValueError:
        return IDLE_S


def _serve(idle: float, foreground: bool) -> None:
    from memshim.daemon.desk import Desk
    from memshim.daemon.server import Server
    from memshim.daemon.watcher import Watcher

    log = _log(foreground)
    sys.setswitchinterval(0.0005)  # the thread that hears events must open a file before its writer renames it
    desk = Desk()

    looked = time.monotonic()

    def rest() -> float:
        nonlocal looked
        soon = desk.appends.commit()
        now = time.monotonic()
        left = desk.used + idle - now
        if left <= 0 and not server.subscribers():
            log.info("idle for %g s", idle)
            server.stop()
        if now - looked >= UPGRADE_S:
            looked = now
            if _installed_version() != __version__:
                log.info("another version has been installed")
                server.stop()
        return min(max(left, 1.0), UPGRADE_S, soon)

    server = Server(desk.handle, rest)
    watcher = Watcher(desk.changed)
    desk.server, desk.watcher = server, watcher
    for number in _SIGNALS:
        signal.signal(number, lambda *_: server.stop())
    if not server.listen():
        log.warning("there is no socket: %s is no folder of ours alone", protocol.folder())
    log.info("memshim %s, process %d, socket %s", __version__, os.getpid(), server.path or "none")
    desk.start()
    watcher.start()
    try:
        server.run()
    finally:
        server.close()
        watcher.stop()
        desk.stop()
        log.info("ended")


def _installed_version() -> str:
    """Returns the version that the files of this package hold now; an upgrade replaces them under a running daemon."""
    try:
        with open(os.path.join(os.path.dirname(os.path.dirname(__file__)), "__init__.py")) as file:
            line = next((line for line in file if line.startswith("__version__")), "")
    except OSError:
        return ""
    return line.partition("=")[2].strip().strip("\"'")


def _log(foreground: bool) -> "Any":
    import logging
    from logging.handlers import RotatingFileHandler

    log = logging.getLogger("memshim.daemon")
    log.setLevel(logging.INFO)
    shape = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    before = os.umask(0o077)
    try:
        handlers: list[logging.Handler] = [RotatingFileHandler(log_file(), maxBytes=LOG_BYTES, backupCount=1)]
    finally:
        os.umask(before)
    if foreground:
        handlers.append(logging.StreamHandler())
    for handler in handlers:
        handler.setFormatter(shape)
        log.addHandler(handler)
    return log
