"""One failed call to be made again: what it works with, what it works on, and what it has done so far."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from consumer.catalog import WorkflowPolicy
from consumer.heal.calls.retry_budget import RetryBudget
from consumer.heal.schema_check.check import SchemaCheck
from consumer.heal.session import SECOND, HealSession
from consumer.heal.strategy import Redact
from consumer.model import Json, JsonObject
from consumer.model.call import Ambiguous, Answer, CallResult, EgressRefused, NotSent, OutboundRequest
from schemas.context import RequestContext, ResumeContext


class Calls(Protocol):
    """The way out."""

    def refusal(self, request: OutboundRequest, policy: WorkflowPolicy) -> str | None:
        """Say why the catalog does not allow a call, or None; pure."""
        ...

    async def send(
        self, request: OutboundRequest, policy: WorkflowPolicy, *, within: timedelta, max_bytes: int
    ) -> CallResult:
        """Make a call; everything that the world does is a value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTools:
    """What every heal by calls works with; chance, sleep and the clock are passed in."""

    calls: Calls
    redact: Redact
    schemas: SchemaCheck
    quota: RetryBudget
    random: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], datetime]


@dataclass(slots=True, kw_only=True)
class CallSession(HealSession):
    """One failed call to be healed, its context read."""

    tools: CallTools
    request: RequestContext
    resume: ResumeContext | None
    tries: list[Json] = field(default_factory=list)
    looks: list[Json] = field(default_factory=list)
    handover_tries: list[Json] = field(default_factory=list)
    paid: int = 0
    """Tokens of the retry quota that the last try cost."""

    @property
    def details(self) -> JsonObject:
        """The tries, looks and hand-overs so far, for the attempt."""
        told: JsonObject = {"tries": self.tries}
        told |= {"looks": self.looks} if self.looks else {}
        return told | {"handover": self.handover_tries} if self.handover_tries else told

    @property
    def target(self) -> str:
        """Whose retry quota it uses."""
        return f"{self.task.failure.org_id}:{self.task.plan.intent.dependency}"

    @property
    def acted(self) -> bool:
        """Whether a call of ours, now or in an attempt before, may have been received."""
        return self.task.failure.effect_in_doubt or bool(self.tries)

    async def send(self, call: OutboundRequest, *, within: timedelta, max_bytes: int | None = None) -> CallResult:
        """Make a call within its limit and the claim's time; raises as `within`."""
        bounded = self.within(within)
        bytes_ = self.policy.auto_retry.response_bytes if max_bytes is None else max_bytes
        call = replace(call, org_id=self.task.failure.org_id)
        return await self.tools.calls.send(call, self.policy, within=bounded, max_bytes=bytes_)


def noted(n: int, result: CallResult) -> JsonObject:
    """Make a note of a call for the attempt's details."""
    match result:
        case Answer(status=status, elapsed=elapsed):
            return {"n": n, "status": status, "seconds": round(elapsed / SECOND, 3)}
        case NotSent(kind=kind, elapsed=elapsed) | Ambiguous(kind=kind, elapsed=elapsed):
            return {"n": n, "failure": kind, "seconds": round(elapsed / SECOND, 3)}
        case EgressRefused():
            return {"n": n, "failure": "EgressRefused", "seconds": 0}
