"""One heal under way: what it works with, what it works on, and what has happened so far."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from consumer.call import Ambiguous, Answer, CallResult, EgressRefused, NotSent, OutboundRequest
from consumer.catalog import WorkflowPolicy
from consumer.errors import DeadlinePassed
from consumer.heal.auto_retry.quota import RetryQuota
from consumer.heal.schema_check import SchemaCheck
from consumer.heal.strategy import EffectGate, Redact, Task
from consumer.model import Json, NotHealed, Proof, Unknown
from schemas.context import RequestContext, ResumeContext
from schemas.names import Code, Effect

SECOND: Final = timedelta(seconds=1)
_NOTHING: Final = timedelta(0)


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
class Means:
    """What every heal works with; chance, sleep and the clock are passed in."""

    calls: Calls
    redact: Redact
    schemas: SchemaCheck
    quota: RetryQuota
    random: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    now: Callable[[], datetime]


@dataclass(slots=True, kw_only=True)
class Course:
    """What has happened so far."""

    tries: list[Json] = field(default_factory=list)
    looks: list[Json] = field(default_factory=list)
    handover_tries: list[Json] = field(default_factory=list)
    ill: bool = False
    """Of the last answer, or its absence: the request's own dependency is not well."""
    paid: int = 0
    """Tokens of the retry quota that the last try cost."""

    @property
    def details(self) -> dict[str, Json]:
        """The same for the attempt."""
        told: dict[str, Json] = {"tries": self.tries}
        told |= {"looks": self.looks} if self.looks else {}
        return told | {"handover": self.handover_tries} if self.handover_tries else told


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One failed call to be healed, its context read."""

    means: Means
    task: Task
    gate: EffectGate
    request: RequestContext
    resume: ResumeContext | None
    course: Course = field(default_factory=Course)

    @property
    def policy(self) -> WorkflowPolicy:
        """What may be done for its workflow."""
        return self.task.policy

    @property
    def effect(self) -> Effect:
        """What the call does when it is made twice."""
        return self.task.plan.intent.effect

    @property
    def target(self) -> str:
        """Whose retry quota it uses."""
        return f"{self.task.failure.org_id}:{self.task.plan.intent.dependency}"

    @property
    def acted(self) -> bool:
        """Whether a call of ours, now or in an attempt before, may have been received."""
        return self.task.failure.unsure or bool(self.course.tries)

    async def send(self, call: OutboundRequest, *, within: timedelta, max_bytes: int | None = None) -> CallResult:
        """Make a call within its limit and the claim's time.

        Raises
        ------
        DeadlinePassed
            The claim's time is over: nothing was sent.

        """
        remaining = self.gate.remaining()
        if remaining <= _NOTHING:
            raise DeadlinePassed("the claim's time is over before the call: nothing was sent")
        bytes_ = self.policy.auto_retry.response_bytes if max_bytes is None else max_bytes
        call = replace(call, org_id=self.task.failure.org_id)
        return await self.means.calls.send(call, self.policy, within=min(within, remaining), max_bytes=bytes_)

    async def sleep(self, wait: timedelta) -> None:
        """Wait in the slot."""
        await self.means.sleep(wait / SECOND)

    def not_healed(self, code: Code, reason: str, proofs: tuple[Proof, ...] = ()) -> NotHealed:
        """End as known not to have healed, or not proven to."""
        return NotHealed(code=code, reason=reason, proofs=proofs, details=self.course.details, ill=self.course.ill)

    def unknown(self, reason: str, proofs: tuple[Proof, ...] = ()) -> Unknown:
        """End with an effect of ours that may have happened."""
        return Unknown(reason=reason, proofs=proofs, details=self.course.details, ill=self.course.ill)


def noted(n: int, result: CallResult) -> dict[str, Json]:
    """Make a note of a call for the attempt's details."""
    match result:
        case Answer(status=status, elapsed=elapsed):
            return {"n": n, "status": status, "seconds": round(elapsed / SECOND, 3)}
        case NotSent(kind=kind, elapsed=elapsed) | Ambiguous(kind=kind, elapsed=elapsed):
            return {"n": n, "failure": kind, "seconds": round(elapsed / SECOND, 3)}
        case EgressRefused():
            return {"n": n, "failure": "EgressRefused", "seconds": 0}
