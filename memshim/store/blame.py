"""Blame: who wrote each line of a document, when and why.  Must not know how it is shown."""

from memshim.text.lines import line_map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memshim.store.memory import Memory
    from memshim.text.entry import Entry
    from memshim.text.sections import Piece


class Blamed:
    """Is a line of a document with its number (from 1), its piece, and the entries that wrote it, oldest first."""

    __slots__ = ("data", "entries", "number", "piece")

    def __init__(self, number: int, data: bytes, piece: "Piece", entries: "list[Entry]") -> None:
        self.number = number
        self.data = data
        self.piece = piece
        self.entries = entries


def blame(memory: "Memory", doc: str) -> list[Blamed]:
    """Returns the lines of a document (by id) with their authors; an unchanged line keeps them through whatever happens
    around it."""
    known: dict[str, Entry | None] = {}
    past = memory.snapshot.past

    lines = []
    for number, line in enumerate(line_map(memory.view(doc), lambda name: memory.state.known(name, past)), 1):
        for name in line.entries:
            if name not in known:
                known[name] = memory.entry(name)
        entries = [e for e in map(known.__getitem__, line.entries) if e is not None]
        entries.sort(key=lambda e: (e.time, e.id))
        lines.append(Blamed(number, line.data, line.piece, entries))
    return lines


def author(entry: "Entry") -> str:
    """Returns who made an entry, for people: the agent's readable name; of a foreign write the program, where it is known."""
    from memshim.text.view import readable

    return str(entry.extra.get("program") or readable(entry.agent))
