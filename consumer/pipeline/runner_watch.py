"""Watches runners: looks for failed and wedged runs at the engines that the catalog has watched, and tells them.

Each runner has one replica that watches it, found as the owners of claims are: who is dead by the rule of leases has
lost the lead, and whoever takes it over goes on from the cursor. Calls are paced, one at a time; an engine that refuses
or fails is left alone for longer each time.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

import structlog

from consumer.catalog import Catalog, Catalogs, DescribedRunner, WorkflowPolicy
from consumer.catalog.runners.watch import RunnerWatch, WatchedWorkflow
from consumer.errors import LostClaim, RefusedByDatabase, TransientError
from consumer.event_loop import BackOff, wait_for_event
from consumer.metrics import Metrics, WatchedRun
from consumer.model import OrgId, OwnerId
from consumer.model.identity import to_driver_uuid
from consumer.model.runner_watch import SeenRun, WatchCursor, WatchPlace
from consumer.ownership.lease import Lease
from consumer.pipeline.publish import Publisher
from consumer.pipeline.stalled_runs import StalledRuns
from consumer.pipeline.watched_runs import WatchedEvents
from consumer.runners.contract import LookFailed
from consumer.runners.watching import ListedRun, NotFailed, RunFailure, RunPage, RunsOf, WatchedEngine
from consumer.store import runner_watches as store
from consumer.store.pool import Pool

log = structlog.get_logger(__name__)

LEAD_EVERY: Final = timedelta(seconds=2)
"""How often a replica looks whether a watch has lost its leader."""
OVERLAP: Final = timedelta(minutes=5)
"""How far a look goes back behind the last one: engines list what has ended with a delay, and date it before."""
WITHIN: Final = timedelta(minutes=2)
"""For all calls of one look together, the wait for their turns included."""
LONGEST_REST: Final = timedelta(minutes=10)
WATCHES_AT_ONCE: Final = 16
"""Calls of watches that may be under way together: one for each runner."""
_SOON: Final = timedelta(milliseconds=100)
TOLD_AT_ONCE: Final = 50
"""Runs whose failure is written in one transaction: what a crash costs is that many looks again, and no failure."""


class Watchable(Protocol):
    """The clients of watched engines."""

    def of(self, name: str, described: DescribedRunner) -> WatchedEngine | None:
        """Return the client of a runner, or None where it is not watched."""
        ...


class _Refused(Exception):
    """The engine did not answer a look, or refused it: the round ends."""

    def __init__(self, seen: LookFailed) -> None:
        super().__init__(seen.reason)
        self.after = seen.after


@dataclass(slots=True, kw_only=True)
class WatchTurn:
    """When a runner's next round is due, and how far behind its watch is."""

    rest: BackOff = field(default_factory=lambda: BackOff(first=LEAD_EVERY, longest=LONGEST_REST))
    due: float = 0.0
    overdue: float = 0.0
    """Seconds that the last complete round is overdue, as of `told`."""
    told: float = field(default_factory=time.monotonic)

    def lag(self) -> float:
        """Return for how many seconds a complete round has been overdue by now."""
        return max(0.0, self.overdue + time.monotonic() - self.told)


@dataclass(slots=True, kw_only=True)
class RunnerWatches:
    """The watches of one process: one task for each watched runner, as long as the catalog has it."""

    pool: Pool
    lease: Lease
    catalogs: Catalogs
    engines: Watchable
    publisher: Publisher
    topic: str
    metrics: Metrics

    async def run(self, ended: asyncio.Event) -> None:
        """Watch until ended, whatever runners the catalog has meanwhile."""
        turns: dict[str, WatchTurn] = {}
        tasks: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while not ended.is_set():
                watched = watched_runners(self.catalogs.current)
                for name in tasks.keys() - watched.keys():
                    tasks.pop(name).cancel()
                    del turns[name]
                for name in watched.keys() - tasks.keys():
                    turns[name] = WatchTurn()
                    tasks[name] = group.create_task(self._watch(name, turns[name], ended))
                self.metrics.watch_lag_seconds.set(max((turn.lag() for turn in turns.values()), default=0.0))
                await wait_for_event(ended, LEAD_EVERY)
            for task in tasks.values():
                task.cancel()

    async def _watch(self, runner: str, turn: WatchTurn, ended: asyncio.Event) -> None:
        while not ended.is_set():
            try:
                await self._once(runner, turn)
            except LostClaim:
                log.info("runner_watch_lost", runner=runner)
            except (TransientError, RefusedByDatabase) as error:
                log.warning("runner_watch_failed", runner=runner, error=str(error)[:300])
            except Exception:  # a bug in the reading of one engine's answers must not stop the process
                turn.rest.failed()
                log.exception("runner_watch_crashed", runner=runner)
            await wait_for_event(ended, max(_SOON, min(LEAD_EVERY, timedelta(seconds=turn.due - time.monotonic()))))

    async def _once(self, runner: str, turn: WatchTurn) -> None:
        """Look for the runs of a runner where this replica has its lead, and a round is due."""
        catalog = self.catalogs.current
        watched = watched_runners(catalog).get(runner)
        if watched is None or not self.lease.permission.is_fresh():
            return
        described, watch = watched
        lead = await store.lead(self.pool, runner, self.lease.me, tuple(self.lease.dead))
        turn.overdue, turn.told = lead.behind - watch.every.total_seconds(), time.monotonic()
        engine = self.engines.of(runner, described)
        if lead.epoch is None or engine is None or turn.rest.rests or time.monotonic() < turn.due:
            return
        looks = RunnerLooks(
            pool=self.pool,
            publisher=self.publisher,
            metrics=self.metrics,
            catalog=catalog,
            engine=engine,
            watch=watch,
            runner=runner,
            owner=self.lease.me,
            epoch=lead.epoch,
            topic=self.topic,
        )
        try:
            await looks.all()
        except _Refused as refused:
            self.metrics.watch_looks_refused.inc()
            turn.rest.failed()
            turn.due = time.monotonic() + min(refused.after or timedelta(0), LONGEST_REST).total_seconds()
            log.warning("runner_watch_refused", runner=runner, error=str(refused)[:300], failures=turn.rest.failures)
        else:
            turn.rest.succeeded()
            turn.due = time.monotonic() + watch.every.total_seconds()


def watched_runners(catalog: Catalog) -> Mapping[str, tuple[DescribedRunner, RunnerWatch]]:
    """Return the runners that the catalog has watched, by name."""
    named = ((name, one, getattr(one, "watch", None)) for name, one in catalog.runners.items())
    return {name: (one, watch) for name, one, watch in named if isinstance(watch, RunnerWatch)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerLooks:
    """One round of looks at a runner, under the fence of its lead."""

    pool: Pool
    publisher: Publisher
    metrics: Metrics
    catalog: Catalog
    engine: WatchedEngine
    watch: RunnerWatch
    runner: str
    owner: OwnerId
    epoch: int
    topic: str

    async def all(self) -> None:
        """Look for the runs of each watched workflow; raises _Refused where the engine does not answer."""
        for workflow in self.watch.workflows:
            policy = self.catalog.policy(workflow.name)
            if policy is None or policy.runner != self.runner:
                continue  # the catalog has moved it elsewhere, and says so at its load
            look = WorkflowLook(round=self, workflow=workflow, policy=policy)
            await look.failed()
            if self.watch.stalled_after is not None:
                await look.stalled(self.watch.stalled_after)
        await store.end_round(self.pool, self.runner, self.owner, self.epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowLook:
    """One look for the runs of one workflow."""

    round: RunnerLooks
    workflow: WatchedWorkflow
    policy: WorkflowPolicy

    @property
    def _place(self) -> WatchPlace:
        looks = self.round
        return WatchPlace(
            runner=looks.runner,
            owner=looks.owner,
            epoch=looks.epoch,
            org_id=OrgId(to_driver_uuid(UUID(str(self.workflow.organisation)))),
            workflow_name=self.workflow.name,
        )

    @property
    def _of(self) -> RunsOf:
        return RunsOf(org_id=str(self.workflow.organisation), workflow_name=self.workflow.name)

    @property
    def _events(self) -> WatchedEvents:
        return WatchedEvents(place=self._place, topic=self.round.topic, declared=self.round.catalog.declared_places)

    async def failed(self) -> None:
        """Tell the runs that have failed since the cursor, page by page, and move it."""
        cursor = await store.read_cursor(self.round.pool, self._place, self.round.watch.look_back)
        more = True
        while more:
            page = await self.round.engine.failed_since(
                self._of, cursor.since - OVERLAP, cursor.page, self.policy, within=WITHIN
            )
            if isinstance(page, LookFailed):
                if cursor.page is not None and not page.dependency_unhealthy:
                    # The engine's word for the page may have run out: the next look begins anew, and nothing is lost.
                    await self._move(WatchCursor(since=cursor.since, newest=cursor.newest), [])
                raise _Refused(page)
            await self._tell(page, cursor)
            cursor, more = _moved(cursor, page), page.following is not None
            await self._move(cursor, [])

    async def _tell(self, page: RunPage, cursor: WatchCursor) -> None:
        events = self._events
        listed = {events.seen(one): one for one in page.runs if one.at >= cursor.since - OVERLAP}
        known = await store.known_runs(self.round.pool, self.round.runner, [*listed])
        found: list[SeenRun] = []
        try:
            for seen, one in listed.items():
                if seen not in known:
                    found.append(await self._look_at(one))
                if len(found) >= TOLD_AT_ONCE:
                    await self._move(cursor, found)
                    found = []
        finally:
            if found:  # also where the engine refuses the rest: what was looked at is told
                await self._move(cursor, found)

    async def _look_at(self, listed: ListedRun) -> SeenRun:
        seen = await self.round.engine.failure_of(self._of, listed, self.policy, within=WITHIN)
        match seen:
            case RunFailure():
                return self._events.failed(listed, seen)
            case NotFailed():
                self.round.metrics.watched_runs[WatchedRun.RECOVERED].inc()
                return self._events.passed_over(listed)
            case LookFailed() if seen.dependency_unhealthy:
                raise _Refused(seen)
            case LookFailed():
                # Of one that cannot be looked at, that it failed is told all the same: it must not hold up the others.
                failure = RunFailure(run=self._of.run(listed.run_id), reason=f"the run has failed; {seen.reason}")
                return self._events.failed(listed, failure)

    async def _move(self, cursor: WatchCursor, found: list[SeenRun]) -> None:
        messages, still_open = await store.move_cursor(self.round.pool, self._place, cursor, found)
        self.round.publisher.offer(messages)
        self.round.metrics.watched_runs[WatchedRun.TOLD].inc(len(messages))
        self.round.metrics.watched_runs[WatchedRun.STILL_OPEN].inc(still_open)

    async def stalled(self, after: timedelta) -> None:
        """Tell the runs that stand still by two looks that agree."""
        found = StalledRuns(
            pool=self.round.pool,
            engine=self.round.engine,
            place=self._place,
            of=self._of,
            policy=self.policy,
            events=self._events,
            tell=self._tell_stall,
        )
        failed = await found.look(after, within=WITHIN)
        if failed is not None:
            raise _Refused(failed)

    async def _tell_stall(self, seen: SeenRun) -> None:
        cursor = await store.read_cursor(self.round.pool, self._place, self.round.watch.look_back)
        await self._move(cursor, [seen])


def _moved(cursor: WatchCursor, page: RunPage) -> WatchCursor:
    """Return the cursor after a page: after the last one all that ended before the newest is read."""
    ends = [one.at for one in page.runs]
    newest = max([*ends, cursor.newest or cursor.since, cursor.since])
    if page.following is not None:
        return WatchCursor(since=cursor.since, newest=newest, page=page.following)
    return WatchCursor(since=newest)
