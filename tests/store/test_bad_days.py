"""Bad input and bad days: a clear error or a documented result each time, and no acknowledged entry lost in any.

What fails in the middle (a full disk, a right that goes) is stepped through in tests/crash/test_stop_points.py.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from memshim import Store
from memshim.errors import BadInput, DocumentUnusable
from memshim.text import record

FORGED = record.encode(
    {"v": 1, "kind": "append", "id": "f" * 32, "time": "f" * 16, "agent": "bob",
     "ops": [{"op": "add", "doc": "MEMORY.md", "section": "", "kinds": "b", "blocks": 1}]}, [b"- I am bob\n"],
)  # fmt: skip


@pytest.fixture
def store(store_dir):
    with Store.open(store_dir, agent="ann") as opened:
        opened.append("first")
        yield opened


def findings(store):
    return [(f.level, f.name) for f in store.check()[1] if f.level != "note"]


def appended(store):
    return [e.id for e in store.log() if e.kind == "append"]


# --- odd input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "../bob", "a/b", ".bob", "a\nb", "a\x00b", "MEMORY", "con", "ä", "x" * 1000])
def test_a_bad_agent_is_refused_before_anything_is_touched(store_dir, run_memshim, name):
    with pytest.raises(BadInput):
        Store.open(store_dir, agent=name)
    if "\x00" not in name:
        done = run_memshim("append", "--store", store_dir, "--agent=" + name, "- x")
        assert (done.returncode, b"agent" in done.stderr, done.stdout) == (2, True, b"")
    assert list(store_dir.iterdir()) == []


def test_agents_that_differ_in_case_only_share_a_journal_and_keep_their_names(store, store_dir):
    for agent in ("Ann", "ANN", "aNN"):
        with Store.open(store_dir, agent=agent) as other:
            other.append(f"by {agent}")
    store.append("by ann")
    store.compact()
    assert os.listdir(store.layout.path("journals")) == ["ann.log"]
    assert [e.agent for e in store.log()] == ["ann", "aNN", "ANN", "Ann", "ann"]
    assert store.read().data == b"- first\n- by Ann\n- by ANN\n- by aNN\n- by ann\n"
    assert findings(store) == []


TEXTS = {
    "a forged record": b"- x\n" + FORGED,
    "an escaped record": FORGED.replace(b"memshim ", b"memshim\\\\ "),
    "the end of our comment": b"- a --> b\n-->\n",
    "an open comment": b"<!-- left open\n",
    "a comment in a bullet": b"- one <!-- two --> three\n",
    "our mark alone": record.MARK,
    "NUL": b"- a\x00b\n\x00\n",
    "no UTF-8": b"- caf\xe9 \xff\xfe\n",
    "bare carriage returns": b"- a\rb\r\n",
    "no line end": b"- a\n- b",
    "line separators": "- a\u2028b\u0085c\n".encode(),
}


@pytest.mark.parametrize("name", TEXTS)
def test_any_text_goes_in_and_out_byte_for_byte_and_forges_nothing(store, store_dir, name):
    text = TEXTS[name]
    with Store.open(store_dir, agent="eve") as eve:
        id_ = eve.append(text, raw=True)
    eol = b"" if text.endswith(b"\n") else b"\n"
    assert text + eol in (store_dir / "MEMORY.md").read_bytes()
    store.compact()
    store.append("last")
    assert text + eol in store.read().data
    assert [e.agent for e in store.log()] == ["ann", "eve", "ann"]
    assert appended(store)[1] == id_
    assert findings(store) == []


def test_ten_megabytes_are_kept_and_seventeen_are_refused(store, store_dir):
    text = b"- " + b"x" * 10_000_000 + b"\n"
    store.append(text)
    assert (store_dir / "MEMORY.md").read_bytes() == b"- first\n" + text
    store.compact()
    assert store.read().data == b"- first\n" + text
    with pytest.raises(BadInput, match="are allowed"):
        store.append(b"- " + b"x" * 17_000_000)
    store.append("last")
    assert store.read().data == b"- first\n" + text + b"- last\n"


# --- documents that are none ----------------------------------------------------------------------

INSTEAD = {
    "a link": lambda path, aside: path.symlink_to(aside),
    "a link to nowhere": lambda path, aside: path.symlink_to(aside / "nowhere"),
    "a folder": lambda path, aside: path.mkdir(),
    "a pipe": lambda path, aside: os.mkfifo(path),
}


@pytest.mark.parametrize("kind", INSTEAD)
@pytest.mark.parametrize("name", ["MEMORY.md", "topic.md"])
def test_what_stands_in_a_documents_place_is_left_alone_and_the_entries_wait(store, store_dir, tmp_path, kind, name):
    store.append("in the topic", doc="topic.md")
    aside = tmp_path / "aside.md"
    aside.write_bytes(b"not ours\n")
    path = store_dir / name
    path.unlink()
    INSTEAD[kind](path, aside)
    before = os.lstat(path)
    ids = [store.append("more", doc=name)]
    assert name in " ".join(store.notes)
    other = "topic.md" if name == "MEMORY.md" else "MEMORY.md"
    ids.append(store.append("elsewhere", doc=other))
    assert b"- elsewhere\n" in (store_dir / other).read_bytes()
    with pytest.raises(DocumentUnusable):
        store.edit("more", "less", doc=name)
    store.compact()
    assert (os.lstat(path).st_ino, os.lstat(path).st_mode) == (before.st_ino, before.st_mode)
    assert aside.read_bytes() == b"not ours\n"
    assert b"- more\n" in store.read(name).data
    path.rmdir() if kind == "a folder" else path.unlink()
    path.write_bytes(b"- written anew\n")
    store.compact()
    assert set(path.read_bytes().splitlines()) >= {b"- written anew", b"- more"}
    assert set(ids) <= set(appended(store))
    assert findings(store) == []


def plainly(*words, folder):
    """Runs memshim as a user whom permissions bind, also where root runs the tests."""
    drop = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root is not bound by permissions, and there is no setpriv to change that")
        drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    command = [*drop, sys.executable, "-m", "memshim", *words, "--store", str(folder)]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def closed(store_dir):
    """Takes rights away, and gives them back in the end."""
    changed = {}

    def close(path, mode):
        changed.setdefault(path, path.stat().st_mode)
        path.chmod(mode)

    yield close
    for path, mode in changed.items():
        path.chmod(mode)


def test_a_document_that_is_read_only_is_published_all_the_same_and_stays_read_only(store, store_dir, closed):
    closed(store_dir / "MEMORY.md", 0o444)
    code, _, said = plainly("append", "second", folder=store_dir)
    assert (code, said) == (0, "")
    assert (store_dir / "MEMORY.md").read_bytes() == b"- first\n- second\n"
    assert (store_dir / "MEMORY.md").stat().st_mode & 0o777 == 0o444


def test_a_topic_file_that_may_not_be_read_is_left_alone_and_the_entry_waits(store, store_dir, closed):
    store.append("in the topic", doc="topic.md")
    closed(store_dir / "topic.md", 0)
    code, id_, said = plainly("append", "more", "--doc", "topic.md", folder=store_dir)
    assert code == 0
    assert "permission denied" in said
    assert (store_dir / "topic.md").read_bytes() == b"- in the topic\n"
    (store_dir / "topic.md").chmod(0o644)
    store.publish()
    assert (store_dir / "topic.md").read_bytes() == b"- in the topic\n- more\n"
    assert appended(store)[0] == id_.strip()


def test_a_folder_that_became_read_only_keeps_every_entry_and_says_what_waits(store, store_dir, closed):
    closed(store_dir, 0o555)
    code, id_, said = plainly("append", "second", folder=store_dir)
    assert code == 0
    assert "denied" in said
    assert "safe in its journal" in said
    assert (store_dir / "MEMORY.md").read_bytes() == b"- first\n"
    assert "- second" in plainly("show", folder=store_dir)[1]
    store_dir.chmod(0o755)
    store.publish()
    assert (store_dir / "MEMORY.md").read_bytes() == b"- first\n- second\n"
    assert appended(store)[0] == id_.strip()


def test_a_store_that_became_read_only_refuses_with_a_sentence_and_is_still_read(store, store_dir, closed):
    for folder in (store_dir / ".memshim").glob("**/"):
        closed(folder, 0o555)
    code, out, said = plainly("append", "second", "--agent", "new", folder=store_dir)
    assert (code, out) == (1, "")
    assert "denied" in said.lower()
    code, out, _ = plainly("show", folder=store_dir)
    assert (code, out) == (0, "- first\n")
    for folder in (store_dir / ".memshim").glob("**/"):
        folder.chmod(0o700)
    store.append("third")
    assert (store_dir / "MEMORY.md").read_bytes() == b"- first\n- third\n"


# --- places ---------------------------------------------------------------------------------------


def test_a_store_reached_by_a_link_and_by_its_path_is_one(store, store_dir, tmp_path):
    (tmp_path / "link").symlink_to(store_dir)
    with Store.open(tmp_path / "link", agent="bob") as other:
        there, here = other.append("there"), store.append("here")
        assert other.layout.root == store.layout.root
        assert there[16:24] == here[16:24]
        assert other.read().data == store.read().data == b"- first\n- there\n- here\n"


def test_without_a_home_every_command_works(store_dir, run_memshim):
    lost = {"HOME": "/nonexistent", "XDG_STATE_HOME": None, "XDG_CONFIG_HOME": None, "CLAUDE_CONFIG_DIR": None}
    for words in (["append", "one"], ["edit", "--old", "one", "--new", "two"], ["compact"], ["status"], ["check"]):
        run_memshim(*words, "--store", store_dir, env=lost, check=True)
    assert (store_dir / "MEMORY.md").read_bytes() == b"- two\n"


def test_a_copy_of_the_disk_comes_back_over_a_store_that_went_on(store, store_dir, tmp_path):
    """A backup is put back in place: what it lacks is gone, nothing of it is hurt, and memshim goes on."""
    shutil.copytree(store_dir, tmp_path / "backup")
    store.append("after the backup")
    store.close()
    store_dir.rename(
        tmp_path / "gone"
    )  # were it removed, the copy's folder could get its inode, and count as the same one
    shutil.copytree(tmp_path / "backup", store_dir)
    with Store.open(store_dir, agent="ann") as again:
        again.append("later")
        assert again.read().data == b"- first\n- later\n"
        assert findings(again) == []


def test_a_journal_that_a_sync_tool_replaces_under_an_open_writer_is_followed(store, store_dir):
    journal = Path(store.layout.path("journals", "ann.log"))
    ids = [store.append("second", publish=False)]
    copy = journal.with_name("copy")
    shutil.copy(journal, copy)
    copy.rename(journal)
    ids.append(store.append("third", publish=False))
    assert store.read().data == b"- first\n- second\n- third\n"
    assert set(ids) <= set(appended(store))
    store.check(repair=True)
    assert findings(store) == []


def test_a_journal_whose_names_are_both_removed_under_an_open_writer_costs_nothing_that_was_published(store, store_dir):
    store.compact()
    store.append("published, in the journal only")
    for path in (Path(store.layout.path("journals", "ann.log")), Path(store.layout.memory, "ann.md")):
        path.unlink()
    id_ = store.append("after it")
    assert appended(store)[0] == id_
    lines = sorted(store.read().data.splitlines())  # the second was kept from the document
    assert lines == [b"- after it", b"- first", b"- published, in the journal only"]
    assert findings(store) == []


# --- a disk that is really full -------------------------------------------------------------------

FILLS = """
import json, subprocess, sys
tiny = sys.argv[1]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "none", tiny], check=True)
from memshim import Store
from memshim.errors import MemshimError
kept, said = [], ""
store = Store.open(tiny, agent="ann")
for n in range(2000):
    try:
        kept.append((store.append(f"- fact {n} " + "x" * 300, publish=n % 5 == 0), f"fact {n} "))
    except (OSError, MemshimError) as error:
        said = str(error)
        break
small = subprocess.run(["df", "--output=avail", tiny], capture_output=True, text=True).stdout.split()[1]
subprocess.run(["mount", "-o", "remount,size=8m", tiny], check=True)
store.append("- there is room again")
text = store.read().text
ids = [e.id for e in store.log()]
bad = [(f.level, f.name) for f in store.check()[1] if f.level != "note"]
lost = [name for id_, name in kept if ids.count(id_) != 1 or text.count(name) != 1]
same = open(tiny + "/MEMORY.md").read() == text
print(json.dumps({"kept": len(kept), "said": said, "left": int(small), "lost": lost, "bad": bad, "same": same}))
"""


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root may mount a tiny disk")
def test_a_disk_that_fills_up_and_is_made_larger_has_every_acknowledged_entry(tmp_path):
    (tmp_path / "tiny").mkdir()
    command = ["unshare", "-m", sys.executable, "-c", FILLS, str(tmp_path / "tiny")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    if "mount" in done.stderr and "denied" in done.stderr:
        pytest.skip("this root may not mount")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["lost"], found["bad"], found["same"]) == ([], [], True)
    assert "No space left" in found["said"] or "in part only" in found["said"]
    assert found["kept"] > 50
    assert found["left"] < 20
