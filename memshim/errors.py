"""Every exception of memshim: its exit code, its message and its hint.  Must not know who raises or prints it."""


def word(text: str) -> str:
    """Returns a text as one word of a shell's line, for hints that are to be typed."""
    import shlex  # not on the path of `memshim append`

    return shlex.quote(text)


class MemshimError(Exception):
    """Is the base of every expected failure: `exit_code` for programs, `str()` for people, `hint` for what to do next."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class BadInput(MemshimError):
    """Reports an argument that no store could accept (an agent id, a document name, a revision)."""

    exit_code = 2


class NotFound(MemshimError):
    """Reports that what was named (an entry, a text, a document, a revision) is not in the store."""


class Ambiguous(MemshimError):
    """Reports that a name or text fits several things; `candidates` lists them."""

    def __init__(self, message: str, candidates: "list[str]", hint: str = "") -> None:
        super().__init__(message, hint)
        self.candidates = candidates


class DocumentUnusable(MemshimError):
    """Reports a document that cannot be read or replaced (a folder, a link, no permission); it was not changed."""


class DocumentUnreadable(DocumentUnusable):
    """Reports a regular file that we may not read; unreadable is never the same as empty."""


class StoreUnusable(MemshimError):
    """Reports a store whose own files cannot be read or written (read-only, another user's, planted links)."""


class NoStore(MemshimError):
    """Reports that there is no store here."""

    exit_code = 10


class LockTimeout(MemshimError):
    """Reports that a lock was not had in time; `holder` names who has it, as far as it said so."""

    exit_code = 11

    def __init__(self, message: str, holder: str = "", hint: str = "") -> None:
        super().__init__(message, hint)
        self.holder = holder


class RevisionMismatch(MemshimError):
    """Reports that a document moved on and the change does not merge; both texts are attached, nothing was changed.

    `conflicts` is a list of (base, ours, theirs) as bytes: ours is what the document holds, theirs what the caller
    wanted.  It is empty where the caller asked for `strict`, or where the expected revision is not known.
    """

    exit_code = 12

    def __init__(
        self,
        message: str,
        actual: str,
        conflicts: "list[tuple[bytes, bytes, bytes]] | None" = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint)
        self.actual = actual
        self.conflicts = conflicts or []


class CheckFailed(MemshimError):
    """Reports a store in which a *must* is broken, or a *should* that no crash explains."""

    exit_code = 13


class StoreTooNew(MemshimError):
    """Reports a store whose format is newer than this program; it is readable, never written."""

    exit_code = 14


class SettingsUnreadable(MemshimError):
    """Reports a settings file that cannot be parsed or safely replaced; it was not changed."""

    exit_code = 15
