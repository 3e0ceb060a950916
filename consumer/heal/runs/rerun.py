"""Rerun of a step: orders it under one key, with its old input or a new one, and has the run watched."""

from consumer.heal.digest import digest
from consumer.heal.kept import Suspended
from consumer.heal.refusals import redacted_part
from consumer.heal.runs.ordering import give_order, outcome_of_refused_order
from consumer.heal.runs.session import RunSession
from consumer.heal.runs.watching import Ordered, WatchState, watch_run
from consumer.model import Failure, Json, Outcome, Proof
from consumer.model.identity import uuid5_from_bytes
from consumer.runners.contract import Accepted, Payload, RerunStep, RunRef, RunState
from schemas.context import RunContext, run_of


def run_ref(failure: Failure, run: RunContext) -> RunRef:
    """Build the reference by which the engine knows the run."""
    return RunRef(
        org_id=str(failure.org_id), workflow_name=failure.workflow_name, run_id=run.id, epoch=run.epoch, step=run.step
    )


def run_of_failure(failure: Failure) -> RunRef | None:
    """Return the run that a failure names."""
    run = run_of(failure.context)
    return run_ref(failure, run) if isinstance(run, RunContext) else None


def redacted_run(failure: Failure) -> str | None:
    """Return why a failure is refused where redaction touched its run, or None."""
    return redacted_part(failure, ("run",), "no run's id is a secret")


def given_input(failure: Failure) -> Payload | None:
    """Return the input that a person gave the failed step in place of the one it failed with; None where none did."""
    given = failure.context.get("given")
    is_given = isinstance(given, dict) and "payload" in given and "payload" in failure.context
    return Payload(document=failure.context["payload"]) if is_given else None


def redacted_input(failure: Failure) -> str | None:
    """Return why a failure is refused where redaction touched the input that was given, or None."""
    return None if given_input(failure) is None else redacted_part(failure, ("payload",), "give it without a secret")


def with_input(order: str, failure: Failure) -> str:
    """Return the name of an order for its key: another input makes it another order."""
    given = given_input(failure)
    return order if given is None else f"{order}:{digest(given.document)[:12]}"


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
        case _:
            return outcome_of_refused_order(session, given.answer)
