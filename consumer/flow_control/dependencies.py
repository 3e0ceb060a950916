"""What this process knows of the dependencies of its heals: how many may be tried at once, and which are ill."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from consumer.model import Diagnosed, FailureId, Heal, Health

REMEMBERED: Final = 4096
"""Dependencies that are kept in mind; who was not heard of for longest begins slowly again."""


@dataclass(slots=True)
class _Seen:
    under_way: int = 0
    room: int = 0


@dataclass(slots=True)
class Dependencies:
    """A slow start for each dependency: a few heals at once until they succeed, one more for each that does.

    So a thousand failures of one dead dependency cost it a handful of calls and not three thousand, and one that is
    just back is not run over. Which are unhealthy is the database's to tell (`consumer.store.breakers`); what stands
    here of them is a copy, and decides only who waits without asking.
    """

    first: int
    _seen: OrderedDict[str, _Seen] = field(default_factory=OrderedDict)
    _unhealthy: frozenset[str] = frozenset()
    _struck: set[str] = field(default_factory=set)
    _turned_away: set[str] = field(default_factory=set)

    def free_slots(self, key: str) -> int:
        """Give how many more heals of a dependency may start now; none while its breaker is known to be open."""
        if key in self._unhealthy:
            return 0
        seen = self._seen.get(key)
        return self.first if seen is None else max(0, seen.room - seen.under_way)

    def under_way(self) -> dict[str, int]:
        """Give how many heals of each dependency are under way, where any are."""
        return {key: seen.under_way for key, seen in self._seen.items() if seen.under_way}

    def is_unhealthy(self, key: str) -> bool:
        """Tell whether its breaker is known to be open."""
        return key in self._unhealthy

    def started(self, key: str) -> None:
        """Note that a heal of it is under way."""
        seen = self._seen.get(key)
        if seen is None:
            seen = self._seen[key] = _Seen(room=self.first)
            self._forget_idle()
        else:
            self._seen.move_to_end(key)
        seen.under_way += 1

    def ended(self, key: str, *, healthy: bool | None) -> None:
        """Note that one has ended; None says nothing of the dependency."""
        seen = self._seen.get(key)
        if seen is not None:
            seen.under_way = max(0, seen.under_way - 1)
            if healthy:
                seen.room += 1
            elif healthy is False:
                seen.room = self.first

    def struck(self, key: str) -> None:
        """Note that the database holds a strike against it, which the next success has to take away."""
        self._struck.add(key)

    def turned_away(self, key: str) -> None:
        """Note that somebody waits for it because there was no room."""
        self._turned_away.add(key)

    def nobody_waits(self, key: str) -> None:
        """Note that nobody was found to wait for it."""
        self._turned_away.discard(key)

    def matters(self, health: Health) -> bool:
        """Tell whether the database has to hear of an end: a strike, one to be taken away, or somebody who waits."""
        key = health.key
        known = key in self._struck or key in self._unhealthy or key in self._turned_away
        return known or health.probe or health.healthy is False

    def mark_healthy(self, key: str) -> None:
        """Note that nothing stands against it any more."""
        self._struck.discard(key)
        self._unhealthy -= {key}

    def mark_unhealthy(self, key: str) -> None:
        """Note that its breaker is open."""
        self._unhealthy |= {key}

    def refresh(self, unhealthy: Iterable[str], struck: Iterable[str]) -> None:
        """Take over what the database says of all."""
        self._unhealthy = frozenset(unhealthy)
        self._struck = set(struck)

    def _forget_idle(self) -> None:
        while len(self._seen) > REMEMBERED:
            idle = next((key for key, seen in self._seen.items() if seen.under_way == 0), None)
            if idle is None:
                return
            del self._seen[idle]


def turned_away(diagnosed: Sequence[Diagnosed], dependencies: Dependencies) -> dict[FailureId, str]:
    """Say which of these have to wait for their dependency, in order of arrival; the others may start."""
    left: dict[str, int] = {}
    gates: dict[FailureId, str] = {}
    for one in diagnosed:
        key = one.plan.dependency if isinstance(one.plan, Heal) else None
        if key is None:
            continue
        room = left[key] if key in left else dependencies.free_slots(key)
        if room > 0:
            left[key] = room - 1
        else:
            gates[one.failure.id] = key
            dependencies.turned_away(key)
    return gates
