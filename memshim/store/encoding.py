"""The records of a snapshot and its segments: entries, and facts about blocks, to bytes and back.  Must not know files."""

from memshim.text import record
from memshim.text.entry import Entry, from_record
from memshim.text.facts import CODES, KINDS, Def, Facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def decode_entry(data: bytes) -> Entry | None:
    """Returns the entry in a segment's record."""
    found = next(record.scan(data), None)
    return from_record(found.meta, found.texts) if found is not None and found.meta is not None else None


def encode_facts(facts: Facts) -> bytes:
    """Returns the record of one dead block."""
    texts: list[bytes] = []
    row = facts_out(facts, texts)
    return record.encode({"facts": row}, texts)


def decode_facts(data: bytes) -> Facts:
    """Returns the facts in a record of `encode_facts`."""
    found = next(record.scan(data))
    assert found.meta is not None
    return facts_in(found.meta["facts"], iter(found.texts))


def facts_out(facts: Facts, texts: list[bytes]) -> "list[Any]":
    """Returns what is known of a block as a JSON value; its texts are put behind `texts`."""
    defs = []
    for d in facts.defs.values():
        texts.append(d.text)
        slot = "" if d.slot == facts.id else d.slot
        place = [d.doc, CODES[d.kind], d.at, d.section, slot]
        defs.append(
            [d.entry, d.time, d.agent, *place, d.ordinal, d.targets, d.apart, *([d.lines_from] * bool(d.lines_from))]
        )
    return [facts.id, defs, facts.kills, facts.undone, facts.moves]


def facts_in(row: "list[Any]", texts: "Iterable[bytes]") -> Facts:
    """Returns what `facts_out` made a value of; takes its texts from `texts`."""
    facts = Facts(row[0])
    source = iter(texts)
    for entry, when, agent, doc, kind, at, section, slot, ordinal, targets, apart, *more in row[1]:
        facts.defs[entry] = Def(
            doc,
            next(source),
            KINDS[kind],
            at,
            section,
            slot or row[0],
            entry,
            when,
            agent,
            ordinal,
            tuple(targets),
            apart,
            tuple(more[0]) if more else (),
        )
    facts.kills, facts.undone = row[2], row[3]
    facts.moves = {entry: (move[0], move[1], move[2]) for entry, move in row[4].items()}
    return facts
