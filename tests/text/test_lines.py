"""The line map: every line is somebody's who said it, and stays theirs."""

from hypothesis import given
from hypothesis import strategies as st
from scenes import DOCS, Past, Scene, fold, steps

from memshim.text import blocks as markdown
from memshim.text.entry import Entry, from_record, to_record
from memshim.text.facts import CODES
from memshim.text.fold import State
from memshim.text.intake import operations
from memshim.text.lines import line_map
from memshim.text.sections import title_of
from memshim.text.view import view


def said_by(entry):
    """All lines that an entry wrote; a section that it asked for counts as its heading."""
    lines = {line.rstrip(b"\r\n") for _, _, _, text in entry.new_blocks() for line in markdown.split_lines(text)}
    for op in entry.ops:
        if op.get("section"):
            lines.add(title_of(op["section"].rpartition(" > ")[2])[1].encode())
    return lines


def wrote(entry, line):
    data = line.data.rstrip(b"\r\n")
    bare = data.removesuffix(line.piece.suffix) if line.piece.suffix else data
    lines = said_by(entry)
    return bare in lines or (line.piece.kind == "heading" and bare.lstrip(b"#").strip() in lines) or not bare.strip()


@given(steps(most=18))
def test_every_line_names_only_entries_that_hold_it(script):
    entries = Scene(script).entries
    state = fold(entries)
    by_id = {e.id: e for e in entries}
    for doc in DOCS:
        found = view(state, doc)
        lines = list(line_map(found, state.facts.get))
        assert b"".join(line.data for line in lines) == found.text
        for line in lines:
            assert line.entries
            for name in line.entries:
                assert wrote(by_id[name], line), (name, line.data)


@given(steps(most=12, wild=False), st.integers(0, 12))
def test_freezing_what_is_dead_changes_no_author(script, cut):
    entries = Scene(script).entries
    whole, state, past = fold(entries), State(), Past()
    for part in (entries[:cut], entries[cut:]):
        past.keep(state.apply(part, past), state.freeze())
    for doc in DOCS:
        frozen = line_map(view(state, doc), lambda name: state.known(name, past))
        assert [(x.data, sorted(x.entries)) for x in frozen] == [
            (x.data, sorted(x.entries)) for x in line_map(view(whole, doc), whole.facts.get)
        ]


class Diary:
    """A document that agents change one after another, each having seen all; who wrote what can be asked by line."""

    def __init__(self, text):
        self.entries = []
        parsed = markdown.parse(text)
        op = {"op": "add", "doc": "MEMORY.md", "at": "i000.0", "blocks": [b.text for b in parsed]}
        self.say("before", [{**op, "kinds": "".join(CODES[b.kind] for b in parsed)}])

    def say(self, agent, ops):
        n = len(self.entries) + 1
        entry = Entry(f"{n:032x}", f"{n:016x}", "write", agent, ops)
        meta, texts = to_record(entry)
        self.entries.append(from_record(meta, texts))  # as a journal gives it back

    def write(self, agent, text):
        self.say(agent, operations(self.view(), text, f"t{len(self.entries)}"))
        assert self.view().text == text

    def append(self, agent, text, section):
        op = {"op": "add", "doc": "MEMORY.md", "section": section, "kinds": "b", "blocks": [text]}
        self.say(agent, [op])

    def view(self):
        return view(fold(self.entries), "MEMORY.md")

    def authors(self):
        state = fold(self.entries)
        names = {e.id: e.agent for e in self.entries}
        found = line_map(view(state, "MEMORY.md"), state.facts.get)
        return [(line.data.decode().rstrip("\n"), "+".join(names[e] for e in line.entries)) for line in found]


def test_an_unchanged_line_of_a_block_that_others_edit_keeps_its_author():
    diary = Diary(b"Prose a.\nProse b.\nProse c.\n")
    diary.write("bob", b"Prose a.\nProse B.\nProse c.\n")
    diary.write("eve", b"Prose a.\nProse B.\nProse C.\nProse d.\n")
    assert diary.authors() == [
        ("Prose a.", "before"), ("Prose B.", "bob"), ("Prose C.", "eve"), ("Prose d.", "eve")
    ]  # fmt: skip


def test_a_line_keeps_its_author_when_its_block_is_cut_in_two_or_joined():
    diary = Diary(b"Prose a.\nProse b.\nProse c.\n")
    diary.write("bob", b"Prose a.\n\nProse b.\nProse c.\n")
    assert diary.authors() == [("Prose a.", "before"), ("", "bob"), ("Prose b.", "before"), ("Prose c.", "before")]
    diary.write("eve", b"Prose a.\nProse b.\nProse c.\n")
    assert diary.authors() == [("Prose a.", "before"), ("Prose b.", "before"), ("Prose c.", "before")]


def test_a_line_that_moves_keeps_its_author():
    diary = Diary(b"- one\n- two\n- three\n")
    diary.write("bob", b"- one\n- two\n- new\n- three\n")
    diary.write("eve", b"- new\n- three\n- two\n- one\n")
    assert dict(diary.authors()) == {"- new": "bob", "- three": "before", "- two": "before", "- one": "before"}


def test_a_heading_that_the_view_made_is_owed_to_who_needed_it_for_ever():
    diary = Diary(b"# M\n\n- one\n")
    diary.append("bob", b"- use uv\n", "Decisions")
    wanted = [("# M", "before"), ("", "before"), ("- one", "before")]
    wanted += [("", "bob"), ("## Decisions", "bob"), ("", "bob"), ("- use uv", "bob")]
    assert diary.authors() == wanted
    diary.write("eve", b"# M\n\n- ONE\n\n## Decisions\n\n- use uv\n")
    wanted[2] = ("- ONE", "eve")
    assert diary.authors() == wanted
    diary.write("eve", b"# M\n\n- ONE\n\n## Decisions\n\n- use uv\n- and more\n")
    assert diary.authors() == [*wanted, ("- and more", "eve")]


def test_a_line_that_is_written_anew_is_its_new_writers():
    diary = Diary(b"- one\n- two\n")
    diary.write("bob", b"- one\n")
    diary.write("eve", b"- one\n- two\n")
    assert diary.authors() == [("- one", "before"), ("- two", "eve")]
