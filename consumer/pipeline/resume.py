"""The way back in: failures that are due, members' own inserts, and claims whose owner is dead or was not told."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import random
from typing import Final

import structlog

from consumer.catalog import Catalogs
from consumer.errors import RefusedByDatabase, TransientError
from consumer.event_loop import jittered, wait_for_event
from consumer.flow_control.brake import WorkflowBrake
from consumer.flow_control.dependencies import Dependencies, turned_away
from consumer.flow_control.slots import HealSlots
from consumer.ingest.decode import redacted
from consumer.metrics import LoopPhase, Metrics
from consumer.model import Diagnosed, Failure, Heal, OrgId, OwnerId, Refuse, Settlement
from consumer.model.batch import Claimed
from consumer.ownership.clock import Clock
from consumer.ownership.lease import Lease
from consumer.pipeline.durable import halved
from consumer.pipeline.flow import Pipeline
from consumer.pipeline.publish import Publisher
from consumer.pipeline.recording import Recording
from consumer.plan.planner import FleetState
from consumer.results.events import Outlet
from consumer.results.settlement import settle_unclaimed, without_content
from consumer.settings import BreakerSettings, HealSettings, ResumeSettings
from consumer.store import breakers, due, leases, rate_limits
from consumer.store.pool import Pool
from consumer.store.settle import end_unclaimed
from consumer.store.waiters import look_again

log = structlog.get_logger(__name__)

ORPHANED_AFTER: Final = timedelta(seconds=10)
"""A claim under our name is in memory as soon as its commit is answered: one this old and unknown lost its answer."""
TAKE_OVER_AT_ONCE: Final = 50


FREED_BEFORE_PICK: Final = 20
"""With a backlog, the part of the slots that is free before the next pick: its transactions are then worth it."""


@dataclass(slots=True)
class Rounds:
    """Where the next pick begins, and when the fleet is looked at again: once an interval, however often it picks."""

    every: timedelta
    after: OrgId | None = None
    _next: float = 0.0

    def soon(self) -> None:
        """Have the fleet looked at with the next look."""
        self._next = 0.0

    def is_due(self) -> bool:
        """Tell, once an interval, that it is time to look around."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self.every.total_seconds() * 0.7  # below the shortest rest
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Looks through the database at intervals, and puts what it finds into the pipeline."""

    pool: Pool
    me: OwnerId
    live: HealSlots
    pipeline: Pipeline
    publisher: Publisher
    recording: Recording
    outlet: Outlet
    metrics: Metrics
    settings: ResumeSettings
    heal: HealSettings
    breaker: BreakerSettings
    brake: WorkflowBrake
    catalogs: Catalogs
    dependencies: Dependencies
    clock: Clock
    lease: Lease
    rounds: Rounds
    wake: asyncio.Event
    """Set by whoever knows of something due now."""

    async def run(self, stop: asyncio.Event) -> None:
        """Look until stopped; an absent database is waited for."""
        while not stop.is_set():
            try:
                more = await self.once()
            except (TransientError, RefusedByDatabase) as error:
                log.warning("resume_failed", error=str(error)[:300])
                more = False
            if more:
                # A few at a time would cost as many transactions as heals.
                wanted = max(1, self.live.slots // FREED_BEFORE_PICK)
                await self.live.wait_for_some(wanted, self.settings.interval)
            else:
                await self._rest(stop)

    async def once(self) -> bool:
        """Look once; tell whether there was more than there were slots for."""
        if self.rounds.is_due():
            with self.metrics.timed(LoopPhase.RESUME):
                await self._look_around()
            with self.metrics.timed(LoopPhase.RESUME):
                await self._inherit()
            if self.live.free() == 0:
                self.live.due_waits = await due.has_due(self.pool, self.rounds.after)
        limit = min(self.live.free(), self.settings.batch)
        picked = 0
        while picked < limit:
            with self.metrics.timed(LoopPhase.RESUME):
                found = await self._pick_and_start(limit - picked)
            self.rounds.after = found.after
            picked += len(found.failures)
            if found.now is None and found.after is None:
                self.live.due_waits = False
                return False
        if limit:
            self.live.due_waits = True
        return True

    async def _pick_and_start(self, limit: int) -> due.Picked:
        found = await due.pick(
            self.pool,
            after=self.rounds.after,
            room=self.live.free_slots,
            per_organisation=self.settings.per_organisation,
            limit=limit,
            hide=self.settings.hide,
        )
        if found.now is not None:
            now, stored = found.now, await self._stored_form(found.failures)
            await self._go_on([self.pipeline.diagnosed(failure, now) for failure in stored])
        return found

    async def _look_around(self) -> None:
        """Learn what the whole fleet knows: which dependencies are ill, and of what too much is sick at once."""
        await due.put_off(self.pool)
        known = await breakers.load_breakers(self.pool, self.breaker)
        self.dependencies.refresh(known.unhealthy, known.struck)
        self.metrics.breakers_open.set(len(known.unhealthy))
        await rate_limits.forget(self.pool)
        self.pipeline.brake(FleetState(braked=await self.brake.look(self.catalogs.current)))

    async def _inherit(self) -> None:
        sent_at = time.monotonic()
        await leases.release_decided(self.pool, TAKE_OVER_AT_ONCE)
        taken = await leases.take_over(self.pool, self.me, self.lease.dead, TAKE_OVER_AT_ONCE)
        lost = await leases.orphans(self.pool, self.me, self.live.ids(), ORPHANED_AFTER)
        for inherited in (*taken, *lost):
            self.metrics.claims_inherited.inc()
            log.warning("claim_inherited", attempt_id=str(inherited.attempt_id), begun=inherited.begun)
            self.pipeline.inherit(inherited, sent_at)

    async def _stored_form(self, failures: Sequence[Failure]) -> list[Failure]:
        """Take secrets out of what members inserted; memory and database heal the same form."""
        changed = {}
        for failure in failures:
            if failure.source is None and (clean := redacted(failure)) is not failure:
                changed[failure.id] = clean
        if changed:
            await due.store_redacted(self.pool, list(changed.values()))
        return [changed.get(failure.id, failure) for failure in failures]

    async def _go_on(self, diagnosed: Sequence[Diagnosed]) -> None:
        now = self.clock.now()
        healable = [one for one in diagnosed if isinstance(one.plan, Heal)]
        ended = [
            settle_unclaimed(one, one.plan, now, random(), self.outlet)  # noqa: S311 - jitter
            for one in diagnosed
            if not isinstance(one.plan, Heal)
        ]
        if ended:
            await self._end(ended)
            for one in diagnosed:
                if one.failure.source is None and isinstance(one.plan, Refuse):  # others were when they came in
                    self.recording.missing_context(one)
        if healable:
            await self._start(healable)

    async def _start(self, healable: Sequence[Diagnosed]) -> None:
        await halved(healable, self._start_together, self._give_up)

    async def _start_together(self, healable: Sequence[Diagnosed]) -> None:
        sent_at = time.monotonic()
        started = await due.start(self.pool, self.me, self._due(healable), jittered(self.heal.waiter_retry))
        self.pipeline.heal(
            [Claimed(diagnosed=d, sent_at=sent_at, probe=d.failure.id in started.probing) for d in started.claimed],
            [(Claimed(diagnosed=d, sent_at=sent_at), end) for d, end in started.held_back],
        )
        here = {d.failure.id for d in started.claimed} | {d.failure.id for d, _ in started.held_back}
        if await look_again(self.pool, [d.failure.id for d in healable if d.failure.id not in here]):
            self.wake.set()

    async def _give_up(self, unstorable: Diagnosed, error: RefusedByDatabase) -> None:
        failure = unstorable.failure
        log.error("claim_unstorable", failure_id=str(failure.id), error=str(error)[:300])
        await self._go_on([self.pipeline.unplannable(failure, "its claim cannot be stored: report this")])

    def _due(self, healable: Sequence[Diagnosed]) -> list[due.Due]:
        """Say who waits for its dependency. Of an ill one the first asks: it may be the probe that is due."""
        gates = turned_away(healable, self.dependencies)
        asking: set[str] = set()
        for one in healable:
            key = gates.get(one.failure.id)
            if key is not None and self.dependencies.is_unhealthy(key) and key not in asking:
                asking.add(key)
                del gates[one.failure.id]
        return [due.Due(diagnosed=one, waits_on=gates.get(one.failure.id)) for one in healable]

    async def _end(self, settlements: Sequence[Settlement]) -> None:
        await halved(settlements, self._end_together, self._end_alone)

    async def _end_together(self, settlements: Sequence[Settlement]) -> None:
        moved = await end_unclaimed(self.pool, self.me, settlements)
        for settlement in settlements:
            if settlement.failure.id in moved:
                self.publisher.offer(settlement.messages)
                self.recording.attempt(settlement)

    async def _end_alone(self, settlement: Settlement, _: RefusedByDatabase) -> None:
        await self._end_together([without_content(settlement, self.outlet)])

    async def _rest(self, stop: asyncio.Event) -> None:
        # Woken early by whoever asked for a heal; the jitter keeps replicas from looking all at once.
        wait = self.settings.interval * (0.75 + random() / 2)  # noqa: S311 - jitter
        if await wait_for_event(self.wake, wait) and not stop.is_set():
            self.wake.clear()
