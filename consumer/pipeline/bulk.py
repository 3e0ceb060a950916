"""Bulks, slice by slice: what is due of them is done here, by whichever replica comes first, at the rate of each."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from consumer.commands.bulk import order_of_item
from consumer.commands.execute import attempt
from consumer.commands.hands import Hands, Price
from consumer.errors import RefusedByDatabase, TransientError
from consumer.event_loop import wait_for_event
from consumer.model import Message, OwnerId
from consumer.model.bulk import SLICE, FrozenFailure, ItemOutcome, RunningBulk
from consumer.pipeline.publish import Publisher
from consumer.results.bulk import progress_message
from consumer.results.events import Outlet
from consumer.store.bulk import (
    bulk_counts,
    forget_bulks,
    move_on,
    next_slice,
    pick_bulk,
    record_ends,
    record_outcomes,
)
from consumer.store.outbox import put
from consumer.store.pool import Connection, Pool, transaction
from schemas.names import BulkState

log = structlog.get_logger(__name__)

LOOK_EVERY: Final = timedelta(seconds=0.5)
"""Pause of a replica that found nothing due."""
LOOK_AT_ENDS: Final = 1.0
"""Seconds between two looks at heals that were asked for, once nothing else is left to do."""
ENDS_AT_ONCE: Final = 500
LOCK_WAIT: Final = timedelta(milliseconds=100)
"""For a row that another session holds locked: it is refused, and the others of its slice go on."""
FORGET_EVERY: Final = 600
"""Looks between two at what may be forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRunner:
    """The loop."""

    pool: Pool
    owner: OwnerId
    publisher: Publisher
    outlet: Outlet
    price: Price
    wake: Callable[[], None]
    kept: timedelta

    async def run(self, stop: asyncio.Event) -> None:
        """Do what is due, until stopped."""
        looks, pause = 0, LOOK_EVERY
        while not stop.is_set():
            due_in = None
            try:
                if looks % FORGET_EVERY == 0:
                    await self._forget()
                looks += 1
                due_in = await self.step()
            except (TransientError, RefusedByDatabase) as error:
                log.warning("bulk_put_off", error=str(error)[:300])
                pause = LOOK_EVERY
            if due_in is not None:
                pause = min(pause, due_in)
                continue
            await wait_for_event(stop, pause)
            pause = LOOK_EVERY

    async def step(self) -> timedelta | None:
        """Do the slice that is due; returns how long until the next one of that bulk, None where none was due."""
        async with transaction(self.pool) as connection:
            bulk = await pick_bulk(connection)
            if bulk is None:
                return None
            message, due_in = await self._slice(connection, bulk)
        if message is not None:
            self.publisher.offer([message])
            self.wake()
        return due_in

    async def _slice(self, connection: Connection, bulk: RunningBulk) -> tuple[Message | None, timedelta]:
        hands = Hands(connection=connection, outlet=self.outlet, price=self.price)
        items = await next_slice(connection, bulk.id, max(1, min(SLICE, int(bulk.rate))))
        done = [await _do(hands, bulk, item) for item in items]
        if done:
            await record_outcomes(connection, bulk.id, done)
        ended = await record_ends(connection, bulk.id, ENDS_AT_ONCE)
        counts = await bulk_counts(connection, bulk.id)
        state = BulkState.DONE if counts.has_ended else BulkState.RUNNING
        changed = (*done, *ended)
        is_told = bool(changed) or state is BulkState.DONE
        after = len(items) / bulk.rate if items else LOOK_AT_ENDS
        at, due_in = await move_on(connection, bulk.id, state, bulk.told + is_told, after)
        if not is_told:
            return None, due_in
        message = progress_message(bulk, state, counts, changed, at, self.outlet)
        await put(connection, self.owner, [message])
        return message, due_in

    async def _forget(self) -> None:
        async with transaction(self.pool) as connection:
            await forget_bulks(connection, self.kept.total_seconds())


async def _do(hands: Hands, bulk: RunningBulk, item: FrozenFailure) -> ItemOutcome:
    executed = await attempt(hands, order_of_item(bulk, item), LOCK_WAIT)
    return ItemOutcome(
        place=item.place,
        failure_id=item.failure_id,
        outcome=executed.outcome,
        reason=executed.reason,
        step=executed.step,
    )
