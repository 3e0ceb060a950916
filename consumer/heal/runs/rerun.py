"""Rerun of a step: orders it under one key, with its old input or a new one, and has the run watched."""

from typing import assert_never

from consumer.heal.digest import digest
from consumer.heal.kept import Suspended
from consumer.heal.runs.ordering import give_order, outcome_of_rejection
from consumer.heal.runs.session import RunSession
from consumer.heal.runs.watching import Ordered, WatchState, watch_run
from consumer.model import Failure, Json, Outcome, Proof, Refused
from consumer.model.call import Ambiguous, EgressRefused, NotSent
from consumer.model.identity import uuid5_from_bytes
from consumer.runners.contract import Accepted, Payload, Rejected, RerunStep, RunRef, RunState
from schemas.context import RunContext
from schemas.names import Code


def run_ref(failure: Failure, run: RunContext) -> RunRef:
    """Build the reference by which the engine knows the run."""
    return RunRef(
        org_id=str(failure.org_id), workflow_name=failure.workflow_name, run_id=run.id, epoch=run.epoch, step=run.step
    )


def order_key(failure: Failure, order: str) -> str:
    """Return the idempotency key of an order for the engine; `order` tells a strategy's orders from those of others.

    It stays the same until an attempt has counted: an attempt that ends without knowing the outcome of its order is
    not counted (`RetryLater`), so that the next heal sends the same key.
    """
    return f"shw-{uuid5_from_bytes(failure.id.bytes, f'{order}:{failure.lifetime_attempts}')}"


def key_at(key: str, before: RunState) -> str:
    """Return the idempotency key for a run in this state: once the run has moved, an earlier order is not in doubt."""
    place: list[Json] = [before.epoch, before.progress]
    return key if place == [None, None] else f"{key}-{digest(place)[:12]}"


async def rerun_step(
    session: RunSession,
    payload: Payload | None,
    before: RunState,
    proofs: tuple[Proof, ...],
    states: type[WatchState] = WatchState,
) -> Outcome | Suspended:
    """Order the rerun of the step, watch the run, and return the outcome; `states` is the form of a state to keep."""
    given = await give_order(
        session, lambda run: RerunStep(run=run, payload=payload), before, key_at(session.key, before)
    )
    match given.answer:
        case Accepted(run=run):
            return await watch_run(session, Ordered(run=run, before=before, in_doubt=given.in_doubt), proofs, states)
        case _ if given.in_doubt:
            return await watch_run(session, Ordered(run=session.run, before=before, in_doubt=True), proofs, states)
        case Rejected():
            return outcome_of_rejection(session, given.answer)
        case NotSent(reason=reason) | Ambiguous(reason=reason):
            return session.not_healed(Code.NOT_HEALED, f"the engine could not be reached: {reason}")
        case EgressRefused(reason=reason):
            return Refused(code=Code.REFUSED, reason=reason)
        case _:
            assert_never(given.answer)
