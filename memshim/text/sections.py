"""Sections of a view: which heading is meant, where appended text goes, which headings are one.  Must not know conflicts."""

from memshim.text import blocks as markdown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memshim.text.facts import Facts
    from memshim.text.fold import State

LISTS = ("bullet", "ordered", "row")


class Piece:
    """Is a stretch of a view: its bytes, and the blocks that it shows (several where equal ones are shown once).

    `ids` is empty for a blank line or heading that only the view puts there, because `entries` need it.  `placed` is
    None for what the next intake must give a key: what hangs at the end of a section, or is shown elsewhere than its key
    says.  `bare` is the text without the note that marks it as part of the open conflict `label`; `ending` the line end
    that the view added.
    """

    __slots__ = (
        "agents",
        "apart",
        "bare",
        "data",
        "ending",
        "entries",
        "ids",
        "kind",
        "label",
        "level",
        "placed",
        "slots",
        "suffix",
        "time",
        "title",
    )

    def __init__(self, kind: str, data: bytes, facts: "Facts | None" = None) -> None:
        self.kind = kind
        self.data = data
        self.bare = data
        self.ending = b""
        self.ids: list[str] = []
        self.entries: list[str] = []
        self.agents: list[str] = []
        self.placed: str | None = None
        self.slots: list[str] = []
        self.time = ""
        self.label = ""
        self.suffix = b""
        self.apart = False
        self.level = 0
        self.title = ""
        if kind == "heading":
            block = markdown.parse(data)[0]
            self.level, self.title = block.level, markdown.heading_title(block)
        if facts is not None:
            said = facts.definition()
            self.placed = facts.place()
            self.time = said.time
            self.apart = said.apart
            self.add(facts)

    def add(self, facts: "Facts") -> None:
        """Notes one more block that this piece shows."""
        self.ids.append(facts.id)
        for said in facts.said():
            self.slots.append(said.slot)
            if said.entry not in self.entries:
                self.entries.append(said.entry)
                self.agents.append(said.agent)

    def take(self, other: "Piece", adjacent: bool = True) -> None:
        """Notes that this piece shows what another, `adjacent` or not, would have shown."""
        if not adjacent or other.placed is None:
            self.placed = None
        self.ids += other.ids
        self.slots += other.slots
        for entry, agent in zip(other.entries, other.agents, strict=True):
            if entry not in self.entries:
                self.entries.append(entry)
                self.agents.append(agent)


class Run:
    """Is the consecutive blocks of one append, and the section that it asked for ("": the end of the document)."""

    __slots__ = ("pieces", "section")

    def __init__(self, section: str, pieces: "list[Piece]") -> None:
        self.section = section
        self.pieces = pieces


class Outline:
    """Is a document's pieces while the appended ones are put in; `pieces` is the result."""

    def __init__(self, pieces: "list[Piece]", state: "State", doc: str, eol: bytes) -> None:
        self.pieces = pieces
        self.state = state
        self.doc = doc
        self.eol = eol
        self._made: dict[str, Piece] = {}  # section, as it was asked for -> the heading that the view makes for it
        self._ends: dict[int, Piece] = {}  # heading -> the last piece that was put under it, if that came with headings
        self.hidden: list[str] = []  # live blank lines that are not shown, because their section is shown elsewhere

    def put_all(self, runs: "list[Run]") -> None:
        """Puts runs where they belong, in order of time.

        A run waits for its heading if another brings it; where none does, the heading is made at the end.
        """
        replaced = self.state.replaced_headings() if runs else {}
        waiting: list[Run] = []
        for run in runs:
            if not self._put(run, replaced):
                waiting.append(run)
            elif any(p.kind == "heading" for p in run.pieces):
                waiting = [w for w in waiting if not self._put(w, replaced)]
        for run in waiting:
            if not self._put(run, replaced):
                self._make_heading(run)
                self._put(run, replaced)

    def _put(self, run: Run, replaced: "dict[str, dict[str, str]]") -> bool:
        low, high = 0, len(self.pieces)
        if run.section:
            heading = self._find(run.section)
            if heading is None:
                heading = self._follow(run.section, replaced)
            if heading is None and run.section in self._made:
                heading = self.pieces.index(self._made[run.section])
            if heading is None:
                return False
            first = self.pieces[heading]
            low = self.pieces.index(self._ends.get(id(first), first)) + 1
            high = next((i for i in range(low, high) if self.pieces[i].kind == "heading"), high)
            if any(p.kind == "heading" for p in run.pieces):
                self._ends[id(first)] = run.pieces[-1]
        self._insert(low, high, run.pieces)
        return True

    def _insert(self, low: int, high: int, run: "list[Piece]") -> None:
        """Inserts a run behind the last text between two places, with blank lines where Markdown needs them."""
        items = self.pieces
        at = high
        while at > low and items[at - 1].kind == "blank":
            at -= 1
        before = items[at - 1].kind if at else ""
        after = items[at].kind if at < len(items) else ""
        if run[0].kind == "row" and before == "paragraph" and items[at - 1].bare.lstrip().startswith(b"|"):
            before = "row"
        lead = [self._made_for("blank", self.eol, run[0])] if _needs_blank(before, run[0].kind) else []
        trail = [self._made_for("blank", self.eol, run[-1])] if _needs_blank(run[-1].kind, after) else []
        items[at:at] = lead + run + trail

    def _make_heading(self, run: Run) -> None:
        """Puts a heading that nobody wrote at the end of the document; the next run that needs it finds it there."""
        level, title = title_of(run.section.rpartition(" > ")[2])
        text = b"#" * (level or 2) + b" " + title.encode("utf-8", "surrogateescape") + self.eol
        heading = self._made_for("heading", text, run.pieces[0])
        self._insert(len(self.pieces), len(self.pieces), [heading])
        self._made[run.section] = heading

    def _made_for(self, kind: str, text: bytes, cause: Piece) -> Piece:
        """Returns a piece that only the view puts there; it is owed to those who wrote the text that needs it."""
        piece = Piece(kind, text)
        piece.entries, piece.agents, piece.time = list(cause.entries), list(cause.agents), cause.time
        return piece

    def _find(self, section: str) -> "int | None":
        """Returns the first heading with this title (case apart only if none has it exactly), else that of a path A > B."""
        level, title = title_of(section)
        headings = [(i, p) for i, p in enumerate(self.pieces) if p.kind == "heading"]
        for fold in (str, str.casefold):
            for i, piece in headings:
                if fold(piece.title) == fold(title) and level in (0, piece.level):
                    return i
        at = -1
        for part in section.split(" > ") if " > " in section else ():
            wanted = title_of(part)[1]
            at = next((i for i, p in headings if i > at and p.title == wanted), len(self.pieces))
        return at if 0 <= at < len(self.pieces) else None

    def _follow(self, section: str, replaced: "dict[str, dict[str, str]]") -> "int | None":
        """Returns the heading that took the place of the one named, if any: what was renamed is followed."""
        slots = replaced.get(title_of(section)[1], {})
        for slot in sorted(slots, key=lambda s: (slots[s], s)):
            for i, piece in enumerate(self.pieces):
                if piece.kind == "heading" and slot in piece.slots:
                    return i
        return None

    def unite_equal(self) -> None:
        """Shows equal headings that different entries made without knowing of each other as one, with both bodies."""
        seen: dict[tuple[tuple[int, str], ...], Piece] = {}
        path: list[tuple[int, str]] = []
        twins: list[tuple[Piece, Piece]] = []
        for piece in self.pieces:
            if piece.kind != "heading":
                continue
            path = [p for p in path if p[0] < piece.level] + [(piece.level, piece.title)]
            first = seen.setdefault(tuple(path), piece)
            if first is not piece and not (first.apart or piece.apart or set(first.entries) & set(piece.entries)):
                twins.append((piece, first))
        for twin, first in reversed(twins):
            self._move_body(self.pieces.index(twin), first)

    def _move_body(self, i: int, first: Piece) -> None:
        twin = self.pieces[i]
        end = self._section_end(i + 1, twin.level)
        body = self.pieces[i + 1 : end]
        while i and end == len(self.pieces) and self.pieces[i - 1].kind == "blank":
            i -= 1  # what stood before the last section would be left at the end of the document
            self._hide(self.pieces[i])
        del self.pieces[i:end]
        first.take(twin)
        while body and body[0].kind == "blank":
            self._hide(body.pop(0))
        while body and body[-1].kind == "blank":
            self._hide(body.pop())
        for piece in body:
            piece.placed = None  # shown elsewhere than its key says, until the next intake gives it one
        if body:
            start = self.pieces.index(first) + 1
            self._insert(start, self._section_end(start, first.level), body)

    def _hide(self, blank: Piece) -> None:
        self.hidden += blank.ids

    def _section_end(self, start: int, level: int) -> int:
        ends = (
            i
            for i in range(start, len(self.pieces))
            if self.pieces[i].kind == "heading" and self.pieces[i].level <= level
        )
        return next(ends, len(self.pieces))


def title_of(section: str) -> "tuple[int, str]":
    """Returns (level, title) of a section as a person names it: "Decisions", or "## Decisions" (level 0: any)."""
    bare = section.lstrip("#")
    level = len(section) - len(bare)
    if 0 < level <= 6 and (not bare or bare[0] in " \t"):
        return level, bare.strip()
    return 0, section.strip()


def _needs_blank(before: str, after: str) -> bool:
    if before in ("", "blank") or after in ("", "blank"):
        return False
    return not (before == after and before in LISTS)
