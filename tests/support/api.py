"""The API of a consumer that runs in a test's own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumer.api.server import serve
from consumer.service.api import create_whole_api
from consumer.service.vitals import Vitals
from tests.support.pipeline import Running


@asynccontextmanager
async def api_of(running: Running) -> AsyncIterator[str]:
    consumer = running.consumer
    api = create_whole_api(consumer, consumer.settings.api, Vitals(consumer))
    async with serve(api, "127.0.0.1", 0) as address:
        yield address
