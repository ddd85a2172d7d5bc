"""Undo: what an entry did is taken back by another entry.  Must not know the lock, or how it is shown.

One restoration names everything that the entry said something about: its definitions, tombstones and places count no more,
so the fold is that of a history without it, and taking the undo back in the same way brings all of it again.  Only where
somebody changed the same block since, the two are merged, by the one merge.
"""

from memshim.errors import BadInput, NotFound, RevisionMismatch
from memshim.store import lookup
from memshim.store.change import Plan
from memshim.store.history import now_ms, revision_of
from memshim.store.turn import Turn
from memshim.text.entry import Entry, make_id, make_time
from memshim.text.facts import CODES, Facts
from memshim.text.fold import named
from memshim.text.merge import merge
from memshim.text.position import between, key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from memshim.store.memory import Memory
    from memshim.text.entry import Op

NEVER = {"init": "It is the text that the store began with; memshim forget removes parts of it.",
         "redact": "What was erased is gone."}  # fmt: skip


def undo(turn: Turn, name: str | None, agent: str) -> Plan:
    """Decides what takes an entry back: that with this id, else the newest of this agent.

    Raises NotFound where nothing of it is left, BadInput for what cannot be taken back, and RevisionMismatch, with the
    texts, where what came after it on the same block clashes.
    """
    memory = turn.memory
    entry = lookup.entry(memory, name) if name is not None else _newest(memory, agent)
    if entry.kind in NEVER:
        raise BadInput(f"Entry {entry.id} cannot be taken back.", NEVER[entry.kind])
    if entry.id in memory.state.dropped:
        raise NotFound(f"Entry {entry.id} was replaced by another, which tells the same better.", "memshim log has it.")
    ops = _documents(memory, entry)
    blocks = {f.id: f for f in lookup.known(memory, named(entry)) if _says(f, entry)}
    targets = list(blocks)
    for slot in dict.fromkeys(f.definition().slot for f in blocks.values()):
        mine = [f for f in blocks.values() if f.definition().slot == slot]
        later = _changed_since(memory, entry, slot, mine)
        if later is not None:
            ops += _merged(turn, entry, mine, later)
            targets = [t for t in targets if t not in {f.id for f in mine}]
    if targets:
        doc = blocks[targets[0]].definition().doc
        ops.insert(0, {"op": "restore", "doc": doc, "targets": sorted(targets), "undoes": [entry.id]})
    if not ops:
        raise NotFound(f"Nothing of entry {entry.id} is left to take back.", "memshim log says what became of it.")
    return Plan("undo", _where(memory, entry, blocks), ops, {"undoes": entry.id})


def _where(memory: "Memory", entry: Entry, blocks: "dict[str, Facts]") -> str:
    docs = [memory.state.doc_of(f) for f in blocks.values()] or entry.documents()
    return docs[0] if docs else "MEMORY.md"


def _newest(memory: "Memory", agent: str) -> Entry:
    found = next((e for e in memory.entries() if e.agent.lower() == agent.lower()), None)
    if found is None:
        raise NotFound(f"There is no entry of {agent}.", "Name one: memshim undo ID; memshim log prints the ids.")
    return found


def _says(facts: Facts, entry: Entry) -> bool:
    """Tells whether what the entry said of a block still counts."""
    standing = {d.entry for d in facts.said()} | set(facts.killers()) | facts.moves.keys() | facts.undone.keys()
    return entry.id in standing and entry.id not in facts.taken_back()


def _documents(memory: "Memory", entry: Entry) -> "list[Op]":
    """Returns what takes back that an entry made, removed or renamed documents, or settled clashes."""
    ops: list[Op] = []
    for op in entry.ops:
        doc = op.get("doc", "")
        if (
            op.get("op") == "doc"
            and entry.id in memory.state.docs.get(doc, {})
            and not memory.state.is_undone(doc, entry.id)
        ):
            ops.append({"op": "doc", "do": "restore", "doc": doc, "undoes": [entry.id]})
        if op.get("op") == "resolve" and entry.id in memory.state.resolved:
            ops.append({"op": "resolve", "settles": [], "undoes": [entry.id]})
    return [op for n, op in enumerate(ops) if op not in ops[:n]]


# --- what came after it -------------------------------------------------------------------------------------


def _changed_since(memory: "Memory", entry: Entry, slot: str, mine: "list[Facts]") -> "list[Facts] | None":
    """Returns the blocks of a slot that are live now, if they are not those that the entry had left there; else None."""
    left = {f.id for f in mine if _as_of(memory, f, entry, True).alive()}
    live = [f for f in memory.state.facts.values() if f.alive() and f.definition().slot == slot]
    ids = {f.id for f in mine}
    now = [f for f in live if f.id in ids or not _before(f, entry)]
    return None if {f.id for f in now} == left else now


def _before(facts: Facts, entry: Entry) -> bool:
    said = facts.definition()
    return (said.time, said.entry) < (entry.time, entry.id)


def _as_of(memory: "Memory", facts: Facts, entry: Entry, included: bool) -> Facts:
    """Returns the facts of a block as they were when the entry was made, with or without what it said itself."""
    then = Facts(facts.id)
    then.unite(facts)
    tags = {*facts.defs, *facts.kills, *facts.undone, *facts.moves}
    for tag in tags:
        other = memory.entry(tag)
        rank = (other.time, other.id) if other is not None else ("", "")
        if rank > (entry.time, entry.id) or (tag == entry.id and not included):
            then.forget(tag)
    return then


def _merged(turn: Turn, entry: Entry, mine: "list[Facts]", now: "list[Facts]") -> "list[Op]":
    """Returns what brings a slot to the merge of what the entry took back and what came after it."""
    memory = turn.memory
    base = _text(f for f in mine if _as_of(memory, f, entry, True).alive())
    theirs = _text(f for f in mine if _as_of(memory, f, entry, False).alive())
    ours = _text(now)
    merged = merge(base, ours, theirs)
    if merged.conflicts or len(now) > 1:
        found = [(c.base, c.ours, c.theirs) for c in merged.conflicts] or [(base, ours, theirs)]
        doc = memory.state.doc_of(mine[0])
        hint = "Nothing was changed. Take the later change back first, or edit the text as it is now."
        raise RevisionMismatch(
            f"What entry {entry.id} did was changed since, and that clashes.",
            revision_of(memory.view(doc).text),
            found,
            hint,
        )
    if merged.text == ours:
        return []
    first = (now or mine)[0]
    said = first.definition()
    where = {"doc": memory.state.doc_of(first)}
    if not merged.text.strip():
        return [{"op": "remove", **where, "targets": [f.id for f in now]}]
    at = first.place() or key(between(_last_key(memory, where["doc"]), None, turn.tag()), 0)
    op: Op = {"op": "replace", **where, "targets": [f.id for f in now], "slot": said.slot, "at": at}
    return [{**op, "kinds": CODES[said.kind], "blocks": [merged.text]}]


def _text(blocks: "Iterable[Facts]") -> bytes:
    return b"".join(f.definition().text for f in sorted(blocks, key=lambda f: f.definition().rank()))


def _last_key(memory: "Memory", doc: str) -> str | None:
    return max((p.placed for p in memory.view(doc).pieces if p.placed), default=None)


def preview(turn: Turn, plan: Plan) -> list[tuple[str, bytes, bytes]]:
    """Returns what a decided change would make of the documents, as (name, before, after); the turn is of no use afterwards."""
    memory = turn.memory
    before = {doc: memory.view(doc).text for doc in memory.documents()}
    time = make_time(now_ms(), memory.state.latest)
    memory.take(Entry(make_id(time, turn.replica, "00000000"), time, plan.kind, "cli", plan.ops))
    docs = dict.fromkeys([*before, *memory.documents()])
    pairs = [(turn.name(doc), before.get(doc, b""), memory.view(doc).text) for doc in docs]
    return [pair for pair in pairs if pair[1] != pair[2]]
