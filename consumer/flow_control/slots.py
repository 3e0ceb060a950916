"""Concurrency slots for the heals of this process: which are under way, and how many more may start or be claimed."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Final

from consumer.event_loop import wait_for_event
from consumer.model import AttemptId, OrgId
from schemas.value import value

UNSETTLED_LEAST: Final = 256
"""Ended heals that may wait to be settled: as many as there are slots, so that the next batch is taken in while the
last one is settled; but at least so many where slots are few, for settlements gather for larger transactions."""
AT_ONCE: Final = 3
"""New failures are taken in when a third of the slots they may claim is free: fewer transactions, few idle slots."""
_ROUNDING: Final = 1e-9
"""Added before truncation, so that 0.9 of 1000 is 900 and not a little less."""
PREFETCH_LIMIT: Final = 200
"""Prefetch limit: claims taken before a slot is free, so that a freed slot need not wait for a round trip to the
database. Never more than there are slots. No transaction takes so long that more would begin meanwhile."""
PREFETCH_WINDOW: Final = 0.1
"""Prefetch window, in seconds: no more is prefetched than heals ended within it, and for each organisation no more than
its own did. Claiming takes half of that where replicas share a processor. Where no heal ends nothing is prefetched, and
an organisation whose heals hang gets no slot by the heals of others."""
IDLE_LEAST: Final = 256
"""Heals that may wait without a slot: half as many as there are slots, but at least so many. Each stays in memory.
Beyond, a heal that waits keeps its slot; of both kinds of places an organisation takes no more than its share."""
PACES: Final = 4096
"""Organisations whose completion rate is remembered."""


class SlotDecision(Enum):
    """Slot decision for a new failure."""

    NOW = "a slot"
    LATER = "a slot that is about to be free: ask again"
    STORE_ONLY = "none: it is stored, and healed when it is due"


@value(frozen=True, slots=True)
class _SlotUse:
    since: float
    org_id: OrgId
    is_new: bool


@dataclass(slots=True)
class _Pace:
    """Completion rate: heals that ended in the present and in the last window of `PREFETCH_WINDOW`."""

    since: float = 0.0
    count: int = 0
    before: int = 0

    def one_ended(self) -> None:
        self._roll_window()
        self.count += 1

    def lately(self) -> int:
        self._roll_window()
        return max(self.count, self.before)

    def _roll_window(self) -> None:
        now = time.monotonic()
        if now - self.since >= PREFETCH_WINDOW:
            self.before = self.count if now - self.since < 2 * PREFETCH_WINDOW else 0
            self.since, self.count = now, 0


@dataclass(slots=True)
class HealSlots:
    """Heals by attempt: each takes a slot until it has ended, and is known here until its settle is durable.

    Two rules share the slots fairly. New failures leave `resume_share` of them to failures that are due again, if any.
    An organisation takes at most `organisation_share` of what it holds and what is free together: alone that is nearly
    all, the next greedy one gets a tenth of that, and some are left; the number of organisations need not be known.
    """

    slots: int
    resume_share: float = 0.25
    organisation_share: float = 0.9
    _uses: dict[AttemptId, _SlotUse] = field(default_factory=dict)
    _unstarted: set[AttemptId] = field(default_factory=set)
    _settling: set[AttemptId] = field(default_factory=set)
    _idle: dict[AttemptId, OrgId] = field(default_factory=dict)
    _held_by_org: dict[OrgId, int] = field(default_factory=dict)
    _new_count: int = 0
    _freed_at: dict[OrgId, float] = field(default_factory=dict)
    _freed: asyncio.Event = field(default_factory=asyncio.Event)
    _stalled: bool = False
    _pace: _Pace = field(default_factory=_Pace)
    _paces: dict[OrgId, _Pace] = field(default_factory=dict)
    _semaphore: asyncio.Semaphore = field(init=False)
    due_waits: bool = False
    """Whether failures that are due again wait for a slot: only then is their share kept for them."""

    def __post_init__(self) -> None:
        """Create the semaphore of the slots."""
        self._semaphore = asyncio.Semaphore(self.slots)

    async def acquire(self, within: timedelta) -> bool:
        """Wait for a slot, which a prefetched heal may not have yet; returns False when none came free in time."""
        if not self._semaphore.locked():
            return await self._semaphore.acquire()
        try:
            async with asyncio.timeout(within.total_seconds()):
                return await self._semaphore.acquire()
        except TimeoutError:
            return False

    def release(self, org_id: OrgId, attempt_id: AttemptId | None = None) -> None:
        """Free the slot of a heal for the next one, unless it ended idle, and count it in the completion rates."""
        self._pace.one_ended()
        if len(self._paces) > PACES:
            self._paces = {one: pace for one, pace in self._paces.items() if pace.lately()}
        self._paces.setdefault(org_id, _Pace()).one_ended()
        if attempt_id not in self._idle:
            self._semaphore.release()

    @asynccontextmanager
    async def idle(self, attempt_id: AttemptId) -> AsyncIterator[None]:
        """Give back the slot of a heal while it only waits; one whose wait is cut short ends without a slot."""
        place = self._uses[attempt_id]
        if not self._may_idle(place.org_id):
            yield
            return
        self._idle[attempt_id] = place.org_id
        self._return_slot(place)
        self._semaphore.release()
        self._freed.set()
        yield
        await self._semaphore.acquire()
        del self._idle[attempt_id]
        self._take_slot(place)

    def _may_idle(self, org_id: OrgId) -> bool:
        free = max(IDLE_LEAST, self.slots // 2) - len(self._idle)
        mine = sum(1 for one in self._idle.values() if one == org_id)
        return free > 0 and (mine == 0 or mine < int(self.organisation_share * (mine + free) + _ROUNDING))

    def add(self, attempt_id: AttemptId, org_id: OrgId, *, is_new: bool) -> bool:
        """Take a slot; returns False when this attempt has one already."""
        if attempt_id in self._uses:
            return False
        self._uses[attempt_id] = _SlotUse(time.monotonic(), org_id, is_new)
        self._take_slot(self._uses[attempt_id])
        self._unstarted.add(attempt_id)
        return True

    def effect_started(self, attempt_id: AttemptId) -> None:
        """Record that an effect of this heal may have left the process."""
        self._unstarted.discard(attempt_id)

    def settling(self, attempt_id: AttemptId) -> None:
        """Record that a heal has ended: its slot is free, and it waits for its settle."""
        if attempt_id not in self._settling:
            self._settling.add(attempt_id)
            if self._idle.pop(attempt_id, None) is None:
                self._return_slot(self._uses[attempt_id])
            self._freed.set()

    def forget(self, attempt_ids: Iterable[AttemptId]) -> None:
        """Remove heals whose settle is durable, or whose claim another process has now."""
        for attempt_id in attempt_ids:
            place = self._uses.pop(attempt_id, None)
            was_idle = self._idle.pop(attempt_id, None) is not None
            if place is not None and not was_idle and attempt_id not in self._settling:
                self._return_slot(place)
            self._unstarted.discard(attempt_id)
            self._settling.discard(attempt_id)
        self._freed.set()

    def _take_slot(self, place: _SlotUse) -> None:
        self._held_by_org[place.org_id] = self._held_by_org.get(place.org_id, 0) + 1
        self._new_count += place.is_new

    def _return_slot(self, place: _SlotUse) -> None:
        left = self._held_by_org[place.org_id] - 1
        if left:
            self._held_by_org[place.org_id] = left
            self._freed_at[place.org_id] = time.monotonic()
        else:
            del self._held_by_org[place.org_id]
            self._freed_at.pop(place.org_id, None)
        self._new_count -= place.is_new
        self._stalled = False

    def __len__(self) -> int:
        return len(self._uses)

    def ids(self) -> tuple[AttemptId, ...]:
        """Return all attempts under way."""
        return tuple(self._uses)

    def unstarted(self) -> tuple[AttemptId, ...]:
        """Return the attempts of which no effect has begun: another process may make them at once."""
        return tuple(self._unstarted)

    def free(self, *, for_new: bool = False) -> int:
        """Return the number of free slots, prefetch included; 0 while too many ended heals wait for the database."""
        if len(self._settling) >= max(self.slots, UNSETTLED_LEAST):
            return 0
        free = self.slots + self._prefetch() - (len(self._uses) - len(self._settling) - len(self._idle))
        if for_new and self.due_waits:
            free = min(free, self._new_limit() - self._new_count)
        return max(0, free)

    def _new_limit(self) -> int:
        """Return how many new failures may have a slot or be prefetched."""
        if self.due_waits:
            return max(1, int(self.slots * (1 - self.resume_share)))
        return self.slots + self._prefetch()

    def _prefetch(self, org_id: OrgId | None = None) -> int:
        pace = self._pace if org_id is None else self._paces.get(org_id)
        return 0 if pace is None else min(self.slots, PREFETCH_LIMIT, pace.lately())

    def free_slots(self, org_id: OrgId) -> int:
        """Return how many slots an organisation may take now."""
        return self._slots_for(self._held_by_org.get(org_id, 0), self.free(), self._prefetch(org_id))

    def admit(self, org_ids: Sequence[OrgId], *, for_new: bool = False) -> list[bool]:
        """Return for each failure, in order of arrival, whether it would get a slot; takes none."""
        free, allowed = self.free(), self.free(for_new=for_new)
        if len(org_ids) <= min(allowed, self._slots_for(len(self._uses), free)):
            return [True] * len(org_ids)  # even if all were one organisation's
        taken: dict[OrgId, int] = {}
        admitted = []
        for org_id in org_ids:
            if allowed <= 0:
                break
            held = taken.get(org_id, self._held_by_org.get(org_id, 0))
            gets_one = self._slots_for(held, free, self._prefetch(org_id)) > 0
            if gets_one:
                taken[org_id] = held + 1
                free, allowed = free - 1, allowed - 1
            admitted.append(gets_one)
        return admitted + [False] * (len(org_ids) - len(admitted))

    def _slots_for(self, held: int, free: int, ahead: int = 0) -> int:
        """Return how many slots a holder of `held` may take: `free` counts every prefetch, `ahead` only its own."""
        if free <= 0:
            return 0
        empty = max(0, free - self._prefetch())
        by_share = int(self.organisation_share * (held + empty) + _ROUNDING) - held
        return min(free, max(by_share, 1 if held == 0 else 0) + ahead)

    def oldest(self) -> timedelta:
        """Return the age of the longest heal under way; zero when there is none."""
        # Slots are taken in order of time and a dict keeps it: the first is the oldest. A heal that only waits for the
        # database is not under way: an absent database must not look like a heal that hangs.
        since = (place.since for attempt_id, place in self._uses.items() if attempt_id not in self._settling)
        oldest = next(since, None)
        return timedelta(0) if oldest is None else timedelta(seconds=time.monotonic() - oldest)

    async def wait_for_all(self, at_most: timedelta) -> None:
        """Wait until no heal is under way."""
        deadline = time.monotonic() + at_most.total_seconds()
        while self._uses and (left := deadline - time.monotonic()) > 0:
            await self._wait_for_free(left)

    async def wait_for_some(self, wanted: int, at_most: timedelta) -> None:
        """Wait until so many slots are free."""
        deadline = time.monotonic() + at_most.total_seconds()
        while self.free() < wanted and (left := deadline - time.monotonic()) > 0:
            await self._wait_for_free(left)

    async def wait_to_admit(
        self, org_ids: Sequence[OrgId], *, stalled_after: timedelta, at_most: timedelta
    ) -> list[SlotDecision]:
        """Wait for slots for new failures as long as heals end; returns the decision for each, in order of arrival.

        A failure with `SlotDecision.LATER` is to be asked for again: its slot is about to be free. When for
        `stalled_after` no slot was freed and no heal is being settled, or after `at_most`, none gets that: all that are
        left go without a slot.
        """
        deadline = time.monotonic() + at_most.total_seconds()
        some = min(len(org_ids), max(1, self._new_limit() // AT_ONCE))
        while True:
            left = deadline - time.monotonic()
            gives_up = self._stalled or left <= 0 or self.slots == 0
            if gives_up or self.free(for_new=True) >= some:
                turns = self._decide_turns(org_ids, stalled_after, gives_up=gives_up)
                if not org_ids or any(turn is not SlotDecision.LATER for turn in turns):
                    return turns
            freed = await self._wait_for_free(min(left, stalled_after.total_seconds()))
            self._stalled = not freed and not self._settling

    def _decide_turns(
        self, org_ids: Sequence[OrgId], stalled_after: timedelta, *, gives_up: bool
    ) -> list[SlotDecision]:
        """Return each decision. Hanging heals delay their own organisation only; within one, order is kept."""
        admitted = self.admit(org_ids, for_new=True)
        if gives_up or all(admitted):
            return [SlotDecision.NOW if gets_one else SlotDecision.STORE_ONLY for gets_one in admitted]
        since = time.monotonic() - stalled_after.total_seconds()
        is_full = sum(admitted) >= self.free(for_new=True)
        return [
            SlotDecision.NOW
            if gets_one
            else SlotDecision.LATER
            if is_full or self._freed_at.get(org_id, 0.0) >= since
            else SlotDecision.STORE_ONLY
            for org_id, gets_one in zip(org_ids, admitted, strict=True)
        ]

    async def _wait_for_free(self, within: float) -> bool:
        self._freed.clear()
        return await wait_for_event(self._freed, timedelta(seconds=within))
