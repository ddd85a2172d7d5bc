"""Append: one text becomes one durable entry.  Must not know the view, so that no writer waits for another.

This module is on the path of `memshim append`: it imports next to nothing.
"""

from memshim.disk.layout import INDEX
from memshim.errors import BadInput
from memshim.store.journal import Journal
from memshim.text.entry import Entry, to_form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memshim.text.entry import Op
    from memshim.text.record import Form

MAX_BYTES = 16 * 1024 * 1024
_MARKS = (b">", b"<", b"    ", b"\t")


def append(
    journal: Journal,
    text: bytes,
    *,
    doc: str = INDEX,
    section: str = "",
    why: str = "",
    raw: bool = False,
    id: str = "",
) -> str:
    """Appends a text to an agent's journal and returns its entry's id; it is durable then ("acknowledged").

    One line of plain text becomes a bullet; what begins with a block mark, or has several lines, goes in as given.
    Does not: make it visible in the document, see `Store.publish`.  Raises BadInput for a text that is empty or longer
    than 16 MiB, OSError where the disk takes no more; nothing is acknowledged then.
    """
    form, blocks = prepare(text, journal.agent, journal.session, doc=doc, section=section, why=why, raw=raw)
    return journal.put(form, blocks, id=id)[1]


def prepare(
    text: bytes, agent: str, session: str, *, doc: str, section: str, why: str, raw: bool
) -> "tuple[Form, list[bytes]]":
    """Returns what an append of this agent writes, but for its time and id: the form of its record, and its texts."""
    if not text or text.isspace():
        raise BadInput("There is no text to append.", 'For example: memshim append "use uv, not pip"')
    if len(text) > MAX_BYTES:
        raise BadInput(f"The text has {len(text)} bytes; {MAX_BYTES} are allowed.", "Append it in parts.")
    kinds, blocks = _blocks(text, raw)
    shape = (agent, session, doc, section, why, kinds)
    form = _forms.get(shape)
    if form is None:
        op: Op = {"op": "add", "doc": doc, "section": section, "kinds": kinds, "blocks": blocks}
        form, _ = to_form(Entry("", "", "append", agent, [op], session=session, why=why))
        if len(_forms) < 100:
            _forms[shape] = form
    return form, blocks


_forms: "dict[tuple[str, ...], Form]" = {}
"""The forms of appends that came before: those of one agent differ in little but their text."""


def _blocks(text: bytes, raw: bool) -> tuple[str, list[bytes]]:
    """Returns the kinds, a letter each, and the blocks; a bullet of one line does not need the parser."""
    single = text.find(b"\n") in (-1, len(text) - 1)
    if single and text[:2] in (b"- ", b"* ", b"+ "):
        return "b", [text]
    if single and not raw and text[:1].isalpha():
        return "b", [b"- " + text]
    from memshim.text import blocks as markdown

    parsed = markdown.parse(text)
    line = text.rstrip(b"\r\n")
    if single and len(parsed) == 1 and parsed[0].kind == "paragraph":
        if line.lstrip()[:1] == b"|":
            return "r", [text]  # a row for a table that stands there already
        if not raw and not line.startswith(_MARKS) and markdown.starts(line)[0] != "rule":
            return "b", [b"- " + text]
    kinds = {"blank": "_", "front": "p"}
    return "".join(kinds.get(b.kind, b.kind[0]) for b in parsed), [b.text for b in parsed]
