"""The API of a consumer that runs in a test's own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumer.api.app import create_api
from consumer.api.server import serve
from consumer.service.vitals import Vitals
from tests.support.pipeline import Running


@asynccontextmanager
async def api_of(running: Running) -> AsyncIterator[str]:
    consumer = running.consumer
    vitals = Vitals(consumer)
    api = create_api(
        settings=consumer.settings.api,
        pool=consumer.pool,
        metrics=consumer.metrics,
        clocks=vitals,
        readiness=vitals,
        wake=consumer.wake.set,
    )
    async with serve(api, "127.0.0.1", 0) as address:
        yield address
