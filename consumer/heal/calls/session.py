"""Session of one heal by HTTP calls: its tools, its parsed request, and the calls it has made so far."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from consumer.catalog import WorkflowPolicy
from consumer.heal.calls.outbound_budget import OutboundBudget
from consumer.heal.calls.request import origin
from consumer.heal.calls.status_verdict import signals_unhealthy
from consumer.heal.schema_check.check import SchemaCheck
from consumer.heal.schema_check.worker import Finding
from consumer.heal.session import SECOND, HealSession
from consumer.heal.strategy import Redact
from consumer.model import Json, JsonObject
from consumer.model.call import Ambiguous, Answer, CallResult, EgressRefused, NotSent, OutboundRequest
from consumer.model.token_buckets import TokenBuckets
from schemas.context import RequestContext, ResumeContext


class Calls(Protocol):
    """Outbound HTTP client of a heal."""

    def refusal(self, request: OutboundRequest, policy: WorkflowPolicy) -> str | None:
        """Return why the catalog does not allow a call, or None; pure."""
        ...

    async def send(
        self, request: OutboundRequest, policy: WorkflowPolicy, *, within: timedelta, max_bytes: int
    ) -> CallResult:
        """Make a call; every failure outside this process is returned as a value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTools:
    """Dependencies of every heal by calls; randomness, sleep and the clock are injected."""

    calls: Calls
    redact: Redact
    schemas: SchemaCheck
    quota: TokenBuckets
    budget: OutboundBudget
    random: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], datetime]


@dataclass(slots=True, kw_only=True)
class CallSession(HealSession):
    """State of one heal of a failed call, with its context parsed."""

    tools: CallTools
    request: RequestContext
    resume: ResumeContext | None
    tries: list[Json] = field(default_factory=list)
    looks: list[Json] = field(default_factory=list)
    handover_tries: list[Json] = field(default_factory=list)
    calls: int = 0
    """Calls so far; the first is in the outbound budget since the heal began."""
    paid: int = 0
    """Tokens of the retry budget that the last try cost."""

    @property
    def details(self) -> JsonObject:
        """The tries, read-backs and hand-overs so far, for the attempt's details."""
        told: JsonObject = {"tries": self.tries}
        told |= {"looks": self.looks} if self.looks else {}
        return told | {"handover": self.handover_tries} if self.handover_tries else told

    @property
    def target(self) -> str:
        """Key of the retry budget of the failed call: organisation and dependency."""
        return f"{self.task.failure.org_id}:{self.task.plan.intent.dependency}"

    def target_of(self, url: str) -> str:
        """Key of the retry budget of another of its calls: that of the place where it goes."""
        return f"{self.task.failure.org_id}:{origin(url)}"

    @property
    def acted(self) -> bool:
        """Whether the other side may have received a call of this heal or of an earlier attempt."""
        return self.task.failure.effect_in_doubt or bool(self.tries)

    async def judge(self, schema: Any, body: Json) -> Finding:  # noqa: ANN401 - JSON is anything
        """Validate a body against a schema; raises NoWorkerFree and NoWorkerStarts."""
        return await self.tools.schemas.valid(schema, body, self.task.failure.org_id)

    async def send(self, call: OutboundRequest, *, within: timedelta, max_bytes: int | None = None) -> CallResult:
        """Make a call within its timeout and the claim's deadline; raises as `within`."""
        bounded = self.within(within)
        if self.calls:
            self.tools.budget.called(self.task.failure)
        self.calls += 1
        bytes_ = self.policy.auto_retry.response_bytes if max_bytes is None else max_bytes
        call = replace(call, org_id=self.task.failure.org_id)
        result = await self.tools.calls.send(call, self.policy, within=bounded, max_bytes=bytes_)
        others = self.task.plan.intent.others
        if others and (where := origin(call.url)) in others and not isinstance(result, EgressRefused):
            self.task.others[where] = not signals_unhealthy(result, bounded)
        return result


def call_entry(n: int, result: CallResult) -> JsonObject:
    """Return the entry of a call in the attempt's details."""
    match result:
        case Answer(status=status, elapsed=elapsed):
            return {"n": n, "status": status, "seconds": round(elapsed / SECOND, 3)}
        case NotSent(kind=kind, elapsed=elapsed) | Ambiguous(kind=kind, elapsed=elapsed):
            return {"n": n, "failure": kind, "seconds": round(elapsed / SECOND, 3)}
        case EgressRefused():
            return {"n": n, "failure": "EgressRefused", "seconds": 0}
