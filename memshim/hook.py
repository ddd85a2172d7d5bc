"""The agents' door: one event on standard input, an answer on standard output or none, and exit code 0.

Only where not even the reason can be noted (a damaged installation) is it 1: the front notes that, and tells the agent 0.

Runs by `python -I -S path/to/hook.py` as well: standard library only, so a plugin needs nothing installed.  It ends itself
after 3 s; whatever it had recorded by then is durable, and the next event or command goes on from there.
"""

import os
import sys

LIMIT_S = 3


def main() -> None:
    """Takes one event in and prints the answer, if there is one."""
    import _signal as signal  # type: ignore[import-not-found] # what `signal` wraps in enums, which take as long to make as half of an interpreter's start

    signal.signal(signal.SIGALRM, _too_slow)
    signal.alarm(LIMIT_S)
    try:
        from memshim.agents.door import MAX_BYTES, handle

        payload = sys.stdin.buffer.read(MAX_BYTES + 1)
        answer = handle(payload, os.environ)
        if answer:
            sys.stdout.buffer.write(answer + b"\n")
            sys.stdout.buffer.flush()
        if b'"SessionStart"' in payload[:4096]:
            from memshim.daemon.lifecycle import start_if_wanted

            start_if_wanted()
    except BrokenPipeError:
        pass
    except BaseException:
        os._exit(1)
    os._exit(0)


def _too_slow(*_: object) -> None:
    from memshim.disk import incidents

    incidents.report("hook ended itself", seconds=LIMIT_S)
    os._exit(0)


if __name__ == "__main__":
    # The real path: project hooks come here through a link and `..`, which text alone resolves wrongly.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    main()
