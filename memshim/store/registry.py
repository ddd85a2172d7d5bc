"""The list of this user's stores, for `status`, the daemon and `uninstall`.  Must not know what is in them."""

import os

from memshim.disk import files
from memshim.disk.layout import Layout, state_home
from memshim.text.digest import sha256


def register(layout: Layout) -> None:
    """Notes a store in $XDG_STATE_HOME/memshim/stores; where that folder cannot be written the store works all the same."""
    name = sha256(os.fsencode(layout.root)).hexdigest()[:16]
    try:
        folder = os.path.join(state_home(), "stores")
        files.make_folder(folder)
        files.replace(os.path.join(folder, name), os.fsencode(layout.root) + b"\n", folder, durable=False)
    except OSError:
        return  # no home, or a read-only one: nothing that a store needs lies there


def unregister(layout: Layout) -> None:
    """Takes a store off the list."""
    name = sha256(os.fsencode(layout.root)).hexdigest()[:16]
    files.unlink_quietly(os.path.join(state_home(), "stores", name))


def known() -> list[str]:
    """Returns the folders of the known stores that still are stores."""
    folder = os.path.join(state_home(), "stores")
    found = []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        data = files.read(os.path.join(folder, name))
        root = os.fsdecode((data or b"").rstrip(b"\n"))
        if root and os.path.isdir(root) and Layout(root).is_store():
            found.append(root)
    return found
