"""A strategy that does as a test says, in auto-retry's place."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from consumer.catalog import WorkflowPolicy
from consumer.heal.kept import Suspended
from consumer.heal.strategy import EffectGate, Strategies, Task
from consumer.model import Diagnosis, Failure, Intent, MicroAud, Outcome, Scope
from schemas.names import Budget, Effect, StrategyName

Heals: TypeAlias = Callable[[Task, EffectGate], Awaitable[Outcome | Suspended]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """Acts on what the context names as `scope` (else on the failure), `dependency`, `damage`, `reads_back`."""

    heals: Heals
    kind: Effect = Effect.NONE
    lasts: timedelta = timedelta(seconds=30)
    name: StrategyName = StrategyName.AUTO_RETRY
    fields: tuple[str, ...] = ()
    oracles: tuple[str, ...] = ("test",)
    cost: MicroAud | None = None
    """None: what the catalog allows."""
    pays_from: Budget = Budget.TEXT

    def needs(self, failure: Failure) -> tuple[str, ...]:  # noqa: ARG002 - the Protocol's
        return ()

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:  # noqa: ARG002 - the Protocol's
        return None

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:  # noqa: ARG002 - the Protocol's
        named = {name: failure.context.get(name) for name in ("dependency", "damage")}
        return Intent(
            scope=Scope(f"{failure.org_id}:test:{failure.context.get('scope', failure.id)}"),
            effect=self.kind,
            window=self.lasts,
            idempotency_key=str(failure.id) if self.kind is Effect.KEYED else None,
            reads_back=failure.context.get("reads_back") is True,
            dependency=str(named["dependency"]) if named["dependency"] else None,
            fault_digest=str(named["damage"]) if named["damage"] else None,
            pays_from=self.pays_from,
        )

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud | None:  # noqa: ARG002 - the Protocol's
        return policy.allowances[self.name] if self.cost is None else self.cost

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        return await self.heals(task, gate)


def scripted(heals: Heals, kind: Effect = Effect.NONE, lasts: timedelta = timedelta(seconds=30)) -> Strategies:
    return {StrategyName.AUTO_RETRY: Scripted(heals=heals, kind=kind, lasts=lasts)}
