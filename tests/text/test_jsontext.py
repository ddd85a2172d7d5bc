"""JSON is read as the library reads it."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memshim.text import jsontext

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans(), st.sampled_from([None, 1]), st.sampled_from(["", " ", "\n\r\t"]))
def test_what_is_written_is_read(value, escaped, indent, space):
    text = space + json.dumps(value, ensure_ascii=escaped, indent=indent) + space
    assert jsontext.loads(text) == jsontext.loads(text.encode("utf-8", "surrogatepass")) == value


@given(st.text(st.sampled_from('{}[]",:\\ue1-. \ntrufalsn'), max_size=12))
def test_what_the_library_refuses_is_refused(text):
    try:
        wanted = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - some of its sentences are the library's
            jsontext.loads(text)
    else:
        assert repr(jsontext.loads(text)) == repr(wanted)


def test_odd_ones():
    assert math.isnan(jsontext.loads("NaN"))
    assert jsontext.loads('"\\ud800"') == "\ud800"
    assert jsontext.loads('{"a": 1, "a": 2}') == {"a": 2}
    assert jsontext.loads(b"\xef\xbb\xbf{}") == json.loads(b"\xef\xbb\xbf{}") == {}
    with pytest.raises(ValueError):  # noqa: PT011 - some of its sentences are the library's
        jsontext.loads(b"\xff")
    with pytest.raises(ValueError):  # noqa: PT011 - some of its sentences are the library's
        jsontext.loads("")
    with pytest.raises(RecursionError):
        jsontext.loads("[" * 200_000)
