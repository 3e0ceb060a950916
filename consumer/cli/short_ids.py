"""The failures whose id begins with what was typed: tables show short ids, and every command takes them."""

import asyncio
from typing import Final
from uuid import UUID

from consumer.cli.database import open_database
from consumer.store.listed_failures import failures_beginning_with
from consumer.store.pool import transaction

_SHOWN: Final = 5


def find_failures(beginning: str) -> list[UUID]:
    """Return the failures whose id begins so, a few of them where there are many."""
    return asyncio.run(_find(beginning))


async def _find(beginning: str) -> list[UUID]:
    async with open_database() as pool, transaction(pool) as connection:
        return await failures_beginning_with(connection, beginning, limit=_SHOWN)
