"""What an entry did, in texts: what it added and took away, and the words to know it by.  Must not know how it is shown."""

from memshim.store import lookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from memshim.store.memory import Memory
    from memshim.text.entry import Entry, Op
    from memshim.text.facts import Facts


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
            yield Step(doc, [], _texts(memory, op["targets"]), "brought back")
        else:
            remark = _remark(op)
            if remark:
                yield Step(doc, [], [], remark)


def _written(memory: "Memory", op: "Op") -> list[bytes]:
    """Returns the texts that an operation's writer wrote: no blank lines, and no heading that the view had shown before."""
    owed = op.get("from", {})
    texts = enumerate(op.get("blocks") or ())
    return [t for n, t in texts if t.strip() and not any(memory.entry(i) for i in owed.get(str(n), ()))]


def _remark(op: "Op") -> str:
    if op.get("op") == "doc":
        verb = {"create": "made", "delete": "removed", "restore": "brought back", "rename": "renamed to"}.get(
            op["do"], ""
        )
        return f"document {verb} {op.get('name', '')}".strip()
    if op.get("op") == "resolve":
        return "the clash is open again" if op.get("undoes") else "a clash was settled"
    return ""


def _texts(memory: "Memory", blocks: list[str]) -> list[bytes]:
    found: list[Facts] = lookup.known(memory, blocks)
    return [f.definition().text for f in found if f.definition().text.strip()]


def words(memory: "Memory", entry: "Entry") -> tuple[str, bytes]:
    """Returns a sign and the text to know an entry by: what it wrote (""), else what it took away or brought back."""
    new = [text for op in entry.ops for text in _written(memory, op)]
    if new:
        return "", b" ".join(text.strip() for text in new[:20])
    for sign, kind in (("\u2212", "remove"), ("+", "restore")):
        named = [t for op in entry.ops if op.get("op") == kind for t in op["targets"][:20]]
        old = _texts(memory, named[:20])
        if old:
            return sign, b" ".join(text.strip() for text in old)
    remarks = [
        f"{memory.state.names.name(_document(memory, entry, op))} {_remark(op)}" if op.get("doc") else _remark(op)
        for op in entry.ops
    ]
    return "", "; ".join(r for r in remarks if r.strip()).encode("utf-8", "surrogateescape")
