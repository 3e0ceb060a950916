"""Database connection of a command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumer.errors import ConfigError
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


@asynccontextmanager
async def open_owned_database() -> AsyncIterator[Pool]:
    """Connect for a change that the service's own role may not make.

    Raises ConfigError, which says as whom to come, where the role lacks a right.
    """
    async with open_database() as pool:
        try:
            yield pool
        except ConfigError as error:
            raise ConfigError(
                f"{error} Run this command as the role that owns the tables (SHW_POSTGRES__DSN): the service's own may "
                "not, on purpose."
            ) from None
