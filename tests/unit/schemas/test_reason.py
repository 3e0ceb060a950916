"""A reason or a name of which nothing is seen is none, whatever it is made of."""

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


@pytest.mark.parametrize("blank", ["", "  ", "\u200b"], ids=["empty", "white space", "zero width"])
@pytest.mark.parametrize("field", ["workflow_name", "strategy", "dependency", "failure_type"])
@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_blank_name_is_no_reach(command: str, field: str, blank: str) -> None:
    with pytest.raises(EnvelopeError, match=f"data.{field}: "):
        decode_command({"command": command, "issued_by": "maos", field: blank})


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"payload": 1, "did_not_happen": "true"}, "data.did_not_happen: "),
        ({"payload": 1, "body": 1}, "data: give payload or body"),
    ],
    ids=repr,
)
def test_a_field_at_fault_is_named_also_where_a_command_has_its_name(given: dict[str, object], where: str) -> None:
    said = {"command": "edit", "org_id": str(UUID(int=1)), "failure_id": str(UUID(int=2)), "issued_by": "maos"}
    with pytest.raises(EnvelopeError, match=where):
        decode_command(said | given)


LATER, EARLIER = "2026-11-02T00:00:00Z", "2026-11-01T00:00:00Z"


@pytest.mark.parametrize(
    ("wanted", "where"),
    [
        ({"statuses": []}, r"data.filter.statuses: must not be empty"),
        ({"detected_since": LATER, "detected_before": EARLIER}, "data.filter: .*no failure was detected in between"),
        ({"detected_since": LATER, "detected_before": LATER}, "data.filter: .*not later than"),
        ({"workflow_name": "  "}, "data.filter.workflow_name: a blank name"),
        ({"target": "\u200b"}, "data.filter.target: a blank name"),
        ({"target": ""}, "data.filter.target: "),
    ],
    ids=repr,
)
def test_a_filter_that_can_find_nothing_is_refused_by_its_place(wanted: dict[str, object], where: str) -> None:
    said = {"command": "bulk", "issued_by": "maos", "action": "heal"}
    decode_command(said | {"filter": {"detected_since": EARLIER, "detected_before": LATER, "workflow_name": "w"}})
    with pytest.raises(EnvelopeError, match=where):
        decode_command(said | {"filter": wanted})
