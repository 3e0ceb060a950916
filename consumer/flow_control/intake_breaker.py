"""How much intake may read now: all, nothing, or a probe, while dead letters come from everybody at once."""

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
from consumer.model.voice import Voice
from consumer.settings import DeadLetterLimitSettings, IntakeSettings
from consumer.store import intake_breaker as store
from consumer.store.intake_breaker import IntakeState
from consumer.store.pool import Pool

log = structlog.get_logger(__name__)

SOURCES: Final = 100
"""Of one organisation that are told apart within a beat: where a catalog lets any name speak, somebody may use many."""


LOOKS: Final = 5
"""In one beat: how soon a process learns of a pause, and who was heard is told."""


class IntakeBreaker:
    """Counts who is accepted and who is refused, and closes and opens together with every other process's valve.

    Closed until the database has said that the fleet reads: a restart does not end a pause.
    """

    def __init__(self, pool: Pool, settings: DeadLetterLimitSettings, intake: IntakeSettings) -> None:
        self._pool = pool
        self._settings = settings
        self._max_records = intake.max_rows
        self._standing: IntakeState | None = None
        self._heard: dict[OrgId, set[str]] = {}
        self._told: dict[OrgId, set[str]] = {}
        self._beat = 0
        self._polled = False
        self._suspicious = False
        self._look_at = 0.0
        self._forget_at = 0.0
        self._probe = _Probe()

    def may_read(self) -> int | None:
        """Say how many records the next poll may give: None for as many as usual, 0 for none."""
        if self._standing is not None and self._standing.paused_at is None:
            return None
        return self._probe.left

    def took(self, records: int) -> None:
        """Note that a poll that was not paused gave so many records."""
        self._polled = True
        if records:
            self._probe.left = 0

    @property
    def paused_because(self) -> str | None:
        """Why intake is paused by dead letters, in words; None while it is not."""
        if self._standing is None:
            return "whether intake may read is not known yet: the database has not said"
        return self._standing.why if self._standing.paused_at is not None else None

    async def count(self, batch: Batch, received: Received) -> None:
        """Note what became of a batch. Dead letters are durably counted before its offsets can be committed.

        So a process that dies soon after each start still counts. While the database is away it counts nothing, and
        holds nobody up: the count is a safeguard, no promise.
        """
        accepted = _accepted(batch, received)
        self._hear(accepted)
        if not (received.letters or self._probe.runs):
            return
        claims = claims_of(letter.record for letter in received.letters)
        try:
            await self._tell()
            known = await store.refuse(self._pool, claims)
            self._suspicious = self._suspicious or known > 0
            await self._look_for_silence()
            if self._probe.runs and self._probe.left == 0:
                await self._judge(is_well(len(set(accepted)), known))
        except (TransientError, RefusedByDatabase) as error:
            log.warning("dead_letter_count_failed", error=str(error)[:300])

    async def run(self, stop: asyncio.Event) -> None:
        """Keep in step with the fleet until stopped."""
        every = self._settings.beat / LOOKS
        while not stop.is_set():
            try:
                await self.once()
            except (TransientError, RefusedByDatabase) as error:
                log.warning("dead_letter_count_failed", error=str(error)[:300])
            await wait_for_event(stop, every)

    async def once(self) -> None:
        """Tell who was heard, look whether the limit is reached, and learn whether the fleet reads."""
        if self._polled:
            self._polled = False
            await self._tell()
            await self._forget()
        await self._look_for_silence()
        await self._learn()
        if self._standing is not None and self._standing.paused_at is not None:
            await self._take_turn()

    def _hear(self, voices: Iterable[Voice]) -> None:
        beat = int(time.time() / self._settings.beat.total_seconds())
        if beat != self._beat:
            self._beat = beat
            self._told.clear()
        for source, org_id in voices:
            told = self._told.get(org_id)
            if told is None or (source not in told and len(told) < SOURCES):
                self._told.setdefault(org_id, set()).add(source)
                self._heard.setdefault(org_id, set()).add(source)

    async def _tell(self) -> None:
        heard, self._heard = self._heard, {}
        voices = [Voice(source, org_id) for org_id, sources in heard.items() for source in sources]
        try:
            await store.hear(self._pool, self._settings.beat, voices)
        except TransientError:
            self._told.clear()  # whoever speaks again is told again
            raise

    async def _forget(self) -> None:
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + self._settings.usual.total_seconds()
            await store.forget(self._pool, self._remembered)

    async def _look_for_silence(self) -> None:
        """Pause the fleet where known voices are refused and those usually accepted are silent; not at each batch."""
        limit = self._settings
        if not self._suspicious or time.monotonic() < self._look_at:
            return
        self._suspicious = False
        self._look_at = time.monotonic() + limit.beat.total_seconds() / LOOKS
        heard, counting = await store.pulse(self._pool, limit.beat, self._remembered)
        beats = silent_beats(heard, limit)
        if beats is None or beats > counting:
            self._suspicious = beats is not None
            return
        failing = await store.failing(self._pool, limit.beat, beats)
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
    def _remembered(self) -> int:
        return (self._settings.usual + self._settings.longest) // self._settings.beat

    async def _learn(self) -> None:
        was, self._standing = self._standing, await store.standing(self._pool)
        paused, now_paused = was is not None and was.paused_at is not None, self._standing.paused_at is not None
        if now_paused and not paused:
            log.warning("dead_letter_limit_holds", since=str(self._standing.paused_at), why=self._standing.why)
        elif paused and not now_paused:
            self._probe = _Probe()
            log.info("dead_letter_limit_lifted")

    async def _take_turn(self) -> None:
        """Take the fleet's probe when it is due; give it up where nothing came to be read."""
        every = self._settings.probe_every
        read = self._probe.runs and self._probe.left == 0
        if self._probe.runs and self._probe.age > (every if read else min(every, self._settings.beat / 2)):
            self._probe = _Probe()
            # What was read and not counted went to another member in a rebalance: then it is read again there.
            await store.blank_probe(self._pool, read=read)
        elif not self._probe.runs and self._standing is not None and self._standing.probe:
            blank = await store.take_probe(self._pool, every)
            if blank is not None:
                size = min(self._settings.probe_records * 2 ** min(blank, 10), self._max_records)
                self._probe = _Probe(size)

    async def _judge(self, well: bool | None) -> None:
        self._probe = _Probe()
        log.info("dead_letter_probe", well=well)
        if well is None:
            await store.blank_probe(self._pool, read=True)
        elif well and await store.resume(self._pool):
            await self._learn()


class _Probe:
    """One process's turn to read a little."""

    def __init__(self, records: int = 0) -> None:
        self.left = records
        self.runs = records > 0
        self._since = time.monotonic()

    @property
    def age(self) -> timedelta:
        """How long ago the turn was taken."""
        return timedelta(seconds=time.monotonic() - self._since)


def _accepted(batch: Batch, received: Received) -> list[Voice]:
    """Give who spoke in what was accepted, new or delivered before; a letter may come from the database's refusal."""
    refused = {(letter.record.partition, letter.record.offset) for letter in received.letters}
    return [
        Voice(diagnosed.failure.source or "", diagnosed.failure.org_id)
        for diagnosed, record in batch.accepted
        if not refused or (record.partition, record.offset) not in refused
    ]
