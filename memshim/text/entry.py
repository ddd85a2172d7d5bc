"""Entries: one remembered change each, its ids and operations.  Must not know files, or how entries are ordered into a view.

An operation is a dict, as in the record's JSON, with its texts beside it under "blocks":

    add      doc, blocks, and either `at` (a stem, see `position`) or `section` ("" is the end of the document; `doc` is
             then the name that the writer knew, see `names`);
             optional `ids` for blocks that keep an id from elsewhere, `apart` for headings meant to stand twice,
             `from` for the blocks or entries that wrote lines of a text: its number -> ids
    replace  doc, blocks, targets, slot, at        the new text of the targets; it stands in the slot of the first;
             optional `from` as in add
    remove   doc, targets                          a tombstone; names blocks, never text
    restore  doc, targets, undoes                  takes back what the entries in `undoes` did to the targets
    move     doc, targets, at, optional `eol`      fixes blocks' places: a run with this stem, and the line end of
                                                   those that have none
    doc      doc, do (create, delete, rename, restore), name, undoes
    resolve  settles                               these stand side by side on purpose: no conflict any more
    redact   ids, salt, digests, sizes             texts of these blocks were erased; what is kept of them, see `secret`

Operations and fields that this version does not know are kept, and have no effect.
"""

from memshim.text.position import is_key
from memshim.text.record import HOLE, Form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Op = dict[str, Any]

VERSION = 1
HOUR_MS = 3_600_000


class Entry:
    """Is one change as it stands in a journal; equal by id."""

    __slots__ = ("agent", "extra", "id", "kind", "ops", "replaces", "session", "time", "why")

    def __init__(
        self,
        id: str,
        time: str,
        kind: str,
        agent: str,
        ops: "list[Op]",
        *,
        session: str = "",
        why: str = "",
        replaces: "tuple[str, ...]" = (),
        extra: "dict[str, Any] | None" = None,
    ) -> None:
        self.id = id
        self.time = time
        self.kind = kind
        self.agent = agent
        self.ops = ops
        self.session = session
        self.why = why
        self.replaces = replaces
        self.extra = extra or {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Entry({self.id[-8:]} {self.kind} {self.agent})"

    @property
    def milliseconds(self) -> int:
        """Returns the wall-clock part of the hybrid time, in milliseconds since 1970."""
        return int(self.time[:12], 16)

    def documents(self) -> "list[str]":
        """Returns the documents that the operations name, in order, each once."""
        return list(dict.fromkeys(op["doc"] for op in self.ops if op.get("doc")))

    def new_blocks(self) -> "Iterator[tuple[Op, int, str, bytes]]":
        """Yields (operation, number within it, block id, text) for every block that the entry makes."""
        ordinal = 0
        for op in self.ops:
            ids = op.get("ids") or []
            for n, text in enumerate(op.get("blocks") or ()):
                given = ids[n] if n < len(ids) else None
                yield op, n, given or block_id(self.id, ordinal), text
                ordinal += 1


def block_id(entry: str, ordinal: int) -> str:
    """Returns the id of an entry's n-th new block."""
    from memshim.text.digest import sha256  # appends never come here: their block ids follow from the entry's

    return sha256(f"{entry}:{ordinal}".encode()).hexdigest()[:32]


def make_time(now_ms: int, seen: str) -> str:
    """Returns the next hybrid logical time: 12 hex digits of milliseconds, 4 of a counter.

    Guarantees: later than `seen`, unless that is more than an hour ahead of our clock; then others' clocks are not followed.
    Source: Kulkarni et al., Logical Physical Clocks (2014), with their counter.
    """
    mine = f"{now_ms << 16:016x}"
    if mine > seen:
        return mine
    last = int(seen, 16)
    return f"{last + 1:016x}" if last >> 16 <= now_ms + HOUR_MS else mine


_readable = (-1, "")  # the last second that was put into words


def readable_time(time: str) -> str:
    """Returns a hybrid time's wall clock as people read it, in UTC, to the second.

    Source: days to civil date after Howard Hinnant, chrono-compatible low-level date algorithms.
    """
    global _readable
    seconds = (int(time, 16) >> 16) // 1000
    if _readable[0] != seconds:
        _readable = (seconds, _in_words(seconds))
    return _readable[1]


def _in_words(seconds: int) -> str:
    days, rest = divmod(seconds, 86400)
    era, day = divmod(days + 719468, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5 - 1
    month += 3 if month < 10 else -9
    year += era * 400 + (month <= 2)
    return f"{year:04d}-{month:02d}-{day:02d} {rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d} UTC"


def make_id(time: str, replica: str, noise: str) -> str:
    """Returns an entry id of 32 hex digits: time, then the replica's 8, then 8 random ones."""
    return time + replica + noise


def to_record(entry: Entry) -> "tuple[dict[str, Any], list[bytes]]":
    """Returns what `record.encode` takes: the meta, in which each operation has the number of its texts, and the texts."""
    return _meta(entry, readable_time(entry.time), entry.id, entry.time)


def to_form(entry: Entry) -> "tuple[Form, list[bytes]]":
    """Returns the form of all records like this entry's, to be filled with `readable_time`, id and time, and the texts."""
    meta, texts = _meta(entry, HOLE, HOLE, HOLE)
    return Form(meta), texts


def _meta(entry: Entry, when: object, id: object, time: object) -> "tuple[dict[str, Any], list[bytes]]":
    texts: list[bytes] = []
    ops: list[Op] = []
    for op in entry.ops:
        blocks = op.get("blocks")
        if blocks is not None:
            texts.extend(blocks)
            op = {**op, "blocks": len(blocks)}
        ops.append(op)
    meta: dict[str, Any] = {
        "v": VERSION,
        "kind": entry.kind,
        "when": when,
        "agent": entry.agent,
        "id": id,
        "time": time,
    }
    if entry.session:
        meta["session"] = entry.session
    if entry.why:
        meta["why"] = entry.why
    if entry.replaces:
        meta["replaces"] = list(entry.replaces)
    meta.update(entry.extra)
    meta["ops"] = ops
    return meta, texts


def from_record(meta: "dict[str, Any]", texts: "list[bytes]") -> "Entry | None":
    """Returns the entry of a record, or None where the record holds none (a header), or nothing that could be one."""
    fields = dict(meta)
    try:
        id_, time, kind, agent, raw = (fields.pop(k) for k in ("id", "time", "kind", "agent", "ops"))
        fields.pop("v", None)
        fields.pop("when", None)  # for people who read a journal; it follows from `time`
        if not _hex(id_, 32) or not _hex(time, 16) or not isinstance(kind, str) or not isinstance(agent, str):
            return None
        ops, at = [], 0
        for op in raw:
            if not _sound(op):
                return None
            if isinstance(op.get("blocks"), int):
                count = op["blocks"]
                op = {**op, "blocks": texts[at : at + count]}
                at += count
            ops.append(op)
        return Entry(
            id_,
            time,
            kind,
            agent,
            ops,
            session=str(fields.pop("session", "")),
            why=str(fields.pop("why", "")),
            replaces=tuple(fields.pop("replaces", ())),
            extra=fields,
        )
    except (KeyError, TypeError, AttributeError):
        return None


_TEXTS = ("op", "doc", "section", "slot", "kinds", "do", "name", "eol", "salt")
_LISTS = ("targets", "undoes", "settles", "ids", "digests")
_NEEDED = {
    "add": ("doc", "blocks"),
    "replace": ("doc", "blocks", "targets", "at"),
    "remove": ("targets",),
    "restore": ("targets", "undoes"),
    "move": ("targets", "at"),
    "doc": ("doc", "do"),
    "resolve": ("settles",),
    "redact": ("ids", "salt", "digests", "sizes"),
}


def _sound(op: "Op") -> bool:
    """Tells whether an operation has the shape that its kind needs; unknown ones have any."""
    needed = _NEEDED.get(op.get("op", ""))
    if needed is None:
        return True
    return (
        all(name in op for name in needed)
        and all(isinstance(op[name], str) for name in _TEXTS if name in op)
        and all(
            isinstance(op[name], list) and all(isinstance(i, str) for i in op[name]) for name in _LISTS if name in op
        )
        and (op.get("at") is None or is_key(op["at"]))
        and isinstance(op.get("blocks", 0), int)
        and _is_table(op.get("from", {}))
        and ("at" in op or "section" in op or op["op"] != "add")
    )


def _is_table(value: object) -> bool:
    """Tells a dict of lists of ids."""
    if not isinstance(value, dict):
        return False
    return all(isinstance(ids, list) and all(isinstance(i, str) for i in ids) for ids in value.values())


def _hex(value: object, length: int) -> bool:
    return isinstance(value, str) and len(value) == length and not value.strip("0123456789abcdef")
