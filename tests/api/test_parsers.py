"""The strict reading of JSON, by itself."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviewapp.api import parsers, rows

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20), inner, max_size=4
        )
    ),
    max_leaves=30,
)


@given(value=JSON, is_ascii=st.booleans())
def test_what_is_clean_is_read_as_it_was_written(value: object, is_ascii: bool) -> None:
    assert parsers.loads(json.dumps(value, ensure_ascii=is_ascii).encode()) == value


@given(values=st.lists(JSON, max_size=6), indent=st.sampled_from([None, 0, 3]))
def test_an_array_is_read_row_by_row(values: list[object], indent: int | None) -> None:
    text = json.dumps(values, indent=indent)

    read = list(rows.array_rows(text, has_escapes="\\u" in text))

    assert [row.problem for row in read] == [None] * len(values)
    assert [row.content for row in read] == values


@given(content=st.binary(max_size=60))
def test_bytes_are_refused_or_read_as_json_reads_them(content: bytes) -> None:
    value, problem = _read(content)

    assert problem is not None or value == json.loads(content)


@given(content=st.text(st.sampled_from('[]{},:"0e9-.\\u dNa1'), max_size=60))
def test_both_bulk_formats_judge_a_row_alike(content: str) -> None:
    value, problem = _read(content.encode())
    (line,) = list(rows.line_rows(content.encode())) or [rows.Row(problem=problem)]

    assert (line.content, line.problem is None) == (value, problem is None)
    if problem is None:
        (element,) = rows.array_rows(f"[{content}]", has_escapes=True)
        assert (element.content, element.problem) == (value, None)


def _read(content: bytes) -> tuple[object, parsers.Malformed | None]:
    try:
        return parsers.loads(content), None
    except parsers.Malformed as problem:
        return None, problem


def test_the_limits_are_the_last_values_allowed() -> None:
    assert parsers.loads(b"[" * 32 + b"]" * 32) is not None
    assert len(parsers.loads(json.dumps([0] * 9_999).encode())) == 9_999
    assert parsers.loads(b'{"%s": 9007199254740992}' % (b"k" * 256)) == {"k" * 256: 2**53}
    for beyond in (b"[" * 33 + b"]" * 33, json.dumps([0] * 10_000).encode(), b'{"%s": 1}' % (b"k" * 257)):
        with pytest.raises(parsers.Malformed):
            parsers.loads(beyond)
