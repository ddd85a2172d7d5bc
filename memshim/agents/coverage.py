"""Coverage: which memory folders the hooks' `if` rules reach.  Must not know how hooks get into settings.

The rules cover the client's usual places wherever its configuration lies.  A folder elsewhere (a store of one's own, a
memory that settings or the environment moved) needs a rule by name, which `memshim install` writes.
"""

import os

from memshim.agents import claude
from memshim.disk import files, incidents
from memshim.disk.layout import state_home
from memshim.store import registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SETTINGS = ("settings.json", "settings.local.json")


def places() -> list[str]:
    """Returns the folders that need a rule by name: stores in no usual place, and what `note_uncovered` was told of."""
    found = dict.fromkeys(root for root in registry.known() if not _is_usual(root))
    folder = _noted()
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        path = os.fsdecode((files.read(os.path.join(folder, name)) or b"").rstrip(b"\n"))
        if os.path.isdir(path):
            found[path] = None
    return [path for path in found if path.isprintable()]


def uncovered(environ: "Mapping[str, str]") -> list[str]:
    """Returns the memory folders in this session's settings and environment that no rule of ours reaches."""
    moved = [folder for folder in sorted(claude.configured_folders(environ)) if not _is_usual(folder)]
    rules = _settings_text(environ) if moved else b""
    return [folder for folder in moved if not _has_rule(rules, folder)]


def note_uncovered(environ: "Mapping[str, str]") -> list[str]:
    """Remembers the uncovered folders for the next `memshim install`, as incidents; returns them.  For a session's start."""
    from memshim.text.digest import sha256

    found = uncovered(environ)
    for folder in found:
        incidents.report("no hook reaches this memory folder: memshim install", path=folder)
        try:
            files.make_folder(_noted())
            name = sha256(os.fsencode(folder)).hexdigest()[:16]
            files.replace(os.path.join(_noted(), name), os.fsencode(folder) + b"\n", _noted(), durable=False)
        except OSError:
            continue  # the incident tells of it
    return found


def without_rule(rules: bytes) -> list[str]:
    """Returns the places that need a rule by name and have none in this text of a settings file."""
    return [place for place in places() if not _has_rule(rules, place)]


def _noted() -> str:
    return os.path.join(state_home(), "places")


def _is_usual(folder: str) -> bool:
    """Tells whether the rules in hooks.json reach a folder: projects/*/memory, agent-memory/*, agent-memory-local/*."""
    above, name = os.path.split(folder)
    middle = os.path.basename(above)
    if middle in ("agent-memory", "agent-memory-local"):
        return True
    return name == "memory" and os.path.basename(os.path.dirname(above)) == "projects"


def _settings_text(environ: "Mapping[str, str]") -> bytes:
    home = environ.get("HOME") or os.path.expanduser("~")
    folders = [environ.get("CLAUDE_CONFIG_DIR") or os.path.join(home, ".claude")]
    folders.append(os.path.join(environ.get("CLAUDE_PROJECT_DIR") or os.getcwd(), ".claude"))
    text = b""
    for folder in folders:
        for name in SETTINGS:
            try:
                with open(os.path.join(folder, name), "rb") as file:
                    text += file.read()
            except OSError:
                continue  # the client has no rules from there either
    return text


def _has_rule(settings: bytes, folder: str) -> bool:
    """Tells whether a folder's rule stands in the text of settings files, which is cheaper than to understand them."""
    import json

    from memshim.agents.fragment import rule

    texts = (json.dumps(rule("Write", folder), ensure_ascii=escaped) for escaped in (False, True))
    return any(text.encode("utf-8", "replace") in settings for text in texts)
