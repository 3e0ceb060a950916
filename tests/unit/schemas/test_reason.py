"""A reason of which nothing is seen is none, whatever it is made of."""

from uuid import UUID

import pytest

from schemas.errors import EnvelopeError
from schemas.reason import is_blank
from schemas.supervision import decode_command

BLANKS = {
    "empty": "",
    "white space": " \t\r\n\u00a0\u2003\u3000",
    "zero width": "\u200b\u200c\u200d\u2060\ufeff",
    "soft hyphens": "\u00ad\u00ad",
    "directions": "\u202e\u2066\u200f",
    "fillers": "\u115f\u1160\u3164\uffa0\u2800",
    "marks on nothing": "\u0301\ufe0f",
    "controls": "\x01\x7f\x85",
    "tags": "\U000e0041\U000e007f",
}
WORDS = ("x", "looked at it", "\u200bwhy", "理由", "é", "e\u0301", "👍", "?", "الف", "7")


@pytest.mark.parametrize("text", BLANKS.values(), ids=BLANKS)
def test_nothing_is_seen(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", WORDS)
def test_something_is_seen(text: str) -> None:
    assert not is_blank(text)


@pytest.mark.parametrize("field", ["reason", "issued_by"])
def test_a_command_whose_words_are_blank_is_refused_by_the_field(field: str) -> None:
    said = {"command": "heal", "org_id": str(UUID(int=1)), "failure_id": str(UUID(int=2)), "issued_by": "maos"}
    assert decode_command(said).reason == ""
    with pytest.raises(EnvelopeError, match=f"data.{field}: .*in words"):
        decode_command(said | {field: "\u200b "})
