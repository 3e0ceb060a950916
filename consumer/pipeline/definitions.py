"""Watches rewritten definitions: a relapse within the window rolls one back, a window without one keeps it.

The rows are the fleet's: one process at a time looks at one. A rollback is marked before its call, and is a
compare-and-set: made again after a crash it finds what it has put back, and it never undoes what somebody else has
put there since.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final, Protocol, runtime_checkable

import structlog

from consumer.catalog import Catalogs, WorkflowPolicy
from consumer.errors import RefusedByDatabase, TransientError
from consumer.event_loop import wait_for_event
from consumer.heal.strategy import Strategies, Strategy
from consumer.metrics import Metrics
from consumer.model import AttemptId
from consumer.model.definition_watch import DefinitionWatch, RewriteStage
from consumer.model.pause import pause_over
from consumer.model.plan import HealPlace
from consumer.ownership.permission import Permission
from consumer.pipeline.publish import Publisher
from consumer.results.definitions import TOLD, definition_messages
from consumer.results.events import Outlet
from consumer.store import definition_watches as store
from consumer.store.pool import Pool
from schemas.names import FailureType, StrategyName

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = timedelta(seconds=1)
LOOK_AGAIN: Final = timedelta(seconds=60)
"""After that another process may look at a row: longer than a rollback's calls take."""
ROLLBACKS_AT_ONCE: Final = 8
_OPEN: Final = (RewriteStage.PROMOTING, RewriteStage.WATCHING, RewriteStage.ROLLING_BACK)
_NO_WINDOW: Final = timedelta(0)


@dataclass(slots=True, kw_only=True)
class DefinitionRecords:
    """The rows of watched definitions: opened and changed with their event and their metric."""

    pool: Pool
    outlet: Outlet
    metrics: Metrics
    untold: bool = False
    """Changes are in the outbox, and wait for a sweep."""

    async def open(self, watch: DefinitionWatch) -> DefinitionWatch:
        """Make durable that a definition is about to be put in force."""
        return await store.open_watch(self.pool, watch, LOOK_AGAIN)

    async def find(self, attempt_id: AttemptId) -> DefinitionWatch | None:
        """Return the row of an attempt, or None."""
        return await store.find_watch(self.pool, attempt_id)

    async def change(self, after: DefinitionWatch, window: timedelta = _NO_WINDOW) -> DefinitionWatch | None:
        """Write what has become of a definition, and tell it; None where that is settled already."""
        before = [state for state in _OPEN if state is not after.state]
        tell = partial(definition_messages, outlet=self.outlet)
        changed = await store.change_watch(self.pool, after, window, before, tell)
        if changed is None:
            return None
        if changed.state in TOLD:
            self.untold = True
            self.metrics.definition_changes[TOLD[changed.state]].inc()
        log.info(
            "definition_changed",
            org_id=str(changed.org_id),
            workflow_name=changed.workflow_name,
            state=changed.state,
            version=changed.version,
            relapse_id=None if changed.relapse_id is None else str(changed.relapse_id),
        )
        return changed


@runtime_checkable
class RollsBack(Strategy, Protocol):
    """The strategy, as far as it puts back what a definition has replaced."""

    async def roll_back(self, watch: DefinitionWatch, policy: WorkflowPolicy) -> DefinitionWatch | str:
        """Put it back; returns the row as it is then, or why nobody knows yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionRounds:
    """Looks at watched definitions that are due, until ended."""

    records: DefinitionRecords
    catalogs: Catalogs
    rolls: RollsBack
    publisher: Publisher
    permission: Permission

    async def run(self, ended: asyncio.Event) -> None:
        """Look at what is due until ended; while the database is away, go on later."""
        while not ended.is_set():
            try:
                await self.once()
            except (TransientError, RefusedByDatabase) as error:
                log.warning("definition_watch_failed", error=str(error)[:300])
            await wait_for_event(ended, LOOK_EVERY)

    async def once(self) -> None:
        """Look at what is due now, and publish what has changed."""
        due = await store.pick_watches(self.records.pool, ROLLBACKS_AT_ONCE, LOOK_AGAIN)
        async with asyncio.TaskGroup() as looks:
            for watch in due:
                looks.create_task(self._look(watch))
        if self.records.untold:
            self.records.untold = False
            await self.publisher.sweep_once()

    async def _look(self, watch: DefinitionWatch) -> None:
        try:
            await self._decide(watch)
        except (TransientError, RefusedByDatabase) as error:  # it is due again
            log.warning("definition_watch_failed", error=str(error)[:300])
        except Exception:  # a strategy's bug in one rollback must not stop the process
            log.exception("definition_watch_crashed", attempt_id=str(watch.attempt_id))

    async def _decide(self, watch: DefinitionWatch) -> None:
        if watch.state is RewriteStage.WATCHING and watch.relapse_id is None:
            kept = replace(watch, state=RewriteStage.KEPT, reason="its cause has not come back within its window")
            await self.records.change(kept)
            return
        rolling: DefinitionWatch | None = watch
        if watch.state is not RewriteStage.ROLLING_BACK:
            why = "its heal ended before it was known to be in force"
            if watch.relapse_id is not None:
                why = f"its cause has come back: failure {watch.relapse_id}"
            rolling = await self.records.change(replace(watch, state=RewriteStage.ROLLING_BACK, reason=why))
        if rolling is not None:
            await self._roll_back(rolling)

    async def _roll_back(self, watch: DefinitionWatch) -> None:
        if (held := self._held(watch)) is not None:
            log.info("definition_not_rolled_back", attempt_id=str(watch.attempt_id), error=held[:300])
            return
        policy = self.catalogs.current.policy(watch.workflow_name)
        back: DefinitionWatch | str = "the catalog has no entry for its workflow"
        if policy is not None:
            back = await self.rolls.roll_back(watch, policy)
        if isinstance(back, str):
            log.warning("definition_not_rolled_back", attempt_id=str(watch.attempt_id), error=back[:300])
        else:
            await self.records.change(back)

    def _held(self, watch: DefinitionWatch) -> str | None:
        """Return why nothing may begin now: what is paused is not known, or this is."""
        if not self.permission.is_fresh():
            return "whether healing is paused is not known at the moment"
        place = HealPlace(
            org_id=watch.org_id,
            workflow_name=watch.workflow_name,
            failure_type=FailureType.UNKNOWN,
            strategy=StrategyName.WORKFLOW_REWRITE,
            dependencies=frozenset(),
        )
        paused = pause_over(place, self.permission.pauses)
        return None if paused is None else str(paused)


def definition_rounds(
    records: DefinitionRecords | None,
    catalogs: Catalogs,
    strategies: Strategies,
    publisher: Publisher,
    permission: Permission,
) -> DefinitionRounds | None:
    """Return the rounds of a process that can rewrite definitions."""
    rewriting = strategies.get(StrategyName.WORKFLOW_REWRITE)
    if records is None or not isinstance(rewriting, RollsBack):
        return None
    return DefinitionRounds(
        records=records, catalogs=catalogs, rolls=rewriting, publisher=publisher, permission=permission
    )
