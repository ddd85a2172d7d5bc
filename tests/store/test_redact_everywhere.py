"""Redaction of texts that programs escape: quotes, backslashes, tabs and what is not ASCII, in every file that may hold them."""

import json
import os
from unittest import mock

import pytest
import test_redact
from hypothesis import given
from hypothesis import strategies as st
from test_redact import sound, traces

from memshim import Store
from memshim.agents import door, inbox
from memshim.disk import incidents
from memshim.disk.layout import state_home
from memshim.errors import BadInput, NotFound
from memshim.store import compact
from memshim.text.secret import REDACTED, Eraser

SECRETS = [
    'pass="a\\b\'c"/d',
    "C:\\new\\table\\u0041",
    "schl\u00fcssel-\u65e5\u672c-\U0001f511",
    "a\tb <c> & `d` $e",
    '"quoted"',
    "word\\",
    "key \u2028 \x7f \x01 end",
]


def forms(secret: str) -> list[bytes]:
    """The ways in which programs write a text: plain, JSON of three kinds, JSON within JSON, and in upper case digits."""
    ascii_json, json_ = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
    careful = "".join(f"\\u{ord(c):04X}" if c in "\"'<>&+`" else json.dumps(c)[1:-1] for c in secret)
    found = [secret, ascii_json, json_, careful, json_.replace("/", "\\/"), json.dumps(ascii_json)[1:-1]]
    return [form.encode() for form in dict.fromkeys(found)]


@pytest.fixture
def store(store_dir):
    (store_dir / "MEMORY.md").write_bytes(b"# M\n\n- one\n- two\n")
    opened = Store.open(store_dir, agent="ann")
    opened.init()
    return opened


def put(path, data):
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)


def every_form_is_gone(folder, secret):
    eraser = Eraser([secret.encode()])
    found = [p for form in forms(secret) for p in traces(folder, form)]
    for where, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(where, name), "rb") as file:
                found += [name] if eraser.holds(file.read()) else []
    return found == []


@pytest.mark.parametrize("secret", SECRETS)
def test_it_is_gone_from_every_place_in_every_form(store, secret, monkeypatch):
    layout = store.layout
    bob = Store.open(layout.root, agent="bob")
    bob.append(f"the key is {secret}", why=f"because {secret}", section=f"About {secret}!", raw=False)
    store.edit("- one", f"- one and {secret}")
    store.compact()
    monkeypatch.setattr(compact, "SILENT_S", -1.0)
    store.compact()
    monkeypatch.undo()
    bob.append(f"late {secret}", publish=False)
    for n, form in enumerate(forms(secret)):
        for folder in ("seen", "calls", "aside", "unreadable", "tmp"):
            put(layout.path(folder, f"{n}"), b'{"a": "' + form + b'", "b": [1]}\n')
        for folder in ("inbox", "told"):
            put(os.path.join(state_home(), folder, f"{n}"), b'{"a": "' + form + b'", "b": [1]}\n')
        put(layout.path("leases"), b'[true, "ann", "' + form + b'", 1, 2.5]\n')
        put(os.path.join(state_home(), "incidents"), b'{"what": "' + form + b'"}\n')
        put(os.path.join(state_home(), "incidents.old"), form)
        put(os.path.join(state_home(), "daemon.log"), b"x " + form)
        put(os.path.join(state_home(), "bug-1.log"), b"y '" + form + b"'\n")
        done = store.redact(text=secret, why=f"it leaked: {secret}")
        assert every_form_is_gone(layout.root, secret)
        assert every_form_is_gone(state_home(), secret)
        with open(os.path.join(state_home(), "inbox", str(n)), "rb") as file:
            assert json.load(file) == {"a": REDACTED.decode(), "b": [1]}
        assert done.texts == 1
    assert sound(store)
    assert incidents.recent(0) == []  # without a time; none is damaged


@pytest.mark.parametrize("secret", SECRETS)
def test_it_is_gone_after_it_was_merged_disputed_folded_and_archived(store, secret, monkeypatch):
    with mock.patch.multiple(test_redact, SECRET=secret, KEY=secret.encode()):
        test_redact.hide_everywhere(store, monkeypatch)
    assert not every_form_is_gone(store.layout.root, secret)
    store.redact(text=secret)
    assert every_form_is_gone(store.layout.root, secret)
    assert sound(store)
    store.compact()
    assert every_form_is_gone(store.layout.root, secret)
    assert store.conflicts()


@given(st.text(st.characters(codec="utf-8"), min_size=4, max_size=20), st.booleans(), st.booleans())
def test_whatever_it_is_json_hides_it_from_nobody(secret, ascii_only, twice):
    eraser = Eraser([secret.encode()])
    text = json.dumps({"k": f"a{secret}z"}, ensure_ascii=ascii_only)
    text = json.dumps([text], ensure_ascii=ascii_only) if twice else text
    assert eraser.holds(text.encode())
    assert not eraser.holds(eraser.text(text.encode()))


@pytest.mark.parametrize("secret", SECRETS)
def test_what_only_a_waiting_event_holds_can_be_erased(store, secret):
    put(os.path.join(inbox.folder(), "1"), json.dumps({"tool": f"x {secret} y"}).encode())
    with pytest.raises(NotFound):
        store.redact(text="something else")
    store.redact(text=secret)
    assert every_form_is_gone(inbox.folder(), secret)


def payload(store, secret, before, after, tool="Write"):
    """What Claude Code's hook sends after a Write, as Claude Code writes it."""
    path = store.layout.document("MEMORY.md")
    return json.dumps(
        {
            "hook_event_name": "PostToolUse", "session_id": "0123abcd-0000", "tool_name": tool, "tool_use_id": "toolu_1",
            "cwd": store.layout.root, "tool_input": {"file_path": path, "content": after},
            "tool_response": {"type": "update", "filePath": path, "content": after, "originalFile": before},
        }, ensure_ascii=False).encode()  # fmt: skip


@pytest.fixture
def client(tmp_path, monkeypatch):
    """A memory of Claude Code's with a secret in it."""
    root = tmp_path / "claude" / "projects" / "-work" / "memory"
    root.mkdir(parents=True)
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    (root / "MEMORY.md").write_text("# M\n\n- one\n- two\n")
    opened = Store.open(root, agent="ann")
    opened.init()
    return opened


@pytest.mark.parametrize("secret", ["tok-\u00e9-12345", 'p"a\\ss/12'])
@pytest.mark.parametrize("how", ["hook", "inbox before", "inbox after"])
def test_an_event_that_brings_it_back_is_redacted_again(client, secret, how):
    client.append(f"the key is {secret}")
    with open(client.layout.document("MEMORY.md")) as file:
        before = file.read()
    after = before + "- three\n"
    event = payload(client, secret, before, after)
    if how == "inbox before":
        inbox.keep(event)
    client.redact(text=secret)
    with open(client.layout.document("MEMORY.md"), "w") as file:
        file.write(after)  # the tool had not seen that it was erased
    if how == "hook":
        door.handle(event, os.environ)
    else:
        if how == "inbox after":
            inbox.keep(event)
        assert len(os.listdir(inbox.folder())) == 1
        door.catch_up(os.environ)
        assert os.listdir(inbox.folder()) == []
    client.publish()
    folder = os.path.dirname(client.layout.root)
    assert every_form_is_gone(folder, secret)
    assert every_form_is_gone(state_home(), secret)
    with open(client.layout.document("MEMORY.md")) as file:
        assert "- three\n" in file.read()
    assert sound(client)
    assert incidents.recent(0) == []


def test_what_an_agent_read_before_does_not_keep_it(client):
    secret = "tok-\u00e9-12345"
    client.append(f"the key is {secret}")
    path = client.layout.document("MEMORY.md")
    with open(path) as file:
        text = file.read()
    client.redact(text=secret)
    read = {"hook_event_name": "PostToolUse", "session_id": "0123abcd-0000", "tool_name": "Read", "tool_use_id": "toolu_2",
            "cwd": client.layout.root, "tool_input": {"file_path": path},
            "tool_response": {"type": "text", "file": {"filePath": path, "content": text, "numLines": text.count("\n") + 1,
                                                       "startLine": 1, "totalLines": text.count("\n") + 1}}}  # fmt: skip
    door.handle(json.dumps(read).encode(), os.environ)
    assert os.listdir(client.layout.path("seen"))
    assert every_form_is_gone(os.path.dirname(client.layout.root), secret)


@pytest.mark.parametrize("word", ["MEMORY.md", "append", "blocks", "memshim", "init"])
def test_what_every_record_says_is_not_erased(store, word):
    store.append(f"note of {word}")
    before = {e.id for e in store.log()}
    with pytest.raises(BadInput, match="own records"):
        store.redact(text=word)
    assert {e.id for e in store.log()} == before
    assert sound(store)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_in_the_place_of_the_readable_names_is_not_memshims_to_change(store, store_dir, tmp_path, kind):
    store.append("the secretword")
    (store_dir / "memory" / "ann.md").unlink()
    (store_dir / "memory").rmdir()
    mine = tmp_path / "outside" / "mine.md" if kind == "link" else store_dir / "memory"
    mine.parent.mkdir(exist_ok=True)
    mine.write_bytes(b"the secretword is mine\n")
    if kind == "link":
        (store_dir / "memory").symlink_to(mine.parent)
    notes = store.redact(text="secretword").notes
    assert mine.read_bytes() == b"the secretword is mine\n"
    assert len(notes) == (kind == "file")
    assert traces(store_dir / ".memshim", b"secretword") == []
    assert store.read().data.endswith(b"- the " + REDACTED + b"\n")
