"""Desk: what each kind of request does.  Must not know sockets, nor when a store is looked at.

status     JSON: version (of this shape), pid, program, since, stores, connections
hook       the payload of an agent's hook; the answer is what the hook prints
append     a text and its entry's id; answered when the entry is durable (see `appends`)
publish    store=FOLDER; answered when the documents are up to date, one turn for all who asked meanwhile
watch      a subscription: a line of JSON for each change of a store
stop       ends the daemon
"""

import json
import os
import queue
import threading
import time
from collections import deque
from functools import partial

from memshim import __version__
from memshim.agents import door, inbox
from memshim.daemon.appends import Appends, Refusal, own_store
from memshim.daemon.existing import Existing
from memshim.disk import incidents
from memshim.errors import MemshimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from memshim.daemon.protocol import Request
    from memshim.daemon.server import Answer, Server
    from memshim.daemon.watcher import Watcher

    Job = Callable[[], None]

WORKERS = 12
"""Hooks may wait for each other's leases; a thread that waits costs next to nothing."""
QUICK_BYTES = 256 * 1024
"""A hook's event of at most this size is kept in the server's thread: handing it on takes longer."""


class Desk:
    """Answers requests: what is quick at once, what takes time in a few threads of its own."""

    def __init__(self) -> None:
        self.used = time.monotonic()  # when somebody last wanted something, or something changed
        self.since = time.time()
        self.server: Server | None = None
        self.watcher: Watcher | None = None
        self.appends = Appends(self.changed, self._call)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._waiting: dict[str, list[Answer]] = {}
        self._lanes: dict[str, deque[tuple[door.Visit, Answer | None]]] = {}  # by agent: what is to be taken in
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, name=f"worker {n}") for n in range(WORKERS)]

    def start(self) -> None:
        """Starts the threads."""
        self.appends.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends the threads when they have done what they were asked."""
        self.appends.stop()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def changed(self, store: str) -> None:
        """Tells the subscribers that something in a store changed; from any thread."""
        self.used = time.monotonic()
        if self.server is not None and self.server.subscribers():
            self.server.broadcast(json.dumps({"store": store, "time": time.time()}).encode())

    def handle(self, request: "Request", answer: "Answer") -> bool:
        """Takes one request in, in the server's thread; True if the connection is a subscription now."""
        if request.kind != "status":
            self.used = time.monotonic()
        if request.kind == "status":
            answer(json.dumps(self._status()).encode(), True)
        elif request.kind == "watch":
            answer(b"", True)
            return True
        elif request.kind == "stop":
            answer(b"", True)
            assert self.server is not None
            self.server.stop()
        elif request.kind == "publish":
            self._together(request, answer)
        elif request.kind == "append":
            self._guarded(request, [answer], partial(self.appends.put, request, answer))
        elif request.kind == "hook":
            job = partial(self._guarded, request, [answer], partial(self._hook, request, answer))
            if len(request.payload) <= QUICK_BYTES:
                job()
            else:
                self._jobs.put(job)
        else:
            answer(f"There is no kind of request {request.kind!r}.".encode(), False)
        return False

    def _call(self, what: "Job") -> None:
        assert self.server is not None
        self.server.call(what)

    def _status(self) -> "dict[str, object]":
        assert self.server is not None
        assert self.watcher is not None
        return {
            "version": 1, "pid": os.getpid(), "program": __version__, "since": self.since, "socket": self.server.path,
            "connections": self.server.connections(), "subscribers": self.server.subscribers(),
            "stores": self.watcher.status(),
        }  # fmt: skip

    def _together(self, request: "Request", answer: "Answer") -> None:
        """Queues a publish; those who ask while one waits its turn get the same answer."""
        folder = request.fields.get("store", "")
        with self._lock:
            waiting = self._waiting.get(folder)
            if waiting is not None:
                waiting.append(answer)
                return
            self._waiting[folder] = [answer]
        answers: list[Answer] = []
        self._jobs.put(lambda: self._guarded(request, answers, lambda: self._publish(request, answers)))

    # -- in a worker --------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _guarded(self, request: "Request", answers: "list[Answer]", work: "Callable[[], None]") -> None:
        """Does work that answers; where it fails, the answer says so."""
        try:
            work()
            return
        except (MemshimError, Refusal, OSError) as error:
            why = str(error).encode("utf-8", "replace")
        except Exception as error:
            incidents.report("bug in the daemon", error=type(error).__name__, kind=request.kind)
            why = b"This is a bug in memshim's daemon."
        for answer in answers:
            answer(why, False)

    def _hook(self, request: "Request", answer: "Answer") -> None:
        """Keeps a hook's event, and has it taken in after those of the same agent that came before it.

        An agent whose tool has changed a file goes on as soon as the event is kept; what it should be told of it is said
        with its next answer, that for the whole round of calls at the latest.
        """
        for name in ("HOME", "XDG_STATE_HOME"):
            if request.fields.get(name, "") != os.environ.get(name, ""):
                raise Refusal(f"This daemon has another {name}.")
        visit = door.Visit(request.payload, request.fields, inbox.keep(request.payload))
        if visit.may_wait_for_others:  # so nobody waits behind it
            self._jobs.put(lambda: answer(visit.take(), True))
            return
        first = visit.can_be_answered_first
        if first:
            answer(b"", True)
        with self._lock:
            lane = self._lanes.setdefault(visit.agent, deque())
            lane.append((visit, None if first else answer))
            begin = len(lane) == 1  # else whoever is at this agent's earlier events goes on with it
        if begin:
            assert self.server is not None
            self.server.call(lambda: self._jobs.put(lambda: self._take_in(visit.agent)))  # when the answer has gone

    def _take_in(self, agent: str) -> None:
        """Takes in what an agent's hooks have told, one event after another, until there is no more."""
        with self._lock:
            lane = self._lanes[agent]
        while lane:
            visit, answer = lane[0]
            said = visit.take(answered=answer is None)
            if answer is not None:
                answer(said, True)
            with self._lock:
                lane.popleft()
                if not lane:
                    del self._lanes[agent]

    def _publish(self, request: "Request", answers: "list[Answer]") -> None:
        folder = request.fields.get("store", "")
        with self._lock:  # what these had appended is there for the turn that begins now; later ones wait for the next
            answers += self._waiting.pop(folder, [])
        layout = own_store(folder)
        store = Existing(layout)
        done = store.publish()
        self.changed(layout.root)
        lines = ["published" if done else "not published", *(" ".join(note.split()) for note in store.notes)]
        said = "\n".join(lines).encode("utf-8", "replace")  # no JSON: who asks may live for one append
        for answer in answers:
            answer(said, True)
