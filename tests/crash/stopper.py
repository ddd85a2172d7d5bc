"""A process that stops itself: runs one scenario once for every write step, stopped there, and says what it found.

    python stopper.py SCENARIO FOLDER [every-byte | failing] [fifth=N]

Prints one JSON object: the write steps of the undisturbed command, how many stops were made, and the failures.  Each
stop happens in a fork, by os._exit, so that nothing is cleaned up.  fsync does nothing here: what a killed process has
written stays, and the steps are counted all the same.  With `failing` the process goes on: from that step on the disk
is full, or has gone read-only, until the command has ended.  `fifth` makes only every fifth stop, from the N-th on.
"""

import contextlib
import errno
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from scenarios import SCENARIOS, Scenario, World, next_millisecond

import memshim.__main__ as door
import memshim.cli.main  # imported once, before the forks
import memshim.store.compact
import memshim.store.store
from memshim.disk import files
from memshim.store.turn import Turn

STOPPED = 9
STEPS = ["write", "pwrite", "ftruncate", "truncate", "fsync", "rename", "replace", "link", "unlink", "remove",
         "mkdir", "rmdir", "symlink", "chmod", "chown", "fchmod", "utime"]  # fmt: skip
AUDITED = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.chmod", "os.chown",
           "os.utime", "os.truncate", "shutil.rmtree"}  # fmt: skip
_MAKES = {"open", "mkdir", "link", "symlink", "rename", "replace"}
FAILING = {
    "full": (errno.ENOSPC, _MAKES | {"write", "pwrite", "fsync"}),
    "half full": (errno.ENOSPC, _MAKES | {"write", "pwrite", "fsync"}),  # the first write takes a half
    "denied": (errno.EACCES, _MAKES | {"unlink", "remove", "rmdir", "chmod", "chown", "utime", "exchange"}),
}
LINK = os.link
FELT = ("Not published", "Read without taking in changes")
"""What is said where the command came to an end in spite of a failure."""
NEXT = ["append", "- what comes next"]
DOCS = ("MEMORY.md", "topic.md")
Texts = dict[str, bytes | None]


class Steps:
    """Counts the write steps of this process, and stops it at one: before it, after it, or with a part of it done."""

    def __init__(self, at: int, how: str) -> None:
        self.at, self.how = at, how
        self.names: list[str] = []
        self.audited = 0
        self.taken = False

    def install(self) -> None:
        for name in STEPS:
            setattr(os, name, self._stopping(name, getattr(os, name)))
        plain = os.open
        making = self._stopping("open", plain)
        write_flags = os.O_CREAT | os.O_TRUNC

        def opening(path: Any, flags: int, *rest: Any, **more: Any) -> int:
            return (making if flags & write_flags else plain)(path, flags, *rest, **more)

        os.open = opening  # type: ignore[assignment]
        files.exchange = self._stopping("exchange", files.exchange)
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_CREAT | os.O_TRUNC)
        self.audited += event in AUDITED or bool(opened)

    def _stopping(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            self.names.append(name)
            if self.how in FAILING:
                return self._failing(name, call, args, options)
            if len(self.names) != self.at:
                return call(*args, **options)
            if self.how == "after":
                with contextlib.suppress(OSError):
                    call(*args, **options)
            elif self.how.startswith("torn") and name in ("write", "pwrite"):
                data = bytes(args[1])
                part = {"torn": len(data) // 2, "torn start": 1, "torn end": len(data) - 1}.get(self.how)
                call(args[0], data[: int(self.how.split()[1]) if part is None else part], *args[2:])
            os._exit(STOPPED)

        return step

    def _failing(self, name: str, call: Callable[..., Any], args: Any, options: Any) -> Any:
        code, names = FAILING[self.how]
        there = name == "open" and os.path.exists(args[0])  # opening what is there already needs neither room nor right
        if len(self.names) < self.at or name not in names or there:
            return call(*args, **options)
        if self.how == "half full" and name == "write" and not self.taken:
            self.taken = True
            return call(args[0], bytes(args[1])[: len(args[1]) // 2])
        raise OSError(code, os.strerror(code), *args[:1] if isinstance(args[0], str) else ())

    def unseen(self) -> int:
        """Returns how many changes of the disk came past the steps: there must be none."""
        counted = [n for n in self.names if n not in ("write", "pwrite", "fsync", "exchange", "fchmod")]
        return self.audited - len(counted)


def run(words: list[str], stdin: bytes = b"") -> tuple[int, str]:
    """Runs a command of memshim in this process; returns its exit code and its output."""
    out, sink = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO()
    old, sys.argv, sys.stdin = (sys.argv, sys.stdin), ["memshim", *words], io.TextIOWrapper(io.BytesIO(stdin))
    code: Any = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(sink):
            code = door.main()
    finally:
        sys.argv, sys.stdin = old
    text = out.buffer.getvalue().decode("utf-8", "replace")  # type: ignore[attr-defined]
    return int(code or 0), text if code == 0 else text + sink.getvalue()


def in_child(words: list[str], stdin: bytes, folder: Path, at: int, how: str) -> tuple[int, str, dict[str, Any]]:
    """Runs a command in a fork that stops itself; returns its exit code, what it printed, and what it counted."""
    said, counted = folder / "said", folder / "counted"
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            report = open(counted, "w")  # noqa: SIM115 - closed by the end of the process
            sys.stdout = sys.__stdout__
            sys.argv, sys.stdin = ["memshim", *words], io.TextIOWrapper(io.BytesIO(stdin))
            steps = Steps(at, how)
            steps.install()
            code = door.main()
            json.dump({"names": steps.names, "unseen": steps.unseen()}, report)
            report.flush()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    about = counted.read_text()
    return os.waitstatus_to_exitcode(status), said.read_text(), json.loads(about) if about else {}


def copy_tree(source: Path, target: Path) -> None:
    """Copies a folder with its times and its hard links: a journal has two names."""
    copies: dict[int, str] = {}

    def copy(one: str, other: str) -> None:
        inode = os.stat(one).st_ino
        if inode in copies:
            LINK(copies[inode], other)
        else:
            copies[inode] = other
            shutil.copy2(one, other)

    shutil.copytree(source, target, copy_function=copy)


class Trial:
    """Is one scenario in one folder: a copy of the prepared one."""

    def __init__(self, scenario: Scenario, prepared: World, folder: Path) -> None:
        self.scenario = scenario
        copy_tree(prepared.folder, folder / "store")
        self.folder = folder
        self.world = World(folder / "store", prepared.ids, prepared.values)
        self.words = [word.format(**self.world.values) for word in scenario.words]
        self.store = ["--store", str(self.world.folder)]
        # The same agent goes on, so that its journal has something behind a torn record.
        at = self.words.index("--agent") if "--agent" in self.words else len(self.words)
        self.agent = self.words[at : at + 2]

    def texts(self) -> Texts:
        found = {name: self.world.folder / name for name in DOCS}
        return {name: self.erased(path.read_bytes()) if path.exists() else None for name, path in found.items()}

    def erased(self, text: bytes) -> bytes:
        return text.replace(self.scenario.secret, b"[redacted]") if self.scenario.secret else text

    def operate(self, at: int = 0, how: str = "before") -> tuple[int, str, dict[str, Any]]:
        return in_child([*self.words, *self.store], self.scenario.stdin, self.folder, at, how)

    def command(self, *words: str) -> str:
        code, text = run([*words, *self.store])
        if code != 0:
            raise AssertionError(f"{words[0]} ended with {code}: {text}")
        return text

    def counts(self, ids: dict[str, str]) -> dict[str, int]:
        """Returns how often each entry is in the documents as `show --json` prints them."""
        shown = []
        for doc in DOCS:
            code, text = run(["show", "--json", "--doc", doc, *self.store])
            if code == 0:
                shown += [entry for block in json.loads(text)["blocks"] for entry in block["entries"]]
        return {name: shown.count(id_) for name, id_ in ids.items()}

    def verify_sound(self) -> None:
        code, text = run(["check", "--json", *self.store])
        bad = [f for f in json.loads(text).get("findings", []) if f["level"] != "note"]
        assert code == 0, f"check ended with {code}: {text[:2000]}"
        assert not bad, f"check found {bad}"

    def verify_log(self, ids: dict[str, str]) -> None:
        entries = [e["id"] for e in json.loads(self.command("log", "--json", "-n", "100000"))["entries"]]
        for name, id_ in ids.items():
            assert entries.count(id_) == 1, f"the log has {name} {entries.count(id_)} times"

    def finish(self) -> tuple[Texts, dict[str, int]]:
        """Goes on as the next command and a compaction do; returns what is there then."""
        next_millisecond()
        id_ = self.command(*NEXT, *self.agent).split()[0]
        texts = self.texts()
        assert b"- what comes next" in (texts["MEMORY.md"] or b""), "the next command did not publish"
        self.command("compact")
        ids = {**self.world.ids, "next": id_}
        self.verify_log(ids)
        self.verify_sound()
        return self.texts(), self.counts(ids)


@contextlib.contextmanager
def trial(scenario: Scenario, prepared: World, folder: Path) -> Iterator[Trial]:
    yield Trial(scenario, prepared, folder)
    shutil.rmtree(folder)  # kept where a check failed


class Expected:
    """Is what undisturbed runs come to: with the command, and without it."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.scenario = scenario
        self.prepared = World(folder / "prepared")
        self.prepared.folder.mkdir()
        scenario.prepare(self.prepared)
        with self.trial(folder / "without") as one:
            self.before = one.texts()
            self.end_without, self.counts_without = self.ended(one)
        with self.trial(folder / "with") as two:
            code, said, counted = two.operate()
            assert code == 0, f"undisturbed, it ended with {code}: {said}"
            assert counted["unseen"] == 0, f"{counted['unseen']} changes of the disk were not counted"
            self.steps = counted["names"]
            self.after = two.texts()
            assert not scenario.proof or list(two.world.folder.glob(scenario.proof)), f"no {scenario.proof}"
            self.end_with, self.counts_with = self.ended(two)

    def trial(self, folder: Path) -> contextlib.AbstractContextManager[Trial]:
        return trial(self.scenario, self.prepared, folder)

    def verify(self, run: Trial, at: int, how: str) -> bool:
        """Returns whether the command came to an end without saying that something went wrong."""
        code, said, _ = run.operate(at, how)
        if how in FAILING:
            assert code in (0, 1), f"it ended with {code}: {said}"
            assert code == 0 or "memshim: " in said, f"it failed without a word: {said}"
        else:
            assert code == STOPPED, f"it ended with {code} instead of stopping: {said}"
        for name, text in run.texts().items():
            assert text in (self.before[name], self.after[name]), f"{name} is neither old nor new: {text!r}"
        if (run.world.folder / ".memshim" / "format").exists():
            run.verify_sound()
            if at % 2:  # every other time the next command comes first, instead of a reading
                run.command("show")
        acknowledged = printed_id(said)
        end, counts = self.ended(run)
        if acknowledged:
            run.verify_log({"acknowledged": acknowledged})
            assert (end, counts) == (self.end_with, self.counts_with), f"acknowledged and not there: {end}, {counts}"
        else:
            allowed = ((self.end_with, self.counts_with), (self.end_without, self.counts_without))
            assert (end, counts) in allowed, f"neither old nor new in the end: {end}, {counts}"
        return how in FAILING and code == 0 and not any(words in said for words in FELT)

    def ended(self, run: Trial) -> tuple[Any, dict[str, int]]:
        """Finishes a run.  A foreign edit may be taken in before or after the next command: then order says nothing."""
        end, counts = run.finish()
        if not self.scenario.foreign:
            return end, counts
        return {name: sorted((text or b"").split()) for name, text in end.items()}, counts


def printed_id(said: str) -> str:
    words = said.split("\n", 1)[0].removeprefix("entry ") if "\n" in said else ""
    return words if len(words) == 32 and not words.strip("0123456789abcdef") else ""


def stops(steps: list[str], every_byte: bool, failing: bool) -> Iterator[tuple[int, str]]:
    for at, name in enumerate(steps, 1):
        if failing:
            yield from ((at, how) for how, (_, names) in FAILING.items() if name in names and "half" not in how)
            if name == "write":
                yield at, "half full"
            continue
        yield at, "before"
        yield at, "after"
        if name == "write":
            yield from ((at, how) for how in ("torn start", "torn", "torn end"))
            if every_byte:
                yield from ((at, f"torn {n}") for n in range(2, 120))


def no_links(path: str, name: str) -> None:
    """What os.link does on a file system without hard links."""
    sys.audit("os.link", path, name, -1, -1)
    os.stat(os.path.dirname(name))
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path, None, name)


def main(name: str, folder: Path, *options: str) -> dict[str, Any]:
    scenario = SCENARIOS[name]
    os.fsync = lambda fd: None  # type: ignore[assignment]
    sys.dont_write_bytecode = True
    memshim.store.compact.TAIL_ENTRIES = scenario.tail
    if not scenario.grace:
        Turn.GRACE_S = 0.0
    if not scenario.exchange:
        files.exchange = lambda one, other: False
    if not scenario.links:
        os.link = no_links
    expected = Expected(scenario, folder)
    failures, count, fine = [], 0, 0
    chosen = [*stops(expected.steps, "every-byte" in options, "failing" in options)]
    for option in options:
        if option.startswith("fifth="):
            chosen = chosen[int(option[-1]) :: 5]
    for at, how in chosen:
        count += 1
        try:
            with expected.trial(folder / f"{at}-{how.replace(' ', '-')}") as one:
                fine += expected.verify(one, at, how)
        except Exception as error:
            step = expected.steps[at - 1]
            failures.append(f"stopped {how} step {at} ({step}): {type(error).__name__}: {error}"[:1500])
    return {"steps": expected.steps, "stops": count, "fine": fine, "failures": failures}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])))
