"""Settings: puts our hooks into Claude Code's settings files and takes them out again.  Must not know what the hooks do.

A settings file is somebody else's: it is changed only if it can be read as strict JSON, and only in one step that looks
at what it replaced.  Where hooks were put, and what the file was before, is recorded in $XDG_STATE_HOME/memshim/installed/.
"""

import base64
import json
import os
from typing import Any

from memshim.agents import coverage, fragment, inbox, jsonfile, told
from memshim.disk import files
from memshim.disk.layout import state_home
from memshim.text.digest import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SCOPES = ("user", "project", "local")


def path_of(scope: str, cwd: str) -> str:
    """Returns the settings file of a scope; for a project the nearest folder upwards that holds .claude or .git, else `cwd`."""
    home = os.path.expanduser("~")
    if scope == "user":
        config = os.environ.get("CLAUDE_CONFIG_DIR") or os.path.join(home, ".claude")
        return os.path.abspath(os.path.join(config, "settings.json"))
    root = here = os.path.realpath(cwd)
    while here not in (os.path.realpath(home), os.path.dirname(here)):
        if any(os.path.lexists(os.path.join(here, name)) for name in (".claude", ".git")):
            root = here
            break
        here = os.path.dirname(here)
    return os.path.join(root, ".claude", "settings.json" if scope == "project" else "settings.local.json")


class Change:
    """Is a change of one settings file, not yet made: `now` is what it holds, `then` what it is to hold (None: no file).

    `before` is what the file held, or would hold, without our hooks; `hooks` are those that it is to hold.
    """

    def __init__(
        self,
        path: str,
        scope: str,
        now: bytes | None,
        before: bytes | None,
        then: bytes | None,
        hooks: "fragment.Hooks",
    ) -> None:
        self.path = path
        self.scope = scope
        self.now = now
        self.before = before
        self.then = then
        self.hooks = hooks

    @property
    def is_empty(self) -> bool:
        """Tells whether there is nothing to do."""
        return self.now == self.then

    def diff(self) -> str:
        """Returns the change as a unified diff."""
        import difflib

        now, then = ((text or b"").decode().splitlines(keepends=True) for text in (self.now, self.then))
        return "".join(difflib.unified_diff(now, then, self.path, self.path))

    def make(self, test: "Callable[[fragment.Hooks], None]") -> None:
        """Makes the change and the record of it, runs the test of the hooks, and takes all back if that raises.

        Raises SettingsUnreadable, with nothing changed, if the file is not what it was.  A crash may leave a record of hooks
        that are not there, never hooks without a record.
        """
        name = os.path.join(_records(), _name(self.path))
        old = files.read(name)
        if self.hooks:
            self._note()
        if not self.is_empty:
            jsonfile.replace(self.path, self.now, self.then)
        try:
            if self.hooks:
                test(self.hooks)
        except BaseException:
            if not self.is_empty:
                jsonfile.replace(self.path, self.then, self.now)
            _forget(self.path)
            if old is not None:
                files.replace(name, old, _records())
            raise
        if not self.hooks:
            _forget(self.path)

    def _note(self) -> None:
        files.make_folder(_records())
        old = _record(self.path)
        row = {
            "path": self.path,
            "scope": self.scope,
            "before": None if self.before is None else base64.b64encode(self.before).decode(),
            "written": _digest((self.now if self.is_empty else self.then) or b""),
            "made": old["made"] if old else _made(os.path.dirname(self.path)),
        }
        files.replace(os.path.join(_records(), _name(self.path)), json.dumps(row).encode(), _records())


def installing(path: str, scope: str) -> Change:
    """Returns the change that puts this version's hooks in; an older version's are replaced."""
    now = jsonfile.read(path)
    record = _record(path)
    if record is not None and now is not None and _digest(now) == record["written"]:
        before = _bytes(record["before"])
    elif now is not None and fragment.ours(jsonfile.parsed(path, now)):
        before = jsonfile.dumped(now, fragment.without(jsonfile.parsed(path, now)))
    else:
        before = now
    hooks = fragment.fragment(coverage.places(), portable=scope == "project")
    if now is not None and fragment.ours(jsonfile.parsed(path, now)) == hooks:
        return Change(path, scope, now, before, now, hooks)
    settings = fragment.merged(jsonfile.parsed(path, before or b""), hooks)
    return Change(path, scope, now, before, jsonfile.dumped(before or b"", settings), hooks)


def uninstalling(path: str, scope: str) -> Change:
    """Returns the change that takes our hooks out: byte for byte as before if nobody else has touched the file since."""
    now = jsonfile.read(path)
    record = _record(path)
    before = now
    if now is not None and record is not None and _digest(now) == record["written"]:
        before = _bytes(record["before"])
    elif now is not None and fragment.ours(jsonfile.parsed(path, now)):
        before = jsonfile.dumped(now, fragment.without(jsonfile.parsed(path, now)))
    return Change(path, scope, now, before, before, {})


def recorded() -> list[tuple[str, str]]:
    """Returns (path, scope) of every settings file that hooks were put into."""
    return [(row["path"], row["scope"]) for row in _rows()]


def remember(folder: str) -> None:
    """Leaves a link to the front, and our Python's path, in the state folder: there portable commands look for them."""
    import sys

    files.make_folder(folder)
    aside = files.scratch_name(folder, "hooks")
    os.symlink(fragment.front_folder(), aside)
    os.rename(aside, os.path.join(folder, "hooks"))
    files.replace(os.path.join(folder, "hook-python"), os.fsencode(sys.executable) + b"\n", folder, durable=False)


def forget_front() -> None:
    """Takes back what `remember` left, the mark of the last event, and the folders of ours that are empty then."""
    for name in ("hooks", "hook-python", "hook-fired"):
        files.unlink_quietly(os.path.join(state_home(), name))
    for folder in (_records(), inbox.folder(), told.folder(), state_home()):
        if os.path.isdir(folder) and not os.listdir(folder):
            os.rmdir(folder)


# --- the records --------------------------------------------------------------------------------------------


def _forget(path: str) -> None:
    """Removes the record of a settings file, and the folders that were made for it, if they are empty."""
    record = _record(path)
    if record is None:
        return
    for folder in record["made"]:
        try:
            os.rmdir(folder)
        except OSError:
            break
    files.unlink_quietly(os.path.join(_records(), _name(path)))


def _records() -> str:
    return os.path.join(state_home(), "installed")


def _rows() -> list[dict[str, Any]]:
    folder = _records()
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [row for name in names if (row := _parse_record(os.path.join(folder, name))) is not None]


def _name(path: str) -> str:
    return sha256(os.fsencode(path)).hexdigest()[:16]


def _record(path: str) -> dict[str, Any] | None:
    return _parse_record(os.path.join(_records(), _name(path)))


def _parse_record(name: str) -> dict[str, Any] | None:
    data = files.read(name)
    try:
        row = json.loads(data or b"null")
    except ValueError:
        return None
    return row if isinstance(row, dict) and {"path", "scope", "before", "written", "made"} <= row.keys() else None


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def _digest(text: bytes) -> str:
    return sha256(text).hexdigest()


def _made(folder: str) -> list[str]:
    """Returns the folders that are missing, or were made for another settings file, the innermost first."""
    ours = {made for row in _rows() for made in row["made"]}
    found = []
    while (folder in ours or not os.path.isdir(folder)) and folder != os.path.dirname(folder):
        found.append(folder)
        folder = os.path.dirname(folder)
    return found
