"""The Temporal runner over answers in the JSON of its HTTP API: why runs stand still, and what is done about it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from consumer.catalog import RouteRepairLimits, TemporalRunner, WorkflowPolicy
from consumer.heal.route_repair.finding import NamedCause, NoCause, found_in
from consumer.heal.route_repair.suspicion import Cause, suspect
from consumer.runners.contract import (
    Accepted,
    LookFailed,
    MoveToQueue,
    Payload,
    Phase,
    Rejected,
    RemapStep,
    ReplaceDefinition,
    RerunStep,
    ResumeRun,
    RunRef,
    SkipStep,
    StepPhase,
    Terminate,
    WaitsFor,
)
from consumer.runners.temporal.history import WORKFLOW_TASK
from consumer.runners.watching import ListedRun, NotFailed, RunFailure, RunPage, RunsOf, WatchedEngine
from tests.support.healing import ORG
from tests.support.worlds.http_world import World, http_world, json_reply
from tests.support.worlds.recorded import LIES, WITHIN, Ground, ground
from tests.support.worlds.temporal_answers import (
    BEGUN,
    CHARGE_FAILED,
    CHARGED,
    FIRST,
    NAMESPACE,
    NOW,
    SECOND,
    TemporalAnswers,
    ago,
    described,
    event,
    pending,
    scheduled,
)

RUN = RunRef(org_id=str(ORG), workflow_name="orders", run_id=f"order-1/{FIRST}", step="charge")
LIMITS = RouteRepairLimits(queues={"nobody": ("q2", "q")})
OF = RunsOf(org_id=str(ORG), workflow_name="orders")
FAILED_TASK = event(
    8,
    "WORKFLOW_TASK_FAILED",
    cause="WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR",
    failure={"message": "Nondeterminism error: Activity type 'pay' does not match 'charge'"},
)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as running:
        yield running


@pytest.fixture
def temporal(world: World) -> TemporalAnswers:
    return TemporalAnswers(world=world)


@pytest.fixture
async def here(world: World) -> AsyncIterator[Ground]:
    declared = TemporalRunner.model_validate({"kind": "temporal", "api": world.url("/api/v1")})
    async with ground(world, declared) as opened:
        allowed: WorkflowPolicy = opened.allowed.model_copy(update={"route_repair": LIMITS})
        yield Ground(world, opened.runner, allowed)


async def cause(here: Ground) -> Any:  # noqa: ANN401 - what two looks say
    """What two looks at the run say of why it stands still."""
    first, second = await here.seen(RUN), await here.seen(RUN)
    return found_in(suspect(first, LIMITS, NOW), suspect(second, LIMITS, NOW), LIMITS)


async def test_a_failed_run_stands_at_its_activity(temporal: TemporalAnswers, here: Ground) -> None:
    temporal.stands(FIRST, "FAILED", CHARGE_FAILED)
    seen = await here.seen(RUN)
    assert (seen.phase, seen.at) == (Phase.FAILED, NOW)
    assert {one.name: one.phase for one in seen.steps} == {
        "reserve": StepPhase.SUCCEEDED,
        "charge": StepPhase.FAILED,
    }
    assert seen.said == "FAILED, charge: invalid amount '42x': not an integer"
    assert await cause(here) == NamedCause(cause=Cause.STEP_FAILED, step="charge", evidence="the run has failed: FAILED, charge: invalid amount '42x': not an integer")  # fmt: skip  # noqa: E501


async def test_it_is_reset_to_before_the_activity_once_for_a_key_and_goes_on_as_another_run(
    temporal: TemporalAnswers, here: Ground
) -> None:
    temporal.stands(FIRST, "FAILED", CHARGE_FAILED)
    temporal.reset_to = described(SECOND, "COMPLETED"), CHARGED
    fence = (await here.seen(RUN)).fence
    order = RerunStep(run=replace(RUN, fence=fence))
    given = await here.give(order, "key-1")
    assert isinstance(given, Accepted), given
    assert given.run.run_id == f"order-1/{SECOND}"
    (call, body), *_ = temporal.orders
    assert (call, body["workflowTaskFinishEventId"]) == ("reset", "10")
    assert body["workflowExecution"] == {"workflowId": "order-1", "runId": FIRST}
    # Again, as after a lost answer: by the reason in the new run's history it is known for this order's.
    assert await here.give(order, "key-1") == replace(given, said="it had taken the order before")
    other = await here.give(order, "key-2")
    assert isinstance(other, Rejected)
    assert other.conflict
    assert [name for name, _ in temporal.orders] == ["reset"]
    for run in (given.run, RUN):  # a look at the failed run follows it
        seen = await here.seen(run)
        assert seen.phase is Phase.SUCCEEDED
        assert {one.name: one.times_completed for one in seen.steps} == {"reserve": 1, "charge": 1}


async def test_a_reset_that_would_do_again_what_is_complete_is_not_sent(
    temporal: TemporalAnswers, here: Ground
) -> None:
    beside = [
        scheduled(18, "notify", "3", decided=10),
        event(19, "ACTIVITY_TASK_COMPLETED", scheduledEventId="18", startedEventId="18"),
    ]
    temporal.stands(FIRST, "FAILED", CHARGE_FAILED + beside)
    given = await here.give(RerunStep(run=RUN))
    assert isinstance(given, Rejected)
    assert given.reason == "a reset would do again what is complete: 'notify'"
    assert temporal.orders == []


async def test_the_older_run_of_a_workflow_that_was_started_again_is_not_touched(
    temporal: TemporalAnswers, here: Ground
) -> None:
    temporal.stands(FIRST, "FAILED", CHARGE_FAILED)
    temporal.stands(SECOND, "RUNNING", BEGUN, pendingActivities=[pending()])
    temporal.runs[SECOND][0]["workflowExecutionInfo"]["firstRunId"] = SECOND
    assert (await here.seen(RUN)).phase is Phase.FAILED
    given = await here.give(RerunStep(run=RUN))
    assert isinstance(given, Rejected)
    assert given.conflict
    assert temporal.orders == []


async def test_a_queue_without_pollers_is_found_and_its_activity_moved_to_a_live_one(
    temporal: TemporalAnswers, here: Ground
) -> None:
    history = [*BEGUN[:-1], scheduled(11, "charge", "2", decided=10, queue="nobody")]
    temporal.stands(FIRST, "RUNNING", history, pendingActivities=[pending()])
    # Who last asked five minutes ago is listed, and counts no more.
    temporal.polled = {"q": 5.0, "q2": 3.0, "nobody": 290.0}
    seen = await here.seen(RUN)
    assert seen.consumers == {"nobody": 0, "q2": 1, "q": 1, "q (workflow tasks)": 1}
    found = await cause(here)
    assert (found.cause, found.step) == (Cause.NO_CONSUMER, "charge")
    given = await here.give(MoveToQueue(run=replace(RUN, fence=seen.fence), queue="q2"))
    assert isinstance(given, Accepted)
    assert temporal.orders == [
        ("update-options", {
            "execution": {"workflowId": "order-1", "runId": FIRST}, "id": "2",
            "activityOptions": {"taskQueue": {"name": "q2"}}, "updateMask": "taskQueue.name",
        })
    ]  # fmt: skip
    options = {"taskQueue": {"name": "q2"}}
    temporal.stands(FIRST, "RUNNING", history, pendingActivities=[pending("STARTED", activityOptions=options, lastStartedTime=ago(1))])  # fmt: skip  # noqa: E501
    step = (await here.seen(RUN)).step("charge")
    assert step is not None
    assert (step.phase, step.queue) == (StepPhase.RUNNING, "q2")
    moved = await here.give(MoveToQueue(run=RUN, queue="q"))
    assert isinstance(moved, Rejected)  # a worker has it by now
    assert moved.conflict


async def test_a_workflow_task_that_fails_again_and_again_has_failed(temporal: TemporalAnswers, here: Ground) -> None:
    history = [*BEGUN[:7], FAILED_TASK]
    task = {"state": "PENDING_WORKFLOW_TASK_STATE_SCHEDULED", "originalScheduledTime": ago(300), "attempt": 7}
    temporal.stands(FIRST, "RUNNING", history, pendingWorkflowTask=task)
    found = await cause(here)
    assert (found.cause, found.step) == (Cause.STEP_FAILED, WORKFLOW_TASK)
    step = (await here.seen(RUN)).step(WORKFLOW_TASK)
    assert step is not None
    assert step.said.startswith("failed 6 times: Nondeterminism error: ")
    refused = here.runner.refusal(MoveToQueue(run=replace(RUN, step=WORKFLOW_TASK), queue="q2"), here.allowed)
    assert refused is not None
    temporal.reset_to = described(SECOND, "RUNNING"), CHARGED
    given = await here.give(RerunStep(run=replace(RUN, step=WORKFLOW_TASK)))
    # Event 4 has decided on `reserve`, which is complete: a new build that can go on from there needs no reset.
    assert isinstance(given, Rejected)
    temporal.stands(FIRST, "RUNNING", [*BEGUN[:4], FAILED_TASK], pendingWorkflowTask=task)
    assert isinstance(await here.give(RerunStep(run=replace(RUN, step=WORKFLOW_TASK))), Accepted)
    assert temporal.orders[0][1]["workflowTaskFinishEventId"] == "4"


async def test_a_workflow_task_that_failed_once_is_tried_again_by_the_server(
    temporal: TemporalAnswers, here: Ground
) -> None:
    task = {"state": "PENDING_WORKFLOW_TASK_STATE_SCHEDULED", "originalScheduledTime": ago(3), "attempt": 2}
    temporal.stands(FIRST, "RUNNING", [*BEGUN[:7], FAILED_TASK], pendingWorkflowTask=task)
    assert isinstance(await cause(here), NoCause)


async def test_workflow_tasks_that_nobody_takes_have_no_consumer(temporal: TemporalAnswers, here: Ground) -> None:
    task = {"state": "PENDING_WORKFLOW_TASK_STATE_SCHEDULED", "originalScheduledTime": ago(300), "attempt": 1}
    temporal.stands(FIRST, "RUNNING", BEGUN[:7], pendingWorkflowTask=task)
    temporal.polled = {}
    found = await cause(here)
    assert (found.cause, found.step) == (Cause.NO_CONSUMER, WORKFLOW_TASK)


async def test_the_activity_of_a_killed_worker_is_silent_by_its_heartbeat(
    temporal: TemporalAnswers, here: Ground
) -> None:
    options = {"taskQueue": {"name": "q"}, "heartbeatTimeout": "30s"}
    dead = pending("STARTED", activityOptions=options, lastStartedTime=ago(900), lastHeartbeatTime=ago(800))
    temporal.stands(FIRST, "RUNNING", BEGUN, pendingActivities=[dead])
    found = await cause(here)
    assert (found.cause, found.step) == (Cause.HEARTBEAT_MISSING, "charge")
    # One that owes no sign of life works, for all that is known: its own time limit ends it.
    temporal.stands(FIRST, "RUNNING", BEGUN, pendingActivities=[pending("STARTED", lastStartedTime=ago(900))])
    assert isinstance(await cause(here), NoCause)


TIMER = event(12, "TIMER_STARTED", timerId="5", startToFireTimeout="86400s", workflowTaskCompletedEventId="10")
RETRIED = pending(attempt=3, nextAttemptScheduleTime="2026-11-30T10:00:00Z", lastFailure={"message": "not now"})


@pytest.mark.parametrize(
    ("status", "history", "more", "waits_for"),
    [
        ("RUNNING", [*BEGUN[:-1], TIMER], {}, WaitsFor.TIMER),
        ("RUNNING", BEGUN[:-1], {}, WaitsFor.SIGNAL),
        ("RUNNING", BEGUN[:-1], {"pendingChildren": [{"workflowId": "c", "initiatedId": "12"}]}, WaitsFor.SIGNAL),
        ("RUNNING", BEGUN, {"pendingActivities": [RETRIED]}, WaitsFor.TIMER),
        ("RUNNING", BEGUN, {"pendingActivities": [pending(paused=True)]}, WaitsFor.PERSON),
        ("RUNNING", BEGUN, {"pendingActivities": [pending("PAUSED")]}, WaitsFor.PERSON),
        ("RUNNING", CHARGE_FAILED[:-1], {}, WaitsFor.SIGNAL),
        ("PAUSED", BEGUN, {}, WaitsFor.PERSON),
    ],
    ids=[
        "timer",
        "signal",
        "child",
        "next try",
        "paused",
        "paused by state",
        "failure that was dealt with",
        "run paused",
    ],
)
async def test_what_only_waits_is_left_alone(
    temporal: TemporalAnswers,
    here: Ground,
    status: str,
    history: list[dict[str, Any]],
    more: dict[str, Any],
    waits_for: WaitsFor,
) -> None:
    temporal.stands(FIRST, status, history, **more)
    seen = await here.seen(RUN)
    assert (seen.phase, seen.waits_for) == (Phase.WAITING, waits_for)
    found = await cause(here)
    assert found.cause is Cause.WAITING


async def test_a_pending_activity_is_paused_before_it_begins_anew(temporal: TemporalAnswers, here: Ground) -> None:
    temporal.stands(FIRST, "RUNNING", BEGUN, pendingActivities=[pending()])
    assert isinstance(await here.give(Terminate(run=RUN)), Accepted)
    assert isinstance(await here.give(RerunStep(run=RUN)), Accepted)
    temporal.stands(FIRST, "RUNNING", BEGUN, pendingActivities=[pending(paused=True)])
    assert isinstance(await here.give(RerunStep(run=RUN)), Accepted)
    assert [name for name, _ in temporal.orders] == ["pause", "reset", "unpause"]
    assert all(body["id"] == "2" for _, body in temporal.orders)


async def test_a_run_is_terminated_and_one_that_has_ended_is_not(temporal: TemporalAnswers, here: Ground) -> None:
    temporal.stands(FIRST, "RUNNING", BEGUN, pendingActivities=[pending()])
    whole = replace(RUN, step=None)
    assert isinstance(await here.give(Terminate(run=whole)), Accepted)
    temporal.stands(FIRST, "FAILED", CHARGE_FAILED)
    assert isinstance(await here.give(Terminate(run=whole)), Rejected)
    assert [name for name, _ in temporal.orders] == ["terminate"]


async def test_a_failed_run_without_a_failed_activity_is_resumed_from_its_last_decision(
    temporal: TemporalAnswers, here: Ground
) -> None:
    history = [
        *BEGUN[:4],
        event(5, "WORKFLOW_EXECUTION_FAILED", workflowTaskCompletedEventId="4", failure={"message": "no"}),
    ]
    temporal.stands(FIRST, "FAILED", history)
    temporal.reset_to = described(SECOND, "RUNNING"), CHARGED
    assert isinstance(await here.give(ResumeRun(run=replace(RUN, step=None))), Accepted)
    assert temporal.orders[0][1]["workflowTaskFinishEventId"] == "4"


@pytest.mark.parametrize(
    "order",
    [
        RerunStep(run=RUN, payload=Payload(document={"amount": 42})),
        ReplaceDefinition(run=RUN, definition={}, replaces="1"),
        SkipStep(run=RUN),
        RemapStep(run=RUN, to="pay"),
        MoveToQueue(run=replace(RUN, step=None), queue="q2"),
        RerunStep(run=replace(RUN, run_id="team/order-1")),
    ],
    ids=lambda order: type(order).__name__,
)
async def test_an_order_that_temporal_has_no_call_for_is_refused(here: Ground, order: Any) -> None:  # noqa: ANN401
    assert here.runner.refusal(order, here.allowed) is not None
    assert here.effects == []


@pytest.mark.parametrize("lie", LIES)
async def test_nothing_is_believed_that_is_no_answer(world: World, here: Ground, lie: str) -> None:
    world.on(f"{NAMESPACE}/workflows/order-1", LIES[lie])
    assert isinstance(await here.look(RUN), LookFailed)
    assert not isinstance(await here.give(RerunStep(run=RUN)), Accepted)


async def test_who_polls_that_is_not_told_names_no_cause(world: World, temporal: TemporalAnswers, here: Ground) -> None:
    history = [*BEGUN[:-1], scheduled(11, "charge", "2", decided=10, queue="nobody")]
    temporal.stands(FIRST, "RUNNING", history, pendingActivities=[pending(scheduledTime=ago(10))])
    world.on(f"{NAMESPACE}/task-queues/nobody", json_reply({"code": 7, "message": "no right"}, 403))
    assert (await here.seen(RUN)).consumers == {}
    assert isinstance(await cause(here), NoCause)


async def test_failed_runs_are_listed_and_told_by_their_history(temporal: TemporalAnswers, here: Ground) -> None:
    temporal.stands(FIRST, "FAILED", CHARGE_FAILED)
    assert isinstance(here.runner, WatchedEngine)
    since = NOW - timedelta(hours=1)
    page = await here.runner.failed_since(OF, since, None, here.allowed, within=WITHIN)
    listed = ListedRun(run_id=f"order-1/{FIRST}", at=NOW - timedelta(seconds=580))
    assert page == RunPage(runs=(listed,))
    found = await here.runner.failure_of(OF, listed, here.allowed, within=WITHIN)
    assert found == RunFailure(
        run=OF.run(listed.run_id, epoch=1, step="charge"),
        reason="invalid amount '42x': not an integer",
        error_type="ValidationError",
        payload=Payload(document="42x"),
    )
    assert await here.runner.unfinished(OF, NOW, None, here.allowed, within=WITHIN) == RunPage(runs=())


async def test_a_failed_run_that_was_reset_meanwhile_is_no_failure(temporal: TemporalAnswers, here: Ground) -> None:
    temporal.stands(FIRST, "FAILED", CHARGE_FAILED)
    temporal.stands(SECOND, "COMPLETED", CHARGED)
    assert isinstance(here.runner, WatchedEngine)
    listed = ListedRun(run_id=f"order-1/{FIRST}", at=NOW)
    found = await here.runner.failure_of(OF, listed, here.allowed, within=WITHIN)
    assert found == NotFailed(said=f"the run goes on as {SECOND}, which is COMPLETED")
