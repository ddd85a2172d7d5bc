"""Says: what an agent is told, in one or two short sentences.  Must not know how it reaches the agent.

Nothing when nothing happened.  Others' words are only quoted, short and without control characters; agents go by the
names that people use.
"""

from memshim.text.blocks import split_lines
from memshim.text.view import readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memshim.store.intake import Taken
    from memshim.store.turn import Turn
    from memshim.text.view import View

QUOTED = 120


def saved(name: str) -> str:
    """Says that a refused change is there all the same."""
    return (
        f"memshim saved this change: it is merged into {quote(name)} with what was written there meanwhile, "
        "so nothing needs to be done."
    )


def about(turn: "Turn", doc: str, taken: "Taken", before: "View | None", target: bytes, me: str) -> list[str]:
    """Says what a merge did that its agent should know; `before` is the view that a whole text was written over."""
    name = quote(turn.name(doc))
    if taken.entry is None:
        return []
    clash = _clash(turn, doc, name, taken)
    if clash:
        return [clash]
    if taken.merged.settled:
        return [f"memshim merged this change with another of the same lines in {name}; both are accounted for."]
    kept = _kept(turn, doc, before, target, me) if before is not None else []
    if not kept:
        return []
    who = sorted({readable(agent) for _, agent in kept} - {"before"})
    lines = "a line" if len(kept) == 1 else f"{len(kept)} lines"
    of = f" of {' and '.join(who[:3])}" if who else ""
    return [f"memshim kept {lines}{of} in {name} that this text left out without having seen: “{quote(kept[0][0])}”."]


def _clash(turn: "Turn", doc: str, name: str, taken: "Taken") -> str:
    """Says which two texts stand side by side, and what settles it; "" where none do.

    The view knows it, also where the change was adopted before its call told, and only its author is new.
    """
    mine = taken.entry.id if taken.entry is not None else ""
    for conflict in turn.memory.state.conflicts(doc):
        blocks = [f.definition() for f in conflict.blocks]
        told = f"marked (conflict {conflict.label}). Edit the file to leave what is right."
        other = next((said for said in blocks if said.entry != mine), None)
        if mine in conflict.removers and other is not None:
            what = f"{readable(other.agent)} changed what this change removes in {name} (“{quote(other.text)}”)"
            return f"{what}; memshim kept it, {told}"
        if not any(said.entry == mine for said in blocks):
            continue
        if other is not None:
            what = f"This change clashes with {readable(other.agent)}'s (“{quote(other.text)}”) in {name}"
            return f"{what}; memshim kept both, {told}"
        remover = next((e for e in map(turn.memory.entry, conflict.removers) if e is not None), None)
        who = readable(remover.agent) if remover is not None else "Another agent"
        return f"{who} removed what this change edits in {name}; memshim kept your text, {told}"
    if not taken.merged.conflicts:
        return ""
    return f"A part of this change clashes with another's in {name}; memshim kept both. Edit the file to leave what is right."


def _kept(turn: "Turn", doc: str, before: "View", target: bytes, me: str) -> "list[tuple[bytes, str]]":
    """Returns the lines, with their agents, that a text written over them did not have and that are still there."""
    written = {line.rstrip() for line in split_lines(target)}
    there = {i for p in turn.memory.view(doc).pieces for i in p.ids}
    found: list[tuple[bytes, str]] = []
    for piece in before.pieces:
        agents = [turn.memory.state.facts[i].definition().agent for i in piece.ids if i in there]
        if piece.kind != "blank" and agents and me not in agents and piece.data.strip():
            found += [
                (line, agents[0]) for line in split_lines(piece.data) if line.strip() and line.rstrip() not in written
            ]
    return found


def quote(text: "bytes | str") -> str:
    """Returns the first line of a text as it may be quoted: at most 120 characters, no control characters."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    line = next((line for line in words.splitlines() if line.strip()), "").strip()
    line = "".join(c for c in line if c.isprintable())
    return line if len(line) <= QUOTED else line[: QUOTED - 1] + "…"
