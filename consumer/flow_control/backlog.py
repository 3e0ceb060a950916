"""Whether intake must wait: what is open, counted as often as counting is cheap, and reckoned up in between."""

import time
from typing import Final

import structlog

from consumer.errors import TransientError
from consumer.metrics import LoopPhase, Metrics, PauseReason
from consumer.settings import Settings
from consumer.store.backlog import Census, count
from consumer.store.pool import Pool

log = structlog.get_logger(__name__)

SHARE: Final = 0.02
"""The part of the time in which somebody in the fleet may be counting: a count reads every open row."""


class BacklogLimit:
    """The caps on open rows and bytes, with hysteresis; and the gauges of what stands in the database."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings.intake
        self._metrics = metrics
        self._why: PauseReason | None = None
        self._due = 0.0
        self._census: Census | None = None
        self._kept_open_then = 0.0

    def full(self) -> PauseReason | None:
        """Tell which cap is reached, or was and the open failures have not fallen far enough since."""
        return self._why

    async def look(self, pool: Pool) -> None:
        """Count if it is due, and reckon up what has changed since; an absent database is waited for."""
        started = time.monotonic()
        if started < self._due:
            self._decide()
            return
        try:
            with self._metrics.timed(LoopPhase.CENSUS):
                self.observe(await count(pool))
        except TransientError as error:
            log.warning("census_failed", error=str(error)[:300])
            self._decide()
        took = time.monotonic() - started
        replicas = self._census.replicas if self._census is not None else 1
        self._due = started + max(self._settings.sample_every.total_seconds() / 2, took * replicas / SHARE)

    def observe(self, census: Census) -> None:
        """Take a new count in."""
        self._census, self._kept_open_then = census, self._metrics.kept_open()
        for status in self._metrics.open_failures:
            self._metrics.open_failures[status].set(census.open_failures.get(status, 0))
        self._metrics.oldest_pending_seconds.set(census.oldest_pending)
        self._metrics.outbox_depth.set(census.outbox_depth)
        self._metrics.outbox_oldest_seconds.set(census.outbox_oldest)
        self._decide()

    def _decide(self) -> None:
        if (census := self._census) is None:
            return
        # The others take in about as much as we do. What is closed elsewhere is seen with the next count.
        grown = max(0.0, self._metrics.kept_open() - self._kept_open_then) * census.replicas
        rows = census.open_rows + grown
        size = census.open_bytes * (rows / census.open_rows if census.open_rows else 1.0)
        factor = self._settings.resume_below if self._why else 1.0
        if rows >= self._settings.open_rows_cap * factor:
            self._why = PauseReason.OPEN_ROWS
        elif size >= self._settings.open_bytes_cap * factor:
            self._why = PauseReason.OPEN_BYTES
        else:
            self._why = None
