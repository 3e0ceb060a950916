"""Database connection of a command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumer.settings import read_settings
from consumer.store.migrate import check_schema
from consumer.store.pool import Pool, open_pool, translated


@asynccontextmanager
async def open_database() -> AsyncIterator[Pool]:
    """Connect to the configured database, and check that its schema is of this release."""
    async with open_pool(read_settings().postgres, application="shw cli") as pool:
        with translated():
            await check_schema(pool)
        yield pool
