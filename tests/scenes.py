"""Entries as several agents make them, from steps that Hypothesis draws: by intake on what each had seen, and wild.

A step is a tuple of a name and numbers, so that a failing example shrinks to a few steps that can be read.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

from memshim.text import blocks as markdown
from memshim.text import position
from memshim.text.entry import Entry, block_id
from memshim.text.facts import CODES, Facts
from memshim.text.fold import State
from memshim.text.intake import operations
from memshim.text.merge import merge
from memshim.text.view import View, view

DOCS = ("MEMORY.md", "notes.md")
NAMES = (*DOCS, "name-0.md", "name-1.md")
AGENTS = ("ann", "bob", "cleo")
START = {
    "MEMORY.md": b"# Memory\n\n- use pip\n- use make\n\n## Rules\n\n- be kind\n- be brief\n\nSome words of prose.\n",
    "notes.md": b"## Tools\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n## Rules\n\n- other rules\n",
}
SECTIONS = ("", "Rules", "## Tools", "New", "Memory > Rules", "renamed 1")
TEXTS = (
    b"- use uv\n", b"- use uv", b"- be kind\n", b"words of ann\n\nmore words", b"## New\n\n- below new\n", b"| 3 | 4 |",
    b"```\n# no heading\n```\n", b"- crlf\r\n", b"## New\n", b"- caf\xe9 \x00\n  more\n", b"1. one\n", b"# Memory\n",
)  # fmt: skip

_N = st.integers(0, 30)
_WHO = st.integers(0, len(AGENTS) - 1)
_DOC = st.integers(0, 1)
SEEN_STEPS = st.one_of(
    st.tuples(
        st.just("append"),
        _WHO,
        st.integers(0, len(NAMES) - 1),
        st.integers(0, len(SECTIONS) - 1),
        st.integers(0, len(TEXTS) - 1),
    ),
    st.tuples(st.just("change"), _WHO, _DOC, st.sampled_from(("insert", "delete", "edit", "move", "rename")), _N, _N),
    st.tuples(st.just("change"), _WHO, _DOC, st.sampled_from(("insert", "delete", "edit", "move", "rename")), _N, _N),
    st.tuples(st.just("clash"), _WHO, _DOC, _N, _N),
    st.tuples(st.just("learn"), _WHO),
    st.tuples(st.just("restore"), _WHO, _N),
    st.tuples(st.just("resolve"), _WHO, _N),
    st.tuples(st.just("retell"), _WHO, _N),
    st.tuples(st.just("doc"), _WHO, _DOC, st.sampled_from(("create", "delete", "rename", "restore")), _N),
)
WILD_STEPS = st.one_of(
    st.tuples(
        st.just("wild"), st.sampled_from(("remove", "replace", "restore", "move", "settles", "drop")), _N, _N, _N
    ),
    st.tuples(st.just("unknown"), _WHO, _N),
)


def steps(least: int = 1, most: int = 14, wild: bool = True) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Lists of steps; with `wild` also entries that no honest writer makes."""
    kinds = st.one_of(SEEN_STEPS, SEEN_STEPS, SEEN_STEPS, WILD_STEPS) if wild else SEEN_STEPS
    return st.lists(kinds, min_size=least, max_size=most)


class Past:
    """What lies behind a state, in memory: the reference for `store.snapshot.Past`."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.blocks: dict[str, list[Facts]] = {}

    def keep(self, new: Iterable[Entry], frozen: Iterable[Facts]) -> None:
        self.entries.update({e.id: e for e in new})
        for facts in frozen:
            self.blocks.setdefault(facts.id, []).append(copied(facts))

    def add(self, other: "Past") -> None:
        self.entries.update(other.entries)
        for id_, found in other.blocks.items():
            self.blocks.setdefault(id_, []).extend(copied(f) for f in found)

    def block(self, block: str) -> Facts | None:
        found = [copied(f) for f in self.blocks.get(block, ())]
        for other in found[1:]:
            found[0].unite(other)
        return found[0] if found else None

    def entry(self, entry: str) -> Entry | None:
        return self.entries.get(entry)

    def folded(self, entry: str) -> bool:
        return entry in self.entries


def copied(facts: Facts) -> Facts:
    out = Facts(facts.id)
    out.unite(facts)
    return out


def fold(entries: Iterable[Entry]) -> State:
    state = State()
    state.apply(entries, Past())
    return state


def told(state: State) -> dict[str, object]:
    """All that a state says to people: bytes, who wrote each piece, conflicts, documents."""
    docs = dict.fromkeys([*DOCS, *state.documents()])
    return {
        "views": {d: shown(view(state, d)) for d in docs},
        "conflicts": [(c.label, c.slot, [f.id for f in c.blocks], c.removers) for c in state.conflicts()],
        "documents": state.documents(),
        "deleters": {d: sorted(state.deleters(d)) for d in docs},
    }


def document(state: State, doc: str) -> View:
    """The view that shows this document; another one's, where that was given its name."""
    return view(state, state.names.home(doc))


def shown(found: View) -> object:
    pieces = [(p.data, sorted(p.ids), sorted(p.agents), sorted(p.entries), p.time, p.label) for p in found.pieces]
    return found.text, pieces


class Scene:
    """Several agents at work, each on what it has seen so far; `entries` is what they wrote, in order of writing."""

    def __init__(self, script: Sequence[tuple[Any, ...]], start: dict[str, bytes] | None = None) -> None:
        self.entries: list[Entry] = []
        self.known: dict[str, list[int]] = {name: [] for name in AGENTS}
        self._first(START if start is None else start)
        for step in script:
            getattr(self, f"_{step[0]}")(*step[1:])

    # -- saying something ------------------------------------------------------------------------------------

    def _say(self, who: str, kind: str, ops: list[dict[str, Any]], **more: Any) -> None:
        if not ops:
            return
        n = len(self.entries)
        skew = {"ann": 0, "bob": 7, "cleo": -5}.get(who, 0)  # clocks disagree
        time = f"{(1_000_000 + 2 * n + skew) << 16 | n:016x}"
        id_ = f"{time}{AGENTS.index(who) if who in AGENTS else 9:08x}{n:08x}"
        self.entries.append(Entry(id_, time, kind, who, ops, **more))
        if who in self.known:
            self.known[who].append(n)

    def _first(self, start: dict[str, bytes]) -> None:
        ops: list[dict[str, Any]] = []
        for doc, text in start.items():
            parsed = markdown.parse(text)
            stem = position.between(None, None, "0")
            ops.append({"op": "doc", "do": "create", "doc": doc})
            kinds = "".join(CODES[b.kind] for b in parsed)
            ops.append({"op": "add", "doc": doc, "at": stem, "kinds": kinds, "blocks": [b.text for b in parsed]})
        self._say("before", "init", ops)
        for seen in self.known.values():
            seen.append(0)

    def state_of(self, who: str) -> State:
        return fold(self.entries[n] for n in self.known[who])

    @staticmethod
    def _pick(found: Sequence[Any], n: int) -> Any:
        return found[n % len(found)] if found else None

    def _blocks(self) -> list[str]:
        return [b for e in self.entries for _, _, b, t in e.new_blocks() if t.strip()]

    # -- what agents do --------------------------------------------------------------------------------------

    def _learn(self, who: int) -> None:
        self.known[AGENTS[who]] = list(range(len(self.entries)))

    def _append(self, who: int, doc: int, section: int, text: int) -> None:
        parsed = markdown.parse(TEXTS[text])
        op = {"op": "add", "doc": NAMES[doc], "section": SECTIONS[section], "blocks": [b.text for b in parsed]}
        self._say(AGENTS[who], "append", [{**op, "kinds": "".join(CODES[b.kind] for b in parsed)}])

    def _change(self, who: int, doc: int, what: str, place: int, n: int) -> None:
        seen = document(self.state_of(AGENTS[who]), DOCS[doc])
        self._say(AGENTS[who], "write", operations(seen, changed(seen.text, what, place, n), f"t{len(self.entries):x}"))

    def _clash(self, who: int, doc: int, place: int, n: int) -> None:
        """A foreign writer had seen what `who` knows, and writes now; intake keeps both sides of a clash."""
        old = document(self.state_of(AGENTS[who]), DOCS[doc])
        now = document(fold(self.entries), DOCS[doc])
        found = changed(old.text, "edit", place, n)
        merged = merge(old.text, now.text, found)
        pieces = [(p.ids, p.data) for p in old.pieces]
        self._learn(who)
        self._say(
            AGENTS[who], "adopt", operations(now, merged.text, f"t{len(self.entries):x}", merged.conflicts, pieces)
        )

    def _restore(self, who: int, n: int) -> None:
        dead = [f for f in self.state_of(AGENTS[who]).facts.values() if f.defs and f.killers()]
        facts = self._pick(sorted(dead, key=lambda f: f.id), n)
        if facts is not None:
            op = {"op": "restore", "doc": DOCS[0], "targets": [facts.id], "undoes": facts.killers()}
            self._say(AGENTS[who], "restore", [op])

    def _resolve(self, who: int, n: int) -> None:
        conflict = self._pick(self.state_of(AGENTS[who]).conflicts(), n)
        if conflict is not None:
            self._say(AGENTS[who], "resolve", [{"op": "resolve", "settles": [f.id for f in conflict.blocks]}])

    def _retell(self, who: int, n: int) -> None:
        """A hook brings the call behind an adopted entry: its entry replaces that one and keeps the blocks' ids."""
        old = self._pick([e for e in self.entries[1:] if e.agent in AGENTS], n)
        if old is None:
            return
        ops, ordinal = [], 0
        for op in old.ops:
            count = len(op.get("blocks") or ())
            ids = (op.get("ids") or [])[:count] or [block_id(old.id, ordinal + k) for k in range(count)]
            ops.append({**op, "ids": ids} if count else dict(op))
            ordinal += count
        self._say(AGENTS[who], "write", ops, replaces=(old.id,))

    def _doc(self, who: int, doc: int, do: str, n: int) -> None:
        op: dict[str, Any] = {"op": "doc", "do": do, "doc": DOCS[doc]}
        if do == "rename":
            op["name"] = self._pick(NAMES, n)
        if do == "restore":
            op["undoes"] = self.state_of(AGENTS[who]).deleters(DOCS[doc])
        self._say(AGENTS[who], "doc", [op])

    # -- what nobody does ------------------------------------------------------------------------------------

    def _wild(self, what: str, a: int, b: int, c: int) -> None:
        """Names blocks and entries that do not exist, or that arrive only later (their ids can be computed)."""
        soon = [block_id(e, k) for e in self._coming() for k in range(2)]
        block = self._pick([*self._blocks(), *soon], a)
        entry = self._pick([*(e.id for e in self.entries[1:]), *self._coming()], b)
        text = self._pick(TEXTS[:4], c)
        op: dict[str, Any] = {"op": what, "doc": DOCS[c % 2], "targets": [block]}
        more: dict[str, Any] = {}
        if what == "replace":
            op.update(slot=block, at=position.key(f"i000.w{a}", b), blocks=[text], kinds="b")
        elif what == "restore":
            op["undoes"] = [entry] if entry else []
        elif what == "move":
            op.update(at=f"h{a:03d}.w{b}", eol="")
        elif what == "settles":
            op = {"op": "resolve", "settles": [block, self._pick(self._blocks(), b)]}
        elif what == "drop":
            op = {"op": "add", "doc": DOCS[c % 2], "section": "", "blocks": [text], "kinds": "b"}
            more["replaces"] = (entry,) if entry else ()
        self._say(AGENTS[a % 3], "wild", [op], **more)

    def _coming(self) -> Iterator[str]:
        """The ids of entries that may be written after this one: see `_say`."""
        for n in range(len(self.entries) + 1, len(self.entries) + 4):
            for who, skew in (("ann", 0), ("bob", 7), ("cleo", -5)):
                yield f"{(1_000_000 + 2 * n + skew) << 16 | n:016x}{AGENTS.index(who):08x}{n:08x}"

    def _unknown(self, who: int, n: int) -> None:
        block = self._pick(self._blocks(), n)
        ops = [{"op": "pin", "targets": [block], "doc": DOCS[0]}, {"op": "setting", "name": "x", "value": n}]
        self._say(AGENTS[who], "later", [*ops, {"op": "add", "doc": DOCS[0], "section": "", "blocks": [b"- known\n"],
                                               "later": True}], extra={"field": n})  # fmt: skip


def changed(text: bytes, what: str, place: int, n: int) -> bytes:
    """A document after one change of one block."""
    parts = [b.text for b in markdown.parse(text)]
    at = place % (len(parts) + 1)
    if what == "insert" or not parts:
        parts.insert(at, b"- new %d\n" % (n % 5))
        if at and not parts[at - 1].endswith(b"\n"):
            parts[at - 1] += b"\n"
        return b"".join(parts)
    at %= len(parts)
    if what == "delete":
        del parts[at]
    elif what == "move":
        parts.insert(n % len(parts), parts.pop(at))
    elif what == "rename":
        heads = [i for i, p in enumerate(parts) if p.startswith(b"#")]
        if heads:
            parts[heads[place % len(heads)]] = b"## renamed %d\n" % (n % 3)
    else:
        at = next((i for i in [*range(at, len(parts)), *range(at)] if parts[i].strip()), at)
        body = parts[at].rstrip(b"\r\n")
        parts[at] = body + b" edited %d" % (n % 4) + parts[at][len(body) :]
    return b"".join(parts)
