"""`memshim merge-file` with input that is no tidy UTF-8 Markdown; the tidy cases are in test_reading.py."""

from pathlib import Path

import pytest

pytest_plugins = ["cli_fixtures"]


@pytest.fixture
def merge_file(tmp_path, monkeypatch, inside):
    """Merges three texts that are written to files, None for a missing one; further words go before the files."""
    monkeypatch.chdir(tmp_path)

    def run(base, ours, theirs, *words):
        for name, data in (("base", base), ("ours", ours), ("theirs", theirs)):
            if data is not None:
                Path(name).write_bytes(data)
        return inside("merge-file", *words, "base", "ours", "theirs")

    return run


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        (
            b"caf\xe9\n\n- b\n",
            b"caf\xe9\n\n- b\n- \xff o\n",
            b"\xa0 t\n\ncaf\xe9\n\n- b\n",
            b"\xa0 t\n\ncaf\xe9\n\n- b\n- \xff o\n",
        ),
        (
            b"\x00\x01\n\x02\n",
            b"\x00\x01\n\x02\n\x7f\n",
            b"\x89PNG\r\n\x00\x01\n\x02\n",
            b"\x89PNG\r\n\x00\x01\n\x02\n\x7f\n",
        ),
        (b"", b"- o\n", b"- t\n", b"- o\n- t\n"),
        (b"", b"", b"- t\n", b"- t\n"),
        (b"", b"", b"", b""),
        (b"- a\n", b"", b"- a\n", b""),
        (b"- a\n", b"- a", b"\xef\xbb\xbf- a\n", b"\xef\xbb\xbf- a"),
        (
            "- a\u2028b\n".encode(),
            "- a\u2028b\n- o\n".encode(),
            "- t\n- a\u2028b\n".encode(),
            "- t\n- a\u2028b\n- o\n".encode(),
        ),
    ],
    ids=["not UTF-8", "binary", "empty base", "two empty", "all empty", "emptied", "BOM and last line end", "U+2028"],
)
def test_odd_bytes_go_through(merge_file, base, ours, theirs, merged):
    answer = merge_file(base, ours, theirs)
    assert (answer.code, answer.out) == (0, merged)
    assert answer.err == ""


def test_a_clash_of_odd_bytes_holds_both(merge_file):
    answer = merge_file(b"- caf\xe9 one\n", b"- caf\xe9 \xff two\n", b"- caf\xe9 \x00 three\n")
    assert answer.code == 1
    assert answer.out == (
        b"<<<<<<< ours\n- caf\xe9 \xff two\n||||||| base\n- caf\xe9 one\n=======\n- caf\xe9 \x00 three\n>>>>>>> theirs\n"
    )


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_file_is_an_error_that_names_it(merge_file, missing):
    texts = [b"- a\n", b"- a\n", b"- a\n"]
    texts[missing] = None
    answer = merge_file(*texts)
    assert (answer.code, answer.out) == (2, b"")
    assert f"memshim: {('base', 'ours', 'theirs')[missing]} cannot be read: " in answer.err


def test_a_folder_is_no_file(merge_file):
    Path("theirs").mkdir()
    answer = merge_file(b"", b"", None)
    assert (answer.code, answer.out) == (2, b"")
    assert "theirs cannot be read" in answer.err


def test_an_output_that_cannot_be_written_is_an_error_that_names_it(merge_file):
    answer = merge_file(b"", b"- o\n", b"- t\n", "-o", "no/such/folder")
    assert (answer.code, answer.out) == (2, b"")
    assert "no/such/folder cannot be written: " in answer.err


def test_a_text_that_is_too_large_is_an_error_that_says_the_limit(merge_file, monkeypatch):
    monkeypatch.setattr("memshim.text.merge.result.LINES", 3)
    answer = merge_file(b"- a\n" * 4, b"- o\n", b"- t\n")
    assert (answer.code, answer.out) == (2, b"")
    assert "too large to merge: over 32 MiB or 3 lines" in answer.err


MARKED = b"- a\n<<<<<<< x\n- b\n||||||| y\n=======\n- c\n>>>>>>> z\n- d\n"


def test_markers_that_are_there_already_are_lines(merge_file):
    answer = merge_file(MARKED, MARKED + b"- o\n", b"- t\n" + MARKED)
    assert (answer.code, answer.out) == (0, b"- t\n" + MARKED + b"- o\n")
    resolved = b"- a\n- b\n- c\n- d\n"
    assert merge_file(MARKED, resolved, MARKED + b"- t\n").out == resolved + b"- t\n"


def test_new_markers_can_be_told_from_old_ones_by_their_size(merge_file):
    answer = merge_file(
        MARKED, MARKED.replace(b"- d", b"- d o"), MARKED.replace(b"- d", b"- d t"), "--marker-size", "9"
    )
    assert answer.code == 1
    assert answer.out.count(b"<<<<<<<<< ours\n") == answer.out.count(b">>>>>>>>> theirs\n") == 1
    assert answer.out.startswith(MARKED[: MARKED.index(b"- d")])


def test_of_an_unrelated_base_both_sides_are_kept_and_it_is_said(merge_file):
    ours, theirs = b"# Ours\n\n- use tabs\n- run make\n", b"# Theirs\n\n- be kind\n\nSome words of prose.\n"
    answer = merge_file(b"What is this?\n\n1. Another file\n", ours, theirs)
    assert "the base has no line in common with either side" in answer.err
    for line in (ours + theirs).splitlines():
        assert line in answer.out
    assert "in common" not in merge_file(b"- a\n", b"- a\n- o\n", b"- t\n").err
    assert "in common" not in merge_file(b"", b"- o\n", b"- t\n").err
    assert "in common" not in merge_file(b"- a\n", b"", b"- t\n").err


def test_explain_tells_what_was_settled_and_by_which_rule(merge_file):
    base, ours, theirs = b"Last updated: 2024-05-01\n", b"Last updated: 2024-06-02\n", b"Last updated: 2024-05-30\n"
    answer = merge_file(base, ours, theirs, "--explain")
    assert (answer.code, answer.out) == (0, ours)
    assert answer.err == "stamp: kept 'Last updated: 2024-06-02', dropped 'Last updated: 2024-05-30'\n"
    assert merge_file(base, ours, theirs).err == ""
    clash = merge_file(b"- a b c\n", b"- a b o\n", b"- a b t\n", "--explain")
    assert clash.err == "conflict 1: 8 bytes of ours against 8 of theirs\n"
