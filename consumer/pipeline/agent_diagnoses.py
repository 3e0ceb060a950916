"""Asks a model what is broken where no rule knows, a few at a time, before anything else is done about a failure.

Such a failure is taken in without a claim, and is due at once: RESUME picks it up and gives it to `begin`, which hands
it back planned anew, under what was answered, or under the rules' diagnosis. So no model holds up the reading loop, nor
RESUME. It is begun durably before the first call: after a crash it is asked once more, and a third time never.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Final, Protocol, runtime_checkable

import structlog

from consumer.agent.wire import AgentStopped
from consumer.catalog import Catalogs, WorkflowPolicy
from consumer.errors import LostClaim, RefusedByDatabase, TransientError
from consumer.flow_control.dependencies import Dependencies
from consumer.heal.deep_agent.diagnosing import Asking, question_of
from consumer.heal.strategy import Strategies, Strategy
from consumer.metrics import Metrics
from consumer.model import Diagnosed, Failure, FailureId, OrgId, OwnerId
from consumer.model.agent_diagnosis import AgentDiagnosis, AgentQuestion, DiagnosisAnswer
from consumer.model.call import MAY_START, NOT_PERMITTED, CallResult, NotSent
from consumer.model.pause import HealingPause, pause_over
from consumer.model.plan import HealPlace
from consumer.ownership.clock import Clock
from consumer.ownership.permission import Permission
from consumer.pipeline.failure_tasks import FailureTasks
from consumer.pipeline.reading import Reading
from consumer.runners.places import dependency_of
from consumer.store import agent_diagnoses as store
from consumer.store.pool import Pool
from schemas.names import DiagnosisAnswerKind, FailureType, StrategyName

log = structlog.get_logger(__name__)

AT_ONCE: Final = 4
"""Models that one process asks at a time."""
MOST_WAITING: Final = 64
"""Beyond it a failure goes on with the rules' diagnosis: a flood of them does not wait for a model."""
LEFT_AFTER: Final = timedelta(minutes=10)
"""Above the longest asking: what was begun longer ago, by a process that is dead, nobody goes on with."""
LEFT_AT_ONCE: Final = 20

Then = Callable[[Sequence[Diagnosed]], Awaitable[None]]


@runtime_checkable
class Diagnoses(Strategy, Protocol):
    """The strategy, as far as its model says what is broken."""

    async def diagnose(self, asking: Asking) -> DiagnosisAnswer:
        """Ask the model; whatever it does is an answer."""
        ...


@dataclass(slots=True, kw_only=True)
class AgentDiagnoses:
    """What this process asks models, each failure in a task of its own."""

    pool: Pool
    me: OwnerId
    reading: Reading
    strategies: Strategies
    catalogs: Catalogs
    dependencies: Dependencies
    permission: Permission
    clock: Clock
    metrics: Metrics
    tasks: asyncio.TaskGroup
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _running: FailureTasks = field(init=False)

    def __post_init__(self) -> None:
        """Begin without one."""
        self._running = FailureTasks(group=self.tasks, put_off=_put_off)

    def begin(self, diagnosed: Diagnosed, then: Then) -> None:
        """Ask what is broken, and hand the failure to `then`, planned under what was answered."""
        failure_id = diagnosed.failure.id
        if failure_id not in self._running:  # it was picked again meanwhile
            full = len(self._running) >= MOST_WAITING
            self._running.start(failure_id, partial(self._ask_and_go_on, diagnosed, then, full=full))

    async def end_left(self) -> None:
        """End what processes that have died were asking, and that nobody comes back to."""
        await store.end_left(self.pool, self.me, LEFT_AFTER, LEFT_AT_ONCE)

    def cancel(self) -> None:
        """Cancel them: their failures are due again."""
        self._running.cancel()

    async def _ask_and_go_on(self, diagnosed: Diagnosed, then: Then, *, full: bool) -> None:
        failure = diagnosed.failure
        policy, strategy = self.catalogs.current.policy(failure.workflow_name), self._strategy()
        if policy is None or strategy is None:
            await self._by_rules(diagnosed, then, "no model can be asked in this process")
            return
        if (why := self._unasked(failure, policy, full=full)) is not None:
            await self._by_rules(diagnosed, then, why)
            return
        async with self._room:
            try:
                ended = await self._ask(failure, policy, strategy)
            except store.NotAsked as never:
                await self._by_rules(diagnosed, then, str(never))
                return
        if ended is None:
            return  # another process asks, or it has ended: the failure is due again
        self._tell(failure, ended)
        await then([self.reading.diagnosed(replace(failure, agent_diagnosis=ended), self.clock.now())])

    async def _by_rules(self, diagnosed: Diagnosed, then: Then, why: str) -> None:
        """Go on with the rules' diagnosis; what was begun before is ended, and charged."""
        failure = diagnosed.failure
        log.info("agent_not_asked", failure_id=str(failure.id), org_id=str(failure.org_id), reason=why[:300])
        if failure.agent_diagnosis is not None:
            unanswered = DiagnosisAnswer(kind=DiagnosisAnswerKind.UNANSWERED, reason=why[:600])
            ended = await store.end_asking(self.pool, self.me, failure.id, unanswered)
            if ended is not None:
                self._tell(failure, ended)
                failure = replace(failure, agent_diagnosis=ended)
        await then([replace(self.reading.diagnosed(failure, self.clock.now()), asks_agent=False)])

    async def _ask(self, failure: Failure, policy: WorkflowPolicy, strategy: Diagnoses) -> AgentDiagnosis | None:
        question = question_of(failure, policy)
        if await store.begin_asking(self.pool, self.me, question) is None:
            return None

        async def permitted(act: Callable[[], Awaitable[CallResult]]) -> CallResult:
            return await self._permitted(question, policy, act)

        asking = Asking(failure=failure, policy=policy, question=question, permitted=permitted)
        fence = MAY_START.set(self.permission.is_fresh)
        try:
            answer = await strategy.diagnose(asking)
        except (TransientError, RefusedByDatabase):
            raise
        except Exception as error:  # a bug of ours in one diagnosis must not stop the process, nor hold the failure up
            log.exception("agent_diagnosis_crashed", failure_id=str(failure.id))
            why = f"asking broke ({type(error).__name__}): report this"
            answer = DiagnosisAnswer(kind=DiagnosisAnswerKind.UNANSWERED, reason=why)
        finally:
            MAY_START.reset(fence)
        return await store.end_asking(self.pool, self.me, failure.id, answer)

    async def _permitted(
        self, question: AgentQuestion, policy: WorkflowPolicy, act: Callable[[], Awaitable[CallResult]]
    ) -> CallResult:
        """Make a call while the lease is fresh, the asking this process's own, and nothing paused."""
        while True:
            await self.permission.wait()
            if (pause := self._paused(question.org_id, question.workflow_name, policy)) is not None:
                raise AgentStopped(str(pause))
            if not await store.is_asked_by(self.pool, self.me, question.failure_id):
                raise LostClaim("another process asks about this failure by now")
            result = await act()
            if not (isinstance(result, NotSent) and result.kind == NOT_PERMITTED):
                return result

    def _strategy(self) -> Diagnoses | None:
        strategy = self.strategies.get(StrategyName.WORKFLOW_REWRITE)
        return strategy if isinstance(strategy, Diagnoses) else None

    def _unasked(self, failure: Failure, policy: WorkflowPolicy, *, full: bool) -> str | None:
        """Return why no model is asked now, and the rules' diagnosis counts; None where one may be."""
        if policy.agent is None or policy.diagnose != "agent":
            return "its entry asks no model any more"
        if full:
            return "more failures wait for a model than may"
        if self.dependencies.is_unhealthy(f"dependency:{failure.org_id}:{dependency_of(policy.agent.api)}"):
            return "the model's server is ill"
        pause = self._paused(failure.org_id, failure.workflow_name, policy)
        return None if pause is None else str(pause)

    def _paused(self, org_id: OrgId, workflow_name: str, policy: WorkflowPolicy) -> HealingPause | None:
        place = HealPlace(
            org_id=org_id,
            workflow_name=workflow_name,
            failure_type=FailureType.UNKNOWN,
            strategy=StrategyName.WORKFLOW_REWRITE,
            dependencies=frozenset() if policy.agent is None else frozenset({dependency_of(policy.agent.api)}),
        )
        return pause_over(place, self.permission.pauses)

    def _tell(self, failure: Failure, ended: AgentDiagnosis) -> None:
        answer = ended.answer
        if answer is None:
            return
        self.metrics.agent_diagnoses[answer.kind].inc()
        log.info(
            "agent_diagnosed",
            failure_id=str(failure.id),
            org_id=str(failure.org_id),
            answer=answer.kind,
            failure_type=answer.failure_type,
            disposition=answer.disposition,
            asks=ended.asks,
            tokens=ended.input_tokens + ended.output_tokens,
        )


def _put_off(failure_id: FailureId, error: Exception) -> None:
    log.warning("agent_diagnosis_put_off", failure_id=str(failure_id), error=str(error)[:300])
