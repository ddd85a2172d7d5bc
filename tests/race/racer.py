"""One process of a race: waits at the gate, does its part, and prints what was acknowledged, a JSON object a line."""

import json
import os
import random
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from racing import make_old, take_locks_off

from memshim import Store
from memshim.disk import files, locks
from memshim.errors import MemshimError, RevisionMismatch


class Part:
    """Is what one racer does, `count` times."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.folder = Path(options["folder"])
        self.agent = options["agent"]
        self.name = options.get("name", self.agent)
        self.random = random.Random(options.get("seed", 0))
        self.store = Store.open(self.folder, agent=self.agent)
        self.lines = options.get("lines", {})

    def tell(self, did: str, **more: Any) -> None:
        print(json.dumps({"did": did, "by": self.name, **more}), flush=True)

    def append(self, n: int) -> None:
        publish = self.random.random() < self.options.get("published", 1.0)
        text = f"- note {n} of {self.name}"
        self.tell("append", id=self.store.append(text, publish=publish), text=text)

    def edit_own(self, n: int) -> None:
        """Changes the line that is this racer's own; without an expected revision it is atomic on the newest text."""
        new = f"- line of {self.name}, version {n + 1}"
        self.tell("edit", id=self.store.edit(f"- line of {self.name}, version {n}", new).id, text=new)

    def edit_expected(self, n: int) -> None:
        """Changes its own line of the revision that stood before the race."""
        old, new = f"- line of {self.name}, version 0", f"- line of {self.name}, version 1"
        change = self.store.edit(old, new, expected=self.options["base"])
        self.tell("edit", id=change.id, text=new, merged=change.merged)

    def edit_same(self, n: int) -> None:
        """Changes the line that all want to change."""
        new = f"- the line that {self.name} wanted"
        try:
            change = self.store.edit("- the line that all want", new, expected=self.options["base"])
        except RevisionMismatch as error:
            self.tell("refused", code=error.exit_code, text=new)
        else:
            self.tell("edit", id=change.id, text=new)

    def forget_own(self, n: int) -> None:
        """Appends a note and forgets it again."""
        text = f"- passing thought {n} of {self.name}"
        id_ = self.store.append(text)
        self.tell("forget", id=self.store.forget(id_).id, entry=id_, text=text)

    def compact(self, n: int) -> None:
        self.tell("compact", folded=self.store.compact().folded)

    def retire(self, n: int) -> None:
        """Compacts, with every journal made old just before."""
        for path in sorted((self.folder / ".memshim" / "journals").glob("*.log")):
            try:
                make_old(self.folder, path.stem)
            except FileNotFoundError:
                continue
        self.tell("retire", archived=self.store.compact().archived)

    def mixed(self, n: int) -> None:
        self.append(n)
        self.random.choice([self.forget_own, self.compact, self.append_more, lambda n: self.store.read()])(n)

    def append_more(self, n: int) -> None:
        self.append(1000 + n)

    def pausing(self, n: int) -> None:
        """Appends once, and stops itself where `pause` says; the one who started it lets it go on."""
        pause_at(self.options["pause"])
        self.append(n)


def pause_at(place: str) -> None:
    """Makes the next append stop at a place between opening the journal and looking at it for the last time."""

    def stop() -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    def before(call: Callable[..., Any]) -> Callable[..., Any]:
        def paused(*args: Any) -> Any:
            stop()
            return call(*args)

        return paused

    def after(call: Callable[..., Any]) -> Callable[..., Any]:
        def paused(*args: Any) -> Any:
            result = call(*args)
            stop()
            return result

        return paused

    def once(module: Any, name: str, wrap: Callable[..., Any]) -> None:
        plain = getattr(module, name)

        def call(*args: Any) -> Any:
            setattr(module, name, plain)
            return wrap(plain)(*args)

        setattr(module, name, call)

    if place == "opened":
        once(locks, "exclusive", before)
    elif place == "locked":
        once(locks, "exclusive", after)
    elif place == "before the write":
        once(os, "write", before)
    elif place == "written":
        once(files, "sync", before)
    else:
        once(files, "sync", after)


def main() -> int:
    options = json.loads(sys.argv[1])
    if options.get("locks_off"):
        take_locks_off()
    part = Part(options)
    act = getattr(part, options["role"])
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(options.get("count", 1)):
        try:
            act(n)
        except (MemshimError, OSError) as error:
            if not options.get("locks_off"):
                raise
            # Refused work is allowed without locks; what was acknowledged is not touched by it.
            part.tell("failed", why=f"{type(error).__name__}: {error}", where=traceback.format_exc()[-600:])
    part.store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
