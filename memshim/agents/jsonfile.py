"""Jsonfile: a settings file of somebody else's, read strictly and replaced in one step.  Must not know what hooks are.

What cannot be read as strict JSON, or replaced without changing more than its bytes, is left alone.
"""

import json
import os
import stat
from typing import Any

from memshim.disk import files
from memshim.errors import SettingsUnreadable


def read(path: str) -> bytes | None:
    """Returns a settings file's bytes, None where there is none; raises SettingsUnreadable for one that must not be replaced."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsUnreadable(f"{path} cannot be looked at: {error.strerror}.", _NOTHING) from error
    reason = ""
    if stat.S_ISLNK(status.st_mode):
        reason = f"is a symbolic link to {os.path.realpath(path)}; replacing it would cut the link"
    elif not stat.S_ISREG(status.st_mode):
        reason = "is not a regular file"
    elif status.st_uid != os.geteuid():
        reason = "belongs to another user"
    elif not status.st_mode & stat.S_IWUSR:
        reason = "is read-only"
    if reason:
        raise SettingsUnreadable(
            f"{path} {reason}.", _NOTHING + " Put a writable file there, or choose another --scope."
        )
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise SettingsUnreadable(f"{path} cannot be read: {error.strerror}.", _NOTHING) from error


_NOTHING = "Nothing was changed."


def parsed(path: str, text: bytes) -> dict[str, Any]:
    """Returns the settings in a file's bytes; an empty file holds none.  Raises SettingsUnreadable, which says where and why."""
    try:
        words = text.decode("utf-8")
        if words.startswith("\ufeff"):
            raise ValueError("it begins with a byte order mark")
        value = json.loads(words, object_pairs_hook=_no_twins, parse_constant=_no_constant) if words.strip() else {}
    except json.JSONDecodeError as error:
        raise _unreadable(path, f"{error.msg}, line {error.lineno}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, str(error)) from error
    hooks = value.get("hooks", {}) if isinstance(value, dict) else None
    if (
        not isinstance(value, dict)
        or not isinstance(hooks, dict)
        or not all(isinstance(g, list) for g in hooks.values())
    ):
        raise _unreadable(path, "its hooks are no lists by event, as the client wants them")
    return value


def _unreadable(path: str, why: str) -> SettingsUnreadable:
    hint = f"{_NOTHING} Repair the file (comments and trailing commas are no JSON), then try again."
    return SettingsUnreadable(f"{path} is not plain JSON: {why}.", hint)


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key stands there twice")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def dumped(like: bytes, settings: dict[str, Any]) -> bytes:
    """Returns the settings as text, with the indent, line ends and last line end of the text that they came from."""
    words = like.decode("utf-8")
    lines = words.splitlines()
    indent = next((line[: len(line) - len(line.lstrip())] for line in lines if line[:1] in (" ", "\t")), "  ")
    spread = indent if len(lines) != 1 or words.strip() == "{}" else None
    text = json.dumps(settings, indent=spread, ensure_ascii="\\u" in words)
    text += "\n" if not words.strip() or words.endswith("\n") else ""
    return (text.replace("\n", "\r\n") if "\r\n" in words else text).encode()


def replace(path: str, now: bytes | None, then: bytes | None) -> None:
    """Puts `then` in the place of `now` in one step, and takes it back if `now` was not what stood there.

    A crash leaves the old file or the new one, and maybe a temporary file beside it.
    """
    changed = SettingsUnreadable(f"{path} changed while memshim looked at it.", f"{_NOTHING} Try again.")
    folder = os.path.dirname(path)
    try:
        if then is not None:
            os.makedirs(folder, exist_ok=True)
        if read(path) != now:
            raise changed
        aside = files.scratch_name(folder, os.path.basename(path) + ".memshim")
        if then is None:
            os.rename(path, aside)
        else:
            files.create(aside, then, stat.S_IMODE(os.stat(path).st_mode) if now is not None else 0o644)
        try:
            if now is None:
                os.link(aside, path)
            elif then is not None and not files.exchange(aside, path):
                os.rename(aside, path)
                return
            if now is not None and files.read(aside) != now:
                if then is None:
                    os.link(aside, path)
                else:
                    files.exchange(aside, path)
                    if files.read(aside) != then:
                        files.exchange(aside, path)  # somebody wrote once more in between: theirs stays
                raise changed
        except FileExistsError as error:
            raise changed from error
        finally:
            files.unlink_quietly(aside)
            if os.path.isdir(folder):
                files.sync_folder(folder)
    except OSError as error:
        raise SettingsUnreadable(f"{path} cannot be replaced: {error.strerror}.", _NOTHING) from error
