"""One name on the ladder, and two strategies behind it: which one acts is chosen by what is broken.

`dependency-replacement` replaces what a call depends on, and for `billing_sync_issue` the data path of billing. Whoever
plans asks for the rung of a diagnosis; whoever heals is handed the same one.
"""

from datetime import timedelta

from consumer.catalog import WorkflowPolicy
from consumer.heal.kept import HealState, Kept, Suspended
from consumer.heal.strategy import EffectGate, LastingStrategy, Strategy, Task
from consumer.model import Diagnosis, Failure, Intent, MicroAud, Outcome
from schemas.names import FailureType, StrategyName


class ByCause:
    """The strategy for one type of failure where its entry declares what that needs, and another for all the rest."""

    def __init__(self, cause: FailureType, of_cause: LastingStrategy, others: Strategy) -> None:
        self._cause = cause
        self._of_cause = of_cause
        self.others = others
        """The strategy for all other causes."""

    @property
    def name(self) -> StrategyName:
        """Their name on the ladder."""
        return self.others.name

    @property
    def fields(self) -> tuple[str, ...]:
        """The context fields that either reads."""
        return (*self.others.fields, *self._of_cause.fields)

    @property
    def oracles(self) -> tuple[str, ...]:
        """The oracles of both."""
        return (*self.others.oracles, *self._of_cause.oracles)

    def rung_of(self, diagnosis: Diagnosis, policy: WorkflowPolicy) -> Strategy:
        """Return the one that acts on a diagnosis."""
        is_of_cause = diagnosis.failure_type is self._cause and bool(policy.accounts)
        return self._of_cause if is_of_cause else self.others

    def needs(self, failure: Failure) -> tuple[str, ...]:
        """Return what the others need."""
        return self.others.needs(failure)

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
        """Return why the one that acts on a diagnosis may not, or None."""
        return self.rung_of(diagnosis, policy).refusal(failure, diagnosis, policy)

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
        """Return the intent of the others."""
        return self.others.intent(failure, policy)

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud | None:
        """Return the estimate of the others."""
        return self.others.estimate(failure, policy)

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        """Heal by the one that acts on the diagnosis."""
        return await self.rung_of(task.diagnosis, task.policy).heal(task, gate)

    @property
    def states(self) -> tuple[type[HealState], ...]:
        """The states of the one that lasts: only it keeps any."""
        return self._of_cause.states

    @property
    def longest_suspension(self) -> timedelta:
        """As of the one that lasts."""
        return self._of_cause.longest_suspension

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        """Go on with the one that lasts."""
        return await self._of_cause.go_on(task, gate, kept)

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:
        """Cancel the one that lasts."""
        return await self._of_cause.cancel(task, gate, kept)

    def too_long(self, task: Task, kept: Kept) -> Outcome:
        """End the one that lasts."""
        return self._of_cause.too_long(task, kept)
