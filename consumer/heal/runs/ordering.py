"""Gives one order to a run's engine under one key, and maps what comes of it; a conditional one only after a look."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final, assert_never

from consumer.heal.gate import run_permitted
from consumer.heal.runs.session import REPORTING_MARGIN, RunSession
from consumer.model import Outcome, Refused
from consumer.model.call import Ambiguous, EgressRefused, NotSent
from consumer.runners.contract import Accepted, LookFailed, Order, OrderResult, Rejected, RunRef, RunState
from schemas.names import Code, Effect

MAX_SENDS: Final = 3
"""Most times that one order is sent, under one key, where its answer is lost."""
PAUSE: Final = timedelta(seconds=1)
"""Wait before an order is sent again."""
_UNSEEN: Final = "Unseen"
MakeOrder = Callable[[RunRef], Order]
"""Makes the order for a run, whose reference carries the fence of the look before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The last answer to an order, and whether one whose answer was lost may have been executed."""

    answer: OrderResult
    in_doubt: bool


def claim_effect(order_effect: Effect) -> Effect:
    """Return the effect class under which an order's claim is held.

    A conditional order is none that may be repeated blindly: its beginning is made durable, and whoever comes after a
    crash looks first. So it is held as an unsafe one whose effect can be read back.
    """
    return Effect.UNSAFE if order_effect is Effect.CONDITIONAL else order_effect


def stands_as(before: RunState, seen: RunState) -> bool:
    """Return whether a run still stands where a look before saw it."""
    return (before.phase, before.epoch, before.progress, before.fence) == (
        seen.phase,
        seen.epoch,
        seen.progress,
        seen.fence,
    )


async def give_order(
    session: RunSession, make: MakeOrder, before: RunState, key: str, still: Callable[[RunState], bool] | None = None
) -> Given:
    """Send an order until it is answered. `before` is the state that it is based on; `still` replaces `stands_as`.

    What is unsafe or conditional is sent once: whether a lost answer hides an effect is for a later look to say.
    """
    in_doubt = False
    for n in range(1, MAX_SENDS + 1):
        within = session.call_time()  # before the gate: where it is too late, nothing has begun
        if session.order_effect is Effect.CONDITIONAL:
            act = partial(_look_and_give, session, make, before, key, still)
        else:
            act = partial(_give, session, make, before, key, within)
        answer = await run_permitted(session.gate, act)
        if isinstance(answer, NotSent) and answer.kind == _UNSEEN:
            session.gate.unsent()
        in_doubt = in_doubt or isinstance(answer, Ambiguous)
        _record_order(session, n, answer)
        stops = not isinstance(answer, NotSent | Ambiguous) or (
            in_doubt and claim_effect(session.order_effect) is Effect.UNSAFE
        )
        if stops or n == MAX_SENDS or session.gate.remaining() <= PAUSE + 2 * REPORTING_MARGIN:
            break
        await session.sleep(PAUSE)
    return Given(answer=answer, in_doubt=in_doubt and not isinstance(answer, Accepted))


async def _look_and_give(
    session: RunSession, make: MakeOrder, before: RunState, key: str, still: Callable[[RunState], bool] | None
) -> OrderResult:
    seen = await session.look(session.run)
    if isinstance(seen, LookFailed):
        return NotSent(kind=_UNSEEN, reason=f"right before the order: {seen.reason}", elapsed=timedelta(0))
    stands = stands_as(before, seen) if still is None else still(seen)
    if not stands:
        session.gate.unsent()
        return Rejected(reason=f"right before the order the run stood elsewhere ({seen.said[:60]})", conflict=True)
    return await _give(session, make, seen, key, session.call_time())


async def _give(session: RunSession, make: MakeOrder, seen: RunState, key: str, within: timedelta) -> OrderResult:
    order = make(replace(session.run, fence=seen.fence))
    return await session.runner.give(order, session.policy, key=key, within=within)


def outcome_of_rejection(session: RunSession, answer: Rejected) -> Outcome:
    """Return the outcome of a heal whose order the engine did not take."""
    if answer.after is not None:
        return session.later(f"the engine asks to be left alone: {answer.reason}", answer.after)
    if answer.conflict:
        return session.later(f"the run has moved on: {answer.reason}")
    return session.not_healed(Code.NOT_HEALED, f"the engine does not take the order: {answer.reason}")


def outcome_of_refused_order(session: RunSession, answer: Rejected | NotSent | Ambiguous | EgressRefused) -> Outcome:
    """Return the outcome of a heal whose order the engine does not have: not taken, not sent, or not allowed."""
    match answer:
        case Rejected():
            return outcome_of_rejection(session, answer)
        case NotSent(reason=reason) | Ambiguous(reason=reason):
            return session.not_healed(Code.NOT_HEALED, f"the engine could not be reached: {reason}")
        case EgressRefused(reason=reason):
            return Refused(code=Code.REFUSED, reason=reason)
        case _:
            assert_never(answer)


def _record_order(session: RunSession, n: int, answer: OrderResult) -> None:
    said = answer.said if isinstance(answer, Accepted) else answer.reason
    session.orders.append({"n": n, "answer": type(answer).__name__, "said": said[:200]})
    is_unhealthy = isinstance(answer, NotSent | Ambiguous) or (
        isinstance(answer, Rejected) and answer.dependency_unhealthy
    )
    session.dependency_unhealthy = is_unhealthy
