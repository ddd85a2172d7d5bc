"""Removal: takes what is ours away from a store, so that plain Markdown remains.  Must not know why."""

import os
import shutil

from memshim.disk import files
from memshim.disk.layout import OURS, Layout
from memshim.errors import DocumentUnusable, word
from memshim.store import registry
from memshim.store.store import Store


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

    Raises DocumentUnusable, with everything still there, if a document on disk is not what the store holds.  A crash leaves
    documents that are complete, and a part of what is ours; doing it again removes it.
    """
    store = Store.open(layout.root)
    store.compact()
    memory = store.memory()
    for doc, name in memory.documents().items():
        found = files.read_document(layout.document(name))
        if (found[0] if found else b"") != memory.view(doc).text:
            raise DocumentUnusable(
                f"{layout.document(name)} could not be published, so nothing of this store was removed.",
                f"Look at: memshim status --store {word(layout.root)}",
            )
    open_conflicts = len(memory.state.conflicts())
    for path in reversed(ours(layout)):
        if os.path.isdir(path):
            shutil.rmtree(path)
        else:
            files.unlink_quietly(path)
    _remove_empty(layout)
    registry.unregister(layout)
    return open_conflicts


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
