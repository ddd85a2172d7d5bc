"""The merge of large texts, and of the real ones of the corpus if it is here."""

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from memshim.text.merge import MergeLimitError, merge, result

CORPUS = Path(__file__).parents[3] / "shared" / "merge-corpus"


def test_refuses_what_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result, "LINES", 10)
    with pytest.raises(MergeLimitError):
        merge(b"a\n" * 11, b"b\n", b"c\n")
    assert merge(b"a\n" * 11, b"a\n" * 11, b"c\n").text == b"c\n"


LINES = [b"- item %d alpha%d\n" % (n, n) for n in range(10_000)]


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        (b"- same\n" * 10_000, b"- o\n" + b"- same\n" * 10_010, b"- same\n" * 9_990 + b"- t\n"),
        (b"".join(LINES), b"".join(LINES).replace(b"\n", b" o\n"), b"".join(LINES).replace(b"\n", b" t\n")),
        (b"".join(LINES), b"".join(LINES[::2]), b"".join(LINES).replace(b"4 ", b"4 t ")),
        (b"".join(LINES), b"# gone\n", b"".join(line + b"- new\n" for line in LINES)),
        (b"## a\n" * 5_000, b"## a\n- b\n" * 5_000, b"## a\n- c\n" * 5_000),
        (b"x " * 2_000_000, b"x " * 2_000_000 + b"o", b"- t\n" + b"x " * 2_000_000),
        (b"".join(LINES), b"".join(LINES[5_000:] + LINES[:5_000]), b"".join(LINES[::-1])),
    ],
    ids=["equal", "edited", "deleted", "removed", "headings", "one-line", "moved"],
)
def test_takes_no_quadratic_time(base: bytes, ours: bytes, theirs: bytes) -> None:
    begun = time.process_time()
    merge(base, ours, theirs)
    assert time.process_time() - begun < 3


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the merge corpus is not here")
def test_loses_and_doubles_nothing_in_real_merges() -> None:
    def count(text: bytes) -> "Counter[bytes]":
        lines = (line.rstrip() for line in text.split(b"\n"))
        return Counter(line for line in lines if any(c.isalnum() for c in line.decode("utf-8", "replace")))

    for row in map(json.loads, (CORPUS / "index.jsonl").read_text("utf-8").splitlines()):
        folder = CORPUS / row["kind"] / row["case"]
        base, ours, theirs = ((folder / f"{name}.md").read_bytes() for name in ("base", "ours", "theirs"))
        merged = merge(base, ours, theirs)
        b, o, t = count(base), count(ours), count(theirs)
        shown = count(merged.render() + b"\n" + b"\n".join(s.dropped for s in merged.settled))
        assert not [x for x in o | t if not b[x] and not shown[x]], folder
        long = [x for x, n in count(merged.text).items() if n > max(o[x], t[x]) and len(x) > 60 and not b[x]]
        assert not long, folder
