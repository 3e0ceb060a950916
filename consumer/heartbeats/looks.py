"""What looks at a silent run say: one each, and two together. Pure."""

from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from consumer.runners.contract import Phase, RunState, StepPhase
from schemas.value import value

_SHOWN: Final = 200


@value(frozen=True, slots=True, kw_only=True)
class RunLook:
    """One look at a silent run, small enough to be compared with the next."""

    at: datetime
    phase: Phase | None
    """None: its workflow has no runner, and the look is that its partition was read on and no beat was in it."""
    said: str
    waits: bool = False
    """It waits for a person, a timer or a signal, as its runner says."""
    place: tuple[object, ...] = ()
    """Where its runner sees it stand, and its last sign of life: another one where it gets on."""


class SilenceVerdict(StrEnum):
    """What two looks say together."""

    LOOK_AGAIN = "look_again"
    """There is one look only that counts."""
    OVER = "over"
    """It has ended well, or somebody ended it: its last beat was lost."""
    WAITS = "waits"
    """It waits for something outside: healthy, and silent."""
    MOVES = "moves"
    """Its runner sees it get on: alive, and silent."""
    STALLED = "stalled"
    """Both say that it stands where it stood."""


Looks: TypeAlias = tuple[RunLook, RunLook]
_OVER: Final = frozenset({Phase.SUCCEEDED, Phase.CANCELLED})
_DEAD: Final = frozenset({Phase.FAILED, Phase.GONE})


def look_without_runner(at: datetime) -> RunLook:
    """Return the look at a run that no runner knows: that it is silent is all that can be seen."""
    return RunLook(at=at, phase=None, said="no runner is declared for its workflow")


def look_of(state: RunState, at: datetime) -> RunLook:
    """Return what a runner's answer says."""
    complete = tuple(sorted(step.name for step in state.steps if step.times_completed))
    begun = sum(step.attempts or 0 for step in state.steps)
    signs = (state.last_sign_of_life, *(step.heartbeat for step in state.steps))
    latest = max((sign for sign in signs if sign is not None), default=None)
    waiting = any(step.phase is StepPhase.WAITING for step in state.steps) and state.phase is not Phase.CANCELLING
    return RunLook(
        at=at,
        phase=state.phase,
        said=state.said[:_SHOWN],
        waits=state.phase is Phase.WAITING or waiting,
        place=(state.epoch, state.progress, state.fence, complete, begun, latest),
    )


def verdict_of(first: RunLook | None, second: RunLook) -> SilenceVerdict:
    """Return what a look says together with the one before it, if there was one."""
    if second.phase in _OVER:
        return SilenceVerdict.OVER
    if second.waits:
        return SilenceVerdict.WAITS
    if first is None:
        return SilenceVerdict.LOOK_AGAIN
    if (first.phase, first.place) == (second.phase, second.place):
        return SilenceVerdict.STALLED
    return SilenceVerdict.LOOK_AGAIN if second.phase in _DEAD else SilenceVerdict.MOVES
