"""How a failure is told: one sentence and a hint for people, one shape for programs, a file for bugs.  Must not import click."""

import os
import sys

from memshim.errors import MemshimError

BUG = 3
INTERRUPTED = 130
_HINTS = {
    28: "The disk is full; nothing was acknowledged. Make room and try again.",
    30: "Nothing can be written there, and nothing was changed; show, log and blame read it all the same.",
}
"""What to do about errors of the system: ENOSPC, EROFS."""


def report(error: MemshimError, as_json: bool = False) -> int:
    """Prints an expected failure and returns its exit code."""
    return _failed(error.exit_code, str(error), error.hint, as_json)


def _failed(code: int, message: str, hint: str, as_json: bool) -> int:
    if as_json:
        import json

        try:
            print(json.dumps({"version": 1, "error": {"code": code, "message": message, "hint": hint}}), flush=True)
            return code
        except OSError:
            pass  # the reader has gone away: then as for people
    tell(f"memshim: {message}")
    if hint:
        tell(f"  {hint}")
    return code


def report_os(error: OSError, as_json: bool = False) -> int:
    """Prints what the system said, with the path, and returns 1: an expected failure of the machine, not of memshim."""
    if error.filename is None and error.errno in (5, 28):  # of a write that is none of the store's
        tell(f"memshim: The output could not be written: {error.strerror}")
        return 1
    if error.filename is None and error.errno == 2:  # of os.getcwd: everything else has a name
        return _failed(1, "The working folder is gone.", "Change to another folder, then try again.", as_json)
    where = f": {os.fsdecode(error.filename)}" if isinstance(error.filename, (str, bytes)) else ""
    return _failed(1, f"{error.strerror or error}{where}", _HINTS.get(error.errno or 0, ""), as_json)


def report_bug(as_json: bool = False) -> int:
    """Writes the traceback of the exception that is being handled to a log file, says where, and returns 3."""
    import time
    import traceback

    from memshim import __version__
    from memshim.disk.layout import state_home

    text = f"memshim {__version__}, Python {sys.version}, {sys.platform}\n{traceback.format_exc()}"
    try:
        path = os.path.join(state_home(), f"bug-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log")
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        where = f"The report is in {path}"
    except OSError:
        where = text
    return _failed(BUG, "This is a bug in memshim; what was acknowledged before is safe.", where, as_json)


def tell(text: str) -> None:
    """Prints a line for people on standard error; bytes that are no text are shown escaped."""
    sys.stderr.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
    sys.stderr.flush()
