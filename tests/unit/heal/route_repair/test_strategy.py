"""route-repair against a world that lies: what it never calls a success, never does, and the oracles' mutants."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from consumer.catalog import Again, RouteRepairLimits, StepRule, WorkflowPolicy
from consumer.heal.route_repair import acting, proving
from consumer.heal.route_repair.strategy import RouteRepair
from consumer.heal.runs import step_read_back
from consumer.heal.strategy import Task
from consumer.model import Failure, Healed, NotHealed, Outcome, Proof, Refused, RetryLater, Unknown
from consumer.model.call import Ambiguous
from consumer.redact import redact_json
from consumer.runners.contract import (
    LookFailed,
    Phase,
    RerunStep,
    RunState,
    StepPhase,
    StepState,
    Terminate,
)
from schemas.names import Code, Effect, Verdict
from tests.support.healing import Clock, Gate, NoCalls, failure, heal_to_its_end, task
from tests.support.worlds.scripted_runner import RUN, OneRunner, ScriptedRunner

START: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POLICY: Final = WorkflowPolicy(
    name="*",
    runner="runs",
    route_repair=RouteRepairLimits(verify=timedelta(seconds=4), ends=timedelta(seconds=2)),
    steps={"charge": StepRule(again=Again.YES)},
)
Sight = RunState | LookFailed


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def charge(phase: StepPhase, **more: Any) -> StepState:  # noqa: ANN401 - fields of a step
    told: dict[str, Any] = {"attempts": 1, "completions": 0} | more
    return StepState(name="charge", phase=phase, **told)


def seen(second: float, *steps: StepState, phase: Phase = Phase.RUNNING, **more: Any) -> RunState:  # noqa: ANN401
    told: dict[str, Any] = {"fence": "1", "last_sign_of_life": at(0), "at": at(second)} | more
    return RunState(phase=phase, said=phase.value, steps=steps, **told)


LOST: Final = [seen(n, charge(StepPhase.RUNNING, worker_alive=False)) for n in (1, 31)]
SILENT: Final = [seen(n, charge(StepPhase.RUNNING, heartbeat=at(-900))) for n in (1, 31)]
DONE: Final = charge(StepPhase.SUCCEEDED, completions=1)
HEALED: Final = seen(40, DONE, phase=Phase.SUCCEEDED, fence="2")


class Time(Clock):
    """Sleeping puts the monotonic clock forward as well."""

    def monotonic(self) -> float:
        return sum(self.slept)


async def healed(
    looks: list[Sight],
    *,
    runner: ScriptedRunner | None = None,
    policy: WorkflowPolicy = POLICY,
    effect_in_doubt: bool = False,
    step: str | None = None,
) -> tuple[Outcome, ScriptedRunner]:
    """Heal a run that shows these looks, one after the other."""
    engine = runner or ScriptedRunner()
    engine.looks = list(looks)
    clock = Time()
    strategy = RouteRepair(
        OneRunner(engine), NoCalls(), redact_json, sleep=clock.sleep, monotonic=clock.monotonic, now=clock.now
    )
    named = {"id": RUN.run_id} | ({} if step is None else {"step": step})
    failed = replace(failure({"run": named}), effect_in_doubt=effect_in_doubt)
    planned: Task = replace(task(strategy, failed, policy), failure=failed)
    ended = await heal_to_its_end(strategy, planned, Gate(left=timedelta(minutes=9)), clock.sleep)
    return ended, engine


async def test_a_run_whose_worker_is_lost_is_run_again_from_its_step_and_proven() -> None:
    ended, runner = await healed([*LOST, HEALED])
    assert isinstance(ended, Healed)
    assert {proof.oracle: proof.verdict for proof in ended.proofs} == dict.fromkeys(proving.ORACLES, Verdict.PASSED)
    ((order, key),) = runner.orders
    assert isinstance(order, RerunStep)
    assert (order.run.step, order.run.fence, order.payload) == ("charge", "1", None)
    assert key
    assert ended.details["stall"] == {
        "cause": "worker_lost",
        "step": "charge",
        "evidence": "the worker of step 'charge' is dead",
    }
    route = ended.details["route"]
    assert isinstance(route, dict)
    assert route["changed"] == {"act": "rerun", "step": "charge"}
    assert (route["before"], route["after"]) == (
        {"state": "running", "nodes": [{"id": "charge", "state": "running"}], "edges": []},
        {"state": "succeeded", "nodes": [{"id": "charge", "state": "succeeded"}], "edges": []},
    )


async def test_what_may_still_run_is_ended_and_seen_to_have_ended_before_it_is_run_again() -> None:
    ended_step = seen(33, charge(StepPhase.CANCELLED))
    _, runner = await healed([*SILENT, *[SILENT[1]] * 3, ended_step, HEALED])
    assert [type(order) for order, _ in runner.orders] == [Terminate, RerunStep]
    ended, runner = await healed([*SILENT, SILENT[1]])
    assert [type(order) for order, _ in runner.orders] == [Terminate], "a second copy would live"
    assert isinstance(ended, Refused)
    assert ended.code is Code.NEEDS_PERSON
    assert "heartbeat_missing" in ended.details["stall"]["cause"]  # type: ignore[index, call-overload, operator]


@pytest.mark.parametrize(("begun", "orders"), [(0, [Terminate, RerunStep]), (1, [Terminate])], ids=["never", "begun"])
async def test_a_step_that_a_worker_took_right_before_its_end_falls_under_the_rule(
    begun: int, orders: list[type]
) -> None:
    queued = charge(StepPhase.QUEUED, attempts=0, queue="a", since=at(-900))
    stands = [seen(n, queued, consumers={"a": 1}) for n in (1, 31, 32)]
    taken = seen(33, charge(StepPhase.CANCELLED, attempts=begun), consumers={"a": 1})
    no_rule = POLICY.model_copy(update={"steps": {}})
    ended, runner = await healed([*stands, taken, HEALED], policy=no_rule)
    assert [type(order) for order, _ in runner.orders] == orders
    if begun:
        assert isinstance(ended, Refused)
        assert ended.code is Code.NEEDS_PERSON
        assert "may have had its effect" in ended.reason


async def test_a_begun_step_of_which_nothing_is_declared_is_left_to_a_person() -> None:
    ended, runner = await healed(list(LOST), policy=POLICY.model_copy(update={"steps": {}}))
    assert isinstance(ended, Refused)
    assert (ended.code, runner.orders) == (Code.NEEDS_PERSON, [])
    assert "worker_lost" in ended.reason
    assert "may have had its effect" in ended.reason


LIES: dict[str, list[Sight]] = {
    "200 and nothing done": [LOST[1]],
    "a counter without the step": [
        seen(40 + n, charge(StepPhase.RUNNING, heartbeat=at(40 + n)), progress=str(n), fence="2") for n in range(9)
    ],
    "a success without the step": [
        seen(40, charge(StepPhase.RUNNING), phase=Phase.SUCCEEDED, fence="2", last_sign_of_life=at(40))
    ],
    "a look from before the order": [replace(HEALED, at=at(2))],
    "a start from before the order": [replace(HEALED, epoch=0)],
    "a step that completed twice": [seen(40, replace(DONE, completions=2), phase=Phase.SUCCEEDED, fence="2")],
    "a step before it that completed twice": [
        seen(40, DONE, StepState(name="before", phase=StepPhase.SUCCEEDED, completions=2), phase=Phase.SUCCEEDED)
    ],
    "done, and dead": [seen(40, DONE, fence="2")],
    "a count that has fallen": [replace(HEALED, progress="0")],
    "failed again": [seen(40, charge(StepPhase.FAILED, attempts=2), phase=Phase.FAILED, fence="2")],
    "nobody can see": [LookFailed(reason="the look: answered 502")],
    "it is gone": [seen(40, phase=Phase.GONE, fence=None)],
}


def epochs(first: list[Sight]) -> list[Sight]:
    return [replace(look, epoch=1, progress="3") if isinstance(look, RunState) else look for look in first]


@pytest.mark.parametrize("lie", LIES, ids=str)
async def test_a_world_that_lies_is_never_a_success(lie: str) -> None:
    ended, _ = await healed([*epochs(list(LOST)), *LIES[lie]])
    assert isinstance(ended, NotHealed | Unknown | RetryLater), ended


async def test_a_step_that_completed_twice_is_for_a_person_also_at_the_next_attempt() -> None:
    twice = LIES["a step that completed twice"]
    ended, _ = await healed([*LOST, *twice])
    assert isinstance(ended, Unknown)
    again, runner = await healed(twice, effect_in_doubt=True)
    assert isinstance(again, Refused)
    assert (again.code, runner.orders) == (Code.NEEDS_PERSON, [])


@pytest.mark.parametrize("phase", [StepPhase.RUNNING, StepPhase.FAILED])
async def test_a_run_that_calls_itself_done_without_the_step_is_not_believed_at_the_next_attempt_either(
    phase: StepPhase,
) -> None:
    done = seen(40, charge(phase), phase=Phase.SUCCEEDED, fence="2")
    again, runner = await healed([done], effect_in_doubt=True, step="charge")
    assert isinstance(again, RetryLater), again
    assert (again.effect_in_doubt, runner.orders) == (True, [])
    assert isinstance((await healed([HEALED], effect_in_doubt=True, step="charge"))[0], Healed)


async def test_an_order_whose_answer_was_lost_is_not_given_twice_and_healed_only_by_the_run() -> None:
    lost = Ambiguous(kind="ReadTimeout", reason="no answer", elapsed=timedelta(seconds=5))
    for effect in (Effect.UNSAFE, Effect.CONDITIONAL):
        before = [LOST[1]] if effect is Effect.CONDITIONAL else []
        ended, runner = await healed([*LOST, *before, HEALED], runner=ScriptedRunner(gives=[lost], declared=effect))
        assert isinstance(ended, Healed)
        assert len(runner.orders) == 1
        ended, runner = await healed([*LOST, *before, LOST[1]], runner=ScriptedRunner(gives=[lost], declared=effect))
        assert isinstance(ended, Unknown)
        assert len(runner.orders) == 1


async def test_an_order_in_doubt_is_given_again_after_two_looks_unless_it_is_unsafe() -> None:
    ended, runner = await healed([*LOST], runner=ScriptedRunner(declared=Effect.UNSAFE), effect_in_doubt=True)
    assert isinstance(ended, Unknown)
    assert runner.orders == []
    conditional = ScriptedRunner(declared=Effect.CONDITIONAL)
    ended, runner = await healed([*LOST, LOST[1], HEALED], runner=conditional, effect_in_doubt=True)
    assert isinstance(ended, Healed)
    assert len(runner.orders) == 1


async def test_a_step_that_an_attempt_before_has_ended_is_run_again_and_one_that_a_person_ended_is_not() -> None:
    ended = [seen(n, charge(StepPhase.CANCELLED)) for n in (1, 31)]
    conditional = ScriptedRunner(declared=Effect.CONDITIONAL)
    outcome, runner = await healed([*ended, ended[1], HEALED], runner=conditional, effect_in_doubt=True)
    assert isinstance(outcome, Healed)
    assert [type(order) for order, _ in runner.orders] == [RerunStep]
    outcome, runner = await healed([ended[1]])
    assert isinstance(outcome, RetryLater)
    assert runner.orders == []


async def test_a_conditional_order_is_not_given_where_the_look_right_before_it_shows_another_start() -> None:
    for moved in (
        replace(LOST[1], fence="2"),
        seen(32, charge(StepPhase.SUCCEEDED, completions=1)),
        seen(32, phase=Phase.FAILED),
        LookFailed(reason="the look: answered 502"),
    ):
        _, runner = await healed([*LOST, moved], runner=ScriptedRunner(declared=Effect.CONDITIONAL))
        assert runner.orders == []


PASSED: Final = Proof(oracle="watermark", verdict=Verdict.PASSED, detail="broken on purpose")
ALIVE: Final = Proof(oracle="run", verdict=Verdict.PASSED, detail="broken on purpose")


def _no_twice(before: object, now: object) -> None:
    del before, now


def _always(value: object) -> Callable[..., object]:
    return lambda *_given, **_named: value


MUTANTS: dict[str, tuple[object, str, object, str]] = {
    "the watermark is believed": (proving, "watermark", _always(PASSED), "a success without the step"),
    "a count that falls is believed": (proving, "fallen", _always(False), "a count that has fallen"),
    "nothing completes twice": (proving, "completed_twice", _no_twice, "a step that completed twice"),
    "a run that is done lives": (proving, "beats", _always(ALIVE), "done, and dead"),
    "every look is younger than the order": (proving, "is_older", _always(False), "a look from before the order"),
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
async def test_each_oracle_broken_on_purpose_lets_a_lie_through(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name, broken, lie = MUTANTS[mutant]
    monkeypatch.setattr(module, name, broken)
    ended, _ = await healed([*epochs(list(LOST)), *LIES[lie]])
    assert isinstance(ended, Healed), "the oracle is not what caught it"


async def test_without_the_rule_or_the_wait_for_the_end_a_step_would_be_begun_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(acting, "has_ended", _always(True))
        _, runner = await healed([*SILENT, SILENT[1]])
        assert RerunStep in [type(order) for order, _ in runner.orders]
    with monkeypatch.context() as broken:
        broken.setattr(step_read_back, "may_begin_again", _always(None))
        _, runner = await healed(list(LOST), policy=POLICY.model_copy(update={"steps": {}}))
        assert len(runner.orders) == 1


async def test_a_run_that_is_over_or_well_is_left_alone() -> None:
    over: dict[Phase, Any] = {Phase.SUCCEEDED: Healed, Phase.CANCELLED: Refused, Phase.GONE: Refused}
    for phase, ends in over.items():
        ended, runner = await healed([seen(1, phase=phase)])
        assert isinstance(ended, ends)
        assert runner.orders == []
    ended, runner = await healed([seen(n, charge(StepPhase.RUNNING, heartbeat=at(n))) for n in range(0, 300, 30)])
    assert isinstance(ended, RetryLater)
    assert runner.orders == []


def test_a_run_that_redaction_touched_or_nothing_can_be_ordered_of_is_refused() -> None:
    engine = ScriptedRunner(forbids="the runner: it has no such order")
    strategy = RouteRepair(OneRunner(engine), NoCalls(), redact_json)
    failed: Failure = failure({"run": {"id": "run-1"}})
    kind = task(strategy, failed, POLICY).diagnosis
    assert "no such order" in str(strategy.refusal(failed, kind, POLICY))
    touched = failure({"run": {"id": "[redacted]"}}, redactions=("/context/run/id",))
    assert "/context/run/id" in str(strategy.refusal(touched, kind, POLICY))
    nobody = RouteRepair(OneRunner(None), NoCalls(), redact_json)
    assert "names no runner" in str(nobody.refusal(failed, kind, POLICY))
    assert strategy.needs(failure({})) == ("context.run.id",)
