"""One heal under way, whatever its strategy: its task and gate, its dependency's health, and how it may end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from consumer.catalog import WorkflowPolicy
from consumer.errors import DeadlinePassed
from consumer.heal.strategy import EffectGate, Task
from consumer.model import JsonObject, NotHealed, Proof, RetryLater, Unknown
from schemas.names import Code, Effect, Verdict

SECOND: Final = timedelta(seconds=1)
NO_TIME: Final = timedelta(0)
_DETAIL: Final = 200


@dataclass(slots=True, kw_only=True)
class HealSession:
    """What a strategy extends by what it reads of the context and by what it remembers of its course."""

    task: Task
    gate: EffectGate
    pause: Callable[[float], Awaitable[None]]
    """Sleeps so many seconds; passed in, so that a test's time passes at once."""
    dependency_unhealthy: bool = False
    """Of the last answer of the heal's own dependency, or its absence."""

    @property
    def policy(self) -> WorkflowPolicy:
        """What may be done for its workflow."""
        return self.task.policy

    @property
    def effect(self) -> Effect:
        """What its effect does when it happens twice."""
        return self.task.plan.intent.effect

    @property
    def details(self) -> JsonObject:
        """What has happened so far, for the attempt."""
        return {}

    def within(self, limit: timedelta, *, spare: timedelta = NO_TIME) -> timedelta:
        """Bound one call by its own limit and by the claim's time, less what is spared for what comes after it.

        Raises
        ------
        DeadlinePassed
            The claim's time is over: nothing may be sent.

        """
        remaining = self.gate.remaining() - spare
        if remaining <= NO_TIME:
            raise DeadlinePassed("the claim's time is over before the call: nothing was sent")
        return min(limit, remaining)

    async def sleep(self, wait: timedelta) -> None:
        """Wait in the slot."""
        await self.pause(wait / SECOND)

    def not_healed(self, code: Code, reason: str, proofs: tuple[Proof, ...] = ()) -> NotHealed:
        """End as known not to have healed, or not proven to."""
        return NotHealed(
            code=code,
            reason=reason,
            proofs=proofs,
            details=self.details,
            dependency_unhealthy=self.dependency_unhealthy,
        )

    def unknown(self, reason: str, proofs: tuple[Proof, ...] = ()) -> Unknown:
        """End with an effect of ours that may have happened."""
        return Unknown(
            reason=reason, proofs=proofs, details=self.details, dependency_unhealthy=self.dependency_unhealthy
        )

    def retry_later(self, after: timedelta, reason: str, *, effect_in_doubt: bool = False) -> RetryLater:
        """End for now; with an effect in doubt whoever goes on finds out whether it happened."""
        return RetryLater(
            after=after,
            reason=reason,
            details=self.details,
            dependency_unhealthy=self.dependency_unhealthy,
            effect_in_doubt=effect_in_doubt,
        )


def proof(oracle: str, verdict: Verdict, detail: str) -> Proof:
    """Make a proof of bounded size."""
    return Proof(oracle=oracle, verdict=verdict, detail=detail.replace("\0", "\ufffd")[:_DETAIL])
