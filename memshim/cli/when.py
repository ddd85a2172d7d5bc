"""Times as people type and read them.  Must not know what happened at them."""

import time

from memshim.errors import BadInput

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SHAPES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M")


def moment(text: str) -> int:
    """Returns a point in time in milliseconds since 1970: `2h` is two hours ago; `10:30` is of today, in local time.

    Raises BadInput for what is none.
    """
    from datetime import datetime

    bare = text.strip().removesuffix("ago").strip()
    number, unit = bare[:-1].strip(), bare[-1:]
    if number.isascii() and number.isdigit() and unit in _UNITS:
        return int((time.time() - int(number) * _UNITS[unit]) * 1000)
    if bare.endswith(("Z", "UTC")) or "+" in bare:
        with_zone = bare.replace("UTC", "+00:00").replace(" +", "+")
        try:
            return int(datetime.fromisoformat(with_zone).timestamp() * 1000)
        except ValueError:
            pass
    for shape in _SHAPES:
        try:
            found = datetime.strptime(bare.replace("T", " "), shape)
        except ValueError:
            continue
        if shape.startswith("%H"):
            found = datetime.combine(datetime.now().date(), found.time())
        return int(found.timestamp() * 1000)
    raise BadInput(f"{text[:80]!r} is no time.", "For example: 30m, 2h, 3d, 2026-11-21, '2026-11-21 10:30', 10:30")


def age(milliseconds: float) -> str:
    """Returns how long ago something was, in at most four characters: 5s, 12m, 3h, 9d, 14w, 2y."""
    seconds = int(time.time() - milliseconds / 1000)
    if seconds < 0:
        return "soon"  # a clock that is ahead of ours
    for unit, size, limit in (("s", 1, 60), ("m", 60, 60), ("h", 3600, 48), ("d", 86400, 21), ("w", 7 * 86400, 104)):
        if seconds // size < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // (365 * 86400)}y"


def clock(milliseconds: float, shape: str = "%Y-%m-%d %H:%M") -> str:
    """Returns a point in time as people read it, in local time."""
    return time.strftime(shape, time.localtime(milliseconds / 1000))
