"""Protection: are the hooks in place, ours and working?  Must not change anything."""

import os
import shlex

from memshim.agents import coverage, fragment, jsonfile, settings
from memshim.disk.layout import state_home
from memshim.errors import MemshimError, SettingsUnreadable


def protection(cwd: str) -> tuple[bool, str, str]:
    """Returns whether Claude Code's own tools are safe in this folder, why (not), in a sentence, and the command that mends it.

    The command is empty where there is nothing to mend, or nothing that a command could.
    """
    found: list[settings.Change] = []
    paths: dict[str, str] = {}
    for scope in settings.SCOPES:
        paths.setdefault(settings.path_of(scope, cwd), scope)  # in the home folder the project's file is the user's
    for path, scope in paths.items():
        try:
            text = jsonfile.read(path) or b""
            holds = jsonfile.parsed(path, text)
            if holds.get("disableAllHooks") is True:
                return False, f"{path} turns all hooks off (disableAllHooks).", ""
            if fragment.ours(holds):
                found.append(settings.installing(path, scope))
        except SettingsUnreadable as error:
            return False, f"{error} {error.hint}", ""
        except MemshimError as error:
            return False, str(error), ""
    if not found and not _has_plugin():
        return False, "Claude Code's settings hold no hooks of memshim's.", "memshim install"
    for change in found:
        mend = "memshim install" + ("" if change.scope == "user" else f" --scope {change.scope}")
        if any(
            not _works(command)
            for command in fragment.commands(fragment.ours(jsonfile.parsed(change.path, change.now or b"")))
        ):
            return False, f"The hooks in {change.path} call a memshim that is gone.", mend
        if not change.is_empty and not _missed(found):
            return False, f"The hooks in {change.path} are another version's.", mend
    missed = _missed(found)
    if missed:
        return False, f"No hook reaches the memory folder {missed[0]}.", "memshim install"
    return True, f"Claude Code's hooks are in place, {_when()}.", ""


def fired() -> float | None:
    """Returns when a hook last fired (seconds since 1970), None if none ever did."""
    try:
        return os.stat(os.path.join(state_home(), "hook-fired")).st_mtime
    except OSError:
        return None


def _when() -> str:
    import time

    last = fired()
    return (
        time.strftime("and last fired %Y-%m-%d %H:%M", time.localtime(last))
        if last
        else "but no session has used them yet"
    )


def _missed(found: list[settings.Change]) -> list[str]:
    """Returns the memory folders that need a rule by name and have none in any of these files."""
    return coverage.without_rule(b"\n".join(change.now or b"" for change in found))


def _works(command: str) -> bool:
    """Tells whether what a command of ours names is there."""
    try:
        words = [word.removesuffix(";") for word in shlex.split(command)]
        front, python = words[0].removeprefix("F="), words[words.index("--") + 2]
    except (ValueError, IndexError):
        return False
    if front.startswith("$"):
        return all(os.path.exists(os.path.join(state_home(), name)) for name in ("hooks/memshim-hook", "hook-python"))
    return os.path.isfile(front) and os.access(python, os.X_OK)


def _has_plugin() -> bool:
    """Tells whether the client has memshim enabled as a plugin."""
    path = settings.path_of("user", ".")
    enabled = jsonfile.parsed(path, jsonfile.read(path) or b"").get("enabledPlugins")
    return isinstance(enabled, dict) and any(key.split("@")[0] == "memshim" and value for key, value in enabled.items())
