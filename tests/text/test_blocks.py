import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memshim.text.blocks import eol_of, heading_title, kind_of, parse, split_lines

PIECES = st.sampled_from(
    [
        *b"# A\n|- b\n|  c\n|\n|\r\n|---\n|===\n|```\n|  ```\n|~~~ x\n|1. d\n|<!-- c\n|-->\n|text".split(b"|"),
        *(b"| a | b |\n", b"|---|---|\n", b"\xef\xbb\xbf", b"\r", b"\x00\xff\n", b"\t- e\n", b"l\xe2\x80\xa8s\n"),
    ]
)


@given(st.one_of(st.binary(), st.lists(PIECES).map(b"".join)))
def test_joined_blocks_are_the_document(data: bytes) -> None:
    assert b"".join(block.text for block in parse(data)) == data
    assert b"".join(split_lines(data)) == data
    assert all(block.text for block in parse(data))


@given(st.lists(PIECES).map(b"".join))
def test_only_headings_have_a_level(data: bytes) -> None:
    assert all((block.kind == "heading") == (1 <= block.level <= 6) for block in parse(data))


def shape(data: bytes) -> list[tuple[str, bytes]]:
    return [(block.kind, block.text) for block in parse(data)]


@pytest.mark.parametrize(
    ("data", "kinds"),
    [
        (b"", ""),
        (b"\n \t\n\r\n", "blank blank blank"),
        (b"# A\ntext\nmore\n\n## B", "heading paragraph blank heading"),
        (b"#no\n####### no\n", "paragraph"),
        (b"Title\n=====\nTwo\nlines\n---\n", "heading heading"),
        (b"\n---\n\n***\n", "blank paragraph blank paragraph"),
        (b"---\na: 1\n---\n# A\n", "front heading"),
        (b"\xef\xbb\xbf---\r\na: 1\r\n---\r\n", "front"),
        (b"---\nnever closed\n", "paragraph paragraph"),
        (b"- a\nlazy\n  - nested\n\n  more\n\n- b\n", "bullet blank bullet"),
        (b"- a\n\ntext\n", "bullet blank paragraph"),
        (b"- a\n  ```\n  - no bullet\n\n  ```\n- b\n", "bullet bullet"),
        (b"- a\n# H\n", "bullet heading"),
        (b"* a\n * b\n", "bullet bullet"),
        (b"1. a\n   b\n2. c\n", "ordered ordered"),
        (b"text\n1984. no item\n", "paragraph"),
        (b"text\n1. item\n- item\n", "paragraph ordered bullet"),
        (b"- - -\n-\n+ x\n", "paragraph bullet bullet"),
        (b"```\n# no heading\n```\n# H\n", "fence heading"),
        (b"````\n```\n~~~\n````\n~~~\nopen\n", "fence fence"),
        (b"| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 | 4 |\n\nx | y\n", "row row row blank paragraph"),
        (b"text\n| a |\n|---|\n| 1 |\n- b\n", "paragraph row row bullet"),
        (b"<!-- a\n\n# no heading\n-->\n# H\n", "comment heading"),
        (b"<!-- never\n<!-- closed\n", "paragraph paragraph"),
        (b"    code\n    code\n", "paragraph"),
        (b"a\rb\x0c\xe2\x80\xa8c\x00\xff\n", "paragraph"),
        (b"\xef\xbb\xbf# A\n", "heading"),
    ],
)
def test_kinds(data: bytes, kinds: str) -> None:
    assert [kind for kind, _ in shape(data)] == kinds.split()


def test_a_bullet_has_its_whole_body_and_no_trailing_blank_line() -> None:
    assert shape(b"- a\n  - b\n\n    c\n\nnext\n") == [
        ("bullet", b"- a\n  - b\n\n    c\n"),
        ("blank", b"\n"),
        ("paragraph", b"next\n"),
    ]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (b"## Decisions ##\r\n", "Decisions"),
        (b"#\n", ""),
        (b"# C#\n", "C#"),
        (b"## #\n", ""),
        (b"\xef\xbb\xbf# A\n", "A"),
        (b"Two\nlines\n---\n", "Two lines"),
        (b"# \xff", "\udcff"),
    ],
)
def test_heading_title(text: bytes, title: str) -> None:
    (block,) = parse(text)
    assert heading_title(block) == title


def test_kind_of_skips_blank_lines() -> None:
    assert kind_of(b"\n\n- a\n") == "bullet"
    assert kind_of(b" \n") == kind_of(b"") == "blank"


def test_eol_of_follows_the_majority() -> None:
    assert eol_of(b"a\r\nb\r\nc\n") == b"\r\n"
    assert eol_of(b"a\r\nb\n") == eol_of(b"a\rb") == eol_of(b"") == b"\n"


@pytest.mark.parametrize("line", b"<!--\n,- \n,```x`\n,    \n,a|b\n,---\n,a\n,1) \n,>\n,\t\n,  x\n".split(b","))
def test_takes_linear_time(line: bytes) -> None:
    begun = time.process_time()
    parse(b"x\n" + line * 10_000)
    assert time.process_time() - begun < 1
