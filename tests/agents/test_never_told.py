"""A client that is killed before it tells what its tool did: what stands on disk is taken in, whoever edits meanwhile.

Its lease lasts on and ends by itself; each moment at which it may end is tried.
"""

import os
import time
from collections import Counter
from pathlib import Path

import pytest
from recorded import places
from test_interleavings import START, Caller, wanted

from memshim import Store
from memshim.disk.layout import Layout
from memshim.store import lease

MOMENTS = ("pre", "read", "rename", "post", "end")


@pytest.mark.parametrize("ends_before", MOMENTS)
@pytest.mark.parametrize("second", ["Edit", "Write"])
@pytest.mark.parametrize("first", ["Edit", "Write", "Bash"])
def test_it_is_taken_in_all_the_same(
    guarded_home: Path, first: str, second: str, ends_before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "WAIT_S", 0.01)
    memory = places(guarded_home)["<MEM>"]
    memory.mkdir(parents=True)
    index = memory / "MEMORY.md"
    index.write_text(START)
    os.utime(index, (time.time() - 3600,) * 2)
    killed = Caller(guarded_home, "a", first)
    if first == "Bash":
        killed.tell("PreToolUse", asked={"command": f"echo '- 0 by a' >> {index}"})
        index.write_text(START + "- 0 by a\n")
    else:
        for step in ("pre", "read", "rename"):
            getattr(killed, step)()
    other = Caller(guarded_home, "b", second)
    for step in MOMENTS:
        if step == ends_before:
            Path(Layout(memory, beside=True).path("leases")).write_bytes(b"")
        if step != "end":
            getattr(other, step)()
    Store.open(memory).compact()
    assert Counter(index.read_text().splitlines()) == wanted([1, 1])
