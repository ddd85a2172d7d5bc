"""`memshim daemon`: run, start, stop, status."""

import time

from memshim import __version__
from memshim.cli.common import JSON, counted, say, say_json
from memshim.cli.declare import Group, Number, Word, command
from memshim.daemon import lifecycle, protocol
from memshim.errors import MemshimError


@command(
    Word("--idle", metavar="SECONDS", kind=Number(1, whole=False), help="End after so long without use; default 1800."),
)
def run(idle: float | None) -> int:
    """Run it in the foreground, until it is stopped or idle."""
    _refuse_if_forbidden()
    if not lifecycle.run(idle, foreground=True):
        say("The daemon runs already: memshim daemon status")
    return 0


@command()
def start() -> int:
    """Start it in the background; a second start says that it runs already."""
    _refuse_if_forbidden()
    found = lifecycle.status()
    if found is not None and found.get("program") == __version__:
        say(f"The daemon runs already, as process {found['pid']}.")
        return 0
    lifecycle.spawn()
    if not lifecycle.wait_for(True, 15):
        raise MemshimError("The daemon did not start.", f"The reason may be in {lifecycle.log_file()}")
    now = lifecycle.status() or {}
    say(f"The daemon runs, as process {now.get('pid')}." + (" It replaced an older one." if found else ""))
    return 0


@command()
def stop() -> int:
    """End it; what it has acknowledged is safe, and everything works without it."""
    running = lifecycle.status()
    if not lifecycle.stop():
        raise MemshimError("The daemon does not end.", f"See {lifecycle.log_file()}")
    say("The daemon has ended." if running else "No daemon runs.")
    return 0


@command(
    JSON,
)
def status(as_json: bool) -> int:
    """Say whether it runs, since when, and how it watches each store; exit 1 if it does not run."""
    found = lifecycle.status()
    if as_json:
        say_json({"running": found is not None, **(found or {})})
        return 0 if found else 1
    if found is None:
        say("No daemon runs. To start it: memshim daemon start")
        return 1
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found["since"]))
    say(f"The daemon runs, as process {found['pid']}, version {found['program']}, since {since}.")
    say(
        f"  Socket {found['socket'] or 'none'}, {counted(found['connections'], 'connection')}; log {lifecycle.log_file()}"
    )
    for store in found["stores"]:
        polled = f": looked at every second ({store['polled']})" if store["polled"] else ""
        say(f"  {store['store']}{polled}" + (", at work" if store["busy"] else ""))
    return 0


daemon_command = Group(
    "The watcher: takes others' changes in at once, and makes hooks and appends quicker. Nothing needs it.",
    run=run,
    start=start,
    stop=stop,
    status=status,
)


def _refuse_if_forbidden() -> None:
    if protocol.forbidden():
        raise MemshimError("MEMSHIM_DAEMON=off forbids the daemon here.", "Unset it and try again.")
