"""Removal: takes what is ours away from a store, so that plain Markdown remains.  Must not know why."""

import contextlib
import os
import shutil

from memshim.disk import files, locks
from memshim.disk.layout import OURS, Layout
from memshim.errors import DocumentUnusable, StoreUnusable, word
from memshim.store import identity, journal, registry
from memshim.store.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memshim.store.memory import Memory

ROUNDS = 5
"""How often a store is published anew because somebody appended to it meanwhile."""


def ours(layout: Layout) -> list[str]:
    """Returns what is ours in and beside a store: the folder of the rest, and the journals that are registered in it."""
    found = [layout.state]
    if layout.memory.startswith(layout.state + os.sep):
        return found
    registered = layout.path("journals")
    for name in sorted(os.listdir(registered)) if os.path.isdir(registered) else ():
        shown = layout.shown(name)
        if os.path.exists(shown) and os.path.samefile(shown, os.path.join(registered, name)):
            found.append(shown)
    return found


def remove(layout: Layout) -> int:
    """Publishes every document, then removes what is ours, the folder of the rest last; documents stay as they are.

    Returns how many conflicts were open: their texts stay side by side in the documents, marked.

    Raises DocumentUnusable, with everything still there, if a document on disk is not what the store holds, or if our folder
    holds a file of somebody's own; and StoreUnusable where others never stop writing.  An append that is acknowledged
    meanwhile is published as well; later ones are refused.  A crash leaves documents that are complete, and a part of
    what is ours, which is no store any more and may be removed by hand.
    """
    _refuse_what_was_kept(layout)
    store = Store.open(layout.root)
    for _ in range(ROUNDS):
        store.compact()
        memory = store.memory()
        _require_published(memory)
        open_conflicts = len(memory.state.conflicts())
        with contextlib.ExitStack() as held:
            files.unlink_quietly(layout.path("format"))  # from now on nobody begins a journal
            if _has_more(layout, memory, held):
                identity.write_format(layout.state)
                continue
            for path in reversed(ours(layout)):
                if os.path.isdir(path):
                    shutil.rmtree(path)
                else:
                    files.unlink_quietly(path)
        _remove_empty(layout)
        registry.unregister(layout)
        return open_conflicts
    raise StoreUnusable(f"{layout.root} is written to all the time, so nothing of it was removed.", "Try again later.")


def _refuse_what_was_kept(layout: Layout) -> None:
    """Unreadable documents, and what a repair found in the place of files of ours: nobody has decided that they go."""
    for folder in (layout.path("unreadable"), layout.path("aside")):
        if os.path.isdir(folder) and os.listdir(folder):
            raise DocumentUnusable(
                f"{folder} holds files that are not memshim's, so nothing of this store was removed.",
                f"Move what you need from there, then: rm -r {word(folder)}",
            )


def _require_published(memory: "Memory") -> None:
    layout = memory.layout
    for doc, name in memory.documents().items():
        found = files.read_document(layout.document(name))
        if (found[0] if found else b"") != memory.view(doc).text:
            raise DocumentUnusable(
                f"{layout.document(name)} could not be published, so nothing of this store was removed.",
                f"Look at: memshim status --store {word(layout.root)}",
            )


def _has_more(layout: Layout, memory: "Memory", held: contextlib.ExitStack) -> bool:
    """Tells whether the journals hold an entry that a reading did not; they stay locked for as long as `held` lasts."""
    for name in journal.names(layout):
        fd = files.open_ours(journal.place_of(layout, name))
        held.callback(os.close, fd)
        locks.exclusive(fd)
    known = set(memory.ids())
    return any(entry.id not in known for tail in journal.read_tails(layout, {}) for entry in tail.entries)


def _remove_empty(layout: Layout) -> None:
    beside = os.path.dirname(layout.state)
    if os.path.basename(beside) == OURS:
        left = os.listdir(beside)
        if left == [".gitignore"]:
            files.unlink_quietly(os.path.join(beside, ".gitignore"))
            left = []
        if not left:
            os.rmdir(beside)
    if os.path.isdir(layout.memory) and not os.path.islink(layout.memory) and not os.listdir(layout.memory):
        os.rmdir(layout.memory)
