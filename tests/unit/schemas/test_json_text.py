"""Writing JSON is the same with and without the quick library, and the quick look lets nothing unstorable through."""

import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pydantic_core
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import EnvelopeError
from schemas.json_text import check_storable, is_plainly_storable, load_json, to_json
from schemas.names import Status

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.uuids() | st.sampled_from(Status),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner) | st.dictionaries(texts, inner, max_size=4),
)
numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,120})(\.[0-9]{1,120})?([eE][+-]?0{0,3}[0-9]{1,4})?", fullmatch=True)
pieces = st.one_of(
    numbers,
    st.sampled_from(["NaN", "-Infinity", "Infinity", '"\\u0000"', '"\\ud800"', '"é"', "9" * 1001, "[" * 99 + "]" * 99]),
)


@given(values)
def test_json_is_written_as_pydantic_writes_it(value: object) -> None:
    assert json.loads(to_json(value)) == json.loads(pydantic_core.to_json(value, inf_nan_mode="null"))


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (datetime(2026, 1, 31, 9, 30, tzinfo=UTC), "2026-01-31T09:30:00Z"),
        (datetime(2026, 1, 31, 9, 30, 0, 5, tzinfo=UTC), "2026-01-31T09:30:00.000005Z"),
        (datetime(2026, 1, 31, 9, 30, tzinfo=timezone(timedelta(hours=2))), "2026-01-31T09:30:00+02:00"),
    ],
)
def test_a_time_is_written_with_its_offset(moment: datetime, written: str) -> None:
    assert to_json({"at": moment, "beside": 2**70}) == to_json({"at": written, "beside": 2**70})
    assert to_json({"at": moment}) == to_json({"at": written})


def test_an_id_of_any_make_is_written_as_text() -> None:
    class Other(UUID):
        pass

    text = "6f0a1f0e-6d5f-5c3b-9a52-5f1f3d1f6f49"
    assert to_json([UUID(text), Other(text)]) == to_json([text, text])


@given(
    st.lists(pieces, max_size=3), st.sampled_from(["[{}]", '{{"a":{}}}', "[ {} ]", "\n{}", '{{"x":[[{}]],"e":"1e9"}}'])
)
def test_what_the_quick_look_lets_through_can_be_stored(items: list[str], frame: str) -> None:
    text = frame.format(",".join(items) if frame.startswith("[") else (items or ["0"])[0]).encode()
    try:
        value = load_json(text)
    except EnvelopeError:
        return
    if is_plainly_storable(text):
        assert check_storable(value) is None


def test_the_quick_look_lets_an_ordinary_event_through() -> None:
    assert is_plainly_storable(b'{"id":"9e123-e4567","n":-1.5e10,"at":"2026-01-31T09:30:00Z","list":[1,2,3e-300]}')


@pytest.mark.parametrize("number", ["1e309", "-1.5E+999", "12e0308", f"1{'0' * 400}.5", "NaN", "-Infinity"])
@pytest.mark.parametrize("frame", ["{}", "[{}]", "[1,{}]", '{{"a":{}}}', '{{"a": {}}}', "\n\t{}"])
def test_a_number_beyond_a_double_gets_a_closer_look_wherever_it_stands(number: str, frame: str) -> None:
    text = frame.format(number).encode()
    assert check_storable(load_json(text)) is not None
    assert not is_plainly_storable(text)
