"""The formats of JSON Schema, by the letter of their RFCs."""

import json

import pytest

from consumer.repair.formats import FORMATS
from tests.support.paths import DATA

_CASES: dict[str, dict[str, list[str]]] = json.loads((DATA / "schema_formats.json").read_text())


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, case in _CASES.items() for text in case["good"]])
def test_what_is_of_a_format_is_taken(name: str, text: str) -> None:
    assert FORMATS.conforms(text, name)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, case in _CASES.items() for text in case["bad"]])
def test_what_is_not_of_a_format_is_refused(name: str, text: str) -> None:
    assert not FORMATS.conforms(text, name)


@pytest.mark.parametrize("name", _CASES)
def test_only_texts_have_a_format(name: str) -> None:
    others: list[object] = [1, None, [], {}, True, 1.5]
    assert all(FORMATS.conforms(value, name) for value in others)


@pytest.mark.parametrize("name", _CASES)
def test_a_long_text_is_judged_at_once(name: str) -> None:
    for letter in ("a", "1", ".", "-", "{a", "@", "P1D", "/~0", '"', ":"):
        FORMATS.conforms(letter * 100_000, name)
