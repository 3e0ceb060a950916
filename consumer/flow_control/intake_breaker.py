"""Circuit breaker of intake: reads all, nothing, or a probe, while dead letters come from all sources at once."""

import asyncio
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import structlog

from consumer.errors import RefusedByDatabase, TransientError
from consumer.event_loop import wait_for_event
from consumer.flow_control.silence import claims_of, is_reached, is_well, silent_beats
from consumer.model import OrgId
from consumer.model.batch import Batch, Received
from consumer.model.voice import ReportingSource
from consumer.settings import DeadLetterLimitSettings, IntakeSettings
from consumer.store import intake_breaker as store
from consumer.store.intake_breaker import IntakeState
from consumer.store.pool import Pool

log = structlog.get_logger(__name__)

SOURCES: Final = 100
"""Sources of one organisation counted apart within a beat: where a catalog accepts any name, producers may use many."""


LOOKS: Final = 5
"""Synchronisations per beat: how soon a process learns of a pause, and reports the sources that it accepted."""


class IntakeBreaker:
    """Counts accepted and refused sources, and pauses and resumes intake together with every other process.

    Paused until the database has said that the fleet reads: a restart does not end a pause.
    """

    def __init__(self, pool: Pool, settings: DeadLetterLimitSettings, intake: IntakeSettings) -> None:
        self._pool = pool
        self._settings = settings
        self._max_records = intake.max_rows
        self._state: IntakeState | None = None
        self._unreported: dict[OrgId, set[str]] = {}
        self._accepted_in_beat: dict[OrgId, set[str]] = {}
        self._beat = 0
        self._has_polled = False
        self._should_check = False
        self._next_check = 0.0
        self._next_prune = 0.0
        self._probe = _Probe()

    def may_read(self) -> int | None:
        """Return how many records the next poll may return: None for as many as usual, 0 for none."""
        if self._state is not None and self._state.paused_at is None:
            return None
        return self._probe.left

    def took(self, records: int) -> None:
        """Record that a poll that was not paused returned so many records."""
        self._has_polled = True
        if records:
            self._probe.left = 0

    @property
    def paused_because(self) -> str | None:
        """The reason for which dead letters pause intake, as text; None while they do not."""
        if self._state is None:
            return "whether intake may read is not known yet: the database has not said"
        return self._state.why if self._state.paused_at is not None else None

    async def count(self, batch: Batch, received: Received) -> None:
        """Count the outcome of a batch. Dead letters are durably counted before its offsets can be committed.

        So a process that dies soon after each start still counts. While the database is away nothing is counted, and
        nothing is held up: the count is a safeguard, no promise.
        """
        accepted = _accepted_voices(batch, received)
        self._observe(accepted)
        if not (received.letters or self._probe.runs):
            return
        claims = claims_of(letter.record for letter in received.letters)
        try:
            await self._report()
            known = await store.count_refused(self._pool, claims)
            self._should_check = self._should_check or known > 0
            await self._check_for_silence()
            if self._probe.runs and self._probe.left == 0:
                await self._apply_probe(is_well(len(set(accepted)), known))
        except (TransientError, RefusedByDatabase) as error:
            log.warning("dead_letter_count_failed", error=str(error)[:300])

    async def run(self, stop: asyncio.Event) -> None:
        """Synchronise with the fleet until stopped."""
        every = self._settings.beat / LOOKS
        while not stop.is_set():
            try:
                await self.once()
            except (TransientError, RefusedByDatabase) as error:
                log.warning("dead_letter_count_failed", error=str(error)[:300])
            await wait_for_event(stop, every)

    async def once(self) -> None:
        """Report accepted sources, check whether the limit is reached, and load whether the fleet reads."""
        if self._has_polled:
            self._has_polled = False
            await self._report()
            await self._prune()
        await self._check_for_silence()
        await self._refresh_state()
        if self._state is not None and self._state.paused_at is not None:
            await self._take_probe()

    def _observe(self, voices: Iterable[ReportingSource]) -> None:
        beat = int(time.time() / self._settings.beat.total_seconds())
        if beat != self._beat:
            self._beat = beat
            self._accepted_in_beat.clear()
        for source, org_id in voices:
            told = self._accepted_in_beat.get(org_id)
            if told is None or (source not in told and len(told) < SOURCES):
                self._accepted_in_beat.setdefault(org_id, set()).add(source)
                self._unreported.setdefault(org_id, set()).add(source)

    async def _report(self) -> None:
        heard, self._unreported = self._unreported, {}
        voices = [ReportingSource(source, org_id) for org_id, sources in heard.items() for source in sources]
        try:
            await store.record_accepted(self._pool, self._settings.beat, voices)
        except TransientError:
            self._accepted_in_beat.clear()  # a source that is accepted again is reported again
            raise

    async def _prune(self) -> None:
        if time.monotonic() >= self._next_prune:
            self._next_prune = time.monotonic() + self._settings.usual.total_seconds()
            await store.forget(self._pool, self._retention_beats)

    async def _check_for_silence(self) -> None:
        """Pause the fleet where known sources are refused and those usually accepted are silent; not at each batch."""
        limit = self._settings
        if not self._should_check or time.monotonic() < self._next_check:
            return
        self._should_check = False
        self._next_check = time.monotonic() + limit.beat.total_seconds() / LOOKS
        heard, counting = await store.pulse(self._pool, limit.beat, self._retention_beats)
        beats = silent_beats(heard, limit)
        if beats is None or beats > counting:
            self._should_check = beats is not None
            return
        failing = await store.count_silent(self._pool, limit.beat, beats)
        if not is_reached(failing, limit):
            return
        why = (
            f"dead letters from everywhere: {failing.sources} sources of {failing.organisations} organisations that "
            f"were accepted before had {failing.letters} dead letters and nothing accepted for "
            f"{(beats * limit.beat).total_seconds():.0f} s. See `shw dlq list` and `shw intake`"
        )
        if await store.pause(self._pool, why, limit.probe_every):
            log.error("dead_letter_limit_reached", why=why)

    @property
    def _retention_beats(self) -> int:
        return (self._settings.usual + self._settings.longest) // self._settings.beat

    async def _refresh_state(self) -> None:
        was, self._state = self._state, await store.read_state(self._pool)
        paused, now_paused = was is not None and was.paused_at is not None, self._state.paused_at is not None
        if now_paused and not paused:
            log.warning("dead_letter_limit_holds", since=str(self._state.paused_at), why=self._state.why)
        elif paused and not now_paused:
            self._probe = _Probe()
            log.info("dead_letter_limit_lifted")

    async def _take_probe(self) -> None:
        """Take the fleet's probe (half-open state) when it is due; give it up where no records came."""
        every = self._settings.probe_every
        read = self._probe.runs and self._probe.left == 0
        if self._probe.runs and self._probe.age > (every if read else min(every, self._settings.beat / 2)):
            self._probe = _Probe()
            # Records read and not counted went to another member in a rebalance, which reads them again.
            await store.blank_probe(self._pool, read=read)
        elif not self._probe.runs and self._state is not None and self._state.probe:
            blank = await store.take_probe(self._pool, every)
            if blank is not None:
                size = min(self._settings.probe_records * 2 ** min(blank, 10), self._max_records)
                self._probe = _Probe(size)

    async def _apply_probe(self, well: bool | None) -> None:
        self._probe = _Probe()
        log.info("dead_letter_probe", well=well)
        if well is None:
            await store.blank_probe(self._pool, read=True)
        elif well and await store.resume(self._pool):
            await self._refresh_state()


class _Probe:
    """The half-open state: one process's turn to read a few records."""

    def __init__(self, records: int = 0) -> None:
        self.left = records
        self.runs = records > 0
        self._since = time.monotonic()

    @property
    def age(self) -> timedelta:
        """Time since the turn was taken."""
        return timedelta(seconds=time.monotonic() - self._since)


def _accepted_voices(batch: Batch, received: Received) -> list[ReportingSource]:
    """Return the sources of accepted events, new or delivered before; storing one may still make it a dead letter."""
    refused = {(letter.record.partition, letter.record.offset) for letter in received.letters}
    return [
        ReportingSource(diagnosed.failure.source or "", diagnosed.failure.org_id)
        for diagnosed, record in batch.accepted
        if not refused or (record.partition, record.offset) not in refused
    ]
