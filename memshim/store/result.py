"""What a Store hands out: a document as it was read, and what a change did.  Must not know how either came about."""

from memshim.store.history import revision_of
from memshim.text.view import View as FoldedView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class View:
    """Is a document as one reading found it: its exact bytes (`data`), and their `revision`."""

    __slots__ = ("data", "folded", "revision")

    def __init__(self, folded: FoldedView) -> None:
        self.folded = folded
        self.data = folded.text
        self.revision = revision_of(folded.text)

    @property
    def text(self) -> str:
        """Returns the text; bytes that are no UTF-8 come as lone surrogates (errors="surrogateescape")."""
        return self.data.decode("utf-8", "surrogateescape")


class Change:
    """Is what an edit, write, forget or restore did.

    `id` is the entry's ("" where nothing was to be done), `doc` the document, `revision` its new one, `merged` whether it had
    moved on since the expected revision, `notes` sentences for people.
    """

    __slots__ = ("doc", "id", "merged", "notes", "revision", "settled")

    def __init__(self, id: str, doc: str, revision: str, merged: bool, settled: "list[Any]", notes: list[str]) -> None:
        self.id = id
        self.doc = doc
        self.revision = revision
        self.merged = merged
        self.settled = settled
        self.notes = notes
