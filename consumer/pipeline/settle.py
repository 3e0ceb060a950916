"""The settle stage: records finished heals in batched transactions.

While the database is away finished heals wait, and their claims stand.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

import structlog

from consumer.errors import RefusedByDatabase, TransientError
from consumer.event_loop import BackOff, wait_for_event, yielding_to_loop
from consumer.flow_control.breakers import Breakers
from consumer.flow_control.slots import HealSlots
from consumer.metrics import LoopPhase
from consumer.model import AttemptId, Message, OwnerId, Settlement
from consumer.pipeline.durable import FIRST_REST, LONGEST_REST, bisect_batch, until_durable
from consumer.pipeline.late_charges import LateCharges
from consumer.pipeline.publish import Publisher
from consumer.pipeline.recording import Recording
from consumer.results.events import Outlet
from consumer.results.settlement import strip_content
from consumer.store.pool import Pool
from consumer.store.settle import Settled, settle

log = structlog.get_logger(__name__)

LINGER_ABOVE: Final = 48
"""After a batch with at least so many heals that no failure waited for, the next batch lingers (group commit)."""
LINGER: Final = timedelta(milliseconds=100)
"""How long a batch lingers for more, or until it has `BATCH_TARGET`: half as many round trips, and no slot waits."""
BATCH_TARGET: Final = 256
"""Queue length, in finished heals, at which a second transaction begins: with fewer it would only cost round trips."""
TOLD_AFTER: Final = 6
"""Tries of a heal whose failure's row another transaction holds, some three seconds, after which the log says so."""
MAX_CONCURRENT_TRANSACTIONS: Final = 2
"""Two, so that one writes its rows while the other one commits: neither processor waits for the disk."""


class Settler:
    """Queues settlements, makes them durable in batches, and hands their messages to the publisher."""

    def __init__(
        self,
        *,
        pool: Pool,
        owner: OwnerId,
        live: HealSlots,
        publisher: Publisher,
        outlet: Outlet,
        recording: Recording,
        batch: int,
        breakers: Breakers,
    ) -> None:
        self._pool = pool
        self._owner = owner
        self._live = live
        self._publisher = publisher
        self._outlet = outlet
        self._metrics = recording.metrics
        self._recording = recording
        self._batch = batch
        self._breakers = breakers
        self.late_charges = LateCharges(pool=pool, metrics=recording.metrics)
        """Shared with everybody here who may lose a claim."""
        # Bounded by `HealSlots`: it has no free slot while too many ended heals wait here.
        self._queue: asyncio.Queue[Settlement | None] = asyncio.Queue()
        self._settling = asyncio.TaskGroup()
        self._transactions: set[asyncio.Task[None]] = set()
        self._batch_ready = asyncio.Event()
        self._has_capacity = asyncio.Event()
        self._busy: dict[AttemptId, BackOff] = {}  # whose failure's row another transaction holds
        self._without_waiter = 0  # heals of the last transaction that no failure waited for

    def put(self, settlement: Settlement) -> None:
        """Queue a finished heal: its slot is free now, and it leaves `HealSlots` once it is durable."""
        self._live.settling(settlement.attempt.id)
        self._queue.put_nowait(settlement)
        if self._queue.qsize() >= BATCH_TARGET:
            self._batch_ready.set()
            self._has_capacity.set()

    def close(self) -> None:
        """Let `run` return once every queued heal is durable."""
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Settle queued heals in batches until closed."""
        closing = False
        async with asyncio.TaskGroup() as settling:
            self._settling = settling
            while not closing:
                first = await self._queue.get()
                if first is not None and self._without_waiter >= LINGER_ABOVE:
                    await wait_for_event(self._batch_ready, LINGER)
                await self._wait_for_capacity()
                batch = [first, *self._take_queued()]
                closing = None in batch
                ready = [settlement for settlement in batch if settlement is not None]
                if ready:
                    self._track(settling.create_task(self._settle(ready)))

    def _take_queued(self) -> Iterator[Settlement | None]:
        for _ in range(min(self._batch - 1, self._queue.qsize())):
            yield self._queue.get_nowait()
        if self._queue.qsize() < BATCH_TARGET:
            self._batch_ready.clear()

    async def _wait_for_capacity(self) -> None:
        """Wait until another transaction may begin."""
        while self._transactions and (
            len(self._transactions) >= MAX_CONCURRENT_TRANSACTIONS or self._queue.qsize() < BATCH_TARGET
        ):
            self._has_capacity.clear()
            await self._has_capacity.wait()

    def _track(self, task: asyncio.Task[None]) -> None:
        self._transactions.add(task)
        task.add_done_callback(self._untrack)

    def _untrack(self, task: asyncio.Task[None]) -> None:
        self._transactions.discard(task)
        self._has_capacity.set()

    async def _settle(self, ready: Sequence[Settlement]) -> None:
        await bisect_batch(ready, self._settle_together, self._settle_alone)

    async def _settle_together(self, ready: Sequence[Settlement]) -> None:
        notes = self._breakers.dependencies.notes
        settled = await self._until_durable(ready)
        self._set_aside([s for s in ready if s.attempt.id in settled.busy])
        ready = [s for s in ready if s.attempt.id not in settled.busy]
        self._without_waiter = len(ready) - settled.woken
        mine = [s for s in ready if s.attempt.id in settled.mine]
        lost = [s for s in ready if s.attempt.id not in settled.mine]
        self._live.forget(s.attempt.id for s in mine)
        self._breakers.learn(settled.verdicts, woken=settled.woken, notes=notes)
        self._publisher.offer([*_in_order(ready, settled)])
        for relapse, _ in settled.relapses.values():
            self._metrics.relapses[relapse.strategy].inc()
            log.warning("relapse", failure_id=str(relapse.failure_id), of_attempt=str(relapse.of_attempt))
        async for settlement in yielding_to_loop(mine):
            self._recording.heal(settlement)
        for found in settled.drifted:
            self._recording.drift(found)
        for settlement in lost:
            await self._end_lost(settlement)

    async def _end_lost(self, settlement: Settlement) -> None:
        """End what was not this process's own to settle.

        Another owner has the claim, or an earlier transaction of ours with an unknown outcome did commit; the outbox
        sweeper publishes what that one wrote.
        """
        self._metrics.claims_lost.inc()
        log.warning("settled_by_another", attempt_id=str(settlement.attempt.id))
        await self.late_charges.count_settlement(settlement)
        self._live.forget([settlement.attempt.id])

    def _set_aside(self, busy: Sequence[Settlement]) -> None:
        """Have heals settled again whose failure's row another transaction holds; they hold up no other."""
        for settlement in busy:
            attempt_id = settlement.attempt.id
            back_off = self._busy.setdefault(attempt_id, BackOff(first=FIRST_REST, longest=LONGEST_REST))
            back_off.failed()
            if back_off.failures == TOLD_AFTER:
                log.warning("settle_waits_for_row", attempt_id=str(attempt_id), failure_id=str(settlement.failure.id))
            self._settling.create_task(self._settle_again(settlement, back_off))

    async def _settle_again(self, settlement: Settlement, back_off: BackOff) -> None:
        await asyncio.sleep(back_off.rest().total_seconds())
        failures = back_off.failures
        await self._settle([settlement])
        if back_off.failures == failures:
            del self._busy[settlement.attempt.id]

    async def _settle_alone(self, refused: Settlement, error: RefusedByDatabase) -> None:
        bare = strip_content(refused, self._outlet)
        if bare.attempt == refused.attempt:
            # There is nothing more to strip: the claim stands, and is taken over when its deadline has passed.
            log.error("settle_refused", attempt_id=str(bare.attempt.id), error=str(error)[:300])
            await self.late_charges.count_settlement(bare)
            self._live.forget([bare.attempt.id])
            return
        log.warning("settle_without_content", attempt_id=str(bare.attempt.id), error=str(error)[:300])
        await self._settle([bare])

    async def _until_durable(self, ready: Sequence[Settlement]) -> Settled:
        telling = [self._breakers.drop_redundant_health(settlement) for settlement in ready]

        async def attempt() -> Settled:
            acked = self._publisher.take_acked()
            try:
                with self._metrics.timed(LoopPhase.SETTLE):
                    return await settle(self._pool, self._owner, telling, acked, self._breakers.settings)
            except (TransientError, RefusedByDatabase):
                self._publisher.give_back_acked(acked)
                raise

        return await until_durable(attempt, _log_retry)


def _in_order(ready: Sequence[Settlement], settled: Settled) -> Iterator[Message]:
    for settlement in ready:
        if settlement.attempt.id in settled.mine:
            if (relapse := settled.relapses.get(settlement.failure.id)) is not None:
                yield relapse[1]
            yield from settlement.messages


def _log_retry(error: TransientError, rest: float) -> None:
    log.warning("settle_failed", error=str(error)[:300], retry_in=rest)
