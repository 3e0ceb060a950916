"""Looks at runs that began long ago and have not ended: two looks that agree on why one stands still have it told.

The judgement is route-repair's own, by the same evidence: what waits for a timer, a signal or a person stands still
rightly, and is not told.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import ValidationError

from consumer.catalog import WorkflowPolicy
from consumer.heal.route_repair.finding import NamedCause, found_in
from consumer.heal.route_repair.state import DatedLookState, look_state
from consumer.heal.route_repair.suspicion import Cause, Suspicion, suspect
from consumer.model.runner_watch import SeenRun, WatchPlace
from consumer.pipeline.watched_runs import WatchedEvents
from consumer.redact import redact_json
from consumer.runners.contract import LookFailed, Phase, RunState
from consumer.runners.watching import ListedRun, RunsOf, WatchedEngine
from consumer.store import runner_watches as store
from consumer.store.pool import Pool

MOST: Final = 200
"""Runs of a workflow that one round looks at: the engine lists those first that began last."""
_NO_STALL: Final = frozenset({Cause.WAITING, Cause.ELSEWHERE})
"""Healthy; nothing that a repair of this run could help."""
_UNDER_WAY: Final = frozenset({Phase.QUEUED, Phase.RUNNING, Phase.CANCELLING})


@dataclass(frozen=True, slots=True, kw_only=True)
class StalledRuns:
    """One look for the runs of one workflow that stand still."""

    pool: Pool
    engine: WatchedEngine
    place: WatchPlace
    of: RunsOf
    policy: WorkflowPolicy
    events: WatchedEvents
    tell: Callable[[SeenRun], Awaitable[None]]

    async def look(self, after: timedelta, *, within: timedelta) -> LookFailed | None:
        """Look at the runs that began so long ago; returns what ended it where the engine does not answer."""
        before = datetime.now(UTC) - after
        page = await self.engine.unfinished(self.of, before, None, self.policy, within=within)
        if isinstance(page, LookFailed):
            return page
        for listed in page.runs[:MOST]:
            state = await self.engine.look(self.of.run(listed.run_id), self.policy, within=within)
            if isinstance(state, LookFailed):
                if state.dependency_unhealthy:
                    return state
                continue
            await self._judge(listed, state)
        return None

    async def _judge(self, listed: ListedRun, state: RunState) -> None:
        limits, run = self.policy.route_repair, self.of.run(listed.run_id)
        said = suspect(state, limits, datetime.now(UTC))
        if state.phase not in _UNDER_WAY or said.cause in _NO_STALL:
            return
        name = self.events.run(run)
        before = await self._before(name)
        if before is not None and before[1] < limits.apart:
            return
        kept = look_state(said, 1, redact_json)
        if kept is not None:
            await store.keep_suspicion(self.pool, self.place, name, kept.model_dump(mode="json"))
        found = None if before is None else found_in(before[0], said, limits)
        if not isinstance(found, NamedCause) or found.cause in _NO_STALL:
            return
        if await store.known_runs(self.pool, self.place.runner, [self.events.stalled(listed.run_id, said.place)]):
            return
        step = state.step(found.step)
        epoch = state.epoch if state.epoch is not None or step is None else step.attempts
        told = self.of.run(listed.run_id, epoch=epoch, step=found.step)
        await self.tell(self.events.stands_still(told, found, said.place, state.at or datetime.now(UTC)))

    async def _before(self, name: bytes) -> tuple[Suspicion, timedelta] | None:
        kept = await store.read_suspicion(self.pool, self.place.runner, name)
        if kept is None:
            return None
        try:
            return DatedLookState.model_validate(kept[0]).suspicion, kept[1]
        except ValidationError:  # another release's
            return None
