"""A provider of jobs that last, and a strategy that orders one, keeps its id, and looks again until it is done."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Literal, Protocol
from urllib.request import Request, urlopen

from consumer.catalog import WorkflowPolicy
from consumer.heal.gate import run_permitted
from consumer.heal.kept import HealState, Kept, Suspended
from consumer.heal.strategy import EffectGate, Task
from consumer.model import (
    Diagnosis,
    Failure,
    Healed,
    Intent,
    MicroAud,
    NotHealed,
    Outcome,
    Proof,
    Scope,
    Unknown,
)
from consumer.model.call import MAY_START, NOT_PERMITTED, NotSent
from schemas.names import Code, Effect, StrategyName, Verdict

DONE = Healed(proofs=(Proof(oracle="job", verdict=Verdict.PASSED, detail="it is done"),), spent=MicroAud(10_000))


class JobState(HealState):
    """An order that is about to be given, or the job that came of it."""

    version: ClassVar[int] = 1
    stage: Literal["orders", "waits"]
    job_id: str | None = None


class Provider(Protocol):
    """Where jobs are ordered."""

    async def order(self, task: Task) -> str | NotSent:
        """Order the job of a failure, while that may start; gives its id."""
        ...

    async def is_done(self, job_id: str) -> bool:
        """Look whether a job is done."""
        ...

    async def cancel(self, job_id: str) -> None:
        """Take a job back."""
        ...


@dataclass(slots=True)
class Jobs:
    """A provider in memory, which remembers every order and every look."""

    orders: Counter[str] = field(default_factory=Counter)
    looks: Counter[str] = field(default_factory=Counter)
    cancelled: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    all_done: bool = False
    then: Callable[[str], Awaitable[None]] | None = None
    """Awaited at each boundary: `ordered`, `kept`, `looked`."""

    async def order(self, task: Task) -> str:
        job_id = f"job-{task.failure.workflow_name}"
        self.orders[job_id] += 1
        await self.cross("ordered")
        return job_id

    async def is_done(self, job_id: str) -> bool:
        self.looks[job_id] += 1
        await self.cross("looked")
        return self.all_done or job_id in self.done

    async def cancel(self, job_id: str) -> None:
        self.cancelled.add(job_id)

    async def cross(self, boundary: str) -> None:
        if self.then is not None:
            await self.then(boundary)


@dataclass(frozen=True, slots=True)
class HttpJobs:
    """A provider on the test's HTTP server, for strategies in processes of their own."""

    base: str

    async def order(self, task: Task) -> str | NotSent:
        if not MAY_START.get()():
            return NotSent(kind=NOT_PERMITTED, reason="the claim does not permit it", elapsed=timedelta(0))
        return await self._ask("POST", f"order/{task.failure.workflow_name}", task.plan.intent.idempotency_key)

    async def is_done(self, job_id: str) -> bool:
        return await self._ask("GET", f"look/{job_id}") == "done"

    async def cancel(self, job_id: str) -> None:
        await self._ask("POST", f"cancel/{job_id}")

    async def _ask(self, method: str, path: str, key: str | None = None) -> str:
        asked = Request(f"{self.base}/{path}", method=method, headers={"Idempotency-Key": key} if key else {})

        def answer() -> str:
            with urlopen(asked, timeout=20) as answered:
                return str(json.loads(answered.read()))

        return await asyncio.to_thread(answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """A lasting strategy, in auto-retry's place: one job for each failure."""

    jobs: Provider
    kind: Effect = Effect.UNSAFE
    every: timedelta = timedelta(seconds=1)
    longest_suspension: timedelta = timedelta(minutes=30)
    window: timedelta = timedelta(seconds=30)
    states: tuple[type[HealState], ...] = (JobState,)
    name: StrategyName = StrategyName.AUTO_RETRY
    fields: tuple[str, ...] = ()
    oracles: tuple[str, ...] = ("job",)
    price: MicroAud = field(default_factory=lambda: MicroAud(0))
    """Charged with the order."""

    def needs(self, failure: Failure) -> tuple[str, ...]:  # noqa: ARG002 - the Protocol's
        return ()

    def refusal(self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:  # noqa: ARG002 - the Protocol's
        return None

    def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:  # noqa: ARG002 - the Protocol's
        dependency = failure.context.get("dependency")
        return Intent(
            scope=Scope(f"{failure.org_id}:job:{failure.context.get('scope', failure.id)}"),
            effect=self.kind,
            window=self.window,
            idempotency_key=str(failure.id) if self.kind is Effect.KEYED else None,
            dependency=str(dependency) if dependency else None,
        )

    def estimate(self, failure: Failure, policy: WorkflowPolicy) -> MicroAud | None:  # noqa: ARG002 - the Protocol's
        return policy.allowances[self.name]

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        await gate.keep(JobState(stage="orders"))
        return await self._order(task, gate)

    async def _order(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        job_id = await run_permitted(gate, lambda: self.jobs.order(task))
        assert isinstance(job_id, str)
        gate.charge(self.price)
        state = JobState(stage="waits", job_id=job_id)
        await gate.keep(state)
        return Suspended(state=state, look_again=self.every, reason="the job is being done")

    async def go_on(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome | Suspended:
        assert isinstance(kept.state, JobState)
        if kept.state.job_id is None:
            if kept.begun and self.kind is Effect.UNSAFE:
                return Unknown(reason="whether the job was ordered is not known")
            return await self._order(task, gate)
        if await self.jobs.is_done(kept.state.job_id):
            return DONE
        return Suspended(state=kept.state, look_again=self.every, reason="the job is being done")

    async def cancel(self, task: Task, gate: EffectGate, kept: Kept) -> Outcome:  # noqa: ARG002 - the Protocol's
        assert isinstance(kept.state, JobState)
        if kept.state.job_id is None:
            if kept.begun:
                return Unknown(reason="whether the job was ordered is not known")
            return NotHealed(code=Code.DENIED, reason="nothing was ordered")
        await self.jobs.cancel(kept.state.job_id)
        return NotHealed(code=Code.DENIED, reason=f"{kept.state.job_id} was cancelled at its provider")

    def too_long(self, task: Task, kept: Kept) -> Outcome:  # noqa: ARG002 - the Protocol's
        assert isinstance(kept.state, JobState)
        return Unknown(reason=f"{kept.state.job_id} has taken too long")
