"""The way back in: failures that are due, members' own inserts, and claims whose owner is dead or was not told."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import random
from typing import Final

import structlog

from consumer.errors import RefusedByDatabase, TransientError
from consumer.ingest.decode import redacted
from consumer.intake import Claimed
from consumer.live import LiveHeals
from consumer.metrics import Metrics
from consumer.model import Diagnosed, Failure, Heal, OwnerId, Refuse, Settlement
from consumer.pipeline import Pipeline
from consumer.publish import Publisher
from consumer.results import Outlet
from consumer.settings import HealSettings, ResumeSettings
from consumer.settlement import settle_refusal, without_content
from consumer.store import due, owner
from consumer.store.pool import Pool
from consumer.store.settle import refuse

log = structlog.get_logger(__name__)

ORPHANED_AFTER: Final = timedelta(seconds=10)
"""A claim under our name is in memory as soon as its commit is answered: one this old and unknown lost its answer."""
TAKE_OVER_AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Looks through the database at intervals, and puts what it finds into the pipeline."""

    pool: Pool
    me: OwnerId
    live: LiveHeals
    pipeline: Pipeline
    publisher: Publisher
    outlet: Outlet
    metrics: Metrics
    settings: ResumeSettings
    heal: HealSettings
    wake: asyncio.Event
    """Set by whoever knows of something due now."""

    async def run(self, stop: asyncio.Event) -> None:
        """Look until stopped; an absent database is waited for."""
        while not stop.is_set():
            try:
                found = await self.once()
            except (TransientError, RefusedByDatabase) as error:
                log.warning("resume_failed", error=str(error)[:300])
                found = 0
            if found < self.settings.per_organisation:
                await self._rest(stop)

    async def once(self) -> int:
        """Look once; gives how many failures were due."""
        await self._inherit()
        free = self.live.free()
        if free == 0:
            return 0
        failures, now = await due.pick(
            self.pool,
            per_organisation=self.settings.per_organisation,
            limit=min(free, self.settings.batch),
            hide=self.settings.hide,
        )
        if now is not None:
            stored = await self._stored_form(failures)
            await self._go_on([self.pipeline.diagnosed(failure, now) for failure in stored])
        return len(failures)

    async def _inherit(self) -> None:
        sent_at = time.monotonic()
        taken = await owner.take_over(self.pool, self.me, TAKE_OVER_AT_ONCE)
        lost = await owner.orphans(self.pool, self.me, self.live.ids(), ORPHANED_AFTER)
        for inherited in (*taken, *lost):
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
        healable = [one for one in diagnosed if isinstance(one.plan, Heal)]
        refused = [
            settle_refusal(one, one.plan, datetime.now(UTC), self.outlet)
            for one in diagnosed
            if isinstance(one.plan, Refuse)
        ]
        if refused:
            await self._refuse(refused)
        if healable:
            await self._start(healable)

    async def _start(self, healable: Sequence[Diagnosed]) -> None:
        sent_at = time.monotonic()
        waiter_in = self.heal.waiter_retry * (0.5 + random() / 2)  # noqa: S311 - jitter
        try:
            started = await due.start(self.pool, self.me, healable, waiter_in)
        except RefusedByDatabase as error:
            await self._start_one_by_one(healable, error)
            return
        self.pipeline.heal(
            [Claimed(diagnosed=one, sent_at=sent_at) for one in started.claimed],
            [(Claimed(diagnosed=one, sent_at=sent_at), why) for one, why in started.refused_holds],
        )

    async def _start_one_by_one(self, healable: Sequence[Diagnosed], error: RefusedByDatabase) -> None:
        """Find the failure whose claim the database refuses, and give it up; the others start."""
        if len(healable) > 1:
            for one in healable:
                await self._start([one])
            return
        failure = healable[0].failure
        log.error("claim_unstorable", failure_id=str(failure.id), error=str(error)[:300])
        await self._go_on([self.pipeline.unplannable(failure, "its claim cannot be stored: report this")])

    async def _refuse(self, settlements: Sequence[Settlement]) -> None:
        try:
            moved = await refuse(self.pool, self.me, settlements)
        except RefusedByDatabase:
            if len(settlements) > 1:
                for settlement in settlements:
                    await self._refuse([settlement])
                return
            settlements = [without_content(settlements[0], self.outlet)]
            moved = await refuse(self.pool, self.me, settlements)
        for settlement in settlements:
            if settlement.failure.id in moved:
                self.publisher.offer(settlement.messages)
                attempt, kind = settlement.attempt, settlement.diagnosis.failure_type
                self.metrics.attempts[kind, attempt.strategy, attempt.result, attempt.code].inc()

    async def _rest(self, stop: asyncio.Event) -> None:
        # Woken early by whoever asked for a heal; the jitter keeps replicas from looking all at once.
        wait = self.settings.interval.total_seconds() * (0.75 + random() / 2)  # noqa: S311 - jitter
        try:
            async with asyncio.timeout(wait):
                await self.wake.wait()
        except TimeoutError:
            return
        if not stop.is_set():
            self.wake.clear()
