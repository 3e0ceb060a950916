"""A share of the repair benchmark, with its bars: documents damaged from a fixed seed, answered by the real command."""

import json
from collections import Counter

import pytest

from tests.support.damaged.answers import SHW, Answer, ask, line
from tests.support.damaged.cases import Case, Group, Size, cases
from tests.support.damaged.schema_positions import Json, Schema, same
from tests.support.damaged.scoring import Judged, Verdict, broken_promises, judge, judged

_SHARE = Size(documents=1, random_schemas=8, doubles=25, hard=False)
_SCHEMA: Schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.fixture(scope="module")
def answered() -> Judged:
    asked = list(cases(5, _SHARE))
    answers = ask((*SHW, "--grade", "inventive"), [line(case.number, case.schema, case.text) for case in asked])
    return judged(asked, answers)


def _counts(answered: Judged, *groups: Group) -> Counter[Verdict]:
    return Counter(verdict for case, _, verdict in answered if case.group in groups and not case.still_valid)


def _shown(answered: Judged, verdict: Verdict, *groups: Group) -> list[tuple[tuple[str, ...], str, Json]]:
    found = [(case, answer) for case, answer, got in answered if got is verdict and case.group in groups]
    return [(case.kinds, case.text[:300], answer.document or answer.reason) for case, answer in found[:5]]


@pytest.mark.parametrize("group", [Group.SINGLE, Group.DOUBLE])
def test_95_of_100_damaged_documents_are_restored_exactly(answered: Judged, group: Group) -> None:
    counts = _counts(answered, group)
    assert counts.total() > 400, "the share has become too small to say anything"
    assert counts[Verdict.RIGHT] >= 0.95 * counts.total(), _shown(answered, Verdict.REFUSED, group)


def test_no_damaged_document_becomes_another_one(answered: Judged) -> None:
    assert not _shown(answered, Verdict.WRONG, *Group)


def test_what_cannot_be_restored_without_a_guess_is_refused(answered: Judged) -> None:
    counts = _counts(answered, Group.REFUSE)
    assert counts.total() > 300
    assert counts[Verdict.RIGHT] == counts.total(), _shown(answered, Verdict.WRONG, Group.REFUSE)


def test_a_valid_document_is_left_alone(answered: Judged) -> None:
    verdicts = [verdict for case, _, verdict in answered if case.group is Group.VALID or case.still_valid]
    assert verdicts
    assert set(verdicts) == {Verdict.RIGHT}


def test_every_text_gets_an_answer_that_keeps_its_own_promise(answered: Judged) -> None:
    assert not [case.text for case, _, verdict in answered if verdict is Verdict.SILENT]
    assert not [(case.text, answer, why) for case, answer, why in broken_promises(answered)]


def test_what_was_repaired_is_valid_when_asked_again(answered: Judged) -> None:
    repaired = {case.number: (case, answer) for case, answer, _ in answered if answer.status == "repaired"}
    again = ask(SHW, [line(number, case.schema, _text(answer)) for number, (case, answer) in repaired.items()])
    assert {number for number, answer in again.items() if answer.status == "valid"} == repaired.keys()


def _text(answer: Answer) -> str:
    return json.dumps(answer.document)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), (0, False), ("1", 1), (None, False), ([1, 2], [2, 1]), ({"a": 1}, {"a": 1.0}), ({}, [])],
)
def test_the_measure_tells_json_values_apart(one: Json, other: Json) -> None:
    assert not same(one, other)
    assert same(one, one)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Answer(status="repaired", document={"n": 1}), Verdict.RIGHT),
        (Answer(status="repaired", document={"n": 2}), Verdict.WRONG),
        (Answer(status="repaired", document={"n": True}), Verdict.WRONG),
        (Answer(status="valid", document={"n": 1.0}), Verdict.WRONG),
        (Answer(status="refused"), Verdict.REFUSED),
    ],
)
def test_the_measure_judges_by_the_original(answer: Answer, verdict: Verdict) -> None:
    case = Case(
        number=1,
        group=Group.SINGLE,
        kinds=("quoted number",),
        schema=_SCHEMA,
        text='{"n": "1"}',
        original={"n": 1},
        still_valid=False,
    )
    assert judge(case, answer) is verdict


def test_a_seed_gives_the_same_cases_every_time() -> None:
    assert list(cases(5, _SHARE)) == list(cases(5, _SHARE))
