"""Where everything lies: both places of a store, the search for one, and the names that may and may not be."""

import os
from pathlib import Path

import pytest

from memshim import Store
from memshim.disk import layout
from memshim.disk.layout import Layout
from memshim.errors import BadInput, NoStore, StoreUnusable

CLIENT_STORES = ("projects/-work-app/memory", "agent-memory/reviewer", "agent-memory-local/reviewer")
BAD_IDS = (
    *("", "a" * 65, ".hidden", "-dash", "_under", "a b", "a/b", "../up", "a\n", "é", "a:b", "\x00", "a\\b", "²"),
    *("MEMORY", "memory", "Memory", "con", "CON", "prn", "aux", "NUL", "com1", "LPT9", "com0", "nul.txt", "con.a.b"),
)
GOOD_IDS = ("a", "Z", "7", "a" * 64, "main-0123abcd", "a._-", "memory2", "MEMORY.x", "con1", "comx", "com10")
BAD_NAMES = ("", "notes", "notes.txt", ".md", ".hidden.md", "../up.md", "a/b.md", "/a.md", "a\n.md", "a\x00.md")


def below(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_store_of_ones_own_has_its_journals_in_memory_and_the_rest_in_a_dot_folder(store_dir):
    found = Layout(str(store_dir))
    real = os.path.realpath(store_dir)
    assert (found.client, found.memory, found.state) == (False, f"{real}/memory", f"{real}/.memshim")
    assert found.path("tmp", "x") == f"{real}/.memshim/tmp/x"
    assert found.document("a.md") == f"{real}/a.md"


@pytest.mark.parametrize("name", CLIENT_STORES)
def test_a_clients_store_keeps_nothing_of_ours_inside(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir(parents=True)
    with Store.open(folder, agent="ann") as store:
        store.append("one")
        store.append("two", doc="topic.md")
        store.compact()
        assert store.check() == ([], [])
    assert below(folder) == {"MEMORY.md", "topic.md"}
    beside = folder.parent / ".memshim" / folder.name
    assert (beside / "memory" / "ann.md").samefile(beside / "journals" / "ann.log")


@pytest.mark.parametrize("name", ["projects/job/memory", "projects/-x/notes", "other/-x/memory", "memory"])
def test_what_only_resembles_a_clients_store_is_ones_own(tmp_path, name):
    assert not layout.is_client_store(str(tmp_path / name))


def test_a_store_reached_through_a_link_is_the_same_store(tmp_path, store_dir):
    link = tmp_path / "link"
    link.symlink_to(store_dir)
    with Store.open(link, agent="ann") as one, Store.open(store_dir, agent="bob") as other:
        one.append("from ann")
        other.append("from bob")
        assert one.layout.state == other.layout.state
        assert one.read().data == other.read().data == b"- from ann\n- from bob\n"


def test_a_clients_store_reached_through_a_link_is_known_by_its_real_path(tmp_path):
    folder = tmp_path / CLIENT_STORES[0]
    folder.mkdir(parents=True)
    (tmp_path / "short").symlink_to(folder)
    with Store.open(tmp_path / "short") as store:
        store.append("one")
    assert below(folder) == {"MEMORY.md"}


@pytest.fixture
def readonly_parent(tmp_path, monkeypatch):
    folder = tmp_path / CLIENT_STORES[0]
    folder.mkdir(parents=True)
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(folder.parent) and allowed(path, mode))
    return folder


def test_beside_a_parent_that_cannot_be_written_ours_goes_to_the_state_folder(readonly_parent):
    with Store.open(readonly_parent) as store:
        store.append("one")
        assert store.check() == ([], [])
    assert below(readonly_parent) == {"MEMORY.md"}
    assert not (readonly_parent.parent / ".memshim").exists()
    assert Path(store.layout.state).parent == Path(os.environ["XDG_STATE_HOME"]) / "memshim" / "beside"


def test_what_lies_beside_a_clients_store_is_found_also_when_the_parent_became_readonly(tmp_path, monkeypatch):
    folder = tmp_path / CLIENT_STORES[0]
    folder.mkdir(parents=True)
    with Store.open(folder) as store:
        store.append("one")
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(folder.parent) and allowed(path, mode))
    assert Layout(str(folder)).state == str(folder.parent / ".memshim" / "memory")


def test_without_a_home_and_a_writable_parent_it_is_said(readonly_parent, monkeypatch):
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(OSError, match="no home"):
        Layout(str(readonly_parent))


def test_without_a_home_a_store_works_all_the_same(store_dir, monkeypatch):
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with Store.open(store_dir) as store:
        store.append("one")
        assert store.read().data == b"- one\n"


def test_an_empty_state_variable_means_the_home_folder(guarded_home, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "")
    assert layout.state_home() == str(guarded_home / ".local/state/memshim")


# --- the search -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", ["MEMORY.md", ".memshim/format"])
def test_the_nearest_folder_upwards_is_found(guarded_home, mark):
    base = guarded_home / "work"
    for folder in (base, base / "a"):
        (folder / mark).parent.mkdir(parents=True, exist_ok=True)
        (folder / mark).write_bytes(b"")
    (base / "a" / "b" / "c").mkdir(parents=True)
    assert layout.find(str(base / "a" / "b" / "c")) == os.path.realpath(base / "a")


@pytest.mark.parametrize("git", ["folder", "file"])
def test_the_search_stops_at_the_git_root_and_looks_at_it(guarded_home, git):
    root = guarded_home / "work" / "project"
    (root / "deep").mkdir(parents=True)
    (guarded_home / "work" / "MEMORY.md").write_bytes(b"")
    (root / ".git").mkdir() if git == "folder" else (root / ".git").write_text("gitdir: x")
    assert layout.find(str(root / "deep")) is None
    (root / "MEMORY.md").write_bytes(b"")
    assert layout.find(str(root / "deep")) == os.path.realpath(root)


def test_the_search_stops_at_the_home_folder_and_looks_at_it(guarded_home):
    (guarded_home.parent / "MEMORY.md").write_bytes(b"")
    assert layout.find(str(guarded_home / "work")) is None
    (guarded_home / "MEMORY.md").write_bytes(b"")
    assert layout.find(str(guarded_home / "work")) == os.path.realpath(guarded_home)


def test_a_folder_of_another_user_is_not_looked_at(guarded_home, monkeypatch):
    (guarded_home / "work" / "MEMORY.md").write_bytes(b"")
    monkeypatch.setattr(os, "geteuid", lambda: 123456)
    assert layout.find(str(guarded_home / "work")) is None


def test_the_clients_memory_is_that_of_the_git_root_and_is_never_made(guarded_home):
    root = guarded_home / "work" / "my.app"
    (root / "deep").mkdir(parents=True)
    (root / ".git").mkdir()
    slug = "".join(c if c.isalnum() else "-" for c in os.path.realpath(root))
    wanted = guarded_home / ".claude" / "projects" / slug / "memory"
    assert layout.client_memory(str(root / "deep")) is None
    assert not wanted.exists()
    wanted.mkdir(parents=True)
    assert layout.client_memory(str(root / "deep")) == str(wanted)
    assert layout.resolve(None, str(root / "deep")) == str(wanted)


@pytest.fixture
def worktree(guarded_home):
    """A worktree as `git worktree add ../tree` makes it, and the memory of its repository."""
    main, tree = guarded_home / "work" / "main", guarded_home / "work" / "tree"
    noted = main / ".git" / "worktrees" / "tree"
    for folder in (noted, tree / "deep"):
        folder.mkdir(parents=True)
    (tree / ".git").write_text(f"gitdir: {noted}\n")
    (noted / "gitdir").write_text(f"{tree}/.git\n")
    slug = "".join(c if c.isalnum() else "-" for c in os.path.realpath(main))
    memory = guarded_home / ".claude" / "projects" / slug / "memory"
    memory.mkdir(parents=True)
    return tree, noted, memory


def test_the_clients_memory_of_a_worktree_is_that_of_its_repository(worktree):
    tree, _, memory = worktree
    assert layout.client_memory(str(tree / "deep")) == str(memory)


@pytest.mark.parametrize("text", ["", "/elsewhere/.git\n", "\0"])
def test_a_folder_that_says_to_be_a_worktree_without_being_one_leads_to_no_other_memory(worktree, text):
    tree, noted, _ = worktree
    (noted / "gitdir").write_text(text)
    assert layout.client_memory(str(tree)) is None
    (tree / ".git").write_text(f"gitdir: {text}")
    assert layout.client_memory(str(tree)) is None


def test_a_command_means_what_it_was_given_then_the_variable_then_the_nearest(guarded_home, monkeypatch):
    (guarded_home / "work" / "MEMORY.md").write_bytes(b"")
    for name in ("given", "variable"):
        (guarded_home / name).mkdir()
    assert layout.resolve(None) == os.path.realpath(guarded_home / "work")
    monkeypatch.setenv("MEMSHIM_STORE", str(guarded_home / "variable"))
    assert layout.resolve(None) == str(guarded_home / "variable")
    assert layout.resolve(str(guarded_home / "given")) == str(guarded_home / "given")
    with pytest.raises(NoStore, match="There is no folder"):
        layout.resolve(str(guarded_home / "missing"))


def test_where_there_is_no_store_the_line_to_type_is_given():
    with pytest.raises(NoStore) as raised:
        layout.resolve(None)
    assert "memshim init" in raised.value.hint


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BAD_IDS)
def test_an_agent_id_that_cannot_be_one_is_refused(name):
    with pytest.raises(BadInput, match="cannot be an agent's id"):
        layout.agent_id(name)


@pytest.mark.parametrize("name", GOOD_IDS)
def test_an_agent_id_is_taken_as_it_is(name):
    assert layout.agent_id(name) == name


def test_agent_ids_are_compared_without_case(store_dir):
    with Store.open(store_dir, agent="Ann") as one, Store.open(store_dir, agent="ANN") as other:
        one.append("one")
        other.append("two")
    assert os.listdir(store_dir / "memory") == ["ann.md"]
    assert sorted(e.agent for e in one.log()) == ["ANN", "Ann"]


@pytest.mark.parametrize("name", [*BAD_NAMES, "a" * 198 + ".md"])
def test_a_name_that_cannot_be_a_documents_is_refused(name):
    with pytest.raises(BadInput, match="cannot be a document's name"):
        layout.document_name(name)


@pytest.mark.parametrize("name", ["MEMORY.md", "a b.md", "é.md", "a" * 197 + ".md"])
def test_a_documents_name_is_taken_as_it_is(name):
    assert layout.document_name(name) == name


# --- planted links --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["journals", "heads", "tmp", "format", "lock", "new"])
def test_a_link_below_our_folder_is_refused(tmp_path, store_dir, name):
    with Store.open(store_dir) as store:
        store.append("one")
    (tmp_path / "elsewhere").mkdir()
    place = store_dir / ".memshim" / name
    if place.exists():
        place.rename(tmp_path / "moved")
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnusable, match="is a link"), Store.open(store_dir) as store:
        store.append("two")
    assert os.listdir(tmp_path / "elsewhere") == []


def test_our_folder_itself_may_not_be_a_link(tmp_path, store_dir):
    (tmp_path / "elsewhere").mkdir()
    (store_dir / ".memshim").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnusable), Store.open(store_dir) as store:
        store.append("one")
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_store_of_another_user_is_readonly_to_us(store_dir, monkeypatch):
    with Store.open(store_dir) as store:
        store.append("one")
    monkeypatch.setattr(os, "geteuid", lambda: 123456)
    with Store.open(store_dir) as store:
        with pytest.raises(StoreUnusable, match="another user"):
            store.append("two")
        assert store.read().data == b"- one\n"
