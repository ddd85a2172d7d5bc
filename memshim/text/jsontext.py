"""Reading JSON without what `import json` brings: re and enum, which take as long as an interpreter's whole start.

This is the scanner that `json.loads` itself uses in CPython (json/scanner.py), with the same settings.  Where a Python has none,
`json` does it.  Must not know what the values mean.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SPACE = " \t\n\r"
_BOM = b"\xef\xbb\xbf"


class _Settings:
    """Is what the scanner asks: that of `json.loads` without options."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float  # NaN, Infinity, -Infinity


def loads(data: "str | bytes") -> "Any":
    """Returns the value of a JSON text, as `json.loads` does for UTF-8, of which a BOM is allowed; else raises ValueError.

    Raises RecursionError for what is nested some thousand deep.
    """
    text = data if isinstance(data, str) else data.removeprefix(_BOM).decode("utf-8", "surrogatepass")
    text = text.strip(_SPACE)
    try:
        value, end = _scan(text, 0)
    except StopIteration as error:
        raise ValueError(f"no JSON value at character {error.value}") from None
    if end != len(text):
        raise ValueError(f"more than one JSON value: the second begins at character {end}")
    return value


try:
    from _json import make_scanner

    _scan = make_scanner(_Settings)  # type: ignore[arg-type] # typeshed asks for a scanner, and means its settings
except ImportError:
    from json import loads  # type: ignore[assignment] # noqa: F401
