"""What a settled heal is watched for, and the event of a relapse. Pure."""

from functools import partial
from hashlib import sha256
from typing import Final
from uuid import uuid5

from consumer.catalog import WorkflowPolicy
from consumer.diagnose.fingerprint import fingerprint
from consumer.model import Attempt, Diagnosis, Failure, Heal, Message, Next
from consumer.model.relapse import RelapseFound, Watched
from consumer.redact import redact_text
from consumer.results.decision import message_of_status
from consumer.results.events import Outlet
from schemas.heal_result import FailureStatus, RelapseOf
from schemas.names import Result, StrategyName

BEFORE_ALL: Final = -100
"""Rank of what is told of a step before everything else of it."""


def watched(
    failure: Failure,
    diagnosis: Diagnosis,
    heal: Heal,
    attempt: Attempt,
    following: Next,
    policy: WorkflowPolicy,
    outlet: Outlet,
) -> Watched | None:
    """Return what a settled heal is watched for; None where the catalog watches nothing of it."""
    is_healed, is_first = attempt.result is Result.SUCCESS, not failure.lifetime_attempts
    if not policy.watch or not (is_healed or is_first):
        return None
    parts = f"{heal.intent.scope}\0{fingerprint(failure, heal.strategy)}"
    return Watched(
        key=sha256(parts.encode("utf-8", "replace")).hexdigest(),
        within=policy.watch,
        is_healed=is_healed,
        is_first=is_first,
        rewritten=None if policy.agent is None else fingerprint(failure, StrategyName.WORKFLOW_REWRITE),
        tell=partial(_message, failure, diagnosis, attempt, following, outlet),
    )


def _message(
    failure: Failure, diagnosis: Diagnosis, attempt: Attempt, following: Next, outlet: Outlet, relapse: RelapseFound
) -> Message:
    status = FailureStatus(
        failure_id=failure.id,
        org_id=failure.org_id,
        workflow_name=redact_text(failure.workflow_name),
        failure_type=diagnosis.failure_type,
        step=attempt.step,
        status=following.status,
        reason=f"the same as failure {relapse.of_failure}, which {relapse.strategy} healed",
        relapse_of=RelapseOf(
            failure_id=relapse.of_failure,
            attempt_id=relapse.of_attempt,
            strategy=relapse.strategy,
            healed_at=relapse.healed_at,
        ),
        changed_at=relapse.at,
    )
    return message_of_status(
        status,
        failure.trace,
        f"{attempt.id.hex[:8]}:relapse",
        outlet,
        message_id=uuid5(attempt.id, "relapse"),
        step=attempt.step,
        rank=BEFORE_ALL,
    )
