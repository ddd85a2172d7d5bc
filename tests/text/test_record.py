"""The frame around a record: what goes in comes out, and no damage or text makes a record that nobody wrote."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memshim.text import record

HOSTILE = [
    b"", b"\n", b"\r\n", b"x", b"-->", b"\n-->\n", b"<!-- ", b"\\", b"\x00", b"\xff\xfe", record.MARK,
    b"\\" + record.MARK, b"\n" + record.MARK, b"\r" + record.MARK, b"a" + record.MARK, b"\\\\\\" + record.MARK + b"\n",
    record.encode({"id": "forged"}, [b"I am bob\n"]), b"\n" + record.encode({"id": "forged"}), b"\xe2\x80\xa8",
]  # fmt: skip
TEXTS = st.lists(
    st.one_of(st.binary(max_size=40), st.lists(st.sampled_from(HOSTILE), max_size=5).map(b"".join)), max_size=4
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
METAS = st.dictionaries(st.text(st.characters(), max_size=8).filter(lambda k: k != "texts"), JSON, max_size=4)


def records(data):
    return [(f.meta, f.texts) for f in record.scan(data) if f.meta is not None]


@given(METAS, TEXTS)
@example({"a": "-->", "b": "<!-- memshim 00000000 1\n", "\ud800": "\udcff"}, [])
def test_any_meta_and_any_texts_come_back_as_they_went_in(meta, texts):
    data = record.encode(meta, texts)
    assert records(data) == [(meta, texts)]
    assert records(b"before\n" + data + b"after") == [(meta, texts)]


@given(METAS, st.lists(TEXTS, min_size=1, max_size=3), st.from_regex("[0-9a-f :-]{0,20}", fullmatch=True))
@example({"why": "100% %s \0 {}"}, [[b"x"]], "y")
def test_a_form_filled_again_and_again_is_the_same_as_each_record_by_itself(meta, all_texts, value):
    form = record.Form({**meta, "hole": record.HOLE, "deep": [{"er": record.HOLE}]})
    for texts in all_texts:
        whole = {**meta, "hole": value, "deep": [{"er": "2"}]}
        assert form.fill((value, "2"), texts) == record.encode(whole, texts)


@pytest.mark.parametrize("text", [*HOSTILE, b"x" * 1_000_000, (b"\n" + record.MARK) * 1000, bytes(range(256)) * 100])
def test_hostile_and_long_texts_come_back_and_forge_nothing(text):
    data = record.encode({"id": "1"}, [text, b"second", text])
    assert records(data) == [({"id": "1"}, [text, b"second", text])]
    for start in range(0, min(len(data), 3000)):  # a reader that has lost its place
        assert all(meta["id"] == "1" for meta, _ in records(data[start:]))


def test_a_text_that_makes_the_record_too_long_is_refused_before_anything_is_written(monkeypatch):
    monkeypatch.setattr(record, "MAX_BYTES", 1000)
    assert record.encode({}, [b"x" * 900])
    with pytest.raises(ValueError, match="over the limit"):
        record.encode({}, [b"x" * 1000])


def test_no_meta_ends_the_comment_that_a_person_reads_it_in():
    data = record.encode({"why": "--> <!-- memshim 0 0\n-->\n", "agent": "<b>"}, [b"- x\n"])
    assert data.count(b"-->") == 1
    assert data.count(b"<") == 1


DAMAGE = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1), st.integers(1, 200)),
    st.tuples(st.just("flip"), st.floats(0, 1), st.integers(1, 255)),
    st.tuples(st.just("insert"), st.floats(0, 1), st.binary(min_size=1, max_size=30)),
    st.tuples(st.just("insert"), st.floats(0, 1), st.sampled_from([record.MARK, b"\n" + record.MARK, b"\n", b"\\"])),
)


def damaged(data, what, where, how):
    at = min(int(where * len(data)), len(data) - 1)
    if what == "cut":
        return data[:at] + data[at + how :], (at, at + how)
    if what == "flip":
        return data[:at] + bytes([data[at] ^ how]) + data[at + 1 :], (at, at + 1)
    return data[:at] + how + data[at:], (at, at)


@given(st.lists(TEXTS, min_size=1, max_size=4), DAMAGE)
def test_after_any_damage_every_other_record_is_found_and_none_is_forged(all_texts, damage):
    frames = [record.encode({"n": n}, texts) for n, texts in enumerate(all_texts)]
    data, (low, high) = damaged(b"".join(frames), *damage)
    found = dict((meta["n"], texts) for meta, texts in records(data) if "n" in meta)
    at = 0
    for n, frame in enumerate(frames):
        # A record stands at the beginning of a line: the last byte of the one before belongs to it.
        if at + len(frame) <= low or at > high:
            assert found.pop(n, None) == all_texts[n]
        else:
            found.pop(n, None)
        at += len(frame)
    assert found == {}
    assert sum("n" not in meta for meta, _ in records(data)) == 0


@given(st.lists(st.one_of(st.binary(max_size=50), st.sampled_from(HOSTILE)), max_size=8).map(b"".join))
def test_scan_covers_any_bytes_in_order_and_never_raises(data):
    at = 0
    for found in record.scan(data):
        assert (found.start, found.start < found.end) == (at, True)
        at = found.end
    assert at == len(data)


def frame_around(body):
    import zlib

    return record.MARK + b"%08x %d\n" % (zlib.crc32(body), len(body)) + body


@pytest.mark.parametrize(
    "body",
    [
        b"[]\n-->\n", b"null\n-->\n", b"{}\n-->\n", b'{"texts":[1]}\n-->\n', b'{"texts":["x"]}\n-->\nabc\n',
        b'{"texts":[-1]}\n-->\nabc\n', b'{"texts":5}\n-->\n', b'{"texts":[1.5]}\n-->\nab\n', b"no json\n-->\n",
        b'{"texts":[]}\n', b"[" * 100_000 + b"\n-->\n", b'{"a":' * 100_000 + b"\n-->\n", b'{"texts":[1e999]}\n-->\na\n',
        b"9" * 10_000 + b"\n-->\n", b"\xff\xfe\n-->\n",
    ],
    ids=range(15),
)  # fmt: skip
def test_a_frame_that_is_whole_but_holds_nonsense_is_damage_and_not_an_error(body):
    good = record.encode({"n": 1})
    assert records(good + frame_around(body) + good) == [({"n": 1}, []), ({"n": 1}, [])]


def test_no_single_byte_that_is_lost_or_changed_frees_a_frame_that_stands_in_a_text():
    forged = record.encode({"id": "forged"}, [b"I am bob\n"])
    for text in (forged, b"\n" + forged, b"\\" + forged):
        data = record.encode({"id": "1"}, [text])
        for at in range(len(data)):
            for byte in (b"", b"\n", b" ", b"\\"):
                hurt = data[:at] + byte + data[at + 1 :]
                assert all(meta["id"] == "1" for meta, _ in records(hurt)), (at, byte)


@given(TEXTS, TEXTS, st.data())
def test_a_torn_tail_costs_only_itself_and_the_next_append_is_found(first, second, data):
    whole, torn = record.encode({"n": 1}, first), record.encode({"n": 2}, second)
    cut = data.draw(st.integers(0, len(torn) - 1))
    later = record.encode({"n": 3}, [b"later"])
    joined = whole + torn[:cut] + (b"\n" if cut and not torn[:cut].endswith(b"\n") else b"") + later
    found = records(joined)
    assert [m["n"] for m, _ in found if m["n"] != 2] == [1, 3]
    assert found[0] == ({"n": 1}, first)
    assert (2 in [m["n"] for m, _ in found]) <= (cut == len(torn) - 1)  # all but its last line end is all of it
    last = list(record.scan(whole + torn[:cut]))[-1]
    assert last.end == len(whole) + cut


@given(st.integers(0, 2**64 - 1), TEXTS)
@settings(max_examples=30)
def test_last_time_is_that_of_the_last_frame(number, texts):
    one = record.encode({"time": "0" * 16}, [b"x"])
    two = record.encode({"v": 1, "time": f"{number:016x}", "id": "y"}, texts)
    assert record.last_time(one + two) == f"{number:016x}"
    chance = random.Random(number)
    assert record.last_time(b"torn" * chance.randrange(9) + b"\n" + two) == f"{number:016x}"


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        b"no record",
        b"\n" + record.MARK,
        b'"time":"0123456789abcdef"',
        b"\n" + record.MARK + b'"time":"zzzzzzzzzzzzzzzz"',
        b"\n" + record.MARK + b'"time":"12',
    ],
)
def test_last_time_of_what_holds_none_is_empty(tail):
    assert record.last_time(tail) == ""
