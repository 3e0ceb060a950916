"""What a look finds in an engine's answer: steps, times and queues as described, and nothing where nothing is."""

from datetime import UTC, datetime
from typing import Any

import pytest

from consumer.catalog import HttpRunner, LookCall
from consumer.runners.contract import LookFailed, Phase, RunState, StepPhase, StepState, WaitsFor
from consumer.runners.http.run_state import state_in

LOOK = LookCall.model_validate(
    {
        "url": "https://runs.example.com/runs/{run.id}",
        "status": "/state",
        "phases": {"RUNS": "running", "ASKS": "waiting"},
        "waits": {"ASKS": "person"},
        "fence": "/starts",
        "at": "/now",
        "last_sign_of_life": "/seen",
        "consumers": "/queues",
        "full": "/full",
        "removed": "/removed",
        "steps": {
            "at": "/steps",
            "status": "/state",
            "phases": {"WAIT": "queued", "RUNS": "running", "SLEEPS": "waiting", "BROKE": "failed"},
            "waits": {"SLEEPS": "timer"},
            "attempts": "/tries",
            "since": "/since",
            "heartbeat": "/beat",
            "worker_alive": "/alive",
            "needs": "/needs",
            "queue": "/queue",
        },
    }
)
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def read(**changes: Any) -> RunState | LookFailed:  # noqa: ANN401 - JSON is anything
    answer = {"state": "RUNS", "steps": {}} | changes
    return state_in(answer, LOOK)


def step(**members: Any) -> StepState:  # noqa: ANN401 - JSON is anything
    seen = read(steps={"charge": {"state": "RUNS"} | members})
    assert isinstance(seen, RunState), seen
    return seen.steps[0]


def test_a_whole_answer_is_read() -> None:
    seen = read(
        state="ASKS",
        starts=3,
        now="2026-03-01T12:00:00Z",
        seen=NOON.timestamp(),
        queues={"fast": 2, "slow": [], "odd": "many"},
        removed={"old": "new", "gone": None},
        steps={"charge": {"state": "WAIT", "tries": ["a"], "needs": ["pay", 7], "queue": "fast"}},
    )
    charge = StepState(name="charge", phase=StepPhase.QUEUED, said="WAIT", attempts=1, needs=("pay",), queue="fast")
    assert seen == RunState(
        phase=Phase.WAITING,
        said="ASKS",
        fence="3",
        waits_for=WaitsFor.PERSON,
        at=NOON,
        last_sign_of_life=NOON,
        consumers={"fast": 2, "slow": 0},
        removed={"old": "new", "gone": None},
        steps=(charge,),
    )


@pytest.mark.parametrize(
    "moment", ["2026-03-01T12:00:00+00:00", NOON.timestamp(), NOON.timestamp() * 1000], ids=["text", "s", "ms"]
)
def test_a_time_is_read_in_each_of_its_forms(moment: object) -> None:
    assert step(beat=moment).heartbeat == NOON


@pytest.mark.parametrize("odd", [None, True, "soon", -1, 0, 1e300, [], {}], ids=str)
def test_an_odd_value_is_one_that_the_engine_does_not_know(odd: object) -> None:
    assert step(beat=odd).heartbeat is None
    assert step(alive=odd if odd is not True else "yes").worker_alive is None
    assert step(needs=odd if not isinstance(odd, list) else "pay").needs == ()


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (None, "no steps"),
        ({"charge": {"state": "ODD"}}, "'ODD'"),
        ({"charge": {}}, "None"),
        ({"charge": 7}, "None"),
        ({"": {"state": "RUNS"}}, "without a name"),
        ([{"state": "RUNS"}], "without a name"),
        ({f"s{n}": {"state": "RUNS"} for n in range(1001)}, "more than 1000"),
    ],
    ids=["none", "odd state", "no state", "no object", "empty name", "no name", "too many"],
)
def test_steps_that_cannot_be_told_make_the_look_inconclusive(steps: object, says: str) -> None:
    seen = read(steps=steps)
    assert isinstance(seen, LookFailed)
    assert says in seen.reason


def test_a_fence_that_the_look_does_not_show_is_an_error_of_the_catalog() -> None:
    look = {"url": "https://runs.example.com/{run.id}", "status": "/state", "phases": {"RUNS": "running"}}
    rerun = {"url": "https://runs.example.com/{run.id}/rerun", "body": {"fence": "{run.fence}"}}
    with pytest.raises(ValueError, match="where the fence stands"):
        HttpRunner.model_validate({"kind": "http", "look": look, "rerun_step": rerun})


@pytest.mark.parametrize(
    ("full", "queues"), [(["a", 7], {"a"}), ({"a": True, "b": False}, {"a"}), ("a", set()), (None, set())]
)
def test_full_queues_are_a_list_or_an_object(full: object, queues: set[str]) -> None:
    seen = read(full=full)
    assert isinstance(seen, RunState)
    assert seen.full == queues


@pytest.mark.parametrize(("state", "begun"), [("BROKE", True), ("RUNS", True), ("WAIT", False)])
def test_a_count_of_retries_is_no_word_that_a_failed_step_never_began(state: str, *, begun: bool) -> None:
    assert step(state=state, tries=0).has_begun is begun
