"""Events: what an agent does to its memory, in no product's words.  Must not know how a product says it, or stores."""

from memshim.disk.layout import agent_id
from memshim.errors import BadInput
from memshim.text.digest import sha256


def name_of(*parts: str) -> str:
    """Returns 32 hex digits that stand for these parts, and tell nothing of them."""
    return sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


class Writer:
    """Is an agent at work: its product's session, its own key within that ("" for the session itself), and what it is.

    `who` is a name for people; `fork` tells an agent that has read everything its session had read when it began,
    `memory` one that was given its session's memory at the start.
    """

    __slots__ = ("fork", "key", "memory", "process", "session", "who")

    def __init__(
        self, session: str, key: str = "", who: str = "main", memory: bool = True, fork: bool = False, process: int = 0
    ) -> None:
        self.session = session
        self.key = key
        self.who = who
        self.memory = memory
        self.fork = fork
        self.process = process  # the client's, 0 where unknown

    @property
    def full(self) -> str:
        """Returns the key that no other agent has."""
        return self.key or self.session

    def id(self, digits: int = 8) -> str:
        """Returns the agent's id: what it is, and the first hex digits of its session."""
        plain = self.session.replace("-", "").lower()
        if len(plain) < 32 or plain.strip("0123456789abcdef"):
            plain = sha256(self.session.encode("utf-8", "replace")).hexdigest()
        who = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in self.who)
        who = who.lstrip("._-")[: 63 - digits] or "agent"
        try:
            return agent_id(f"{who}-{plain[:digits]}")
        except BadInput:
            return agent_id(f"agent-{who}-{plain[:digits]}")


class Call:
    """Is one tool call: the tool's name, the call's id, and a digest of what it was asked to do."""

    __slots__ = ("digest", "id", "tool")

    def __init__(self, tool: str, id: str, digest: str) -> None:
        self.tool = tool
        self.id = id
        self.digest = digest

    def entry_id(self, writer: Writer, doc: str) -> str:
        """Returns the id of the entry that this call makes of a document: the same whoever takes it in, and how often."""
        return name_of(writer.session, writer.key, self.id, self.digest, doc)


class Event:
    """Is the base of what can happen; `writer` did it."""

    __slots__ = ("writer",)

    def __init__(self, writer: Writer) -> None:
        self.writer = writer


class Started(Event):
    """Says that a session or a subagent begins, or was given its memory anew."""

    __slots__ = ("cwd",)

    def __init__(self, writer: Writer, cwd: str) -> None:
        super().__init__(writer)
        self.cwd = cwd


class Looked(Event):
    """Says that lines of a file were shown: `text`, from line `first` (0 is the first) of `total`."""

    __slots__ = ("first", "path", "text", "total")

    def __init__(self, writer: Writer, path: str, text: str, first: int, total: int) -> None:
        super().__init__(writer)
        self.path = path
        self.text = text
        self.first = first
        self.total = total


class Changing(Event):
    """Says that a tool is about to change a file."""

    __slots__ = ("call", "path")

    def __init__(self, writer: Writer, call: Call, path: str) -> None:
        super().__init__(writer)
        self.call = call
        self.path = path


class Changed(Event):
    """Says that a tool has changed a file, from `before` (None: there was none) to one of `after`.

    `old` and `new` are the texts of a replacement; None where the whole text was written.
    """

    __slots__ = ("after", "before", "call", "new", "old", "path")

    def __init__(
        self,
        writer: Writer,
        call: Call,
        path: str,
        before: str | None,
        after: list[str],
        old: str | None,
        new: str | None,
    ) -> None:
        super().__init__(writer)
        self.call = call
        self.path = path
        self.before = before
        self.after = after
        self.old = old
        self.new = new


class Refused(Event):
    """Says that a product refused a change because the file had changed since its agent read it.

    `new` is the text to put in the place of `old`, `every` time if so; with `old` None it is the whole text.
    """

    __slots__ = ("call", "every", "new", "old", "path")

    def __init__(self, writer: Writer, call: Call, path: str, old: str | None, new: str, every: bool) -> None:
        super().__init__(writer)
        self.call = call
        self.path = path
        self.old = old
        self.new = new
        self.every = every


class Running(Event):
    """Says that a shell command is about to run in the folder `cwd`; one in the `background` may go on for long."""

    __slots__ = ("background", "call", "command", "cwd")

    def __init__(self, writer: Writer, call: Call, command: str, cwd: str, background: bool) -> None:
        super().__init__(writer)
        self.call = call
        self.command = command
        self.cwd = cwd
        self.background = background


class Ran(Event):
    """Says that a shell command has ended, well or not."""

    __slots__ = ("call", "command", "cwd")

    def __init__(self, writer: Writer, call: Call, command: str, cwd: str) -> None:
        super().__init__(writer)
        self.call = call
        self.command = command
        self.cwd = cwd
