"""Slow start for the dependencies of heals: how many heals of one may run at once, and which have an open breaker."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from consumer.model import Diagnosed, FailureId, Heal, Health

IDLE_HEALS: Final = 256
"""Heals of one dependency that may wait without its room: each has made a call, and none has told that it is well."""
REMEMBERED: Final = 4096
"""Dependencies kept in memory; the least recently used one is evicted, and begins its slow start again."""


@dataclass(slots=True)
class _SlowStart:
    """Concurrency window of one dependency: heals under way, how many may be, and how many only wait meanwhile."""

    under_way: int = 0
    room: int = 0
    idle: int = 0


@dataclass(slots=True)
class Dependencies:
    """Slow start for each dependency: a few heals at once until they succeed, and one more for each that does.

    So a thousand failures of one dead dependency cost it a handful of calls and not three thousand, and one that has
    just recovered is not overrun. The database decides which are unhealthy (`consumer.store.breakers`); this is a copy
    of that, and decides only which failures wait without asking the database.
    """

    first: int
    _slow_starts: OrderedDict[str, _SlowStart] = field(default_factory=OrderedDict)
    _unhealthy: frozenset[str] = frozenset()
    _with_strikes: set[str] = field(default_factory=set)
    _with_waiters: dict[str, int] = field(default_factory=dict)
    _notes: int = 0
    _left_probes: list[Health] = field(default_factory=list)

    def free_slots(self, key: str) -> int:
        """Return how many more heals of a dependency may start now; 0 while its breaker is known to be open."""
        if key in self._unhealthy:
            return 0
        seen = self._slow_starts.get(key)
        return self.first if seen is None else max(0, min(seen.room - seen.under_way, IDLE_HEALS - seen.idle))

    def under_way(self) -> dict[str, int]:
        """Return the number of heals under way for each dependency that has any."""
        return {key: seen.under_way for key, seen in self._slow_starts.items() if seen.under_way}

    def is_unhealthy(self, key: str) -> bool:
        """Return whether its circuit breaker is known to be open."""
        return key in self._unhealthy

    def started(self, key: str) -> None:
        """Record that a heal of it is under way."""
        seen = self._slow_starts.get(key)
        if seen is None:
            seen = self._slow_starts[key] = _SlowStart(room=self.first)
            self._forget_idle()
        else:
            self._slow_starts.move_to_end(key)
        seen.under_way += 1

    def ended(self, key: str, *, healthy: bool | None) -> None:
        """Record that a heal of it has ended; `healthy` is None where the end says nothing about the dependency."""
        seen = self._slow_starts.get(key)
        if seen is not None:
            seen.under_way = max(0, seen.under_way - 1)
            if healthy:
                seen.room += 1
            elif healthy is False:
                seen.room = self.first

    def idle(self, health: Health, *, unhealthy: bool) -> Health:
        """Give back the room, and the probe, of a heal that only waits; returns it as it goes on: as no probe.

        As the calls of heals that wait have told no success, each takes one off the room, but for the last: a dead
        dependency is not called by one heal after the other while all of them wait for it.
        """
        seen = self._slow_starts.get(health.key)
        if seen is not None:
            seen.under_way, seen.idle = max(0, seen.under_way - 1), seen.idle + 1
            if unhealthy:
                seen.room = max(1, min(seen.room, self.first) - 1)
        if health.probe:
            self._left_probes.append(replace(health, healthy=False if unhealthy else None))
        return replace(health, probe=False)

    def busy(self, key: str) -> None:
        """Take the room again: the wait of a heal is over, or the heal is."""
        seen = self._slow_starts.get(key)
        if seen is not None:
            seen.under_way, seen.idle = seen.under_way + 1, max(0, seen.idle - 1)

    def take_left_probes(self) -> list[Health]:
        """Return, once, the probes that heals which only wait have left, as the database is told of them."""
        left, self._left_probes = self._left_probes, []
        return left

    def struck(self, key: str) -> None:
        """Record that the database holds a strike against it, which the next success has to clear."""
        self._with_strikes.add(key)

    def note_waiting(self, keys: Iterable[str]) -> None:
        """Record that failures wait for these because their slow start had no room.

        To be called before the transaction that makes them wait, so that every heal that ends meanwhile tells of its
        dependency, and again after it: only a look that begins then is sure to find them.
        """
        for key in keys:
            self._notes += 1
            self._with_waiters[key] = self._notes

    @property
    def notes(self) -> int:
        """How often failures were noted as waiting: to be taken before a look in the database for who waits."""
        return self._notes

    def with_room(self) -> dict[str, int]:
        """Return how much room each dependency has for which failures wait: none of an ill one."""
        rooms = {key: self.free_slots(key) for key in self._with_waiters if key not in self._unhealthy}
        return {key: room for key, room in rooms.items() if room > 0}

    def nobody_waits(self, keys: Iterable[str], before: int) -> None:
        """Record that a look found nobody to wait for these; `before` is what `notes` was when it began."""
        for key in keys:
            if self._with_waiters.get(key, before + 1) <= before:
                del self._with_waiters[key]

    def matters(self, health: Health) -> bool:
        """Return whether the database needs this report: a strike, one to be cleared, or a failure that waits."""
        key = health.key
        known = key in self._with_strikes or key in self._unhealthy or key in self._with_waiters
        return known or health.probe or health.healthy is False

    def mark_healthy(self, key: str) -> None:
        """Record that its breaker is closed, without strikes."""
        self._with_strikes.discard(key)
        self._unhealthy -= {key}

    def mark_unhealthy(self, key: str) -> None:
        """Record that its breaker is open."""
        self._unhealthy |= {key}

    def refresh(self, unhealthy: Iterable[str], struck: Iterable[str]) -> None:
        """Replace the copy with the database's state of all dependencies."""
        self._unhealthy = frozenset(unhealthy)
        self._with_strikes = set(struck)

    def _forget_idle(self) -> None:
        while len(self._slow_starts) > REMEMBERED:
            idle = next((key for key, seen in self._slow_starts.items() if not seen.under_way and not seen.idle), None)
            if idle is None:
                return
            del self._slow_starts[idle]


def dependency_gates(diagnosed: Sequence[Diagnosed], dependencies: Dependencies) -> dict[FailureId, str]:
    """Return which failures have to wait for their dependency, in order of arrival; the others may start."""
    left: dict[str, int] = {}
    gates: dict[FailureId, str] = {}
    for one in diagnosed:
        keys = one.plan.dependencies if isinstance(one.plan, Heal) else ()
        for key in keys:
            if key not in left:
                left[key] = dependencies.free_slots(key)
        # An ill one first: the others have nobody who would tell that they have room again.
        by_health = keys if len(keys) < 2 else sorted(keys, key=dependencies.is_unhealthy, reverse=True)  # noqa: PLR2004
        full = next((key for key in by_health if left[key] <= 0), None)
        if full is not None:
            gates[one.failure.id] = full
            dependencies.note_waiting((full,))
            continue
        for key in keys:
            left[key] -= 1
    return gates
