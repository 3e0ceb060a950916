"""Publishes the demo's failures: as Kafka records of each format, and as rows of a signed-in member."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, assert_never

import asyncpg
import httpx2
from aiokafka import AIOKafkaProducer

from consumer.demo.cases import Case, EventForm
from consumer.demo.catalog import SOURCE
from consumer.demo.organisations import Organisations
from consumer.demo.poison import Poison
from consumer.demo.world import World
from consumer.kafka import aiokafka_internals
from consumer.kafka.connection import connection_options
from consumer.model import JsonObject
from consumer.settings import KafkaSettings
from schemas.envelope import Envelope, Header, encode, encode_binary
from schemas.failure import FAILURE_TYPE
from schemas.json_text import to_json
from schemas.rfc3339 import format_time

_SET_ROLE = "SET LOCAL ROLE authenticated"
_SET_CLAIMS = "SELECT set_config('request.jwt.claims', $1, true)"
_INSERT_FAILURE = """
INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context) VALUES ($1, $2, $3, $4::jsonb)
"""

GIVE_UP_AFTER = 0.3


@dataclass(slots=True)
class Inbound:
    """The demo's upstream services: publish their failures, and record what was acknowledged."""

    producer: Any
    """The aiokafka producer, which has no types."""
    topic: str
    connection: asyncpg.Connection
    organisations: Organisations
    sent: list[bytes] = field(default_factory=list)

    async def bring(self, cases: Sequence[Case], key: bytes | None = None) -> None:
        """Send each failure as often as it is to be delivered; with a key, all of them go to one partition."""
        for case in cases:
            for _ in range(case.deliveries):
                await self.deliver(case, key)

    async def bring_at_once(self, events: Sequence[Envelope]) -> None:
        """Send all events without waiting for each acknowledgement."""
        encoded = [encode(event) for event in events]
        sends = [await self.producer.send(self.topic, value=value, headers=headers) for value, headers in encoded]
        await asyncio.gather(*sends)
        self.sent += [value for value, _ in encoded]

    async def deliver(self, case: Case, key: bytes | None = None) -> None:
        """Send a failure once (more)."""
        data: JsonObject = {
            "org_id": str(case.org_id),
            "workflow_name": case.name,
            "failure_reason": case.reason,
            "context": case.context,
        }
        match case.way:
            case EventForm.STRUCTURED:
                await self._send(*encode(_event(case, data)), key)
            case EventForm.BINARY:
                await self._send(*encode_binary(_event(case, data)), key)
            case EventForm.BARE:
                await self._send(to_json({**data, "detected_at": format_time(datetime.now(UTC))}), [], key)
            case EventForm.MEMBER:
                await self._insert(case)
            case _:
                assert_never(case.way)

    async def poison(self, records: Sequence[Poison]) -> None:
        """Send records that can never be accepted."""
        for record in records:
            await self._send(record.value, list(record.headers))

    async def _send(self, value: bytes, headers: list[Header], key: bytes | None = None) -> None:
        await self.producer.send_and_wait(self.topic, value=value, headers=headers, key=key)
        self.sent.append(value)

    async def _insert(self, case: Case) -> None:
        claims = {"sub": str(self.organisations.member), "role": "authenticated"}
        async with self.connection.transaction():
            await self.connection.execute(_SET_ROLE)
            await self.connection.execute(_SET_CLAIMS, json.dumps(claims))
            context = json.dumps(case.context)
            await self.connection.execute(_INSERT_FAILURE, case.org_id, case.name, case.reason, context)


def _event(case: Case, data: JsonObject) -> Envelope:
    return Envelope(id=f"evt-{case.name}", source=SOURCE, type=FAILURE_TYPE, subject=case.name, data=data)


@asynccontextmanager
async def open_inbound(
    kafka: KafkaSettings, connection: asyncpg.Connection, organisations: Organisations
) -> AsyncIterator[Inbound]:
    """Open the upstream services' producer: every single send is acknowledged before the next."""
    producer = AIOKafkaProducer(**connection_options(kafka), acks="all", enable_idempotence=kafka.idempotence)
    try:
        await aiokafka_internals.start(producer)
        yield Inbound(producer=producer, topic=kafka.failures_topic, connection=connection, organisations=organisations)
    finally:
        await producer.stop()


async def lose_an_answer(world: World) -> None:
    """Simulate a caller whose un-keyed call had its effect, but whose answer was lost."""
    patience = httpx2.Timeout(10, read=GIVE_UP_AFTER)  # a busy machine is slow to connect, and that is another story
    async with httpx2.AsyncClient(timeout=patience, trust_env=False, verify=False) as client:
        try:
            await client.post(world.url("receipts", "/receipts"), json={"reference": "receipt-7"})
        except httpx2.ReadTimeout:
            return
    raise AssertionError("the receipts service answered: the demo's world is not as it should be")
