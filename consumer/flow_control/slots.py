"""The heals that this process has under way, and whose slots they take."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Final

from consumer.event_loop import wait_for_event
from consumer.model import AttemptId, OrgId

UNSETTLED_LEAST: Final = 256
"""Ended heals that may wait to be settled: as many as there are slots, the next batch is taken in while the last one is
settled; but so many where slots are few, for settlements gather for larger transactions."""
AT_ONCE: Final = 3
"""New failures are taken in when a third of what they may claim at all is free: fewer transactions, few idle slots."""
_ROUNDING: Final = 1e-9
"""So that 0.9 of 1000 is 900 and not a little less."""
PREFETCH_LIMIT: Final = 200
"""Heals claimed before their slots are free, at most, and no more than there are slots: what ends finds its successor
claimed already. No transaction takes so long that more would begin meanwhile."""
PREFETCH_WINDOW: Final = 0.1
"""And no more than ended within so many seconds: claiming takes half of that where replicas share a processor. Of each
organisation no more than its own. Where nothing ends nothing is ahead, and whoever hangs its heals gets no slot by the
heals of others."""
PACES: Final = 4096
"""Organisations whose pace is remembered."""


class Turn(Enum):
    """What a new failure gets."""

    NOW = "a slot"
    LATER = "a slot that is about to be free: ask again"
    STORE_ONLY = "none: it is stored, and healed when it is due"


@dataclass(frozen=True, slots=True)
class _SlotUse:
    since: float
    org_id: OrgId
    is_new: bool


@dataclass(slots=True)
class _Pace:
    """How many heals ended lately."""

    since: float = 0.0
    count: int = 0
    before: int = 0

    def one_ended(self) -> None:
        self._turn()
        self.count += 1

    def lately(self) -> int:
        self._turn()
        return max(self.count, self.before)

    def _turn(self) -> None:
        now = time.monotonic()
        if now - self.since >= PREFETCH_WINDOW:
            self.before = self.count if now - self.since < 2 * PREFETCH_WINDOW else 0
            self.since, self.count = now, 0


@dataclass(slots=True)
class HealSlots:
    """Heals by attempt: each takes a slot until it has ended, and is known here until its settle is durable.

    Two rules keep slots for others. New failures leave `resume_share` of them to those that are due again, if any. An
    organisation takes at most `organisation_share` of what it holds and what is free together: alone that is nearly
    all, the next greedy one gets a tenth of that, and some are left; nobody has to know how many organisations there
    are.
    """

    slots: int
    resume_share: float = 0.25
    organisation_share: float = 0.9
    _places: dict[AttemptId, _SlotUse] = field(default_factory=dict)
    _unstarted: set[AttemptId] = field(default_factory=set)
    _settling: set[AttemptId] = field(default_factory=set)
    _held: dict[OrgId, int] = field(default_factory=dict)
    _new: int = 0
    _freed_at: dict[OrgId, float] = field(default_factory=dict)
    _freed: asyncio.Event = field(default_factory=asyncio.Event)
    _stalled: bool = False
    _pace: _Pace = field(default_factory=_Pace)
    _paces: dict[OrgId, _Pace] = field(default_factory=dict)
    _open: asyncio.Semaphore = field(init=False)
    due_waits: bool = False
    """Whether failures that are due again find no slot: only then is their share kept for them."""

    def __post_init__(self) -> None:
        """Open the slots."""
        self._open = asyncio.Semaphore(self.slots)

    async def acquire(self, within: timedelta) -> bool:
        """Wait until one of those under way has ended, where this one was claimed ahead; False when none has."""
        if not self._open.locked():
            return await self._open.acquire()
        try:
            async with asyncio.timeout(within.total_seconds()):
                return await self._open.acquire()
        except TimeoutError:
            return False

    def release(self, org_id: OrgId) -> None:
        """Let the next one begin."""
        self._pace.one_ended()
        if len(self._paces) > PACES:
            self._paces = {one: pace for one, pace in self._paces.items() if pace.lately()}
        self._paces.setdefault(org_id, _Pace()).one_ended()
        self._open.release()

    def add(self, attempt_id: AttemptId, org_id: OrgId, *, is_new: bool) -> bool:
        """Take a slot; False when this attempt has one already."""
        if attempt_id in self._places:
            return False
        self._places[attempt_id] = _SlotUse(time.monotonic(), org_id, is_new)
        self._held[org_id] = self._held.get(org_id, 0) + 1
        self._new += is_new
        self._unstarted.add(attempt_id)
        return True

    def effect_started(self, attempt_id: AttemptId) -> None:
        """Note that an effect of this heal may have left the process."""
        self._unstarted.discard(attempt_id)

    def settling(self, attempt_id: AttemptId) -> None:
        """Note that a heal has ended: its slot is free, and it waits for its settle."""
        if attempt_id not in self._settling:
            self._settling.add(attempt_id)
            self._free(self._places[attempt_id])
            self._freed.set()

    def forget(self, attempt_ids: Iterable[AttemptId]) -> None:
        """Forget heals whose settle is durable, or that are another's now."""
        for attempt_id in attempt_ids:
            place = self._places.pop(attempt_id, None)
            if place is not None and attempt_id not in self._settling:
                self._free(place)
            self._unstarted.discard(attempt_id)
            self._settling.discard(attempt_id)
        self._freed.set()

    def _free(self, place: _SlotUse) -> None:
        left = self._held[place.org_id] - 1
        if left:
            self._held[place.org_id] = left
            self._freed_at[place.org_id] = time.monotonic()
        else:
            del self._held[place.org_id]
            self._freed_at.pop(place.org_id, None)
        self._new -= place.is_new
        self._stalled = False

    def __len__(self) -> int:
        return len(self._places)

    def ids(self) -> tuple[AttemptId, ...]:
        """Give all attempts under way."""
        return tuple(self._places)

    def unstarted(self) -> tuple[AttemptId, ...]:
        """Give those of which no effect has begun: another process may do them at once."""
        return tuple(self._unstarted)

    def free(self, *, for_new: bool = False) -> int:
        """Give the free slots; none while too many ended heals wait for the database."""
        if len(self._settling) >= max(self.slots, UNSETTLED_LEAST):
            return 0
        free = self.slots + self._ahead() - (len(self._places) - len(self._settling))
        if for_new and self.due_waits:
            free = min(free, self._most_new() - self._new)
        return max(0, free)

    def _most_new(self) -> int:
        """Give how many new failures may have a slot or be claimed ahead."""
        if self.due_waits:
            return max(1, int(self.slots * (1 - self.resume_share)))
        return self.slots + self._ahead()

    def _ahead(self, org_id: OrgId | None = None) -> int:
        pace = self._pace if org_id is None else self._paces.get(org_id)
        return 0 if pace is None else min(self.slots, PREFETCH_LIMIT, pace.lately())

    def free_slots(self, org_id: OrgId) -> int:
        """Give how many slots an organisation may take now."""
        return self._room(self._held.get(org_id, 0), self.free(), self._ahead(org_id))

    def admit(self, org_ids: Sequence[OrgId], *, for_new: bool = False) -> list[bool]:
        """Say who of these would get a slot, in order of arrival; takes none."""
        free, allowed = self.free(), self.free(for_new=for_new)
        if len(org_ids) <= min(allowed, self._room(len(self._places), free)):
            return [True] * len(org_ids)  # even if all were one organisation's
        taken: dict[OrgId, int] = {}
        admitted = []
        for org_id in org_ids:
            if allowed <= 0:
                break
            held = taken.get(org_id, self._held.get(org_id, 0))
            gets_one = self._room(held, free, self._ahead(org_id)) > 0
            if gets_one:
                taken[org_id] = held + 1
                free, allowed = free - 1, allowed - 1
            admitted.append(gets_one)
        return admitted + [False] * (len(org_ids) - len(admitted))

    def _room(self, held: int, free: int, ahead: int = 0) -> int:
        """Give the room of one who holds so many, beside so many that are free or may be claimed ahead, by anyone."""
        if free <= 0:
            return 0
        empty = max(0, free - self._ahead())
        by_share = int(self.organisation_share * (held + empty) + _ROUNDING) - held
        return min(free, max(by_share, 1 if held == 0 else 0) + ahead)

    def oldest(self) -> timedelta:
        """Give the age of the longest heal under way; zero when there is none."""
        # Slots are taken in order of time and a dict keeps it: the first is the oldest. What only waits for the
        # database is not under way: an absent database must not look like a heal that hangs.
        since = (place.since for attempt_id, place in self._places.items() if attempt_id not in self._settling)
        oldest = next(since, None)
        return timedelta(0) if oldest is None else timedelta(seconds=time.monotonic() - oldest)

    async def wait_for_all(self, at_most: timedelta) -> None:
        """Wait until nothing is under way."""
        deadline = time.monotonic() + at_most.total_seconds()
        while self._places and (left := deadline - time.monotonic()) > 0:
            await self._some_freed(left)

    async def wait_for_some(self, wanted: int, at_most: timedelta) -> None:
        """Wait until so many slots are free."""
        deadline = time.monotonic() + at_most.total_seconds()
        while self.free() < wanted and (left := deadline - time.monotonic()) > 0:
            await self._some_freed(left)

    async def wait_to_admit(
        self, org_ids: Sequence[OrgId], *, stalled_after: timedelta, at_most: timedelta
    ) -> list[Turn]:
        """Wait for slots for new failures as long as heals end; say of each, in order of arrival, what it gets.

        Whose slot is about to be free is to be asked for again. When for `stalled_after` none was freed and none is
        being settled, or after `at_most`, nobody is: all that are left go without one.
        """
        deadline = time.monotonic() + at_most.total_seconds()
        some = min(len(org_ids), max(1, self._most_new() // AT_ONCE))
        while True:
            left = deadline - time.monotonic()
            gives_up = self._stalled or left <= 0 or self.slots == 0
            if gives_up or self.free(for_new=True) >= some:
                turns = self._turns(org_ids, stalled_after, gives_up=gives_up)
                if not org_ids or any(turn is not Turn.LATER for turn in turns):
                    return turns
            freed = await self._some_freed(min(left, stalled_after.total_seconds()))
            self._stalled = not freed and not self._settling

    def _turns(self, org_ids: Sequence[OrgId], stalled_after: timedelta, *, gives_up: bool) -> list[Turn]:
        """Say what each gets now. Nobody waits for one who hangs his own; within an organisation nobody overtakes."""
        admitted = self.admit(org_ids, for_new=True)
        if gives_up or all(admitted):
            return [Turn.NOW if gets_one else Turn.STORE_ONLY for gets_one in admitted]
        since = time.monotonic() - stalled_after.total_seconds()
        is_full = sum(admitted) >= self.free(for_new=True)
        return [
            Turn.NOW
            if gets_one
            else Turn.LATER
            if is_full or self._freed_at.get(org_id, 0.0) >= since
            else Turn.STORE_ONLY
            for org_id, gets_one in zip(org_ids, admitted, strict=True)
        ]

    async def _some_freed(self, within: float) -> bool:
        self._freed.clear()
        return await wait_for_event(self._freed, timedelta(seconds=within))
