"""What is told of a heal's first suspension: of the contract's form, whatever its strategy says."""

from datetime import timedelta

import pytest

from consumer.model import AttemptId, Claim, Message, MicroAud, attempt_id
from consumer.results.suspended import suspended_message
from schemas.envelope import parse
from schemas.heal_result import FAILURE_STATUS_TYPE, FailureStatus
from tests.support.ends import DIAGNOSIS, FAILURE, OUTLET
from tests.support.healing import NOW


def message(reason: str) -> Message:
    claim = Claim(attempt_id=AttemptId(attempt_id(FAILURE.id, 0)), step=0, held=MicroAud(0), deadline=0.0, sent_at=0.0)
    return suspended_message(FAILURE, DIAGNOSIS, claim, reason, NOW, NOW + timedelta(minutes=20), OUTLET)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("the job is being done", "the job is being done"),
        ("half a pair: \ud83d", "half a pair: ?"),
        ("the other half: \ude00.", "the other half: ?."),
    ],
    ids=["plain", "high surrogate", "low surrogate"],
)
def test_whatever_a_strategy_says_of_its_suspension_is_told(reason: str, told: str) -> None:
    built = message(reason)
    envelope = parse(built.body, built.headers, accepts={FAILURE_STATUS_TYPE: FailureStatus})
    status = FailureStatus.model_validate(envelope.data)
    assert (status.reason, status.status, status.waits_on) == (told, "pending", "time")
    assert status.suspended_until == status.due_at == NOW + timedelta(minutes=20)
    assert built.id == message("another").id
