"""The strategy that does nothing: what remains is the cost of taking a failure in and of telling what came of it."""

from datetime import timedelta
from typing import Final

from consumer.catalog import WorkflowPolicy
from consumer.heal.strategy import EffectGate, Strategies, Task
from consumer.model import Diagnosis, Failure, Healed, Intent, MicroAud, Outcome, Proof, Scope
from schemas.names import Effect, StrategyName, Verdict

WINDOW: Final = timedelta(seconds=30)


class Willing:
    """Half of a strategy: in auto-retry's place, it needs nothing and refuses nothing."""

    name = StrategyName.AUTO_RETRY
    fields: tuple[str, ...] = ()
    oracles = ("status",)

    def needs(self, failure: Failure) -> tuple[str, ...]:  # noqa: ARG002 - the Protocol's
        """Need nothing."""
        return ()

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:  # noqa: ARG002
        """Refuse nothing."""
        return None

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud:  # noqa: ARG002 - the Protocol's
        """Hold what the catalog allows, as auto-retry does."""
        return policy.allowances[self.name]


class NoOp(Willing):
    """Heals at once, with a proof, so that everything around a heal happens and nothing else."""

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:  # noqa: ARG002 - the Protocol's
        """Have no effect, on a scope of the failure's own."""
        return Intent(scope=Scope(f"{failure.org_id}:noop:{failure.id}"), effect=Effect.NONE, window=WINDOW)

    async def heal(self, task: Task, gate: EffectGate) -> Outcome:  # noqa: ARG002 - the Protocol's
        """Ask the gate, as every strategy must, and succeed."""
        await gate.begin()
        return healed()


def healed() -> Healed:
    """Give the outcome of every heal here; the peers use it too."""
    return Healed(proofs=(Proof(oracle="status", verdict=Verdict.PASSED, detail="200, as expected"),))


STRATEGIES: Final[Strategies] = {StrategyName.AUTO_RETRY: NoOp()}
