"""What a model's answer adds to the rules' diagnosis: its evidence stands in the text, and it makes nothing bolder."""

from dataclasses import replace
from typing import Final

import pytest

from consumer.diagnose.agent_evidence import answered, diagnosis_of, unfounded
from consumer.model import Failure, JsonObject
from consumer.model.agent_diagnosis import AgentDiagnosis, DiagnosisAnswer, TextSpan
from consumer.plan.default_ladder import nobody_may
from schemas.names import DiagnosisAnswerKind, Disposition, FailureType
from tests.support.healing import failure

REASON: Final = "the far side went to lunch and nobody came to the door"
CONTEXT: Final[JsonObject] = {
    "note": {"said": "back at two"},
    "seats": 12,
    "list": ["a chair"],
    "odd/name": "found here",
}
LUNCH: Final = TextSpan(source="failure_reason", text="went to lunch")


def asked(*spans: TextSpan, **answer: object) -> Failure:
    said: dict[str, object] = {
        "kind": DiagnosisAnswerKind.DIFFERS,
        "failure_type": FailureType.API_TIMEOUT,
        "disposition": Disposition.RETRY_NOW,
        "spans": spans or (LUNCH,),
        "reason": "nobody answered",
    } | answer
    stored = AgentDiagnosis(asks=1, answer=DiagnosisAnswer(**said))  # type: ignore[arg-type]  # any field
    return replace(failure({"request": {}}, reason=REASON), agent_diagnosis=stored)


@pytest.mark.parametrize(
    ("source", "text", "stands"),
    [
        ("failure_reason", "went to lunch", True),
        ("failure_reason", "went to Lunch", False),
        ("failure_reason", "timed out", False),
        ("failure_reason", "at", False),
        ("failure_reason", "   ", False),
        ("/note/said", "back at two", True),
        ("/note/said", "went to lunch", False),
        ("/note", "back at two", False),
        ("/seats", "12", True),
        ("/seats", "1", False),
        ("/list/0", "chair", True),
        ("/list/1", "chair", False),
        ("/odd~1name", "found", True),
        ("note/said", "back at two", False),
        ("", "said", False),
    ],
)
def test_evidence_is_what_stands_in_the_text_word_for_word(source: str, text: str, *, stands: bool) -> None:
    assert (unfounded([TextSpan(source=source, text=text)], REASON, CONTEXT) is None) is stands


def test_one_span_that_is_not_in_the_text_refuses_the_whole_answer() -> None:
    told = asked(LUNCH, TextSpan(source="failure_reason", text="connection reset")).agent_diagnosis
    assert told is not None
    assert told.answer is not None
    counted = answered(told.answer, REASON, CONTEXT)
    assert counted.kind is DiagnosisAnswerKind.REFUSED
    assert counted.failure_type is FailureType.UNKNOWN
    assert answered(replace(told.answer, spans=()), REASON, CONTEXT).kind is DiagnosisAnswerKind.REFUSED
    assert answered(replace(told.answer, spans=(LUNCH,)), REASON, CONTEXT).kind is DiagnosisAnswerKind.DIFFERS


@pytest.mark.parametrize(
    ("kind", "says", "becomes"),
    [
        (FailureType.API_TIMEOUT, Disposition.RETRY_NOW, Disposition.RETRY_IF_IDEMPOTENT),
        (FailureType.API_TIMEOUT, Disposition.NEVER, Disposition.NEVER),
        (FailureType.INVALID_SCHEMA, Disposition.RETRY_NOW, Disposition.NEEDS_REPAIR),
        (FailureType.BILLING_SYNC_ISSUE, Disposition.RETRY_NOW, Disposition.NEEDS_PERSON),
        (FailureType.WORKFLOW_STALL, Disposition.NEEDS_CREDENTIAL, Disposition.NEEDS_CREDENTIAL),
    ],
)
def test_it_says_what_is_broken_and_never_that_trying_again_helps(
    kind: FailureType, says: Disposition, becomes: Disposition
) -> None:
    plain = diagnosis_of(replace(asked(), agent_diagnosis=None))
    found = diagnosis_of(asked(failure_type=kind, disposition=says))
    assert plain.failure_type is FailureType.UNKNOWN
    assert (found.failure_type, found.disposition) == (kind, becomes)
    assert found.confidence == plain.confidence, "it makes a diagnosis no surer"
    assert [(one.rule, one.text) for one in found.evidence] == [(f"agent.{kind}", "went to lunch")]
    assert found.rules == plain


def test_what_somebody_has_to_do_first_is_told_with_the_words_that_say_so() -> None:
    why = nobody_may(diagnosis_of(asked(disposition=Disposition.NEEDS_CREDENTIAL)), {})
    assert why is not None
    assert "went to lunch" in why


@pytest.mark.parametrize("kind", [one for one in DiagnosisAnswerKind if one is not DiagnosisAnswerKind.DIFFERS])
def test_an_answer_that_counts_for_nothing_leaves_the_rules_diagnosis_as_it_is(kind: DiagnosisAnswerKind) -> None:
    plain = diagnosis_of(replace(asked(), agent_diagnosis=None))
    found = diagnosis_of(asked(kind=kind))
    assert replace(found, agent=None) == plain
    assert found.agent_beside_rules["agent_diagnosis"]["answer"] == kind  # type: ignore[index,call-overload]  # JSON


def test_a_rule_is_never_overruled() -> None:
    known = replace(asked(failure_type=FailureType.MISSING_IMAGE), failure_reason="request timeout after 30 s")
    found = diagnosis_of(known)
    assert (found.failure_type, found.agent) == (FailureType.API_TIMEOUT, None)
