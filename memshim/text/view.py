"""The last stage of the fold: live blocks to a document's bytes, with who wrote each piece.  Must not know entries or disk.

Order: placed blocks by their keys; then what was appended, in order of time, each run at the end of its section (or of
the document).  Only appended text gets blank lines around it where Markdown needs them; a placed block is shown as it is.
"""

from memshim.text import blocks as markdown
from memshim.text.sections import Outline, Piece, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memshim.text.conflict import Conflict
    from memshim.text.facts import Facts
    from memshim.text.fold import State

SHOWN_ONCE = ("bullet", "ordered", "row", "heading", "fence", "comment")


class View:
    """Is a folded document: its exact bytes, the pieces that they consist of, and the open conflicts in it.

    `hidden` are live blank lines that no piece shows; the next change by somebody who saw the whole text removes them.
    """

    __slots__ = ("conflicts", "doc", "hidden", "pieces", "text")

    def __init__(self, doc: str, pieces: "list[Piece]", conflicts: "list[Conflict]", hidden: list[str]) -> None:
        self.doc = doc
        self.pieces = pieces
        self.conflicts = conflicts
        self.hidden = hidden
        self.text = b"".join(p.data for p in pieces)


def view(state: "State", doc: str) -> View:
    """Returns the view of one document; a pure function of the facts, in time about linear in the live text."""
    live = list(state.live(doc))
    conflicts = state.conflicts(doc)
    eol = markdown.eol_of(b"".join(f.definition().text for f in live))
    placed, floating = _split(live)
    outline = Outline(_placed_pieces(placed, eol), state, doc, eol)
    outline.put_all(_runs(floating, eol))
    outline.unite_equal()
    pieces = _show_once(outline.pieces, {f.id for c in conflicts for f in c.blocks})
    for piece in pieces[:-1]:
        if not piece.bare.endswith(b"\n"):
            piece.ending = eol
            piece.bare += eol
            piece.data = piece.bare
            piece.placed = None
    _mark_conflicts(pieces, conflicts)
    return View(doc, pieces, conflicts, outline.hidden)


def _split(live: "list[Facts]") -> "tuple[list[Facts], list[Facts]]":
    placed, floating = [], []
    for facts in live:
        at = facts.place()
        if at is None:
            floating.append(facts)
        else:
            placed.append(((at, *facts.definition().rank(), facts.id), facts))
    placed.sort(key=lambda pair: pair[0])
    floating.sort(key=lambda f: f.definition().rank())
    return [facts for _, facts in placed], floating


def _placed_pieces(placed: "list[Facts]", eol: bytes) -> "list[Piece]":
    """Returns a piece for each block; equal texts that replaced one block are one piece with all their authors."""
    pieces: list[Piece] = []
    shown: dict[tuple[str, bytes], Piece] = {}
    for facts in placed:
        said = facts.definition()
        first = shown.get((said.slot, said.text.rstrip(b"\r\n")))
        if first is None:
            first = shown[said.slot, said.text.rstrip(b"\r\n")] = _piece(facts, eol)
            pieces.append(first)
        else:
            first.add(facts)
    return pieces


def _piece(facts: "Facts", eol: bytes) -> Piece:
    said = facts.definition()
    if said.text.endswith(b"\n") or (said.section is None and not facts.is_moved()):
        return Piece(said.kind, said.text, facts)
    fixed = facts.eol().encode()
    piece = Piece(said.kind, said.text + (fixed or eol), facts)  # what was appended is always a whole line
    piece.ending = fixed or eol
    if not fixed:
        piece.placed = None
    return piece


def _runs(floating: "list[Facts]", eol: bytes) -> "list[Run]":
    runs: list[Run] = []
    last = ("", "")
    for facts in floating:
        said = facts.definition()
        this = (said.entry, said.section or "")
        if this != last:
            runs.append(Run(this[1], []))
            last = this
        runs[-1].pieces.append(_piece(facts, eol))
    return runs


def _show_once(items: "list[Piece]", clashing: "set[str]") -> "list[Piece]":
    """Hides all but one copy of equal blocks under one heading; the entry that wrote the most copies keeps its own."""
    groups: dict[tuple[int, bytes], list[Piece]] = {}
    under = 0
    for i, piece in enumerate(items):
        if piece.kind == "heading":
            under = i + 1
        elif piece.kind in SHOWN_ONCE and piece.ids and not clashing.intersection(piece.ids):
            groups.setdefault((under, piece.bare.rstrip(b"\r\n")), []).append(piece)
    shown: dict[int, Piece] = {}
    for group in groups.values():
        owners = [p.entries[0] for p in group]
        keep = max(dict.fromkeys(owners), key=owners.count)
        first = next(p for p, owner in zip(group, owners, strict=True) if owner == keep)
        shown.update({id(p): first for p, owner in zip(group, owners, strict=True) if owner != keep})
    if not shown:
        return items
    left: list[Piece] = []
    for piece in items:
        first = shown.get(id(piece), piece)
        if first is piece:
            left.append(piece)
        else:
            first.take(piece, adjacent=bool(left) and left[-1] is first)
    return left


# --- conflicts ----------------------------------------------------------------------------------------------


def readable(agent: str) -> str:
    """Returns an agent's name for people: without the eight hex digits that tell sessions apart."""
    who, dash, tail = agent.rpartition("-")
    return who if dash and len(tail) >= 8 and not tail.strip("0123456789abcdef") else agent


def _mark_conflicts(items: "list[Piece]", conflicts: "list[Conflict]") -> None:
    by_block = {f.id: (c, f) for c in conflicts for f in c.blocks}
    for piece in items:
        found = next((by_block[b] for b in piece.ids if b in by_block), None)
        if found is not None:
            conflict, facts = found
            note = readable(facts.definition().agent) + (", removed by another" if conflict.removers else "")
            piece.label = conflict.label
            piece.suffix = f" (conflict {conflict.label}, {note})".encode()
            piece.data = add_suffix(piece.bare, piece.suffix)


def add_suffix(text: bytes, suffix: bytes) -> bytes:
    """Returns a block with `suffix` at the end of its first line, before the line's own end."""
    line, newline, rest = text.partition(b"\n")
    ending = b"\r" if newline and line.endswith(b"\r") else b""
    return line.removesuffix(ending) + suffix + ending + newline + rest


def strip_suffix(text: bytes, suffix: bytes) -> bytes:
    """Returns a block without this suffix on its first line; others' text is left as it is."""
    line, newline, rest = text.partition(b"\n")
    ending = b"\r" if newline and line.endswith(b"\r") else b""
    return line.removesuffix(ending).removesuffix(suffix) + ending + newline + rest
