"""The rules of docs/merge.md, one by one, and bad input."""

import pytest

from memshim.text.merge import Settled, merge

# name: base, ours, theirs, merged
CLEAN: dict[str, tuple[bytes, bytes, bytes, bytes]] = {
    "both add at the end, ours first": (b"- a\n", b"- a\n- ours\n", b"- a\n- theirs\n", b"- a\n- ours\n- theirs\n"),
    "the same entry comes once": (b"- a\n", b"- a\n- x\n- o\n", b"- a\n- x\n- t\n", b"- a\n- x\n- o\n- t\n"),
    "the same entry in another order, the larger": (
        b"",
        b"- one\n- two\n",
        b"- two\n- one\n- t\n",
        b"- two\n- one\n- t\n",
    ),
    "the same entry in another order": (
        b"",
        b"- one\n- two\n- o\n",
        b"- two\n- one\n- t\n",
        b"- one\n- two\n- o\n- t\n",
    ),
    "moved by one, removed by the other": (
        b"## A\n\n- a b c\n- d e f\n\n## B\n\n- g h i\n",
        b"## A\n\n- d e f\n\n## B\n\n- g h i\n",
        b"## A\n\n- d e f\n\n## B\n\n- g h i\n- a b c\n",
        b"## A\n\n- d e f\n\n## B\n\n- g h i\n",
    ),
    "both add at two places what the other has at one, the earlier place": (
        b"## A\n\n- a\n- b\n",
        b"## A\n\n- a\n- b\n- x\n",
        b"## A\n\n- x\n- a\n- b\n- y\n",
        b"## A\n\n- x\n- a\n- b\n- y\n",
    ),
    "the larger insertion holds the other": (
        b"# A\n",
        b"# A\n\n- x\n- y\n- z\n",
        b"# A\n\n- y\n",
        b"# A\n\n- x\n- y\n- z\n",
    ),
    "an item that both added, with both bodies": (
        b"- a\n",
        b"- a\n- topic\n  - one\n",
        b"- a\n- topic\n  - two\n",
        b"- a\n- topic\n  - one\n  - two\n",
    ),
    "a heading that both added, with both bodies": (
        b"# A\n",
        b"# A\n\n## New\n\n- o\n",
        b"# A\n\n## New\n\n- t\n",
        b"# A\n\n## New\n\n- o\n- t\n",
    ),
    "template lines repeat": (
        b"# A\n",
        b"# A\n\n## One\n**Status:** done\n\n- x\n",
        b"# A\n\n## Two\n**Status:** done\n\n- y\n",
        b"# A\n\n## One\n**Status:** done\n\n- x\n\n## Two\n**Status:** done\n\n- y\n",
    ),
    "template lines repeat without headings": (
        b"x\n",
        b"x\n\n**One**\n\n**Status:** done\n",
        b"x\n\n**Two**\n\n**Status:** done\n",
        b"x\n\n**One**\n\n**Status:** done\n\n**Two**\n\n**Status:** done\n",
    ),
    "an item stays above a new section": (
        b"## A\n\n- a\n",
        b"## A\n\n- a\n\n## B\n\n- b\n",
        b"## A\n\n- a\n- c\n",
        b"## A\n\n- a\n- c\n\n## B\n\n- b\n",
    ),
    "an edit beside an insertion": (
        b"- a b c\n- z\n",
        b"- a b c d\n- z\n",
        b"- a b c\n- new\n- z\n",
        b"- a b c d\n- new\n- z\n",
    ),
    "a deletion beside an insertion": (
        b"- a\n- b\n- c\n",
        b"- a\n- c\n",
        b"- a\n- b\n- new\n- c\n",
        b"- a\n- new\n- c\n",
    ),
    "neighbours edited by one each": (
        b"- a b\n- c d\n",
        b"- a b x\n- c d\n",
        b"- a b\n- c d y\n",
        b"- a b x\n- c d y\n",
    ),
    "neighbouring rows": (
        b"| a | b |\n|---|---|\n| 1 | x y |\n| 2 | z w |\n",
        b"| a | b |\n|---|---|\n| 1 | x y q |\n| 2 | z w |\n",
        b"| a | b |\n|---|---|\n| 1 | x y |\n| 2 | z w v |\n| 3 | n |\n",
        b"| a | b |\n|---|---|\n| 1 | x y q |\n| 2 | z w v |\n| 3 | n |\n",
    ),
    "front matter by its keys": (
        b"---\na: one two\nb: three four\n---\nx\n",
        b"---\na: one two five\nb: three four\n---\nx\n",
        b"---\na: one two\nb: three four six\n---\nx\n",
        b"---\na: one two five\nb: three four six\n---\nx\n",
    ),
    "nested items": (
        b"- top\n  - a b\n  - c d\n",
        b"- top\n  - a b x\n  - c d\n",
        b"- top\n  - a b\n  - c d y\n",
        b"- top\n  - a b x\n  - c d y\n",
    ),
    "a line that both replaced by entries of another kind": (b"Add here.\n", b"- o\n", b"- t\n", b"- o\n- t\n"),
    "both delete, one more": (b"- a\n- b\n- c\n", b"- a\n", b"- a\n- c\n", b"- a\n"),
    "a renamed heading and a new item below": (
        b"Next\n====\n\n- a\n",
        b"Next\n====\n\n- o\n- a\n",
        b"1.2 (today)\n===========\n\n- t\n- a\n",
        b"1.2 (today)\n===========\n\n- o\n- t\n- a\n",
    ),
    "what both added at different places comes once": (
        b"## A\n\n- a\n- b\n",
        b"## A\n\n- x\n- a\n- b\n",
        b"## A\n\n- a\n- b\n- x\n",
        b"## A\n\n- x\n- a\n- b\n",
    ),
    "the same section at different places, with both bodies": (
        b"# T\n\n## M\n\n- m\n",
        b"# T\n\n## N\n\n- o\n\n## M\n\n- m\n",
        b"# T\n\n## M\n\n- m\n\n## N\n\n- t\n",
        b"# T\n\n## N\n\n- o\n- t\n\n## M\n\n- m\n",
    ),
    "a removed section and another new one beside it": (
        b"## A\n\n- a\n\n## B\n\n- b\n",
        b"## B\n\n- b\n",
        b"## A\n\n- a\n\n## N\n\n- n\n\n## B\n\n- b\n",
        b"## N\n\n- n\n\n## B\n\n- b\n",
    ),
    "CRLF stays where nothing changed": (
        b"- a\r\n- b\n",
        b"- a\r\n- b\n- o\n",
        b"- t\r\n- a\r\n- b\n",
        b"- t\r\n- a\r\n- b\n- o\n",
    ),
    "converted line ends and a new line": (
        b"- a\n- b\n",
        b"- a\r\n- b\r\n",
        b"- a\n- b\n- t\n",
        b"- a\r\n- b\r\n- t\n",
    ),
    "line ends converted by theirs": (
        b"- a\n- b\n",
        b"- a\n- b\n- o\n",
        b"- a\r\n- b\r\n",
        b"- a\r\n- b\r\n- o\n",
    ),
    "a blank line stays where it parts an addition": (
        b"- a\n\n- b\n",
        b"- a\n- b\n",
        b"- a\n\nA paragraph.\n\n- b\n",
        b"- a\n\nA paragraph.\n\n- b\n",
    ),
    "an insertion begins at its heading": (
        b"## R\n\n### Added\n\n- b\n",
        b"## R\n\n### Added\n\n- o\n\n### Added\n\n- b\n",
        b"## R\n\n### Added\n\n- t\n- b\n",
        b"## R\n\n### Added\n\n- o\n\n### Added\n\n- t\n- b\n",
    ),
    "a long entry under two versions comes once": (
        b"# T\n",
        b"# T\n\n## 2.1\n\n### Fixed\n\n- one two three four five six seven eight\n",
        b"# T\n\n## 1.9\n\n### Fixed\n\n- one two three four five six seven eight\n\n### New\n\n- x\n",
        b"# T\n\n## 2.1\n\n### Fixed\n\n- one two three four five six seven eight\n\n## 1.9\n\n### New\n\n- x\n",
    ),
    "a line that the list has already is added by both": (
        b"- ok\n- a b\n- ok\n- c d\n",
        b"- ok\n- ok\n- a b\n- ok\n- c d\n",
        b"- ok\n- a b\n- ok\n- c d\n- ok\n",
        b"- ok\n- ok\n- a b\n- ok\n- c d\n- ok\n",
    ),
    "a short entry under two headings": (
        b"## A\n\n- a\n\n## B\n\n- b\n",
        b"## A\n\n- a\n- x\n\n## B\n\n- b\n",
        b"## A\n\n- a\n\n## B\n\n- b\n- x\n",
        b"## A\n\n- a\n- x\n\n## B\n\n- b\n- x\n",
    ),
    "BOM stays": (
        b"\xef\xbb\xbf- a\n",
        b"\xef\xbb\xbf- a\n- o\n",
        b"\xef\xbb\xbf- t\n- a\n",
        b"\xef\xbb\xbf- t\n- a\n- o\n",
    ),
    "no final newline, both append": (b"- a", b"- a\n- o", b"- a\n- t", b"- a\n- o\n- t"),
    "a final newline added": (b"- a", b"- a\n", b"- t\n- a", b"- t\n- a\n"),
    "BOM": (b"\xef\xbb\xbf- a\n", b"\xef\xbb\xbf- a\n- o\n", b"- a\n- t\n", b"- a\n- o\n- t\n"),
    "odd bytes": (
        b"a\rb\x00\xff\n\n- x\n",
        b"a\rb\x00\xff\n\n- x\n- o\n",
        b"t\xe2\x80\xa8\n\na\rb\x00\xff\n\n- x\n",
        b"t\xe2\x80\xa8\n\na\rb\x00\xff\n\n- x\n- o\n",
    ),
    "empty base": (b"", b"- o\n", b"- t\n", b"- o\n- t\n"),
    "in a code fence nothing is a heading": (
        b"```\nx = 1\n```\n",
        b"```\nx = 1\n# same\n# o\n```\n",
        b"```\nx = 1\n# same\n# t\n```\n",
        b"```\nx = 1\n# same\n# o\n# same\n# t\n```\n",
    ),
    "a rule never underlines a paragraph": (
        b"- a\n",
        b"- a\n\n---\n\nOurs is a paragraph here.\n",
        b"- a\n\n---\n\nTheirs is another one there.\n",
        b"- a\n\n---\n\nOurs is a paragraph here.\n\n---\n\nTheirs is another one there.\n",
    ),
}


@pytest.mark.parametrize("name", CLEAN)
def test_merges(name: str) -> None:
    base, ours, theirs, wanted = CLEAN[name]
    merged = merge(base, ours, theirs)
    assert merged.text == wanted
    assert merged.conflicts == []
    assert merged.render() == wanted


# name: base, ours, theirs
CLASHES: dict[str, tuple[bytes, bytes, bytes]] = {
    "an item edited two ways": (b"- use tabs here\n", b"- use two tabs here\n", b"- use tabs there\n"),
    "an edit against a deletion": (b"- use tabs here\n", b"- use two tabs here\n", b""),
    "a deletion against an edit": (b"- use tabs here\n", b"", b"- use two tabs here\n"),
    "an edit that kept just half of the words": (
        b"- keep\n- tabs are four wide\n- last\n",
        b"- keep\n- tabs are two narrow\n- last\n",
        b"- keep\n- last\n",
    ),
    "an edit that kept only the label": (
        b"- keep\n- Owner: ann lee here\n- last\n",
        b"- keep\n- Owner: bo chan there\n- last\n",
        b"- keep\n- last\n",
    ),
    "a paragraph rewritten by both": (b"Old words.\n", b"Quite other ones.\n", b"Something else.\n"),
    "a number that is no stamp": (b"Timeout: 30 s\n", b"Timeout: 60 s\n", b"Timeout: 90 s\n"),
    "a stamp that went back": (b"Updated: 2024-05-02\n", b"Updated: 2024-05-01\n", b"Updated: 2024-05-03\n"),
    "words that deny": (b"Deploy by hand.\n", b"Deploy never by hand.\n", b"Deploy always by hand.\n"),
    "one word replaced two ways": (b"The cat is red now.\n", b"The cat is very blue now.\n", b"The cat is blue now.\n"),
    "an item added to a removed section": (b"# T\n\n## A\n\n- a\n", b"# T\n", b"# T\n\n## A\n\n- a\n- new\n"),
    "a nested item added to a removed one": (
        b"- a\n  - b\n  - c\n- d\n",
        b"- d\n",
        b"- a\n  - b\n  - new\n  - c\n- d\n",
    ),
    "each ahead in one stamp": (
        b"Updated 2024-05-01, version 1.2\n",
        b"Updated 2024-05-01, version 1.3\n",
        b"Updated 2024-05-02, version 1.2\n",
    ),
    "unrelated base": (b"What is this?\n", b"# One\n\n- a\n", b"# Two\n\n- b\n"),
    "one version, two dates": (
        b"# T\n",
        b"# T\n\n## [1.2] - 2024-05-01\n\n- o\n",
        b"# T\n\n## [1.2] - 2024-05-02\n\n- t\n",
    ),
}


@pytest.mark.parametrize("name", CLASHES)
def test_surfaces_a_clash_with_both_texts(name: str) -> None:
    base, ours, theirs = CLASHES[name]
    merged = merge(base, ours, theirs)
    if name == "unrelated base":
        assert merged.conflicts == [] or merged.conflicts[0].theirs
        assert all(line in merged.render() for line in (ours + theirs).split(b"\n"))
        return
    (conflict,) = merged.conflicts
    assert merged.settled == []
    assert merged.text[conflict.start : conflict.end] == conflict.ours
    for line in set(ours.splitlines()) | set(theirs.splitlines()):
        assert line in merged.text or line in conflict.theirs


def test_a_clash_is_a_whole_block() -> None:
    merged = merge(b"- top\n  one two\n\n- z\n", b"- top\n  one two x\n\n- z\n", b"- top\n  one two y\n\n- z\n- new\n")
    (conflict,) = merged.conflicts
    assert (conflict.base, conflict.theirs) == (b"- top\n  one two\n", b"- top\n  one two y\n")
    assert merged.text == b"- top\n  one two x\n\n- z\n- new\n"
    assert merged.render(b"me", b"was", b"you") == (
        b"<<<<<<< me\n- top\n  one two x\n||||||| was\n- top\n  one two\n=======\n- top\n  one two y\n>>>>>>> you\n"
        b"\n- z\n- new\n"
    )


def test_a_clash_is_no_wider_than_the_blocks_that_both_changed() -> None:
    base, ours = b"- one\n- two\n", b"- uno\n- dos\n"
    (first,) = merge(base, ours, b"- eins\n- two\n").conflicts
    (second,) = merge(base, ours, b"- one\n- zwei\n").conflicts
    assert (first.base, first.ours, first.theirs) == (b"- one\n", b"- uno\n", b"- eins\n")
    assert (second.base, second.ours, second.theirs) == (b"- two\n", b"- dos\n", b"- zwei\n")


def test_a_clash_in_front_matter_is_one_key() -> None:
    base = b"---\na: one two\nb: three four\n---\n"
    merged = merge(base, base.replace(b"two", b"two x"), base.replace(b"two", b"two y"))
    (conflict,) = merged.conflicts
    assert conflict.ours == b"a: one two x\n"


def test_a_clash_because_a_second_merge_would_differ_is_where_it_would() -> None:
    top = b"# Top\n\n- far away\n\n# Below\n\n"
    merged = merge(top + b"    text\n", top + b"    text\n    text\n  - tools\n", top)
    (conflict,) = merged.conflicts
    assert b"far away" not in conflict.ours
    assert merged.text.startswith(top)


def test_merging_again_joins_no_body_twice() -> None:
    long = b"one two three four five six seven eight"
    base = b"- a\n- b\n\n## Old title of this section\n\n"
    ours = b"- b\n\n## New name\n\n- " + long + b"\n\n## Old title of this section\n\n"
    merged = merge(base, ours, b"- a\n- b\n")
    assert merged.conflicts == []
    for again in (merge(base, merged.text, ours), merge(base, ours, merged.text)):
        assert again.text.count(long) == 1


def test_a_large_block_clashes_where_it_does() -> None:
    body = b"".join(b"  line %d of it\n" % n for n in range(60))
    base = b"- top\n" + body
    merged = merge(base, base.replace(b"line 30 of", b"line 30 x of"), base.replace(b"line 30 of", b"line 30 y of"))
    (conflict,) = merged.conflicts
    assert conflict.ours == b"  line 30 x of it\n"


@pytest.mark.parametrize(
    ("rule", "base", "kept", "dropped"),
    [
        ("stamp", b"Last updated: 2024-05-01\n", b"Last updated: 2024-06-02\n", b"Last updated: 2024-05-30\n"),
        ("stamp", b"version: 1.2.0\n", b"version: 1.10.0\n", b"version: 1.9.1\n"),
        ("stamp", b"- 20 entries so far\n", b"- 23 entries so far\n", b"- 21 entries so far\n"),
        ("layout", b"* use tabs here\n", b"* use tabs there\n", b"- use tabs here\n"),
        ("layout", b"3. use tabs here\n", b"3. use tabs there\n", b"4. use tabs here\n"),
        (
            "layout",
            b"|a|b|\n|-|-|\n|c d|e f|\n",
            b"|a|b|\n|-|-|\n|c d|e f g|\n",
            b"| a | b |\n|---|---|\n| c d | e f |\n",
        ),
        ("contains", b"- use tabs\n", b"- use tabs and spaces, mostly\n", b"- use tabs and spaces\n"),
        ("placeholder", b"- none yet\n", b"- alpha\n- beta\n", b"- none yet\n"),
    ],
)
def test_settles_by_a_rule_and_says_so(rule: str, base: bytes, kept: bytes, dropped: bytes) -> None:
    if rule == "placeholder":
        merged = merge(base, b"- alpha\n", b"- beta\n")
        assert merged.text == kept
        assert [(s.rule, s.dropped) for s in merged.settled] == [(rule, base)]
        return
    for ours, theirs in ((kept, dropped), (dropped, kept)):
        merged = merge(base, ours, theirs)
        assert merged.conflicts == []
        if b"|" in base:  # the layout of the table's other rows is theirs who changed it
            assert b"g|\n" in merged.text
        else:
            assert merged.text == kept
        assert isinstance(merged.settled[-1], Settled)
        assert merged.settled[-1].rule == rule


def test_conflict_markers_in_a_text_are_lines_like_others() -> None:
    base = b"- a\n<<<<<<< x\n- b\n=======\n- c\n>>>>>>> y\n- d\n"
    merged = merge(base, base + b"- ours\n", b"- theirs\n" + base)
    assert merged.text == b"- theirs\n" + base + b"- ours\n"
    assert merged.conflicts == []
    clash = merge(base, base.replace(b"- a", b"- a b o"), base.replace(b"- a", b"- a b t"))
    assert len(clash.conflicts) == 1
    assert clash.render(marker_size=9).startswith(b"<<<<<<<<< ours\n")


def test_render_uses_the_line_end_of_the_text() -> None:
    merged = merge(b"- a b c\r\n", b"- a b c o\r\n", b"- a b c t\r\n")
    assert merged.render() == (
        b"<<<<<<< ours\r\n- a b c o\r\n||||||| base\r\n- a b c\r\n=======\r\n- a b c t\r\n>>>>>>> theirs\r\n"
    )


def test_render_ends_an_unfinished_last_line() -> None:
    merged = merge(b"- a b c", b"- a b c o", b"- a b c t")
    assert merged.text == b"- a b c o"
    assert merged.render().endswith(b"=======\n- a b c t\n>>>>>>> theirs\n")


def test_nothing_is_gone_even_if_the_weave_loses_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memshim.text.merge.weave.Weave.add", lambda *_: None)
    merged = merge(b"- a\n", b"- a\n- ours\n", b"- a\n- theirs\n")
    (conflict,) = merged.conflicts
    assert (conflict.ours, conflict.theirs) == (b"- a\n- ours\n", b"- a\n- theirs\n")
