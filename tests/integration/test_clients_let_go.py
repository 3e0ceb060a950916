"""A Kafka client whose start is cancelled leaves nothing open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiokafka import AIOKafkaConsumer

from consumer.kafka import aiokafka_internals
from consumer.local.broker import Broker
from consumer.local.stream_server import stream_server
from tests.support.patience import PATIENCE


@asynccontextmanager
async def one_answer_only(broker: Broker) -> AsyncIterator[tuple[str, asyncio.Event, asyncio.Event]]:
    """A broker that answers the first request alone; gives its address, and what came: a second one, the end."""
    asked, left = asyncio.Event(), asyncio.Event()
    host, _, port = broker.bootstrap.partition(":")

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(port))
        try:
            back.write(await reader.read(65_536))
            writer.write(await there.read(65_536))
            await reader.read(65_536)
            asked.set()
            with suppress(ConnectionError):
                await reader.read()
            left.set()
        finally:
            back.transport.abort()
            writer.transport.abort()

    async with stream_server(connected) as here:
        yield f"127.0.0.1:{here}", asked, left


async def test_a_start_that_is_cancelled_lets_go_of_the_connection_over_which_it_asked(embedded_broker: Broker) -> None:
    async with one_answer_only(embedded_broker) as (bootstrap, asked, left), asyncio.timeout(PATIENCE):
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        starting = asyncio.create_task(aiokafka_internals.start(consumer))
        await asked.wait()
        starting.cancel()
        await asyncio.wait({starting})
        assert starting.cancelled()
        await left.wait()
        await consumer.stop()


async def test_a_stop_of_who_is_cancelled_goes_to_its_end(embedded_broker: Broker) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=embedded_broker.bootstrap)
    await aiokafka_internals.start(consumer)
    stops = consumer.stop

    async def raises() -> None:
        raise asyncio.CancelledError  # as the client does of its own tasks

    consumer.stop = raises

    async def holder() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await aiokafka_internals.stop(consumer)

    holding = asyncio.create_task(holder())
    await asyncio.sleep(0)
    holding.cancel()
    await asyncio.wait({holding})
    connections = consumer._client._conns.values()  # noqa: SLF001 - what is to be seen
    assert not any(one.connected() for one in connections)
    await stops()
