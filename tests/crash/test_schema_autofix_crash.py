"""schema-autofix under kills: before, in and after an order, and around its settle, a step is run again once.

The embedded broker is enough: what differs with another one is proven in `test_fault_matrix.py`.
"""

import signal
from pathlib import Path
from uuid import UUID

import pytest

from consumer.catalog import parse_catalog
from consumer.heal.schema_autofix.strategy import SchemaAutofix
from consumer.outbound.calls import open_calls
from consumer.redact import redact_json
from consumer.repair.worker_pool import repair_worker_pool
from consumer.runners.configured import ConfiguredRunners
from schemas.names import StrategyName
from tests.support import oracle
from tests.support.faults.matrix import FULL
from tests.support.faults.run_consumer import Act, Acting
from tests.support.pipeline import SECOND, Process, Site, event, process, until
from tests.support.worlds.http_engine import TAKEN, Engine, engine_catalog, refused_payload
from tests.support.worlds.http_world import World, json_reply

REASON = "Validation failed: '42' is not of type 'integer'"
RUNS = 4
DRIFT_AFTER = 3
WINDOW = 4.0
"""Seconds of a claim's window, for a process that is stopped: its own clock cannot be put forward."""


@pytest.fixture
def engine(world: World, catalog_file: Path) -> Engine:
    catalog_file.write_text(engine_catalog(world, drift_after=DRIFT_AFTER))
    return Engine(world=world)


@pytest.fixture
def patient(world: World, catalog_file: Path) -> Engine:
    """An engine that takes its time, and is given it."""
    catalog_file.write_text(engine_catalog(world, drift_after=DRIFT_AFTER, verify="PT2M"))
    return Engine(world=world, looks=6)


async def fail(place: Site, engine: Engine, org: UUID, runs: int) -> None:
    for n in range(runs):
        engine.run(f"run-{n}")
        failed = event(org, n, workflow_name="daily", failure_reason=REASON, context=refused_payload(f"run-{n}"))
        await place.publish(failed)


def slow_answers(world: World, runs: int) -> None:
    """Let each order do its work at once and answer late, so that a kill finds it under way."""
    for n in range(runs):
        path = f"/runs/run-{n}/steps/charge/rerun"
        works = world.scripts[path]

        def late(count: int, seen: object, works: object = works) -> object:
            works(count, seen)  # type: ignore[operator]
            return json_reply({}, 202, after=1.0 if count == 1 else 0.0)

        world.scripts[path] = late  # type: ignore[assignment]


AT = [("before", 2), ("during", 1), ("after", 1), ("in settle", 1), ("settle", 1)]


@pytest.mark.parametrize(("at", "nth"), AT, ids=[at for at, _ in AT])
async def test_after_a_kill_every_step_is_run_again_once_and_proven(
    embedded_place: Site, world: World, engine: Engine, tmp_path: Path, at: str, nth: int
) -> None:
    place = embedded_place
    org = await place.organisation("1")
    await fail(place, engine, org, RUNS)
    if at == "during":
        slow_answers(world, RUNS)
    mortal = place.changed(kafka={"session_timeout": SECOND})
    async with process(mortal, tmp_path / "log", at=at, nth=str(nth), path="") as killed:
        assert await killed.ended() == -signal.SIGKILL, killed.last_lines
    if at != "before":  # the world reads what was sent, whenever it comes to it

        async def is_ordered() -> bool:
            return any(engine.orders(f"run-{n}") for n in range(RUNS))

        await until(is_ordered)
    await place.time_passes()
    async with place.consumer():

        async def resolved() -> bool:
            # One that runs is looked at again in a minute.
            await place.db.execute("UPDATE workflow_failures SET due_at = clock_timestamp() WHERE status = 'deferred'")
            rest = await place.count("heal_outbox")
            return await place.count("workflow_failures WHERE resolved") == RUNS and rest == 0

        await until(resolved)

    for n in range(RUNS):
        assert engine.inputs[f"run-{n}"] == [TAKEN], "lost, or run again twice"
        assert len({seen.key for seen in engine.orders(f"run-{n}")}) <= 1
    told = [one for one in await oracle.everything_that_ended_was_told(place) if one["data"].get("result") == "success"]
    assert all("passed" in {proof["verdict"] for proof in one["data"]["evidence"]} for one in told)
    await oracle.one_attempt_per_step(place)
    await oracle.credits_add_up(place, {org: "1"})
    # A repair counts with its settle or not at all; of a run that had come through by then nobody knows whose it was.
    verified = "workflow_heal_attempts WHERE result = 'success' AND details ->> 'code' IS NULL"
    ours = await place.count(verified)
    counted = await place.db.fetch("SELECT repairs, raised_at IS NOT NULL AS raised FROM producer_drift")
    ways = [(ours, ours >= DRIFT_AFTER)] * 3 if ours else []
    assert [(row["repairs"], row["raised"]) for row in counted] == ways


WATCHES = [("suspended", 1, signal.SIGKILL), ("going on", 1, signal.SIGSTOP)]
WATCHES += [(at, 1, number) for at in ("gone on", "looked") for number in (signal.SIGKILL, signal.SIGSTOP) if FULL]


@pytest.mark.parametrize(("at", "nth", "number"), WATCHES, ids=[f"{number.name} {at}" for at, _, number in WATCHES])
async def test_a_run_whose_watcher_is_gone_is_watched_on_by_another_and_ordered_once(
    embedded_place: Site,
    patient: Engine,
    tmp_path: Path,
    at: str,
    nth: int,
    number: signal.Signals,
) -> None:
    place, engine = embedded_place, patient
    org = await place.organisation("1")
    await fail(place, engine, org, 1)
    acts = {"at": at, "nth": str(nth), "path": "", "signal": number.name, "window": "15", "suspends": "0.3"}
    async with process(place, tmp_path / "log", **acts) as struck:
        if number is signal.SIGKILL:
            assert await struck.ended() == -signal.SIGKILL, struck.last_lines
        else:
            await until(struck.is_stopped)
        assert await place.count("heal_claim WHERE state IS NOT NULL AND strategy = 'schema-autofix'") == 1
        async with place.in_another_group().consumer() as other:
            row = (await other.settled(1))["daily"]
            attempts = await place.db.fetch("SELECT * FROM workflow_heal_attempts ORDER BY id")
            if number is signal.SIGSTOP:
                struck.tell(signal.SIGCONT)
                await until(lambda: _has_lost(struck))
                struck.tell(signal.SIGTERM)
                assert await struck.ended() == 0, struck.last_lines
    assert row["status"] == "resolved", [one["details"] for one in attempts]
    assert engine.inputs["run-0"] == [TAKEN]
    assert len(engine.orders("run-0")) == 1
    assert await place.db.fetch("SELECT * FROM workflow_heal_attempts ORDER BY id") == attempts
    assert await place.count("producer_drift WHERE repairs = 1") == 3
    await oracle.everything_that_ended_was_told(place)
    await oracle.one_attempt_per_step(place)
    await oracle.credits_add_up(place, {org: "1"})


@pytest.mark.parametrize(
    ("at", "made"),
    [pytest.param("before", 0, id="before the order"), pytest.param("after", 1, id="after it")],
)
async def test_a_stopped_process_that_comes_back_orders_nothing_and_settles_nothing(
    embedded_place: Site, world: World, engine: Engine, tmp_path: Path, at: str, made: int
) -> None:
    place = embedded_place
    org = await place.organisation("1")
    await fail(place, engine, org, 1)
    async with process(place, tmp_path / "log", at=at, signal="SIGSTOP", window=str(WINDOW), path="") as stopped:
        await until(stopped.is_stopped)
        assert len(engine.orders("run-0")) == made
        catalog = parse_catalog(engine_catalog(world))
        async with open_calls({}) as calls, repair_worker_pool() as room:
            autofix = SchemaAutofix(ConfiguredRunners(catalog.runners, calls), room, redact_json)
            acting = {StrategyName.SCHEMA_AUTOFIX: Acting(autofix, Act(window=WINDOW))}
            async with place.in_another_group().consumer(acting) as other:
                row = (await other.settled(1))["daily"]
                attempts = await place.db.fetch("SELECT * FROM workflow_heal_attempts ORDER BY id")
                seen = len(engine.orders("run-0"))
                stopped.tell(signal.SIGCONT)
                await until(lambda: _has_lost(stopped))
        stopped.tell(signal.SIGTERM)
        assert await stopped.ended() == 0, stopped.last_lines
    assert row["status"] == "resolved"
    assert len(engine.orders("run-0")) == seen, "an order after the deadline"
    assert engine.inputs["run-0"] == [TAKEN]
    assert await place.db.fetch("SELECT * FROM workflow_heal_attempts ORDER BY id") == attempts
    await oracle.everything_that_ended_was_told(place)
    await oracle.one_attempt_per_step(place)
    await oracle.credits_add_up(place, {org: "1"})


async def _has_lost(stopped: Process) -> bool:
    return stopped.said("claim_lost", "settled_by_another", "suspended_by_another")
