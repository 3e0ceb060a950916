"""One repair under way: what it works with, what it works on, and what it has done so far."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from consumer.catalog import SchemaAutofixLimits
from consumer.heal.schema_check.check import SchemaCheck
from consumer.heal.session import HealSession
from consumer.heal.strategy import Redact
from consumer.model import Json, JsonObject, RetryLater
from consumer.repair.values import Repair
from consumer.runners.contract import Runner, Runners, RunRef, RunState, Unseen
from schemas.names import Grade

SPARE: Final = timedelta(seconds=1)
"""Who is cut off by the end of its window cannot say that an order may be under way."""
_LOOK_AGAIN: Final = timedelta(minutes=1)
_LOOK_AT_LEAST: Final = timedelta(hours=1)
_SHOWN: Final = 200


class RepairWorkers(Protocol):
    """Where documents are repaired, bounded in time and memory."""

    async def repair(
        self, given: Json, schema: dict[str, Any] | bool, *, most: Grade, guarded: tuple[str, ...]
    ) -> Repair:
        """Repair a document, or a text that should have been one; a refusal is a value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairTools:
    """What every repair works with; sleep and the clocks are passed in."""

    runners: Runners
    workers: RepairWorkers
    schemas: SchemaCheck
    redact: Redact
    sleep: Callable[[float], Awaitable[None]]
    monotonic: Callable[[], float]
    now: Callable[[], datetime]


@dataclass(slots=True, kw_only=True)
class RepairSession(HealSession):
    """One refused payload to be repaired and run again, its context read."""

    tools: RepairTools
    runner: Runner
    run: RunRef
    payload: Json
    schema: dict[str, Any] | bool
    key: str
    repair: JsonObject = field(default_factory=dict)
    orders: list[Json] = field(default_factory=list)
    looks: list[Json] = field(default_factory=list)

    @property
    def limits(self) -> SchemaAutofixLimits:
        """How far it may go."""
        return self.policy.schema_autofix

    @property
    def details(self) -> JsonObject:
        """The repair, orders and looks so far, for the attempt, redacted."""
        told: JsonObject = {"repair": self.repair} if self.repair else {}
        told |= {"orders": self.orders} if self.orders else {}
        told |= {"looks": self.looks} if self.looks else {}
        clean, _ = self.tools.redact(told)
        return clean if isinstance(clean, dict) else {}

    def call_time(self) -> timedelta:
        """Bound one call, but for what it takes to say what came of it; raises as `within`."""
        return self.within(self.limits.timeout, spare=SPARE)

    async def look(self, run: RunRef) -> RunState | Unseen:
        """Ask where a run stands, and note it where it is not as it was."""
        seen = await self.runner.look(run, self.policy, within=self.call_time())
        noted: JsonObject = {"said": seen.said[:_SHOWN]} if isinstance(seen, RunState) else {"unseen": seen.reason}
        if not self.looks or self.looks[-1] != noted:
            self.looks.append(noted)
        self.dependency_unhealthy = isinstance(seen, Unseen) and seen.dependency_unhealthy
        return seen

    def later(self, reason: str, after: timedelta | None = None, *, effect_in_doubt: bool = False) -> RetryLater:
        """End for now, and go on with the same key; what has stood longer is looked at less often."""
        age = self.tools.now() - self.task.failure.detected_at
        wait = min(max(_LOOK_AGAIN, age), _LOOK_AT_LEAST) if after is None else after
        return self.retry_later(wait, reason, effect_in_doubt=effect_in_doubt)
