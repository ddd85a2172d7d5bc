"""Intake: what a writer wants to stand there is what stands there, and what they left alone stays the same block."""

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scenes import DOCS, TEXTS, Past, Scene, changed, document, fold, steps

from memshim.text import blocks as markdown
from memshim.text.entry import Entry
from memshim.text.intake import operations
from memshim.text.merge import merge
from memshim.text.view import SHOWN_ONCE, view

CHANGES = st.lists(
    st.tuples(st.sampled_from(("insert", "delete", "edit", "move", "rename")), st.integers(0, 30), st.integers(0, 30)),
    max_size=6,
)
SCRAPS = st.lists(
    st.sampled_from([*TEXTS, b"\n", b"x", b"\r", b"\x00", b"\xff", b"\xef\xbb\xbf", b"---\n"]) | st.binary(max_size=6),
    max_size=12,
).map(b"".join)


def write(state, seen, target, tag="new", conflicts=(), base=()):
    ops = operations(seen, target, tag, conflicts, base)
    time = "0" + "f" * 15  # later than all in a scene
    state.apply([Entry(time + "0" * 16, time, "write", "dora", ops)] if ops else [], Past())
    return view(state, seen.doc)


def without_notes(text, *views):
    """The text without the notes of conflicts: one that is settled has none."""
    for suffix in {p.suffix for v in views for p in v.pieces if p.suffix}:
        text = text.replace(suffix, b"")
    return text


def stood(parsed):
    """(heading it stands under, kind, text without line end) of each block."""
    out, under = [], -1
    for n, block in enumerate(parsed):
        under = n if block.kind == "heading" else under
        out.append((under, block.kind, block.text.rstrip(b"\r\n")))
    return out


def check_stands(found, target, *views):
    """The view is the target, less copies of what it shows under the same heading."""
    got, wanted = (without_notes(t, found, *views) for t in (found.text, target))
    if any(len(p.ids) > 1 for v in (found, *views) for p in v.pieces):  # blank lines beside what is shown once may go
        got, wanted = (b"\n".join(line for line in t.split(b"\n") if line.strip()) for t in (got, wanted))
    if got == wanted:
        return
    rows = stood(markdown.parse(wanted))
    copies = {row for row, n in Counter(r for r in rows if r[1] in SHOWN_ONCE).items() if n > 1}
    assert copies, f"{got!r} is not {wanted!r}"
    blocks = markdown.parse(wanted)
    left, shown = got, set()
    for n, (row, block) in enumerate(zip(rows, blocks, strict=True)):
        body = block.text if left.startswith(block.text) else row[2] if row[2] and left.startswith(row[2]) else None
        later = row in rows[n + 1 :] or row in shown
        rest = b"".join(b.text for b in blocks[n + 1 :])
        if body is None or (row in copies and later and left == rest):
            assert row in copies, f"{block.text!r} is missing in {got!r}, which should be {wanted!r}"
            continue
        left = left[len(body) :]
        shown.add(row)
    assert not left.strip()
    assert copies <= shown


@given(steps(wild=False), st.sampled_from(DOCS), CHANGES)
def test_what_was_written_stands_there(script, doc, changes):
    state = fold(Scene(script).entries)
    seen = document(state, doc)
    target = seen.text
    for change in changes:
        target = changed(target, *change)
    check_stands(write(state, seen, target), target, seen)


@given(steps(most=8, wild=True), st.sampled_from(DOCS), SCRAPS)
@example([], "MEMORY.md", b"")
def test_any_bytes_at_all_can_be_written(script, doc, target):
    state = fold(Scene(script).entries)
    seen = document(state, doc)
    check_stands(write(state, seen, target), target, seen)


@given(SCRAPS, SCRAPS)
def test_any_text_can_become_any_other(one, two):
    state = fold(Scene([], {"MEMORY.md": one}).entries)
    seen = view(state, "MEMORY.md")
    assert seen.text == one
    check_stands(write(state, seen, two), two, seen)


@given(steps(wild=False), st.sampled_from(DOCS), CHANGES)
def test_blocks_that_were_left_alone_or_moved_keep_their_ids(script, doc, changes):
    state = fold(Scene(script).entries)
    seen = document(state, doc)
    target = seen.text
    for change in changes:
        target = changed(target, *change)
    there = [Counter(b.text for b in markdown.parse(t)) for t in (seen.text, target)]
    there.append(Counter(p.data for p in seen.pieces))
    once = {t for t in there[0] if t.strip() and all(c[t] == 1 for c in there)}
    before = {p.data: p.ids for p in seen.pieces if p.data in once and p.ids}
    after = {i: p.data for p in write(state, seen, target).pieces for i in p.ids}
    for text, ids in before.items():
        for id_ in ids:
            assert id_ in after, f"{text!r} became another block"


@given(steps(wild=False), st.sampled_from(DOCS))
def test_writing_what_stands_there_says_nothing(script, doc):
    state = fold(Scene(script).entries)
    seen = document(state, doc)
    assert operations(seen, seen.text, "t") == []


@given(steps(wild=False), st.sampled_from(DOCS), CHANGES, CHANGES)
def test_a_second_intake_of_the_same_text_says_nothing(script, doc, one, two):
    state = fold(Scene(script).entries)
    target = document(state, doc).text
    for change in one:
        target = changed(target, *change)
    found = write(state, document(state, doc), target)
    assert operations(found, found.text, "t") == []


def pair(base, ours, theirs):
    """Both sides of a merge taken in, ours first and then a foreign text made from the base."""
    state = fold(Scene([], {"MEMORY.md": base}).entries)
    old = view(state, "MEMORY.md")
    now = write(state, old, ours, "ours")
    merged = merge(base, ours, theirs)
    pieces = [(p.ids, p.data) for p in old.pieces]
    ops = operations(now, merged.text, "theirs", merged.conflicts, pieces)
    state.apply([Entry("1" * 32, "1" * 16, "adopt", "external", ops)], Past())
    return state, merged


def test_both_sides_of_a_clash_stand_next_to_each_other_in_their_own_words():
    state, merged = pair(
        b"# M\n\n- use pip now\n- b\n", b"# M\n\n- use uv now\n- b\n", b"# M\n\n- use poetry now\n- b\n"
    )
    assert len(merged.conflicts) == 1
    (conflict,) = state.conflicts("MEMORY.md")
    c = conflict.label.encode()
    assert view(state, "MEMORY.md").text == (
        b"# M\n\n- use uv now (conflict %s, dora)\n- use poetry now (conflict %s, external)\n- b\n" % (c, c)
    )


def test_a_clash_of_an_edit_with_a_removal_keeps_the_edit_and_lists_the_removal():
    state, merged = pair(b"- keep\n- use pip now\n- x\n", b"- keep\n- use uv now\n- x\n", b"- keep\n- x\n")
    assert len(merged.conflicts) == 1
    (conflict,) = state.conflicts("MEMORY.md")
    assert conflict.removers == ["1" * 32]
    assert b"- use uv now (conflict " in view(state, "MEMORY.md").text


def test_what_an_appended_text_that_is_shown_joined_to_another_left_over_goes_with_it():
    """Two make one section; the blank line below the second heading is not shown, and brings nothing back later."""
    entries = Scene([], {"MEMORY.md": b"## Rules\n"}).entries
    for n in (1, 2):
        blocks = [b"## New\n", b"\n", b"- below\n"]
        op = {"op": "add", "doc": "MEMORY.md", "section": "Rules", "kinds": "h_b", "blocks": blocks}
        entries.append(Entry(f"{n}" * 32, f"{n}" * 16, "append", "ann", [op]))
    state = fold(entries)
    seen = view(state, "MEMORY.md")
    assert seen.text.count(b"## New") == 1
    state.apply([Entry("3" * 32, "3" * 16, "write", "ann", operations(seen, b"", "t"))], Past())
    assert view(state, "MEMORY.md").text == b""


def test_sections_that_two_made_and_that_are_shown_as_one_leave_no_blank_line_behind():
    entries = Scene([], {"MEMORY.md": b"## Rules\n"}).entries
    for n in (1, 2):
        op = {
            "op": "add",
            "doc": "MEMORY.md",
            "section": "Rules",
            "kinds": "hb",
            "blocks": [b"## New\n", b"- %d\n" % n],
        }
        entries.append(Entry(f"{n}" * 32, f"{n}" * 16, "append", "ann", [op]))
    assert view(fold(entries), "MEMORY.md").text == b"## Rules\n\n## New\n- 1\n- 2\n"


@pytest.mark.parametrize("keep", [0, 1])
def test_an_ordinary_edit_that_leaves_one_of_them_settles_a_clash(keep):
    state, _ = pair(b"# M\n\n- use pip now\n- b\n", b"# M\n\n- use uv now\n- b\n", b"# M\n\n- use poetry now\n- b\n")
    seen = view(state, "MEMORY.md")
    lines = seen.text.splitlines(True)
    del lines[3 - keep]
    found = write(state, seen, b"".join(lines))
    assert found.text == b"# M\n\n- use %s now\n- b\n" % [b"uv", b"poetry"][keep]
    assert state.conflicts() == []


def test_text_written_between_the_two_sides_of_a_clash_stands_between_them():
    """Both sides may have one place: one replaced the other, which was then restored."""
    state = fold(Scene([], {"MEMORY.md": b"# M\n\n- use pip\n- b\n- c\n"}).entries)
    seen = view(state, "MEMORY.md")
    found = write(state, seen, seen.text.replace(b"pip", b"uv"))
    old = seen.pieces[2].ids[0]
    op = {"op": "restore", "doc": "MEMORY.md", "targets": [old], "undoes": ["0" + "f" * 15 + "0" * 16]}
    state.apply([Entry("1" * 32, "1" * 16, "restore", "ann", [op])], Past())
    found = view(state, "MEMORY.md")
    assert len(found.conflicts) == 1
    lines = found.text.splitlines(True)
    target = b"".join([*lines[:3], b"- new\n", lines[5], lines[3], lines[4]])
    ops = operations(found, target, "between")
    state.apply([Entry("2" * 32, "2" * 16, "write", "ann", ops)], Past())
    assert view(state, "MEMORY.md").text == target


@pytest.mark.parametrize(
    "text",
    [b"# M\r\n\r\n- a\r\n- b\r\n", b"# M\n\n- a", b"lone\rcr\n- a\r- b\n", b"\xef\xbb\xbf# M\n\n- a\n",
     b"- nul \x00\n",
     b"- \xff\xfe\n", b"\n\n\n", b"a\r\nb\nc\r\n", b"\r\n- a\r\n\r\n", b"# M\r\n- a\n- b\r\n",
     b"---\ntitle: x\n---\n- a\n",
     "- \u2028\x0b\x0c\x85\n".encode(), b"    code\n\ttab\n", b"<!-- open\n- a\n", b"```\nopen fence\n"],
)  # fmt: skip
def test_odd_bytes_stay_as_they_are_around_a_change(text):
    for what in ("insert", "delete", "edit", "move"):
        for place in range(6):
            state = fold(Scene([], {"MEMORY.md": text}).entries)
            seen = view(state, "MEMORY.md")
            target = changed(text, what, place, 1)
            assert write(state, seen, target).text == target


def test_two_writers_who_insert_at_one_place_both_keep_their_runs_whole():
    entries = Scene([], {"MEMORY.md": b"# M\n\n- a\n- b\n"}).entries
    for n, tag in enumerate(("ann", "bob")):
        seen = view(fold(entries[:1]), "MEMORY.md")
        target = b"# M\n\n- a\n" + b"".join(b"- %s %d\n" % (tag.encode(), k) for k in range(3)) + b"- b\n"
        id_ = f"{n + 1}" * 32
        entries.append(Entry(id_, f"{n + 1}" * 16, "write", tag, operations(seen, target, tag)))
    runs = b"- ann 0\n- ann 1\n- ann 2\n- bob 0\n- bob 1\n- bob 2\n"
    assert view(fold(entries), "MEMORY.md").text == b"# M\n\n- a\n" + runs + b"- b\n"
