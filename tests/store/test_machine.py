"""A store at work against a model: whatever people, agents, editors and crashes do, what was acknowledged stays."""

import os
import random
import shutil
import tempfile
import time
from pathlib import Path
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from memshim import Store
from memshim.errors import MemshimError, RevisionMismatch
from memshim.store import adopt, compact
from memshim.store.history import History
from memshim.store.turn import Turn

AGENTS = st.sampled_from(("ann", "bob", "cleo-0123abcd"))
DOCS = st.sampled_from(("MEMORY.md", "MEMORY.md", "topic.md"))
SECTIONS = st.sampled_from(("", "Rules", "## New", "Memory"))
PLACES = st.integers(0, 1000)
START = (
    b"# Memory\n\n- fact start one\n- fact start two\n\n## Rules\n\n- fact start three\n\nSome prose of the start.\n"
)


class Machine(RuleBasedStateMachine):
    """The model: `facts` is text -> whether it is live, `where` text -> document, `ids` text -> entry."""

    def __init__(self):
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="memshim-machine-"))
        self.folder = self.base / "store"
        self.folder.mkdir()
        self.stores = {}
        self.count = 0
        self.ahead = 0.0
        self.facts, self.where, self.ids = {}, {}, {}
        self.old = {}  # document -> revisions that were on disk: text and the facts in it
        self.removed_docs = set()
        self.clock = time.time
        self.patches = [
            mock.patch.object(Turn, "GRACE_S", 0.0),
            mock.patch.object(time, "time", self.now),
        ]
        for patch in self.patches:
            patch.start()

    def teardown(self):
        for patch in self.patches:
            patch.stop()
        for store in self.stores.values():
            store.close()
        shutil.rmtree(self.base)

    def now(self):
        return self.clock() + self.ahead

    # -- helpers ---------------------------------------------------------------------------------------------

    @initialize(crlf=st.booleans())
    def start(self, crlf):
        text = START.replace(b"\n", b"\r\n") if crlf else START
        (self.folder / "MEMORY.md").write_bytes(text)
        self.store("ann").init()
        for fact in ("fact start one", "fact start two", "fact start three"):
            self.facts[fact], self.where[fact] = True, "MEMORY.md"
        self.remember()

    def store(self, agent):
        if agent not in self.stores:
            self.stores[agent] = Store.open(self.folder, agent=agent)
        return self.stores[agent]

    def new_fact(self, doc):
        self.count += 1
        fact = f"fact number {self.count} of {doc.removesuffix('.md')} as said"
        self.facts[fact], self.where[fact] = True, doc
        return fact

    def live(self, doc=None):
        return sorted(f for f, alive in self.facts.items() if alive and (doc is None or self.where[f] == doc))

    def on_disk(self, doc):
        path = self.folder / doc
        return path.read_bytes() if path.exists() else b""

    def remember(self):
        for doc in ("MEMORY.md", "topic.md"):
            if (self.folder / doc).exists():
                self.old.setdefault(doc, []).append(self.on_disk(doc))

    def replace_on_disk(self, doc, text):
        """As agents' tools and editors write: aside, then rename."""
        aside = self.folder / f"{doc}.tmp.1"
        aside.write_bytes(text)
        os.utime(aside, (self.now(), self.now()))
        aside.rename(self.folder / doc)

    def lines(self, doc):
        """The lines of a document that hold a live fact each, with that fact."""
        text = self.on_disk(doc).decode().splitlines(keepends=True)
        return text, [(n, f) for n, line in enumerate(text) for f in self.live(doc) if f in line]

    # -- what agents and people do ----------------------------------------------------------------------------

    @rule(agent=AGENTS, doc=DOCS, section=SECTIONS, publish=st.booleans())
    def append(self, agent, doc, section, publish):
        fact = self.new_fact(doc)
        self.ids[fact] = self.store(agent).append(fact, doc=doc, section=section, publish=publish)
        self.remember()

    @rule(agent=AGENTS, doc=DOCS, place=PLACES)
    def edit(self, agent, doc, place):
        found = self.live(doc)
        if found:
            old = found[place % len(found)]
            new = self.new_fact(doc)
            self.store(agent).edit(old, new, doc=doc)
            self.facts[old] = False
            self.remember()

    @rule(agent=AGENTS, doc=DOCS, place=PLACES, age=st.integers(0, 6))
    def edit_of_an_old_revision(self, agent, doc, place, age):
        """Merged where nothing clashes; refused, and then nothing is changed."""
        texts = self.old.get(doc)
        if not texts:
            return
        from memshim.store.history import revision_of

        base = texts[-1 - age % len(texts)]
        found = [f for f in self.facts if f.encode() in base]
        if not found:
            return
        old = found[place % len(found)]
        new = self.new_fact(doc)
        try:
            self.store(agent).edit(old, new, doc=doc, expected=revision_of(base))
        except RevisionMismatch:
            self.facts[new] = False
        else:
            now = self.store(agent).read(doc).text
            self.facts[old] = old in now and self.facts[old]
        self.remember()

    @rule(agent=AGENTS, doc=DOCS, place=PLACES, drop=st.booleans())
    def write(self, agent, doc, place, drop):
        view = self.store(agent).read(doc)
        lines = view.text.splitlines(keepends=True)
        found = [(n, f) for n, line in enumerate(lines) for f in self.live(doc) if f in line]
        if drop and found:
            n, fact = found[place % len(found)]
            del lines[n]
            self.facts[fact] = False
        new = self.new_fact(doc)
        at = place % (len(lines) + 1)
        if at and not lines[at - 1].endswith("\n"):
            lines[at - 1] += "\n"
        lines.insert(at, f"- {new}\n")
        self.store(agent).write("".join(lines), doc=doc, expected=view.revision)
        self.remember()

    @rule(agent=AGENTS, place=PLACES)
    def forget(self, agent, place):
        found = self.live()
        if found:
            fact = found[place % len(found)]
            self.store(agent).forget(text=fact)
            self.facts[fact] = False
            self.remember()

    @rule(agent=AGENTS, place=PLACES)
    def forget_and_restore(self, agent, place):
        found = self.live()
        if found:
            fact = found[place % len(found)]
            id_ = self.store(agent).forget(text=fact).id
            assert fact not in self.store("ann").read(self.where[fact]).text
            self.store("bob").restore(id_)

    # -- what happens behind our back -------------------------------------------------------------------------

    @rule(doc=DOCS, what=st.sampled_from(("append", "delete", "change")), place=PLACES)
    def foreign_change(self, doc, what, place):
        self.store("ann").publish()
        text, found = self.lines(doc)
        if doc == "topic.md" and not (self.folder / doc).exists():
            return
        if what == "append":
            if text and not text[-1].endswith("\n"):
                text[-1] += "\n"
            text.append(f"- {self.new_fact(doc)}\n")
        elif not found:
            return
        else:
            n, fact = found[place % len(found)]
            self.facts[fact] = False
            if what == "delete":
                del text[n]
            else:
                text[n] = text[n].replace(fact, self.new_fact(doc))
        self.ahead += adopt.SETTLED_S + 1  # else a text that stood there before is a stale writer's
        if not text and doc == "MEMORY.md":
            text = ["\n"]
        self.replace_on_disk(doc, "".join(text).encode())
        if what == "change":  # of the newest line both texts may stay: its writer may have seen an older revision
            self.store("bob").publish()
            self.facts[fact] = fact in (self.folder / doc).read_text()

    @rule(doc=DOCS, age=st.integers(1, 4))
    def stale_copy_written_back(self, doc, age):
        """An editor saves what it had read a while ago, with one line more: it deletes nothing that is newer."""
        self.store("ann").publish()
        texts = self.old.get(doc)
        if not texts or not (self.folder / doc).exists():
            return
        before = texts[-1 - age % len(texts)]
        live = self.live(doc)
        new = self.new_fact(doc)
        self.replace_on_disk(
            doc, before + (b"" if before.endswith(b"\n") or not before else b"\n") + f"- {new}\n".encode()
        )
        self.store("bob").publish()
        now = self.store("bob").read(doc).text
        newest = texts[-1]
        for fact in live:
            if fact.encode() not in before:
                assert fact in now, f"{fact} was newer than the stale copy"
            elif fact.encode() in newest:
                assert fact in now
        self.remember()

    @precondition(lambda self: (self.folder / "topic.md").exists())
    @rule(back=st.booleans())
    def remove_a_topic_file(self, back):
        self.store("ann").publish()
        if not (self.folder / "topic.md").exists():
            return
        (self.folder / "topic.md").unlink()
        facts = self.live("topic.md")
        self.store("bob").publish()
        assert not (self.folder / "topic.md").exists()
        if back:
            self.store("cleo-0123abcd").restore("topic.md")
            assert (self.folder / "topic.md").exists()
        else:
            for fact in facts:
                self.facts[fact] = False

    @rule(how=st.sampled_from(("missing", "empty")))
    def memory_file_is_lost(self, how):
        self.store("ann").publish()
        if how == "missing":
            (self.folder / "MEMORY.md").unlink()
        else:
            (self.folder / "MEMORY.md").write_bytes(b"")
        self.store("ann").publish()

    @rule()
    def compact(self):
        self.store("ann").compact()
        again = self.store("bob").compact()
        assert (again.folded, again.archived, again.published) == (0, 0, [])

    @rule()
    def a_day_of_silence(self):
        for name in (self.folder / ".memshim/journals").glob("*"):
            os.utime(name, (self.now(),) * 2)
        self.ahead += compact.SILENT_S + 1
        self.store("ann").compact()
        assert list((self.folder / ".memshim/journals").glob("*")) == []

    # -- crashes and vandals ----------------------------------------------------------------------------------

    @rule(agent=AGENTS, place=PLACES)
    def crash_in_an_append(self, agent, place):
        """An append that was never acknowledged was written in part."""
        store = self.stores.pop(agent, None)
        if store is not None:
            store.close()
        journal = self.folder / ".memshim/journals" / f"{agent}.log"
        if journal.exists():
            whole = journal.stat().st_size
            with Store.open(self.folder, agent=agent) as other:
                other.append("never acknowledged", publish=False)
            size = journal.stat().st_size - whole
            os.truncate(journal, whole + place % size if place % size < size - 1 else whole)

    @rule(name=st.sampled_from(("MEMORY.md.1.abc", "journal.1.abc", "segment.1.abc")))
    def crash_that_leaves_a_temporary_file(self, name):
        (self.folder / ".memshim/tmp" / name).write_bytes(b"half")
        (self.folder / ".memshim/tmp" / name).chmod(0o600)

    @rule()
    def all_stores_are_opened_anew(self):
        self.stores.clear()

    @rule()
    def readable_journals_are_deleted(self):
        for path in (self.folder / "memory").glob("*.md"):
            path.unlink()

    @rule()
    def the_store_is_copied_and_the_copy_goes_on(self):
        for store in self.stores.values():
            store.close()
        self.stores.clear()
        other = self.base / f"copy{self.count}-{random.getrandbits(32):x}"
        shutil.copytree(self.folder, other)
        with Store.open(self.folder, agent="ann") as left:
            left.append("said in the one that was left", publish=False)
        self.folder = other

    # -- what must hold ---------------------------------------------------------------------------------------

    @invariant()
    def everything_acknowledged_is_there_and_the_store_is_sound(self):
        if not self.facts:
            return
        store = self.store("ann")
        assert store.publish(), store.notes
        memory = store.memory()
        shown = {}
        for doc, name in memory.documents().items():
            shown[name] = memory.view(doc).text.decode()
        disputed = b"".join(text for clash in store.conflicts() for text, _, _ in clash.sides).decode()
        for fact, alive in self.facts.items():
            count = sum(self.holds(text, fact) for text in shown.values())
            # What somebody removed may be disputed: a nearly equal fact that was added beside it looks like an edit of it.
            assert count == alive or (fact in disputed and count == 1), f"{fact!r} is shown {count} times\n{shown}"
        for name, text in shown.items():
            assert self.on_disk(name).decode() == text
        repaired, findings = store.check()
        assert [(f.level, f.name, f.text) for f in findings if f.level != "note"] == []
        assert repaired == []
        ids = [e.id for e in memory.entries()]
        assert len(ids) == len(set(ids))
        assert set(self.ids.values()) <= set(ids)
        assert all(History(store.layout, doc).published for doc in memory.documents() if self.on_disk(doc))

    @staticmethod
    def holds(text, fact):
        return text.count(fact)


def test_errors_of_the_model_itself_are_seen():
    assert issubclass(RevisionMismatch, MemshimError)


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=max(12, settings().max_examples // 3), stateful_step_count=15, deadline=None
)
