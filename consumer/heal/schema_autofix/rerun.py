"""Rerun of the step with its repaired payload: checks the run, orders the step under one key, and has it watched."""

from functools import partial
from typing import assert_never

from consumer.heal.gate import run_permitted
from consumer.heal.kept import Suspended
from consumer.heal.schema_autofix import rules
from consumer.heal.schema_autofix.run_watch import is_superseded
from consumer.heal.schema_autofix.session import REPORTING_MARGIN, RepairSession
from consumer.heal.schema_autofix.watching import Ordered, watch_run
from consumer.heal.session import proof
from consumer.model import Healed, Json, Outcome, Proof, Refused
from consumer.model.call import Ambiguous, EgressRefused, NotSent
from consumer.runners.contract import (
    Accepted,
    LookFailed,
    OrderResult,
    Payload,
    Phase,
    Rejected,
    RerunStep,
    RunState,
)
from schemas.names import Code, Effect, StrategyName, Verdict


async def check_run_first(session: RepairSession) -> Outcome | RunState:
    """Look at the run before the order: return the outcome if it is no longer where it failed, else its state.

    Where the state is returned, the step may be ordered.
    """
    seen = await session.look(session.run)
    if isinstance(seen, LookFailed):
        reason = f"where the run stands cannot be seen: {seen.reason}: nothing was sent"
        return session.later(reason, seen.after) if seen.after else session.not_healed(Code.NOT_HEALED, reason)
    match seen.phase:
        case Phase.SUCCEEDED:
            return _outcome_of_success(session, seen)
        case Phase.RUNNING:
            return session.later(f"the run is under way ({seen.said[:60]}): it is not touched")
        case Phase.WAITING:
            return session.later(f"the run waits for a person or a time ({seen.said[:60]}): it is not touched")
        case Phase.GONE:
            return Refused(code=Code.REFUSED, reason="the engine does not know the run: nothing is left to run again")
        case Phase.FAILED:
            return _check_order(session, seen)
        case _:
            assert_never(seen.phase)


def _outcome_of_success(session: RepairSession, seen: RunState) -> Healed:
    ladder_progress = session.task.failure.ladder_progress
    acted = session.task.failure.effect_in_doubt or ladder_progress.attempts.get(StrategyName.SCHEMA_AUTOFIX, 0) > 0
    said = proof("run", Verdict.PASSED, f"the run has ended well: the engine says {seen.said[:60]!r}")
    return Healed(code=None if acted else Code.RECOVERED, proofs=(said,), details=session.details)


def _check_order(session: RepairSession, seen: RunState) -> Outcome | RunState:
    if is_superseded(session.run, seen):
        reason = f"the run is at epoch {seen.epoch} by now, and this failure is of epoch {session.run.epoch}"
        return Refused(code=Code.REFUSED, reason=f"{reason}: its own failure is the one to heal")
    if session.task.failure.effect_in_doubt and session.effect is Effect.UNSAFE:
        return session.unknown(
            "the run stands at a failure, and an order before may still be carried out: not repeated"
        )
    return seen


async def run_again(
    session: RepairSession, document: Json, before: RunState, proofs: tuple[Proof, ...]
) -> Outcome | Suspended:
    """Order the rerun of the step with its repaired payload, watch the run, and return the outcome."""
    order = RerunStep(run=session.run, payload=Payload(document=document))
    answer, in_doubt = await _give_order(session, order, rules.key_at(session.key, before))
    match answer:
        case Accepted(run=run):
            return await watch_run(session, Ordered(run=run, before=before, in_doubt=in_doubt), proofs)
        case _ if in_doubt:
            return await watch_run(session, Ordered(run=session.run, before=before, in_doubt=True), proofs)
        case Rejected():
            return _outcome_of_rejection(session, answer)
        case NotSent(reason=reason) | Ambiguous(reason=reason):
            return session.not_healed(Code.NOT_HEALED, f"the engine could not be reached: {reason}")
        case EgressRefused(reason=reason):
            return Refused(code=Code.REFUSED, reason=reason)
        case _:
            assert_never(answer)


async def _give_order(session: RepairSession, order: RerunStep, key: str) -> tuple[OrderResult, bool]:
    """Send an order until it is answered; returns also whether one whose answer was lost may have been executed."""
    in_doubt = False
    for n in range(1, rules.MAX_SENDS + 1):
        within = session.call_time()
        answer = await run_permitted(
            session.gate, partial(session.runner.give, order, session.task.policy, key=key, within=within)
        )
        in_doubt = in_doubt or isinstance(answer, Ambiguous)
        _record_order(session, n, answer)
        stops = not isinstance(answer, NotSent | Ambiguous) or (in_doubt and session.effect is Effect.UNSAFE)
        if stops or n == rules.MAX_SENDS or session.gate.remaining() <= rules.PAUSE + 2 * REPORTING_MARGIN:
            break
        await session.sleep(rules.PAUSE)
    return answer, in_doubt and not isinstance(answer, Accepted)


def _record_order(session: RepairSession, n: int, answer: OrderResult) -> None:
    said = answer.said if isinstance(answer, Accepted) else answer.reason
    session.orders.append({"n": n, "answer": type(answer).__name__, "said": said[:200]})
    is_unhealthy = isinstance(answer, NotSent | Ambiguous) or (
        isinstance(answer, Rejected) and answer.dependency_unhealthy
    )
    session.dependency_unhealthy = is_unhealthy


def _outcome_of_rejection(session: RepairSession, answer: Rejected) -> Outcome:
    if answer.after is not None:
        return session.later(f"the engine asks to be left alone: {answer.reason}", answer.after)
    if answer.conflict:
        return session.later(f"the run has moved on: {answer.reason}")
    return session.not_healed(Code.NOT_HEALED, f"the engine does not run the step again: {answer.reason}")
