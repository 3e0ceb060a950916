"""Runs one strategy within its window and behind its effect gate, and maps every result or exception to an outcome."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import random
from typing import Final

import structlog

from consumer.errors import (
    DeadlinePassed,
    HealingPaused,
    LostClaim,
    NoWorkerFree,
    OwnFault,
    RevokedClaim,
    TransientError,
    own_fault,
)
from consumer.heal.gate import Gate
from consumer.heal.idle import GIVE_BACK
from consumer.heal.kept import Kept, Suspended, UnkeepableState, encode_state
from consumer.heal.strategy import LastingStrategy, Strategy, Task
from consumer.model import Crashed, Healed, MicroAud, NotHealed, Outcome, Refused, RetryLater, Unknown
from consumer.model.call import MAY_START
from consumer.model.suspension import SuspendedHeal
from consumer.outbound.answer_room import holding_answers
from schemas.names import Code, Effect, Verdict

log = structlog.get_logger(__name__)

_SHORT_WAIT: Final = timedelta(seconds=1)
_WORKER_WAIT: Final = timedelta(seconds=5)
_OWN_FAULT_WAIT: Final = timedelta(seconds=5)
"""Long enough for connections to end and memory to come free; the failures of one moment come back spread over it."""
_INTERRUPTED_WAIT: Final = timedelta(minutes=1)
"""After which a heal goes on from its state that broke, or ran out of time, in the middle."""
_PAUSED_LOOK: Final = timedelta(seconds=10)
"""Time until a suspended heal that a pause holds asks again."""
_MAX_ERROR_TEXT: Final = 300


def _count_nothing(_: OwnFault) -> None:
    return


async def run(
    strategy: Strategy, task: Task, gate: Gate, count_fault: Callable[[OwnFault], None] = _count_nothing
) -> Outcome | SuspendedHeal:
    """Run a strategy to an outcome, or until it suspends; `count_fault` is called where a fault of our own ended it.

    What has kept a state is not ended by an interruption: it is suspended, and goes on from there.

    Raises
    ------
    LostClaim
        The claim is another's now; nothing of this heal may be written.

    """
    gate.states = strategy.states if isinstance(strategy, LastingStrategy) else ()
    with holding_answers():
        outcome = _tell_kept(await _run_in_window(strategy, task, gate, count_fault), gate)
    if not isinstance(outcome, SuspendedHeal) and gate.charged:
        outcome = replace(outcome, spent=MicroAud(outcome.spent + gate.charged))
    if isinstance(outcome, Healed) and (why := unproven(strategy, outcome)) is not None:
        log.error("healed_without_proof", strategy=strategy.name, why=why)
        reason = f"{strategy.name} says that it healed, and {why}"
        ended = _after_effect(task, reason) if gate.begun else NotHealed(code=Code.UNVERIFIED, reason=reason)
        return replace(ended, proofs=outcome.proofs, details=outcome.details, spent=outcome.spent)
    return outcome


async def _run_in_window(
    strategy: Strategy, task: Task, gate: Gate, count_fault: Callable[[OwnFault], None]
) -> Outcome | SuspendedHeal:
    permitted, given_back = MAY_START.set(gate.may_start), GIVE_BACK.set(gate.give_back)
    try:
        async with asyncio.timeout(gate.remaining().total_seconds()):
            return _checked(strategy, task, await _act(strategy, task, gate), gate)
    except LostClaim:
        raise
    except Exception as error:  # noqa: BLE001 - a strategy's bug must not stop the stream
        interrupted = _outcome_of_error(strategy, task, gate, error, count_fault)
        if isinstance(error, HealingPaused):
            return _suspend_for_pause(strategy, gate, interrupted.reason) or interrupted
        return _go_on_later(strategy, task, gate, interrupted.reason) or interrupted
    finally:
        gate.close()
        MAY_START.reset(permitted)
        GIVE_BACK.reset(given_back)


def _outcome_of_error(
    strategy: Strategy, task: Task, gate: Gate, error: Exception, count_fault: Callable[[OwnFault], None]
) -> NotHealed | RetryLater | Refused | Crashed | Unknown:
    match error:
        case DeadlinePassed() | TimeoutError():
            return _out_of_time(task, gate)
        case HealingPaused():
            return _paused(task, gate, error)
        case RevokedClaim():
            return _after_effect(task, str(error)) if gate.begun else Refused(code=Code.DENIED, reason=str(error))
        case NoWorkerFree():
            return _without_worker(task, gate, error)
    if (fault := own_fault(error)) is not None:
        count_fault(fault)
        return _out_of_resources(task, gate, fault)
    return _interrupted(strategy, task, gate, error)


async def _act(strategy: Strategy, task: Task, gate: Gate) -> Outcome | Suspended:
    """Begin a heal, or go on with one from what it has kept."""
    kept = task.kept
    if kept is None:
        return await strategy.heal(task, gate)
    if not isinstance(strategy, LastingStrategy):
        raise TypeError(f"{strategy.name} keeps no state")
    if kept.revoked:
        return await strategy.cancel(task, gate, kept)
    if kept.suspended_for >= strategy.longest_suspension:
        return strategy.too_long(task, kept)
    return await strategy.go_on(task, gate, kept)


def _checked(strategy: Strategy, task: Task, ended: object, gate: Gate) -> Outcome | SuspendedHeal:
    """Return how a run ended: a strategy that forgets to, or hands over what cannot be written, has a bug."""
    if isinstance(ended, Outcome):
        return ended
    if not isinstance(ended, Suspended):
        raise TypeError(f"{strategy.name} ended a heal as {type(ended).__name__}, which is no outcome")
    if not isinstance(strategy, LastingStrategy):
        raise TypeError(f"{strategy.name} suspends a heal, and cannot go on with it")
    if not (isinstance(ended.look_again, timedelta) and isinstance(ended.reason, str)):
        raise TypeError(f"{strategy.name} suspends a heal without a time to look again, or a reason in words")
    if task.kept is not None and _is_to_end(strategy, task.kept):
        raise TypeError(f"{strategy.name} suspends a heal that is to be ended")
    return SuspendedHeal(
        state=replace(encode_state(ended.state, strategy.states), charged=gate.charged),
        look_again=min(max(timedelta(0), ended.look_again), strategy.longest_suspension),
        longest=strategy.longest_suspension,
        reason=ended.reason,
        dependency_unhealthy=ended.dependency_unhealthy,
    )


def _is_to_end(strategy: LastingStrategy, kept: Kept) -> bool:
    """Return whether a heal is ended by a person's decision, or for its time."""
    return kept.revoked or kept.suspended_for >= strategy.longest_suspension


def _tell_kept(ended: Outcome | SuspendedHeal, gate: Gate) -> Outcome | SuspendedHeal:
    """Tell what a heal has kept where its end is not known: a person looks for that at the other system."""
    match ended:
        case Unknown() | NotHealed(code=Code.UNVERIFIED) if gate.kept is not None:
            return replace(ended, details={**ended.details, "kept": gate.kept.content})
        case _:
            return ended


def _paused(task: Task, gate: Gate, error: HealingPaused) -> RetryLater | Unknown:
    effect = task.plan.intent.effect
    if gate.begun and effect is Effect.UNSAFE:
        return Unknown(reason=f"an effect had begun, and its window ended in a pause: {error}")
    return RetryLater(
        after=timedelta(0), reason=str(error), effect_in_doubt=gate.begun and effect is Effect.KEYED, pause=error.gate
    )


def _suspend_for_pause(strategy: Strategy, gate: Gate, reason: str) -> SuspendedHeal | None:
    """Suspend a heal that has kept a state for as long as a pause holds: that is no part of its longest suspension."""
    if gate.kept is None or not isinstance(strategy, LastingStrategy):
        return None
    if gate.begun_since and gate.is_unsafe:
        return None
    return SuspendedHeal(
        state=gate.kept,
        look_again=_PAUSED_LOOK,
        longest=strategy.longest_suspension,
        reason=reason,
        begun_since=gate.begun_since,
        paused=True,
    )


def _go_on_later(strategy: Strategy, task: Task, gate: Gate, reason: str) -> SuspendedHeal | None:
    """Suspend a heal that was interrupted, with the state that it has kept; None where that cannot tell how it stands.

    Where an effect without a key may have begun since, only its end as unknown is right. What is to be ended, by a
    decision or for its time, is not put off once more.
    """
    if gate.kept is None or not isinstance(strategy, LastingStrategy):
        return None
    if task.kept is not None and _is_to_end(strategy, task.kept):
        return None
    if gate.begun_since and task.plan.intent.effect is Effect.UNSAFE:
        return None
    return SuspendedHeal(
        state=gate.kept,
        look_again=_INTERRUPTED_WAIT,
        longest=strategy.longest_suspension,
        reason=reason,
        begun_since=gate.begun_since,
    )


def _interrupted(
    strategy: Strategy, task: Task, gate: Gate, error: Exception
) -> NotHealed | RetryLater | Crashed | Unknown:
    if isinstance(error, TransientError):
        # Usually our database: it did not make the beginning of an effect durable, so the effect was not sent.
        log.warning(
            "heal_interrupted", strategy=strategy.name, effect_begun=gate.begun, error=str(error)[:_MAX_ERROR_TEXT]
        )
        before = RetryLater(after=_SHORT_WAIT, reason="interrupted before anything was sent")
        return _after_effect(task, "interrupted after an effect had begun") if gate.begun else before
    log.error("strategy_crashed", strategy=strategy.name, effect_begun=gate.begun, exc_info=error)
    why = str(error)[:_MAX_ERROR_TEXT] if isinstance(error, UnkeepableState) else type(error).__name__
    reason = f"{strategy.name} crashed: {why}"
    return _after_effect(task, reason) if gate.begun else Crashed(reason=reason)


def unproven(strategy: Strategy, healed: Healed) -> str | None:
    """Return why a reported heal is not proven, or None.

    No oracle may deny it, and one of the strategy's own oracles has to confirm it.
    """
    denied = [proof.oracle for proof in healed.proofs if proof.verdict is Verdict.FAILED]
    if denied:
        return f"{', '.join(denied)} says no"
    if any(proof.verdict is Verdict.PASSED and proof.oracle in strategy.oracles for proof in healed.proofs):
        return None
    return f"none of its oracles ({', '.join(strategy.oracles)}) has confirmed it"


def _out_of_time(task: Task, gate: Gate) -> NotHealed | RetryLater | Unknown:
    if gate.begun:
        reason = f"not ended within its window of {task.plan.intent.window.total_seconds():g} s"
        return _after_effect(task, reason, dependency_unhealthy=True)
    return RetryLater(after=_SHORT_WAIT, reason="its window passed before anything was sent")


def _without_worker(task: Task, gate: Gate, error: NoWorkerFree) -> NotHealed | RetryLater | Unknown:
    """Come again later: what is not judged for want of a worker counts against nobody."""
    log.warning("heal_without_worker", effect_begun=gate.begun, error=str(error)[:_MAX_ERROR_TEXT])
    if gate.begun and task.plan.intent.effect is Effect.UNSAFE:
        return Unknown(reason=f"an effect had begun, and its answer could not be judged: {error}")
    return RetryLater(after=_WORKER_WAIT, reason=str(error), effect_in_doubt=gate.begun)


def _out_of_resources(task: Task, gate: Gate, fault: OwnFault) -> NotHealed | RetryLater | Unknown:
    """End a heal that this process could not carry out: put off, at nobody's expense, unless its effect is in doubt."""
    log.error("own_fault", fault=fault, failure_id=str(task.failure.id), effect_begun=gate.begun)
    reason = f"the healer itself is out of {fault.replace('_', ' ')}: this counts against nobody"
    after = _OWN_FAULT_WAIT * (1 + random())  # noqa: S311 - jitter
    if not gate.begun:
        return RetryLater(after=after, reason=reason)
    if task.plan.intent.effect is Effect.UNSAFE:
        return Unknown(reason=reason)
    # The effect may be made once more, and under the same key where it has one.
    return RetryLater(after=after, reason=reason, effect_in_doubt=task.plan.intent.effect is Effect.KEYED)


def _after_effect(task: Task, reason: str, *, dependency_unhealthy: bool = False) -> Unknown | NotHealed:
    if task.plan.intent.effect is Effect.UNSAFE:
        return Unknown(reason=reason, dependency_unhealthy=dependency_unhealthy)
    # A repeat does no harm, so it does not matter how far the effect got.
    return NotHealed(code=Code.UNVERIFIED, reason=reason, dependency_unhealthy=dependency_unhealthy)
