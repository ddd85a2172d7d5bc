"""Facts about one block, each tagged with the entry that said it; gathering them in any order comes to the same.

Must not know other blocks, or what a document looks like.
"""

KINDS = {
    "_": "blank", "h": "heading", "b": "bullet", "o": "ordered", "p": "paragraph",
    "r": "row", "f": "fence", "m": "front", "c": "comment",
}  # fmt: skip
CODES = {kind: code for code, kind in KINDS.items()}


def taken_back(undone: "dict[str, list[str]]") -> set[str]:
    """Returns the entries that a restoration takes back, itself not taken back; `undone` is restoration -> entries.

    So what was undone and done again stands.  A restoration names only what is older than it, and ids begin with the time.
    """
    gone: set[str] = set()
    for entry in sorted(undone, reverse=True):
        if entry not in gone:
            gone.update(undone[entry])
    return gone


class Def:
    """Is what one entry says a block is: its text, and where it stands."""

    __slots__ = (
        "agent",
        "apart",
        "at",
        "doc",
        "entry",
        "kind",
        "lines_from",
        "ordinal",
        "section",
        "slot",
        "targets",
        "text",
        "time",
    )

    def __init__(
        self,
        doc: str,
        text: bytes,
        kind: str,
        at: "str | None",
        section: "str | None",
        slot: str,
        entry: str,
        time: str,
        agent: str,
        ordinal: int,
        targets: "tuple[str, ...]" = (),
        apart: bool = False,
        lines_from: "tuple[str, ...]" = (),
    ) -> None:
        self.doc = doc
        self.text = text
        self.kind = kind
        self.at = at
        self.section = section
        self.slot = slot
        self.entry = entry
        self.time = time
        self.agent = agent
        self.ordinal = ordinal
        self.targets = targets
        self.apart = apart
        self.lines_from = lines_from  # blocks, or entries, that wrote lines of this text; its targets apart

    def rank(self) -> "tuple[str, str, int]":
        """Orders definitions: by time, then by entry, then within the entry."""
        return (self.time, self.entry, self.ordinal)


class Facts:
    """Is everything known about one block, each fact tagged with the entry that said it."""

    __slots__ = ("defs", "id", "kills", "moves", "undone")

    def __init__(self, id: str) -> None:
        self.id = id
        self.defs: dict[str, Def] = {}
        self.kills: dict[str, str] = {}  # entry -> "remove" or "replace"
        self.undone: dict[
            str, list[str]
        ] = {}  # restoring entry -> the entries of which it takes back what they did here
        self.moves: dict[str, tuple[str, str, str]] = {}  # entry -> time, key, line end

    def definition(self) -> Def:
        """Returns the definition that counts: the earliest that stands (several entries may carry on one id)."""
        if len(self.defs) == 1:
            return next(iter(self.defs.values()))
        return min(self.said() or self.defs.values(), key=Def.rank)

    def taken_back(self) -> set[str]:
        """Returns the entries of which nothing counts any more that they said of this block."""
        return taken_back(self.undone) if self.undone else set()

    def said(self) -> "list[Def]":
        """Returns the definitions that stand, in their order: that of the map is the order in which they came."""
        gone = self.taken_back()
        found = [said for entry, said in self.defs.items() if entry not in gone]
        return sorted(found, key=Def.rank) if len(found) > 1 else found

    def killers(self) -> "list[str]":
        """Returns the entries whose tombstones stand, because no restoration had seen them; and those that took back
        all that ever defined the block."""
        if not self.undone:
            return list(self.kills)
        gone = self.taken_back()
        found = [entry for entry in self.kills if entry not in gone]
        if gone.issuperset(self.defs):
            found += [e for e, seen in self.undone.items() if e not in gone and not self.defs.keys().isdisjoint(seen)]
        return found

    def alive(self) -> bool:
        """Tells whether a definition of the block stands, and no tombstone on it."""
        return bool(self.defs) and not self.killers()

    def place(self) -> "str | None":
        """Returns the key where the block stands, or None where it hangs at the end of its section."""
        last = self._last_move()
        return last[2] if last is not None else self.definition().at

    def is_moved(self) -> bool:
        """Tells whether a move of the block stands."""
        return self._last_move() is not None

    def eol(self) -> str:
        """Returns the line end that was fixed with the place of a text that has none of its own, or ""."""
        last = self._last_move()
        return last[3] if last is not None else ""

    def _last_move(self) -> "tuple[str, str, str, str] | None":
        if not self.moves:
            return None
        gone = self.taken_back()
        return max(
            ((t, entry, at, eol) for entry, (t, at, eol) in self.moves.items() if entry not in gone), default=None
        )

    def forget(self, entry: str) -> None:
        """Takes away what this entry said."""
        for tags in (self.defs, self.kills, self.undone, self.moves):
            tags.pop(entry, None)

    def unite(self, other: "Facts") -> None:
        """Adds what another copy of these facts knows."""
        self.defs.update(other.defs)
        self.kills.update(other.kills)
        self.undone.update(other.undone)
        self.moves.update(other.moves)
