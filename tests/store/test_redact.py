"""Redaction: what was erased is in no file any more, the store is sound, and a stale writer does not bring it back."""

import contextlib
import os
import shutil
import time
import zlib

import pytest

from memshim import Store
from memshim.errors import BadInput, NotFound
from memshim.store import compact, redact
from memshim.store.blame import blame
from memshim.text import record
from memshim.text.secret import Eraser, Marks, bare, digest, parts

SECRET = "sk-Zq9<x>\u00e97"
KEY = SECRET.encode()
START = b"# M\n\n- one\n- two\n"


def traces(folder, secret=KEY):
    """Every file below a folder that holds the secret: as it is, as JSON writes it, or in anything that is compressed."""
    wanted = [secret, record.dumps(secret.decode())[1:-1]]
    found = []
    for where, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(where, name), "rb") as file:
                data = file.read()
            whole = [data]
            at = data.find(b"\x78")
            while at >= 0:
                with contextlib.suppress(zlib.error):
                    whole.append(zlib.decompressobj().decompress(data[at:]))
                at = data.find(b"\x78", at + 1)
            if any(w in text for w in wanted for text in whole):
                found.append(os.path.join(where, name))
    return found


def erase(store, name=None, text=b"", why=""):
    with store.turn() as turn:
        return redact.redact(turn, name, text, store.agent, "", why)


def sound(store):
    """Nothing is broken, also to somebody who opens the store anew."""
    assert [(f.level, f.name, f.path) for f in store.check()[1] if f.level != "note"] == []
    return True


@pytest.fixture
def store(store_dir):
    (store_dir / "MEMORY.md").write_bytes(START)
    opened = Store.open(store_dir, agent="ann")
    opened.init()
    return opened


def text(store, name="MEMORY.md"):
    with open(store.layout.document(name), "rb") as file:
        return file.read()


def hide_everywhere(store, monkeypatch):
    """Appends, edits, merges, disputes, compacts and archives a secret, until it is nearly everywhere."""
    folder = store.layout.root
    bob = Store.open(folder, agent="bob")
    noted = bob.append(f"the key is {SECRET}", why=f"because {SECRET}", section=f"About {SECRET}")
    base = store.read().revision
    store.edit("- one", f"- one and {SECRET}")
    bob.edit("- two", f"- two, {SECRET}", expected=base)
    store.compact()
    store.edit(f"the key is {SECRET}", f"our key is {SECRET}", why="ours")
    stale = text(store).replace(b"our key", b"your key")
    store.edit("our key", "everybody's key")
    with open(store.layout.document("MEMORY.md"), "wb") as file:
        file.write(stale)  # a clash: both texts stand side by side
    store.publish()
    bob.append(f"deep {SECRET}", doc="topic.md")
    bob.forget(text=f"deep {SECRET}")
    store.compact()
    monkeypatch.setattr(compact, "SILENT_S", -1.0)
    store.compact()
    monkeypatch.undo()
    bob.append(f"late {SECRET}", publish=False)
    aside = store.layout.path("aside")
    os.makedirs(aside, mode=0o700, exist_ok=True)
    with open(os.path.join(aside, "kept"), "wb") as file:
        file.write(b"\0\1 " + KEY + b" \2")
    return noted


def test_a_secret_is_gone_from_everywhere(store, monkeypatch):
    hide_everywhere(store, monkeypatch)
    before = traces(store.layout.root)
    kinds = {os.path.relpath(path, store.layout.state).split(os.sep)[0] for path in before}
    assert {"journals", "archive", "entries", "snapshots", "history", "aside"} <= kinds  # it was there to be found
    assert store.conflicts()
    done = erase(store, text=KEY, why=f"it leaked: {SECRET}")
    assert traces(store.layout.root) == []
    assert sound(store)
    assert b"everybody's key is [redacted]" in text(store)
    newest = next(e for e in Store.open(store.layout.root).log() if e.kind == "redact")
    assert (newest.id, newest.agent, newest.why) == (done.id, "ann", "it leaked: [redacted]")
    assert "\u00e97" not in repr([vars_of(e) for e in store.log()])


def vars_of(entry):
    return [entry.ops, entry.why, entry.extra]


def test_the_store_goes_on_as_before(store, monkeypatch):
    hide_everywhere(store, monkeypatch)
    authors = {r.number: [e.agent for e in r.entries] for r in blame(store.memory(), "MEMORY.md")}
    lines = len(text(store).splitlines())
    count = len(list(store.log()))
    erase(store, text=KEY)
    assert len(list(store.log())) == count + 1
    found = blame(store.memory(), "MEMORY.md")
    if len(found) == lines:
        assert {r.number: [e.agent for e in r.entries] for r in found} == authors
    Store.open(store.layout.root, agent="bob").append("later")
    store.edit("- later", "- later still")
    store.compact()
    assert b"- later still" in text(store)
    assert sound(store)
    assert traces(store.layout.root) == []


def test_an_entry_by_its_id_and_what_was_made_of_it(store):
    bob = Store.open(store.layout.root, agent="bob")
    noted = bob.append(f"the key is {SECRET}")
    store.edit("the key is", "the only key is")
    store.compact()
    erase(store, noted)
    assert traces(store.layout.root) == []
    assert text(store) == START  # a block that says nothing any more is removed
    assert sound(store)


def test_what_it_replaced_is_told(store):
    edited = store.edit("- one", f"- one {SECRET}").id
    done = erase(store, edited)
    assert traces(store.layout.root) == []
    assert any("which stays" in note for note in done.notes)
    assert sound(store)


@pytest.mark.parametrize("how", ["stale file", "append", "edit", "new line"])
def test_who_brings_it_back_is_redacted_again(store, how):
    store.append(f"the key is {SECRET}")
    stale = text(store)
    erase(store, text=KEY)
    later = Store.open(store.layout.root, agent="eve")
    if how == "stale file":
        with open(store.layout.document("MEMORY.md"), "wb") as file:
            file.write(stale + b"- and more\n")
        later.publish()
        assert b"- and more" in text(store)
    elif how == "append":
        later.append(f"the key is {SECRET}")
    elif how == "edit":
        later.edit("- one", f"- one, by the way: {SECRET}.")
        assert b"- one, by the way: [redacted]." in text(store)
    else:
        later.append(f"KEY={SECRET}; do not lose it")
        assert b"- KEY=[redacted]; do not lose it" in text(store)
    assert traces(store.layout.root) == []
    assert sound(store)
    again = [e for e in store.log() if e.kind == "redact"]
    assert [e.agent for e in again] == ["memshim", "ann"]
    assert "brought back" in again[0].why
    assert Store.open(store.layout.root).publish()
    assert len([e for e in store.log() if e.kind == "redact"]) == 2  # and that was that


def test_a_text_of_several_words_is_known_again_too(store):
    store.append("the password is correct horse battery staple")
    erase(store, text=b"correct horse battery staple")
    assert b"- the password is [redacted]" in text(store)
    store.append('use "correct horse battery staple" for it')
    assert b'- use "[redacted]" for it' in text(store)
    assert traces(store.layout.root, b"correct horse battery staple") == []


def test_no_digest_of_it_can_be_looked_up_without_the_salt(store):
    store.append(f"the key is {SECRET}")
    erase(store, text=KEY)
    (salt, digests, _) = next(iter(store.memory().state.redacted.values()))
    assert len(salt) == 32
    assert digest(salt, KEY) in digests
    other = Store.open(store.layout.root)
    other.append(f"more of {SECRET}")
    assert len({row[0] for row in store.memory().state.redacted.values()}) == 1  # one salt for one store


def test_undo_brings_nothing_back(store):
    edited = store.edit("- one", f"- {SECRET}").id
    erase(store, text=KEY)
    with pytest.raises(BadInput):
        store.undo(next(e.id for e in store.log() if e.kind == "redact"))
    store.undo(edited)
    assert traces(store.layout.root) == []
    assert b"- one" in text(store)


def test_what_cannot_be_erased_is_told(store):
    with pytest.raises(NotFound):
        erase(store, text=b"nothing like it")
    with pytest.raises(BadInput):
        erase(store, text=b"- ab\n")
    assert text(store) == START


def test_appends_that_go_on_meanwhile_are_kept(store, monkeypatch):
    """A writer who does not take the lock at all writes to the journal that is being replaced."""
    bob = Store.open(store.layout.root, agent="bob")
    bob.append(f"the key is {SECRET}")
    real, said = os.rename, []

    def rename(one, other):
        if str(other).endswith("bob.log") and not said:
            said.append(1)
            data = record.encode({"v": 1, "kind": "append", "agent": "bob", "id": "0" * 15 + "1" * 17, "time": "01a1" * 4,
                                  "ops": [{"op": "add", "doc": "MEMORY.md", "section": "", "kinds": "b", "blocks": 1}]},
                                 [b"- in between\n"])  # fmt: skip
            with open(other, "ab") as file:
                file.write(data)
        real(one, other)

    monkeypatch.setattr(os, "rename", rename)
    erase(store, text=KEY)
    monkeypatch.undo()
    assert said
    bob.append("afterwards, through the same open journal")
    store.compact()
    assert b"- in between\n" in text(store)
    assert b"- afterwards" in text(store)
    assert traces(store.layout.root) == []
    assert sound(store)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads and writes what it likes")
def test_a_file_that_cannot_be_replaced_stops_it_and_it_is_told(store):
    store.append(f"the key is {SECRET}")
    folder = store.layout.path("history")
    os.chmod(folder, 0o500)
    try:
        with pytest.raises(PermissionError):
            erase(store, text=KEY)
    finally:
        os.chmod(folder, 0o700)


def test_a_stopped_redaction_is_noted_and_finished_by_the_next(store, monkeypatch):
    store.append(f"the key is {SECRET}")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("memshim.store.erase._history", stop)
    with pytest.raises(KeyboardInterrupt):
        erase(store, text=KEY)
    monkeypatch.undo()
    fresh = Store.open(store.layout.root)
    assert any(f.name == "redaction" for f in fresh.check()[1])
    assert sound(fresh)
    assert traces(store.layout.root) != []
    erase(fresh, text=KEY)
    assert traces(store.layout.root) == []
    assert not any(f.name == "redaction" for f in fresh.check()[1])


def test_a_copy_of_a_revision_is_still_known(store):
    """History, publishing and compare-and-swap go on with the texts as they are now."""
    store.append(f"the key is {SECRET}")
    erase(store, text=KEY)
    revision = store.read().revision
    store.edit("- one", "- ONE")
    store.edit("- two", "- TWO", expected=revision)
    assert b"- ONE\n- TWO\n" in text(store)


def test_the_pure_part():
    assert bare(b"  - 1. the key (conflict c3f, bob)\r\n") == b"the key"
    assert bare(b"## A heading\n") == b"A heading"
    assert parts(b"- one line\n\n- ab\n- two\n") == [b"one line"]
    eraser = Eraser([b"abcd", b"abcdef"])
    assert eraser.text(b"x abcdefg abcd") == b"x [redacted]g [redacted]"
    assert eraser.value({"abcd": ["abcd", 1, None, {"k": "xabcdx"}]}) == {
        "abcd": ["[redacted]", 1, None, {"k": "x[redacted]x"}]
    }
    assert eraser.holds(b"...abcd...")
    assert Eraser([b'a"b\\c']).holds(b'{"x": "a\\"b\\\\c"}')
    marks = Marks("s", [digest("s", b"tok-1"), digest("s", b"a b c d")], [1, 4])
    assert list(marks.find(b'- x "tok-1", y\nK=tok-1\n- z a b c d!\nnothing')) == [b"tok-1", b"tok-1", b"a b c d"]


def test_a_long_history_takes_a_bearable_time(store):
    for n in range(300):
        store.append(f"note {n}", publish=False)
    store.append(SECRET, publish=False)
    begin = time.perf_counter()
    erase(store, text=KEY)
    assert time.perf_counter() - begin < 20
    assert traces(store.layout.root) == []
    shutil.rmtree(store.layout.root)
