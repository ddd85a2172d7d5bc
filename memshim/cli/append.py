"""`memshim append`: the hot path.  Must not import click, nor anything that it does not need for one durable entry.

The options are parsed by hand, because the text may begin with `-`: whatever is no option of ours is the text.
"""

import os
import sys

from memshim.cli import failure
from memshim.disk.layout import INDEX, Layout, agent_id, document_name, resolve
from memshim.errors import BadInput, MemshimError
from memshim.store import append, identity
from memshim.store.journal import Journal

PUBLISH_TIMEOUT_S = 10.0
VALUES = ("--store", "--agent", "--doc", "--section", "--why", "--session")
FLAGS = ("--no-publish", "--raw", "--json")


def run(args: list[str]) -> int:
    """Runs `memshim append` and returns the exit code."""
    try:
        options, text = parse(args)
        return _append(options, text)
    except MemshimError as error:
        return failure.report(error, "--json" in args)
    except OSError as error:
        return failure.report_os(error)
    except KeyboardInterrupt:
        return failure.INTERRUPTED
    except Exception:
        return failure.report_bug()


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
    journal = Journal(layout, agent, identity.replica(layout), options.get("--session", ""))
    id_ = append.append(
        journal,
        data,
        doc=doc,
        section=options.get("--section", ""),
        why=options.get("--why", ""),
        raw="--raw" in options,
    )
    as_json = "--json" in options
    if not as_json:
        _say(id_)
    published = False
    if "--no-publish" not in options:
        from memshim.store.store import Store

        store = Store(layout, agent, "", PUBLISH_TIMEOUT_S, quick=True)
        published = store.publish_soon()
        for note in store.notes:
            failure.tell(note)
    if as_json:
        from memshim.text.record import dumps

        _say(dumps({"version": 1, "id": id_, "published": published}).decode())
    return 0


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
