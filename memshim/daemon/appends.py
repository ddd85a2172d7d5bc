"""Appends: what several clients ask to remember at the same time is made durable together.  Must not know sockets or views.

While one sync is under way the next appends pile up; all that wait for one store go into one journal, `daemon`, with one
write and one sync.  Each record still names its own agent.
"""

import os
import threading
import time

from memshim.disk import incidents
from memshim.disk.layout import INDEX, Layout, agent_id, document_name
from memshim.errors import MemshimError
from memshim.store import append, identity
from memshim.store.journal import Journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from memshim.daemon.protocol import Request
    from memshim.daemon.server import Answer
    from memshim.store.journal import Row

JOURNAL = "daemon"
GATHER_S = 0.005
"""How long appends that are likely to follow at once are waited for at most, and never longer than half a sync takes."""
LONGEST = 64 * 1024
"""Bytes of text that are taken: parsing more may take a second, in which nobody else's append would be answered."""
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
    """Writes appends from a thread of its own."""

    def __init__(self, changed: "Callable[[str], None]") -> None:
        self._changed = changed
        self._arrived = threading.Condition()
        self._waiting: list[tuple[Request, Answer]] = []
        self._enough = 1  # for how many that wait the thread is woken
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="appends")
        self._journals: dict[str, Opened] = {}
        self._lately: tuple[set[str], set[str]] = (set(), set())  # who was in the last two batches
        self._took = 0.0  # how long the last sync took

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread when everything that was asked is durable and answered."""
        with self._arrived:
            self._stopping = True
            self._arrived.notify()
        self._thread.join()
        for opened in self._journals.values():
            opened.journal.close()

    def put(self, request: "Request", answer: "Answer") -> None:
        """Queues one append; `answer` is called with the entry's id when it is durable."""
        with self._arrived:
            self._waiting.append((request, answer))
            if len(self._waiting) >= self._enough:
                self._arrived.notify()

    def _run(self) -> None:
        while batch := self._gather():
            self._lately = (self._lately[1], {_who(request) for request, _ in batch})
            stores: dict[str, list[tuple[Request, Answer]]] = {}
            for request, answer in batch:
                stores.setdefault(request.fields.get("store", ""), []).append((request, answer))
            for folder, wanted in stores.items():
                self._append(folder, wanted)

    def _gather(self) -> "list[tuple[Request, Answer]]":
        """Waits for appends and returns those that wait by then; none when it is to end.

        Where several came in the last two batches they will again, a moment apart: who has been answered asks anew.
        """
        with self._arrived:
            self._wait_for(1, None)
            self._wait_for(len(self._lately[0] | self._lately[1]), min(GATHER_S, self._took / 2))
            batch, self._waiting = self._waiting, []
        return batch

    def _wait_for(self, enough: int, seconds: "float | None") -> None:
        self._enough = enough
        self._arrived.wait_for(lambda: len(self._waiting) >= enough or self._stopping, seconds)

    def _append(self, folder: str, wanted: "list[tuple[Request, Answer]]") -> None:
        rows: list[Row] = []
        waiting: list[Answer] = []
        try:
            journal = self._journal(folder)
            for request, answer in wanted:
                try:
                    rows.append(_row(request))
                    waiting.append(answer)
                except (MemshimError, Refusal) as error:
                    answer(str(error).encode("utf-8", "replace"), False)
            if not rows:
                return
            begin = time.monotonic()
            done = journal.put_all(rows)
            self._took = time.monotonic() - begin
        except (MemshimError, Refusal, OSError) as error:
            for answer in waiting or [answer for _, answer in wanted]:
                answer(str(error).encode("utf-8", "replace"), False)
            return
        except Exception as error:
            incidents.report("bug in the daemon", error=type(error).__name__, kind="append")
            for answer in waiting or [answer for _, answer in wanted]:
                answer(b"This is a bug in memshim's daemon.", False)
            return
        for answer, (_, id_) in zip(waiting, done, strict=True):
            answer(id_.encode(), True)
        self._changed(journal.layout.root)

    def _journal(self, folder: str) -> Journal:
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
        return known.journal


class Opened:
    """Is a journal that is kept open, and how the folder of its store looked then."""

    __slots__ = ("journal", "mark", "used")

    def __init__(self, journal: Journal, mark: "tuple[int, ...]") -> None:
        self.journal = journal
        self.mark = mark
        self.used = 0.0


def _mark(layout: Layout) -> "tuple[int, ...]":
    """Returns what differs when another folder stands in the place of ours, or other files stand in it; () where none does."""
    try:
        here = os.lstat(layout.state)
    except OSError:
        return ()
    return here.st_dev, here.st_ino, here.st_mtime_ns, here.st_ctime_ns


def _who(request: "Request") -> str:
    return request.fields.get("agent", "")


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
