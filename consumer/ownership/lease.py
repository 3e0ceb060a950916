"""The lease of this process: renews it, reads which claims were revoked, and watches the leases of other owners."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from consumer.errors import HealingPaused, RevokedClaim, TransientError
from consumer.event_loop import wait_for_event
from consumer.metrics import Metrics
from consumer.model import Claim, OwnerId
from consumer.model.suspension import KeptState
from consumer.ownership.clock import MAX_SKEW, Clock
from consumer.ownership.owner_watch import OwnerWatch
from consumer.ownership.permission import READ_EVERY, Moment, Permission
from consumer.store import leases, suspended
from consumer.store.leases import DECIDED
from consumer.store.pool import Pool

log = structlog.get_logger(__name__)

STATEMENT_TIMEOUT: Final = timedelta(seconds=5)
"""Timeout of a lease statement: where the server hangs it is sent anew, maybe to another host."""
FIRST_RETRY_DELAY: Final = timedelta(seconds=1)
"""Delay before the very first renewal is retried."""


@dataclass(slots=True, kw_only=True)
class Lease:
    """Keeps this process's lease alive, and learns which of its claims are revoked and which owners have died."""

    pool: Pool
    own_pool: Pool
    """A pool of one connection: a queue of other statements must not make the process look dead or stop its effects."""
    me: OwnerId
    span: timedelta
    clock: Clock
    metrics: Metrics
    died: Callable[[], None] = lambda: None
    """Called when another owner is newly known to be dead: its claims may be taken over."""
    permission: Permission = field(init=False)
    database_away_since: float | None = field(default=None, init=False)
    """Since when the database has not answered, on the monotonic clock; None while it answers."""
    _watch: OwnerWatch = field(init=False)
    _next_renewal: float = 0.0
    _known_dead: frozenset[OwnerId] = frozenset()

    def __post_init__(self) -> None:
        """Begin with a lease that was never renewed: no effect may start."""
        self.permission = Permission(self.span)
        self._watch = OwnerWatch(self.span)

    @property
    def dead(self) -> dict[OwnerId, str]:
        """The owners that did not renew for a whole lease while this process watched, with the last renewal counts."""
        return self._watch.dead()

    async def begin(self, stop: asyncio.Event) -> None:
        """Take the lease before anything is claimed; while the database is away, retry."""
        while not stop.is_set():
            try:
                await self._renew()
                await self._read_revoked()
            except TransientError as error:
                self._note_database(answers=False)
                log.warning("no_lease_yet", error=str(error)[:300])
                await wait_for_event(stop, FIRST_RETRY_DELAY)
            else:
                return

    async def keep_until(self, ended: asyncio.Event) -> None:
        """Renew and read until ended. While the database is away, retry: until it answers, no effect starts."""
        while not ended.is_set():
            started = time.monotonic()
            try:
                if started >= self._next_renewal:
                    await self._renew()
                await self._read_revoked()
            except TransientError as error:
                self._note_database(answers=False)
                log.warning("lease_not_renewed", error=str(error)[:300])
            left = READ_EVERY.total_seconds() - (time.monotonic() - started)
            await wait_for_event(ended, timedelta(seconds=max(0.05, left)))

    async def _renew(self) -> None:
        sent, asked = Moment.now(), datetime.now(UTC)
        async with _with_timeout():
            database = await leases.renew(self.own_pool, self.me, self.span)
        self.permission.renewed(sent)
        self._next_renewal = sent.monotonic + self.span.total_seconds() / 3
        changed = self.clock.compare(asked, database, datetime.now(UTC))
        self.metrics.clock_skew_seconds.set(self.clock.skew.total_seconds())
        if abs(changed) > MAX_SKEW:
            log.warning("clock_skew", host_ahead_seconds=round(self.clock.skew.total_seconds(), 3))

    async def _read_revoked(self) -> None:
        sent = Moment.now()
        async with _with_timeout():
            reading = await leases.read_leases(self.own_pool, self.me)
        self._note_database(answers=True)
        self.permission.read(sent, reading.revoked, reading.pauses)
        self._watch.look(reading.renewals, sent.monotonic, time.monotonic())
        dead = frozenset(self.dead)
        if dead - self._known_dead:
            log.warning("owners_dead", owners=sorted(dead - self._known_dead))
            self.died()
        self._known_dead = dead

    def _note_database(self, *, answers: bool) -> None:
        if answers and self.database_away_since is not None:
            log.info("database_answers_again", away_seconds=round(time.monotonic() - self.database_away_since, 1))
        if answers:
            self.database_away_since = None
        elif self.database_away_since is None:
            self.database_away_since = time.monotonic()
        self.metrics.database_up.set(answers)

    async def permit(self, claim: Claim, seen_at: float) -> float:
        """Wait until an effect under a claim may start; returns when the claim was last known to be this process's own.

        `seen_at` is the last such monotonic time that the caller knows.

        Raises
        ------
        LostClaim
            Another process has the claim now.
        RevokedClaim
            A person has decided.
        HealingPaused
            A pause reaches it.

        """
        while True:
            await self.permission.wait()
            if self._forbids(claim):
                raise RevokedClaim(DECIDED)
            if (pause := self.permission.pause_over(claim)) is not None:
                raise HealingPaused(str(pause), pause.gate)
            if self.permission.is_certain(seen_at):
                return seen_at
            asked = time.monotonic()
            try:
                await leases.check_claim(self.pool, self.me, claim)
            except RevokedClaim:
                if not claim.cancels:
                    raise
            seen_at = asked

    def _forbids(self, claim: Claim) -> bool:
        return self.permission.is_revoked(claim) and not claim.cancels

    def may_start(self, claim: Claim, seen_at: float) -> bool:
        """Return at once whether an effect may start this very moment; to check again after any wait."""
        permission = self.permission
        fresh = permission.is_fresh() and permission.is_certain(seen_at)
        return fresh and not self._forbids(claim) and permission.pause_over(claim) is None

    async def make_durable(self, claim: Claim) -> None:
        """Record durably that an effect begins which must not be repeated blindly; raises as `permit`."""
        await leases.begin(self.pool, self.me, claim)

    async def keep(self, claim: Claim, state: KeptState) -> None:
        """Make a heal's state durable on its claim; raises LostClaim."""
        await suspended.keep(self.pool, self.me, claim, state)


@asynccontextmanager
async def _with_timeout() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(STATEMENT_TIMEOUT.total_seconds()):
            yield
    except TimeoutError as error:
        raise TransientError(f"the database did not answer within {STATEMENT_TIMEOUT.total_seconds():g} s") from error
