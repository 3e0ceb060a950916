"""Heals that outlast their claim's process: suspended, gone on with, cancelled, and ended by their time."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from consumer.heal.strategy import Strategies
from schemas.heal_result import FAILURE_STATUS_TYPE, HEAL_RESULT_TYPE
from schemas.names import Effect, StrategyName
from tests.support.patience import PATIENCE
from tests.support.pipeline import Running, Site, environment_of, event, until
from tests.support.shw import Ran, shw
from tests.support.worlds.jobs import Jobs, JobState, Orders

NAME = StrategyName.AUTO_RETRY


async def suspended(place: Site) -> int:
    return await place.count("heal_claim WHERE owner = 'suspended'")


async def make_due(place: Site) -> None:
    await place.db.execute("UPDATE heal_claim SET look_at = clock_timestamp() WHERE owner = 'suspended'")


async def passes(place: Site, span: timedelta) -> None:
    """Make what is suspended that much older."""
    await place.db.execute(
        "UPDATE heal_claim SET look_at = look_at - $1::interval, suspended_at = suspended_at - $1::interval", span
    )


async def dies(place: Site, strategies: Strategies, reached: asyncio.Event) -> None:
    """Run a process that dies where it stands, and let so much time pass that its claims can be taken over."""
    async with place.consumer(strategies) as running:
        await asyncio.wait_for(reached.wait(), PATIENCE)
        await running.abandon()
    await place.db.execute("DELETE FROM heal_owner WHERE isfinite(lease_until)")
    await place.time_passes(timedelta(minutes=1))


async def shw_at(place: Site, *arguments: str) -> Ran:
    return await asyncio.to_thread(shw, *arguments, settings=environment_of(place.settings))


async def balance(place: Site, org: UUID) -> str:
    return str(
        await place.db.fetchval("SELECT trim_scale(text_budget_aud)::text FROM token_wallets WHERE org_id = $1", org)
    )


def of_type(told: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one["data"] for one in told if one["type"] == kind]


@pytest.mark.parametrize("kind", [Effect.UNSAFE, Effect.KEYED])
async def test_a_heal_is_suspended_and_goes_on_until_its_job_is_done(embedded_place: Site, kind: Effect) -> None:
    place, jobs = embedded_place, Jobs()
    org = await place.organisation()
    await place.publish(event(org, "1", workflow_name="w"))
    async with place.consumer({NAME: Orders(jobs=jobs, kind=kind, every=timedelta(hours=1))}) as running:
        await until(lambda: suspended(place))
        claim = await place.db.fetchrow("SELECT * FROM heal_claim")
        assert claim is not None
        assert json.loads(claim["state"]) == {"stage": "waits", "job_id": "job-w"}
        assert (claim["state_version"], claim["suspensions"], claim["epoch"]) == (1, 1, 0)
        # Scope and credits stay held; the slot is free, and there is no attempt yet.
        assert claim["held"] == 50_000
        assert await balance(place, org) == "9.95"
        assert len(running.consumer.live) == 0
        assert await place.count("workflow_heal_attempts") == 0
        ran = await shw_at(place, "attempts", str(claim["failure_id"]))
        assert "waits for another system" in ran.err
        assert "It waits for: the job is being done." in ran.err
        await until(lambda: _shown(running))
        await make_due(place)
        await until(lambda: _suspensions(place, 2))
        jobs.all_done = True
        await make_due(place)
        row = (await running.settled(1))["w"]
    assert (row["status"], row["step"], row["attempts"]) == ("resolved", 1, 1)
    assert (jobs.orders["job-w"], jobs.looks["job-w"]) == (1, 2)
    attempt = await place.db.fetchrow("SELECT * FROM workflow_heal_attempts")
    assert attempt is not None
    assert (attempt["id"], attempt["result"]) == (claim["attempt_id"], "success")
    assert await balance(place, org) == "9.99"
    told = await place.results()
    assert [one["type"] for one in told] == [FAILURE_STATUS_TYPE, HEAL_RESULT_TYPE]
    first = of_type(told, FAILURE_STATUS_TYPE)[0]
    assert (first["status"], first["step"], first["waits_on"]) == ("pending", 0, "time")
    assert first["suspended_until"] == first["due_at"] > first["changed_at"]


async def _shown(running: Running) -> bool:
    await running.consumer.pressure.look(running.place.db)
    return running.metric("shw_suspended_heals", strategy=NAME) == 1


async def _suspensions(place: Site, number: int) -> int:
    return await place.count(f"heal_claim WHERE owner = 'suspended' AND suspensions = {number}")


@pytest.mark.parametrize("kind", [Effect.UNSAFE, Effect.KEYED])
async def test_the_heir_of_a_dead_process_polls_and_never_orders_again(embedded_place: Site, kind: Effect) -> None:
    place, jobs, reached = embedded_place, Jobs(), asyncio.Event()

    async def hangs(boundary: str) -> None:
        if boundary == "looked" and not reached.is_set():
            reached.set()
            await asyncio.Future()

    jobs.then = hangs
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    strategies = {NAME: Orders(jobs=jobs, kind=kind, every=timedelta(seconds=1))}
    await dies(place, strategies, reached)
    jobs.all_done = True
    async with place.in_another_group().consumer(strategies) as heir:
        row = (await heir.settled(1))["w"]
    assert row["status"] == "resolved"
    assert jobs.orders == {"job-w": 1}
    assert await place.count("workflow_heal_attempts") == 1


@pytest.mark.parametrize(
    ("kind", "status", "orders"), [(Effect.UNSAFE, "needs_person", 1), (Effect.KEYED, "resolved", 2)]
)
async def test_an_order_whose_answer_died_with_its_process_is_repeated_only_under_its_key(
    embedded_place: Site, kind: Effect, status: str, orders: int
) -> None:
    place, jobs, reached = embedded_place, Jobs(), asyncio.Event()

    async def dies_unanswered(boundary: str) -> None:
        if boundary == "ordered" and not reached.is_set():
            reached.set()
            await asyncio.Future()

    jobs.then = dies_unanswered
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    strategies = {NAME: Orders(jobs=jobs, kind=kind)}
    await dies(place, strategies, reached)
    jobs.all_done = True
    async with place.in_another_group().consumer(strategies) as heir:
        row = (await heir.settled(1))["w"]
    assert (row["status"], jobs.orders["job-w"]) == (status, orders)


@pytest.mark.parametrize("by_hand", [False, True], ids=["given up", "resolved in SQL"])
async def test_a_decision_has_a_suspended_heal_cancelled_at_its_provider(embedded_place: Site, by_hand: bool) -> None:
    place, jobs = embedded_place, Jobs()
    org = await place.organisation()
    await place.publish(event(org, "1", workflow_name="w"))
    async with place.consumer({NAME: Orders(jobs=jobs, every=timedelta(hours=1))}) as running:
        await until(lambda: suspended(place))
        if by_hand:
            await place.db.execute("UPDATE workflow_failures SET resolved = true")
        else:
            failure_id = str(await place.db.fetchval("SELECT id FROM workflow_failures"))
            ran = await shw_at(place, "give-up", failure_id, "--reason", "enough")
            assert ran.code == 0, ran.err
        row = (await running.settled(1))["w"]
    assert row["status"] == ("resolved" if by_hand else "given_up")
    assert (jobs.cancelled, jobs.orders) == ({"job-w"}, {"job-w": 1})
    assert await balance(place, org) == "10"
    results = of_type(await place.results(), HEAL_RESULT_TYPE)
    assert [(one["code"], one["details"]["reason"]) for one in results] == [
        ("denied", "job-w was cancelled at its provider")
    ]


async def test_a_suspension_that_takes_too_long_is_ended_by_its_strategy(embedded_place: Site) -> None:
    place, jobs = embedded_place, Jobs()
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer({NAME: Orders(jobs=jobs, every=timedelta(hours=1))}) as running:
        await until(lambda: suspended(place))
        await passes(place, timedelta(minutes=31))
        row = (await running.settled(1))["w"]
    assert (row["status"], row["unsure"], jobs.looks) == ("needs_person", True, {})
    assert await place.count("heal_claim WHERE owner = 'parked'") == 1


class LaterState(JobState):
    version = 2


async def test_a_state_of_another_release_is_left_to_it_for_a_while_and_then_to_a_person(embedded_place: Site) -> None:
    place, jobs = embedded_place, Jobs()
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer({NAME: Orders(jobs=jobs, every=timedelta(hours=1))}):
        await until(lambda: suspended(place))
    ours, theirs = Orders(jobs=jobs, states=(LaterState,)), Orders(jobs=jobs, every=timedelta(hours=1))
    await make_due(place)
    async with place.in_another_group().consumer({NAME: ours}) as other:
        await other.consumer.resume.once()
        assert await suspended(place) == 1
    async with place.in_another_group().consumer({NAME: theirs}):
        await until(lambda: _suspensions(place, 2))
    await passes(place, timedelta(hours=2, minutes=1))
    async with place.in_another_group().consumer({NAME: ours}) as other:
        row = (await other.settled(1))["w"]
    assert (row["status"], jobs.orders) == ("needs_person", {"job-w": 1})
    reason = of_type(await place.results(), HEAL_RESULT_TYPE)[0]["details"]["reason"]
    assert "auto-retry has kept a state (version 1)" in reason


async def test_organisations_with_suspended_heals_take_turns(embedded_place: Site) -> None:
    place, jobs = embedded_place.changed(heal={"slots": 4}), Jobs()
    greedy, modest = await place.organisation(), await place.organisation()
    async with place.consumer({NAME: Orders(jobs=jobs, every=timedelta(hours=1))}) as running:
        await place.publish(*(event(greedy, f"g{n}", workflow_name=f"g{n}") for n in range(12)))
        await until(lambda: _all_suspended(place, 12))
        await place.publish(event(modest, "m", workflow_name="m"))
        await until(lambda: _all_suspended(place, 13))
        jobs.all_done = True
        await make_due(place)
        await running.settled(13)
    assert max(jobs.orders.values()) == 1
    order = await place.db.fetch(
        "SELECT f.workflow_name AS name FROM workflow_heal_attempts a JOIN workflow_failures f ON f.id = a.failure_id"
        " ORDER BY a.finished_at"
    )
    assert "m" in [row["name"] for row in order[:6]]


async def _all_suspended(place: Site, number: int) -> bool:
    return await suspended(place) == number


async def test_a_crash_after_the_state_was_kept_loses_neither_state_nor_job(embedded_place: Site) -> None:
    place, jobs = embedded_place, Jobs()

    async def breaks(boundary: str) -> None:
        if boundary == "looked" and jobs.looks["job-w"] == 1:
            raise ValueError("a bug")

    jobs.then = breaks
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer({NAME: Orders(jobs=jobs)}) as running:
        await until(lambda: _suspensions(place, 2))
        jobs.all_done = True
        await make_due(place)
        row = (await running.settled(1))["w"]
    assert (row["status"], row["attempts"], jobs.orders) == ("resolved", 1, {"job-w": 1})
