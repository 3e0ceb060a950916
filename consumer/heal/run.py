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
    LostClaim,
    NoWorkerFree,
    OwnFault,
    RevokedClaim,
    TransientError,
    own_fault,
)
from consumer.heal.gate import Gate
from consumer.heal.idle import GIVE_BACK
from consumer.heal.strategy import Strategy, Task
from consumer.model import Crashed, Healed, NotHealed, Outcome, Refused, RetryLater, Unknown
from consumer.model.call import MAY_START
from consumer.outbound.answer_room import holding_answers
from schemas.names import Code, Effect, Verdict

log = structlog.get_logger(__name__)

_SHORT_WAIT: Final = timedelta(seconds=1)
_WORKER_WAIT: Final = timedelta(seconds=5)
_OWN_FAULT_WAIT: Final = timedelta(seconds=5)
"""Long enough for connections to end and memory to come free; the failures of one moment come back spread over it."""
_MAX_ERROR_TEXT: Final = 300


def _count_nothing(_: OwnFault) -> None:
    return


async def run(
    strategy: Strategy, task: Task, gate: Gate, count_fault: Callable[[OwnFault], None] = _count_nothing
) -> Outcome:
    """Run a strategy to an outcome; `count_fault` is called where it ended by a fault of our own.

    Raises
    ------
    LostClaim
        The claim is another's now; nothing of this heal may be written.

    """
    with holding_answers():
        outcome = await _run_in_window(strategy, task, gate, count_fault)
    if isinstance(outcome, Healed) and (why := unproven(strategy, outcome)) is not None:
        log.error("healed_without_proof", strategy=strategy.name, why=why)
        reason = f"{strategy.name} says that it healed, and {why}"
        ended = _after_effect(task, reason) if gate.begun else NotHealed(code=Code.UNVERIFIED, reason=reason)
        told = replace(ended, proofs=outcome.proofs, details=outcome.details)
        return replace(told, spent=outcome.spent) if isinstance(told, NotHealed) else told
    return outcome


async def _run_in_window(
    strategy: Strategy, task: Task, gate: Gate, count_fault: Callable[[OwnFault], None]
) -> Outcome:
    permitted, given_back = MAY_START.set(gate.may_start), GIVE_BACK.set(gate.give_back)
    try:
        async with asyncio.timeout(gate.remaining().total_seconds()):
            return await strategy.heal(task, gate)
    except LostClaim:
        raise
    except (DeadlinePassed, TimeoutError):
        return _out_of_time(task, gate)
    except RevokedClaim as error:
        return _after_effect(task, str(error)) if gate.begun else Refused(code=Code.DENIED, reason=str(error))
    except NoWorkerFree as error:
        return _without_worker(task, gate, error)
    except Exception as error:  # noqa: BLE001 - a strategy's bug must not stop the stream
        if (fault := own_fault(error)) is not None:
            count_fault(fault)
            return _out_of_resources(task, gate, fault)
        return _interrupted(strategy, task, gate, error)
    finally:
        MAY_START.reset(permitted)
        GIVE_BACK.reset(given_back)


def _interrupted(strategy: Strategy, task: Task, gate: Gate, error: Exception) -> Outcome:
    if isinstance(error, TransientError):
        # Usually our database: it did not make the beginning of an effect durable, so the effect was not sent.
        log.warning(
            "heal_interrupted", strategy=strategy.name, effect_begun=gate.begun, error=str(error)[:_MAX_ERROR_TEXT]
        )
        before = RetryLater(after=_SHORT_WAIT, reason="interrupted before anything was sent")
        return _after_effect(task, "interrupted after an effect had begun") if gate.begun else before
    log.error("strategy_crashed", strategy=strategy.name, effect_begun=gate.begun, exc_info=error)
    reason = f"{strategy.name} crashed: {type(error).__name__}"
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


def _out_of_time(task: Task, gate: Gate) -> Outcome:
    if gate.begun:
        reason = f"not ended within its window of {task.plan.intent.window.total_seconds():g} s"
        return _after_effect(task, reason, dependency_unhealthy=True)
    return RetryLater(after=_SHORT_WAIT, reason="its window passed before anything was sent")


def _without_worker(task: Task, gate: Gate, error: NoWorkerFree) -> Outcome:
    """Come again later: what is not judged for want of a worker counts against nobody."""
    log.warning("heal_without_worker", effect_begun=gate.begun, error=str(error)[:_MAX_ERROR_TEXT])
    if gate.begun and task.plan.intent.effect is Effect.UNSAFE:
        return Unknown(reason=f"an effect had begun, and its answer could not be judged: {error}")
    return RetryLater(after=_WORKER_WAIT, reason=str(error), effect_in_doubt=gate.begun)


def _out_of_resources(task: Task, gate: Gate, fault: OwnFault) -> Outcome:
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
