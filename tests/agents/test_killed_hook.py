"""A hook that is killed at any of its steps: the next event takes in what it was told, once.

The event is the only copy: before the hook ran, somebody who had not seen the line wrote over it.
"""

import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from test_interleavings import two_that_wrote, wanted

STEPS = ("os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate")


def stopped_at(step: int, hook: Any) -> bool:
    """Runs the hook in a fork that ends, as if killed, before its n-th change of a folder; tells whether it came so far."""
    process = os.fork()
    if process == 0:
        seen = 0

        def audit(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal seen
            made = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_CREAT | os.O_TRUNC)
            if event in STEPS or made:
                seen += 1
                if seen == step:
                    os._exit(9)

        sys.addaudithook(audit)
        try:
            hook()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9


@pytest.mark.parametrize("tools", [["Edit", "Edit"], ["Write", "Edit"]], ids="-".join)
def test_it_is_caught_up(guarded_home: Path, tools: list[str]) -> None:
    inbox = guarded_home / ".local/state/memshim/inbox"
    kept_from = 0
    for step in range(1, 200):
        first, second = two_that_wrote(guarded_home, tools)
        if not stopped_at(step, first.post):
            break
        for path in inbox.glob("*-????????"):  # no hook lives so long: this one is gone
            kept_from = kept_from or step
            os.utime(path, (time.time() - 60,) * 2)
        second.post()
        found = Counter(first.mem.read_text().splitlines())
        # Killed before its first step was done, it had not begun: nobody knows of the call.
        assert found == wanted([1, 1] if kept_from else [0, 1]), (step, found)
    else:
        pytest.fail("The hook never came to its end.")
    assert 0 < kept_from <= 4  # its folder, a file, its name
    assert step > 12, "the steps are not seen"
