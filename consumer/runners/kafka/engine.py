"""Runner for records: one that its consumer gave up goes back to its own topic and partition, mended, once.

A run is the place of the record, `topic/partition/offset`. What is sent back carries that place in a header, by which
any later look finds it: a look before each send, and after a crash, tells whether it went. So an order is conditional.
"""

import asyncio
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol

from consumer.catalog import KafkaRunner, WorkflowPolicy
from consumer.errors import ShwError, WouldAct
from consumer.ingest.foreign.sent_back import OF_GIVING_UP, SENT_BACK
from consumer.kafka.manual_producer import Outgoing
from consumer.model import Partition, Record
from consumer.model.call import MAY_START, NOT_PERMITTED, REHEARSED, Ambiguous, EgressRefused, NotSent, OutboundRequest
from consumer.runners.contract import (
    Accepted,
    LookFailed,
    Order,
    OrderResult,
    Phase,
    Rejected,
    RerunStep,
    RunRef,
    RunState,
)
from schemas.json_text import to_json
from schemas.names import Effect

_PLACE: Final = re.compile(
    r"(?P<topic>[A-Za-z0-9._-]{1,249})/(?P<partition>[0-9]{1,9})/(?P<offset>[0-9]{1,18})(?:\+(?P<sent>[0-9]{1,18}))?"
)


class RecordTopics(Protocol):
    """Single records of topics; each method raises ShwError where the broker does not do as asked."""

    async def at(self, place: Partition, offset: int) -> Record | None:
        """Return the record at an offset, or None."""
        ...

    async def find(self, place: Partition, after: int, header: tuple[str, bytes]) -> Record | None:
        """Return the first record behind an offset that carries a header, or None."""
        ...

    async def send(self, place: Partition, record: Outgoing) -> int:
        """Send a record, and return its offset."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _RecordPlace:
    """Where a record was given up, and the offset at which it was sent back."""

    partition: Partition
    offset: int
    sent: int | None

    @property
    def name(self) -> str:
        return f"{self.partition.topic}/{self.partition.partition}/{self.offset}"

    @property
    def mark(self) -> tuple[str, bytes]:
        return SENT_BACK, self.name.encode()


class KafkaRecords:
    """Sends mended records back; without `records` it plans only."""

    def __init__(self, described: KafkaRunner, records: RecordTopics | None) -> None:
        self._described = described
        self._records = records

    def refusal(self, order: Order, policy: WorkflowPolicy) -> str | None:  # noqa: ARG002 - the contract's
        """Return why a record is not sent back, or None."""
        if not isinstance(order, RerunStep) or order.payload is None:
            return "the runner: a record is sent back mended, and nothing else is done to it"
        place = _place_of(order.run)
        if place is None:
            return "the runner: context.run.id is no place of a record, such as orders/0/1817"
        if not self._described.takes(place.partition.topic):
            topic = place.partition.topic
            return f"the runner: nothing is sent to {topic}: add it to the runner's `topics` in the catalog"
        return None

    def effect(self, order: Order) -> Effect:  # noqa: ARG002 - the contract's
        """Return that a second send is a second record, unless a look right before it finds the first."""
        return Effect.CONDITIONAL

    def dependency(self) -> str:
        """Return Kafka."""
        return "kafka"

    async def give(self, order: Order, policy: WorkflowPolicy, *, key: str, within: timedelta) -> OrderResult:
        """Send the record back with its new value, its own key and its own headers."""
        del key  # its place is its key
        place, records = _place_of(order.run), self._records
        if (why := self.refusal(order, policy)) is not None or place is None or records is None:
            return EgressRefused(reason=why or "the runner: there is no Kafka here")
        if not isinstance(order, RerunStep) or order.payload is None:
            raise TypeError("what is not refused is a rerun with a payload")
        value = to_json(order.payload.document)
        if (tell := REHEARSED.get()) is not None:
            tell(OutboundRequest(method="POST", url=f"kafka:{place.partition.topic}", headers=(), body=value))
            raise WouldAct
        try:
            async with asyncio.timeout(min(within, self._described.timeout).total_seconds()):
                original = await records.at(place.partition, place.offset)
        except (ShwError, TimeoutError) as error:
            return _not_sent("kafka", f"the record could not be read: {error or 'no answer in time'}")
        if original is None:
            return Rejected(reason=f"there is no record at {place.name} any more")
        if not MAY_START.get()():
            return _not_sent(NOT_PERMITTED, "the permission to start it was lost before anything was sent")
        return await self._send(order.run, place, original, value, within)

    async def _send(
        self, run: RunRef, place: _RecordPlace, original: Record, value: bytes, within: timedelta
    ) -> OrderResult:
        own = tuple(one for one in original.headers if not one[0].startswith(OF_GIVING_UP))
        mended = Outgoing(topic=place.partition.topic, key=original.key, value=value, headers=(*own, place.mark))
        try:
            async with asyncio.timeout(min(within, self._described.timeout).total_seconds()):
                offset = await self._of_kafka().send(place.partition, mended)
        except (ShwError, TimeoutError) as error:
            reason = f"whether it went is not known: {error or 'no answer in time'}"
            return Ambiguous(kind="kafka", reason=reason, elapsed=timedelta(0))
        return Accepted(run=replace(run, run_id=f"{place.name}+{offset}"), said=f"sent back at offset {offset}")

    async def look(self, run: RunRef, policy: WorkflowPolicy, *, within: timedelta) -> RunState | LookFailed:
        """Return whether the record stands in its topic again, by its mark; where it went is looked at directly."""
        del policy
        place = _place_of(run)
        if place is None or self._records is None or not self._described.takes(place.partition.topic):
            return LookFailed(reason="the look: no place of a record at which this runner may look")
        try:
            async with asyncio.timeout(min(within, self._described.timeout).total_seconds()):
                return await self._state(place)
        except (ShwError, TimeoutError) as error:
            return LookFailed(reason=f"the look: {error or 'Kafka gave no answer in time'}")

    async def _state(self, place: _RecordPlace) -> RunState | LookFailed:
        records = self._of_kafka()
        if place.sent is not None:
            found = await records.at(place.partition, place.sent)
            if found is None or place.mark not in found.headers:
                return LookFailed(reason=f"the look: no record that was sent back stands at offset {place.sent}")
            return _sent_back(found)
        if (found := await records.find(place.partition, place.offset, place.mark)) is not None:
            return _sent_back(found)
        if await records.at(place.partition, place.offset) is None:
            return RunState(phase=Phase.GONE, said=f"no record at {place.name}")
        return RunState(phase=Phase.FAILED, said=f"{place.name} was given up")

    def _of_kafka(self) -> RecordTopics:
        if self._records is None:
            raise TypeError("there is no Kafka here: asked before")
        return self._records


def _sent_back(found: Record) -> RunState:
    return RunState(phase=Phase.SUCCEEDED, said=f"the mended record stands at offset {found.offset}")


def _not_sent(kind: str, reason: str) -> NotSent:
    return NotSent(kind=kind, reason=reason, elapsed=timedelta(0))


def _place_of(run: RunRef) -> _RecordPlace | None:
    found = _PLACE.fullmatch(run.run_id)
    if found is None or run.step != found["topic"]:
        return None
    sent = found["sent"]
    return _RecordPlace(
        partition=Partition(found["topic"], int(found["partition"])),
        offset=int(found["offset"]),
        sent=None if sent is None else int(sent),
    )
