import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.diagnose import diagnose
from consumer.diagnose.diagnosis import DISPOSITIONS
from consumer.diagnose.rules import EXCERPT, RULES, Words
from schemas.names import Disposition, FailureType

# The seed's rules in its own order: the first that holds decides.
SEED = (
    (("timeout",), "api_timeout"),
    (("schema", "validation"), "invalid_schema"),
    (("stall", "stuck"), "workflow_stall"),
    (("image",), "missing_image"),
    (("voice", "audio"), "voice_generation_error"),
    (("billing", "payment"), "billing_sync_issue"),
    (("concierge",), "concierge_action_failure"),
)
WORDS = [word for words, _ in SEED for word in words]


def seed_says(reason: str) -> str:
    lowered = reason.lower()
    return next((label for words, label in SEED if any(word in lowered for word in words)), "unknown")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.id))
def test_a_rule_recognises_its_own_example(rule: Words) -> None:
    diagnosis = diagnose(rule.example, {})
    assert diagnosis.failure_type is rule.failure_type
    (evidence,) = diagnosis.evidence
    assert evidence.rule == rule.id
    assert evidence.source == "failure_reason"
    assert any(word in evidence.text.lower() for word in rule.words)
    assert evidence.text in rule.example


def test_every_type_but_unknown_has_a_rule_and_rule_ids_are_unique() -> None:
    assert {rule.failure_type for rule in RULES} == set(FailureType) - {FailureType.UNKNOWN}
    ids = [rule.id for rule in RULES if isinstance(rule, Words)]
    assert len(set(ids)) == len(RULES)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("API TIMEOUT while generating the image", "api_timeout"),
        ("ReadTimeoutError", "api_timeout"),
        ("schema of the stalled run", "invalid_schema"),
        ("stuck at the image", "workflow_stall"),
        ("image of a voice", "missing_image"),
        ("audio for a payment", "voice_generation_error"),
        ("payment by the concierge", "billing_sync_issue"),
        ("Concierge", "concierge_action_failure"),
        ("the invoice is open", "voice_generation_error"),  # the seed looks within words too
        ("timed out", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_first_rule_that_holds_decides(reason: str, expected: str) -> None:
    assert diagnose(reason, {}).failure_type.value == expected


@settings(deadline=None)
@given(st.lists(st.one_of(st.sampled_from([*WORDS, *(w.upper() for w in WORDS), "İ", " "]), st.text(max_size=90))))
def test_every_reason_has_the_seeds_diagnosis_and_short_evidence(parts: list[str]) -> None:
    reason = "".join(parts)
    diagnosis = diagnose(reason, {})
    assert diagnosis.failure_type.value == seed_says(reason)
    assert diagnosis.disposition is DISPOSITIONS[diagnosis.failure_type]
    for evidence in diagnosis.evidence:
        assert len(evidence.text) <= EXCERPT
        assert any(word in evidence.text.lower() for word in WORDS)


def test_nothing_recognised_is_left_to_a_person_without_evidence() -> None:
    diagnosis = diagnose("the moon was in the way", {"error": {"code": "EMOON"}})
    assert diagnosis.failure_type is FailureType.UNKNOWN
    assert diagnosis.disposition is Disposition.NEEDS_PERSON
    assert diagnosis.evidence == ()


def test_a_call_that_may_have_arrived_is_never_simply_repeated() -> None:
    risky = {FailureType.API_TIMEOUT, FailureType.BILLING_SYNC_ISSUE, FailureType.CONCIERGE_ACTION_FAILURE}
    assert {kind for kind, what in DISPOSITIONS.items() if what is Disposition.RETRY_IF_IDEMPOTENT} == risky
    assert set(DISPOSITIONS) == set(FailureType)
