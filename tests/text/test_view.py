"""The view: where appended text goes, which headings are one, and that no set of entries is too odd to be shown."""

from hypothesis import given
from hypothesis import strategies as st
from scenes import Scene, fold

from memshim.text import blocks as markdown
from memshim.text.facts import CODES
from memshim.text.view import view

TEXTS = (b"## B\n\n- y\n", b"# A\n\n- x\n", b"## B\n", b"# A\n", b"- z\n", b"### C\n\n- c\n")
SECTIONS = ("", "A", "B", "## C", "A > B")
APPENDS = st.lists(st.tuples(st.sampled_from(TEXTS), st.sampled_from(SECTIONS)), max_size=7)


def appended(start, appends):
    scene = Scene([], {"MEMORY.md": start})
    for text, section in appends:
        parsed = markdown.parse(text)
        kinds = "".join(CODES[b.kind] for b in parsed)
        op = {"op": "add", "doc": "MEMORY.md", "section": section, "kinds": kinds, "blocks": [b.text for b in parsed]}
        scene._say("ann", "append", [op])
    return view(fold(scene.entries), "MEMORY.md")


@given(APPENDS)
def test_every_line_of_any_appends_with_headings_is_shown(appends):
    text = appended(b"# A\n", appends).text
    for line in {line for said, _ in appends for line in said.splitlines() if line}:
        assert line in text.splitlines()


def test_headings_that_are_shown_as_one_may_hold_others_that_are():
    found = appended(b"# A\n", [(TEXTS[0], "B"), (TEXTS[1], "B"), (TEXTS[2], "B"), (TEXTS[3], "")])
    assert found.text.count(b"# A\n") == 1
    assert (found.text.count(b"- x\n"), found.text.count(b"- y\n")) == (1, 1)
