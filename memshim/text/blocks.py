"""Markdown bytes to blocks and back, byte for byte; knows nothing of entries, merging or files.

The parser follows CommonMark as far as the borders of top-level blocks go (spec.commonmark.org, 0.31) and
GitHub's tables; what is inside a block is never looked at. It works on bytes: a memory file may hold anything.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

BOM = b"\xef\xbb\xbf"
SPACE = b" \t\r\n"
DIGITS = b"0123456789"


class Block:
    """Holds one piece of a document: `kind`, the exact bytes `text`, and for a heading its `level` (else 0).

    `kind` is one of blank, heading, bullet, ordered, paragraph, row, fence, front, comment.
    """

    __slots__ = ("kind", "level", "text")

    def __init__(self, kind: str, text: bytes, level: int = 0) -> None:
        self.kind = kind
        self.text = text
        self.level = level

    def __repr__(self) -> str:
        return f"Block({self.kind!r}, {self.text!r}, {self.level})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Block):
            return NotImplemented
        return (self.kind, self.text, self.level) == (other.kind, other.text, other.level)

    def __hash__(self) -> int:
        return hash((self.kind, self.text, self.level))


def split_lines(data: bytes) -> list[bytes]:
    """Splits on \\n only, keeping it: a lone CR, U+2028 or a form feed is no line end. Joined it is `data`."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    last = lines.pop()[:-1]
    if last:
        lines.append(last)
    return lines


def parse(data: bytes) -> list[Block]:
    """Cuts a document into its top-level blocks.

    Guarantees that the blocks' texts, joined, are `data`, whatever the bytes are; takes time linear in length.
    """
    lines = split_lines(data)
    blocks: list[Block] = []
    end = len(lines)
    at = front_end(lines)
    if at:
        blocks.append(Block("front", b"".join(lines[:at])))
    open_comment = False  # a comment that is never closed is text; look for its end only once
    while at < end:
        line = lines[at]
        kind, level = starts(line)
        stop = at + 1
        if kind == "fence":
            stop = fence_end(lines, at)
        elif kind == "bullet" or kind == "ordered":
            stop = item_end(lines, at, kind)
        elif kind == "comment":
            closed = 0 if open_comment else comment_end(lines, at)
            if closed:
                stop = closed
            else:
                open_comment, kind = True, "paragraph"
        if kind == "row" or kind == "paragraph":
            if is_table(lines, at):
                blocks.append(Block("row", line + lines[at + 1]))
                at += 2
                while at < end and starts(lines[at])[0] in ("row", "paragraph"):
                    blocks.append(Block("row", lines[at]))
                    at += 1
                continue
            stop, level = paragraph_end(lines, at)
            kind = "heading" if level else "paragraph"
        elif kind == "rule":
            kind = "paragraph"
        blocks.append(Block(kind, line if stop == at + 1 else b"".join(lines[at:stop]), level))
        at = stop
    return blocks


def heading_title(block: Block) -> str:
    """Returns the words of a heading without its marks and line end (a setext heading's lines joined by a space)."""
    text = block.text.removeprefix(BOM).strip(SPACE)
    if text.startswith(b"#") and b"\n" not in text:
        text = text.lstrip(b"#").strip(SPACE)
        bare = text.rstrip(b"#")
        if not bare or bare[-1:] in (b" ", b"\t"):
            text = bare.rstrip(SPACE)
    else:
        text = b" ".join(line.strip(SPACE) for line in text.split(b"\n")[:-1])
    return text.decode("utf-8", "surrogateescape")


def kind_of(text: bytes) -> str:
    """Returns the kind of the first block of `text` that is not blank; "blank" if there is none."""
    return next((block.kind for block in parse(text) if block.kind != "blank"), "blank")


def eol_of(data: bytes) -> bytes:
    """Returns b"\\r\\n" if most lines of the document end so, else b"\\n"."""
    return b"\r\n" if 2 * data.count(b"\r\n") > data.count(b"\n") else b"\n"


# --- what a line can begin ----------------------------------------------------------------------------------


def starts(line: bytes) -> tuple[str, int]:
    """Says which kind of block this line would begin by itself, and a heading's level.

    Besides the kinds of blocks: "rule", a thematic break, and "row", a line with a bar (a row if in a table).
    """
    text = line.lstrip(b" ")
    first = text[:1]
    if first == b"\xef" and text.startswith(BOM):
        text = text[3:].lstrip(b" ")
        first = text[:1]
    if first in b"\r\t\n" and not text.strip(SPACE):
        return "blank", 0
    if first == b"\t" or (len(line) - len(text) > 3 and not line.startswith(BOM)):
        return "paragraph", 0
    if first == b"#":
        rest = text.lstrip(b"#")
        level = len(text) - len(rest)
        if level <= 6 and (not rest or rest[0] in SPACE):
            return "heading", level
    elif first in b"-*+_":
        if first != b"+" and is_rule(text):
            return "rule", 0
        if first != b"_" and (len(text) == 1 or text[1] in SPACE):
            return "bullet", 0
    elif first in DIGITS:
        rest = text.lstrip(DIGITS)
        if rest[:1] in (b".", b")") and len(text) - len(rest) < 10 and (len(rest) == 1 or rest[1] in SPACE):
            return "ordered", 0
    elif first in b"`~":
        if text.startswith(b"~~~") or (text.startswith(b"```") and b"`" not in text.lstrip(b"`")):
            return "fence", 0
    elif first == b"<" and text.startswith(b"<!--"):
        return "comment", 0
    return ("row" if b"|" in text else "paragraph"), 0


def is_rule(text: bytes) -> bool:
    """Tells a thematic break: three or more of one of - * _ and nothing else."""
    marks = text.translate(None, SPACE)
    return len(marks) >= 3 and not marks.strip(marks[:1])


def indent_of(line: bytes) -> int:
    """Returns the width of the white space that a line begins with; a tab goes to the next multiple of four."""
    lead = line[: len(line) - len(line.lstrip(b" \t"))]
    return len(lead.expandtabs(4)) if b"\t" in lead else len(lead)


# --- where a block ends -------------------------------------------------------------------------------------


def front_end(lines: "Sequence[bytes]") -> int:
    """Returns the number of lines of the front matter; 0 if there is none or it is not closed."""
    if lines and lines[0].removeprefix(BOM).rstrip(SPACE) == b"---":
        for at in range(1, len(lines)):
            if lines[at][:3] in (b"---", b"...") and not lines[at][3:].strip(SPACE):
                return at + 1
    return 0


def fence_end(lines: "Sequence[bytes]", at: int) -> int:
    """Returns the index after a fence's closing line, or the end of the document if it is not closed."""
    text = lines[at].removeprefix(BOM).lstrip(SPACE)
    mark = text[:1]
    opening = mark * (len(text) - len(text.lstrip(mark)))
    for stop in range(at + 1, len(lines)):
        line = lines[stop]
        if opening in line and not line.strip(SPACE).strip(mark) and indent_of(line) < 4:
            return stop + 1
    return len(lines)


def comment_end(lines: "Sequence[bytes]", at: int) -> int:
    """Returns the index after the line that closes an HTML comment; 0 if none does."""
    if b"-->" in lines[at].partition(b"<!--")[2]:
        return at + 1
    for stop in range(at + 1, len(lines)):
        if b"-->" in lines[stop]:
            return stop + 1
    return 0


def is_table(lines: "Sequence[bytes]", at: int) -> bool:
    """Tells whether the header row of a table stands here: a line with a bar, above a delimiter row."""
    if at + 1 >= len(lines) or b"|" not in lines[at]:
        return False
    below = lines[at + 1].strip(SPACE)
    return b"-" in below and b"|" in below and not below.strip(b"|:- \t")


def paragraph_end(lines: "Sequence[bytes]", at: int) -> tuple[int, int]:
    """Returns the index after a paragraph and, where an underline makes a heading of it, its level (else 0)."""
    code = indent_of(lines[at]) > 3
    for stop in range(at + 1, len(lines)):
        line = lines[stop]
        kind = starts(line)[0]
        if kind in ("rule", "paragraph", "bullet") and not code and indent_of(line) < 4:
            underline = line.strip(SPACE)
            if underline and not underline.strip(b"="):
                return stop + 1, 1
            if underline and not underline.strip(b"-"):
                return stop + 1, 2
        if kind == "paragraph" or (kind == "ordered" and not interrupts(line)):
            continue
        if kind == "row" and not is_table(lines, stop):
            continue
        return stop, 0
    return len(lines), 0


def interrupts(line: bytes) -> bool:
    """Tells whether an ordered item may begin inside a paragraph: only number 1, or a wrapped "1984." would."""
    return line.lstrip(b" ")[:2] in (b"1.", b"1)")


def item_end(lines: "Sequence[bytes]", at: int, kind: str) -> int:
    """Returns the index after a list item: its lazy lines, its indented lines, and blank lines between them."""
    inner = indent_of(lines[at].removeprefix(BOM)) + 2
    stop = at + 1  # the end of what surely belongs to the item
    fence = b""
    for here in range(at + 1, len(lines)):
        line = lines[here]
        text = line.lstrip(b" \t")
        if not text.strip(SPACE):
            continue
        indented = (line[0] in b" \t") and indent_of(line) >= inner
        if indented:
            if fence:
                if text.startswith(fence) and not text.strip(SPACE).strip(fence[:1]):
                    fence = b""
            elif text[:3] in (b"```", b"~~~") and starts(text)[0] == "fence":
                fence = text[: len(text) - len(text.lstrip(text[:1]))]
            stop = here + 1
            continue
        if fence or stop != here:  # a lazy line follows its paragraph at once
            return stop
        begun = starts(line)[0]
        wrapped = begun == "ordered" and kind == "bullet" and not interrupts(line)
        if not (begun == "paragraph" or wrapped or (begun == "row" and not is_table(lines, here))):
            return stop
        stop = here + 1
    return stop
