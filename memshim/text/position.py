"""Where a block stands: keys that sort as text, with room between any two.  Must not know blocks or documents.

A key is a path in a tree, one component per level, each `DIGITS.tag.ordinal`: the digits are a fraction in base 36 in
groups of four, the tag is the writer's (so that two runs inserted at one place at once stay apart and in an order that
all agree on), the ordinal counts within a run.  `.` sorts below every digit, so a key sorts before all that hang on it.

An anchor ("after block X") would do the same, but would need every removed ancestor kept for ever to find a late
block's place; a key is compared as it is.  The shape is that of Logoot (Weiss, Urso, Molli 2009) with one component
for a whole run instead of one for each element.
"""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_GROUP = 4
_SIZE = 36**_GROUP
_MIDDLE = "i000"


def between(left: "str | None", right: "str | None", tag: str) -> str:
    """Returns the stem for a run of blocks that stands after `left` and before `right` (None: no bound there).

    Guarantees, for `left` < `right`: left < key(stem, n) < key(stem, n + 1) < right, for all n.
    """
    lefts, rights = _components(left), _components(right)
    common = 0
    while common < len(lefts) and common < len(rights) and lefts[common] == rights[common]:
        common += 1
    path = list(lefts[:common])
    low = lefts[common] if common < len(lefts) else None
    high = rights[common] if common < len(rights) else None
    if low is not None and high is not None and _digits(low) == _digits(high):
        path.append(low)  # no room at this level: hang on the left neighbour
        low = lefts[common + 1] if common + 1 < len(lefts) else None
        high = None
    path.append(_fraction(low and _digits(low), high and _digits(high)) + "." + tag)
    return "/".join(path)


def key(stem: str, ordinal: int) -> str:
    """Returns the key of the block with this number (from 0, below 36**4) in the run of this stem."""
    return f"{stem}.{_number(ordinal)}"


def is_key(text: object) -> bool:
    """Tells whether a text has the shape of a stem or key; anything may stand in a file that came from elsewhere."""
    if not isinstance(text, str) or len(text) > 100_000:
        return False
    for component in text.split("/"):
        digits, dot, rest = component.partition(".")
        if not dot or not rest or not digits or len(digits) % _GROUP or digits.strip(_DIGITS) or not digits.strip("0"):
            return False
    return True


def _components(key_: "str | None") -> "list[str]":
    return key_.split("/") if key_ else []


def _digits(component: str) -> str:
    return component[: component.index(".")]


def _number(value: int) -> str:
    out = ""
    for _ in range(_GROUP):
        value, rest = divmod(value, 36)
        out = _DIGITS[rest] + out
    return out


def _fraction(low: "str | None", high: "str | None") -> str:
    """Returns digits strictly between two fractions, of which neither is all zeros."""
    if low is None and high is None:
        return _MIDDLE
    if high is None:
        return _above(low or "")
    if low is None:
        return _below(high)
    out, i = "", 0
    while True:
        a = int(low[i : i + _GROUP] or "0", 36)
        b = int(high[i : i + _GROUP] or "0", 36)
        if b - a > 1:  # beside the neighbour that has digits here: a series of inserts at one place stays short
            return out + _number(a + 1 if low[i:] else b - 1)
        out += _number(a)
        if b < a or i > len(low) + len(high):  # the bounds are equal, or in the wrong order
            return out + _above(low[i + _GROUP :])
        if b - a == 1:
            return out + _above(low[i + _GROUP :])
        i += _GROUP


def _above(low: str) -> str:
    head = int(low[:_GROUP] or "0", 36) + 1
    if not low:
        return _MIDDLE
    return _number(head) if head < _SIZE else low[:_GROUP] + _above(low[_GROUP:])


def _below(high: str) -> str:
    head = int(high[:_GROUP], 36) - 1
    if head > 0:
        return _number(head)
    return "0000" + (_below(high[_GROUP:]) if len(high) > _GROUP else _MIDDLE) if head < 0 else "0000" + _MIDDLE
