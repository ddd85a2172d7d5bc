"""Conflicts: live texts of one slot that differ, or that somebody removed without having seen them.  Must not know views."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from memshim.text.facts import Facts


class Conflict:
    """Is a clash that stays open: the live texts of one slot, and the entries that removed what one of them replaced."""

    __slots__ = ("blocks", "label", "removers", "slot")

    def __init__(self, slot: str, blocks: "list[Facts]", removers: "list[str]") -> None:
        self.slot = slot
        self.blocks = blocks
        self.removers = removers
        self.label = ""


def find_conflicts(
    live: "Iterable[Facts]", hot: "dict[str, Facts]", resolved: "Collection[list[str]]"
) -> list[Conflict]:
    """Returns the open conflicts, labelled `c` and the shortest part of the slot's id that is not ambiguous."""
    slots: dict[str, list[Facts]] = {}
    for facts in live:
        slots.setdefault(facts.definition().slot, []).append(facts)
    found = []
    for slot, alive in slots.items():
        if len(alive) == 1 and not alive[0].definition().targets:
            continue
        texts = {f.definition().text.rstrip(b"\r\n") for f in alive}
        removers = sorted({e for f in alive for e in _removers(f, hot)})
        ids = {f.id for f in alive}
        if (len(texts) > 1 or removers) and not any(ids <= set(r) for r in resolved):
            alive.sort(key=lambda f: f.definition().rank())
            found.append(Conflict(slot, alive, removers))
    found.sort(key=lambda c: c.slot)
    for conflict in found:
        size = 3
        while any(c is not conflict and c.slot.startswith(conflict.slot[:size]) for c in found):
            size += 1
        conflict.label = "c" + conflict.slot[:size]
    return found


def _removers(facts: "Facts", hot: "dict[str, Facts]") -> "Iterator[str]":
    """Yields the entries that removed a block which this one replaced, each not having seen the other."""
    own = facts.definition()
    for target in own.targets:
        old = hot.get(target)
        if old is not None and old.kills.get(own.entry) == "replace":
            yield from (e for e in old.killers() if old.kills.get(e) == "remove")
