"""What documents are called, and were called when: ids stay, names change.  Must not know blocks, or files.

A document's first name is its id, unless it was created with another one.  An append cannot look anything up, so it
names its document as its writer knows it; what that meant follows from the entries that gave names before it.
"""

from memshim.text.facts import taken_back

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Docs = dict[str, dict[str, list[Any]]]  # doc -> entry -> [do, time, name or undone entries]


class Names:
    """Is the names of a state's documents; `given` are those that some entry gave, as (time, entry, document, name).

    `ever` tells whether any was given, also one that was taken back.
    """

    def __init__(self, docs: "Docs") -> None:
        gone = {
            doc: taken_back({e: said for e, (do, _, said) in tags.items() if do == "restore"})
            for doc, tags in docs.items()
        }
        self._made = {d: min(t for do, t, _ in tags.values()) for d, tags in docs.items() if tags}
        self.given = sorted(
            (time, entry, doc, str(said))
            for doc, tags in docs.items()
            for entry, (do, time, said) in tags.items()
            if do in ("create", "rename") and said and entry not in gone[doc]
        )
        self.ever = any(do in ("create", "rename") and said for tags in docs.values() for do, _, said in tags.values())
        self._now = {doc: name for _, _, doc, name in self.given}
        self._changed = {*self._now, *self._now.values(), *(name for *_, name in self.given)}

    def name(self, doc: str) -> str:
        """Returns a document's present name."""
        return self._now.get(doc, doc)

    def home(self, doc: str) -> str:
        """Returns the document in which this one is shown: the one that was given their name last, if several have it."""
        found = self.meant(self.name(doc))
        return found if found == doc else self.meant(self.name(found))

    def shown(self, doc: str, time: "str | None") -> str:
        """Returns the document that shows what was written to this one: an append (with its `time`) names it as its writer
        knew it then, all else by its id."""
        return self.home(doc if time is None else self.meant(doc, time))

    def meant(self, name: str, time: "str | None" = None) -> str:
        """Returns the document that somebody means by a name at a time (default: now).

        The one that has it; else the one that had it last; else the one whose id it is, which may be new.
        """
        if name not in self._changed:
            return name
        given = [row for row in self.given if time is None or row[0] <= time]
        now = {doc: called for _, _, doc, called in given}
        had = [doc for _, _, doc, called in reversed(given) if called == name]
        has = [doc for doc in had if now[doc] == name]
        born = name not in now and name in self._made and (time is None or self._made[name] <= time)
        return next(iter([*has, *([] if born else had), name]))
