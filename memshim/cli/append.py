"""`memshim append`: the hot path.  Must not import click (but for its help), nor anything not needed for one durable entry.

The options are parsed by hand, because the text may begin with `-`: whatever is no option of ours is the text.
"""

import os
import sys
import time

from memshim.cli import failure
from memshim.daemon import protocol
from memshim.disk.layout import INDEX, Layout, agent_id, document_name, resolve
from memshim.errors import BadInput, MemshimError
from memshim.store import append, identity
from memshim.store.journal import Journal
from memshim.text.entry import make_time

PUBLISH_TIMEOUT_S = 10.0
VALUES = ("--store", "--agent", "--doc", "--section", "--why", "--session")
FLAGS = ("--no-publish", "--raw", "--json")


def run(args: list[str]) -> int:
    """Runs `memshim append` and returns the exit code."""
    try:
        if _asks_for_help(args):
            from memshim.cli import usage

            return usage.run(["append", "--help"])
        options, text = parse(args)
        return _append(options, text)
    except MemshimError as error:
        return failure.report(error, "--json" in args)
    except OSError as error:
        return failure.report_os(error, "--json" in args)
    except KeyboardInterrupt:
        return failure.INTERRUPTED
    except Exception:
        return failure.report_bug("--json" in args)


def _asks_for_help(args: list[str]) -> bool:
    """Tells whether the help is wanted; `-h` beside other words, and both behind `--`, are texts."""
    return args == ["-h"] or "--help" in (args[: args.index("--")] if "--" in args else args)


def parse(args: list[str]) -> tuple[dict[str, str], str]:
    """Returns the options (flags have the value "1") and the text; raises BadInput for anything else."""
    options: dict[str, str] = {}
    texts: list[str] = []
    rest = list(args)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word == "--":
            texts += rest
            break
        if word in FLAGS:
            options[word] = "1"
        elif name in VALUES and equals:
            options[name] = value
        elif word in VALUES:
            if not rest:
                raise BadInput(f"{word} needs a value.", "memshim append --help lists the options.")
            options[word] = rest.pop(0)
        elif word[:2] == "--" and word[2:3].isalpha() and not word.strip("-=abcdefghijklmnopqrstuvwxyz"):
            raise BadInput(f"There is no option {word}", f"If it is the text: memshim append -- {word}")
        else:
            texts.append(word)
    if len(texts) != 1:
        raise BadInput(
            f"append takes one text, and {len(texts)} were given.", 'Quote it: memshim append "use uv, not pip"'
        )
    return options, texts[0]


def _append(options: dict[str, str], text: str) -> int:
    data = standard_input() if text == "-" else os.fsencode(text)
    agent = agent_id(options["--agent"] if "--agent" in options else os.environ.get("MEMSHIM_AGENT") or "cli")
    doc = options.get("--doc", INDEX)
    if doc != INDEX:
        document_name(doc)
    layout = Layout(resolve(options.get("--store")))
    layout.check_ours()
    if not layout.is_store():
        from memshim.store.create import create

        create(layout)
    identity.require_writable(layout)
    replica = identity.replica(layout)
    id_, served = "", False
    if protocol.present():
        id_, served = _ask_daemon(layout, replica, agent, doc, options, data)
    if not served:
        journal = Journal(layout, agent, replica, options.get("--session", ""))
        more = {name: options.get("--" + name, "") for name in ("section", "why")}
        id_ = append.append(journal, data, doc=doc, raw="--raw" in options, id=id_, **more)
    as_json = "--json" in options
    if not as_json:
        _say(id_)
    published = "--no-publish" not in options and _publish(layout, agent, served)
    if as_json:
        from memshim.text.record import dumps

        _say(dumps({"version": 1, "id": id_, "published": published}).decode())
    return 0


def _ask_daemon(
    layout: Layout, replica: str, agent: str, doc: str, options: dict[str, str], data: bytes
) -> tuple[str, bool]:
    """Has the daemon append; returns the entry's id, and whether it is durable.

    If that is not known, it is to be appended here under the same id: it counts once.
    """
    from memshim.daemon import client

    fields = {"store": layout.root, "agent": agent, "doc": doc, "raw": "1" if "--raw" in options else ""}
    fields.update({name: options.get("--" + name, "") for name in ("section", "why", "session")})
    id_ = make_time(time.time_ns() // 1_000_000, "") + replica + os.urandom(4).hex()
    try:
        client.ask("append", {**fields, "id": id_}, data)
    except (client.NoDaemon, client.Refused):
        return id_, False  # what was refused is refused here as well, with the right sentence
    return id_, True


def _publish(layout: Layout, agent: str, served: bool) -> bool:
    """Publishes, by the daemon where it has `served` us; tells whether every document is up to date."""
    if served:
        from memshim.daemon import client

        try:
            said = client.ask("publish", {"store": layout.root}, timeout=PUBLISH_TIMEOUT_S).decode("utf-8", "replace")
            for note in said.splitlines()[1:]:
                failure.tell(note)
            return said.startswith("published")
        except (client.NoDaemon, client.Refused):
            pass
    from memshim.store.store import Store

    store = Store(layout, agent, "", PUBLISH_TIMEOUT_S, quick=True)
    published = store.publish_soon()
    for note in store.notes:
        failure.tell(note)
    return published


def standard_input() -> bytes:
    """Returns what standard input holds; raises BadInput where it is closed, which is not the same as empty."""
    if sys.stdin is None:
        raise BadInput("Standard input is closed.", "Give the text there: echo TEXT | memshim append -")
    return sys.stdin.buffer.read()


def _say(line: str) -> None:
    """Prints one line; a reader that has gone away does not undo what is durable."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            failure.tell(f"memshim: The entry is kept, but its id could not be printed: {line}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
