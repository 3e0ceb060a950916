"""Rerun of the step with its repaired payload: checks the run, orders the step under one key, polls until proven."""

from datetime import timedelta
from functools import partial
from typing import Final, assert_never

from consumer.errors import DeadlinePassed
from consumer.heal.gate import run_permitted
from consumer.heal.schema_autofix import rules
from consumer.heal.schema_autofix.run_watch import (
    FailedAgain,
    GoesOn,
    Proven,
    RunUnchanged,
    RunWatch,
    WatchResult,
    is_superseded,
    pause,
)
from consumer.heal.schema_autofix.session import REPORTING_MARGIN, RepairSession
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
    RunRef,
    RunState,
)
from schemas.names import Code, Effect, StrategyName, Verdict

_MIN_WAIT: Final = timedelta(milliseconds=50)


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


async def run_again(session: RepairSession, document: Json, before: RunState, proofs: tuple[Proof, ...]) -> Outcome:
    """Order the rerun of the step with its repaired payload, watch the run, and return the outcome."""
    order = RerunStep(run=session.run, payload=Payload(document=document))
    answer, in_doubt = await _give_order(session, order, rules.key_at(session.key, before))
    match answer:
        case Accepted(run=run):
            return await _watch_run(session, run, before, proofs, in_doubt=in_doubt)
        case _ if in_doubt:
            return await _watch_run(session, session.run, before, proofs, in_doubt=True)
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


async def _watch_run(
    session: RepairSession, run: RunRef, before: RunState, proofs: tuple[Proof, ...], *, in_doubt: bool
) -> Outcome:
    watch = RunWatch(before=before, is_another_run=run.run_id != session.run.run_id)
    until = session.tools.monotonic() + session.limits.verify.total_seconds()
    n = 0
    while True:
        n += 1
        sight = watch.sees(await _observe_run(session, run))
        wait = min(pause(n), timedelta(seconds=max(0.0, until - session.tools.monotonic())))
        is_over = wait <= _MIN_WAIT or wait + session.limits.timeout >= session.gate.remaining()
        if isinstance(sight, Proven | FailedAgain) or is_over:
            return _outcome_of_watch(session, sight, proofs, in_doubt=in_doubt)
        await session.sleep(wait)


async def _observe_run(session: RepairSession, run: RunRef) -> RunState | LookFailed:
    try:
        return await session.look(run)
    except DeadlinePassed as passed:
        return LookFailed(reason=str(passed))


def _outcome_of_watch(
    session: RepairSession, sight: WatchResult, proofs: tuple[Proof, ...], *, in_doubt: bool
) -> Outcome:
    match sight:
        case Proven(why=why):
            return Healed(proofs=(*proofs, proof("run", Verdict.PASSED, why)), details=session.details)
        case FailedAgain(why=why):
            return session.not_healed(Code.NOT_HEALED, why, (*proofs, proof("run", Verdict.FAILED, why)))
        case GoesOn(why=why):
            return session.later(f"{why}: it is looked at again", effect_in_doubt=True)
        case RunUnchanged(why=why):
            return _outcome_if_unchanged(session, why, proofs, in_doubt=in_doubt)
        case _:
            assert_never(sight)


def _outcome_if_unchanged(session: RepairSession, why: str, proofs: tuple[Proof, ...], *, in_doubt: bool) -> Outcome:
    said = proof("run", Verdict.INCONCLUSIVE, why)
    if session.effect is Effect.UNSAFE:
        return session.unknown(f"the step may have been run again: {why}", (*proofs, said))
    told = "no answer to the order came" if in_doubt else "the engine took the order"
    if session.effect is not Effect.KEYED:  # a repeat does no harm
        return session.not_healed(Code.UNVERIFIED, f"{told}, and {why}", (*proofs, said))
    # Not counted as an attempt: the next heal sends the same key, so the step is rerun once, however late an order
    # gets through.
    return session.later(f"{told}, and {why}", effect_in_doubt=True)
