"""The stores that the daemon itself works on: such as there are.  Must not know sockets or watches."""

from memshim.disk.layout import Layout
from memshim.store.store import Store

LOCK_S = 5.0
"""How long the daemon waits for a store's lock; what it could not do then is tried again, or done by who asked."""


class Existing(Store):
    """Is a store that is there: one that was removed or moved away meanwhile is not made again.

    Raises what `Store` does, and StoreUnusable where no store is there any more.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout, "daemon", "", LOCK_S, quick=True)

    def init(self) -> bool:
        """Makes no store."""
        self.layout.check_ours()
        self.layout.require_store()
        return False
