"""Making a store of a folder: the text that is there is its first snapshot.  Must not know later changes."""

import contextlib
import errno
import os
import time

from memshim.disk import files
from memshim.disk.layout import INDEX, Layout, is_document
from memshim.errors import DocumentUnusable, StoreUnusable
from memshim.store import identity, registry, snapshot
from memshim.store.history import History, now_ms
from memshim.store.memory import Memory
from memshim.store.snapshot import Past, Snapshot
from memshim.text import blocks as markdown
from memshim.text import position
from memshim.text.digest import sha256
from memshim.text.entry import Entry, make_id, make_time
from memshim.text.facts import CODES
from memshim.text.fold import State
from memshim.text.view import view

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memshim.text.entry import Op

    Files = dict[str, tuple[int, str]]
    """Documents' names -> when the text was written, in milliseconds, and the path where it stands ("": it no longer does)."""

DAY_MS = 86_400_000
"""The first revision is dated back to when the file was last written, but not so far that it would be cleared away."""
BEFORE = "before"
"""The agent that `blame` names for what was there before memshim."""


def create(layout: Layout, instead: "dict[str, bytes | None] | None" = None) -> bool:
    """Makes a store of an existing folder; False where it is one already (another process may have been faster).

    `instead` gives documents as they were a moment ago (None: not there), where somebody has written since.

    A crash leaves no store, and maybe a folder `.memshim.new.*`.  Documents are read, never written.
    """
    _refuse_ours(layout)
    layout.check_ours()
    if layout.is_store():
        return False
    parent = os.path.dirname(layout.state)
    files.make_folder(parent)
    _remove_abandoned(parent)
    _remove_lone_lock(layout.state)
    fresh = files.scratch_name(parent, ".memshim.new" if not layout.client else "new")
    os.mkdir(fresh, 0o700)
    staged = layout.staged(fresh)
    try:
        os.mkdir(staged.path("tmp"), 0o700)
        _save(staged, *_begin(staged, instead or {}))
        identity.write_new(fresh)
        files.sync_folder(fresh)
        os.rename(fresh, layout.state)
    except OSError as error:
        _remove(fresh)
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and layout.is_store():
            return False
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise _no_store(layout) from error
        raise
    except BaseException:
        _remove(fresh)
        raise
    files.sync_folder(parent)
    registry.register(layout)
    return True


def preview(layout: Layout) -> Memory:
    """Returns the reading that the store of a folder which is none yet would begin with; nothing is written.

    Raises StoreUnusable where none could be made, as for what is left of a store without its format: unreadable is not empty.
    """
    _refuse_ours(layout)
    layout.check_ours()
    with contextlib.suppress(FileNotFoundError):
        if set(os.listdir(layout.state)) - {"lock"}:
            if layout.is_store():
                return Memory(layout)  # somebody has made it just now
            raise _no_store(layout)
    first, new, _ = _begin(layout, {})
    return Memory(layout, first, new)


def _no_store(layout: Layout) -> StoreUnusable:
    return StoreUnusable(f"{layout.state} is there, but is no store of memshim's.", "Move it away and try again.")


def _refuse_ours(layout: Layout) -> None:
    parent, name = os.path.split(layout.root)
    inside = name == ".memshim" or f"{os.sep}.memshim{os.sep}" in layout.root + os.sep
    journals = name == "memory" and os.path.exists(os.path.join(parent, ".memshim", "format"))
    if inside or (journals and not layout.client):
        raise StoreUnusable(
            f"{layout.root} holds memshim's own files, so it cannot be a store.", f"Name the store itself: {parent}"
        )


def _begin(layout: Layout, instead: "dict[str, bytes | None]") -> "tuple[Snapshot, list[Entry], Files]":
    """Returns what a store of this folder begins with: the snapshot, its entries, and the files that they are of.

    The ids follow from the files' names, sizes and times, so that those which a reading showed are the same when the store
    is made; not from their text, of which a digest would be left when a part of it is redacted.
    """
    now, newest, digest = now_ms(), 0, sha256()
    ops: list[Op] = []
    files_of: Files = {}
    whole = layout.takes_all()
    for name in sorted(os.listdir(layout.root)):
        if name != INDEX and not (whole and is_document(name)):
            continue
        try:
            found = files.read_document(layout.document(name))
        except DocumentUnusable:
            if name == INDEX:
                raise
            continue  # a link or a folder with such a name: no document of ours
        text = instead.get(name) if name in instead else found and found[0]
        if text is None or found is None:
            continue
        stands = text == found[0]
        written = min(int(found[1].st_mtime * 1000), now) if stands else now
        newest = max(newest, written)
        digest.update(f"{name}\0{len(text)}\0{found[1].st_mtime_ns}\0{found[1].st_ino}\0".encode())
        files_of[name] = (max(written, now - DAY_MS), layout.document(name) if stands else "")
        blocks = markdown.parse(text)
        ops.append({"op": "doc", "do": "create", "doc": name})
        for part in range(0, len(blocks), 30_000):
            some = blocks[part : part + 30_000]
            stem = position.between(None, None, f"{part // 30_000:04x}")
            kinds = "".join(CODES[b.kind] for b in some)
            ops.append({"op": "add", "doc": name, "at": stem, "kinds": kinds, "blocks": [b.text for b in some]})
    when = make_time(newest, "")
    entry = Entry(make_id(when, "00000000", digest.hexdigest()[:8]), when, "init", BEFORE, ops)
    state, past = State(), Past(layout, [], [])
    new = state.apply([entry], past) if ops else []
    return Snapshot(state, past, {}, []), list(new), files_of


def _save(layout: Layout, first: Snapshot, new: "list[Entry]", files_of: "Files") -> None:
    snapshot.save(layout, first, new, [])
    for name, (moment, place) in files_of.items():
        history = History(layout, name)
        history.confirm(history.record(view(first.state, name), moment), place)


def _remove(folder: str) -> None:
    import shutil  # with it come four decompressors, and a hook that makes no store has no use for them

    shutil.rmtree(folder, ignore_errors=True)


def _remove_lone_lock(state: str) -> None:
    """Removes a folder with a lock and nothing else: waiting for the lock of a store that goes away leaves one."""
    with contextlib.suppress(OSError):
        if os.listdir(state) == ["lock"]:
            os.unlink(os.path.join(state, "lock"))
            os.rmdir(state)


_OURS = {"tmp", "heads", "history", "published", ".gitignore", "format", "replica", "blocks", "entries", "snapshots"}


def _remove_abandoned(parent: str) -> None:
    """Removes what a crash left of the making of a store, an hour ago or more, and nothing that could be another's."""
    for item in os.scandir(parent):
        if not item.name.startswith((".memshim.new.", "new.")) or not item.is_dir(follow_symlinks=False):
            continue
        status = item.stat(follow_symlinks=False)
        old = status.st_uid == os.geteuid() and time.time() - status.st_mtime > 3600
        if old and _OURS.issuperset(os.listdir(item.path)):
            _remove(item.path)
