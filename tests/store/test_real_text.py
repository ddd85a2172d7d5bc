"""Memories that people and agents really wrote: what was not asked to change stays, byte for byte."""

import random
from itertools import zip_longest
from pathlib import Path

import pytest
from conftest import REPOSITORY, STRESS

from memshim import Store

CORPUS = REPOSITORY.parent / "shared" / "merge-corpus"
SAMPLE = 40
LINE = b"- a fact that memshim's tests append\n"


def chosen():
    kinds = [sorted(kind.rglob("base.md")) for kind in sorted(CORPUS.glob("*/"))]
    for kind in kinds:
        random.Random(len(kind)).shuffle(kind)
    spread = [path for row in zip_longest(*kinds) for path in row if path is not None]
    return spread if STRESS else spread[:SAMPLE]


NAMES = [str(path.parent.relative_to(CORPUS)) for path in chosen()] or [
    pytest.param("", marks=pytest.mark.skip(reason=f"there is no {CORPUS}"))
]


@pytest.mark.parametrize("name", NAMES)
def test_every_byte_that_was_not_asked_to_change_is_unchanged(store_dir, name):
    original = Path(CORPUS, name, "base.md").read_bytes()
    memory = store_dir / "MEMORY.md"
    memory.write_bytes(original)
    with Store.open(store_dir, agent="ann") as store:
        store.init()
        assert memory.read_bytes() == store.read().data == original
        store.append(LINE)
        appended = memory.read_bytes()
        store.compact()
        assert memory.read_bytes() == appended
        assert store.check() == ([], [])
    assert is_original_with_an_insertion(original, appended)


def is_original_with_an_insertion(original, text):
    """Whether cutting one stretch with the line in it, and nothing but line ends besides, leaves the original."""
    eol = b"\r\n" if b"\r\n" in original else b"\n"
    at = text.find(LINE.rstrip(b"\n"))
    if at < 0 or text.count(LINE.rstrip(b"\n")) != 1:
        return False
    begin = 0
    while begin < min(len(original), at) and original[begin] == text[begin]:
        begin += 1
    rest = original[begin:]
    inserted = text[begin : len(text) - len(rest)]
    return text.endswith(rest) and inserted.replace(eol, b"\n").strip(b"\r\n") == LINE.strip(b"\n")
