"""The timeline: one page that loads nothing, shows memory as text, and can be filtered and walked through."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from memshim import Store
from memshim.cli import timeline

pytest_plugins = ["cli_fixtures"]

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
           "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]  # fmt: skip
EVIL = "<script>document.title='taken over'</script> </script><img src=x onerror=alert(1)> & \u2028 ]]>"
needs_chromium = pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"needs {CHROMIUM} (Debian's package chromium)")
needs_driver = pytest.mark.skipif(not Path(DRIVER).exists(), reason=f"needs {DRIVER} (Debian's chromium-driver)")


@pytest.fixture
def page(memory, inside, tmp_path):
    """The page of a store with entries of two agents, a lost update, a clash, an undo and a compaction."""
    bob, eve = Store.open(memory, agent="bob"), Store.open(memory, agent="eve-0123abcd")
    for n in range(3):
        bob.append(f"note {n} of bob")
    eve.append(EVIL, why=EVIL, doc="topic.md")
    stale = (memory / "MEMORY.md").read_bytes()
    bob.append("nearly lost")
    (memory / "MEMORY.md").write_bytes(stale + b"- by a stale writer\n")
    eve.publish()
    eve.undo()
    stale = (memory / "MEMORY.md").read_bytes()
    bob.edit("- two", "- TWO")
    (memory / "MEMORY.md").write_bytes(stale.replace(b"- two", b"- zwei"))
    bob.compact()
    path = tmp_path / "page.html"
    answer = inside("timeline", "--html", str(path), "--json")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert (told["file"], told["agents"]) == (str(path), 4)
    return path


def data_of(path):
    return json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)[1])


def test_the_page_holds_everything_and_nothing_leaves_its_place(page):
    data = data_of(page)
    entries = data["entries"]
    assert [e["time"] for e in entries] == sorted(e["time"] for e in entries)
    assert next(e for e in entries if "taken over" in e["words"])["why"] == EVIL
    assert [e["kind"] for e in entries if e.get("saved")] != []
    assert len([e for e in entries if e.get("clash")]) == 2
    assert len([e for e in entries if e.get("undone")]) == 1
    assert data["compactions"]
    text = page.read_text()
    assert text.count("<script") == 2  # the data, and the page's own
    rest = re.sub(r'id="data">.*?</script>', "", text, flags=re.DOTALL)
    assert not re.search(r"(src|href)\s*=|url\(|@import|fetch\(|https?://", rest)
    assert (page.stat().st_mode & 0o777) == 0o600


def test_it_can_be_cut_to_a_time_and_a_document(page, inside):
    answer = inside("timeline", "--html", "-", "--doc", "topic.md")
    assert answer.out.count(b'"kind":') == 2
    assert b'"entries":[]' in inside("timeline", "--html", "-", "--since", "2100-01-01").out


def test_many_agents_share_the_last_lane(memory, inside, monkeypatch):
    monkeypatch.setattr(timeline, "LANES", 2)
    for n in range(4):
        Store.open(memory, agent=f"agent-{n}").append("x", publish=False)
    found = timeline.gather(Store.open(memory).memory(), 0, None)
    assert len(found["agents"]) == 3
    assert "other agents" in found["agents"]


@needs_chromium
def test_memory_is_shown_as_text(page, tmp_path):
    evil = next(e for e in data_of(page)["entries"] if "taken over" in e["words"])
    command = [
        CHROMIUM,
        *OPTIONS,
        f"--user-data-dir={tmp_path / 'chrome'}",
        "--dump-dom",
        f"{page.as_uri()}#{evil['id']}",
    ]
    done = subprocess.run(command, capture_output=True, timeout=90, check=False)
    dom = done.stdout.decode()
    assert "<h2>eve: append</h2>" in dom, done.stderr[-2000:]
    assert "<title>memshim timeline</title>" in dom
    assert "Why: &lt;script&gt;document.title='taken over'&lt;/script&gt;" in dom
    assert "<img" not in dom


class Browser:
    """A page in headless Chromium, driven over the WebDriver protocol."""

    def __init__(self, port, folder):
        self.base = f"http://127.0.0.1:{port}"
        arguments = [*OPTIONS, f"--user-data-dir={folder}"]
        wanted = {"alwaysMatch": {"goog:chromeOptions": {"binary": CHROMIUM, "args": arguments}}}
        self.base += "/session/" + self.call("POST", "/session", {"capabilities": wanted})["sessionId"]

    def call(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def run(self, script):
        return self.call("POST", "/execute/sync", {"script": script, "args": []})

    def count(self):
        return self.run("return document.getElementById('count').textContent")


@pytest.fixture
def browser(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as driver:
        try:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
            opened = Browser(port, tmp_path / "chrome")
            yield opened
            opened.call("DELETE", "")
        finally:
            driver.terminate()


@needs_chromium
@needs_driver
def test_filters_and_keys(page, browser):
    browser.call("POST", "/url", {"url": page.as_uri()})
    total = len(data_of(page)["entries"])
    assert browser.count() == f"{total} of {total} entries in view"
    bobs = sum(e["agent"] == "bob" for e in data_of(page)["entries"])
    browser.run("document.querySelector('#agents input[value=bob]').click()")
    assert browser.count() == f"{total - bobs} of {total} entries in view"
    browser.run("document.querySelector('#agents input[value=bob]').click();"
                "let d = document.getElementById('doc'); d.value = 'topic.md'; d.dispatchEvent(new Event('change'))")  # fmt: skip
    assert browser.count().startswith("2 of ")
    browser.run("let d = document.getElementById('doc'); d.value = ''; d.dispatchEvent(new Event('change'))")
    seen = []
    for _ in range(3):
        browser.run("document.getElementById('lanes').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}))")
        seen.append(browser.run("return document.querySelector('#detail h2').textContent"))
    assert seen == ["before: init", "bob: append", "bob: append"]
    assert browser.run("return scrollY") == 0  # the chart stays in sight
    browser.run("document.getElementById('lanes').dispatchEvent(new KeyboardEvent('keydown', {key: '+'}))")
    assert not browser.count().startswith(f"{total} of ")
    logged = browser.run("return performance.getEntriesByType('resource').length")
    assert logged == 0  # it has loaded nothing
    picture = browser.call("GET", "/screenshot")
    assert len(picture) > 20_000


@needs_chromium
@needs_driver
def test_ten_thousand_entries_are_fine(tmp_path, browser):
    rows = [{"id": f"{n:032x}", "time": 1_790_000_000_000 + n * 60_000, "agent": f"agent-{n % 8}", "kind": "append",
             "docs": ["MEMORY.md"], "words": f"note {n}", "came": f"- note {n}\n"} for n in range(10_000)]  # fmt: skip
    names = [f"agent-{n}" for n in range(8)]
    data = {"title": "many", "about": "", "agents": names, "docs": ["MEMORY.md"], "entries": rows, "compactions": []}
    path = tmp_path / "many.html"
    path.write_bytes(timeline.render(data))
    browser.call("POST", "/url", {"url": path.as_uri()})
    assert browser.count() == "10000 of 10000 entries in view"
    took = browser.run("let t = performance.now(); draw(); list(); return performance.now() - t")
    assert took < 5000
    shutil.rmtree(tmp_path / "chrome", ignore_errors=True)
