"""Running one strategy: inside its window, behind its gate, and with every end of it turned into an outcome."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final, Protocol

import structlog

from consumer.call import MAY_START
from consumer.errors import DeadlinePassed, LostClaim, RevokedClaim, TransientError
from consumer.heal.strategy import Strategy, Task
from consumer.model import AttemptId, Claim, Crashed, Healed, NotHealed, Outcome, Refused, RetryLater, Unknown
from schemas.names import Code, Effect, Verdict

log = structlog.get_logger(__name__)

_MOMENT: Final = timedelta(seconds=1)
_SHOWN: Final = 300


class Tenure(Protocol):
    """What a gate asks of the process's lease."""

    async def permit(self, claim: Claim, seen_at: float) -> float:
        """Wait until an effect may start; gives since when the claim is known to be this process's own."""
        ...

    def may_start(self, claim: Claim, seen_at: float) -> bool:
        """Tell whether an effect may start this very moment."""
        ...

    async def make_durable(self, claim: Claim) -> None:
        """Make durable that an effect begins which must not be repeated blindly."""
        ...


class Gate:
    """The gate of one claim.

    No effect starts past its deadline, after a decision has revoked it, or once another process may have it; none of an
    unsafe kind starts before its beginning is durable.
    """

    def __init__(self, claim: Claim, effect: Effect, tenure: Tenure, started: Callable[[AttemptId], None]) -> None:
        self._claim = claim
        self._effect = effect
        self._tenure = tenure
        self._seen_at = claim.sent_at
        self._started = started
        self.begun = False
        self._begun_before = False

    async def begin(self) -> None:
        """Allow one more effect, or raise DeadlinePassed, LostClaim or RevokedClaim."""
        is_durable = self._effect is not Effect.UNSAFE
        while True:
            self._seen_at = await self._tenure.permit(self._claim, self._seen_at)
            if not is_durable:
                await self._tenure.make_durable(self._claim)
                is_durable = True
            # After the awaits: a process that was stopped in one must see that its time is over.
            if self._left() <= 0:
                raise DeadlinePassed("the time in which this heal may act on its scope is over")
            if self.may_start():
                break
        self._begun_before, self.begun = self.begun, True
        self._started(self._claim.attempt_id)

    def unsent(self) -> None:
        """Take the last beginning back: not one byte of its effect was sent, and none will be."""
        self.begun = self._begun_before

    def may_start(self) -> bool:
        """Tell whether an effect that `begin` allowed may still start, this very moment."""
        return self._left() > 0 and self._tenure.may_start(self._claim, self._seen_at)

    def remaining(self) -> timedelta:
        """Time until every effect must have ended."""
        return timedelta(seconds=max(0.0, self._left()))

    def _left(self) -> float:
        return self._claim.deadline - time.monotonic()


async def run(strategy: Strategy, task: Task, gate: Gate) -> Outcome:
    """Run a strategy to an outcome.

    Raises
    ------
    LostClaim
        The claim is another's now; nothing of this heal may be written.

    """
    outcome = await _ended(strategy, task, gate)
    if isinstance(outcome, Healed) and (why := unproven(strategy, outcome)) is not None:
        log.error("healed_without_proof", strategy=strategy.name, why=why)
        reason = f"{strategy.name} says that it healed, and {why}"
        ended = _after_effect(task, reason) if gate.begun else NotHealed(code=Code.UNVERIFIED, reason=reason)
        told = replace(ended, proofs=outcome.proofs, details=outcome.details)
        return replace(told, spent=outcome.spent) if isinstance(told, NotHealed) else told
    return outcome


async def _ended(strategy: Strategy, task: Task, gate: Gate) -> Outcome:
    permitted = MAY_START.set(gate.may_start)
    try:
        async with asyncio.timeout(gate.remaining().total_seconds()):
            return await strategy.heal(task, gate)
    except LostClaim:
        raise
    except (DeadlinePassed, TimeoutError):
        return _out_of_time(task, gate)
    except RevokedClaim as error:
        return _after_effect(task, str(error)) if gate.begun else Refused(code=Code.DENIED, reason=str(error))
    except TransientError as error:
        # Ours, as a rule: the database did not make the beginning of an effect durable, so the effect was not sent.
        log.warning("heal_interrupted", strategy=strategy.name, effect_begun=gate.begun, error=str(error)[:_SHOWN])
        before = RetryLater(after=_MOMENT, reason="interrupted before anything was sent")
        return _after_effect(task, "interrupted after an effect had begun") if gate.begun else before
    except Exception as error:  # a strategy's bug must not stop the stream
        log.exception("strategy_crashed", strategy=strategy.name, effect_begun=gate.begun)
        reason = f"{strategy.name} crashed: {type(error).__name__}"
        return _after_effect(task, reason) if gate.begun else Crashed(reason=reason)
    finally:
        MAY_START.reset(permitted)


def unproven(strategy: Strategy, healed: Healed) -> str | None:
    """Say what a heal lacks to count as one: no oracle may deny it, and one of the strategy's own has to confirm it."""
    denied = [proof.oracle for proof in healed.proofs if proof.verdict is Verdict.FAILED]
    if denied:
        return f"{', '.join(denied)} says no"
    if any(proof.verdict is Verdict.PASSED and proof.oracle in strategy.oracles for proof in healed.proofs):
        return None
    return f"none of its oracles ({', '.join(strategy.oracles)}) has confirmed it"


def _out_of_time(task: Task, gate: Gate) -> Outcome:
    if gate.begun:
        reason = f"not ended within its window of {task.plan.intent.window.total_seconds():g} s"
        return _after_effect(task, reason, ill=True)
    return RetryLater(after=_MOMENT, reason="its window passed before anything was sent")


def _after_effect(task: Task, reason: str, *, ill: bool = False) -> Unknown | NotHealed:
    if task.plan.intent.effect is Effect.UNSAFE:
        return Unknown(reason=reason, ill=ill)
    # Repeating it does no harm, so nothing needs to be known of how far it came.
    return NotHealed(code=Code.UNVERIFIED, reason=reason, ill=ill)
