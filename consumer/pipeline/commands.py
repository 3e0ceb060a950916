"""Commands from Kafka: each is carried out once, recorded and answered before its offset is committed.

A batch's records are judged one after the other, each in a transaction of its own: whether a signature is valid is
looked at when its command is carried out, and not when it was read. Answers are put into the outbox when all that they
promise holds in every replica. Whatever comes between, the records are delivered again, and what was done is found by
its id.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, assert_never

import structlog

from consumer.commands.execute import carry_out, recall
from consumer.commands.hands import Hands, Price
from consumer.commands.keys import CommandKeys, utc_now
from consumer.commands.signed import ReadCommand, Unattributed, read_command
from consumer.errors import RefusedByDatabase, TransientError
from consumer.metrics import Metrics
from consumer.model import DeadLetter, Message, OwnerId, Record
from consumer.model.command import KeptCommand, Order, RefusedOrder
from consumer.model.plan import ChangePlan
from consumer.ownership.permission import NOTHING_STARTS_AFTER
from consumer.pipeline.durable import until_durable
from consumer.pipeline.publish import Publisher
from consumer.results.command import answer, refusal
from consumer.results.events import Outlet, dead_letter_message
from consumer.settings import CommandSettings
from consumer.store.commands import database_time
from consumer.store.outbox import put
from consumer.store.pool import Connection, Pool, transaction
from schemas.names import CommandOutcome, PoisonReason

log = structlog.get_logger(__name__)

AT_ONCE: Final = 100
"""Commands of one poll: so many answers wait for the slowest of them."""
OTHER_CONTENT: Final = "another command has this id: give each its own, and a command that is sent again the same words"


class CommandGate:
    """Admission: a batch at a time, always."""

    def may_read(self) -> int | None:
        """Return how many records the next poll may return."""
        return AT_ONCE

    def took(self, records: int) -> None:
        """Take note of nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResponse:
    """The message that answers a record, and whether it has to wait until every replica has learnt of what was done."""

    message: Message
    revokes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStage:
    """The stage that the source of the commands topic feeds."""

    pool: Pool
    owner: OwnerId
    keys: CommandKeys
    settings: CommandSettings
    publisher: Publisher
    outlet: Outlet
    metrics: Metrics
    price: Price
    change: ChangePlan
    wake: Callable[[], None]
    """Called when something may be due now."""

    def is_slow(self, record: Record) -> bool:  # noqa: ARG002 - the Protocol's
        """Return False: a command's size is bounded well below what is slow."""
        return False

    async def read(self, records: Sequence[Record]) -> Sequence[Record]:
        """Return the records: they are judged when they are taken."""
        return records

    def join(self, first: Sequence[Record], more: Sequence[Record]) -> Sequence[Record]:
        """Merge two batches."""
        return (*first, *more)

    async def take(self, batch: Sequence[Record]) -> None:
        """Carry out a batch of commands, and put their answers into the outbox; returns only when both are durable."""
        responses = []
        for record in batch:
            await self.keys.refresh()
            responses.append(await until_durable(partial(self._respond, record), self._failed))
        if any(response.revokes for response in responses):
            await asyncio.sleep(NOTHING_STARTS_AFTER.total_seconds())
        messages = [response.message for response in responses]
        await until_durable(partial(self._put, messages), self._failed)
        self.publisher.offer(messages)
        self.wake()

    async def _put(self, messages: Sequence[Message]) -> None:
        async with transaction(self.pool) as connection:
            await put(connection, self.owner, messages)

    def _failed(self, error: TransientError, rest: float) -> None:
        log.warning("commands_not_durable", error=str(error)[:300], again_in=round(rest, 1))

    def _hands(self, connection: Connection) -> Hands:
        return Hands(connection=connection, outlet=self.outlet, price=self.price, change=self.change)

    async def _respond(self, record: Record) -> CommandResponse:
        found = await self._read(record)
        try:
            return await self._carry_out(record, found)
        except RefusedByDatabase as error:
            message = f"the database does not take it: {error}"
            return self._letter(record, Unattributed(reason=PoisonReason.UNSTORABLE, message=message))

    async def _read(self, record: Record) -> ReadCommand:
        try:
            return await read_command(record, self.keys, self.settings, utc_now())
        except TransientError:  # its key cannot be had now: it waits, and so do those behind it
            raise
        except Exception:  # a bug in reading one record must not stop the commands behind it
            log.exception("command_unreadable", partition=record.partition, offset=record.offset)
            return Unattributed(reason=PoisonReason.UNSTORABLE, message="reading it broke: a fault of the healer's own")

    def _letter(self, record: Record, found: Unattributed) -> CommandResponse:
        self.metrics.command_letters[found.reason].inc()
        log.warning("command_not_attributed", reason=found.reason, why=found.message, offset=record.offset)
        letter = DeadLetter(record=record, reason=found.reason, message=found.message)
        return CommandResponse(message=dead_letter_message(letter, self.outlet, utc_now()))

    async def _carry_out(self, record: Record, found: ReadCommand) -> CommandResponse:
        match found:
            case Unattributed():
                return self._letter(record, found)
            case Order():
                async with transaction(self.pool) as connection:
                    kept = await carry_out(self._hands(connection), found)
                    if kept.digest != found.digest:
                        return self._refused(_of_other_content(found), await database_time(connection))
                return self._answered(kept)
            case RefusedOrder():
                async with transaction(self.pool) as connection:
                    return await self._recall(connection, found)
            case _:
                assert_never(found)

    async def _recall(self, connection: Connection, refused: RefusedOrder) -> CommandResponse:
        kept = await recall(connection, refused)
        return self._answered(kept) if kept else self._refused(refused, await database_time(connection))

    def _answered(self, kept: KeptCommand) -> CommandResponse:
        name, outcome = kept.facts.name, kept.executed.outcome
        if name is not None:
            self.metrics.commands[name, outcome].inc()
        log.info("command_answered", command=name, outcome=outcome, by=kept.facts.by, id=kept.id.id)
        return CommandResponse(message=answer(kept, self.outlet), revokes=kept.executed.revokes)

    def _refused(self, refused: RefusedOrder, at: datetime) -> CommandResponse:
        if refused.facts.name is not None:
            self.metrics.commands[refused.facts.name, CommandOutcome.REFUSED].inc()
        log.warning("command_refused", by=refused.facts.by, id=refused.id.id, why=refused.reason)
        return CommandResponse(message=refusal(refused, at, self.outlet))


def _of_other_content(order: Order) -> RefusedOrder:
    token = order.digest.hex()[:16]
    return RefusedOrder(id=order.id, facts=order.facts, reason=OTHER_CONTENT, token=token)
