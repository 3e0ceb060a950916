"""Builds the event of a heal that a strategy in shadow mode would have made. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final
from uuid import uuid5

from consumer.model import Attempt, Diagnosis, Failure, Heal, Message, Next
from consumer.model.plan import Rehearsal
from consumer.redact import redact_text
from consumer.results.decision import message_of_status
from consumer.results.events import Outlet
from schemas.heal_result import FailureStatus, RehearsalResult, WouldHeal
from schemas.names import Code, RehearsalOutcome


def shadow_messages(
    failure: Failure,
    diagnosis: Diagnosis,
    attempt: Attempt,
    following: Next,
    shadows: Sequence[Heal],
    outlet: Outlet,
) -> tuple[Message, ...]:
    """Build one event for each strategy that would have acted; they are told before their step's attempt."""
    return tuple(
        _message(failure, diagnosis, attempt, following, one, outlet, rank=place - len(shadows) - 1)
        for place, one in enumerate(shadows)
    )


def _message(
    failure: Failure, diagnosis: Diagnosis, attempt: Attempt, following: Next, heal: Heal, outlet: Outlet, *, rank: int
) -> Message:
    would_heal = WouldHeal(
        strategy=heal.strategy,
        scope=heal.intent.scope,
        cost=Decimal(heal.hold) / 1_000_000,
        budget=heal.intent.pays_from,
        plan=heal.described,
        rehearsal=_told(heal.rehearsal) if heal.rehearsal is not None else None,
    )
    status = FailureStatus(
        failure_id=failure.id,
        org_id=failure.org_id,
        workflow_name=redact_text(failure.workflow_name),
        failure_type=diagnosis.failure_type,
        step=attempt.step,
        status=following.status,
        code=Code.SHADOW,
        reason=_reason(heal),
        would_heal=would_heal,
        changed_at=attempt.finished_at,
        catalog_version=heal.catalog_version,
    )
    return message_of_status(
        status,
        failure.trace,
        f"{attempt.id.hex[:8]}:shadow:{heal.rung}",
        outlet,
        message_id=uuid5(attempt.id, f"shadow:{heal.rung}"),
        step=attempt.step,
        rank=rank,
    )


def _reason(heal: Heal) -> str:
    rehearsal = heal.rehearsal
    if rehearsal is None or rehearsal.outcome in _ACTS:
        return f"{heal.rung} is in shadow mode: it would have acted"
    why = f" ({rehearsal.reason})" if rehearsal.reason else ""
    return f"{heal.rung} is in shadow mode: rehearsed, it ended as {rehearsal.outcome}{why}"[:1000]


def _told(rehearsal: Rehearsal) -> RehearsalResult:
    return RehearsalResult(outcome=rehearsal.outcome, reason=rehearsal.reason, would_send=rehearsal.would_send)


_ACTS: Final = frozenset((RehearsalOutcome.WOULD_ACT, RehearsalOutcome.NOT_REHEARSED))
"""Of the others more is known than the plan says."""
