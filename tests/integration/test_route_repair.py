"""route-repair through the whole service, on a small real runner: each stall named, healed or rightly left, once."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from schemas.heal_result import HEAL_RESULT_TYPE
from tests.support.pipeline import Site, catalog, event, until
from tests.support.worlds.http_world import World, json_reply
from tests.support.worlds.small_runner import Run, SmallRunner, Step, Worker, described_runner, small_runner

LIMITS = {
    # Above what a busy machine keeps a worker waiting that beats fifty times a second, and below eight looks.
    "apart": "PT0.8S",
    "queued": "PT3S",
    "silent": "PT4S",
    "cancelling": "PT3S",
    "queues": {"lonely": ["empty", "spare"]},
    "ends": "PT30S",
    "verify": "PT1M",
}


def rules(world: World) -> dict[str, Any]:
    look = {"url": world.url("/shipped/{run.id}"), "value": "/items"}
    return {"reserve": {"again": "yes"}, "charge": {"again": "no"}, "ship": {"again": "no", "read_back": look}}


def small_catalog(world: World, **more: Any) -> str:  # noqa: ANN401 - limits of route-repair
    text = catalog(world.port, runner="small", route_repair=json.dumps(LIMITS | more), steps=json.dumps(rules(world)))
    return text + f"runners: {{small: {json.dumps(described_runner(world))}}}\n"


@pytest.fixture
async def runner(world: World, tmp_path: Path) -> AsyncIterator[SmallRunner]:
    async with small_runner(world, tmp_path / "ledger") as running:
        yield running


@pytest.fixture
def place(embedded_place: Site, declared: Path) -> Site:
    assert declared.is_file()
    return embedded_place


@pytest.fixture
def declared(world: World, catalog_file: Path) -> Path:
    catalog_file.write_text(small_catalog(world))
    return catalog_file


def stalled(org: UUID, name: str, **context: Any) -> dict[str, Any]:  # noqa: ANN401 - parts of the context
    return event(
        org,
        name,
        workflow_name=name,
        failure_reason="The run is stuck: no progress",
        context={"run": {"id": name}} | context,
    )


async def results(place: Site) -> dict[str, dict[str, Any]]:
    """The last result of each workflow."""
    return {
        one["data"]["workflow_name"]: one["data"] for one in await place.results() if one["type"] == HEAL_RESULT_TYPE
    }


async def begun(runner: SmallRunner, run: str, step: str, times: int = 1) -> Worker:
    """Wait until a worker has begun a step, and give the worker."""

    async def look() -> bool:
        return runner.runs[run].steps[step].attempts >= times

    await until(look)
    worker = runner.runs[run].steps[step].worker
    assert worker is not None
    return worker


async def lose_worker(runner: SmallRunner, name: str, step: str) -> None:
    """Kill a step's worker in the middle of it; another one is there."""
    await runner.hire(name)
    runner.begin(name, {step: Step(queue=name, does=["hangs", "works"])})
    worker = await begun(runner, name, step)
    worker.process.kill()
    await worker.process.wait()
    await runner.hire(name)


async def stop_worker(runner: SmallRunner, name: str, **more: Any) -> Run:  # noqa: ANN401 - of the run
    """Stop a step's worker in the middle of it: it is there, and gives no sign of life."""
    await runner.hire(name)
    run = runner.begin(name, {"reserve": Step(queue=name, does=["hangs", "works"])})
    worker = await begun(runner, name, "reserve")
    os.kill(worker.process.pid, signal.SIGSTOP)
    for field, value in more.items():
        setattr(run, field, value)
    return run


async def no_consumer(runner: SmallRunner, name: str) -> None:
    await runner.hire("spare")
    runner.begin(name, {"charge": Step(queue="lonely")})


async def no_other_queue(runner: SmallRunner, name: str) -> None:
    runner.begin(name, {"charge": Step(queue="orphaned")})


async def worker_lost(runner: SmallRunner, name: str) -> None:
    await lose_worker(runner, name, "reserve")


async def worker_lost_in_a_charge(runner: SmallRunner, name: str) -> None:
    await lose_worker(runner, name, "charge")


async def worker_lost_before_it_shipped(runner: SmallRunner, name: str) -> None:
    runner.world.on(f"/shipped/{name}", json_reply({"items": []}))
    await lose_worker(runner, name, "ship")


async def worker_lost_after_it_shipped(runner: SmallRunner, name: str) -> None:
    runner.world.on(f"/shipped/{name}", json_reply({"items": ["a parcel"]}))
    await lose_worker(runner, name, "ship")


async def worker_stopped(runner: SmallRunner, name: str) -> None:
    await stop_worker(runner, name)


async def never_taken(runner: SmallRunner, name: str) -> None:
    await runner.hire(name)
    runner.begin(name, {"charge": Step(queue=name, does=["ignores", "works"])})


async def never_started(runner: SmallRunner, name: str) -> None:
    await runner.hire(name)
    runner.begin(name, {"charge": Step(queue=name)}, held=True)


async def failed_and_running(runner: SmallRunner, name: str) -> None:
    await runner.hire(name)
    run = runner.begin(name, {"reserve": Step(queue=name, does=["hangs", "works"])})
    await begun(runner, name, "reserve")
    run.state = "FAILED"


async def never_cancelled(runner: SmallRunner, name: str) -> None:
    await stop_worker(runner, name, state="CANCELLING")


async def optional_branch_failed(runner: SmallRunner, name: str) -> None:
    await runner.hire(name)
    steps = {"advert": Step(queue=name, state="FAILED", optional=True, attempts=1)}
    runner.begin(name, steps | {"charge": Step(queue=name, needs=["advert"])})


async def step_renamed(runner: SmallRunner, name: str) -> None:
    await runner.hire("main")
    runner.begin(name, {"charge": Step(needs=["check"])}, removed={"check": "checked"})


async def cycle(runner: SmallRunner, name: str) -> None:
    runner.begin(name, {"charge": Step(needs=["ship"]), "ship": Step(needs=["charge"])})


async def loop(runner: SmallRunner, name: str) -> None:
    run = runner.begin(name, {"poll": Step(state="DONE", completions=1), "charge": Step()}, held=True)

    async def again() -> None:
        while True:
            await asyncio.sleep(0.05)
            run.steps["poll"].completions += 1

    runner.readers.append(asyncio.create_task(again()))


async def wedged(runner: SmallRunner, name: str) -> None:
    await runner.hire(name)
    runner.begin(name, {"reserve": Step(queue=name, does=["dies"], retried=True)})
    await begun(runner, name, "reserve", 3)


async def failed_step(runner: SmallRunner, name: str) -> None:
    await runner.hire(name)
    steps = {"charge": Step(queue=name), "reserve": Step(queue=name, needs=["charge"], does=["fails", "works"])}
    runner.begin(name, steps)

    async def look() -> bool:
        return runner.runs[name].state == "FAILED"

    await until(look)


async def waits_for_person(runner: SmallRunner, name: str) -> None:
    runner.begin(name, {"approve": Step(state="WAITING", attempts=1), "charge": Step(needs=["approve"])})


async def slow_but_alive(runner: SmallRunner, name: str) -> None:
    await runner.hire(name)
    runner.begin(name, {"charge": Step(queue=name, does=["hangs"])})
    await begun(runner, name, "charge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A stall by name: how it comes to be, what it is called, and how it ends."""

    make: Callable[[SmallRunner, str], Awaitable[None]]
    status: str
    cause: str | None = None
    orders: tuple[str, ...] = ()
    step: str | None = None
    times: int = 1
    """How often its step was really begun, all in all."""


CASES = (
    Case(make=no_consumer, status="resolved", cause="no_consumer", orders=("queue",), step="charge"),
    Case(make=no_other_queue, status="needs_person", cause="no_consumer", step="charge", times=0),
    Case(make=worker_lost, status="resolved", cause="worker_lost", orders=("rerun",), step="reserve", times=2),
    Case(make=worker_lost_in_a_charge, status="needs_person", cause="worker_lost", step="charge"),
    Case(
        make=worker_lost_before_it_shipped,
        status="resolved",
        cause="worker_lost",
        orders=("rerun",),
        step="ship",
        times=2,
    ),
    Case(make=worker_lost_after_it_shipped, status="needs_person", cause="worker_lost", step="ship"),
    Case(
        make=worker_stopped,
        status="resolved",
        cause="heartbeat_missing",
        orders=("terminate", "rerun"),
        step="reserve",
        times=2,
    ),
    Case(make=never_taken, status="resolved", cause="not_picked_up", orders=("terminate", "rerun"), step="charge"),
    Case(make=never_started, status="resolved", cause="never_started", orders=("rerun",), step="charge"),
    Case(
        make=failed_and_running,
        status="resolved",
        cause="failed_still_running",
        orders=("terminate", "rerun"),
        step="reserve",
        times=2,
    ),
    Case(make=never_cancelled, status="resolved", cause="stuck_cancelling", orders=("terminate",), step="reserve"),
    Case(make=optional_branch_failed, status="resolved", cause="join_unmet", orders=("skip",), step="charge"),
    Case(make=step_renamed, status="resolved", cause="step_removed", orders=("remap",), step="charge"),
    Case(make=cycle, status="needs_person", cause="dependency_cycle", step="charge", times=0),
    Case(make=loop, status="needs_person", cause="loop", step="charge", times=0),
    Case(make=wedged, status="needs_person", cause="wedged"),
    Case(make=failed_step, status="resolved", cause="step_failed", orders=("rerun",), step="charge"),
    Case(make=waits_for_person, status="given_up", cause="waiting", step="charge", times=0),
    Case(make=slow_but_alive, status="deferred", step="charge"),
)


async def test_each_stall_is_named_and_healed_once_or_rightly_left(place: Site, runner: SmallRunner) -> None:
    org = await place.organisation("1")
    for case in CASES:
        await case.make(runner, case.make.__name__)
    await place.publish(*(stalled(org, case.make.__name__) for case in CASES))
    async with place.consumer() as running:
        rows = await running.settled(len(CASES))
    told = await results(place)
    for case in CASES:
        name = case.make.__name__
        said, run = told[name], runner.runs[name]
        why = f"{name}: {json.dumps(said['details'])[:2000]}"
        assert rows[name]["status"] == case.status, why
        assert (said["strategy"], said["details"]["stall"]["cause"]) == ("route-repair", case.cause), why
        assert tuple(kind for kind, _ in run.orders) == case.orders, why
        assert all(step.completions <= 1 for step in run.steps.values()) or case.cause == "loop", why
        if case.step is not None:
            assert runner.did("begun", name, case.step) == case.times, why
            assert runner.did("done", name, case.step) <= 1, why
        if case.cause is not None and case.status != "resolved":
            assert case.cause in said["details"]["reason"], why
        if case.orders:
            assert said["details"]["route"]["changed"]["act"], why
            assert {"before", "after"} <= said["details"]["route"].keys(), why


async def test_another_input_for_an_engine_that_takes_none_is_for_a_person(place: Site, runner: SmallRunner) -> None:
    org = await place.organisation("1")
    await runner.hire("given")
    runner.begin("given", {"reserve": Step(queue="given", does=["fails", "works"])})
    await begun(runner, "given", "reserve")
    given = {"run": {"id": "given", "step": "reserve"}, "payload": {"amount": 42}, "given": {"payload": "token"}}
    await place.publish(stalled(org, "given", **given))
    async with place.consumer() as running:
        rows = await running.settled(1)
    said = (await results(place))["given"]
    assert rows["given"]["status"] == "needs_person"
    assert "step_failed" in said["details"]["reason"]
    assert "no place for a payload" in said["details"]["reason"]
    assert runner.runs["given"].orders == []


async def test_a_failed_step_without_a_request_is_run_again_and_a_charge_is_left_to_a_person(
    place: Site, runner: SmallRunner
) -> None:
    org = await place.organisation("1")
    names = {"reserved": "reserve", "charged": "charge"}
    for name, step in names.items():
        await runner.hire(name)
        runner.begin(name, {step: Step(queue=name, does=["fails", "works"])})
        await begun(runner, name, step)
    failed = [
        event(org, name, workflow_name=name, failure_reason="upstream answered 503", context={"run": {"id": name}})
        for name in names
    ]
    await place.publish(*failed)
    async with place.consumer() as running:
        rows = await running.settled(len(names))
    told = await results(place)
    assert {name: row["status"] for name, row in rows.items()} == {"reserved": "resolved", "charged": "needs_person"}
    # Whatever rung comes after it asks the same rule.
    assert {name: one["strategy"] for name, one in told.items()} == {
        "reserved": "auto-retry",
        "charged": "route-repair",
    }
    assert [kind for kind, _ in runner.runs["reserved"].orders] == ["rerun"]
    assert {one["oracle"]: one["verdict"] for one in told["reserved"]["evidence"]} == {"run": "passed"}
    assert runner.runs["charged"].orders == []
    assert "may have had its effect" in told["charged"]["details"]["reason"]
    assert runner.did("begun", "charged", "charge") == 1
    assert told["charged"]["code"] == "needs_person"
