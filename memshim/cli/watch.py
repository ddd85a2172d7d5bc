"""`memshim watch`: what happens in a store, while it happens; lines for people, or one JSON object a line for programs."""

import importlib
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from memshim.cli.common import FOLDER, cut, open_to_read, say, shorten, visible, width
from memshim.cli.declare import Number, Word, command
from memshim.cli.log import entry_json, line_of, wanted
from memshim.daemon import client
from memshim.store import lost
from memshim.store.blame import author
from memshim.store.feed import Feed, News
from memshim.store.history import History, digits_of
from memshim.store.store import Store
from memshim.text.entry import Entry
from memshim.text.view import readable

LOOK_S = 1.0
"""How often the store is looked at where no daemon says that something changed."""
BURST = 3
"""Beyond so many entries of one agent and kind at once, people get one line for all of them."""


@command(
    FOLDER,
    Word("--since", metavar="REV", help="First tell what happened since this revision."),
    Word("--doc", metavar="NAME", completes="documents", help="Only what concerns this document."),
    Word("--agent", metavar="NAME", completes="agents", help="Only this agent's, by its id or readable name."),
    Word(
        "--kind",
        metavar="KIND",
        completes="kinds",
        help="Only this kind: append, edit, write, adopt, lost, conflict and so on.",
    ),
    Word("--count", kind=Number(1), metavar="N", help="End after N events."),
    Word("--json", key="as_json", flag=True, help="One JSON object a line, see docs/json.md."),
)
def watch_command(
    store: str | None,
    since: str | None,
    doc: str | None,
    agent: str | None,
    kind: str | None,
    count: int | None,
    as_json: bool,
) -> int:
    """Tell what happens in the store until it is interrupted."""
    opened = open_to_read(store)
    opened.init()  # a folder that is no store yet has no entries to tell of
    start = _time_of(opened, since, doc) if since else None
    feed = Feed(opened, start)
    rows = _rows(feed, doc, agent, kind)
    told = itertools.chain.from_iterable(rows)
    tell = _teller(as_json)
    try:
        if as_json:
            for row, _, _ in itertools.islice(told, count):
                print(json.dumps({"version": 1, **row}), flush=True)
            return 0
        left = count
        for batch in rows:
            batch = batch[:left]
            for line, style in _lines(batch):
                tell(line, style)
            left = left - len(batch) if left is not None else None
            if left == 0:
                break
    except KeyboardInterrupt:
        return 0  # that is how one leaves it
    return 0


Row = tuple[dict[str, Any], News, Entry | None]


def _rows(feed: Feed, doc: str | None, agent: str | None, kind: str | None) -> Iterator[list[Row]]:
    """Yields what each look found and the filters let through."""
    for _ in _hints(feed.store.layout.root):
        news = feed.poll()
        if news is None:
            continue
        keep = wanted(news.memory, agent, doc, None, None, None)
        batch: list[Row] = []
        for entry in news.entries:
            for row in _events(news, entry) if keep(entry) else ():
                if kind in (None, row["event"]):
                    batch.append((row, news, entry if row["event"] == entry.kind else None))
        if kind in (None, "conflict") and agent is None and doc is None:
            batch += [({"event": "conflict", "conflict": label}, news, None) for label in news.conflicts]
        if batch:
            yield batch


def _events(news: News, entry: Entry) -> Iterator[dict[str, Any]]:
    """Yields an entry's event, and one for each update that it says was lost."""
    row = entry_json(news.memory, entry, True)
    yield {"event": entry.kind, **row}
    for item in lost.of_entry(news.memory, entry):
        yield {
            "event": "lost", "entry": entry.id, "time": item.time, "doc": item.doc, "block": item.block,
            "text": item.text.decode("utf-8", "replace"), "agent": item.agent, "by": item.by, "state": item.state,
        }  # fmt: skip


def _hints(folder: str) -> Iterator[None]:
    """Yields when the store should be looked at: when the daemon hints at a change, and every second where it is silent."""
    yield None
    while True:
        try:
            for line in client.lines("watch", {}, LOOK_S):
                if not line or json.loads(line).get("store") == folder:
                    yield None
        except client.NoDaemon:
            pass
        time.sleep(LOOK_S)
        yield None


def _time_of(store: Store, revision: str, doc: str | None) -> int:
    """Returns when a revision was recorded, in milliseconds."""
    memory = store.memory()
    found = History(store.layout, memory.document_id(doc or "MEMORY.md")).find(digits_of(revision) or "")
    return (int(found.time, 16) >> 16) + 1


# --- for people ---------------------------------------------------------------------------------------------


def _lines(batch: list[Row]) -> Iterator[tuple[str, str]]:
    """Yields lines and their styles; bursts of one agent are one line."""
    for _, group in itertools.groupby(batch, key=lambda row: (row[0]["event"], row[0].get("agent"))):
        rows = list(group)
        if len(rows) > BURST:
            first, last = rows[0], rows[-1]
            who = author(last[2]) if last[2] is not None else last[0].get("agent", "")
            words = shorten(str(last[0].get("text", "")), 60)
            yield f"{_clock(first)}  {who}: {len(rows)} times {last[0]['event']}, at last: {words}", _style(last[0])
            continue
        for row, news, entry in rows:
            if entry is not None:
                yield line_of(news.memory, entry, width()), _style(row)
            elif row["event"] == "lost":
                whose, by = readable(row["agent"]), readable(row["by"])
                told = f"{_clock((row, news, None))}  lost: {whose}'s, overwritten by {by}, {row['state']}: "
                yield cut(told + shorten(row["text"], 60), width()), "red"
            else:
                yield f"conflict {row['conflict']}: memshim conflicts", "red"


def _clock(row: Row) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(row[0].get("time", time.time())))


def _style(row: dict[str, Any]) -> str:
    return {"append": "green", "adopt": "yellow", "lost": "red", "forget": "magenta"}.get(row["event"], "")


def _teller(as_json: bool) -> Callable[[str, str], None]:
    """Returns what prints a line: with colours where rich is installed and somebody looks, else plainly."""
    if not as_json and sys.stdout.isatty():
        try:
            console = importlib.import_module("rich.console").Console(highlight=False, markup=False)
            return lambda line, style: console.print(visible(line), style=style or None)
        except ImportError:
            pass

    def plainly(line: str, style: str) -> None:
        say(line)
        sys.stdout.flush()

    return plainly
