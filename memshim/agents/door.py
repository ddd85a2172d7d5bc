"""Door: one payload of a hook is taken in and answered.  Must not know how it arrived, by a process or a socket."""

import os
import time

from memshim.agents import claude, commands, coverage, inbox, ingest, seen, shell
from memshim.agents.event import Changed, Changing, Event, Looked, Ran, Refused, Running, Started
from memshim.disk import files, incidents
from memshim.disk.layout import INDEX, Layout, client_memory
from memshim.errors import LockTimeout, MemshimError
from memshim.store import lease, publish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 64 * 1024 * 1024


def handle(payload: bytes, environ: "Mapping[str, str]") -> bytes:
    """Takes one event of Claude Code in, and returns what the hook prints (nothing, mostly).

    Never raises: what fails is an incident, without memory text, and the agent's tool goes on.  Taking the same event
    in again changes nothing and answers nothing.
    """
    import json

    try:
        fields = json.loads(payload) if len(payload) <= MAX_BYTES else None
        if not isinstance(fields, dict):
            raise claude.BadEvent("the payload is no object")
        told: list[str] = []
        for event in claude.events(fields, environ):
            told += take(event, environ, payload)
        said = claude.answer(fields, told)
        return json.dumps(said).encode() if said is not None else b""
    except (claude.BadEvent, ValueError, RecursionError) as error:
        incidents.report("event not understood", error=type(error).__name__, size=len(payload))
    except MemshimError as error:
        incidents.report("event not taken in", error=type(error).__name__, message=error.message)
    except OSError as error:
        name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
        incidents.report("event not taken in", error=type(error).__name__, message=error.strerror or "", path=name)
    except Exception as error:
        incidents.report("bug in the hook", error=type(error).__name__, place=_place(error))
    return b""


def catch_up(layout: Layout, environ: "Mapping[str, str]") -> None:
    """Takes in the events that a killed or hurried hook left behind; those for which time is too short again stay.

    One that can never be taken in (its document has become a link, say) is an incident.
    """
    import json

    for path, payload in inbox.left(layout):
        try:
            for event in claude.events(json.loads(payload), environ):
                if isinstance(event, Changed | Refused):
                    take(event, environ)
        except (LockTimeout, OSError):
            return
        except (MemshimError, ValueError) as error:
            incidents.report("event left behind, and not taken in", error=type(error).__name__, size=len(payload))
        files.unlink_quietly(path)


def take(event: Event, environ: "Mapping[str, str]", payload: bytes = b"") -> "list[str]":
    """Takes one event in and returns what its agent should be told.  Raises MemshimError or OSError where it cannot be.

    With its `payload`, a change that cannot be taken in now is kept for `catch_up`.
    """
    until = time.monotonic() + lease.WAIT_S
    if isinstance(event, Started):
        seen.start(event.writer)
        return _started(event, environ)
    if isinstance(event, Running | Ran):
        return _command(event, environ, until)
    assert isinstance(event, Changing | Changed | Refused | Looked)
    place = _place_of(event.path, environ)
    if place is None:
        return []
    if isinstance(event, Changing):
        ingest.make(place, place.read())
        if not place.layout.is_store():
            return []  # the folder itself is still to be made
        lease.take(place.layout, event.writer.full, event.call.id, event.writer.process, False, until)
        return []
    if isinstance(event, Looked):
        ingest.looked(place, event)
        return []
    lease.give_back(place.layout, event.call.id)
    kept = inbox.keep(place.layout, payload) if payload and place.layout.is_store() else ""
    told = ingest.changed(place, event) if isinstance(event, Changed) else ingest.refused(place, event)
    if kept:
        files.unlink_quietly(kept)
        catch_up(place.layout, environ)
    return told


def _place_of(path: str, environ: "Mapping[str, str]") -> "ingest.Place | None":
    found = claude.memory_folder(path, environ)
    if found is None:
        if claude.leads_out(path):
            incidents.report("path leads out of a memory", path=path)
        return None
    return ingest.Place(Layout(found[0], beside=found[1]), os.path.basename(path), claude.plain, claude.loaded)


def _command(event: "Running | Ran", environ: "Mapping[str, str]", until: float) -> "list[str]":
    told: list[str] = []
    if not shell.can_write(event.command):
        return told
    for layout in _folders(event, environ):
        if isinstance(event, Running):
            commands.running(layout, event, until)
        else:
            told += commands.ran(layout, event)
    return told


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
    """Repairs what crashed sessions left in the project's memory, and clears away what old ones had noted."""
    if event.writer.key:
        return []
    coverage.note_uncovered(environ)
    folder = client_memory(event.cwd) if event.cwd else None
    layout = Layout(folder) if folder is not None else None
    if layout is not None and layout.is_store():
        catch_up(layout, environ)
        with ingest.Place(layout, INDEX, claude.plain, claude.loaded).store(event.writer).turn() as turn:
            publish.publish_all(turn)
        for name in ("seen", "calls"):
            seen.clear_old(layout.path(name))
    return []


def _place(error: BaseException) -> str:
    """Returns where in our code an exception came from: a file and a line, no text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace is not None else ""
