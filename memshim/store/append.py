"""Append: one text becomes one durable entry.  Must not know the view, so that no writer waits for another.

This module is on the path of `memshim append`: it imports next to nothing.
"""

from memshim.disk.layout import INDEX
from memshim.errors import BadInput
from memshim.store.journal import Journal
from memshim.text.entry import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memshim.text.entry import Op

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
) -> Entry:
    """Appends a text to an agent's journal and returns its entry; it is durable then ("acknowledged").

    One line of plain text becomes a bullet; what begins with a block mark, or has several lines, goes in as given.
    Does not: make it visible in the document, see `Store.publish`.  Raises BadInput for a text that is empty or longer
    than 16 MiB, OSError where the disk takes no more; nothing is acknowledged then.
    """
    if not text.strip():
        raise BadInput("There is no text to append.", 'For example: memshim append "use uv, not pip"')
    if len(text) > MAX_BYTES:
        raise BadInput(f"The text has {len(text)} bytes; {MAX_BYTES} are allowed.", "Append it in parts.")
    op: Op = {"op": "add", "doc": doc, "section": section}
    op["kinds"], op["blocks"] = _blocks(text, raw)
    return journal.append(Entry("", "", "append", journal.agent, [op], session=journal.session, why=why))


def _blocks(text: bytes, raw: bool) -> tuple[str, list[bytes]]:
    """Returns the kinds, a letter each, and the blocks; a bullet of one line does not need the parser."""
    line = text.rstrip(b"\r\n")
    single = b"\n" not in line
    if single and line[:2] in (b"- ", b"* ", b"+ "):
        return "b", [text]
    if single and not raw and line[:1].isalpha():
        return "b", [b"- " + text]
    from memshim.text import blocks as markdown

    parsed = markdown.parse(text)
    if single and len(parsed) == 1 and parsed[0].kind == "paragraph":
        if line.lstrip()[:1] == b"|":
            return "r", [text]  # a row for a table that stands there already
        if not raw and not line.startswith(_MARKS) and markdown.starts(line)[0] != "rule":
            return "b", [b"- " + text]
    kinds = {"blank": "_", "front": "p"}
    return "".join(kinds.get(b.kind, b.kind[0]) for b in parsed), [b.text for b in parsed]
