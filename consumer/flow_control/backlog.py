"""Backlog limit (back-pressure): pauses intake while too many rows or bytes are open, with hysteresis.

The backlog is counted as often as counting is cheap, and extrapolated in between.
"""

import time
from typing import Final

import structlog

from consumer.errors import TransientError
from consumer.metrics import LoopPhase, Metrics, PauseReason
from consumer.settings import Settings
from consumer.store.backlog import BacklogCounts, SuspendedHeals, count
from consumer.store.pool import Pool
from schemas.names import StrategyName

log = structlog.get_logger(__name__)

NONE_SUSPENDED: Final = SuspendedHeals(heals=0, oldest=0.0)
SHARE: Final = 0.02
"""Fraction of the time in which any process of the fleet may be counting: a count reads every open row."""


class BacklogLimit:
    """The caps on open rows and bytes, with hysteresis; also sets the gauges of what the database holds."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings.intake
        self._metrics = metrics
        self._pause_reason: PauseReason | None = None
        self._next_count = 0.0
        self._census: BacklogCounts | None = None
        self._kept_open_at_count = 0.0

    def full(self) -> PauseReason | None:
        """Return the cap that pauses intake: it is reached, or was and the backlog has not fallen far enough since."""
        return self._pause_reason

    @property
    def replicas(self) -> int:
        """Processes of the fleet, as the last count saw them."""
        return self._census.replicas if self._census is not None else 1

    async def look(self, pool: Pool) -> None:
        """Count if a count is due, else extrapolate from the last one, as also while the database is away."""
        started = time.monotonic()
        if started < self._next_count:
            self._apply_caps()
            return
        try:
            with self._metrics.timed(LoopPhase.CENSUS):
                self.observe(await count(pool))
        except TransientError as error:
            log.warning("census_failed", error=str(error)[:300])
            self._apply_caps()
        took = time.monotonic() - started
        self._next_count = started + max(self._settings.sample_every.total_seconds() / 2, took * self.replicas / SHARE)

    def observe(self, census: BacklogCounts) -> None:
        """Set the gauges and the caps' state from a new count."""
        self._census, self._kept_open_at_count = census, self._metrics.kept_open()
        for status in self._metrics.open_failures:
            self._metrics.open_failures[status].set(census.open_failures.get(status, 0))
        for strategy in StrategyName:
            waiting = census.suspended.get(strategy, NONE_SUSPENDED)
            self._metrics.suspended_heals[strategy].set(waiting.heals)
            self._metrics.suspended_oldest_seconds[strategy].set(waiting.oldest)
        self._metrics.oldest_pending_seconds.set(census.oldest_pending)
        self._metrics.outbox_depth.set(census.outbox_depth)
        self._metrics.outbox_oldest_seconds.set(census.outbox_oldest)
        self._apply_caps()

    def _apply_caps(self) -> None:
        if (census := self._census) is None:
            return
        # The other replicas take in about as much as this one. What they close shows only in the next count.
        grown = max(0.0, self._metrics.kept_open() - self._kept_open_at_count) * census.replicas
        # Members' rows cannot be held back by a pause of Kafka: each organisation's share of them is the database's.
        rows = census.kafka_rows + grown
        size = census.kafka_bytes * (rows / census.kafka_rows if census.kafka_rows else 1.0)
        factor = self._settings.resume_below if self._pause_reason else 1.0
        if rows >= self._settings.open_rows_cap * factor:
            self._pause_reason = PauseReason.OPEN_ROWS
        elif size >= self._settings.open_bytes_cap * factor:
            self._pause_reason = PauseReason.OPEN_BYTES
        else:
            self._pause_reason = None
