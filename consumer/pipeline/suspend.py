"""The suspend stage: heals that wait for another system leave this process, in batched transactions.

While the database is away they wait here, and their claims stand.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from consumer.errors import RefusedByDatabase, TransientError
from consumer.event_loop import jittered
from consumer.flow_control.slots import HealSlots
from consumer.metrics import LoopPhase
from consumer.model import OwnerId
from consumer.model.suspension import Suspension
from consumer.pipeline.durable import bisect_batch, until_durable
from consumer.pipeline.late_charges import LateCharges
from consumer.pipeline.publish import Publisher
from consumer.store.late_charges import LateCharge
from consumer.store.pool import Pool
from consumer.store.suspended import SuspendResult, suspend

log = structlog.get_logger(__name__)

AT_ONCE: Final = 200
"""Heals that one transaction suspends."""
BUSY_REST: Final = timedelta(seconds=1)
"""After which a heal is suspended again whose failure's row another transaction holds."""


class Suspender:
    """Queues heals that are to be suspended, and makes that durable in batches."""

    def __init__(self, pool: Pool, owner: OwnerId, live: HealSlots, publisher: Publisher, late: LateCharges) -> None:
        self._pool = pool
        self._owner = owner
        self._live = live
        self._publisher = publisher
        self._metrics = late.metrics
        self._late_charges = late
        # Bounded by `HealSlots`, as the settler's queue is.
        self._queue: asyncio.Queue[Suspension | None] = asyncio.Queue()

    def put(self, suspension: Suspension) -> None:
        """Queue a heal: its slot is free now, and it leaves `HealSlots` once it is durable."""
        self._live.settling(suspension.attempt_id)
        self._queue.put_nowait(suspension)

    def close(self) -> None:
        """Let `run` return once every queued heal is durable."""
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Suspend queued heals in batches until closed."""
        closing = False
        async with asyncio.TaskGroup() as waiting:
            while not closing:
                batch = [await self._queue.get()]
                batch += [self._queue.get_nowait() for _ in range(min(AT_ONCE - 1, self._queue.qsize()))]
                closing = None in batch
                ready = [one for one in batch if one is not None]
                if ready:
                    await self._suspend(ready, waiting)

    async def _suspend(self, ready: Sequence[Suspension], waiting: asyncio.TaskGroup) -> None:
        results = await bisect_batch(ready, self._suspend_together, self._suspend_alone)
        busy = frozenset[object]().union(*(result.busy for result in results))
        for one in ready:
            if one.attempt_id in busy:
                waiting.create_task(self._suspend_again(one, waiting))

    async def _suspend_again(self, one: Suspension, waiting: asyncio.TaskGroup) -> None:
        await asyncio.sleep(jittered(BUSY_REST).total_seconds())
        await self._suspend([one], waiting)

    async def _suspend_together(self, ready: Sequence[Suspension]) -> SuspendResult:
        async def attempt() -> SuspendResult:
            with self._metrics.timed(LoopPhase.SETTLE):
                return await suspend(self._pool, self._owner, ready)

        unanswered: list[TransientError] = []

        def log_retry(error: TransientError, rest: float) -> None:
            unanswered.append(error)
            log.warning("suspend_failed", error=str(error)[:300], retry_in=rest)

        result = await until_durable(attempt, log_retry)
        self._live.forget(one.attempt_id for one in ready if one.attempt_id in result.mine)
        for one in ready:
            if one.attempt_id in result.first:
                self._publisher.offer(one.messages)
            if one.attempt_id in result.mine:
                log.info(
                    "heal_suspended",
                    failure_id=str(one.failure_id),
                    attempt_id=str(one.attempt_id),
                    org_id=str(one.org_id),
                    strategy=one.strategy,
                    look_again=one.heal.look_again.total_seconds(),
                )
            elif one.attempt_id not in result.busy:
                # Another owner has the claim, or an earlier transaction of ours with an unknown outcome did commit.
                log.warning("suspended_by_another", attempt_id=str(one.attempt_id))
                await self._forget_lost(one, is_kept=bool(unanswered))
        return result

    async def _suspend_alone(self, refused: Suspension, error: RefusedByDatabase) -> SuspendResult:
        # The claim stands, and is taken over when its deadline has passed: its heir goes on from what was kept before.
        log.error("suspend_refused", attempt_id=str(refused.attempt_id), error=str(error)[:300])
        await self._forget_lost(refused, is_kept=False)
        return SuspendResult(mine=frozenset(), first=frozenset(), busy=frozenset())

    async def _forget_lost(self, one: Suspension, *, is_kept: bool) -> None:
        """Forget a heal that this process has not suspended; what may be kept all the same is no late charge."""
        if not is_kept:
            await self._late_charges.count(
                LateCharge(
                    attempt_id=one.attempt_id,
                    org_id=one.org_id,
                    strategy=one.strategy,
                    amount=one.unkept_charge,
                    pays_from=one.pays_from,
                )
            )
        self._live.forget([one.attempt_id])
