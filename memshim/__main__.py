"""The program's door: looks at the first argument, so that `append` leaves before click is imported (four times its cost)."""

import os
import sys


def main() -> None:
    """Runs the command line and exits with its code (see `docs/cli.md`)."""
    if sys.platform == "win32":
        sys.exit("memshim: Native Windows is not supported; it works under WSL: https://aka.ms/wsl")
    args = sys.argv[1:]
    if args and args[0] == "append" and "--help" not in args:
        from memshim.cli.append import run

        code = run(args[1:])
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # everything is closed or durable; taking the interpreter apart would cost as much as the append
    from memshim.cli.main import run_click

    sys.exit(run_click(args))


if __name__ == "__main__":
    main()
