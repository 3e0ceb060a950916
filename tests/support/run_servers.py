"""A process of its own that runs the named local servers, until its stdin ends."""

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from typing import assert_never

import asyncpg

from consumer.local.broker import BrokerKind
from consumer.local.embedded_broker import run_embedded_broker
from consumer.local.kafka import run_kafka
from consumer.local.postgres import run_postgres
from tests.support.round_trip import create_topic, first_value, produce


async def main(names: list[str]) -> None:
    seen: dict[str, object] = {"uid": os.geteuid()}
    async with AsyncExitStack() as servers:
        if "postgres" in names:
            postgres = await servers.enter_async_context(run_postgres(fsync=False))
            connection = await asyncpg.connect(postgres.dsn)
            seen["postgres"] = postgres.pid
            seen["data"] = await connection.fetchval("SHOW data_directory")
            await connection.close()
        for kind in BrokerKind:
            if kind in names:
                match kind:
                    case BrokerKind.KAFKA:
                        broker = await servers.enter_async_context(run_kafka())
                    case BrokerKind.EMBEDDED:
                        broker = await servers.enter_async_context(run_embedded_broker())
                    case _:
                        assert_never(kind)
                await create_topic(broker.bootstrap, "there.and.back")
                await produce(broker.bootstrap, "there.and.back", b"hello", idempotence=broker.idempotence)
                seen[kind] = broker.pid
                seen[f"{kind} said"] = (await first_value(broker.bootstrap, "there.and.back")).decode()
        sys.stdout.write(json.dumps(seen) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
