"""The program's door: looks at the first argument, so that `append` leaves before what it does not need is imported."""

import os
import sys


def main() -> int:
    """Runs the command line and returns its exit code (see `docs/cli.md`)."""
    if sys.platform == "win32":
        sys.stderr.write("memshim: Native Windows is not supported; it works under WSL: https://aka.ms/wsl\n")
        return 1
    _open_closed_streams()
    args = sys.argv[1:]
    if args and args[0] == "append":
        from memshim.cli.append import run

        return run(args[1:])
    from memshim.cli.main import run as run_any

    return run_any(args)


def _open_closed_streams() -> None:
    """Gives a process that was started without standard output or error some, so that printing is no bug."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def program() -> None:
    """Runs the command line as a process of its own, and ends that without taking the interpreter apart.

    That would cost an append a tenth of its time, and everything that matters is closed or durable by then.
    """
    code = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    program()
