"""The agents' door: one event on standard input, an answer on standard output or none, and exit code 0.

Only where not even the reason can be noted (a damaged installation) is it 1: the front notes that, and tells the agent 0.

Runs by `python -I -S path/to/hook.py` as well: standard library only, so a plugin needs nothing installed.  It ends itself
after 3 s; what it was told is in the inbox then, and the next event or command goes on from there.
"""

import os
import sys

LIMIT_S = 3
ANSWER_S = 1.5
"""How long the daemon may take; the rest of the time is for doing its work here."""
TOLD = (
    "HOME",
    "XDG_STATE_HOME",
    "CLAUDE_CONFIG_DIR",
    "CLAUDE_PROJECT_DIR",
    "CLAUDE_PID",
    "CLAUDE_COWORK_MEMORY_PATH_OVERRIDE",
)
"""What the daemon is told of the client's environment; the same as in hooks/memshim-hook."""


def main() -> None:
    """Takes one event in and prints the answer, if there is one."""
    import _signal as signal  # type: ignore[import-not-found] # what `signal` wraps in enums, which take as long to make as half of an interpreter's start

    signal.signal(signal.SIGALRM, _too_slow)
    signal.alarm(LIMIT_S)
    try:
        payload = sys.stdin.buffer.read()
        answer = _of_daemon(payload)
        if answer is None:
            from memshim.agents import inbox

            kept = inbox.keep(payload)  # before the rest is imported, which takes a slow machine seconds
            from memshim.agents.door import handle

            answer = handle(payload, os.environ, kept)
        if answer:
            sys.stdout.buffer.write(answer.rstrip(b"\n") + b"\n")
            sys.stdout.buffer.flush()
        if b'"SessionStart"' in payload[:4096]:
            from memshim.daemon.lifecycle import start_if_wanted

            start_if_wanted()
    except BrokenPipeError:
        pass
    except BaseException:
        os._exit(1)
    os._exit(0)


def _of_daemon(payload: bytes) -> bytes | None:
    """Returns the daemon's answer, None where there is none; then the event is taken in here, maybe a second time."""
    from memshim.daemon import client

    try:
        return client.ask("hook", {name: os.environ.get(name, "") for name in TOLD}, payload, ANSWER_S)
    except (client.NoDaemon, client.Refused):
        return None


def _too_slow(*_: object) -> None:
    from memshim.disk import incidents

    incidents.report("hook ended itself", seconds=LIMIT_S)
    os._exit(0)


if __name__ == "__main__":
    # The real path: project hooks come here through a link and `..`, which text alone resolves wrongly.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    main()
