"""`memshim lost`: what was overwritten by writers who had not read it, and what became of it."""

import itertools
import time

from memshim.cli.common import JSON, STORE, open_to_read, say, say_json, say_notes, visible
from memshim.cli.declare import Number, Word, command
from memshim.store import lost
from memshim.store.story import documents
from memshim.text.view import readable

BECAME = {
    "restored": "put back",
    "conflict": "put back, and clashes: memshim conflicts",
    "removed": "put back, and removed later by somebody",
    "again": "overwritten again after it had been put back, so left removed: memshim restore {block}",
    "pattern": "left removed, because this writer keeps overwriting the document: memshim restore {block}",
}


@command(
    *STORE,
    Word("-n", key="count", kind=Number(1), metavar="N", default=30, shown=True, help="How many."),
    JSON,
)
def lost_command(store: str | None, agent: str | None, count: int, as_json: bool) -> None:
    """List overwritten updates, newest first: what, whose, overwritten by whom and when, what became of it."""
    opened = open_to_read(store, agent)
    memory = opened.memory()
    found = list(itertools.islice(lost.listed(memory), count))
    mass = list(itertools.islice((e for e in memory.entries() if "mass" in e.extra), count))
    if as_json:
        say_json({
            "lost": [
                {"block": item.block, "doc": item.doc, "text": item.text.decode("utf-8", "replace"),
                 "agent": item.agent, "by": item.by, "entry": item.entry, "time": item.time, "state": item.state}
                for item in found],
            "mass": [
                {"entry": e.id, "docs": list(documents(memory, e).values()), "agent": e.agent, "time": e.milliseconds / 1000,
                 "removed": e.extra["mass"][0], "of": e.extra["mass"][1]} for e in mass],
            "notes": opened.notes})  # fmt: skip
        return
    for item in found:
        say(f"{_when(item.time)}  {item.doc}  {readable(item.agent)}'s, overwritten by {readable(item.by)}")
        for line in item.text.decode("utf-8", "replace").splitlines():
            say(f"    {visible(line)}")
        say(f"  {BECAME[item.state].format(block=item.block)}")
    for entry in mass:
        removed, of = entry.extra["mass"]
        names = ", ".join(documents(memory, entry).values())
        say(f"{_when(entry.milliseconds / 1000)}  {names}  {removed} of {of} blocks removed at once")
        say(f"  by {readable(entry.agent)}; to take it back: memshim undo {entry.id[-8:]}")
    if not found and not mass:
        say("Nothing was overwritten unseen.")
    say_notes(opened.notes)


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
