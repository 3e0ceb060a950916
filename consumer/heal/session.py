"""Session of one heal, shared by all strategies: its task and gate, its dependency's health, and its outcomes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from consumer.catalog import WorkflowPolicy
from consumer.errors import DeadlinePassed
from consumer.heal.idle import wait_idle
from consumer.heal.strategy import EffectGate, Task
from consumer.model import JsonObject, NotHealed, Proof, RetryLater, Unknown
from schemas.names import Code, Effect, Verdict

SECOND: Final = timedelta(seconds=1)
NO_TIME: Final = timedelta(0)
_MAX_DETAIL: Final = 200


@dataclass(slots=True, kw_only=True)
class HealSession:
    """Base of a strategy's session, which adds the parsed context and what the heal has done so far."""

    task: Task
    gate: EffectGate
    pause: Callable[[float], Awaitable[None]]
    """Sleeps for a number of seconds; injected, so that a test's time passes at once."""
    dependency_unhealthy: bool = False
    """Whether the last call to the heal's own dependency counts against it: by its answer, or for want of one."""

    @property
    def policy(self) -> WorkflowPolicy:
        """The catalog's policy of its workflow."""
        return self.task.policy

    @property
    def effect(self) -> Effect:
        """The effect class of its intent: what its effect does when it happens twice."""
        return self.task.plan.intent.effect

    @property
    def details(self) -> JsonObject:
        """What has happened so far, for the attempt's details."""
        return {}

    def within(self, limit: timedelta, *, spare: timedelta = NO_TIME) -> timedelta:
        """Return the timeout of one call: its own limit, or the claim's remaining time less `spare` for what follows.

        Raises
        ------
        DeadlinePassed
            The claim's deadline has passed: nothing may be sent.

        """
        remaining = self.gate.remaining() - spare
        if remaining <= NO_TIME:
            raise DeadlinePassed("the claim's time is over before the call: nothing was sent")
        return min(limit, remaining)

    async def sleep(self, wait: timedelta) -> None:
        """Wait; the scope stays claimed, the slot and the dependency's room are given back meanwhile."""
        await wait_idle(self.pause, wait, dependency_unhealthy=self.dependency_unhealthy)

    def not_healed(self, code: Code, reason: str, proofs: tuple[Proof, ...] = ()) -> NotHealed:
        """Build the outcome of a heal that is known to have failed, or is not proven."""
        return NotHealed(
            code=code,
            reason=reason,
            proofs=proofs,
            details=self.details,
            dependency_unhealthy=self.dependency_unhealthy,
        )

    def unknown(self, reason: str, proofs: tuple[Proof, ...] = ()) -> Unknown:
        """Build the outcome of a heal whose effect may have happened."""
        return Unknown(
            reason=reason, proofs=proofs, details=self.details, dependency_unhealthy=self.dependency_unhealthy
        )

    def retry_later(self, after: timedelta, reason: str, *, effect_in_doubt: bool = False) -> RetryLater:
        """Build the outcome to go on later; with an effect in doubt the next heal finds out whether it happened."""
        return RetryLater(
            after=after,
            reason=reason,
            details=self.details,
            dependency_unhealthy=self.dependency_unhealthy,
            effect_in_doubt=effect_in_doubt,
        )


def proof(oracle: str, verdict: Verdict, detail: str) -> Proof:
    """Build a proof of bounded size."""
    return Proof(oracle=oracle, verdict=verdict, detail=detail.replace("\0", "\ufffd")[:_MAX_DETAIL])
