"""The one three-way merge of Markdown: base, ours, theirs in, text and conflicts out.  Must not know entries, files or git.

`docs/merge.md` says the rules, each with an example. The files, lowest first: `settle` (rules for two edits of one
text), `edits` (which line became which), `base` and `changes` (what one side did to it), `larger` (one side did all that the other
did), `union` (what both added at one place), `twice` (at different places), `weave` (all of it, on lines), `attempt`
(on bytes), `threeway` (until it is stable); `versions` (the texts, each read once), `result` (what comes out).
"""

from memshim.text.merge.result import Conflict, Merged, MergeLimitError, Settled, require_mergeable

__all__ = ["Conflict", "MergeLimitError", "Merged", "Settled", "merge", "require_mergeable"]


def merge(base: bytes, ours: bytes, theirs: bytes) -> Merged:
    """Merges the changes that two sides made to one Markdown text, see `threeway.merge`.

    The rules are imported by the first merge: most commands need none.
    """
    from memshim.text.merge.threeway import merge as work

    return work(base, ours, theirs)
