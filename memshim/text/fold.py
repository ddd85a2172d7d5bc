"""The fold: entries become facts about blocks, in any order, and facts say what is live.  Must not know files or the disk.

Facts only ever gather: a definition, a tombstone, a restoration is tagged with its entry and kept in a map.  So applying
entries in any order, in any split, or twice gives the same facts; that is what lets a snapshot stand for the entries
it was made of.  The one exception, an entry named in another's `replaces`, takes exactly its own tags away again.
"""

from memshim.text import blocks as markdown
from memshim.text.conflict import Conflict, find_conflicts
from memshim.text.entry import Entry
from memshim.text.facts import KINDS, Def, Facts, taken_back
from memshim.text.names import Names
from memshim.text.position import key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Protocol

    from memshim.text.entry import Op

    class Cold(Protocol):
        """What a fold may ask about the past: a block or an entry (None: never seen), and whether an entry is folded."""

        def block(self, block: str) -> Facts | None: ...

        def entry(self, entry: str) -> Entry | None: ...

        def folded(self, entry: str) -> bool: ...


class State:
    """Is the folded state of a set of entries: hot facts by block, and what the documents and headings went through."""

    def __init__(self) -> None:
        self.facts: dict[str, Facts] = {}
        self.docs: dict[str, dict[str, list[Any]]] = {}  # doc -> entry -> [do, time, name or undone entries]
        self.resolved: dict[str, list[str]] = {}  # entry -> blocks
        self.reopened: dict[str, list[str]] = {}  # entry -> the entries whose settlements it takes back
        self.redacted: dict[str, list[Any]] = {}  # entry -> salt, digests, sizes
        self.dropped: set[str] = set()
        self.headings: dict[str, dict[str, dict[str, str]]] = {}  # doc -> title -> slot -> time, of replaced headings
        self.latest = ""
        self._names: Names | None = None  # these three: until something is gathered
        self._live: dict[str, list[Facts]] | None = None  # by document
        self._open: list[Conflict] | None = None

    # -- gathering ------------------------------------------------------------------------------------------

    def apply(self, entries: "Iterable[Entry]", cold: "Cold") -> "list[Entry]":
        """Gathers the facts of entries; returns those that were new to this state and its past, each once."""
        self._changed()
        batch: dict[str, Entry] = {}
        for entry in entries:
            known = batch.get(entry.id)
            if known is None:
                if not cold.folded(entry.id):
                    batch[entry.id] = entry
            elif entry.time < known.time:
                batch[entry.id] = entry  # one call taken in twice: the earlier copy, whichever comes first
        for entry in batch.values():
            for gone in entry.replaces:
                self._drop(gone, cold)
        for entry in batch.values():
            self.latest = max(self.latest, entry.time)
            if entry.id not in self.dropped:
                self._gather(entry, cold)
        return list(batch.values())

    def _drop(self, entry: str, cold: "Cold") -> None:
        if entry in self.dropped:
            return
        self.dropped.add(entry)
        old = cold.entry(entry)
        if old is not None:
            for block in named(old):
                self._thaw(block, cold).forget(entry)
        else:
            for facts in self.facts.values():  # gathered before, and in no snapshot yet
                facts.forget(entry)
        self._unresolve(entry)
        for tags in self.docs.values():
            tags.pop(entry, None)

    def _unresolve(self, entry: str) -> None:
        self.resolved.pop(entry, None)
        self.reopened.pop(entry, None)

    def _thaw(self, block: str, cold: "Cold") -> Facts:
        """Returns the hot facts of a block, brought back from the past if need be, with those of what it replaced."""
        facts = self.facts.get(block)
        if facts is None:
            facts = self._bring_back(block, cold)
            for target in {t for said in facts.defs.values() for t in said.targets} - self.facts.keys():
                self._bring_back(target, cold)
        return facts

    def _bring_back(self, block: str, cold: "Cold") -> Facts:
        facts = self.facts[block] = self.known(block, cold) or Facts(block)
        return facts

    def known(self, block: str, cold: "Cold") -> "Facts | None":
        """Returns what is known of a block, live or dead, and leaves it where it is."""
        facts = self.facts.get(block)
        if facts is None:
            facts = cold.block(block)
            if facts is not None:
                for entry in self.dropped:
                    facts.forget(entry)  # the segments still hold what a dropped entry said
        return facts

    def _own(self, block: str) -> Facts:
        facts = self.facts.get(block)
        if facts is None:
            facts = self.facts[block] = Facts(block)
        return facts

    def _gather(self, entry: Entry, cold: "Cold") -> None:
        for ordinal, (op, n, block, text) in enumerate(entry.new_blocks()):
            given = n < len(op.get("ids") or ())
            facts = self._thaw(block, cold) if given else self._own(block)
            codes = op.get("kinds", "")
            kind = KINDS.get(codes[n : n + 1]) or markdown.kind_of(text)
            at = op.get("at")
            facts.defs[entry.id] = Def(
                op["doc"],
                text,
                kind,
                None if at is None else (at if op["op"] == "replace" else key(at, n)),
                op.get("section"),
                op.get("slot") or block,
                entry.id,
                entry.time,
                entry.agent,
                ordinal,
                tuple(op.get("targets") or ()),
                bool(op.get("apart")),
                tuple(op["from"].get(str(n), ())) if "from" in op else (),
            )
        for op in entry.ops:
            what = op.get("op")
            if what in ("replace", "remove"):
                for target in op["targets"]:
                    self._thaw(target, cold).kills[entry.id] = what
            elif what == "restore":
                for target in op["targets"]:
                    self._thaw(target, cold).undone[entry.id] = list(op["undoes"])
            elif what == "move":
                for n, target in enumerate(op["targets"]):
                    self._thaw(target, cold).moves[entry.id] = (entry.time, key(op["at"], n), op.get("eol", ""))
            elif what == "resolve":
                self.resolved[entry.id] = list(op["settles"])
                if op.get("undoes"):
                    self.reopened[entry.id] = list(op["undoes"])
            elif what == "redact":
                self.redacted[entry.id] = [op["salt"], op["digests"], op["sizes"]]
            elif what == "doc":
                said = op.get("undoes", []) if op["do"] in ("delete", "restore") else op.get("name", "")
                self.docs.setdefault(op["doc"], {})[entry.id] = [op["do"], entry.time, said]

    # -- asking ---------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        self._names = self._live = self._open = None

    @property
    def names(self) -> Names:
        """Returns what the documents are called."""
        if self._names is None:
            self._names = Names(self.docs)
        return self._names

    def doc_of(self, facts: Facts) -> str:
        """Returns the document that shows a block."""
        said = facts.definition()
        return self.names.shown(said.doc, said.time if said.section is not None else None)

    def _by_document(self) -> dict[str, list[Facts]]:
        if self._live is None:
            self._live = {}
            for facts in self.facts.values():
                if facts.alive():
                    self._live.setdefault(self.doc_of(facts), []).append(facts)
        return self._live

    def live(self, doc: str) -> list[Facts]:
        """Returns the live blocks of a document, in no order."""
        return self._by_document().get(doc, [])

    def is_placeless(self, doc: str) -> bool:
        """Tells whether nothing of a document has a place: it is new, or all its text was appended."""
        return all(facts.place() is None for facts in self.live(doc))

    def documents(self) -> "dict[str, str]":
        """Returns the documents that exist, by id, with their names: those with live text, and those made and not deleted."""
        found = set(self._by_document()) | {self.names.home(doc) for doc in self.docs if self.made(doc)}
        return {doc: self.names.name(doc) for doc in sorted(found)}

    def exists(self, doc: str) -> bool:
        """Tells whether a document has live text, or was made and not deleted."""
        return doc in self._by_document() or any(self.made(d) for d in self._shown_in(doc))

    def _shown_in(self, doc: str) -> "list[str]":
        return [other for other in self.docs if self.names.home(other) == doc]

    def deleters(self, doc: str) -> "list[str]":
        """Returns the entries whose deletion of this document stands, oldest first."""
        tags = self.docs.get(doc, {})
        gone = self._taken_back(doc)
        return [
            e for _, e in sorted((time, e) for e, (do, time, _) in tags.items() if do == "delete" and e not in gone)
        ]

    def is_undone(self, doc: str, entry: str) -> bool:
        """Tells whether what an entry said of a document was taken back."""
        return entry in self._taken_back(doc)

    def _taken_back(self, doc: str) -> "set[str]":
        return taken_back({e: said for e, (do, _, said) in self.docs.get(doc, {}).items() if do == "restore"})

    def made(self, doc: str) -> bool:
        """Tells whether a creation of the document stands, whether or not it has text."""
        tags = self.docs.get(doc, {})
        gone = {seen for e in self.deleters(doc) for seen in tags[e][2]} | self._taken_back(doc)
        return any(do == "create" and e not in gone for e, (do, _, _) in tags.items())

    def deletion(self, doc: str) -> "list[Op]":
        """Returns the operations that delete a document: they name the creations that they take back, and ask no clock."""
        ops: list[Op] = []
        for one in sorted({doc, *self._shown_in(doc)}):
            seen = [e for e, (do, _, _) in self.docs.get(one, {}).items() if do == "create"]
            ops.append({"op": "doc", "do": "delete", "doc": one, "undoes": sorted(seen)})
        return ops

    def conflicts(self, doc: "str | None" = None) -> "list[Conflict]":
        """Returns the open conflicts, labelled `c` and the shortest part of the slot's id that is not ambiguous."""
        if self._open is None:
            everything = [f for live in self._by_document().values() for f in live]
            self._open = find_conflicts(everything, self.facts, self._settled())
        return [c for c in self._open if doc is None or self.doc_of(c.blocks[0]) == doc]

    def _settled(self) -> "list[list[str]]":
        gone = taken_back(self.reopened)
        return [blocks for entry, blocks in self.resolved.items() if entry not in gone]

    # -- snapshots ------------------------------------------------------------------------------------------

    def freeze(self) -> "list[Facts]":
        """Takes the dead blocks out of the hot facts and returns them; a block that an open conflict needs stays."""
        self._changed()
        needed = {t for c in self.conflicts() for f in c.blocks for t in f.definition().targets}
        cold = [f for f in self.facts.values() if f.defs and f.id not in needed and not f.alive()]
        for facts in cold:
            self._remember_heading(facts)
            del self.facts[facts.id]
        self._changed()
        return cold

    def _remember_heading(self, facts: Facts) -> None:
        said = facts.definition()
        if said.kind == "heading" and "replace" in facts.kills.values():
            title = markdown.heading_title(markdown.Block("heading", said.text))
            self.headings.setdefault(said.doc, {}).setdefault(title, {})[said.slot] = said.time

    def replaced_headings(self) -> "dict[str, dict[str, str]]":
        """Returns title -> slot -> time for the headings that were replaced, frozen or not, in whatever document."""
        found: dict[str, dict[str, str]] = {}
        for titles in self.headings.values():
            for title, slots in titles.items():
                found.setdefault(title, {}).update(slots)
        for facts in self.facts.values():
            if facts.defs and not facts.alive() and "replace" in facts.kills.values():
                said = facts.definition()
                if said.kind == "heading":
                    title = markdown.heading_title(markdown.Block("heading", said.text))
                    found.setdefault(title, {})[said.slot] = said.time
        return found

    def unite(self, other: "State", cold: "Cold") -> None:
        """Adds another state's facts (two compactors that did not see each other); `cold` must know both pasts."""
        self._changed()
        self.dropped |= other.dropped
        for block, facts in other.facts.items():
            self._thaw(block, cold).unite(facts)
        for block in list(self.facts):
            past = cold.block(block)
            if past is not None:
                self.facts[block].unite(past)
        for doc, tags in other.docs.items():
            self.docs.setdefault(doc, {}).update(tags)
        for doc, titles in other.headings.items():
            for title, slots in titles.items():
                self.headings.setdefault(doc, {}).setdefault(title, {}).update(slots)
        self.resolved.update(other.resolved)
        self.reopened.update(other.reopened)
        self.redacted.update(other.redacted)
        self.latest = max(self.latest, other.latest)
        for gone in self.dropped:
            old_entry = cold.entry(gone)
            for block in named(old_entry) if old_entry is not None else ():
                self._thaw(block, cold)
            self._unresolve(gone)
            for tags in self.docs.values():
                tags.pop(gone, None)
        for facts in list(self.facts.values()):
            for target in {t for said in facts.defs.values() for t in said.targets} - self.facts.keys():
                self._bring_back(target, cold)
        for facts in self.facts.values():
            for entry in self.dropped:
                facts.forget(entry)


def named(entry: Entry) -> "set[str]":
    """Returns every block that an entry says something about."""
    names = {block for _, _, block, _ in entry.new_blocks()}
    for op in entry.ops:
        names.update(op.get("targets") or ())
    return names
