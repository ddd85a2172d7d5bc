"""Looking up what a person names: an entry, a block, a text, a document.  Must not know how it is changed on disk."""

from memshim.errors import Ambiguous, BadInput, NotFound
from memshim.store.memory import Memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from memshim.text.entry import Entry, Op
    from memshim.text.facts import Facts
    from memshim.text.view import View

SHORT = 4
_MARKS = (b"- ", b"* ", b"+ ")


def entry(memory: Memory, name: str) -> "Entry":
    """Returns the entry with this id, or the only one whose id ends (or begins) with these four or more hex digits.

    Raises BadInput for what can be no id, NotFound, or Ambiguous with the ids.
    """
    digits = name.lower()
    if digits.strip("0123456789abcdef") or not SHORT <= len(digits) <= 32:
        raise BadInput(f"{name[:80]!r} is no id.", "memshim log prints the ids; the last 8 digits will do.")
    if len(digits) == 32:
        found = memory.entry(digits)
        matches = [found] if found is not None else []
    else:
        ids = list(memory.ids())
        names = [i for i in ids if i.endswith(digits)] or [i for i in ids if i.startswith(digits)]
        matches = [e for e in map(memory.entry, sorted(set(names), reverse=True)) if e is not None]
    if not matches:
        raise NotFound(f"There is no entry {name}", "memshim log prints the ids.")
    if len(matches) > 1:
        raise Ambiguous(f"{name} fits {len(matches)} entries.", [e.id for e in matches], "Give more of the id.")
    return matches[0]


def blocks_of(memory: Memory, name: str) -> "list[Facts]":
    """Returns the live blocks of an entry, or the live block with this id.  Raises NotFound where nothing of it is live."""
    block = memory.state.facts.get(name.lower())
    if block is not None and block.alive():
        return [block]
    wanted = entry(memory, name)
    made = [memory.state.facts.get(i) for _, _, i, _ in wanted.new_blocks()]
    live = [f for f in made if f is not None and f.alive() and f.definition().kind != "blank"]
    if not live:
        raise NotFound(
            f"Nothing of entry {wanted.id} is in a document any more.", "memshim log says what became of it."
        )
    return live


def block_with(memory: Memory, text: bytes, doc: str | None) -> "list[Facts]":
    """Returns the one live block equal to a text without list mark and outer space, else the only one that contains it.

    Equal blocks that the view shows as one are one.  Raises NotFound, or Ambiguous with the ids.
    """
    wanted = _bare(text)
    if not wanted:
        raise BadInput("The text to forget is empty.", 'For example: memshim forget --text "use pip"')
    docs = [memory.document_id(doc)] if doc else list(memory.documents())
    pieces = [p for d in docs for p in memory.view(d).pieces if p.ids and p.kind != "blank"]
    found = [p for p in pieces if _bare(p.bare) == wanted] or [p for p in pieces if wanted in p.bare]
    if not found:
        raise NotFound("No live block holds this text.", "memshim show prints what there is.")
    if len(found) > 1:
        ids = [p.ids[0] for p in found]
        listed = "\n".join(f"  {p.ids[0]}  {_first_line(p.bare)}" for p in found[:20])
        raise Ambiguous(f"{len(found)} blocks hold this text:\n{listed}", ids, "Name one: memshim forget ID")
    return [memory.state.facts[i] for i in found[0].ids]


def _bare(text: bytes) -> bytes:
    text = text.strip()
    if text.startswith(_MARKS):
        text = text[2:]
    else:
        number, dot, rest = text.partition(b". ")
        if dot and number.isdigit():
            text = rest
    return text.strip()


def _first_line(text: bytes) -> str:
    return text.decode("utf-8", "replace").splitlines()[0][:80]


def removal(view: "View", ids: set[str]) -> "list[Op]":
    """Returns the operations that remove blocks, and one of the two blank lines that would be left side by side."""
    targets: list[str] = []
    pieces = view.pieces
    for n, piece in enumerate(pieces):
        if not ids.intersection(piece.ids):
            continue
        targets += piece.ids
        before = pieces[n - 1] if n else None
        after = pieces[n + 1] if n + 1 < len(pieces) else None
        blank_before = before is None or before.kind == "blank" or bool(set(targets) & set(before.ids))
        if after is not None and after.kind == "blank" and after.ids and blank_before and piece.kind != "heading":
            targets += after.ids
    return [{"op": "remove", "doc": view.doc, "targets": list(dict.fromkeys(targets))}]


def restoration(memory: Memory, name: str) -> "tuple[str, list[Op]]":
    """Returns the document and the operations that take tombstones back.

    `name` is a removed document, a forget entry (or another that removed something), a forgotten entry, or a block.
    """
    for doc in memory.state.docs:
        if memory.state.names.name(doc) == name:
            deleters = memory.state.deleters(doc)
            if deleters and not memory.state.exists(doc):
                return doc, _undo(memory, deleters[-1:], doc)  # what the last removal took, not an older one
            raise NotFound(f"{name} is not removed.", "memshim log says what happened to it.")
    if name.endswith(".md"):
        raise NotFound(f"There never was a document {name}", "memshim log says what there was.")
    block = memory.snapshot.past.block(name.lower()) if len(name) == 32 else None
    block = memory.state.facts.get(name.lower(), block)
    if block is not None and block.defs:
        return memory.state.doc_of(block), _restore(memory, [block])
    wanted = entry(memory, name)
    gone = [t for op in wanted.ops if op.get("op") in ("remove", "replace") for t in op["targets"]]
    if gone and not any(True for _ in wanted.new_blocks()):
        docs = [op["doc"] for op in wanted.ops if op.get("op") == "doc" and op.get("do") == "delete"]
        facts = known(memory, gone)
        doc = docs[0] if docs else (memory.state.doc_of(facts[0]) if facts else "")
        return doc, _undo(memory, [wanted.id], doc if docs else None)
    facts = known(memory, [i for _, _, i, _ in wanted.new_blocks()])
    return (memory.state.doc_of(facts[0]) if facts else ""), _restore(memory, facts)


def known(memory: Memory, blocks: "Iterable[str]") -> "list[Facts]":
    """Returns what is known of blocks, live or dead."""
    found = (memory.state.known(b, memory.snapshot.past) for b in blocks)
    return [f for f in found if f is not None and f.defs]


def _restore(memory: Memory, blocks: "list[Facts]") -> "list[Op]":
    """Takes back what stands on some blocks; raises NotFound where nothing does."""
    ops: list[Op] = []
    for facts in blocks:
        killers = [e for e in facts.killers() if e not in memory.state.dropped]
        if killers:
            ops.append({"op": "restore", "doc": memory.state.doc_of(facts), "targets": [facts.id], "undoes": killers})
    if not ops:
        raise NotFound("Nothing of it is forgotten.", "memshim log says what happened to it.")
    return ops


def _undo(memory: Memory, entries: list[str], doc: str | None) -> "list[Op]":
    """Takes back what some entries removed, and the deletion of a document."""
    targets: list[str] = []
    for name in entries:
        found = memory.entry(name)
        for op in found.ops if found is not None else ():
            targets += op["targets"] if op.get("op") in ("remove", "replace") else []
    gone = [f.id for f in known(memory, dict.fromkeys(targets)) if set(f.killers()) & set(entries)]
    where = next((memory.state.doc_of(f) for f in known(memory, gone)), "")
    ops: list[Op] = [{"op": "restore", "doc": doc or where, "targets": gone, "undoes": entries}] if gone else []
    if doc is not None and memory.state.deleters(doc):
        ops.insert(0, {"op": "doc", "do": "restore", "doc": doc, "undoes": entries})
        ops.append({"op": "doc", "do": "create", "doc": doc})
    if not ops:
        raise NotFound("Nothing of it is forgotten.", "memshim log says what happened to it.")
    return ops
