"""The pager: long answers on a terminal, as git shows them.  Must not know what it shows."""

import contextlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator


@contextlib.contextmanager
def paged() -> "Iterator[None]":
    """Sends what is printed through $MEMSHIM_PAGER, $PAGER or less, if standard output is a terminal.

    As with git, less leaves by itself where all fits on the screen.  A reader who quits ends the printing.  Does nothing
    in a pipe, for a pager of "cat" or "", or where there is none.
    """
    command = os.environ.get("MEMSHIM_PAGER", os.environ.get("PAGER", "less"))
    if not sys.stdout.isatty() or not _is_there(command):
        yield
        return
    import subprocess  # not where nothing is paged: it costs as much as the log itself

    sys.stdout.flush()
    environment = {"LESS": "FRX", "LESSCHARSET": "utf-8", **os.environ}
    pager = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.PIPE, env=environment)
    assert pager.stdin is not None
    terminal = os.dup(1)
    os.dup2(pager.stdin.fileno(), 1)
    pager.stdin.close()
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # quit before the end: what is left in the buffer is not wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stdout.flush()
    finally:
        os.dup2(terminal, 1)
        os.close(terminal)
        _wait(pager)


def _is_there(command: str) -> bool:
    import shutil

    program = command.split()[:1]
    return bool(program) and program != ["cat"] and shutil.which(program[0]) is not None


def _wait(pager: "subprocess.Popen[bytes]") -> None:
    """Waits for the reader; an interrupt is meant for the pager, not for us."""
    while True:
        try:
            pager.wait()
            return
        except KeyboardInterrupt:
            continue
