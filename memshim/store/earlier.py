"""What a document said at an earlier time.  Must not know how it is shown."""

from memshim.errors import NotFound
from memshim.store.history import History, digits_of, revision_of
from memshim.text.fold import State
from memshim.text.view import view

TYPE_CHECKING = False
if TYPE_CHECKING:
    from memshim.store.memory import Memory
    from memshim.text.entry import Entry


class NoPast:
    """Is the past of a fold that begins with nothing."""

    def block(self, block: str) -> None:
        return None

    def entry(self, entry: str) -> "Entry | None":
        return None

    def folded(self, entry: str) -> bool:
        return False


def text_of(memory: "Memory", doc: str, revision: str) -> bytes:
    """Returns a document's text (by id) at a revision, also the present one that was never published.

    Raises BadInput for what can be no revision, NotFound, or Ambiguous.
    """
    digits = digits_of(revision) or ""
    now = memory.view(doc).text
    try:
        return History(memory.layout, doc).find(digits).text
    except NotFound:
        if revision_of(now).startswith(digits):
            return now
        raise


def text_at(memory: "Memory", doc: str, milliseconds: int) -> bytes:
    """Returns what a document (by id) said at a time: the revision that was the newest then.

    Where it is no longer kept, the entries of that time are folded; that costs as much as there are.
    """
    history = History(memory.layout, doc)
    limit = f"{(milliseconds << 16) + 0xFFFF:016x}"
    for name in history.names():
        if name[:16] <= limit:
            found = history.load(name)
            if found is not None:
                return found.text
    then = State()
    then.apply([e for e in memory.entries() if e.milliseconds <= milliseconds], NoPast())
    return view(then, doc).text


def text_before_session(memory: "Memory", doc: str, session: str) -> bytes:
    """Returns what a document said before the first entry of a session (by the beginning of its id, or a readable journal's).

    Raises NotFound where no entry is of such a session.
    """
    first = None
    for entry in memory.entries():
        if session and (entry.session.startswith(session) or entry.agent.endswith("-" + session[:8].lower())):
            first = entry
    if first is None:
        raise NotFound(f"There is no entry of a session {session[:80]!r}.", "memshim log -p shows the sessions.")
    return text_at(memory, doc, first.milliseconds - 1)
