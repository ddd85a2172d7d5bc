"""What an entry did, in texts: what it added and took away, and the words to know it by.  Must not know how it is shown."""

from memshim.store import lookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from memshim.store.memory import Memory
    from memshim.text.entry import Entry, Op
    from memshim.text.facts import Facts


DEEP = 50
"""How many undos of undos are followed."""


class Step:
    """Is one thing that an entry did: to which document, the texts that went and came, and a remark where there are none."""

    __slots__ = ("came", "doc", "remark", "went")

    def __init__(self, doc: str, went: list[bytes], came: list[bytes], remark: str = "") -> None:
        self.doc = doc
        self.went = went
        self.came = came
        self.remark = remark


def documents(memory: "Memory", entry: "Entry") -> "dict[str, str]":
    """Returns the documents that an entry concerns, by the ids and names that they have now."""
    docs = dict.fromkeys(_document(memory, entry, op) for op in entry.ops if op.get("doc"))
    return {doc: memory.state.names.name(doc) for doc in docs}


def _document(memory: "Memory", entry: "Entry", op: "Op") -> str:
    return memory.state.names.shown(op["doc"], entry.time if op.get("section") is not None else None)


def steps(memory: "Memory", entry: "Entry") -> "Iterator[Step]":
    """Yields what an entry did, in its order; blank lines and places that it only fixed are left out."""
    for op in entry.ops:
        doc = memory.state.names.name(_document(memory, entry, op)) if op.get("doc") else ""
        new = _written(memory, op)
        what = op.get("op")
        if what == "add" and new and not op.get("ids"):
            under = f"under {op['section']}" if op.get("section") else ""
            yield Step(doc, [], new, under)
        elif what == "add" and new:
            yield Step(doc, [], new)
        elif what in ("replace", "remove"):
            old = _texts(memory, op["targets"])
            if old or new:
                yield Step(doc, old, new)
        elif what == "restore":
            went, came = _turned(memory, entry, op["targets"])
            yield Step(doc, went, came, "" if went else "brought back")
        else:
            remark = _remark(memory, op)
            if remark:
                yield Step(doc, [], [], remark)


def _written(memory: "Memory", op: "Op") -> list[bytes]:
    """Returns the texts that an operation's writer wrote: no blank lines, and no heading that the view had shown before."""
    owed = op.get("from", {})
    texts = enumerate(op.get("blocks") or ())
    return [t for n, t in texts if t.strip() and not any(memory.entry(i) for i in owed.get(str(n), ()))]


def _remark(memory: "Memory", op: "Op") -> str:
    if op.get("op") == "doc":
        did = op["do"]
        if did == "restore":
            tags = memory.state.docs.get(op["doc"], {})
            did = "restore " + next((tags[entry][0] for entry in op["undoes"] if entry in tags), "delete")
        return f"document {_VERBS.get(did, did)} {op.get('name', '')}".strip()
    if op.get("op") == "resolve":
        return "the clash is open again" if op.get("undoes") else "a clash was settled"
    if op.get("op") == "redact":
        return "a text was erased"
    return ""


_VERBS = {
    "create": "made", "delete": "removed", "rename": "renamed to", "restore create": "removed",
    "restore delete": "brought back", "restore rename": "named as before", "restore restore": "as before that",
}  # fmt: skip


def _texts(memory: "Memory", blocks: list[str]) -> list[bytes]:
    return [f.definition().text for f in _said(memory, blocks)]


def _said(memory: "Memory", blocks: list[str]) -> "list[Facts]":
    return [f for f in lookup.known(memory, blocks) if f.definition().text.strip()]


def _turned(memory: "Memory", entry: "Entry", blocks: list[str]) -> tuple[list[bytes], list[bytes]]:
    """Returns the texts of those blocks that a restoration took away, and of those that it brought back."""
    found = [(_effect(facts, entry.id), facts.definition().text) for facts in _said(memory, blocks)]
    return [text for effect, text in found if effect < 0], [text for effect, text in found if effect > 0]


def _effect(facts: "Facts", entry: str, depth: int = 0) -> int:
    """Returns 1 where an entry brought a block, -1 where it took it away, 0 where it did neither: an undo does the
    contrary of what it takes back."""
    if entry in facts.undone and depth < DEEP:
        undone = [-_effect(facts, other, depth + 1) for other in facts.undone[entry]]
        return max(undone, key=abs, default=1)
    return 1 if entry in facts.defs else -1 if entry in facts.kills else 0


def words(memory: "Memory", entry: "Entry") -> tuple[str, bytes]:
    """Returns a sign and the text to know an entry by: what it wrote (""), else what it took away or brought back."""
    new = [text for op in entry.ops for text in _written(memory, op)]
    if new:
        return "", b" ".join(text.strip() for text in new[:20])
    removed = _texts(memory, _named(entry, "remove"))
    went, came = _turned(memory, entry, _named(entry, "restore"))
    for sign, texts in (("\u2212", removed), ("+", came), ("\u2212", went)):
        if texts:
            return sign, b" ".join(text.strip() for text in texts)
    remarks = [
        f"{memory.state.names.name(_document(memory, entry, op))} {_remark(memory, op)}"
        if op.get("doc")
        else _remark(memory, op)
        for op in entry.ops
    ]
    return "", "; ".join(r for r in remarks if r.strip()).encode("utf-8", "surrogateescape")


def _named(entry: "Entry", kind: str) -> list[str]:
    """Returns the first blocks that an entry's operations of one kind name."""
    return [t for op in entry.ops if op.get("op") == kind for t in op["targets"][:20]][:20]
