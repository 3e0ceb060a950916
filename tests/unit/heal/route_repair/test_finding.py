"""Causes of stalls, as two looks name them: the closed list, random plans and states, and what is never touched."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from consumer.catalog import RouteRepairLimits
from consumer.heal.route_repair.finding import Found, Moves, NamedCause, NoCause, found_in
from consumer.heal.route_repair.repair import ForPerson, LeaveAlone, RouteChange, choose
from consumer.heal.route_repair.suspicion import Cause, cycle_in, suspect
from consumer.runners.contract import Phase, RunRef, RunState, StepPhase, StepState, WaitsFor

LIMITS = RouteRepairLimits(queues={"a": ("b", "c")})
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RUN = RunRef(org_id="o", workflow_name="w", run_id="r")
LONG = NOW - timedelta(hours=1)
FRESH = NOW - timedelta(seconds=5)
DONE, RUNNING, QUEUED, BLOCKED = StepPhase.SUCCEEDED, StepPhase.RUNNING, StepPhase.QUEUED, StepPhase.BLOCKED


def step(name: str, phase: StepPhase, **more: Any) -> StepState:  # noqa: ANN401 - fields of a step
    return StepState(name=name, phase=phase, **more)


def state(*steps: StepState, phase: Phase = Phase.RUNNING, **more: Any) -> RunState:  # noqa: ANN401 - of a run
    return RunState(phase=phase, said=phase.value, steps=steps, at=NOW, **more)


def both(seen: RunState, then: RunState | None = None, limits: RouteRepairLimits = LIMITS) -> Found:
    """Give what two looks say; the second one sees the same unless it is told otherwise."""
    return found_in(suspect(seen, limits, NOW), suspect(then or seen, limits, NOW), limits)


NAMED: dict[str, tuple[RunState, Cause, str | None]] = {
    "no consumer": (state(step("s", QUEUED, queue="a"), consumers={"a": 0, "b": 1}), Cause.NO_CONSUMER, "s"),
    "elsewhere": (state(step("s", QUEUED, queue="a"), consumers={"a": 0, "b": 0}), Cause.ELSEWHERE, "s"),
    "not picked up": (
        state(step("s", QUEUED, queue="a", since=LONG), consumers={"a": 3}),
        Cause.NOT_PICKED_UP,
        "s",
    ),
    "never started": (state(step("d", DONE), step("s", BLOCKED, needs=("d",), since=LONG)), Cause.NEVER_STARTED, "s"),
    "run never started": (state(phase=Phase.QUEUED, last_sign_of_life=LONG), Cause.NEVER_STARTED, None),
    "worker lost": (state(step("s", RUNNING, worker_alive=False)), Cause.WORKER_LOST, "s"),
    "silent step": (state(step("s", RUNNING, heartbeat=LONG, worker_alive=True)), Cause.HEARTBEAT_MISSING, "s"),
    "silent run": (state(last_sign_of_life=LONG), Cause.HEARTBEAT_MISSING, None),
    "failed and running": (state(step("s", RUNNING), phase=Phase.FAILED), Cause.FAILED_STILL_RUNNING, "s"),
    "failed": (state(step("s", StepPhase.FAILED), phase=Phase.FAILED), Cause.STEP_FAILED, "s"),
    "failed, without a word": (state(step("s", StepPhase.FAILED)), Cause.STEP_FAILED, "s"),
    "cancelling": (state(phase=Phase.CANCELLING, last_sign_of_life=LONG), Cause.STUCK_CANCELLING, None),
    "join": (
        state(step("f", StepPhase.SKIPPED), step("d", DONE), step("s", BLOCKED, needs=("d", "f"))),
        Cause.JOIN_UNMET,
        "f",
    ),
    "join of any": (
        state(step("f", StepPhase.FAILED), step("s", BLOCKED, needs=("f",), needs_any=True)),
        Cause.JOIN_UNMET,
        "f",
    ),
    "removed": (state(step("s", BLOCKED, needs=("old",)), removed={"old": "new"}), Cause.STEP_REMOVED, "old"),
    "not there": (state(step("s", BLOCKED, needs=("old",))), Cause.STEP_REMOVED, "old"),
    "renamed": (state(step("s", BLOCKED, renamed_to="new")), Cause.STEP_REMOVED, "s"),
    "a worker lost beside a branch that waits": (
        state(step("s", RUNNING, worker_alive=False), step("p", StepPhase.WAITING)),
        Cause.WORKER_LOST,
        "s",
    ),
    "what it failed for, and not what it can go on without": (
        state(step("a", StepPhase.FAILED, optional=True), step("s", StepPhase.FAILED), phase=Phase.FAILED),
        Cause.STEP_FAILED,
        "s",
    ),
    "no consumer beside a branch that waits": (
        state(step("s", QUEUED, queue="a"), step("p", StepPhase.WAITING), consumers={"a": 0, "b": 1}),
        Cause.NO_CONSUMER,
        "s",
    ),
    "a queue that its engine does not have": (
        state(step("s", QUEUED, queue="typo", since=LONG, awaits_turn=True), consumers={"a": 2}),
        Cause.NO_CONSUMER,
        "s",
    ),
    "cancelling, with a person still asked": (
        state(step("p", StepPhase.WAITING), phase=Phase.CANCELLING, last_sign_of_life=LONG),
        Cause.STUCK_CANCELLING,
        None,
    ),
    "cycle": (
        state(step("a", BLOCKED, needs=("b",)), step("b", BLOCKED, needs=("c",)), step("c", BLOCKED, needs=("b",))),
        Cause.DEPENDENCY_CYCLE,
        "b",
    ),
}


@pytest.mark.parametrize("case", NAMED, ids=str)
def test_a_cause_is_named_with_its_step_and_its_evidence(case: str) -> None:
    seen, cause, name = NAMED[case]
    found = both(seen)
    assert isinstance(found, NamedCause), found
    assert (found.cause, found.step) == (cause, name)
    assert found.evidence


def test_a_step_that_is_begun_over_and_over_is_wedged() -> None:
    first = state(step("s", RUNNING, attempts=4, heartbeat=FRESH))
    found = both(first, state(step("s", RUNNING, attempts=6, heartbeat=FRESH)))
    assert isinstance(found, NamedCause)
    assert (found.cause, found.step) == (Cause.WEDGED, "s")
    assert isinstance(both(state(step("s", RUNNING, attempts=1)), state(step("s", RUNNING, attempts=2))), NoCause)


def test_steps_that_complete_again_and_again_are_a_loop() -> None:
    def poll(times: int) -> RunState:
        return state(step("p", DONE, completions=times), step("s", BLOCKED, needs=("p",)))

    found = both(poll(4), poll(9))
    assert isinstance(found, NamedCause)
    assert found.cause is Cause.LOOP


WELL: dict[str, tuple[RunState, RunState | None]] = {
    "a step works beside one that is ill": (
        state(step("ill", RUNNING, worker_alive=False), step("well", RUNNING, heartbeat=FRESH)),
        None,
    ),
    "a step of which nothing is known": (state(step("s", RUNNING)), None),
    "a step that has just been queued": (state(step("s", QUEUED, queue="a", since=FRESH), consumers={"a": 1}), None),
    "another step may be taken": (
        state(step("s", QUEUED, queue="a"), step("t", QUEUED, queue="b"), consumers={"a": 0, "b": 1}),
        None,
    ),
    "a queue of which nothing is known": (state(step("s", QUEUED, queue="a")), None),
    "a run that is about to end": (state(step("s", DONE)), None),
    "held back by its engine": (
        state(step("s", QUEUED, queue="a", since=LONG, awaits_turn=True), consumers={"a": 1}),
        None,
    ),
    "a queue that is not told yet": (state(step("s", QUEUED, queue="new", since=FRESH), consumers={"a": 1}), None),
    "another fence": (
        state(step("s", RUNNING, worker_alive=False), fence="1"),
        state(step("s", RUNNING, worker_alive=False), fence="2"),
    ),
    "another cause": (state(step("s", RUNNING, worker_alive=False)), state(step("s", RUNNING, heartbeat=LONG))),
    "another step": (
        state(step("s", RUNNING, worker_alive=False)),
        state(step("t", RUNNING, worker_alive=False)),
    ),
    "begun meanwhile": (
        state(step("s", RUNNING, worker_alive=False, attempts=1)),
        state(step("s", RUNNING, worker_alive=False, attempts=2)),
    ),
    "cleared by another": (
        state(step("d", DONE), step("s", RUNNING, worker_alive=False)),
        state(step("d", RUNNING), step("s", BLOCKED, needs=("d",))),
    ),
    "its end has just begun": (state(phase=Phase.CANCELLING, last_sign_of_life=FRESH), None),
}


@pytest.mark.parametrize("case", WELL, ids=str)
def test_what_may_be_well_has_no_cause(case: str) -> None:
    assert isinstance(both(*WELL[case]), NoCause)


def test_what_gets_on_is_no_stall_and_a_mere_counter_is_no_progress() -> None:
    first = state(step("d", DONE), step("s", RUNNING, worker_alive=False), progress="1")
    assert isinstance(both(first, state(step("d", DONE), step("s", DONE), progress="2")), Moves)
    assert not isinstance(both(first, replace(first, progress="7")), Moves)
    assert isinstance(both(state(progress="1"), state(progress="2")), Moves)
    assert isinstance(both(state(progress="2"), state(progress="1")), NoCause)


WAITS = st.sampled_from([*WaitsFor, None])
AGES = st.timedeltas(timedelta(0), timedelta(days=9))


@st.composite
def steps(draw: st.DrawFn, *, waits: bool = False) -> list[StepState]:
    """Draw a random plan in a random state; with `waits`, one of its steps waits for somebody."""
    names = [f"s{n}" for n in range(draw(st.integers(1, 4)))]
    made = [
        StepState(
            name=name,
            phase=draw(st.sampled_from(StepPhase)),
            attempts=draw(st.none() | st.integers(0, 5)),
            completions=draw(st.none() | st.integers(0, 3)),
            since=draw(st.none() | AGES.map(lambda age: NOW - age)),
            queue=draw(st.sampled_from(["a", "b", None])),
            worker_alive=draw(st.sampled_from([True, False, None])),
            heartbeat=draw(st.none() | AGES.map(lambda age: NOW - age)),
            needs=tuple(draw(st.lists(st.sampled_from([*names, "gone"]), max_size=3, unique=True))),
            needs_any=draw(st.booleans()),
            optional=draw(st.booleans()),
        )
        for name in names
    ]
    if waits:
        made[0] = replace(made[0], phase=StepPhase.WAITING, waits_for=draw(WAITS))
    return made


@st.composite
def states(draw: st.DrawFn, *, waits: bool = False) -> RunState:
    return RunState(
        phase=draw(st.sampled_from(Phase)),
        said="as drawn",
        steps=tuple(draw(steps(waits=waits))),
        consumers=draw(st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 2))),
        last_sign_of_life=draw(st.none() | AGES.map(lambda age: NOW - age)),
        progress=draw(st.sampled_from([None, "1", "2"])),
        fence=draw(st.sampled_from([None, "1", "2"])),
        at=draw(st.sampled_from([None, NOW])),
    )


RUNS = settings(max_examples=60)


@RUNS
@given(st.none() | states(), states())
def test_two_looks_at_random_runs_always_end_and_name_a_cause_of_the_list_for_the_second_one(
    first: RunState | None, second: RunState
) -> None:
    found = both(first or second, second)
    if isinstance(found, NamedCause):
        chosen = choose(found, second, RUN, LIMITS)
        assert isinstance(chosen, RouteChange | LeaveAlone | ForPerson)
        if isinstance(chosen, RouteChange) and chosen.step is not None and found.cause is not Cause.STEP_REMOVED:
            known = second.step(chosen.step)
            assert known is not None
            assert known.phase is not StepPhase.SUCCEEDED, "what is complete is never run again"
            if known.phase is RUNNING and chosen.ends_first != known.name:
                assert known.worker_alive is False, "two copies would live"
            assert chosen.begins_again or not known.has_begun or chosen.act.value == "skip"


@RUNS
@given(states(waits=True), states())
def test_what_waits_is_never_touched(second: RunState, first: RunState) -> None:
    assume(second.phase not in (Phase.SUCCEEDED, Phase.CANCELLED, Phase.GONE, Phase.CANCELLING))
    found = both(first, second)
    if isinstance(found, NamedCause) and found.cause is Cause.NO_CONSUMER:
        moved = choose(found, second, RUN, LIMITS)
        touched = second.step(moved.step) if isinstance(moved, RouteChange) else None
        assert touched is None or touched.phase is QUEUED, "beside a queue without workers, another step is touched"
        return
    running = [one for one in second.steps if one.phase is RUNNING]
    if second.phase is Phase.RUNNING and running and all(one.worker_alive is False for one in running):
        chosen = choose(found, second, RUN, LIMITS) if isinstance(found, NamedCause) else None
        if isinstance(chosen, RouteChange):
            assert chosen.step in {one.name for one in running}, (
                "beside a lost worker, the branch that waits is touched"
            )
            assert chosen.ends_first in {None, chosen.step}
        return
    assert isinstance(found, NamedCause)
    assert isinstance(choose(found, second, RUN, LIMITS), LeaveAlone)


def test_a_branch_that_waits_for_its_next_try_is_not_wedged_beside_a_lost_worker() -> None:
    lost = step("lost", RUNNING, worker_alive=False, attempts=1)
    first, second = (
        state(lost, step("retried", StepPhase.WAITING, waits_for=WaitsFor.TIMER, attempts=tries, queue="lonely"))
        for tries in (8, 9)
    )
    found = both(first, second)
    assert isinstance(found, NamedCause)
    assert (found.cause, found.step) == (Cause.WORKER_LOST, "lost")


@RUNS
@given(steps())
def test_a_cycle_is_found_where_steps_cannot_all_be_done_in_any_order(drawn: list[StepState]) -> None:
    found = cycle_in(drawn)
    left = {one.name: set(one.needs) for one in drawn}
    while ready := [name for name, needs in left.items() if not needs & left.keys()]:
        del left[ready[0]]
    assert bool(found) == bool(left)
    assert set(found) <= left.keys()
    for name in found:
        assert left[name] & set(found)


Draw = Callable[[Random], RunState]


def _healthy(dice: Random) -> RunState:
    """Draw a run of which a step works, or one that has just been queued, whatever stands beside it."""
    names = [f"s{n}" for n in range(dice.randint(1, 8))]
    phases = [dice.choice([*StepPhase]) for _ in names]
    drawn = [
        StepState(
            name=name,
            phase=phase,
            attempts=dice.choice([None, 0, 1, 2]),
            worker_alive=dice.choice([None, True, False]),
            heartbeat=dice.choice([None, FRESH, LONG]),
            since=dice.choice([None, FRESH, LONG]),
            needs=tuple(dice.sample(names, dice.randint(0, min(2, len(names))))),
        )
        for name, phase in zip(names, phases, strict=True)
    ]
    alive = StepState(
        name="alive",
        phase=RUNNING,
        attempts=dice.choice([None, 1, 2]),
        worker_alive=dice.choice([None, True]),
        heartbeat=dice.choice([None, FRESH]),
    )
    return state(*drawn, alive, fence=dice.choice([None, "1"]), consumers={"a": dice.randint(0, 1)})


def _waiting(dice: Random) -> RunState:
    drawn = _healthy(dice)
    if dice.random() < 0.5:
        return replace(drawn, phase=Phase.WAITING, waits_for=dice.choice([*WaitsFor, None]))
    waits = StepState(name="asks", phase=StepPhase.WAITING, since=LONG, heartbeat=LONG, worker_alive=False)
    return replace(drawn, steps=(*drawn.steps, waits), phase=dice.choice([Phase.RUNNING, Phase.QUEUED, Phase.FAILED]))


@pytest.mark.parametrize("draw", [_healthy, _waiting])
def test_ten_thousand_healthy_and_waiting_runs_are_not_touched(draw: Draw) -> None:
    dice = Random(22)
    for _ in range(5_000):
        seen = draw(dice)
        found = both(seen)
        if isinstance(found, NamedCause):
            assert isinstance(choose(found, seen, RUN, LIMITS), LeaveAlone), (found, seen)


@pytest.mark.parametrize("age", [timedelta(0), timedelta(minutes=7), timedelta(hours=-3)], ids=str)
@pytest.mark.parametrize("steps", [True, False], ids=["a step", "a run"])
def test_a_sign_of_life_that_moves_is_no_silence_whatever_clock_dates_it(age: timedelta, *, steps: bool) -> None:
    def at(moment: datetime) -> RunState:
        beat = moment - timedelta(minutes=10) - age
        seen = state(step("s", RUNNING, heartbeat=beat)) if steps else state(last_sign_of_life=beat)
        return replace(seen, at=None)

    first, second = NOW, NOW + timedelta(seconds=30)
    found = found_in(suspect(at(first), LIMITS, first), suspect(at(second), LIMITS, second), LIMITS)
    assert isinstance(found, NoCause), found
    stands = suspect(at(first), LIMITS, second)
    if age >= timedelta(0):
        assert isinstance(found_in(stands, stands, LIMITS), NamedCause)


def test_what_waits_for_its_turn_in_a_full_queue_is_left() -> None:
    full = state(step("s", QUEUED, queue="a", since=LONG), consumers={"a": 3}, full=frozenset({"a"}))
    assert isinstance(both(full), NoCause)


def test_a_step_is_silent_only_beyond_what_its_engine_allows() -> None:
    beat, allowed = NOW - timedelta(minutes=30), timedelta(hours=1)
    assert isinstance(both(state(step("s", RUNNING, heartbeat=beat, beats_within=allowed))), NoCause)
    assert isinstance(both(state(step("s", RUNNING, heartbeat=beat))), NamedCause)


def test_of_a_run_that_counts_as_failed_a_complete_step_is_not_run_again() -> None:
    seen = state(step("s", DONE, attempts=1), phase=Phase.FAILED)
    found = both(seen, seen)
    assert isinstance(found, NamedCause)
    assert isinstance(choose(found, seen, replace(RUN, step="s"), LIMITS), ForPerson)


@pytest.mark.parametrize("phase", [DONE, RUNNING])
def test_a_step_that_runs_or_is_complete_has_begun_whatever_its_count_says(phase: StepPhase) -> None:
    assert step("s", phase, attempts=0).has_begun
    assert step("s", StepPhase.QUEUED, attempts=0, completions=1).has_begun
