"""The effect gate of one claim, and the retry of an effect that lost its permission before its first byte."""

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol, TypeVar

from consumer.errors import DeadlinePassed
from consumer.heal.strategy import EffectGate
from consumer.model import AttemptId, Claim
from consumer.model.call import NOT_PERMITTED, NotSent
from schemas.names import Effect


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


ResultT = TypeVar("ResultT")


async def permitted(gate: EffectGate, act: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Begin an effect and make it; raises as `gate.begin`.

    A process that stood still between the gate's yes and the first byte has sent nothing, and that is no try: it asks
    again, and waits until it may start, or learns why it may not. The heal's own window bounds it.
    """
    while True:
        await gate.begin()
        result = await act()
        if not (isinstance(result, NotSent) and result.kind == NOT_PERMITTED):
            return result
        gate.unsent()
