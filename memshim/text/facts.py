"""Facts about one block, each tagged with the entry that said it; gathering them in any order comes to the same.

Must not know other blocks, or what a document looks like.
"""

KINDS = {
    "_": "blank", "h": "heading", "b": "bullet", "o": "ordered", "p": "paragraph",
    "r": "row", "f": "fence", "m": "front", "c": "comment",
}  # fmt: skip
CODES = {kind: code for code, kind in KINDS.items()}


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
        self.undone: dict[str, list[str]] = {}  # restoring entry -> the entries whose kills it takes back
        self.moves: dict[str, tuple[str, str, str]] = {}  # entry -> time, key, line end

    def definition(self) -> Def:
        """Returns the definition that counts: the earliest (several entries may carry on one id)."""
        if len(self.defs) == 1:
            return next(iter(self.defs.values()))
        return min(self.defs.values(), key=Def.rank)

    def killers(self) -> "list[str]":
        """Returns the entries whose tombstones stand: those that no restoration had seen."""
        if not self.kills:
            return []
        undone = {entry for seen in self.undone.values() for entry in seen}
        return [entry for entry in self.kills if entry not in undone]

    def alive(self) -> bool:
        """Tells whether the block is defined and no tombstone on it stands."""
        return bool(self.defs) and not self.killers()

    def place(self) -> "str | None":
        """Returns the key where the block stands, or None where it hangs at the end of its section."""
        return self._last_move()[2] if self.moves else self.definition().at

    def eol(self) -> str:
        """Returns the line end that was fixed with the place of a text that has none of its own, or ""."""
        return self._last_move()[3] if self.moves else ""

    def _last_move(self) -> tuple[str, str, str, str]:
        return max((time, entry, at, eol) for entry, (time, at, eol) in self.moves.items())

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
