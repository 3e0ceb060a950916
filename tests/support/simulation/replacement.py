"""Dependencies that die and what stands in for them, in virtual time: the real planner, strategies and machine.

Stand-ins are the clock, the calls, the rows of bindings, and who may hold a scope. Heals are tasks; time passes only
when all of them wait for it. Every byte that is sent is on record: when, where, for whom.
"""

import asyncio
import heapq
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from consumer.catalog import Catalog, WorkflowPolicy
from consumer.heal.auto_retry import AutoRetry
from consumer.heal.dependency_replacement.illness import Strikes
from consumer.heal.dependency_replacement.machine import first_probed
from consumer.heal.dependency_replacement.session import Decide, Named
from consumer.heal.dependency_replacement.strategy import DependencyReplacement
from consumer.heal.schema_check.check import lone_schema_check
from consumer.heal.strategy import Task
from consumer.model import Diagnosis, Failure, Heal, Healed, NotHealed, OrgId, Outcome, RetryLater, Wait
from consumer.model.binding import Binding, BindingKey, binding_scope
from consumer.model.call import Ambiguous, Answer, CallResult, OutboundRequest
from consumer.plan.planner import FleetState, Planner
from consumer.plan.progress import advance
from consumer.redact import redact_json
from schemas.dependency_binding import BindingState
from schemas.json_text import to_json
from schemas.names import StrategyName
from tests.support.healing import NOW, Gate

QUICK = 0.02
"""Seconds that a call takes to one that is well."""
MOST_EVENTS = 100_000
TURNS = 8
"""Turns of the event loop after which every task waits for time to pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One call that left."""

    begin: float
    end: float
    place: str
    path: str
    org_id: Any
    was_ill: bool


@dataclass(slots=True, kw_only=True)
class Ground:
    """What is healed, and when."""

    catalog: Catalog
    ill: Mapping[str, Callable[[float], bool]]
    """By host: when it is ill."""
    lies: frozenset[str] = frozenset()
    """Hosts that answer nothing of use, with 200."""
    now: float = 0.0
    sent: list[Sent] = field(default_factory=list)
    healed: dict[str, float] = field(default_factory=dict)
    given_up: dict[str, str] = field(default_factory=dict)
    arrived: dict[str, float] = field(default_factory=dict)
    bindings: dict[BindingKey, Binding] = field(default_factory=dict)
    history: list[tuple[float, Binding]] = field(default_factory=list)
    _timers: list[tuple[float, int, asyncio.Future[None]]] = field(default_factory=list)
    _number: Any = field(default_factory=count)
    _probers: dict[BindingKey, str] = field(default_factory=dict)
    _holders: set[str] = field(default_factory=set)
    _waiting: dict[str, deque[tuple[Failure, Diagnosis]]] = field(default_factory=lambda: defaultdict(deque))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _strategies: dict[StrategyName, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        retry = AutoRetry(
            self,
            redact_json,
            random=lambda: 0.5,
            sleep=self.sleep,
            now=self.at,
            monotonic=lambda: self.now,
            schemas=lone_schema_check(),
        )
        replacement = DependencyReplacement(retry.tools, self, monotonic=lambda: self.now)
        self._strategies = {StrategyName.AUTO_RETRY: retry, StrategyName.DEPENDENCY_REPLACEMENT: replacement}

    # ---- time

    def at(self) -> datetime:
        return NOW + timedelta(seconds=self.now)

    async def sleep(self, seconds: float) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._timers, (self.now + seconds, next(self._number), done))
        await done

    async def play(self, until: float, *failures: tuple[float, Failure, Diagnosis]) -> None:
        """Let failures come in at their times, and time pass."""
        for at, failure, diagnosis in failures:
            self._spawn(self._arrive(at, failure, diagnosis))
        watching = asyncio.create_task(self._watch())
        try:
            while True:
                for _ in range(TURNS):
                    await asyncio.sleep(0)
                if not self._timers or self._timers[0][0] > until:
                    return
                self.now, number, done = heapq.heappop(self._timers)
                assert number < MOST_EVENTS, "it is asked again and again, and nothing comes of it"
                done.set_result(None)
        finally:
            for task in (watching, *self._tasks):
                task.cancel()
            await asyncio.gather(watching, *self._tasks, return_exceptions=True)

    def _spawn(self, work: Any) -> None:  # noqa: ANN401 - a coroutine
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- calls

    def refusal(self, request: OutboundRequest, policy: WorkflowPolicy) -> str | None:
        del request, policy
        return None

    async def send(
        self, request: OutboundRequest, policy: WorkflowPolicy, *, within: timedelta, max_bytes: int
    ) -> CallResult:
        del policy, max_bytes
        split = urlsplit(request.url)
        place, begin = split.hostname or "", self.now
        ill = place in self.ill and self.ill[place](begin)
        taken = within.total_seconds() if ill else QUICK
        # On record from the first byte on: who is cancelled in it has sent it all the same.
        sent = Sent(begin=begin, end=begin + taken, place=place, path=split.path, org_id=request.org_id, was_ill=ill)
        self.sent.append(sent)
        await self.sleep(taken)
        elapsed = timedelta(seconds=taken)
        if ill:
            return Ambiguous(kind="ReadTimeout", reason="no answer", elapsed=elapsed)
        body: Any = {"text": "done"} if place not in self.lies or split.path.endswith("health") else {}
        headers = (("content-type", "application/json"),)
        return Answer(status=200, headers=headers, body=to_json(body), truncated=False, elapsed=elapsed)

    # ---- bindings

    async def find(self, org_id: OrgId, dependency: str) -> tuple[Binding | None, datetime]:
        return self.bindings.get((org_id, dependency)), self.at()

    async def change(self, of: Named, decide: Decide) -> Binding | None:
        key, now = (of.org_id, of.dependency), self.at()
        before = self.bindings.get(key)
        held = sum(
            (of.org_id, name) in self.bindings and self.bindings[of.org_id, name].holds(now)
            for name in of.siblings
            if name != of.dependency
        )
        after = decide(before, held, now)
        if after is None or after == before:
            return after
        self.bindings[key] = after
        if before is None or (before.state, before.candidate) != (after.state, after.candidate):
            self.history.append((self.now, after))
        if after.state is not BindingState.CANARY:
            self._wake(binding_scope(of.org_id, of.dependency))
        return after

    async def take_probe(self, of: Named, prober: str) -> bool:
        return self._probers.setdefault((of.org_id, of.dependency), prober) == prober

    async def end_probe(self, of: Named, prober: str) -> None:
        if self._probers.get((of.org_id, of.dependency)) == prober:
            del self._probers[of.org_id, of.dependency]

    async def strikes(self, org_id: OrgId, origins: Sequence[str]) -> Mapping[str, Strikes]:
        del org_id
        return {place: Strikes() for place in origins}

    async def _watch(self) -> None:
        due: dict[BindingKey, float] = {}
        while True:
            await self.sleep(0.1)
            for key, binding in list(self.bindings.items()):
                if binding.state is BindingState.FIRST or self.now < due.get(key, 0):
                    continue
                policy = self.catalog.policy(binding.workflow_name)
                assert policy is not None
                dependency = policy.replaceable[binding.dependency]
                named = Named(org_id=binding.org_id, dependency=binding.dependency, times=dependency.binding)
                if not await self.take_probe(named, "watch"):
                    continue
                well = await self._strategies[StrategyName.DEPENDENCY_REPLACEMENT].is_well(
                    binding.org_id, dependency, policy
                )
                await self.end_probe(named, "watch")
                due[key] = self.now + dependency.binding.probe_every.total_seconds()

                def decide(
                    before: Binding | None, _: int, now: datetime, well: bool = well, named: Named = named
                ) -> Binding | None:
                    return None if before is None else first_probed(before, well=well, times=named.times, now=now)

                await self.change(named, decide)

    # ---- heals

    async def _arrive(self, at: float, failure: Failure, diagnosis: Diagnosis) -> None:
        await self.sleep(at)
        self.arrived[failure.workflow_name] = self.now
        self._offer(replace(failure, detected_at=self.at()), diagnosis)

    def _offer(self, failure: Failure, diagnosis: Diagnosis) -> None:
        planner = Planner(rungs=self._strategies, catalog=self.catalog)
        plan = planner.plan(failure, diagnosis, self.at(), FleetState(bindings=dict(self.bindings)))
        match plan:
            case Heal():
                if plan.intent.scope in self._holders:
                    self._waiting[plan.intent.scope].append((failure, diagnosis))
                    return
                self._holders.add(plan.intent.scope)
                self._spawn(self._heal(failure, diagnosis, plan))
            case Wait(after=after):
                self._spawn(self._again(failure, diagnosis, after))
            case _:
                self.given_up[failure.workflow_name] = getattr(plan, "reason", str(plan))

    async def _again(self, failure: Failure, diagnosis: Diagnosis, after: timedelta) -> None:
        await self.sleep(max(0.001, after.total_seconds()))
        self._offer(failure, diagnosis)

    async def _heal(self, failure: Failure, diagnosis: Diagnosis, plan: Heal) -> None:
        policy = self.catalog.policy(failure.workflow_name)
        assert policy is not None
        task = Task(
            failure=failure,
            diagnosis=diagnosis,
            plan=plan,
            policy=policy,
            attempt_id=failure.id,  # type: ignore[arg-type]
        )
        outcome: Outcome = await self._strategies[plan.strategy].heal(task, Gate())
        self._holders.discard(plan.intent.scope)
        self._after(failure, diagnosis, plan, outcome)
        if waiting := self._waiting[plan.intent.scope]:
            self._offer(*waiting.popleft())

    def _after(self, failure: Failure, diagnosis: Diagnosis, plan: Heal, outcome: Outcome) -> None:
        match outcome:
            case Healed():
                self.healed[failure.workflow_name] = self.now
            case RetryLater(after=after):
                self._spawn(self._again(failure, diagnosis, after))
            case NotHealed() if failure.attempts < 2:
                climb = advance(failure.ladder_progress, plan.strategy, plan.intent.effect, outcome)
                tried = replace(
                    failure, attempts=failure.attempts + 1, ladder_progress=climb or failure.ladder_progress
                )
                self._spawn(self._again(tried, diagnosis, timedelta(seconds=1)))
            case _:
                self.given_up[failure.workflow_name] = repr(outcome)

    def _wake(self, scope: str) -> None:
        waiting, self._waiting[scope] = self._waiting[scope], deque()
        for one in waiting:
            self._spawn(self._again(*one, timedelta(0)))
