"""One repair under way: what it works with, what it works on, and what has happened so far."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from consumer.catalog import SchemaAutofixLimits
from consumer.errors import DeadlinePassed
from consumer.heal.schema_autofix.engine.values import Repair
from consumer.heal.schema_check import SchemaCheck
from consumer.heal.strategy import EffectGate, Redact, Task
from consumer.model import Json, JsonObject, NotHealed, Proof, RetryLater, Unknown
from consumer.runner import Runner, Runners, RunRef, RunState, Unseen
from schemas.names import Code, Effect, Grade, Verdict

SECOND: Final = timedelta(seconds=1)
_NOTHING: Final = timedelta(0)
_LOOK_AGAIN: Final = timedelta(minutes=1)
_LOOK_AT_LEAST: Final = timedelta(hours=1)
SPARE: Final = timedelta(seconds=1)
"""Who is cut off by the end of its window cannot say that an order may be under way."""
_SHOWN: Final = 200


class Room(Protocol):
    """Where documents are repaired, bounded in time and memory."""

    async def repair(
        self, given: Json, schema: dict[str, Any] | bool, *, most: Grade, guarded: tuple[str, ...]
    ) -> Repair:
        """Repair a document, or a text that should have been one; a refusal is a value."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every repair works with; sleep and the clocks are passed in."""

    runners: Runners
    room: Room
    schemas: SchemaCheck
    redact: Redact
    sleep: Callable[[float], Awaitable[None]]
    monotonic: Callable[[], float]
    now: Callable[[], datetime]


@dataclass(slots=True, kw_only=True)
class Course:
    """What has happened so far."""

    repair: JsonObject = field(default_factory=dict)
    orders: list[Json] = field(default_factory=list)
    looks: list[Json] = field(default_factory=list)
    ill: bool = False
    """Of the engine's last answer, or its absence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One refused payload to be repaired and run again, its context read."""

    means: Means
    task: Task
    gate: EffectGate
    runner: Runner
    run: RunRef
    payload: Json
    schema: dict[str, Any] | bool
    key: str
    course: Course = field(default_factory=Course)

    @property
    def limits(self) -> SchemaAutofixLimits:
        """How far it may go."""
        return self.task.policy.schema_autofix

    @property
    def effect(self) -> Effect:
        """What running the step twice would do."""
        return self.task.plan.intent.effect

    @property
    def details(self) -> JsonObject:
        """What has happened so far for the attempt, redacted."""
        told: JsonObject = {"repair": self.course.repair} if self.course.repair else {}
        told |= {"orders": self.course.orders} if self.course.orders else {}
        told |= {"looks": self.course.looks} if self.course.looks else {}
        clean, _ = self.means.redact(told)
        return clean if isinstance(clean, dict) else {}

    def within(self) -> timedelta:
        """Bound one call by its own limit and by the claim's time, but for what it takes to say what came of it.

        Raises
        ------
        DeadlinePassed
            The claim's time is over: nothing may be sent.

        """
        remaining = self.gate.remaining() - SPARE
        if remaining <= _NOTHING:
            raise DeadlinePassed("the claim's time is over before the call: nothing was sent")
        return min(self.limits.timeout, remaining)

    async def look(self, run: RunRef) -> RunState | Unseen:
        """Ask where a run stands, and note it where it is not as it was."""
        seen = await self.runner.look(run, self.task.policy, within=self.within())
        noted: JsonObject = {"said": seen.said[:_SHOWN]} if isinstance(seen, RunState) else {"unseen": seen.reason}
        if not self.course.looks or self.course.looks[-1] != noted:
            self.course.looks.append(noted)
        self.course.ill = isinstance(seen, Unseen) and seen.ill
        return seen

    async def sleep(self, wait: timedelta) -> None:
        """Wait in the slot."""
        await self.means.sleep(wait / SECOND)

    def not_healed(self, code: Code, reason: str, proofs: tuple[Proof, ...] = ()) -> NotHealed:
        """End as known not to have healed, or not proven to."""
        return NotHealed(code=code, reason=reason, proofs=proofs, details=self.details, ill=self.course.ill)

    def later(self, reason: str, after: timedelta | None = None, *, unsure: bool = False) -> RetryLater:
        """End for now, and go on with the same key; what has stood longer is looked at less often."""
        age = self.means.now() - self.task.failure.detected_at
        wait = min(max(_LOOK_AGAIN, age), _LOOK_AT_LEAST) if after is None else after
        return RetryLater(after=wait, reason=reason, details=self.details, ill=self.course.ill, unsure=unsure)

    def unknown(self, reason: str, proofs: tuple[Proof, ...] = ()) -> Unknown:
        """End with an order of ours that may have been carried out."""
        return Unknown(reason=reason, proofs=proofs, details=self.details, ill=self.course.ill)


def proof(oracle: str, verdict: Verdict, detail: str) -> Proof:
    """Make a proof of bounded size."""
    return Proof(oracle=oracle, verdict=verdict, detail=detail.replace("\0", "\ufffd")[:_SHOWN])
