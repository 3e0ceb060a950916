"""Interprets the polled states of a run, before and after its step is rerun: proven, failed again, or open. Pure.

After it took an order, an engine may report the earlier state for a while. So an unchanged state is inconclusive until
the watch is over, and a running run proves nothing until it is past the point where it failed.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias, assert_never

from consumer.runners.contract import LookFailed, Phase, RunRef, RunState

_FIRST_PAUSE: Final = timedelta(milliseconds=100)
_LONGEST_PAUSE: Final = timedelta(seconds=10)
_NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """The run has succeeded, or has progressed past its failure."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAgain:
    """The order was executed, and the run failed again."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoesOn:
    """The run is under way: healthy, but the repair is not proven yet."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUnchanged:
    """Nothing shows that the order was executed."""

    why: str


WatchResult: TypeAlias = Proven | FailedAgain | GoesOn | RunUnchanged


@dataclass(slots=True, kw_only=True)
class RunWatch:
    """State of the watch of one run since its step was rerun."""

    before: RunState
    """State of the failed run before the order."""
    is_another_run: bool
    """Whether the engine created a new run: every state of that run is later than the order."""
    has_moved: bool = False

    def sees(self, seen: RunState | LookFailed) -> WatchResult:
        """Interpret one look, given the looks before it."""
        if isinstance(seen, LookFailed):
            return RunUnchanged(why=f"where the run stands could not be seen: {seen.reason}")
        self.has_moved = self.has_moved or self.is_another_run or _has_changed(self.before, seen)
        match seen.phase:
            case Phase.SUCCEEDED:
                return Proven(why=f"the run ended: {_describe(seen)}")
            case Phase.FAILED:
                return self._judge_failed(seen)
            case Phase.CANCELLED:
                return self._judge_failed(seen)
            case Phase.QUEUED | Phase.RUNNING | Phase.WAITING | Phase.CANCELLING:
                return self._judge_under_way(seen)
            case Phase.GONE:
                return RunUnchanged(why="the engine does not know the run")
            case _:
                assert_never(seen.phase)

    def _judge_failed(self, seen: RunState) -> WatchResult:
        if self.has_moved:
            return FailedAgain(why=f"the run failed again: {_describe(seen)}")
        return RunUnchanged(why=f"the run still stands where it stood: {_describe(seen)}")

    def _judge_under_way(self, seen: RunState) -> WatchResult:
        before, now = _as_number(self.before.progress), _as_number(seen.progress)
        # A new run, or one that starts over, first passes the steps before the failed one: that is no proof.
        if not self.is_another_run and before is not None and now is not None and now > before:
            return Proven(why=f"the run gets on: {_describe(seen)}, from {before:g} to {now:g}")
        return GoesOn(why=f"the run is under way: {_describe(seen)}")


def pause(n: int) -> timedelta:
    """Return how long to wait after the n-th look: exponential, from 0.1 s up to 10 s."""
    return min(_FIRST_PAUSE * (1 << min(n - 1, 10)), _LONGEST_PAUSE)


def is_superseded(run: RunRef, seen: RunState) -> bool:
    """Return whether the run was restarted since the failure (a later epoch): another event reports that."""
    return run.epoch is not None and seen.epoch is not None and seen.epoch > run.epoch


def _has_changed(before: RunState, seen: RunState) -> bool:
    return (before.phase, before.epoch, before.progress, before.fence) != (
        seen.phase,
        seen.epoch,
        seen.progress,
        seen.fence,
    )


def _as_number(progress: str | None) -> float | None:
    return float(progress) if progress is not None and _NUMBER.fullmatch(progress) else None


def _describe(seen: RunState) -> str:
    return f"the engine says {seen.said[:60]!r}"
