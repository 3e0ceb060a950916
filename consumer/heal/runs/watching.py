"""Watch of a run whose step was ordered: looks until it is proven, has failed again, or the time for that is over.

The first looks follow in the slot, each after a longer pause. Once a pause is above 5 s the heal is suspended for it:
its state names the run and the place where it stood, and whoever goes on looks there and orders nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, ClassVar, Final, TypeAlias, assert_never

from pydantic import Field

from consumer.errors import DeadlinePassed
from consumer.heal.kept import SUSPEND_ABOVE, HealState, Suspended, is_keepable, keepable_text
from consumer.heal.runs.run_watch import (
    FailedAgain,
    GoesOn,
    Proven,
    RunUnchanged,
    RunWatch,
    WatchResult,
    pause,
)
from consumer.heal.runs.session import RunSession
from consumer.heal.session import SECOND, proof
from consumer.heal.strategy import Task
from consumer.model import Healed, Json, JsonObject, NotHealed, Outcome, Proof, RetryLater, Unknown
from consumer.runners.contract import LookFailed, Phase, RunRef, RunState
from schemas.names import Code, Effect, Verdict

LONGEST_SUSPENSION: Final = timedelta(hours=1)
"""Far above the longest watch: no process was there to look."""
_LOOK_AGAIN: Final = timedelta(minutes=1)
_MIN_WAIT: Final = timedelta(milliseconds=50)
_MAX_TEXT: Final = 200
_MAX_ENTRIES: Final = 6

Text: TypeAlias = Annotated[str, Field(max_length=_MAX_TEXT)]
Entry: TypeAlias = dict[str, int | Text]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """An order that the engine has, or may have; how far the watch of its run is."""

    run: RunRef
    before: RunState
    """State of the failed run before the order."""
    in_doubt: bool
    """No answer to the order came."""
    has_moved: bool = False
    looks: int = 0
    left: timedelta | None = None
    """What is left of the time to watch it; None: all."""


class WatchState(HealState):
    """An order that was given, and how far the watch of its run is once it is due."""

    version: ClassVar[int] = 1
    run_id: Text
    epoch: int | None
    step: Text | None
    phase_before: Phase
    epoch_before: int | None
    progress_before: Text | None
    in_doubt: bool
    has_moved: bool
    looks: int = Field(ge=0)
    left: float = Field(ge=0, allow_inf_nan=False)
    orders_given: tuple[Entry, ...] = ()
    looks_made: tuple[Entry, ...] = ()

    def ordered(self, run: RunRef) -> Ordered:
        """Return the order; `run` is the one that the failure names."""
        before = RunState(phase=self.phase_before, said="", epoch=self.epoch_before, progress=self.progress_before)
        return Ordered(
            run=replace(run, run_id=self.run_id, epoch=self.epoch, step=self.step),
            before=before,
            in_doubt=self.in_doubt,
            has_moved=self.has_moved,
            looks=self.looks,
            left=self.left * SECOND,
        )

    @property
    def orders(self) -> list[Json]:
        """The orders so far, as an attempt's details have them."""
        return [{**one} for one in self.orders_given]

    @property
    def seen(self) -> list[Json]:
        """The looks so far, as an attempt's details have them."""
        return [{**one} for one in self.looks_made]

    @property
    def details(self) -> JsonObject:
        """The orders and looks so far, as an attempt's details have them."""
        return {"orders": self.orders, "looks": self.seen}


async def watch_run(
    session: RunSession, ordered: Ordered, proofs: tuple[Proof, ...], states: type[WatchState] = WatchState
) -> Outcome | Suspended:
    """Look at the run until it is proven, has failed again, or the time for that is over."""
    sight, later = await watch_on(session, ordered, states)
    return outcome_of_watch(session, sight, proofs, in_doubt=ordered.in_doubt) if later is None else later


async def watch_on(
    session: RunSession, ordered: Ordered, states: type[WatchState] = WatchState
) -> tuple[WatchResult, Suspended | None]:
    """Look at the run until a look is the last one, or the next one is one for which the heal is suspended."""
    watch = _watch_of(session, ordered)
    left = session.watch_limit if ordered.left is None else ordered.left
    until = session.run_tools.monotonic() + left.total_seconds()
    n = ordered.looks
    while True:
        n += 1
        sight = watch.sees(await _observe_run(session, ordered.run))
        left = timedelta(seconds=max(0.0, until - session.run_tools.monotonic()))
        wait = min(pause(n), left)
        if isinstance(sight, Proven | FailedAgain) or wait <= _MIN_WAIT:
            return sight, None
        if wait > SUSPEND_ABOVE:
            state = _state(session, replace(ordered, has_moved=watch.has_moved, looks=n, left=left - wait), states)
            if state is not None:
                return sight, _suspended(session, state, sight, wait)
        if wait + session.call_limit >= session.gate.remaining():
            return sight, None
        await session.sleep(wait)


def _state(session: RunSession, ordered: Ordered, states: type[WatchState]) -> WatchState | None:
    """Return the state of a watch; None where the engine's own words cannot be kept: it is watched here to its end."""
    redact, run, before = session.run_tools.redact, ordered.run, ordered.before
    names = (run.run_id, run.step, before.progress)
    if any(name is not None and keepable_text(name, redact, _MAX_TEXT) != name for name in names):
        return None
    state = states(
        run_id=run.run_id,
        epoch=run.epoch,
        step=run.step,
        phase_before=before.phase,
        epoch_before=before.epoch,
        progress_before=before.progress,
        in_doubt=ordered.in_doubt,
        has_moved=ordered.has_moved,
        looks=ordered.looks,
        left=0.0 if ordered.left is None else ordered.left / SECOND,
        orders_given=_entries(session, session.orders),
        looks_made=_entries(session, session.looks),
    )
    return state if is_keepable(state) else None


def _suspended(session: RunSession, state: WatchState, sight: WatchResult, wait: timedelta) -> Suspended:
    return Suspended(
        state=state,
        look_again=wait,
        reason=f"the step was ordered, and {sight.why}: the run is looked at again",
        dependency_unhealthy=session.dependency_unhealthy,
    )


def _entries(session: RunSession, made: Iterable[Json]) -> tuple[Entry, ...]:
    kept: list[Entry] = []
    for one in [*made][-_MAX_ENTRIES:]:
        if isinstance(one, dict):
            said = {
                name: keepable_text(value, session.run_tools.redact, _MAX_TEXT) if isinstance(value, str) else value
                for name, value in one.items()
                if isinstance(value, int | str)
            }
            kept.append(said)
    return tuple(kept)


async def look_once(session: RunSession, ordered: Ordered) -> WatchResult:
    """Look at the run a last time."""
    return _watch_of(session, ordered).sees(await _observe_run(session, ordered.run))


def _watch_of(session: RunSession, ordered: Ordered) -> RunWatch:
    return RunWatch(
        before=ordered.before,
        is_another_run=ordered.run.run_id != session.run.run_id,
        has_moved=ordered.has_moved,
    )


async def _observe_run(session: RunSession, run: RunRef) -> RunState | LookFailed:
    try:
        return await session.look(run)
    except DeadlinePassed as passed:
        return LookFailed(reason=str(passed))


def outcome_of_watch(session: RunSession, sight: WatchResult, proofs: tuple[Proof, ...], *, in_doubt: bool) -> Outcome:
    """Return the outcome of a heal whose order was given, by the last look at its run."""
    match sight:
        case Proven(why=why):
            return Healed(proofs=(*proofs, proof("run", Verdict.PASSED, why)), details=session.details)
        case FailedAgain(why=why):
            return session.not_healed(Code.NOT_HEALED, why, (*proofs, proof("run", Verdict.FAILED, why)))
        case GoesOn(why=why):
            return session.later(f"{why}: it is looked at again", effect_in_doubt=True)
        case RunUnchanged(why=why):
            return _outcome_if_unchanged(session, why, proofs, in_doubt=in_doubt)
        case _:
            assert_never(sight)


def restore(session: RunSession, state: WatchState) -> Ordered:
    """Let a session know what was ordered and seen before; returns the order."""
    session.orders += state.orders
    session.looks += state.seen
    return state.ordered(session.run)


def outcome_if_unseen(task: Task, state: WatchState, why: str) -> Outcome:
    """Return the outcome of a heal whose order was given, and whose run cannot be looked at."""
    reason = f"the step may have been run again: {why}"
    if task.plan.intent.effect is Effect.UNSAFE:
        return Unknown(reason=reason, details=state.details)
    if task.plan.intent.effect is Effect.KEYED:  # not counted, so that the key stays
        return RetryLater(after=_LOOK_AGAIN, reason=reason, details=state.details, effect_in_doubt=True)
    return NotHealed(code=Code.UNVERIFIED, reason=reason, details=state.details)


def _outcome_if_unchanged(session: RunSession, why: str, proofs: tuple[Proof, ...], *, in_doubt: bool) -> Outcome:
    said = proof("run", Verdict.INCONCLUSIVE, why)
    if session.effect is Effect.UNSAFE:
        return session.unknown(f"the step may have been run again: {why}", (*proofs, said))
    told = "no answer to the order came" if in_doubt else "the engine took the order"
    if session.effect is not Effect.KEYED:  # a repeat does no harm
        return session.not_healed(Code.UNVERIFIED, f"{told}, and {why}", (*proofs, said))
    # Not counted as an attempt: the next heal sends the same key, so the step is rerun once, however late an order
    # gets through.
    return session.later(f"{told}, and {why}", effect_in_doubt=True)
