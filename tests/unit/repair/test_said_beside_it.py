"""What is said beside a document, around it, or by the name of its envelope, may make it none, or another one."""

import json

import pytest

from consumer.repair.repair import repair_document, repair_text
from consumer.repair.values import Json, RepairStatus
from schemas.names import Grade

_READING: Json = {
    "type": "object",
    "properties": {"depth": {"type": "number"}, "site": {"type": "string"}},
    "required": ["depth", "site"],
    "additionalProperties": False,
}
_DOCUMENT: dict[str, Json] = {"depth": 7.5, "site": "B4"}
_WRITTEN = json.dumps(_DOCUMENT)


def _one(**member: Json) -> Json:
    return {"type": "object", "properties": member, "required": list(member), "additionalProperties": False}


@pytest.mark.parametrize(
    "beside",
    [
        {"hemisphere": "north"}, {"era": "BC"}, {"calendar": "julian"}, {"polarity": "reversed"}, {"datum": "NAD27"},
        {"is_negative": True}, {"voided_at": "2026-01-01"}, {"isRefund": "true"}, {"cancelled": 1}, {"dry_run": True},
        {"reading_deleted": True}, {"simulated": True}, {"storniert": True}, {"annulée": "oui"}, {"отменено": True},
        {"取消": True}, {"above_range": True}, {"tare_kg": 2}, {"dilution": "1:5"},
        {"vat_included": False}, {"spin_sense": "clockwise"},
    ],
)  # fmt: skip
def test_what_turns_or_qualifies_the_rest_is_not_dropped(beside: dict[str, Json]) -> None:
    repair = repair_document({**_DOCUMENT, **beside}, _READING, most=Grade.INVENTIVE)
    assert repair.status is RepairStatus.REFUSED, repair.document


@pytest.mark.parametrize(
    "beside", [{"deleted": False}, {"voided_at": ""}, {"is_refund": "no"}, {"cancelled": 0}, {"comment": "typed"}]
)
def test_what_says_that_nothing_is_turned_may_be_dropped(beside: dict[str, Json]) -> None:
    assert repair_document({**_DOCUMENT, **beside}, _READING, most=Grade.LOSSY).document == _DOCUMENT


@pytest.mark.parametrize(
    "text",
    [
        f"Please do not send {_WRITTEN}",
        f"This is an example of what should not be sent:\n```json\n{_WRITTEN}\n```",
        f"Earlier I answered {_WRITTEN}, which is wrong.",
        f"The previous reading was: {_WRITTEN}",
        f"For example: {_WRITTEN}",
        f"The answer has to be of the form {_WRITTEN}",
        f"Instead of {_WRITTEN} there is nothing.",
        f"Zum Beispiel: {_WRITTEN}",
        f"Par exemple : {_WRITTEN}",
        f"Por ejemplo: {_WRITTEN}",
        f"Validation failed for {_WRITTEN}",
        f"~~{_WRITTEN}~~",
        f"[THINK] it may be {_WRITTEN}",
        f"[REASONING]{_WRITTEN}",
        f"\u25c1think\u25b7{_WRITTEN}",
        f"<|channel|>analysis<|message|>{_WRITTEN}",
        f"<|begin_of_thought|>{_WRITTEN}",
    ],
)
def test_a_document_that_the_text_disowns_is_none(text: str) -> None:
    repair = repair_text(text, _READING, most=Grade.INVENTIVE)
    assert repair.status is RepairStatus.REFUSED, repair.document


@pytest.mark.parametrize(
    "text",
    [
        f"The previous answer was wrong. Here is the corrected JSON:\n\n{_WRITTEN}",
        f"I did not change the site. The result:\n```json\n{_WRITTEN}\n```\nI could not find more, for example a date.",
        f"Here is the reading in the format that you asked for: {_WRITTEN}",
        f"I did not return anything else: {_WRITTEN}",
        f"The original document was invalid; this one follows the schema:\n{_WRITTEN}",
        f"Since the previous answer was wrong, here is the new one: {_WRITTEN}",
        f"Da das vorherige Dokument ungültig war, hier ist das Ergebnis: {_WRITTEN}",
        f"I replaced the old value, and this is the output:\n```\n{_WRITTEN}\n```",
        f"Done. {_WRITTEN} is valid and was not checked further.",
        f"Here is the corrected reading, without the invalid depth: {_WRITTEN}",
        f"\u25c1think\u25b7not 8?\u25c1/think\u25b7{_WRITTEN}",
        f"[THINK]not 8?[/THINK]\n{_WRITTEN}",
        f"<|channel|>analysis<|message|>not 8?<|end|><|start|>assistant<|channel|>final<|message|>{_WRITTEN}",
    ],
)
def test_a_document_of_which_the_text_says_that_it_is_right_is_one(text: str) -> None:
    assert repair_text(text, _READING, most=Grade.LOSSLESS).document == _DOCUMENT


@pytest.mark.parametrize(
    "envelope",
    [
        {"counter_example": _DOCUMENT}, {"forecasts": _DOCUMENT}, {"simulation": _DOCUMENT}, {"fallback": _DOCUMENT},
        {"vorschlag": _DOCUMENT}, {"vorher": _DOCUMENT}, {"ejemplo": _DOCUMENT}, {"avant": _DOCUMENT},
        {"bozza": _DOCUMENT}, {"образец": _DOCUMENT}, {"サンプル": _DOCUMENT}, {"示例": _DOCUMENT},
        {"isError": True, "data": _DOCUMENT}, {"hasErrors": True, "data": _DOCUMENT},
        {"warnings": ["depth converted from feet"], "data": _DOCUMENT},
    ],
)  # fmt: skip
def test_an_envelope_that_sets_its_content_aside_holds_no_document(envelope: Json) -> None:
    repair = repair_document(envelope, _READING, most=Grade.INVENTIVE)
    assert repair.status is RepairStatus.REFUSED, repair.document


@pytest.mark.parametrize(
    "envelope",
    [
        {"output_text": f"```json\n{_WRITTEN}\n```"}, {"completion": _WRITTEN}, {"daten": _DOCUMENT},
        {"данные": _DOCUMENT}, {"データ": _DOCUMENT},
        {"candidates": [{"content": {"parts": [{"text": _WRITTEN}], "role": "model"}, "finishReason": "STOP"}]},
        {"warnings": [], "isError": False, "data": _DOCUMENT},
        {"content": [{"type": "thinking", "thinking": '{"depth": 8}'}, {"type": "text", "text": _WRITTEN}]},
    ],
)  # fmt: skip
def test_an_envelope_of_a_known_name_is_taken_off(envelope: Json) -> None:
    repair = repair_document(envelope, _READING, most=Grade.LOSSY)
    assert repair.document == _DOCUMENT, repair.reason


def test_medicine_and_units_are_spelt_in_two_ways() -> None:
    schema = _one(hemoglobin={}, anesthetic={}, edema={}, per_liter={})
    given: Json = {"haemoglobin": 1, "anaesthetic": 2, "oedema": 3, "per_litre": 4}
    repair = repair_document(given, schema, most=Grade.LOSSLESS)
    assert repair.document == {"hemoglobin": 1, "anesthetic": 2, "edema": 3, "per_liter": 4}


@pytest.mark.parametrize(
    ("schema", "document"),
    [
        (_one(v={"anyOf": [{"type": "object", "maxProperties": 1}, {"type": "array"}]}), {"v": {"a": 1, "b": 2}}),
        (_one(v={"anyOf": [{"type": "array", "contains": {"const": 1}}, {"type": "integer"}]}), {"v": [2]}),
        (_one(v={"anyOf": [{"enum": ["all"]}, {"type": "array", "items": {"type": "string"}}]}), {"v": "al"}),
        (_one(v={"enum": ["2.50", "2.5"]}), {"v": 2.5}),
        (_one(v={"enum": ["Ms", "mS"]}), {"v": "ms"}),
        (_one(v={"enum": ["and/or", "andor"]}), {"v": "and-or"}),
    ],
)
def test_a_limit_or_a_list_of_values_is_not_evaded_by_a_list(schema: Json, document: Json) -> None:
    repair = repair_document(document, schema, most=Grade.INVENTIVE)
    assert repair.status is RepairStatus.REFUSED, repair.document


@pytest.mark.parametrize(
    ("key", "declared"),
    [
        ("discreet_count", "discrete_count"), ("adduction", "abduction"), ("efferents", "afferents"),
        ("hydrochlorite", "hydrochlorate"), ("intracellular", "intercellular"), ("tidal_no", "tidak_no"),
        ("exocrine", "endocrine"), ("propane", "propene"), ("slat", "salt"), ("gantry", "gentry"),
        ("hypotonic", "hypertonic"), ("barque", "baroque"), ("monto", "minto"), ("lamp", "lampa"),
        ("methylprednisolone", "methylprednisone"),
    ],
)  # fmt: skip
def test_a_word_with_another_affix_or_of_a_larger_dictionary_is_meant_as_it_is(key: str, declared: str) -> None:
    repair = repair_document({key: 1}, _one(**{declared: {}}), most=Grade.INVENTIVE)
    assert repair.status is RepairStatus.REFUSED, repair.document
