"""Renames of topic files: what others moved on disk becomes an entry, what an entry says is carried out on disk.

Must not know how texts are merged.  MEMORY.md is never renamed.
"""

import os

from memshim.disk import files
from memshim.disk.layout import INDEX, is_document
from memshim.errors import DocumentUnusable
from memshim.store.history import Published, revision_of
from memshim.store.turn import Turn


def find(turn: Turn, documents: dict[str, str]) -> "list[tuple[str, str]]":
    """Returns (document, new name) for each topic file that is gone while a file of a new name has its very bytes."""
    known = turn.memory.documents()
    fresh = [name for doc, name in documents.items() if doc not in known and name != INDEX]
    found = []
    for doc, name in known.items() if fresh else ():
        if name == INDEX or os.path.lexists(turn.layout.document(name)):
            continue
        published = turn.history(doc).published
        if published is None or not published.confirmed or published.revision == revision_of(b""):
            continue
        new = next((other for other in fresh if _holds(turn, other, published.revision)), None)
        if new is not None:
            fresh.remove(new)
            found.append((doc, new))
    return found


def _holds(turn: Turn, name: str, revision: str) -> bool:
    try:
        found = files.read_document(turn.layout.document(name))
    except DocumentUnusable:
        return False
    return found is not None and revision_of(found[0]) == revision


def carry_out(turn: Turn) -> None:
    """Moves each document's file to its present name.  A crash leaves it under the old one, the new one, or both."""
    names = turn.memory.state.names
    if not names.ever:
        return
    for doc, name in turn.memory.documents().items():
        published = turn.history(doc).published
        if published is not None and published.name != name and is_document(published.name):
            _move(turn, doc, published, name)
    for doc in turn.memory.state.docs:
        if names.home(doc) != doc:  # shown in another document: no file is its own any more
            turn.history(doc).forget_published()


def _move(turn: Turn, doc: str, published: Published, name: str) -> None:
    history = turn.history(doc)
    old, new = turn.layout.document(published.name), turn.layout.document(name)
    try:
        os.link(old, new, follow_symlinks=False)
    except FileNotFoundError:
        pass  # moved already, or removed meanwhile
    except FileExistsError:
        if not os.path.lexists(old) or not os.path.samestat(os.lstat(old), os.lstat(new)):
            history.forget_published()  # a text that nobody has seen: it is merged, and nothing in it or ours goes
            if os.path.lexists(old):
                os.rename(old, turn.aside_name(doc))
            return
    files.unlink_quietly(old)
    files.sync_folder(turn.layout.root)
    published.name = name
    history.note(published)
