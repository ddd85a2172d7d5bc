"""Fragment: the hooks that memshim puts into Claude Code's settings, made from hooks/hooks.json.  Must not know where settings lie.

The plugin uses the same file as it is; in settings the path of the front and of our Python take the plugin's place.
"""

import copy
import json
import os
import sys
from typing import Any

from memshim.errors import MemshimError

FRONT = "memshim-hook"
OUR_MARK = "/hooks/memshim-hook"
"""Stands in every command of ours, of this version and of earlier ones; nothing else tells that a hook is ours."""
_PLUGIN = 'F="${CLAUDE_PLUGIN_ROOT}/hooks/memshim-hook";'
_PORTABLE = 'F="${XDG_STATE_HOME:-$HOME/.local/state}/memshim/hooks/memshim-hook"; case $F in /*) ;; *) exit 0 ;; esac;'


Hooks = dict[str, list[dict[str, Any]]]
"""Hooks by event, as settings hold them."""


def front_folder() -> str:
    """Returns the folder with hooks.json and the front: package data, or the repository's in an editable install."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for above in (package, os.path.dirname(package)):
        folder = os.path.join(above, "hooks")
        if os.path.isfile(os.path.join(folder, FRONT)):
            return folder
    raise MemshimError("memshim's own folder `hooks` is missing.", "Install memshim again.")


def fragment(places: list[str], portable: bool) -> Hooks:
    """Returns the hooks by event, as settings hold them.

    `places` are memory folders besides the client's usual ones.  A portable fragment holds no path of this machine: its
    commands find memshim through $XDG_STATE_HOME (see `settings.remember`), and do nothing where it is not.
    """
    with open(os.path.join(front_folder(), "hooks.json"), "rb") as file:
        hooks: Hooks = json.load(file)["hooks"]
    for groups in hooks.values():
        for group in groups:
            handlers = group["hooks"]
            tools = dict.fromkeys(h["if"].partition("(")[0] for h in handlers if "if" in h)
            for place in [] if portable else places:
                handlers += [{**handlers[0], "if": rule(tool, place)} for tool in tools]
            for handler in handlers:
                handler["command"] = _command(handler["command"], places, portable)
    return hooks


def rule(tool: str, place: str) -> str:
    """Returns the `if` rule for the documents of a folder, given by its absolute path.

    The client knows no escape for `?` and the backslash; there `?`, any one character, stands for itself.
    """
    escaped = "".join("\\" + c if c in "*[]()" else "?" if c in "?\\" else c for c in place)
    return f"{tool}(/{escaped}/*.md)"


def _command(plugin: str, places: list[str], portable: bool) -> str:
    if portable:
        return plugin.replace(_PLUGIN, _PORTABLE)
    words = [sys.executable]
    if " look;" in plugin:
        words += ["/".join(place.split("/")[-2:]) for place in places]
    found = f"F={_quoted(os.path.join(front_folder(), FRONT))};"
    head, how, tail = plugin.replace(_PLUGIN, found).partition("set -- ")
    name, _, rest = tail.partition(";")
    return f"{head}{how}{name} {' '.join(map(_quoted, words))};{rest}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def commands(hooks: Hooks) -> list[str]:
    """Returns every command of a fragment once."""
    return list(dict.fromkeys(h["command"] for groups in hooks.values() for group in groups for h in group["hooks"]))


def is_ours(handler: object) -> bool:
    """Tells whether a hook is memshim's, by its content."""
    return isinstance(handler, dict) and OUR_MARK in str(handler.get("command", ""))


def ours(settings: dict[str, Any]) -> Hooks:
    """Returns the hooks of ours that settings hold, by event."""
    found: Hooks = {}
    for event, groups in settings.get("hooks", {}).items():
        for group in groups:
            mine = [h for h in _handlers(group) if is_ours(h)]
            if mine:
                found.setdefault(event, []).append({**group, "hooks": mine})
    return found


def without(settings: dict[str, Any]) -> dict[str, Any]:
    """Returns the settings without what is ours, and without lists that held nothing else."""
    if not ours(settings):
        return settings
    rest = copy.deepcopy(settings)
    for event, groups in list(rest["hooks"].items()):
        kept = []
        for group in groups:
            others = [h for h in _handlers(group) if not is_ours(h)]
            if len(others) < len(_handlers(group)):
                if not others:
                    continue
                group["hooks"] = others
            kept.append(group)
        if kept or not groups:
            rest["hooks"][event] = kept
        else:
            del rest["hooks"][event]
    if not rest["hooks"]:
        del rest["hooks"]
    return rest


def merged(settings: dict[str, Any], hooks: Hooks) -> dict[str, Any]:
    """Returns the settings with these hooks in the place of all older ones of ours."""
    result = copy.deepcopy(without(settings))
    for event, groups in hooks.items():
        result.setdefault("hooks", {}).setdefault(event, []).extend(groups)
    return result


def _handlers(group: object) -> list[Any]:
    handlers = group.get("hooks") if isinstance(group, dict) else None
    return handlers if isinstance(handlers, list) else []
