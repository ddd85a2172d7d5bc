"""Redaction: a text is erased for good, and erased again when a stale writer brings it back.  Must not know files' insides.

Order: the entry that says so is recorded first, with digests of what goes and no text; then every file is gone through.  A
stop in between leaves `.memshim/redacting`, which `check` reports; the same command does the rest.
"""

import os

from memshim.disk import files
from memshim.errors import BadInput, NotFound, StoreUnusable
from memshim.store import adopt, erase, lookup, publish
from memshim.store.turn import Turn
from memshim.text.secret import REDACTED, SHORTEST, Eraser, Marks, bare, digest, parts, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from memshim.store.memory import Memory
    from memshim.text.entry import Entry, Op

AGENT = "memshim"
"""Who erases what a stale writer brought back."""


class Redacted:
    """Is what a redaction did: its entry, how many texts it erased and from how many entries, and notes for people."""

    __slots__ = ("entries", "id", "notes", "texts")

    def __init__(self, id: str, texts: int, entries: int, notes: list[str]) -> None:
        self.id = id
        self.texts = texts
        self.entries = entries
        self.notes = notes


def redact(turn: Turn, name: str | None, text: bytes, agent: str, session: str, why: str) -> Redacted:
    """Erases an entry's text by its id (and what others made of it), or a text wherever it stands, line by line.

    Guarantees: when this returns no file of the store holds it.  Raises NotFound where nothing does, BadInput for a text
    that is too short; a crash leaves every entry readable, and part of the files not gone through yet.
    """
    secrets = parts(text) if name is None else _of_entry(turn.memory, lookup.entry(turn.memory, name))
    if not secrets:
        raise BadInput(f"There is no line of {SHORTEST} bytes or more to erase.", "Name a longer text.")
    eraser = Eraser(secrets)
    if any(eraser.holds(own.encode("utf-8", "surrogateescape")) for own in _own(turn)):
        raise BadInput(
            "Words of memshim's own records hold this text: names of documents, agents or fields, or ids.",
            "Name more of its line. A line that says nothing else can be forgotten: memshim forget",
        )
    if not _is_somewhere(turn, eraser):
        raise NotFound("No file of the store holds this text.", "memshim log --grep finds what entries say.")
    done = _erase(turn, eraser, agent, session, why)
    if name is not None:
        before = _ancestors(turn.memory, lookup.entry(turn.memory, name))
        done.notes += [f"It replaced text of entry {e}, which stays: memshim redact {e[-8:]}" for e in before]
    return done


def without(memory: "Memory", text: bytes) -> bytes:
    """Returns a text without what was erased before."""
    found = [secret for mark in _marks(memory) for secret in mark.find(text)]
    return Eraser(found).text(text) if found else text


def again(turn: Turn) -> "Redacted | None":
    """Erases what was erased before and has come back with the newest entries; cheap where nothing was ever erased."""
    marks = _marks(turn.memory)
    if not marks:
        return None
    found: dict[bytes, str] = {}
    for entry in turn.memory.new.values():
        for text in _texts(entry):
            found.update({secret: entry.agent for mark in marks for secret in mark.find(text)})
    if not found:
        return None
    who = ", ".join(sorted(set(found.values())))
    done = _erase(turn, Eraser(found), AGENT, "", f"brought back by {who}")
    turn.notes.append(f"{who} brought back a text that had been redacted; it was erased again.")
    return done


def _marks(memory: "Memory") -> list[Marks]:
    """Returns the marks of all redactions, those with one salt together."""
    by_salt: dict[str, tuple[list[str], list[int]]] = {}
    for salt, digests, sizes in memory.state.redacted.values():
        mine = by_salt.setdefault(str(salt), ([], []))
        mine[0].extend(digests)
        mine[1].extend(n for n in sizes if isinstance(n, int))
    return [Marks(salt, digests, sizes) for salt, (digests, sizes) in by_salt.items()]


def _texts(entry: "Entry") -> list[bytes]:
    """Returns all that people wrote in an entry."""
    texts = [text for *_, text in entry.new_blocks()]
    strings = [entry.why, *(op.get("section", "") for op in entry.ops)]
    strings += [s for row in entry.extra.get("settled", ()) for s in row]
    return [*texts, *(s.encode("utf-8", "surrogateescape") for s in strings if s)]


def _erase(turn: Turn, eraser: Eraser, agent: str, session: str, why: str) -> Redacted:
    memory = turn.memory
    turn.erasing = True
    lines, ids, count = _where(memory, eraser)
    salt = next((str(row[0]) for row in memory.state.redacted.values()), "") or os.urandom(16).hex()
    kept = sorted({digest(salt, text) for text in [*eraser.secrets, *lines]})
    sizes = sorted({words(secret) for secret in eraser.secrets})
    op: Op = {"op": "redact", "ids": sorted(ids), "salt": salt, "digests": kept, "sizes": sizes}
    entry = turn.record("redact", agent, [op, *_emptied(memory, eraser)], session=session, why=eraser.string(why))
    files.replace(turn.layout.path("redacting"), entry.id.encode() + b"\n", turn.layout.path("tmp"))
    adopt.sweep_aside(turn)  # now: once the history has changed, they would be taken for versions that nobody knows
    foreign: list[str] = []
    for last in (False, False, True):
        _remove_aside(turn, eraser)
        erase.everything(turn, eraser)
        turn.forget_histories()
        publish.publish_all(turn)
        _remove_aside(turn, eraser)
        try:
            foreign = erase.leftovers(turn.layout, eraser)
            break
        except StoreUnusable:  # somebody brought it back at this very moment
            if last:
                raise
    erase.reports(eraser)
    files.unlink_quietly(turn.layout.path("redacting"))
    notes = [*turn.notes, *(f"{path} still holds the text, and is not memshim's to change." for path in foreign)]
    return Redacted(entry.id, len(eraser.secrets), count, notes)


def _where(memory: "Memory", eraser: Eraser) -> tuple[set[bytes], set[str], int]:
    """Returns the lines that hold one of the texts, the blocks that do, and how many entries."""
    lines: set[bytes] = set()
    ids: set[str] = set()
    count = 0
    for entry in memory.entries():
        texts = _texts(entry)
        if not any(eraser.holds(text) for text in texts):
            continue
        count += 1
        lines.update(bare(line) for text in texts for line in text.split(b"\n") if eraser.holds(line))
        ids.update(block for _, _, block, text in entry.new_blocks() if eraser.holds(text))
    return lines, ids, count


def _emptied(memory: "Memory", eraser: Eraser) -> "list[Op]":
    """Returns what removes the live blocks that say nothing any more."""
    ops: list[Op] = []
    for doc in memory.documents():
        view = memory.view(doc)
        gone: set[str] = set()
        for piece in view.pieces:
            left = [bare(line) for line in eraser.text(piece.bare).split(b"\n")]
            if piece.ids and eraser.holds(piece.bare) and {line for line in left if line} <= {REDACTED}:
                gone.update(piece.ids)
        ops += lookup.removal(view, gone) if gone else []
    return ops


def _own(turn: Turn) -> "Iterator[str]":
    """Yields what stands in records and is nobody's text, and must stay."""
    memory = turn.memory
    yield from erase.FIELDS
    yield from memory.documents().values()
    yield from memory.state.docs
    yield turn.replica
    for when, id_, kind, agent, _ in memory.heads():
        yield from (when, id_, kind, agent)


def _is_somewhere(turn: Turn, eraser: Eraser) -> bool:
    """Tells whether an entry or a document holds one of the texts, or a stopped redaction may have left some."""
    if os.path.exists(turn.layout.path("redacting")):
        return True
    shown = any(eraser.holds(turn.memory.view(doc).text) for doc in turn.memory.documents())
    return shown or erase.is_anywhere(turn.layout, eraser)


def _of_entry(memory: "Memory", entry: "Entry") -> list[bytes]:
    """Returns the lines of an entry, and of what replaced its texts later; headings and short lines apart."""
    ids = {block for _, _, block, _ in entry.new_blocks()}
    found = [text for op, n, _, text in entry.new_blocks() if op.get("kinds", "")[n : n + 1] != "h"]
    for later in sorted(memory.entries(), key=lambda e: (e.time, e.id)):
        for op, n, block, text in later.new_blocks():
            if not ids.isdisjoint(op.get("targets") or ()):
                ids.add(block)
                found += [text] if op.get("kinds", "")[n : n + 1] != "h" else []
    return list(dict.fromkeys(line for text in found for line in parts(text)))


def _ancestors(memory: "Memory", entry: "Entry") -> list[str]:
    """Returns the entries whose text this one replaced."""
    targets = [t for op in entry.ops if op.get("op") == "replace" for t in op["targets"]]
    return list(dict.fromkeys(f.definition().entry for f in lookup.known(memory, targets)))


def _remove_aside(turn: Turn, eraser: Eraser) -> None:
    """Removes the displaced versions of documents that hold one of the texts; what they say has been taken in.

    A program that opened such a version before it was displaced, and writes to it only now, writes into nothing.
    """
    folder = turn.aside_folder()
    for name in os.listdir(folder):
        if name.removeprefix(".memshim-").startswith(turn.ASIDE):
            path = os.path.join(folder, name)
            found = files.read_document(path)
            if found is not None and eraser.holds(found[0]):
                files.unlink_quietly(path)
