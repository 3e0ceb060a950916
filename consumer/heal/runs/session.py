"""Session of one heal of one run: its engine, the tools of every such heal, and its orders and looks so far."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from consumer.heal.session import HealSession
from consumer.heal.strategy import Redact
from consumer.model import Json, JsonObject, RetryLater
from consumer.runners.contract import LookFailed, Runner, RunRef, RunState
from schemas.names import Effect

REPORTING_MARGIN: Final = timedelta(seconds=1)
"""Time kept free at the end of the window: a heal that is cut off cannot report that an order may be under way."""
_MIN_LOOK_INTERVAL: Final = timedelta(minutes=1)
_MAX_LOOK_INTERVAL: Final = timedelta(hours=1)
_MAX_SHOWN: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTools:
    """Dependencies of every heal of a run; sleep and the clocks are injected."""

    redact: Redact
    sleep: Callable[[float], Awaitable[None]]
    monotonic: Callable[[], float]
    now: Callable[[], datetime]


@dataclass(slots=True, kw_only=True)
class RunSession(HealSession):
    """State of one heal that orders a run's engine, with its context parsed."""

    run_tools: RunTools
    runner: Runner
    run: RunRef
    key: str
    order_effect: Effect
    """The engine's effect class of the order; CONDITIONAL where a look has to come right before it."""
    call_limit: timedelta
    """Timeout of one call to the engine."""
    watch_limit: timedelta
    """How long the run is watched after an order."""
    orders: list[Json] = field(default_factory=list)
    looks: list[Json] = field(default_factory=list)

    @property
    def told(self) -> JsonObject:
        """What a strategy tells besides its orders and looks."""
        return {}

    @property
    def details(self) -> JsonObject:
        """What was found, ordered and seen so far, for the attempt's details, redacted."""
        told = dict(self.told)
        told |= {"orders": self.orders} if self.orders else {}
        told |= {"looks": self.looks} if self.looks else {}
        clean, _ = self.run_tools.redact(told)
        return clean if isinstance(clean, dict) else {}

    def call_time(self) -> timedelta:
        """Return the timeout of one call, which leaves time to report its outcome; raises as `within`."""
        return self.within(self.call_limit, spare=REPORTING_MARGIN)

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
        age = self.task.failure.age(self.run_tools.now())
        wait = min(max(_MIN_LOOK_INTERVAL, age), _MAX_LOOK_INTERVAL) if after is None else after
        return self.retry_later(wait, reason, effect_in_doubt=effect_in_doubt)
