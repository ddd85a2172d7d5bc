"""The command that says how things are: status."""

import time

from memshim.cli.common import JSON, STORE, counted, open_to_read, say, say_json, say_notes, visible
from memshim.cli.declare import command
from memshim.cli.when import age, clock
from memshim.disk import incidents
from memshim.store import survey
from memshim.store.survey import LARGE_CHARACTERS, LARGE_LINES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SHOWN = 3
"""How many incidents are told; with more, their number."""


@command(
    *STORE,
    JSON,
)
def status_command(store: str | None, agent: str | None, as_json: bool) -> None:
    """Say whether agents' own tools are protected, and why not; then how the store is, and what happened today."""
    safe, why, mend = _protection()
    if not as_json:  # first: it holds where there is no store, or none that can be read
        say(f"{'Protected' if safe else 'Not protected'}: {why}" + (f" Mend it: {mend}" if mend else ""))
    opened = open_to_read(store, agent)
    memory = opened.memory()
    documents = survey.sizes(memory)
    lately = survey.activity(memory)
    conflicts = len(memory.state.conflicts())
    torn = survey.damage(memory)
    history = survey.history_bytes(opened.layout)
    since = time.time() - survey.DAY_S
    happened = incidents.recent(since)
    behind = [d.name for d in documents if not d.published]
    state = "up to date" if not behind and not torn and not conflicts else "needs attention"
    unfolded = len(memory.new)
    if not opened.layout.is_store():
        state, unfolded = "not a store yet", 0
    if as_json:
        lone = dict(zip(("agent", "share", "entries"), lately.lone, strict=True)) if lately.lone else None
        say_json({
            "protected": safe, "why": why, "mend": mend or None, "store": opened.layout.root, "state": state,
            "documents": [{"doc": d.name, "lines": d.lines, "characters": d.characters, "large": d.large,
                           "published": d.published} for d in documents],
            "agents_today": lately.agents, "saved_today": lately.saved, "conflicts": conflicts, "damaged": torn,
            "incidents": happened, "unfolded": unfolded, "history_bytes": history, "lone_writer": lone,
            "notes": opened.notes,
        })  # fmt: skip
        return
    say(f"Store {opened.layout.root}: {state}.")
    for document in documents:
        say(_size(document))
    names = sorted(lately.agents.items(), key=lambda item: (-item[1], item[0]))
    more = " (only the newest entries were counted)" if lately.more else ""
    say("  Today: " + (", ".join(f"{name} {n}" for name, n in names) or "nobody wrote") + more)
    if lately.saved:
        say(f"  Saved today: {counted(lately.saved, 'lost update was', 'lost updates were')} put back: memshim lost")
    if conflicts:
        say(f"  {counted(conflicts, 'open conflict')}: memshim conflicts")
    if torn:
        say(f"  {counted(torn, 'damaged place')} in journals: memshim check")
    for incident in happened[-SHOWN:]:
        say(f"  Incident {age(incident['time'] * 1000)} ago: {_told(incident)}")
    if len(happened) > SHOWN:
        say(f"  {len(happened)} incidents since {clock(since * 1000)}: {incidents.path()}")
    say(f"  {counted(unfolded, 'entry', 'entries')} not folded yet; kept revisions {history / 1e6:.1f} MB")
    if lately.lone:
        name, share, total = lately.lone
        say(f"  {share:.0%} of the last {total} writes of this month are {name}'s: with one writer little can be lost.")
    say_notes(opened.notes)


def _protection() -> tuple[bool, str, str]:
    from memshim.agents.protection import protection

    return protection(".")


def _size(document: survey.Size) -> str:
    lines = f"{counted(document.lines, 'line')} of {LARGE_LINES}"
    characters = f"{document.characters:,} characters of {LARGE_CHARACTERS:,}"
    if document.name != "MEMORY.md":
        lines, characters = lines.rpartition(" of ")[0], characters.rpartition(" of ")[0]
    over = "; too large: agents are told to shorten it" if document.large else ""
    return f"  {document.name}: {lines}, {characters}{over}" + (
        "" if document.published else "; not published yet: memshim compact"
    )


def _told(incident: "dict[str, Any]") -> str:
    details = ", ".join(f"{key} {value}" for key, value in incident.items() if key not in ("time", "what"))
    return visible(f"{incident.get('what', '')}" + (f" ({details})" if details else ""))
