"""Publishing: a view reaches the disk, and no version that lands meanwhile is lost.  Must not know what the view says.

The new text is written aside, synced, and exchanged with the document in one step; what came out is looked at: if it is
not the version that was expected, somebody wrote it a moment ago, so it is taken in and the next view follows.
"""

import os
import time

from memshim.disk import files
from memshim.errors import DocumentUnreadable, DocumentUnusable, MemshimError
from memshim.store import adopt, rename
from memshim.store.history import now_ms, revision_of
from memshim.store.turn import Turn, is_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from typing import TypeVar

    T = TypeVar("T")

TOOLS_S = 0.5
ROUNDS, ROUNDS_S = 200, 5.0
"""How often, and for how long, one publish starts again because somebody else writes at the same time; the next goes on."""


def patiently(turns: "Callable[[], AbstractContextManager[Turn]]", work: "Callable[[Turn], T]") -> "tuple[Turn, T]":
    """Does what publishes, and again in another turn while a document must be waited for; returns the last turn and result.

    An agent's tool that is writing is waited for half a second at most; what it keeps from being published is in
    `turn.deferred`.  The lock is free in between.
    """
    until = time.monotonic() + TOOLS_S
    while True:
        with turns() as turn:
            done = work(turn)
            late = bool(turn.deferred) and time.monotonic() >= until
            if late:
                names = ", ".join(sorted(map(turn.name, turn.deferred)))
                turn.notes.append(f"An agent's tool is writing {names} just now; it is published after that.")
            if late or not turn.wait:
                return turn, done
        time.sleep(min(turn.wait, 0.05))


def publish_all(turn: Turn) -> None:
    """Publishes every document that can be; what cannot is in `turn.unusable`, what must wait a moment in `turn.wait`."""
    rename.carry_out(turn)
    turn.erase_again()
    for doc, name in turn.documents().items():
        if doc in turn.unusable and not isinstance(turn.unusable[doc], DocumentUnreadable):
            continue
        try:
            publish(turn, doc, name)
            turn.unusable.pop(doc, None)
        except (DocumentUnusable, PermissionError) as error:
            turn.unusable[doc] = _as_unusable(error, turn.layout.document(name))


def not_yet(error: OSError) -> str:
    """Returns the sentence for whoever wanted a change published, where the system did not let us."""
    return f"Not published yet: {error.strerror}. The entry is safe in its journal; the next command publishes it."


def _as_unusable(error: "DocumentUnusable | PermissionError", path: str) -> MemshimError:
    if isinstance(error, MemshimError):
        return error
    hint = f"The entry is safe in its journal. Make {os.path.dirname(path)} writable; the next command publishes it."
    return DocumentUnusable(f"{path} cannot be replaced: permission denied.", hint)


def publish(turn: Turn, doc: str, name: str) -> None:
    """Brings a document on disk up to its view, taking in every foreign version that it meets.

    Guarantees: at any moment there is a whole document under the name.  A crash leaves the old or the new one, and maybe
    a version put aside, which the next command looks at.  Does not: wait for a writer that never stops (see `ROUNDS`).
    Without an exchange call (see `files.exchange`) a version that lands within microseconds of the rename is lost.
    """
    until = time.monotonic() + ROUNDS_S
    for n in range(ROUNDS):
        if n and time.monotonic() >= until:
            break
        try:
            turn.deferred.discard(doc)
            data = adopt.adopt(turn, doc, name)
            if doc in turn.deferred:
                turn.wait = max(turn.wait, turn.under_way)
                return
        except DocumentUnreadable:
            if not is_index(name) or _must_wait(turn, doc, None):
                raise
            _put_back(turn, doc, name)
            return
        if not data and is_index(name) and _must_wait(turn, doc, data):
            return
        exists = is_index(name) or turn.memory.state.exists(doc)
        view = turn.memory.view(doc)
        if data is None and (not exists or (not view.text and is_index(name))):
            return
        if data is not None and not exists and not view.text:
            _unpublish(turn, doc, name)
            return
        if data == view.text:
            _confirm(turn, doc, name, revision_of(view.text))
            return
        if data is not None and adopt.reclaim(turn, doc, data):
            continue
        if _put(turn, doc, name, data):
            return
    turn.behind = True
    turn.notes.append(f"{name} is being rewritten all the time; the next memshim command goes on publishing it.")


def _must_wait(turn: Turn, doc: str, data: bytes | None) -> bool:
    """Tells whether a missing, empty or unreadable MEMORY.md is still left alone; reports it when it is put back."""
    published = turn.history(doc).published
    if published is None or not published.confirmed or not turn.memory.view(doc).text:
        return False  # new, or a crash of ours came between planning and writing
    if data is not None and published.revision == revision_of(data):
        return False  # empty on purpose
    left = turn.GRACE_S - turn.absent_for(doc)
    if left > 0:
        turn.wait = max(turn.wait, left)
        return True
    turn.is_present(doc)
    turn.notes.append(
        f"{turn.layout.document(turn.name(doc))} was missing, empty or unreadable and has been put back; "
        "to empty it on purpose: memshim write < /dev/null"
    )
    return False


def _put_back(turn: Turn, doc: str, name: str) -> None:
    """Puts the view in the place of a file that may not be read; that file is kept, and named in a note."""
    path = turn.layout.document(name)
    history = turn.history(doc)
    revision = history.record(turn.memory.view(doc), now_ms())
    history.plan(revision, path)
    kept = files.scratch_name(turn.layout.path("unreadable"), name)
    files.make_folder(os.path.dirname(kept), turn.layout.state)
    files.create(kept, turn.memory.view(doc).text, 0o666)
    if not files.exchange(kept, path):
        files.unlink_quietly(kept)
        raise DocumentUnreadable(f"{path} cannot be read: permission denied.", f"Try: chmod u+r {path}")
    files.sync_folder(turn.layout.root)
    history.confirm(revision, path)
    turn.notes.append(f"The file that could not be read is kept as {kept}")


def _put(turn: Turn, doc: str, name: str, data: bytes | None) -> bool:
    """Puts the view in the place of `data`; False where somebody else was there in between (their text is taken in)."""
    history = turn.history(doc)
    view = turn.memory.view(doc)
    path = turn.layout.document(name)
    if data is not None and not history.knows(revision_of(data)):  # the history was damaged
        history.record(view, now_ms(), data)  # else it is taken for a foreign text when it is looked at again
    revision = history.record(view, now_ms())
    before = history.plan(revision, path)
    aside = _write_aside(turn, doc, path, view.text)
    try:
        displaced = _swap(aside, path, data)
    except (FileExistsError, FileNotFoundError):  # made or removed in between
        files.unlink_quietly(aside)
        history.withdraw(revision, before)
        return False
    except DocumentUnusable as error:  # a link, a folder or unreadable since a moment ago: not ours to replace
        files.exchange(aside, path)  # what comes out now is looked at like any other version
        history.withdraw(revision, before)
        raise DocumentUnusable(f"{path} became something else while it was written.", error.hint) from error
    files.sync_folder(turn.layout.root)
    history.confirm(revision, path)
    if displaced is None or displaced[0] == data or history.knows(revision_of(displaced[0])):
        turn.standing[doc] = view.text
        return True
    turn.earlier()
    adopt.adopt_text(turn, doc, displaced[0], displaced[1].st_mtime)
    turn.standing[doc] = view.text
    return False


def _write_aside(turn: Turn, doc: str, path: str, text: bytes) -> str:
    """Writes the new text under a name that a sweep would take for a displaced version only when it is whole."""
    aside = turn.aside_name(doc)
    staged = files.scratch_name(os.path.dirname(aside), ".memshim-view")
    try:
        files.create(staged, text, _mode(path))
        _take_owner(staged, path)
        os.rename(staged, aside)
    finally:
        files.unlink_quietly(staged)
    return aside


def _swap(aside: str, path: str, expected: bytes | None) -> tuple[bytes, os.stat_result] | None:
    """Puts `aside` at `path`; returns what stood there (None: nothing), which stays aside for a while where it can.

    Raises FileExistsError or FileNotFoundError where somebody wrote or removed it in between.
    """
    if expected is None:
        files.add_name(aside, path)
        files.unlink_quietly(aside)
        return None
    if files.exchange(aside, path):
        return files.read_document(aside)
    old = aside + ".old"
    try:
        os.link(path, old)
    except OSError as error:
        if error.errno not in files.NO_LINKS:
            raise
        found = files.read_document(path)  # no second name can hold it: look as late as can be
        if found is None or found[0] != expected:
            raise FileExistsError(f"{path} was written in between.") from error
        os.rename(aside, path)
        return found
    os.rename(aside, path)
    os.rename(old, aside)
    return files.read_document(aside)


def _mode(path: str) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_mode & 0o7777
    except FileNotFoundError:
        return 0o666


def _take_owner(aside: str, path: str) -> None:
    """Gives the new file the old one's mode and owner (the mode of a created file goes through the umask)."""
    try:
        old = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return
    os.chmod(aside, old.st_mode & 0o7777)
    new = os.stat(aside)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        os.chown(aside, old.st_uid, old.st_gid)


def _confirm(turn: Turn, doc: str, name: str, revision: str) -> None:
    history = turn.history(doc)
    published = history.published
    if published is None or published.revision != revision or not published.confirmed:
        if not history.knows(revision):
            history.record(turn.memory.view(doc), now_ms())
        files.sync_folder(turn.layout.root)
        history.confirm(revision, turn.layout.document(name))


def _unpublish(turn: Turn, doc: str, name: str) -> None:
    """Removes the file of a document that was deleted through memshim."""
    aside = turn.aside_name(doc)
    os.rename(turn.layout.document(name), aside)  # not an unlink: what stood there is looked at again
    turn.history(doc).forget_published()
