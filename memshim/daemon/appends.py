"""Appends: what several clients ask to remember at the same time is made durable together.  Must not know sockets or views.

While one sync is under way the next appends pile up; all that wait for one store go into one journal, `daemon`, with one
write and one sync.  Each record still names its own agent.
"""

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
    from collections.abc import Callable

    from memshim.daemon.protocol import Request
    from memshim.daemon.server import Answer
    from memshim.store.journal import Row

JOURNAL = "daemon"
GATHER_S = 0.005
"""How long appends that are likely to follow at once are waited for at most, and never longer than half a sync takes."""
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
        self._queue: queue.SimpleQueue[tuple[Request, Answer] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="appends")
        self._journals: dict[str, tuple[Journal, float]] = {}
        self._lately: tuple[set[str], set[str]] = (set(), set())  # who was in the last two batches
        self._took = 0.0  # how long the last sync took

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread when everything that was asked is durable and answered."""
        self._queue.put(None)
        self._thread.join()
        for journal, _ in self._journals.values():
            journal.close()

    def put(self, request: "Request", answer: "Answer") -> None:
        """Queues one append; `answer` is called with the entry's id when it is durable."""
        self._queue.put((request, answer))

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = self._gather(first)
            self._lately = (self._lately[1], {_who(request) for request, _ in batch})
            stores: dict[str, list[tuple[Request, Answer]]] = {}
            for request, answer in batch:
                stores.setdefault(request.fields.get("store", ""), []).append((request, answer))
            for folder, wanted in stores.items():
                self._append(folder, wanted)
            if last:
                return

    def _gather(self, first: "tuple[Request, Answer]") -> "tuple[list[tuple[Request, Answer]], bool]":
        """Returns what waits by now, and whether to end then.

        Where several came in the last two batches they will again, a moment apart: who has been answered asks anew.
        """
        batch = [first]
        expected = len(self._lately[0] | self._lately[1])
        until = time.monotonic() + min(GATHER_S, self._took / 2)
        while True:
            try:
                wait = until - time.monotonic() if len(batch) < expected else 0
                following = self._queue.get(timeout=wait) if wait > 0 else self._queue.get_nowait()
            except queue.Empty:
                return batch, False
            if following is None:
                return batch, True
            batch.append(following)

    def _append(self, folder: str, wanted: "list[tuple[Request, Answer]]") -> None:
        rows: list[Row] = []
        waiting: list[Answer] = []
        try:
            layout = own_store(folder)
            for request, answer in wanted:
                try:
                    rows.append(_row(request))
                    waiting.append(answer)
                except (MemshimError, Refusal) as error:
                    answer(str(error).encode("utf-8", "replace"), False)
            if not rows:
                return
            begin = time.monotonic()
            done = self._journal(layout).put_all(rows)
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
        self._changed(layout.root)

    def _journal(self, layout: Layout) -> Journal:
        """Returns the store's journal, open; one of a store that was copied or made anew is not the same one."""
        now, replica = time.monotonic(), identity.replica(layout)
        for root in [root for root, (_, used) in self._journals.items() if used < now - KEPT_S]:
            self._journals.pop(root)[0].close()
        known = self._journals.get(layout.root)
        if known is None or known[0].replica != replica:
            if known is not None:
                known[0].close()
            known = (Journal(layout, JOURNAL, replica), now)
        self._journals[layout.root] = (known[0], now)
        return known[0]


def _who(request: "Request") -> str:
    return request.fields.get("agent", "")


def _row(request: "Request") -> "Row":
    """Returns what is written for a request.  Raises Refusal or BadInput for one that cannot be."""
    fields = request.fields
    id_, doc = fields.get("id", ""), fields.get("doc", INDEX)
    if len(id_) != 32 or id_.strip("0123456789abcdef"):
        raise Refusal("An append needs an id of 32 hex digits, so that doing it twice changes nothing.")
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
