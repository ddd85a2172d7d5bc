"""The algebra of the merge, over generated documents and generated edits of them.

`cases` draws few blocks whose lines are all known apart, so that every law can be told exactly. `scenes` draws anything
(tests/memories.py): moved sections, repeated lines, nested lists, mixed line ends; there the laws hold as well.
"""

from collections import Counter
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memshim.text.merge import Merged, merge
from tests.memories import Scene, scene

TEMPLATES = (b"**Status:** done", b"### Added", b"```", b"---", b"|---|---|")
NUMBERS = st.integers(0, 11)


def block(kind: str, name: bytes) -> bytes:
    """A block whose lines all hold `name`, template lines aside."""
    return {
        "bullet": b"- %s\n",
        "nested": b"- %s top\n  - %s one\n  - %s two\n",
        "ordered": b"1. %s\n",
        "heading": b"\n## %s\n\n",
        "setext": b"\n%s\n---\n\n",
        "sub": b"\n### Added\n\n- %s\n",
        "status": b"\n## %s\n**Status:** done\n",
        "paragraph": b"\n%s first line\n%s second line\n\n",
        "table": b"\n| %s | x |\n|---|---|\n| 1 | %s |\n\n",
        "fence": b"\n```%s\n%s code\n# %s no heading\n```\n\n",
        "rule": b"\n---\n\n%s below a rule\n",
        "comment": b"<!-- %s -->\n",
        "blank": b"\n",
    }[kind].replace(b"%s", name)


KINDS = (
    *("bullet", "nested", "ordered", "heading", "setext", "sub", "status"),
    *("paragraph", "table", "fence", "rule", "comment", "blank"),
)
BLOCKS = st.tuples(st.sampled_from(KINDS), NUMBERS)
STEPS = st.tuples(st.sampled_from(("insert", "insert", "insert", "delete", "edit")), st.integers(0, 99), BLOCKS)


def named(mark: bytes, number: int) -> bytes:
    """Eight words that no other name shares, so that nothing is taken for an edit that is none."""
    return b" ".join(b"%s%d%c" % (mark, number, letter) for letter in b"abcdefgh")


def edit(blocks: list[bytes], steps: list[tuple[str, int, tuple[str, int]]], mark: bytes) -> list[bytes]:
    """Edits a document; numbers above 8 make changes that the other side may make too, word for word."""
    out = list(blocks)
    for step, (what, place, (kind, number)) in enumerate(steps):
        name = named(b"both" if number > 8 else mark, step)
        at = place % (len(out) + 1)
        if what == "insert":
            out.insert(at, block(kind, name))
        elif at < len(out):
            if what == "delete":
                del out[at]
            elif b"base" in out[at] and b"Status" not in out[at]:  # an edited template looks like another one
                head, space, tail = out[at].rpartition(b" ")
                out[at] = head + space + name + b" " + tail
    return out


@st.composite
def cases(draw: st.DrawFn) -> tuple[bytes, bytes, bytes]:
    chosen = draw(st.lists(BLOCKS, max_size=8))
    blocks = [block(kind, named(b"base", n)) for n, (kind, _) in enumerate(chosen)]
    sides = [blocks, *(edit(blocks, draw(st.lists(STEPS, max_size=4)), mark) for mark in (b"ours", b"theirs"))]
    eols = draw(st.sampled_from([(0, 0, 0)] * 5 + [(1, 1, 1), (0, 1, 0), (0, 0, 1)]))
    ends = draw(st.sampled_from([(0, 0, 0)] * 5 + [(1, 1, 1), (1, 0, 0), (0, 1, 0), (1, 0, 1)]))
    texts = []
    for parts, crlf, cut in zip(sides, eols, ends, strict=True):
        text = b"".join(parts)
        text = text.replace(b"\n", b"\r\n") if crlf else text
        texts.append(text.rstrip(b"\r\n") if cut else text)
    return texts[0], texts[1], texts[2]


def lines(text: bytes) -> "Counter[bytes]":
    """The lines with a letter or digit, without white space at their ends."""
    text = text.removeprefix(b"\xef\xbb\xbf")
    return Counter(line.rstrip() for line in text.split(b"\n") if any(c > 127 or chr(c).isalnum() for c in line))


def without_templates(text: bytes) -> list[bytes]:
    return sorted(line for line in lines(text).elements() if line not in TEMPLATES)


def plain(merged: Merged) -> bytes:
    """The text outside conflicts."""
    out, at = b"", 0
    for conflict in merged.conflicts:
        out += merged.text[at : conflict.start] + b"\n"
        at = conflict.end
    return out + merged.text[at:]


@given(cases())
def test_one_changed_side_is_the_result(case: tuple[bytes, bytes, bytes]) -> None:
    base, ours, theirs = case
    for merged, text in ((merge(base, base, theirs), theirs), (merge(base, ours, base), ours)):
        assert (merged.text, merged.conflicts, merged.settled) == (text, [], [])
    assert merge(base, ours, ours).text == ours


@settings(max_examples=200)
@given(cases())
def test_no_new_line_is_gone(case: tuple[bytes, bytes, bytes]) -> None:
    base, ours, theirs = case
    merged = merge(base, ours, theirs)
    shown = lines(plain(merged)).keys()
    for conflict in merged.conflicts:
        shown |= lines(conflict.ours).keys() | lines(conflict.theirs).keys()
    for ruling in merged.settled:
        shown |= lines(ruling.dropped).keys()
    assert (lines(ours).keys() | lines(theirs).keys()) - lines(base).keys() <= shown
    assert lines(merged.text).keys() <= lines(base).keys() | lines(ours).keys() | lines(theirs).keys()


@settings(max_examples=200)
@given(cases())
def test_no_line_comes_back_and_none_is_doubled(case: tuple[bytes, bytes, bytes]) -> None:
    base, ours, theirs = case
    was, one, two = lines(base), lines(ours), lines(theirs)
    got = lines(plain(merge(base, ours, theirs)))
    for line, count in got.items():
        if line in TEMPLATES:
            continue
        assert count <= max(one[line], two[line]), (line, "doubled")
        if was[line] == 1:
            assert one[line], (line, "came back")
            assert two[line], (line, "came back")


@settings(max_examples=200)
@given(cases())
def test_swapping_the_sides_changes_only_the_order(case: tuple[bytes, bytes, bytes]) -> None:
    base, ours, theirs = case
    there, back = merge(base, ours, theirs), merge(base, theirs, ours)
    assert bool(there.conflicts) == bool(back.conflicts)
    if not there.conflicts:
        assert without_templates(there.text) == without_templates(back.text)


@settings(max_examples=300)
@given(cases())
def test_merging_again_changes_nothing(case: tuple[bytes, bytes, bytes]) -> None:
    base, ours, theirs = case
    assert changed_again(base, ours, theirs) == []


def changed_again(base: bytes, ours: bytes, theirs: bytes) -> list[bytes]:
    """What a clean result comes to, merged again with a side, if that is not the result, byte for byte."""
    merged = merge(base, ours, theirs)
    if merged.conflicts:
        return []
    text = merged.text
    again = [merge(base, *two) for two in ((text, theirs), (text, ours), (ours, text), (theirs, text))]
    return [other.render() for other in again if other.conflicts or other.text != text]


def broken(drawn: Scene) -> list[str]:
    """The laws that a scene breaks."""
    base, ours, theirs = drawn.base, drawn.ours, drawn.theirs
    merged = merge(base, ours, theirs)
    was, one, two = lines(base), lines(ours), lines(theirs)
    got = lines(plain(merged))
    shown = set(got)
    for conflict in merged.conflicts:
        shown |= lines(conflict.ours).keys() | lines(conflict.theirs).keys()
    for ruling in merged.settled:
        shown |= lines(ruling.dropped).keys()
    found = []
    if [merge(base, base, theirs).text, merge(base, ours, base).text, merge(base, ours, ours).text] != [
        theirs,
        ours,
        ours,
    ]:
        found.append("one side is not the result")
    if (one.keys() | two.keys()) - was.keys() - shown:
        found.append("gone")
    if lines(merged.text).keys() - was.keys() - one.keys() - two.keys():
        found.append("invented")
    for line, count in got.items():
        words = [word for word in line.split() if any(c > 127 or chr(c).isalnum() for c in word)]
        if count > one[line] + two[line]:
            found.append(f"more often than in both: {line!r}")
        if not merged.conflicts and len(words) > 9 and not was[line] and count > max(one[line], two[line]):
            found.append(f"doubled: {line!r}")
        if not drawn.moved and was[line] == 1 and b"base" in line and not (one[line] and two[line]):
            found.append(f"came back: {line!r}")
    at = 0
    for conflict in merged.conflicts:
        if conflict.start < at or merged.text[conflict.start : conflict.end] != conflict.ours:
            found.append("a conflict stands elsewhere")
        if not (
            conflict.ours.rstrip() in ours and conflict.theirs.rstrip() in theirs and conflict.base.rstrip() in base
        ):
            found.append("a conflict holds other lines")
        at = conflict.end
    return found + [f"merged again: {text!r}" for text in changed_again(base, ours, theirs)]


@settings(max_examples=300)
@given(st.randoms(use_true_random=False))
def test_the_laws_hold_for_any_memory(rnd: Random) -> None:
    drawn = scene(rnd)
    assert broken(drawn) == [], drawn


@pytest.mark.stress
@pytest.mark.timeout(3600)
def test_the_laws_hold_for_fifty_thousand_memories(seed: int) -> None:
    for n in range(50_000):
        drawn = scene(Random(seed + n))
        assert broken(drawn) == [], (seed + n, drawn)


@settings(max_examples=200)
@given(cases())
def test_conflicts_hold_ours_and_render_shows_both(case: tuple[bytes, bytes, bytes]) -> None:
    base, ours, theirs = case
    merged = merge(base, ours, theirs)
    at = 0
    for conflict in merged.conflicts:
        assert at <= conflict.start <= conflict.end
        assert merged.text[conflict.start : conflict.end] == conflict.ours
        assert conflict.start == 0 or merged.text[: conflict.start].endswith(b"\n") or conflict.start == 3
        assert conflict.ours.rstrip() in ours
        assert conflict.theirs.rstrip() in theirs
        assert conflict.base.rstrip() in base
        at = conflict.end
    shown = merged.render()
    assert (shown == merged.text) == (not merged.conflicts)
    assert shown.count(b"<<<<<<< ours") == shown.count(b"||||||| base") == len(merged.conflicts)


ODD = (
    *(b"# A", b"## B", b"- a", b"  - n", b"1. x", b"A", b"---", b"===", b"```", b"~~~py", b"<!--", b"-->", b"> quote"),
    *(
        b"| a | b |",
        b"|---|---|",
        b"| 1 | 2 |",
        b"",
        b" ",
        b"\r",
        b"\xff",
        b"-",
        b"last updated: 2026-01-01",
        b"=======",
    ),
    b"- eight words and more are a long entry here",
)
FEW = st.lists(st.sampled_from(ODD), max_size=7).map(b"\n".join)


@settings(max_examples=300)
@given(FEW, FEW, FEW)
@example(b"  - one two three\n", b"x\n", b"|---|---|\n| 2 | a row of words |\n  - one two three\nx\n")
@example(b"## B\n> quote\n| a | b |\n", b"    cont\n```\n## B\n## B\n", b"A\n| a | b |\n* b\n")
def test_any_lines_go_in_and_none_is_gone(base: bytes, ours: bytes, theirs: bytes) -> None:
    merged = merge(base, ours, theirs)
    shown = lines(merged.render()).keys() | {key for ruling in merged.settled for key in lines(ruling.dropped)}
    assert (lines(ours).keys() | lines(theirs).keys()) - lines(base).keys() <= shown


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
@example(b"", b"a", b"b")
@example(b"\xef\xbb\xbfa\n", b"a\n", b"\xef\xbb\xbfa\nb\n")
def test_any_bytes_go_in(base: bytes, ours: bytes, theirs: bytes) -> None:
    merged = merge(base, ours, theirs)
    for conflict in merged.conflicts:
        assert merged.text[conflict.start : conflict.end] == conflict.ours


def test_a_block_that_theirs_removed_with_its_blank_line_stays_a_block_of_its_own():
    base, ours = b"- keep\n\n- use pip now\n\nx\n", b"- keep\n\n- use uv now\n\nx\n"
    merged = merge(base, ours, b"- keep\n\nx\n")
    assert merged.text == ours
    assert [(c.base, c.ours, c.theirs) for c in merged.conflicts] == [(b"- use pip now\n", b"- use uv now\n", b"")]
