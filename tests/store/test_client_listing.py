"""What Claude Code finds in its memory folder, by its own rule: documents, and nothing of ours."""

import os
from pathlib import Path

import pytest

from memshim import Store


def listed(folder):
    """The client's rule: every *.md below the folder, dot folders too, the newest 200."""
    found = [Path(where, name) for where, _, names in os.walk(folder) for name in names if name.endswith(".md")]
    newest = sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)[:200]
    return {str(path.relative_to(folder)) for path in newest}


@pytest.mark.parametrize("name", ["projects/-work-app/memory", "agent-memory/reviewer", "agent-memory-local/x"])
def test_a_client_lists_only_documents_of_a_busy_store(guarded_home, name):
    folder = guarded_home / ".claude" / name
    folder.mkdir(parents=True)
    (folder / "MEMORY.md").write_bytes(b"# Memory\n\n- start\n")
    documents = {"MEMORY.md", *(f"topic{n}.md" for n in range(6))}
    during = set()
    for n in range(30):
        with Store.open(folder, agent=f"main-{n:08x}", session=f"session-{n}") as store:
            store.append(f"fact {n}", doc=sorted(documents)[n % 7], section="Rules" if n % 2 else "")
            if n % 6 == 0:
                (folder / "MEMORY.md").write_bytes((folder / "MEMORY.md").read_bytes() + f"- foreign {n}\n".encode())
                store.forget(text=f"fact {n}")
            if n % 10 == 0:
                store.compact()
            during |= listed(folder)
    assert during == listed(folder) == documents
    assert {path.name for path in folder.rglob("*")} == documents
    with Store.open(folder) as store:
        assert store.check() == ([], [])
        assert not any(store.read(doc).data.count(b"memshim") for doc in documents)
    journals = Path(store.layout.memory)
    assert folder not in journals.parents
    assert len(os.listdir(journals)) >= 30


def test_a_file_of_ours_that_came_into_a_clients_folder_is_a_broken_must_and_repair_takes_it_out(guarded_home):
    folder = guarded_home / ".claude" / "projects" / "-work-app" / "memory"
    folder.mkdir(parents=True)
    with Store.open(folder, agent="ann") as store:
        store.append("one")
        (folder / "deep").mkdir()
        planted = folder / "deep" / "ann.md"
        planted.write_bytes(Path(store.layout.memory, "ann.md").read_bytes())
        assert [(f.level, f.name) for f in store.check()[1]] == [("must", "listed")]
        assert store.check(repair=True)[1] == []
        assert listed(folder) == {"MEMORY.md"}
