"""The strategy that does nothing: what remains is the cost of taking a failure in and of telling what came of it."""

from datetime import timedelta
from typing import Final

from consumer.catalog import WorkflowPolicy
from consumer.heal.strategy import EffectGate, Strategies, Task
from consumer.model import Diagnosis, Failure, Healed, Outcome, Proof, Scope
from schemas.names import Effect, StrategyName, Verdict

WINDOW: Final = timedelta(seconds=30)


class NoOp:
    """Heals at once, with a proof, so that everything around a heal happens and nothing else."""

    name = StrategyName.AUTO_RETRY

    def needs(self, failure: Failure) -> tuple[str, ...]:  # noqa: ARG002 - the Protocol's
        """Need nothing."""
        return ()

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:  # noqa: ARG002
        """Refuse nothing."""
        return None

    def scope(self, failure: Failure) -> Scope:
        """Give each failure a scope of its own."""
        return Scope(f"{failure.org_id}:noop:{failure.id}")

    def effect(self, failure: Failure) -> Effect:  # noqa: ARG002 - the Protocol's
        """Have no effect."""
        return Effect.NONE

    def idempotency_key(self, failure: Failure) -> str | None:  # noqa: ARG002 - the Protocol's
        """Need no key."""
        return None

    def window(self, failure: Failure, policy: WorkflowPolicy) -> timedelta:  # noqa: ARG002 - the Protocol's
        """End well within this."""
        return WINDOW

    async def heal(self, task: Task, gate: EffectGate) -> Outcome:  # noqa: ARG002 - the Protocol's
        """Ask the gate, as every strategy must, and succeed."""
        await gate.begin()
        return healed()


def healed() -> Healed:
    """Give the outcome of every heal here; the peers use it too."""
    return Healed(proofs=(Proof(oracle="status", verdict=Verdict.PASSED, detail="200, as expected"),))


STRATEGIES: Final[Strategies] = {StrategyName.AUTO_RETRY: NoOp()}
