"""How long a run may be silent at a step: as declared, or learnt from the gaps of healthy runs. Pure."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from consumer.catalog import HeartbeatRules
from schemas.value import value

REMEMBERED_GAPS: Final = 100
ENOUGH_GAPS: Final = 50
"""Gaps of a step that must have been seen before its deadline is learnt: fewer say nothing of the longest."""
TIMES_THE_LONGEST: Final = 3.0
LEAST_LEARNT: Final = 10.0
"""Seconds: nothing shorter is learnt, for a pause of a producer's garbage collector is no stall."""


@value(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How many seconds of silence a step is allowed."""

    seconds: float
    learnt: bool


@dataclass(slots=True)
class Gaps:
    """The last healthy gaps of one step, in seconds."""

    last: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_GAPS))
    new: list[float] = field(default_factory=list)
    """Those that are not kept yet; the newest alone where there are more than are remembered."""

    def note(self, gap: float) -> None:
        """Remember a gap."""
        self.last.append(gap)
        self.new.append(gap)
        if len(self.new) > 2 * REMEMBERED_GAPS:
            del self.new[:-REMEMBERED_GAPS]

    def replace(self, gaps: Iterable[float]) -> None:
        """Take what the whole fleet has learnt."""
        self.last = deque(gaps, maxlen=REMEMBERED_GAPS)


def allowance_of(rules: HeartbeatRules, step: str, gaps: Iterable[float]) -> Allowance | None:
    """Return how long a run may be silent at a step, or None: then its silence says nothing."""
    declared = rules.of(step or None)
    if declared is not None:
        return Allowance(seconds=declared.total_seconds(), learnt=False)
    seen = tuple(gaps) if rules.learn else ()
    if len(seen) < ENOUGH_GAPS:
        return None
    return Allowance(seconds=max(LEAST_LEARNT, TIMES_THE_LONGEST * max(seen)), learnt=True)


def heard_at(before: tuple[float, float] | None, stamped: float, *, received: float, not_before: float) -> float:
    """Return when a run was alive that has beaten, by the reader's clock.

    `before` is when its last beat was heard, and how that one was stamped: the time between two beats is measured by
    the clock that has stamped both, however wrong it is. `received` is when the record was read and `not_before` the
    time up to which its partition had been read before: the truth lies between them. A run's first beat counts from
    when it was read.
    """
    if before is None:
        return received
    heard, stamp = before
    return min(received, max(not_before, heard, heard + stamped - stamp))
