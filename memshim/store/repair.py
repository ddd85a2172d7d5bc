"""Repair: puts right what `check` finds and can be put right.  Must not remove anything that holds an entry or a foreign text."""

import os

from memshim.disk import files
from memshim.disk.layout import Layout
from memshim.store import journal, snapshot
from memshim.store.check import Finding, check
from memshim.store.snapshot import Past, Snapshot
from memshim.text import record
from memshim.text.entry import Entry, from_record
from memshim.text.fold import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memshim.store.store import Store


def verify(store: "Store", repair_too: bool) -> tuple[list[str], list[Finding]]:
    """Returns what was repaired (nothing unless asked to), and what is (still) not as it should be; see `Store.check`."""
    layout = store.layout
    layout.require_made()
    layout.check_owner()
    with store.lock(store.lock_timeout):
        found = check(layout)
        if not repair_too:
            return [], found
        done = repair(layout, found)
        if done:  # what stood in the way may have hidden something else
            done += repair(layout, check(layout))
    store.compact()
    with store.lock(store.lock_timeout):
        return done, check(layout)


def repair(layout: Layout, findings: list[Finding]) -> list[str]:
    """Repairs what it can and returns a sentence for each repair; the caller holds the store's lock.

    What is moved away is kept in `.memshim/aside/`.  A crash leaves the rest unrepaired; a second run goes on.
    """
    done = []
    if any(f.name in ("snapshot", "segment", "fold") for f in findings):
        for finding in findings:
            if finding.name == "segment" and os.path.lexists(finding.path):
                _keep_aside(layout, finding.path)  # a second name: the rebuild reads it, and may write the first anew
        count = rebuild(layout)
        done.append(f"Built the snapshot again from the {count} entries that can be read.")
    for finding in findings:
        act = _ACTS.get(finding.name)
        if act is not None and (os.path.lexists(finding.path) or finding.name == "journal-hidden"):
            act(layout, finding.path)
            done.append(f"Put right: {finding.text}")
    return done


def rebuild(layout: Layout) -> int:
    """Makes a new snapshot from every entry in segments (also damaged ones), journals and the archive; returns their number."""
    entries: dict[str, Entry] = {}
    for folder in ("entries", "journals", "archive"):
        for path in _files(layout.path(folder)):
            for found in record.scan(files.read(path) or b""):
                entry = from_record(found.meta, found.texts) if found.meta is not None else None
                if entry is not None:
                    entries[entry.id] = entry
    old = snapshot.heads(layout)
    state, past = State(), Past(layout, [], [])
    new = state.apply(entries.values(), past)
    frozen = state.freeze()
    hints = {tail.name: tail.hint for tail in journal.read_tails(layout, {})}
    snapshot.save(layout, Snapshot(state, past, hints, old), new, frozen)
    return len(new)


def _files(folder: str) -> list[str]:
    return sorted(os.path.join(where, name) for where, _, names in os.walk(folder) for name in names)


def _link_again(layout: Layout, path: str) -> None:
    """Gives a journal its readable name back; a foreign file that has the name is moved aside."""
    name = os.path.basename(path).removesuffix(".md") + ".log"
    if os.path.lexists(path):
        _move_aside(layout, path)
    files.make_folder(layout.memory, os.path.dirname(layout.memory))
    os.link(layout.path("journals", name), path)


def _move_aside(layout: Layout, path: str) -> None:
    aside = files.scratch_name(layout.path("aside"), os.path.basename(path).removesuffix(".md"))
    files.make_folder(os.path.dirname(aside), layout.state)
    os.rename(path, aside)


def _keep_aside(layout: Layout, path: str) -> None:
    aside = files.scratch_name(layout.path("aside"), os.path.basename(path))
    files.make_folder(os.path.dirname(aside), layout.state)
    os.link(path, aside)


def _close_mode(layout: Layout, path: str) -> None:
    os.chmod(path, 0o700 if os.path.isdir(path) else 0o600)


def _remove(layout: Layout, path: str) -> None:
    files.unlink_quietly(path)


_ACTS = {
    "journal-hidden": _link_again,
    "journal-replaced": _link_again,
    "unregistered": _move_aside,
    "link": _move_aside,
    "listed": _move_aside,
    "mode": _close_mode,
    "leftover": _remove,
}
