"""The open journals of one process: lent to one thread at a time, and never carried over a fork.  Must not know entries."""

import os

from memshim.disk.layout import Layout
from memshim.store import identity
from memshim.store.journal import Journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Writers:
    """Is a small pool of one agent's journals: a lock belongs to the open file, so threads and forks need their own."""

    def __init__(self, layout: Layout, agent: str, session: str) -> None:
        self.layout = layout
        self.agent = agent
        self.session = session
        self._idle: list[Journal] = []
        self._replica: tuple[int, str] | None = None  # (process, replica)

    def take(self, prepare: "Callable[[], object]") -> Journal:
        """Lends a journal, to be given back; `prepare` is called before one is opened."""
        here = os.getpid()
        while self._idle:
            try:
                journal = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if journal.process == here:
                return journal
            journal.close()
        prepare()
        if self._replica is None or self._replica[0] != here:
            identity.require_writable(self.layout)
            self._replica = (here, identity.replica(self.layout))
        return Journal(self.layout, self.agent, self._replica[1], self.session)

    def give_back(self, journal: Journal) -> None:
        """Takes a lent journal back."""
        self._idle.append(journal)

    def close(self) -> None:
        """Closes the journals that are not lent."""
        while self._idle:
            self._idle.pop().close()
