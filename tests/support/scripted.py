"""A strategy that does as a test says, in auto-retry's place."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from consumer.catalog import WorkflowPolicy
from consumer.heal.strategy import EffectGate, Strategies, Task
from consumer.model import Diagnosis, Failure, Outcome, Scope
from schemas.names import Effect, StrategyName

Heals: TypeAlias = Callable[[Task, EffectGate], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """Acts on the scope that `context.scope` names, or on the failure alone."""

    heals: Heals
    kind: Effect = Effect.NONE
    lasts: timedelta = timedelta(seconds=30)
    name: StrategyName = StrategyName.AUTO_RETRY

    def needs(self, failure: Failure) -> tuple[str, ...]:  # noqa: ARG002 - the Protocol's
        return ()

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:  # noqa: ARG002 - the Protocol's
        return None

    def scope(self, failure: Failure) -> Scope:
        return Scope(f"{failure.org_id}:test:{failure.context.get('scope', failure.id)}")

    def effect(self, failure: Failure) -> Effect:  # noqa: ARG002 - the Protocol's
        return self.kind

    def idempotency_key(self, failure: Failure) -> str | None:
        return str(failure.id) if self.kind is Effect.KEYED else None

    def window(self, failure: Failure, policy: WorkflowPolicy) -> timedelta:  # noqa: ARG002 - the Protocol's
        return self.lasts

    async def heal(self, task: Task, gate: EffectGate) -> Outcome:
        return await self.heals(task, gate)


def scripted(heals: Heals, kind: Effect = Effect.NONE, lasts: timedelta = timedelta(seconds=30)) -> Strategies:
    return {StrategyName.AUTO_RETRY: Scripted(heals=heals, kind=kind, lasts=lasts)}
