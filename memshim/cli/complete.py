"""Shell completion: the scripts, and what can be completed in a store.  Must not write anything, wait for a lock,
or know the shells.

Each function gets the words so far by name, and what is typed of the next one; it returns pairs of text and explanation.
"""

import os
import time
from collections.abc import Mapping
from typing import Any

from memshim.cli.declare import OneOf, Word, command
from memshim.disk.layout import Layout, is_document, resolve
from memshim.errors import MemshimError

NEWEST = 40
"""How many entries are offered: those that somebody still has in mind."""
Given = Mapping[str, Any]
Offers = list[tuple[str, str]]


@command(Word("shell", required=True, kind=OneOf("bash", "zsh", "fish")))
def completion_command(shell: str) -> None:
    """Print the completion script of a shell; it also completes agents, documents and ids.

    \b
    bash: memshim completion bash > ~/.local/share/bash-completion/completions/memshim
    zsh:  memshim completion zsh > "${fpath[1]}/_memshim"
    fish: memshim completion fish > ~/.config/fish/completions/memshim.fish
    """
    from memshim.cli import usage

    print(usage.script(shell))


def agents(given: Given, typed: str) -> Offers:
    """Returns the agents of the store that begin like this, by id and by readable name."""
    from memshim.text.view import readable

    layout = _layout(given)
    if layout is None:
        return []
    names = {name.removesuffix(".log") for name in _names(layout.path("journals"))}
    for month in _names(layout.path("archive")):
        names.update(name.rsplit(".", 2)[0] for name in _names(layout.path("archive", month)) if name.endswith(".log"))
    names |= {readable(name) for name in names}
    return [(name, "") for name in sorted(names) if name.startswith(typed.lower())]


def documents(given: Given, typed: str) -> Offers:
    """Returns the documents that begin like this."""
    layout = _layout(given)
    if layout is None:
        return []
    names = {"MEMORY.md", *(name for name in _names(layout.root) if is_document(name))}
    return [(name, "") for name in sorted(names) if name.startswith(typed)]


def entries(given: Given, typed: str) -> Offers:
    """Returns the newest entries whose id ends in something that begins like this, with what they are."""
    import itertools

    from memshim.cli.common import shorten
    from memshim.cli.when import age
    from memshim.store.blame import author
    from memshim.store.memory import Memory
    from memshim.store.story import words

    layout = _layout(given)
    if layout is None:
        return []
    memory, found = Memory(layout), []
    for entry in itertools.islice(memory.entries(), NEWEST):
        short = entry.id[-8:]
        if short.startswith(typed.lower()):
            told = words(memory, entry)[1].decode("utf-8", "replace")
            about = shorten(f"{author(entry)}, {age(entry.milliseconds)}, {entry.kind}: {told}".replace(":", " "), 60)
            found.append((short, about))
    return found


def kinds(given: Given, typed: str) -> Offers:
    """Returns the kinds of entries that begin like this."""
    known = (
        "adopt",
        "append",
        "bash",
        "compact",
        "edit",
        "forget",
        "init",
        "redact",
        "resolve",
        "restore",
        "undo",
        "write",
    )
    return [(kind, "") for kind in known if kind.startswith(typed)]


def conflicts(given: Given, typed: str) -> Offers:
    """Returns the open conflicts."""
    from memshim.store.memory import Memory

    layout = _layout(given)
    labels = [c.label for c in Memory(layout).state.conflicts()] if layout is not None else []
    return [(label, "") for label in labels if label.startswith(typed)]


def revisions(given: Given, typed: str) -> Offers:
    """Returns the newest revisions of the document, with their times."""
    from memshim.store.history import History
    from memshim.store.memory import Memory

    layout = _layout(given)
    if layout is None:
        return []
    doc = Memory(layout).document_id(str(given.get("document") or given.get("doc") or "MEMORY.md"))
    found = []
    for name in History(layout, doc).names()[:NEWEST]:
        if name[17:].startswith(typed.lower()):
            at = time.strftime("%Y-%m-%d %H:%M", time.localtime((int(name[:16], 16) >> 16) / 1000))
            found.append((name[17:29], at.replace(":", ".")))
    return found


def _layout(given: Given) -> Layout | None:
    """Returns the store that the line so far means; None where there is none, or none that can be read."""
    try:
        layout = Layout(resolve(given.get("store")))
    except (MemshimError, OSError):
        return None
    return layout if layout.is_store() else None


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
