"""What a document is called, what a name means and meant, and that nothing is shown twice or nowhere for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenes import DOCS, NAMES, Scene, fold, steps

from memshim.text.names import Names
from memshim.text.view import view


def names(*said):
    """Names from (time, do, document, name)."""
    docs = {}
    for time, do, doc, name in said:
        docs.setdefault(doc, {})[f"entry{time}"] = [do, str(time), name]
    return Names(docs)


MADE = ((1, "create", "a.md", ""), (1, "create", "b.md", ""))


@pytest.mark.parametrize(
    ("said", "name", "time", "doc"),
    [
        (MADE, "a.md", None, "a.md"),
        (MADE, "new.md", None, "new.md"),
        ((*MADE[:1], (5, "rename", "a.md", "b.md")), "b.md", None, "a.md"),
        ((*MADE[:1], (5, "rename", "a.md", "b.md")), "b.md", "4", "b.md"),
        ((*MADE[:1], (5, "rename", "a.md", "b.md")), "a.md", None, "a.md"),  # its old name still reaches it
        ((*MADE[:1], (5, "rename", "a.md", "b.md"), (7, "rename", "a.md", "c.md")), "b.md", None, "a.md"),
        ((*MADE[:1], (5, "rename", "a.md", "b.md"), (7, "create", "b.md", "")), "b.md", "6", "a.md"),
        ((*MADE[:1], (5, "rename", "a.md", "b.md"), (7, "rename", "a.md", "c.md"), (8, "create", "b.md", "")), "b.md",
         None, "b.md"),
        ((*MADE[:1], (5, "rename", "a.md", "b.md"), (7, "create", "a.md~", "a.md")), "a.md", None, "a.md~"),
        ((*MADE[:1], (5, "rename", "a.md", "b.md"), (7, "create", "a.md~", "a.md")), "a.md", "6", "a.md"),
        ((*MADE, (5, "rename", "a.md", "c.md"), (6, "rename", "b.md", "c.md")), "c.md", None, "b.md"),
        ((*MADE, (5, "rename", "a.md", "c.md"), (6, "rename", "b.md", "c.md")), "c.md", "5", "a.md"),
        ((*MADE, (5, "rename", "a.md", "c.md"), (6, "rename", "b.md", "c.md"), (7, "rename", "b.md", "b.md")), "c.md",
         None, "a.md"),
    ],
)  # fmt: skip
def test_a_name_means_the_document_that_has_it_or_had_it_last(said, name, time, doc):
    assert names(*said).meant(name, time) == doc


def test_documents_of_one_name_are_shown_as_one_until_one_gets_another():
    both = names(*MADE, (5, "rename", "a.md", "b.md"))
    assert (both.home("a.md"), both.home("b.md")) == ("a.md", "a.md")
    apart = names(*MADE, (5, "rename", "a.md", "b.md"), (6, "rename", "a.md", "c.md"))
    assert (apart.home("a.md"), apart.home("b.md")) == ("a.md", "b.md")
    assert (apart.name("a.md"), apart.name("b.md")) == ("c.md", "b.md")


@given(st.lists(st.tuples(st.integers(1, 20), st.sampled_from(["create", "rename"]), st.sampled_from("abc"),
                          st.sampled_from(["", "a", "b", "c", "d"])), max_size=8), st.sampled_from("abcd"))  # fmt: skip
def test_where_a_document_is_shown_shows_itself_and_has_its_own_name(said, doc):
    found = names(*said)
    home = found.home(doc)
    assert found.home(home) == home
    assert found.home(found.meant(found.name(home))) == home
    shown = {found.home(d) for d in "abcd"}
    assert len({found.name(d) for d in shown}) == len(shown)  # two documents never fight for one file


@given(steps())
def test_every_live_text_is_shown_in_exactly_one_document(script):
    state = fold(Scene(script).entries)
    docs = {*DOCS, *NAMES, *state.docs, *state.documents()}
    shown = [i for d in docs for p in view(state, d).pieces for i in p.ids] + [
        i for d in docs for i in view(state, d).hidden
    ]
    assert sorted(shown) == sorted(f.id for f in state.facts.values() if f.alive())
    called = list(state.documents().values())
    assert len(called) == len(set(called))
