"""Memories that two people edited: documents of every kind of block, and edits such as people and agents make.

`scene(rnd)` draws a base and two sides. Hypothesis may be the one that draws (`st.randoms()`): then a failing scene
shrinks. What is fresh is told by its words: "base", "ours", "theirs", and "both" for what both sides do alike.
"""

from random import Random

TEMPLATES = (
    b"**Status:** done\n",
    b"**Status:** open\n",
    b"### Added\n\n",
    b"### Fixed\n\n",
    b"---\n",
    b"- [ ] todo\n",
    b"\n",
)
SHORT = (b"tea", b"rye", b"oats", b"salt")
DATES = (b"2026-01-%02d", b"2026-02-%02d")


class Scene:
    """Three texts; `moved` are the lines that a side put elsewhere, `odd` tells ends and blanks that differ."""

    __slots__ = ("base", "moved", "odd", "ours", "theirs")

    def __init__(self, base: bytes, ours: bytes, theirs: bytes, moved: set[bytes], *, odd: bool) -> None:
        self.base = base
        self.ours = ours
        self.theirs = theirs
        self.moved = moved
        self.odd = odd

    def __repr__(self) -> str:
        return f"\n  base   {self.base!r}\n  ours   {self.ours!r}\n  theirs {self.theirs!r}\n"


class Pen:
    """Writes blocks whose words nobody else writes; a few are short, or templates that repeat."""

    def __init__(self, rnd: Random, mark: bytes) -> None:
        self.rnd = rnd
        self.mark = mark
        self.count = 0

    def words(self, least: int = 1, most: int = 10) -> bytes:
        if self.rnd.random() < 0.06:
            return self.rnd.choice(SHORT)
        self.count += 1
        size = self.rnd.randint(least, most)
        return b" ".join(b"%s%d%c" % (self.mark, self.count, 97 + n) for n in range(size))

    def block(self) -> bytes:
        rnd, words = self.rnd, self.words
        kind = rnd.choice(KINDS)
        if kind == "bullet":
            return b"- %s\n" % words()
        if kind == "starred":
            return b"* %s\n" % words()
        if kind == "nested":
            return b"- %s\n  - %s\n    - %s\n  - %s\n" % (words(), words(), words(), words())
        if kind == "bodied":
            return b"- %s\n  %s\n\n  %s\n" % (words(), words(), words())
        if kind == "ordered":
            return b"%d. %s\n" % (rnd.randint(1, 4), words())
        if kind == "heading":
            return b"\n%s %s\n\n" % (b"#" * rnd.randint(1, 4), words(1, 4))
        if kind == "section":
            return b"\n## %s\n\n- %s\n- %s\n" % (words(1, 4), words(), words())
        if kind == "dated":
            return b"\n## %s\n\n- %s\n" % (rnd.choice(DATES) % rnd.randint(1, 28), words())
        if kind == "version":
            version = b"[1.%d] - %s" % (rnd.randint(0, 9), rnd.choice(DATES) % rnd.randint(1, 28))
            return b"\n## %s\n\n### Added\n\n- %s\n\n### Fixed\n\n- %s\n" % (version, words(), words())
        if kind == "setext":
            return b"\n%s\n%s\n\n" % (words(1, 4), rnd.choice((b"---", b"===")))
        if kind == "sub":
            return b"\n%s- %s\n" % (rnd.choice(TEMPLATES[2:4]), words())
        if kind == "status":
            return b"\n## %s\n%s\n%s\n" % (words(1, 4), rnd.choice(TEMPLATES[:2]), words())
        if kind == "paragraph":
            return b"\n%s\n%s\n\n" % (words(3, 12), words(3, 12))
        if kind == "table":
            return b"\n| %s | x |\n|---|---|\n| 1 | %s |\n| 2 | %s |\n\n" % (words(1, 3), words(), words())
        if kind == "row":
            return b"| 3 | %s |\n" % words()
        if kind == "fence":
            return b"\n```sh\n%s\n# %s\n\n%s\n```\n\n" % (words(), words(), words())
        if kind == "rule":
            return b"\n---\n\n%s\n" % words(2, 9)
        if kind == "comment":
            return b"<!-- %s -->\n" % words()
        if kind == "stamp":
            return b"Last updated: %s\n" % (rnd.choice(DATES) % rnd.randint(1, 28))
        if kind == "none":
            return b"- none yet\n"
        return rnd.choice(TEMPLATES)


KINDS = (
    *("bullet", "bullet", "bullet", "starred", "nested", "bodied", "ordered", "heading", "section", "dated", "version"),
    *("setext", "sub", "status", "paragraph", "table", "row", "fence", "rule", "comment", "stamp", "none", "template"),
)
STEPS = (
    *(
        "insert",
        "insert",
        "insert",
        "append",
        "append",
        "top",
        "delete",
        "delete",
        "edit",
        "edit",
        "replace",
        "retitle",
    ),
    *("move", "swap", "drop", "sections", "template", "blank", "indent", "repeat"),
)


def edited(rnd: Random, blocks: list[bytes], pen: Pen, both: list[bytes], moved: set[bytes], steps: int) -> list[bytes]:
    """Edits a document in some steps; `both` are blocks that each side may come by."""
    out = list(blocks)
    for _ in range(steps):
        new = rnd.choice(both) if both and rnd.random() < 0.2 else pen.block()
        step = rnd.choice(STEPS)
        at = rnd.randint(0, len(out))
        if step == "append" or not out:
            out.append(new)
            continue
        if step == "top":
            out.insert(min(1, len(out)), new)
            continue
        if step == "insert":
            out.insert(at, new)
            continue
        at = min(at, len(out) - 1)
        lines = out[at].split(b"\n")
        line = rnd.randrange(len(lines))
        if step == "delete":
            del out[at]
        elif step == "edit" and lines[line].strip(b"-#|`= "):
            said = lines[line].split(b" ")
            place = rnd.randrange(len(said) + 1)
            said[place : place + rnd.randint(0, 1)] = [pen.words(1, 3)]
            lines[line] = b" ".join(said)
            out[at] = b"\n".join(lines)
        elif step == "replace":
            out[at] = new
        elif step == "retitle" and lines[1:2] and lines[1].startswith(b"#"):
            lines[1] = b"## " + pen.words(1, 4)
            out[at] = b"\n".join(lines)
        elif step == "move":
            block = out.pop(at)
            moved.update(block.split(b"\n"))
            out.insert(rnd.randint(0, len(out)), block)
        elif step == "swap" and at + 1 < len(out):
            moved.update((out[at] + out[at + 1]).split(b"\n"))
            out[at : at + 2] = out[at + 1], out[at]
        elif step == "drop":
            del out[at : at + rnd.randint(1, 3)]
        elif step == "sections":
            cut = at + rnd.randint(1, 3)
            moved.update(b"".join(out[:cut]).split(b"\n"))
            out[:cut] = out[at:cut] + out[:at]
        elif step == "template":
            out[at] = out[at].replace(TEMPLATES[0], TEMPLATES[1])
        elif step == "blank":
            out[at] = out[at].lstrip(b"\n") if rnd.random() < 0.5 else out[at] + b"\n"
        elif step == "indent":
            out[at] = b"".join(b"  " + row for row in out[at].splitlines(keepends=True) if row.strip())
        elif step == "repeat":
            out.insert(at, out[at])
            moved.update(out[at].split(b"\n"))
    return out


def scene(rnd: Random, size: int = 8, steps: int = 4) -> Scene:
    """Draws a base of up to `size` blocks and two sides, each `steps` steps away from it at most."""
    pen = Pen(rnd, b"base")
    blocks = [pen.block() for _ in range(rnd.randint(0, size))]
    if rnd.random() < 0.1:
        blocks.insert(0, b"---\nname: %s\nabout: %s\n---\n" % (pen.words(1, 3), pen.words()))
    elif rnd.random() < 0.3:
        blocks.insert(0, b"# %s\n" % pen.words(1, 3))
    shared = Pen(rnd, b"both")
    both = [shared.block() for _ in range(rnd.randint(0, 2))]
    moved: set[bytes] = set()
    texts = [b"".join(blocks)]
    for mark in (b"ours", b"theirs"):
        texts.append(b"".join(edited(rnd, blocks, Pen(rnd, mark), both, moved, rnd.randint(0, steps))))
    odd = rnd.random() < 0.25
    if odd:
        texts = [ends(rnd, text) for text in texts]
    return Scene(texts[0], texts[1], texts[2], {line.strip() for line in moved}, odd=odd)


def ends(rnd: Random, text: bytes) -> bytes:
    """Writes a text with other line ends, without the last one, with a byte order mark, or as it is."""
    how = rnd.random()
    if how < 0.2:
        text = text.replace(b"\n", b"\r\n")
    elif how < 0.3:
        text = b"".join(row.replace(b"\n", rnd.choice((b"\n", b"\r\n", b" \n"))) for row in text.splitlines(True))
    if rnd.random() < 0.3:
        text = text.rstrip(b"\r\n")
    return b"\xef\xbb\xbf" + text if rnd.random() < 0.1 else text
