"""A store's identity: its format number and its replica.  Must not know entries or documents.

    .memshim/format     the number of the format; a program that knows only older ones reads, and does not write
    .memshim/replica    8 random hex digits of this copy of the store, with the folder's device and inode: where those
                        differ, somebody copied the store, and the copy gets a replica of its own

This module is on the path of `memshim append`: it imports next to nothing.
"""

import os

from memshim.disk import files
from memshim.disk.layout import Layout
from memshim.errors import StoreTooNew, StoreUnusable

FORMAT = 1


def require_writable(layout: Layout) -> None:
    """Raises StoreTooNew for a store of a newer format, StoreUnusable for one whose format cannot be read."""
    number = read_format(layout)
    if number > FORMAT:
        raise StoreTooNew(
            f"The store {layout.root} has format {number}; this memshim knows {FORMAT} and only reads it.",
            "Upgrade memshim to write to it, or to check it.",
        )


def read_format(layout: Layout) -> int:
    """Returns the store's format number."""
    data = files.read(layout.path("format"))
    try:
        return int((data or b"").strip())
    except ValueError as error:
        raise StoreUnusable(
            f"{layout.path('format')} does not hold a number.", "Put back the line it had; this version writes 1."
        ) from error


def replica(layout: Layout) -> str:
    """Returns this copy's replica; a copy that was made behind our back gets a new one, and journals' names are linked anew.

    A crash leaves the old replica or the new one.
    """
    known = files.read(layout.path("replica"))
    here = os.stat(layout.state)
    parts = (known or b"").decode("ascii", "replace").split()
    if len(parts) == 3 and parts[1:] == [str(here.st_dev), str(here.st_ino)]:
        return parts[0]
    return _renew(layout, here)


def write_new(state: str) -> None:
    """Writes the identity of a store that is being made at `state`."""
    here = os.stat(state)
    files.create(os.path.join(state, "replica"), _line(here))
    files.create(os.path.join(state, ".gitignore"), b"*\n")
    write_format(state)


def write_format(state: str) -> None:
    """Makes a store of what lies at `state`: from now on it is one."""
    files.create(os.path.join(state, "format"), b"%d\n" % FORMAT)


def _renew(layout: Layout, here: os.stat_result) -> str:
    """A copy has two files where the original had two names of one: link each readable name to its journal again."""
    for name in os.listdir(layout.path("journals")) if os.path.isdir(layout.path("journals")) else ():
        journal = layout.path("journals", name)
        shown = layout.shown(name)
        if os.path.isfile(shown) and not os.path.samefile(shown, journal) and files.read(shown) == files.read(journal):
            scratch = files.scratch_name(layout.path("tmp"), "link")
            os.link(journal, scratch)
            os.rename(scratch, shown)
    line = _line(here)
    files.replace(layout.path("replica"), line, layout.path("tmp"))
    return line.split()[0].decode()


def _line(here: os.stat_result) -> bytes:
    return f"{os.urandom(4).hex()} {here.st_dev} {here.st_ino}\n".encode()
