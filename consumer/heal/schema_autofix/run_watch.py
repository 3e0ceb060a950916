"""What a look at a run tells before its step is run again, and after it: pure.

An engine may say for a while after it took an order what it said before. So a run that still stands where it stood
tells nothing until the watch is over, and one that runs proves nothing until it is past where it failed.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias, assert_never

from consumer.runners.contract import Phase, RunRef, RunState, Unseen

_FIRST_PAUSE: Final = timedelta(milliseconds=100)
_LONGEST_PAUSE: Final = timedelta(seconds=5)
_NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """The run has come through, or on."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAgain:
    """The order was carried out, and the run failed once more."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoesOn:
    """The run is under way: healthy, and not proven."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUnchanged:
    """Nothing shows that the order was carried out."""

    why: str


Sight: TypeAlias = Proven | FailedAgain | GoesOn | RunUnchanged


@dataclass(slots=True, kw_only=True)
class RunWatch:
    """What has been seen of one run since its step was run again."""

    before: RunState
    """Where the run that failed stood before."""
    is_another_run: bool
    """The engine made a new run of it: whatever is seen of that one came after the order."""
    has_moved: bool = False

    def sees(self, seen: RunState | Unseen) -> Sight:
        """Say what a look tells, in the light of those before it."""
        if isinstance(seen, Unseen):
            return RunUnchanged(why=f"where the run stands could not be seen: {seen.reason}")
        self.has_moved = self.has_moved or self.is_another_run or _is_elsewhere(self.before, seen)
        match seen.phase:
            case Phase.SUCCEEDED:
                return Proven(why=f"the run ended: {_said(seen)}")
            case Phase.FAILED:
                return self._failed(seen)
            case Phase.RUNNING | Phase.WAITING:
                return self._under_way(seen)
            case Phase.GONE:
                return RunUnchanged(why="the engine does not know the run")
            case _:
                assert_never(seen.phase)

    def _failed(self, seen: RunState) -> Sight:
        if self.has_moved:
            return FailedAgain(why=f"the run failed again: {_said(seen)}")
        return RunUnchanged(why=f"the run still stands where it stood: {_said(seen)}")

    def _under_way(self, seen: RunState) -> Sight:
        before, now = _number(self.before.progress), _number(seen.progress)
        # A run of its own, or one that begins anew, comes by the steps before the broken one first: that is no proof.
        if not self.is_another_run and before is not None and now is not None and now > before:
            return Proven(why=f"the run gets on: {_said(seen)}, from {before:g} to {now:g}")
        return GoesOn(why=f"the run is under way: {_said(seen)}")


def pause(n: int) -> timedelta:
    """How long to wait after the n-th look."""
    return min(_FIRST_PAUSE * (1 << min(n - 1, 10)), _LONGEST_PAUSE)


def is_old_news(run: RunRef, seen: RunState) -> bool:
    """Tell whether the run has been started anew since the failure: another event tells of that."""
    return run.epoch is not None and seen.epoch is not None and seen.epoch > run.epoch


def _is_elsewhere(before: RunState, seen: RunState) -> bool:
    return (before.phase, before.epoch, before.progress) != (seen.phase, seen.epoch, seen.progress)


def _number(progress: str | None) -> float | None:
    return float(progress) if progress is not None and _NUMBER.fullmatch(progress) else None


def _said(seen: RunState) -> str:
    return f"the engine says {seen.said[:60]!r}"
