"""Two looks at a silent run: only where both see it stand at the same place it is stalled."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumer.heartbeats.looks import RunLook, SilenceVerdict, look_of, look_without_runner, verdict_of
from consumer.runners.contract import Phase, RunState, StepPhase, StepState

AT = datetime(2026, 3, 14, 12, tzinfo=UTC)


def seen(phase: Phase = Phase.RUNNING, **known: Any) -> RunLook:  # noqa: ANN401 - any field
    return look_of(RunState(phase=phase, said=phase.value, **known), AT)


def test_one_look_is_never_enough() -> None:
    assert verdict_of(None, seen()) is SilenceVerdict.LOOK_AGAIN
    assert verdict_of(None, look_without_runner(AT)) is SilenceVerdict.LOOK_AGAIN
    assert verdict_of(None, seen(Phase.FAILED)) is SilenceVerdict.LOOK_AGAIN


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.QUEUED, Phase.CANCELLING, Phase.FAILED, Phase.GONE])
def test_two_looks_that_agree_make_a_stall(phase: Phase) -> None:
    assert verdict_of(seen(phase), seen(phase)) is SilenceVerdict.STALLED


def test_without_a_runner_two_readings_past_the_deadline_do() -> None:
    assert verdict_of(look_without_runner(AT), look_without_runner(AT + timedelta(seconds=5))) is SilenceVerdict.STALLED


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.CANCELLED])
def test_what_has_ended_well_is_over(phase: Phase) -> None:
    assert verdict_of(None, seen(phase)) is SilenceVerdict.OVER


def test_what_waits_for_something_outside_is_healthy() -> None:
    step = StepState(name="approve", phase=StepPhase.WAITING)
    assert verdict_of(seen(), seen(Phase.WAITING)) is SilenceVerdict.WAITS
    assert verdict_of(seen(steps=(step,)), seen(steps=(step,))) is SilenceVerdict.WAITS


@pytest.mark.parametrize(
    "moved",
    [
        {"progress": "2"},
        {"epoch": 1},
        {"fence": "b"},
        {"last_sign_of_life": AT},
        {"steps": (StepState(name="b", phase=StepPhase.SUCCEEDED),)},
    ],
)
def test_what_its_runner_sees_get_on_is_alive(moved: dict[str, Any]) -> None:
    assert verdict_of(seen(), seen(**moved)) is SilenceVerdict.MOVES


def test_a_run_that_fails_between_two_looks_is_looked_at_once_more() -> None:
    assert verdict_of(seen(), seen(Phase.FAILED)) is SilenceVerdict.LOOK_AGAIN
