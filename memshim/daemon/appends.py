"""Appends: what several clients ask to remember at the same time is made durable together.  Must not know sockets or views.

While one sync is under way the next appends pile up; all that wait for one store go into one journal, `daemon`, with one
write and one sync.  Each record still names its own agent.

Where the last sync of a store was quick, the server's thread does it: to wake another one, and to be woken, took longer.
"""

import math
import os
import queue
import threading
import time

from memshim.disk import incidents
from memshim.disk.layout import INDEX, Layout, agent_id, document_name
from memshim.errors import MemshimError
from memshim.store import append, identity
from memshim.store.journal import Journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, ItemsView

    from memshim.daemon.protocol import Request
    from memshim.daemon.server import Answer
    from memshim.store.journal import Row

JOURNAL = "daemon"
QUICK_S = 0.005
"""How long the server's thread may be held up by a sync; no longer than by a hook's event that it keeps."""
GATHER_S = 0.005
"""How long appends that are likely to follow at once are waited for at most, and never longer than half a sync takes."""
TICK_S = 0.001
"""The shortest time that the server's thread can wait for."""
LONGEST = 16 * 1024
"""Bytes of text that are taken: parsing these takes 4 ms, more may take a second, in which nobody else would be answered."""
KEPT_S = 60.0
"""For how long a journal that nobody appends to is kept open."""


class Refusal(Exception):
    """Says why a request was not carried out."""


def own_store(folder: str) -> Layout:
    """Returns the layout of an existing store of this user.  Raises Refusal for anything else."""
    if not os.path.isabs(folder):
        raise Refusal("A store is named by its whole path.")
    layout = Layout(folder)
    layout.check_ours()
    if not layout.is_store():
        raise Refusal(f"{folder} is no store.")
    identity.require_writable(layout)
    return layout


class Appends:
    """Writes appends: in the server's thread, which makes every call of `put` and `commit`, or in a thread of its own.

    `call` lets the server's thread call something soon; `changed` is told of each store that was written to.
    """

    def __init__(self, changed: "Callable[[str], None]", call: "Callable[[Callable[[], None]], None]") -> None:
        self._changed = changed
        self._call = call
        self._waiting: list[Asked] = []
        self._until = 0.0  # when they are no longer waited for; 0: not begun to
        self._expected = 1  # how many are likely to come
        self._lately: set[str] = set()  # who was in the last batch
        self._took = 0.0  # how long the last sync took
        self._slow: queue.SimpleQueue[list[Asked] | None] = queue.SimpleQueue()
        self._busy = False  # the thread is at it, and the journals are its own
        self._thread = threading.Thread(target=self._work, name="appends")
        self._journals: dict[str, Opened] = {}

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread when everything that was asked is durable and answered; the server's must have ended."""
        self._slow.put(self._waiting)
        self._slow.put(None)
        self._thread.join()
        for opened in self._journals.values():
            opened.journal.close()

    def put(self, request: "Request", answer: "Answer") -> None:
        """Queues one append; `answer` is called with the entry's id when it is durable.

        Raises Refusal or BadInput for one that cannot be carried out.
        """
        self._waiting.append(Asked(request, answer))

    def commit(self) -> float:
        """Makes what waits durable; to be called whenever everything that had arrived was put.

        Returns in how many seconds to call it again at the latest.  Where several came in the last two batches they will
        again, a moment apart: who has been answered asks anew.
        """
        if not self._waiting or self._busy:
            return math.inf
        now = time.monotonic()
        self._until = self._until or now + min(GATHER_S, self._took / 2)
        if now < self._until and len(self._waiting) < self._expected:
            if self._until - now >= TICK_S:
                return self._until - now
            os.sched_yield()  # to those who are about to ask
            return 0.0
        batch, self._waiting, self._until = self._waiting, [], 0.0
        who = {one.agent for one in batch}
        self._lately, self._expected = who, len(who | self._lately)
        slow = [one for folder, wanted in _by_store(batch) if not self._at_once(folder, wanted) for one in wanted]
        if slow:
            self._busy = True
            self._slow.put(slow)
        return math.inf

    def _at_once(self, folder: str, wanted: "list[Asked]") -> bool:
        """Appends to one store, if that will not take long."""
        known = self._journals.get(folder)
        return known is not None and known.took <= QUICK_S and self._append(folder, wanted, wait=False)

    def _work(self) -> None:
        """Is the thread: does what may take long, batch by batch."""
        while (batch := self._slow.get()) is not None:
            for folder, wanted in _by_store(batch):
                self._append(folder, wanted)
            self._call(self._done)

    def _done(self) -> None:
        self._busy = False

    def _append(self, folder: str, wanted: "list[Asked]", wait: bool = True) -> bool:
        """Appends to one store and answers; without `wait`, False where another process is at the journal, and nothing is done."""
        try:
            opened = self._journal(folder)
            begin = time.monotonic()
            done = opened.journal.put_all([one.row for one in wanted], wait=wait)
            took = time.monotonic() - begin
        except (MemshimError, Refusal, OSError) as error:
            _refuse(wanted, str(error))
            return True
        except Exception as error:
            incidents.report("bug in the daemon", error=type(error).__name__, kind="append")
            _refuse(wanted, "This is a bug in memshim's daemon.")
            return True
        if not done:
            return False
        self._took = opened.took = took
        for one, (_, id_) in zip(wanted, done, strict=True):
            one.answer(id_.encode(), True)
        self._changed(opened.journal.layout.root)
        return True

    def _journal(self, folder: str) -> "Opened":
        """Returns the journal in a store of this user, open.  Raises Refusal and what opening a store raises.

        The store is looked at anew only when something was made, replaced or removed in its folder of ours.
        """
        now = time.monotonic()
        for name in [name for name, opened in self._journals.items() if opened.used < now - KEPT_S]:
            self._journals.pop(name).journal.close()
        known = self._journals.get(folder)
        if known is None or known.mark != _mark(known.journal.layout):
            mark = _mark(Layout(folder))  # before it is looked at
            layout = own_store(folder)
            replica = identity.replica(layout)
            if known is not None and known.journal.replica == replica:
                known.mark = mark
            else:
                if known is not None:
                    known.journal.close()
                known = self._journals[folder] = Opened(Journal(layout, JOURNAL, replica), mark)
        known.used = now
        return known


class Opened:
    """Is a journal that is kept open, how the folder of its store looked then, and how long its last sync took."""

    __slots__ = ("journal", "mark", "took", "used")

    def __init__(self, journal: Journal, mark: "tuple[int, ...]") -> None:
        self.journal = journal
        self.mark = mark
        self.took = math.inf
        self.used = 0.0


def _mark(layout: Layout) -> "tuple[int, ...]":
    """Returns what differs when another folder stands in the place of ours, or other files stand in it; () where none does."""
    try:
        here = os.lstat(layout.state)
    except OSError:
        return ()
    return here.st_dev, here.st_ino, here.st_mtime_ns, here.st_ctime_ns


class Asked:
    """Is one append that was asked for: in which store, by whom, what is to be written, and where the answer goes."""

    __slots__ = ("agent", "answer", "row", "store")

    def __init__(self, request: "Request", answer: "Answer") -> None:
        self.store = request.fields.get("store", "")
        self.agent = request.fields.get("agent", "")
        self.row = _row(request)
        self.answer = answer


def _by_store(batch: "list[Asked]") -> "ItemsView[str, list[Asked]]":
    stores: dict[str, list[Asked]] = {}
    for one in batch:
        stores.setdefault(one.store, []).append(one)
    return stores.items()


def _refuse(wanted: "list[Asked]", why: str) -> None:
    for one in wanted:
        one.answer(why.encode("utf-8", "replace"), False)


def _row(request: "Request") -> "Row":
    """Returns what is written for a request.  Raises Refusal or BadInput for one that cannot be."""
    fields = request.fields
    id_, doc = fields.get("id", ""), fields.get("doc", INDEX)
    if len(id_) != 32 or id_.strip("0123456789abcdef"):
        raise Refusal("An append needs an id of 32 hex digits, so that doing it twice changes nothing.")
    if len(request.payload) > LONGEST:
        raise Refusal(f"A text of more than {LONGEST} bytes is appended by who has it, under the same id.")
    if doc != INDEX:
        document_name(doc)
    form, texts = append.prepare(
        request.payload,
        agent_id(fields.get("agent", "")),
        fields.get("session", ""),
        doc=doc,
        section=fields.get("section", ""),
        why=fields.get("why", ""),
        raw=fields.get("raw") == "1",
    )
    return form, texts, "", id_
