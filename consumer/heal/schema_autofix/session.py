"""Session of one payload repair: its tools, its parsed context, and its orders and looks so far."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from consumer.catalog import SchemaAutofixLimits
from consumer.heal.schema_check.check import SchemaCheck
from consumer.heal.session import HealSession
from consumer.heal.strategy import Redact
from consumer.model import Json, JsonObject, OrgId, RetryLater
from consumer.repair.values import Repair
from consumer.runners.contract import LookFailed, Runner, Runners, RunRef, RunState
from schemas.names import Grade

REPORTING_MARGIN: Final = timedelta(seconds=1)
"""Time kept free at the end of the window: a heal that is cut off cannot report that an order may be under way."""
_MIN_LOOK_INTERVAL: Final = timedelta(minutes=1)
_MAX_LOOK_INTERVAL: Final = timedelta(hours=1)
_MAX_SHOWN: Final = 200


class RepairWorkers(Protocol):
    """Pool of workers that repair documents, bounded in time and memory."""

    async def repair(
        self, given: Json, schema: dict[str, Any] | bool, *, most: Grade, guarded: tuple[str, ...], of: OrgId
    ) -> Repair:
        """Repair an organisation's document, or a text that should have been one; a refusal is a value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairTools:
    """Dependencies of every repair; sleep and the clocks are injected."""

    runners: Runners
    workers: RepairWorkers
    schemas: SchemaCheck
    redact: Redact
    sleep: Callable[[float], Awaitable[None]]
    monotonic: Callable[[], float]
    now: Callable[[], datetime]


@dataclass(slots=True, kw_only=True)
class RepairSession(HealSession):
    """State of one heal of a refused payload, which is repaired and rerun, with its context parsed."""

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
        """The limits of schema-autofix for its workflow."""
        return self.policy.schema_autofix

    @property
    def details(self) -> JsonObject:
        """The repair, orders and looks so far, for the attempt's details, redacted."""
        told: JsonObject = {"repair": self.repair} if self.repair else {}
        told |= {"orders": self.orders} if self.orders else {}
        told |= {"looks": self.looks} if self.looks else {}
        clean, _ = self.tools.redact(told)
        return clean if isinstance(clean, dict) else {}

    def call_time(self) -> timedelta:
        """Return the timeout of one call, which leaves time to report its outcome; raises as `within`."""
        return self.within(self.limits.timeout, spare=REPORTING_MARGIN)

    async def look(self, run: RunRef) -> RunState | LookFailed:
        """Query the state of a run, and record it in `looks` where it has changed."""
        seen = await self.runner.look(run, self.policy, within=self.call_time())
        noted: JsonObject = {"said": seen.said[:_MAX_SHOWN]} if isinstance(seen, RunState) else {"unseen": seen.reason}
        if not self.looks or self.looks[-1] != noted:
            self.looks.append(noted)
        self.dependency_unhealthy = isinstance(seen, LookFailed) and seen.dependency_unhealthy
        return seen

    def later(self, reason: str, after: timedelta | None = None, *, effect_in_doubt: bool = False) -> RetryLater:
        """Return the outcome to go on later with the same key; the older the failure, the less often it is polled."""
        age = self.task.failure.age(self.tools.now())
        wait = min(max(_MIN_LOOK_INTERVAL, age), _MAX_LOOK_INTERVAL) if after is None else after
        return self.retry_later(wait, reason, effect_in_doubt=effect_in_doubt)
