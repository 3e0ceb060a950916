"""Rehearses the heals of strategies in shadow mode, a few at a time, before anything else is done about their failure.

A failure with such a heal is taken in without a claim, and is due at once: RESUME picks it up and gives it to `begin`,
which hands it back with what came of the rehearsal in its plan. It holds no slot and no scope; whatever comes between,
it is due again, and rehearsed once more. Later its failure is looked at again where it stands still, to see whether it
has recovered by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import structlog

from consumer.catalog import Catalogs, WorkflowPolicy
from consumer.flow_control.dependencies import Dependencies
from consumer.heal.rehearsal import rehearse
from consumer.heal.strategy import Strategies, Task
from consumer.model import Diagnosed, FailureId, Heal, Refuse
from consumer.model.plan import Rehearsal, with_rehearsals
from consumer.ownership.clock import Clock
from consumer.pipeline.failure_tasks import FailureTasks
from consumer.pipeline.reading import Reading
from consumer.store.pool import Pool
from consumer.store.shadows import ShadowLook, note_recovered, shadows_to_look_at
from schemas.names import RehearsalOutcome

log = structlog.get_logger(__name__)

AT_ONCE: Final = 4
"""Rehearsals of one process at a time: their looks ask others' services, and no breaker or slow start counts them."""
MOST_WAITING: Final = 32
"""Beyond it a failure is told by its plan alone: a flood of them does not wait for its looks."""
LOOKED_AT_ONCE: Final = 4
"""Failures of which one round looks whether they have recovered by themselves."""

Then = Callable[[Sequence[Diagnosed]], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class Rehearsals:
    """Rehearsals of this process, each in a task of its own."""

    pool: Pool
    reading: Reading
    strategies: Strategies
    catalogs: Catalogs
    dependencies: Dependencies
    clock: Clock
    tasks: asyncio.TaskGroup
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _running: FailureTasks = field(init=False)

    def __post_init__(self) -> None:
        """Begin without one."""
        self._running = FailureTasks(group=self.tasks, put_off=_put_off)

    def begin(self, diagnosed: Diagnosed, then: Then) -> None:
        """Rehearse what strategies in shadow mode would do, and hand the failure to `then` with what came of it."""
        failure_id = diagnosed.failure.id
        if failure_id not in self._running:  # it was picked again meanwhile
            full = len(self._running) >= MOST_WAITING
            self._running.start(failure_id, partial(self._rehearse_and_go_on, diagnosed, then, full=full))

    async def look_again(self) -> None:
        """Begin to look whether failures that stand as their shadow heal left them have recovered by themselves."""
        if len(self._running) >= AT_ONCE:
            return
        for look in await shadows_to_look_at(self.pool, LOOKED_AT_ONCE):
            if look.failure.id not in self._running:
                self._running.start(look.failure.id, partial(self._look, look))

    def cancel(self) -> None:
        """Cancel them: their failures are due again."""
        self._running.cancel()

    async def _rehearse_and_go_on(self, diagnosed: Diagnosed, then: Then, *, full: bool) -> None:
        plan = diagnosed.plan
        if not isinstance(plan, Heal | Refuse):
            raise TypeError("only a plan with strategies in shadow mode is rehearsed")
        found = {
            heal.rung: _NOT_NOW if full else await self._rehearse(diagnosed, heal) for heal in diagnosed.unrehearsed
        }
        for rung, rehearsal in found.items():
            log.info("rehearsed", failure_id=str(diagnosed.failure.id), strategy=rung, outcome=rehearsal.outcome)
        await then([replace(diagnosed, plan=with_rehearsals(plan, found))])

    async def _rehearse(self, diagnosed: Diagnosed, heal: Heal) -> Rehearsal:
        strategy = self.strategies.get(heal.strategy)
        ill = [key for key in heal.dependencies if self.dependencies.is_unhealthy(key)]
        if strategy is None or ill:
            return replace(_NOT_NOW, reason="its dependency is ill: nothing is asked of it")
        failure = diagnosed.failure
        policy = self.catalogs.of(heal.catalog_version).policy(failure.workflow_name) or WorkflowPolicy(name="*")
        task = Task(
            failure=failure,
            diagnosis=diagnosed.diagnosis,
            plan=heal,
            policy=policy,
            attempt_id=diagnosed.attempt_id,
        )
        async with self._room:
            return await rehearse(strategy, task)

    async def _look(self, look: ShadowLook) -> None:
        diagnosed = self.reading.diagnosed(look.failure, self.clock.now())
        heal = next((one for one in diagnosed.would_heal if one.rung == look.strategy), None)
        if heal is None:  # it is live by now, or refuses: its rehearsal would tell of another heal
            return
        found = await self._rehearse(diagnosed, heal)
        if found.outcome is RehearsalOutcome.RECOVERED:
            await note_recovered(self.pool, look)


def _put_off(failure_id: FailureId, error: Exception) -> None:
    log.warning("rehearsal_put_off", failure_id=str(failure_id), error=str(error)[:300])


_NOT_NOW: Final = Rehearsal(
    outcome=RehearsalOutcome.NOT_REHEARSED, reason="more of them came at once than are rehearsed: this is its plan"
)
