"""Redaction of content that somebody wrote into the database: a member's insert, or a row that was rewritten."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from consumer.catalog import Catalogs
from consumer.errors import NoWorkerFree, NoWorkerStarts
from consumer.ingest.big_records import RecordWorkers, is_big_row
from consumer.ingest.decode import redact_stored
from consumer.model import Failure
from consumer.store import due
from consumer.store.pool import Pool

log = structlog.get_logger(__name__)

Redacted: TypeAlias = tuple[Failure, str | None]
"""A failure in its redacted form, and why nothing may be done with it: its redaction took too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredContent:
    """Redacts what is large in worker processes, and stores the form that memory and database then share."""

    pool: Pool
    workers: RecordWorkers | None
    catalogs: Catalogs

    async def redact(self, failures: Sequence[Failure]) -> list[Redacted]:
        """Return failures redacted and stored; one for which no worker can be had is left out, and is picked again."""
        found: list[Redacted] = []
        changed: list[Failure] = []
        for failure in failures:
            if failure.source is not None and failure.unredacted_since is None:
                found.append((failure, None))
                continue
            redacted = await self._redact(failure)
            if redacted is not None:
                changed.append(redacted[0])
                found.append(redacted)
        if changed:
            await due.store_redacted(self.pool, changed)
        return found

    async def _redact(self, failure: Failure) -> Redacted | None:
        if self.workers is None or not is_big_row(failure):
            await asyncio.sleep(0)
            return redact_stored(failure, self.catalogs.current.declared_places), None
        try:
            clean, too_long = await self.workers.redact(failure, self.catalogs.current.declared_places)
        except (NoWorkerFree, NoWorkerStarts) as error:
            log.warning("row_without_worker", failure_id=str(failure.id), error=str(error))
            return None
        if too_long is not None:
            log.warning("row_took_too_long", failure_id=str(failure.id), org_id=str(failure.org_id), size=failure.size)
        return clean, too_long
