"""Shell commands: can one write into a memory, and into which?  Must not know who runs it.

A command shows no content, so this only decides whose turn it is; a wrong guess costs a wait of 2 s at most, or leaves
a change to be adopted as `external`.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

READERS = frozenset({
    "[", "basename", "cat", "cd", "cmp", "cut", "date", "diff", "dirname", "du", "echo", "egrep", "false",
    "fgrep", "file", "grep", "head", "less", "ls", "md5sum", "more", "nl", "printf", "pwd", "readlink",
    "realpath", "rg", "sha256sum", "sleep", "stat", "tail", "test", "tr", "true", "type", "wc",
    "which",
})  # fmt: skip
_WRITING_OPTIONS = {"find": ("-delete", "-exec", "-ok", "-fprint", "-fls"), "sort": ("-o", "--output"), "tree": ("-o",)}
_MAX_TOKENS = 2_000


def can_write(command: str) -> bool:
    """Tells whether a command may write a file; in doubt it may."""
    bare = _unquoted(command)
    if bare is None or "$(" in command or "`" in command or "<(" in bare or "<<" in bare:
        return True
    for harmless in ("2>&1", ">&2", "2>/dev/null", "2> /dev/null", "&>/dev/null", ">/dev/null", "> /dev/null"):
        bare = bare.replace(harmless, " ")
    if ">" in bare:
        return True
    for mark in ("&&", "||", ";", "|", "&", "(", ")", "{", "}"):
        bare = bare.replace(mark, "\n")
    return any(_writes(line.split()) for line in bare.split("\n"))


def _unquoted(command: str) -> "str | None":
    """Returns the command with what stands in quotes replaced by `_`; None where a quote has no end."""
    out, at = [], 0
    while at < len(command):
        mark = command[at]
        if mark == "\\":
            out.append("_")
            at += 2
        elif mark in "'\"":
            end = command.find(mark, at + 1)
            while mark == '"' and end > 0 and command[end - 1] == "\\":
                end = command.find(mark, end + 1)
            if end < 0:
                return None
            out.append("_")
            at = end + 1
        else:
            out.append(mark)
            at += 1
    return "".join(out)


def _writes(words: "list[str]") -> bool:
    while words and "=" in words[0] and not words[0].startswith("="):
        words = words[1:]
    if not words:
        return False
    name = os.path.basename(words[0])
    if name == "sed":
        return any("i" in word for word in words[1:] if word[:1] == "-")
    if name == "uniq":
        return sum(word[:1] != "-" for word in words[1:]) > 1  # its second file is the one that it writes
    if name in _WRITING_OPTIONS:
        return any(word.startswith(_WRITING_OPTIONS[name]) for word in words[1:])
    return name not in READERS


def paths(command: str, cwd: str, environ: "Mapping[str, str]") -> "Iterator[str]":
    """Yields what may be a path in a command, absolute; and the folder that it runs in."""
    yield cwd
    words = command
    for variable in ("HOME", "CLAUDE_CONFIG_DIR"):
        value = environ.get(variable)
        if value:
            words = words.replace("${" + variable + "}", value).replace("$" + variable, value)
    found = [part for mark in "'\"" for part in words.split(mark) if " " in part][:_MAX_TOKENS]
    words = words.replace("\\ ", "\0")  # a space within a path, which no path has as it is
    for mark in "'\"`=;|&<>(){},\n\t":
        words = words.replace(mark, " ")
    found += [word.replace("\0", " ") for word in words.split(" ")[:_MAX_TOKENS]]
    for word in dict.fromkeys(found):
        if word.startswith("~/"):
            word = os.path.join(environ.get("HOME") or os.path.expanduser("~"), word[2:])
        if ("/" in word or word.endswith(".md")) and "\0" not in word and len(word) < 4096:
            yield os.path.normpath(os.path.join(cwd, word))
