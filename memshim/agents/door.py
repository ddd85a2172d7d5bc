"""Door: one payload of a hook is taken in and answered.  Must not know how it arrived, by a process or a socket.

What reads and folds a store is imported by those who need it: a lease is had, or given back, before that.
"""

import os
import time

from memshim.agents import claude, commands, inbox, shell, told
from memshim.agents.event import Changed, Changing, Event, Looked, Ran, Refused, Running, Started
from memshim.disk import files, incidents
from memshim.disk.layout import INDEX, Layout, client_memory
from memshim.errors import LockTimeout, MemshimError
from memshim.store import lease
from memshim.text import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from memshim.agents.event import Writer

MAX_BYTES = 64 * 1024 * 1024


def handle(payload: bytes, environ: "Mapping[str, str]", kept: str = "") -> bytes:
    """Takes one event of Claude Code in, and returns what the hook prints (nothing, mostly); see `Visit`."""
    return Visit(payload, environ, kept).take()


class Visit:
    """Is one event at the door; `kept` is where the inbox has it, "" where it has not.

    Nothing here raises: what fails is an incident, without memory text, and the agent's tool goes on.  Taking the same
    event in again changes nothing and answers nothing.  `agent` is whose it is, "" where that cannot be told.
    """

    def __init__(self, payload: bytes, environ: "Mapping[str, str]", kept: str = "") -> None:
        self.environ = environ
        self.kept = kept
        self.size = len(payload)
        self.fields: dict[str, Any] = {}
        self.events: list[Event] = []
        self.writer: Writer | None = None
        self._guarded(lambda: self._understand(payload))

    @property
    def agent(self) -> str:
        """Returns the key that no other agent has."""
        return self.writer.full if self.writer is not None else ""

    @property
    def may_wait_for_others(self) -> bool:
        """Tells whether others' leases may hold it up."""
        return any(isinstance(event, Changing | Running) for event in self.events)

    @property
    def can_be_answered_first(self) -> bool:
        """Tells whether its agent may go on before it is taken in: it is kept, and what it has to say can be said later."""
        return bool(self.kept and self.events) and all(isinstance(event, Changed) for event in self.events)

    def take(self, answered: bool = False) -> bytes:
        """Takes the event in, and returns what the hook prints; to an agent that was `answered` it is said the next time."""
        said: list[bytes] = []
        self._guarded(lambda: said.append(self._take(answered)))
        return b"".join(said)

    def _understand(self, payload: bytes) -> None:
        self.fields = _parsed(payload)
        self.writer = claude.writer_of(self.fields, self.environ)
        self.events = list(claude.events(self.fields, self.environ))

    def _take(self, answered: bool) -> bytes:
        sentences: list[str] = []
        for event in self.events:
            sentences += take(event, self.environ)
        self._forget()
        if any(isinstance(event, Changed | Refused) for event in self.events):
            catch_up(self.environ, inbox.LEFT_S)
        if self.writer is None:
            return b""
        if answered or not claude.reaches(self.fields):
            told.later(self.writer, sentences)
            return b""
        said = claude.answer(self.fields, [*told.now(self.writer), *sentences])
        if said is None:
            return b""
        import json  # costs as much as an interpreter's start, and mostly nothing is said

        return json.dumps(said).encode()

    def _guarded(self, work: "Callable[[], None]") -> None:
        """Does a part of the work.  What cannot be taken in now stays in the inbox, what never can does not."""
        try:
            work()
        except (claude.BadEvent, ValueError, RecursionError) as error:
            self._forget()
            incidents.report("event not understood", error=type(error).__name__, size=self.size)
        except MemshimError as error:
            incidents.report("event not taken in", error=type(error).__name__, message=error.message)
        except OSError as error:
            name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
            incidents.report("event not taken in", error=type(error).__name__, message=error.strerror or "", path=name)
        except Exception as error:
            incidents.report("bug in the hook", error=type(error).__name__, place=_place(error))

    def _forget(self) -> None:
        if self.kept:
            files.unlink_quietly(self.kept)


def catch_up(environ: "Mapping[str, str]", age: float = 0.0) -> None:
    """Takes in the changes that are kept and were not taken in, those of `age` seconds and more, of any store.

    One for which time is too short again stays; so does one that cannot be written down now.  One that can never be taken
    in (its document has become a link, say) is an incident.  Somebody may be at one of them at the same moment: whoever
    comes second finds it done.
    """
    for path, payload in inbox.waiting(age):
        try:
            fields = _parsed(payload)
            for event in claude.events(fields, environ):
                if isinstance(event, Changed | Refused):
                    told.later(event.writer, take(event, environ))
        except LockTimeout:
            return
        except OSError:
            continue
        except Exception as error:
            incidents.report("event left behind, and not taken in", error=type(error).__name__, size=len(payload))
        files.unlink_quietly(path)


def _parsed(payload: bytes) -> "dict[str, Any]":
    fields = jsontext.loads(payload) if len(payload) <= MAX_BYTES else None
    if not isinstance(fields, dict):
        raise claude.BadEvent("the payload is no object")
    return fields


def take(event: Event, environ: "Mapping[str, str]") -> "list[str]":
    """Takes one event in and returns what its agent should be told.  Raises MemshimError or OSError where it cannot be."""
    until = time.monotonic() + lease.WAIT_S
    if isinstance(event, Started):
        return _started(event, environ)
    if isinstance(event, Running | Ran):
        return _command(event, environ, until)
    assert isinstance(event, Changing | Changed | Refused | Looked)
    layout = _memory_of(event.path, environ)
    if layout is None or not os.path.isdir(layout.root):
        return []  # no memory; or the folder is still to be made, or gone
    if isinstance(event, Changed | Refused):
        lease.give_back(layout, event.call.id)
    from memshim.agents import ingest

    place = ingest.Place(layout, os.path.basename(event.path), claude.plain, claude.loaded)
    if not place.is_ours():
        return []
    if isinstance(event, Changing):
        ingest.make(place, place.read())
        lease.take(layout, event.writer.full, event.call.id, event.writer.process, False, until)
        return []
    if isinstance(event, Looked):
        ingest.looked(place, event)
        return []
    return ingest.changed(place, event) if isinstance(event, Changed) else ingest.refused(place, event)


def _memory_of(path: str, environ: "Mapping[str, str]") -> "Layout | None":
    found = claude.memory_folder(path, environ)
    if found is None:
        if claude.leads_out(path):
            incidents.report("path leads out of a memory", path=path)
        return None
    return Layout(found[0], beside=found[1])


def _command(event: "Running | Ran", environ: "Mapping[str, str]", until: float) -> "list[str]":
    sentences: list[str] = []
    if not shell.can_write(event.command):
        return sentences
    for layout in _folders(event, environ):
        if isinstance(event, Running):
            commands.running(layout, event, until)
        else:
            sentences += commands.ran(layout, event)
    return sentences


def _folders(event: "Running | Ran", environ: "Mapping[str, str]") -> "list[Layout]":
    """Returns the memories that a command names, or stands in."""
    found: dict[str, Layout] = {}
    for path in shell.paths(event.command, event.cwd, environ):
        for name in (path, os.path.join(path, "MEMORY.md")):
            here = claude.memory_folder(name, environ)
            if here is not None and os.path.isdir(here[0]) and here[0] not in found:
                layout = Layout(here[0], beside=here[1])
                if (
                    layout.client or name == path
                ):  # a store of one's own, such as a project, is not in use by every command in it
                    found[here[0]] = layout
    return list(found.values())


def _started(event: Started, environ: "Mapping[str, str]") -> "list[str]":
    """Repairs what crashed sessions left in the memory that this one is given, and clears away what old ones had noted."""
    from memshim.agents import coverage, ingest, seen
    from memshim.store import publish

    seen.start(event.writer)
    if event.writer.key:
        return []
    coverage.note_uncovered(environ)
    catch_up(environ, inbox.LEFT_S)
    for noted in (inbox.folder(), told.folder()):
        seen.clear_old(noted)
    for layout in _given(event, environ):
        with ingest.Place(layout, INDEX, claude.plain, claude.loaded).store(event.writer).turn() as turn:
            publish.publish_all(turn)
        for name in ("seen", "calls"):
            seen.clear_old(layout.path(name))
    return []


def _given(event: "Started", environ: "Mapping[str, str]") -> "list[Layout]":
    """Returns the stores of which a session may be given its memory: that of its project, and those it was moved to."""
    usual = client_memory(event.cwd) if event.cwd else None
    folders = dict.fromkeys([*([usual] if usual else []), *sorted(claude.configured_folders(environ))])
    return [layout for layout in (Layout(folder, beside=True) for folder in folders) if layout.is_store()]


def _place(error: BaseException) -> str:
    """Returns where in our code an exception came from: a file and a line, no text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace is not None else ""
