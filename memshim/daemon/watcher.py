"""Watcher: looks after the known stores; what others write is taken in soon, and nothing is lost between two looks.

Must not know the socket.  Events only say where to look sooner: every store is looked at every RESCAN_S, and every
POLL_S where no events come.
"""

import logging
import os
import threading
import time

from memshim.agents import door, inbox
from memshim.daemon import events
from memshim.daemon.ears import LOST
from memshim.daemon.existing import Existing
from memshim.daemon.versions import Version, Versions, signature
from memshim.disk import files, incidents
from memshim.disk.layout import INDEX, Layout, is_document, state_home
from memshim.errors import LockTimeout, MemshimError
from memshim.store import adopt, compact, publish, registry
from memshim.store.history import revision_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from memshim.store.turn import Turn

STILL_S = 0.1
"""For how long a document must have stood still before it is taken in."""
RESTLESS_S = 5.0
"""A document that is written to all the time is taken in all the same after this."""
RESCAN_S = 30.0
POLL_S = 1.0
QUIET_S = 60.0
"""How long a store must have been left alone before it is compacted."""
RETRY_S = (0.5, 2.0, 10.0, 60.0)

log = logging.getLogger("memshim.daemon")


class Watched:
    """Is one store that is looked after."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.versions = Versions()
        self.identity = (0, 0)
        self.polled = "not watched yet"  # why no events come
        self.at_work = False
        self.since = 0.0  # since when something is to be done (monotonic), 0: nothing
        self.last = 0.0  # when the last event came
        self.looked = 0.0
        self.signature: dict[str, tuple[int, ...]] = {}
        self.failed = 0
        self.not_before = 0.0
        self.compact_at = 0.0

    def busy(self) -> bool:
        """Tells whether something happened there that is not taken in yet."""
        return bool(self.at_work or self.since or self.versions.ready)

    def due(self) -> float:
        """Returns when it is to be worked on (monotonic)."""
        if not self.since:
            return self.looked + (POLL_S if self.polled else RESCAN_S)
        return max(self.not_before, min(self.last + STILL_S, self.since + RESTLESS_S) if not self.versions.ready
                   else self.versions.ready[0].seen + STILL_S)  # fmt: skip


class Watcher:
    """Watches the stores of this user from a thread of its own; `changed` is told a store's folder after each change."""

    def __init__(self, changed: "Callable[[str], None]") -> None:
        self._changed = changed
        self._stores: dict[str, Watched] = {}
        self._wake = threading.Condition()
        self._stopping = False
        self._load_at = 0.0  # when the list of stores is read next (monotonic)
        self._events = events.Events(self._hear)
        self._list_watched = False
        self._thread = threading.Thread(target=self._run, name="watcher")
        self._registry = os.path.join(state_home(), "stores")

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the threads; what is under way is finished."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        self._thread.join()
        self._events.close()
        for store in self._stores.values():
            store.versions.close()

    def look(self, folder: str) -> None:
        """Has a store looked at now: somebody appended to it, or its folder is not known yet."""
        with self._wake:
            store = self._stores.get(folder)
            if store is None:
                self._load_at = 0.0
            else:
                store.since = store.since or time.monotonic()
            self._wake.notify_all()

    def status(self) -> "list[dict[str, object]]":
        """Returns each store's folder, why it is polled ("" where it is not), and whether anything is to be taken in."""
        with self._wake:
            return [
                {"store": root, "polled": store.polled, "busy": store.busy()}
                for root, store in sorted(self._stores.items())
            ]

    # -- hearing ------------------------------------------------------------------------------------------------

    def _hear(self, folder: str, name: str, what: str, fd: int) -> None:
        """Is called for each event, in the events' thread: notes it, and keeps what arrived open."""
        with self._wake:
            found = self._stores.get(folder)
            if found is not None and name:
                if not is_document(name):
                    return
                if fd >= 0:
                    found.versions.arrived(name, fd)
                found.last = time.monotonic()
                if not found.since:
                    found.since = found.last
                    self._wake.notify_all()
                return
            if fd >= 0:
                os.close(fd)
            if what == LOST or folder == self._registry:
                self._load_at = 0.0
                self._list_watched = self._list_watched and what != LOST
            for store in self._stores.values() if what == LOST else [found] if found is not None else []:
                store.looked, store.identity = 0.0, (0, 0)  # it is watched anew
            self._wake.notify_all()

    # -- working ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._stopping and (left := self._next() - time.monotonic()) > 0:
                    self._wake.wait(left)
                if self._stopping:
                    return
                now = time.monotonic()
                reload = self._load_at <= now
                if reload:
                    self._load_at = now + RESCAN_S
                due = [store for store in self._stores.values() if store.due() <= now]
            try:
                if reload:
                    self._load()
                for store in due:
                    self._look_at(store)
            except Exception as error:  # a bug must not end the watch; it is reported, and the rescan goes on
                log.exception("bug in the watcher")
                incidents.report("bug in the daemon", error=type(error).__name__)
                time.sleep(RETRY_S[0])

    def _next(self) -> float:
        return min([self._load_at, *(store.due() for store in self._stores.values())])

    def _load(self) -> None:
        """Brings the list of stores up to date: new ones are watched, removed ones no more.

        And takes in what a killed hook, or the daemon before this one, was told and did not come to.
        """
        door.catch_up(os.environ, inbox.LEFT_S)
        self._watch_list()
        roots = registry.known()
        for root in [r for r in self._stores if r not in roots]:
            self._forget(root)
        for root in roots:
            if root not in self._stores:
                store = Watched(Layout(root))
                with self._wake:
                    self._stores[root] = store
                self._watch(store)

    def _watch_list(self) -> None:
        """Watches the list of stores, before it is read."""
        if self._list_watched or not os.path.isdir(self._registry):
            return
        try:
            self._events.add(self._registry)
            self._list_watched = True
        except (events.CannotWatch, OSError) as error:
            log.info("the list of stores is looked at every %d s: %s", RESCAN_S, error)

    def _watch(self, store: Watched) -> None:
        root = store.layout.root
        try:
            status = os.stat(root)
            store.identity = (status.st_dev, status.st_ino)
            self._events.add(root)
            store.polled = ""
        except events.CannotWatch as error:
            store.polled = str(error)
            log.warning("%s is looked at every %g s: %s", root, POLL_S, error)
        except OSError as error:
            store.polled = error.strerror or type(error).__name__
        store.since = store.since or time.monotonic()

    def _forget(self, root: str) -> None:
        log.info("%s is no store any more", root)
        self._events.remove(root)
        with self._wake:
            self._stores.pop(root).versions.close()
            self._load_at = min(self._load_at, time.monotonic() + POLL_S)  # something else may come in its place

    def _look_at(self, store: Watched) -> None:
        """Works on one store if something happened there, and looks whether something did."""
        root = store.layout.root
        store.looked = time.monotonic()
        try:
            status = os.stat(root)
        except OSError:
            status = None
        if status is None or not store.layout.is_store():
            self._forget(root)
            return
        if (status.st_dev, status.st_ino) != store.identity:
            if store.identity != (0, 0):
                log.info("%s was replaced by another folder", root)
                with self._wake:
                    store.versions.close()  # they stood in the other one
            self._watch(store)
        with self._wake:
            dropped, store.versions.dropped = store.versions.dropped, 0
        if dropped:
            incidents.report("versions not kept, because too many came at once", store=root, count=dropped)
        if store.since or signature(store.layout) != store.signature:
            self._take_turn(store)
        elif store.compact_at and time.monotonic() >= store.compact_at:
            store.compact_at = 0.0
            self._guarded(store, lambda: Existing(store.layout).compact())

    def _take_turn(self, store: Watched) -> None:
        with self._wake:
            store.since, store.at_work = 0.0, True
        try:
            self._guarded(store, lambda: self._turn(store))
        finally:
            store.at_work = False

    def _guarded(self, store: Watched, work: "Callable[[], object]") -> None:
        """Does work on a store; what fails is tried again, later and later."""
        try:
            work()
            store.failed, store.not_before = 0, 0.0
        except (MemshimError, OSError) as error:
            store.failed += 1
            pause = RETRY_S[min(store.failed, len(RETRY_S)) - 1]
            store.since, store.not_before = time.monotonic(), time.monotonic() + pause
            if store.failed == 1 and not isinstance(error, LockTimeout):
                incidents.report("not taken in", store=store.layout.root, error=type(error).__name__)
            log.warning("%s: %s; once more in %g s", store.layout.root, error, pause)

    def _turn(self, store: Watched) -> None:
        opened = Existing(store.layout)
        with opened.turn(take_in=False) as turn:
            before = {doc: _published(turn, doc) for doc in turn.documents()}
            entries = len(turn.memory.new)
            turn.earlier = lambda: self._take_versions(store, turn)
            turn.earlier()
            adopt.adopt_all(turn)
            publish.publish_all(turn)
            compact.shorten_tails(turn)
            store.signature = signature(store.layout)
            changed = entries != len(turn.memory.new) or before != {
                doc: _published(turn, doc) for doc in turn.documents()
            }
        for note in turn.notes:
            log.info("%s: %s", store.layout.root, note)
        for unusable in turn.unusable.values():
            log.warning("%s: %s", store.layout.root, unusable)
        wait = max(turn.wait, turn.under_way if turn.deferred or store.versions.ready else 0)
        if wait:  # MEMORY.md is missing or empty, or an agent's tool has not told yet: a writer may be in the middle
            store.since, store.not_before = time.monotonic(), time.monotonic() + wait
        if turn.behind:
            store.since = store.since or time.monotonic()
        if changed:
            store.compact_at = time.monotonic() + QUIET_S
            self._changed(store.layout.root)

    def _take_versions(self, store: Watched, turn: "Turn") -> None:
        """Takes in, in the order in which they came, the versions that are held open."""
        with self._wake:
            waiting = store.versions.take()
        try:
            for version in waiting if not turn.under_way else ():
                _take_version(turn, version, later=self._stopping)
        finally:  # what could not be taken in, on a full disk for example, is kept for the next turn
            with self._wake:
                store.versions.put_back([version for version in waiting if version.fd >= 0])


def _published(turn: "Turn", doc: str) -> str:
    published = turn.history(doc).published
    return published.revision if published is not None else ""


def _take_version(turn: "Turn", version: Version, later: bool) -> None:
    """Takes in a version that stood under a document's name, however shortly; one that is known says nothing.

    With `later`, because we are to end, it is put where the next command looks for such versions.
    """
    doc = next((doc for doc, name in turn.documents().items() if name == version.name), None)
    found = version.read()
    if found is not None and doc is not None:
        data, written = found
        if (data or version.name != INDEX) and not turn.history(doc).knows(revision_of(data)):
            if later:
                files.create(turn.aside_name(doc), data)
            else:
                adopt.adopt_text(turn, doc, data, written)
                turn.standing[doc] = data
    version.close()
