"""Lasting strategies of authors from outside, with every mistake; and what people do to their heals meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from consumer.heal.calls.session import Calls
from consumer.heal.kept import Suspended
from consumer.heal.strategy import EffectGate, Task
from consumer.model import Outcome
from consumer.outbound.calls import open_calls
from schemas.heal_result import HEAL_RESULT_TYPE
from schemas.names import Effect, StrategyName
from tests.integration.test_approvals import answer, asked, mark
from tests.support import oracle
from tests.support.pipeline import Site, catalog, environment_of, event, until
from tests.support.shw import Ran, shw
from tests.support.worlds.http_world import World
from tests.support.worlds.jobs import Jobs, JobState, Orders
from tests.support.worlds.render_farm import Farm, Renders
from tests.support.worlds.scripted import Scripted, scripted

NAME = StrategyName.AUTO_RETRY
HOUR = timedelta(hours=1)


@pytest.fixture
async def calls() -> AsyncIterator[Calls]:
    async with open_calls({}) as opened:
        yield opened


@pytest.fixture
def farm(world: World) -> Farm:
    return Farm(world=world)


async def shw_at(place: Site, *arguments: str, code: int = 0) -> Ran:
    ran = await asyncio.to_thread(shw, *arguments, settings=environment_of(place.settings))
    assert ran.code == code, ran.err
    return ran


async def suspended(place: Site, number: int = 1) -> bool:
    return await place.count("heal_claim WHERE owner = 'suspended'") == number


async def make_due(place: Site) -> None:
    await place.db.execute("UPDATE heal_claim SET look_at = clock_timestamp() WHERE owner = 'suspended'")


async def suspended_again(place: Site, times: int) -> bool:
    return await place.count(f"heal_claim WHERE owner = 'suspended' AND suspensions >= {times}") == 1


async def decide(place: Site) -> None:
    """A person says that nothing is to be healed any more."""
    await place.db.execute("UPDATE workflow_failures SET resolved = true")


async def failure_id(place: Site) -> str:
    return str(await place.db.fetchval("SELECT id FROM workflow_failures"))


async def render(place: Site, farm: Farm) -> UUID:
    org = await place.organisation()
    context = {"render": {"farm": farm.world.url(""), "scene": "a lake"}}
    await place.publish(event(org, "1", workflow_name="w", context=context))
    return org


async def reasons(place: Site) -> list[str]:
    return [one["data"]["details"]["reason"] for one in await place.results() if one["type"] == HEAL_RESULT_TYPE]


async def test_a_strategy_from_outside_is_shown_while_it_waits_and_looks_when_it_is_asked_to(
    embedded_place: Site, farm: Farm, calls: Calls
) -> None:
    place = embedded_place
    org = await render(place, farm)
    async with place.consumer({NAME: Renders(calls=calls, kind=Effect.UNSAFE)}) as running:
        await until(lambda: suspended(place))
        one = await failure_id(place)
        (shown,) = (ran := await shw_at(place, "show", one, "--json")).json
        heal = shown["heal"]
        assert (shown["status"], heal["strategy"], heal["stands"]) == ("pending", "auto-retry", "suspended")
        assert (heal["waits_for"], heal["suspensions"]) == ("job-1 is rendering", 1)
        assert heal["state"] == {"stage": "rendering", "job_id": "job-1"}
        assert heal["since"] < heal["until"]
        assert heal["credits_held_aud"] == "0.02"
        assert f"`shw heal {one}` has it look there now" in ran.err
        (listed,) = (await shw_at(place, "failures", "--json")).json
        assert listed["suspended_until"] == heal["until"]
        assert "looks there now. Nothing is begun anew" in (await shw_at(place, "heal", one)).err
        await until(lambda: suspended_again(place, 2))
        farm.end_all()
        await shw_at(place, "heal", one)
        row = (await running.settled(1))["w"]
    assert row["status"] == "resolved"
    assert farm.calls == {"order": 1, "GET": 2}
    await oracle.credits_add_up(place, {org: "10"})
    await oracle.one_attempt_per_step(place)


@pytest.mark.parametrize("kind", [Effect.KEYED, Effect.UNSAFE])
async def test_what_is_taken_back_begins_at_the_gate_like_every_effect(
    embedded_place: Site, farm: Farm, calls: Calls, kind: Effect
) -> None:
    place = embedded_place
    await render(place, farm)
    async with place.consumer({NAME: Renders(calls=calls, kind=kind)}) as running:
        await until(lambda: suspended(place))
        await decide(place)
        await running.settled(1)
    assert farm.jobs == {"job-1": "cancelled"}
    assert farm.calls == {"order": 1, "DELETE": 1}
    assert await reasons(place) == ["job-1 was taken back"]


async def test_a_provider_that_is_away_or_knows_no_such_job_is_told(
    embedded_place: Site, farm: Farm, calls: Calls
) -> None:
    place = embedded_place
    assert place.settings.catalog is not None
    place.settings.catalog.write_text(catalog(farm.world.port, attempts="1"))
    await render(place, farm)
    farm.away = True
    async with place.consumer({NAME: Renders(calls=calls, kind=Effect.UNSAFE)}) as running:
        await until(lambda: suspended(place))
        await make_due(place)
        await until(lambda: suspended_again(place, 2))
        assert await place.db.fetchval("SELECT waits_for FROM heal_claim") == "the farm does not answer"
        farm.away = False
        farm.jobs.clear()
        await make_due(place)
        row = (await running.settled(1))["w"]
    assert (row["status"], await reasons(place)) == ("given_up", ["the farm knows no job-1"])
    said = (await shw_at(place, "show", await failure_id(place))).err
    assert "is given_up; no heal of it is under way. `shw attempts` says why; `shw heal` begins it anew." in said


@dataclass(frozen=True, slots=True, kw_only=True)
class Careless(Orders):
    """Does after its order as the workflow's name says: what a compiler would not find."""

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        ended: Any = await Orders.heal(self, task, gate)
        state = ended.state
        wrong: dict[str, Any] = {
            "forgets": None,
            "no time": Suspended(state=state, look_again=None),  # type: ignore[arg-type]
            "no reason": Suspended(state=state, look_again=HOUR, reason=None),  # type: ignore[arg-type]
            "a dict": {"job_id": state.job_id},
        }
        return wrong.get(task.failure.workflow_name, ended)  # type: ignore[no-any-return]

    async def cancel(self, task: Task, gate: EffectGate, kept: Any) -> Outcome:  # noqa: ANN401 - the Protocol's
        del task, gate, kept
        raise ConnectionError("the provider hung up")


async def test_careless_strategies_order_once_lose_no_job_and_stop_nobody(embedded_place: Site) -> None:
    place, jobs = embedded_place, Jobs()
    org = await place.organisation()
    names = ["forgets", "no time", "no reason", "a dict"]
    async with place.consumer({NAME: Careless(jobs=jobs, kind=Effect.UNSAFE, every=HOUR)}) as running:
        await place.publish(*(event(org, name, workflow_name=name) for name in names))
        await until(lambda: suspended(place, len(names)))
        waits = await place.db.fetch("SELECT waits_for FROM heal_claim")
        assert {row["waits_for"] for row in waits} == {"auto-retry crashed: TypeError"}
        await place.publish(event(org, "sane", workflow_name="sane"))
        await until(lambda: suspended(place, len(names) + 1))
        jobs.all_done = True
        await make_due(place)
        rows = await running.settled(len(names) + 1)
    assert {row["status"] for row in rows.values()} == {"resolved"}
    assert jobs.orders == {f"job-{name}": 1 for name in (*names, "sane")}
    await oracle.credits_add_up(place, {org: "10"})


async def test_where_taking_back_breaks_the_job_is_told_to_whoever_looks_for_it(embedded_place: Site) -> None:
    place, jobs = embedded_place, Jobs()
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer({NAME: Careless(jobs=jobs, kind=Effect.KEYED, every=HOUR)}) as running:
        await until(lambda: suspended(place))
        await decide(place)
        await running.settled(1)
    (told,) = [one["data"] for one in await place.results() if one["type"] == HEAL_RESULT_TYPE]
    assert told["details"]["kept"] == {"stage": "waits", "job_id": "job-w"}
    assert told["details"]["reason"] == "auto-retry crashed: ConnectionError"


async def test_a_failure_that_is_deleted_while_its_heal_is_suspended_leaves_neither_scope_nor_credits_held(
    embedded_place: Site,
) -> None:
    place, jobs = embedded_place, Jobs()
    org = await place.organisation()
    await place.publish(event(org, "1", workflow_name="w", context={"scope": "shared"}))
    async with place.consumer({NAME: Orders(jobs=jobs, every=HOUR)}):
        await until(lambda: suspended(place))
        await place.publish(event(org, "2", workflow_name="v", context={"scope": "shared"}))
        await until(lambda: _waits_for_scope(place))
        await place.db.execute("DELETE FROM workflow_failures WHERE workflow_name = 'w'")
        await make_due(place)
        await until(lambda: _is_ordered(jobs, "job-v"))
        await until(lambda: suspended(place))
        await oracle.ledger_adds_up(place.db, {org: "10"})


async def _waits_for_scope(place: Site) -> bool:
    return await place.count("workflow_failures WHERE waits_on LIKE '%:job:shared'") == 1


async def _is_ordered(jobs: Jobs, job: str) -> bool:
    return jobs.orders[job] == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed(Orders):
    """Orders only when it goes on."""

    async def heal(self, task: Task, gate: EffectGate) -> Outcome | Suspended:
        del task, gate
        return Suspended(state=JobState(stage="orders"), look_again=HOUR, reason="the shop is closed")


async def test_a_pause_holds_a_suspended_heal_before_its_order_as_no_part_of_its_time_and_lets_it_look(
    embedded_place: Site,
) -> None:
    place, jobs = embedded_place, Jobs()
    org = await place.organisation()
    await place.publish(event(org, "1", workflow_name="w"))
    async with place.consumer({NAME: Postponed(jobs=jobs, every=HOUR)}) as running:
        await until(lambda: suspended(place))
        since = await place.db.fetchval("SELECT suspended_at FROM heal_claim")
        await shw_at(place, "pause", "--fleet", "--reason", "they move it")
        await make_due(place)
        await until(lambda: suspended_again(place, 2))
        assert "they move it" in await place.db.fetchval("SELECT waits_for FROM heal_claim")
        assert jobs.orders == {}
        later = await place.db.fetchval("SELECT suspended_at FROM heal_claim")
        assert later - since == timedelta(seconds=10)
        await shw_at(place, "resume", "--fleet", "--reason", "it went well")
        await until(lambda: _orders_when_due(place, jobs))
        await until(lambda: suspended(place))
        await shw_at(place, "pause", "--strategy", "auto-retry", "--reason", "they move it again")
        jobs.all_done = True
        await make_due(place)
        row = (await running.settled(1))["w"]
    assert (row["status"], jobs.orders) == ("resolved", {"job-w": 1}), "a look has no effect that a pause holds"
    await oracle.credits_add_up(place, {org: "10"})


async def _orders_when_due(place: Site, jobs: Jobs) -> bool:
    await make_due(place)  # until it has noticed that the pause is over, it is suspended for it once more
    return jobs.orders["job-w"] == 1


async def test_a_no_to_the_approved_plan_has_its_suspended_heal_taken_back(embedded_place: Site) -> None:
    place, jobs = embedded_place, Jobs()
    mark(place)
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer({NAME: Orders(jobs=jobs, kind=Effect.KEYED, every=HOUR)}) as running:
        said = await asked(place)
        await answer(place, said)
        await until(lambda: suspended(place))
        assert (await answer(place, said, approves=False, reason="not on a Friday")).revoked
        await running.settled(1)
    assert (jobs.cancelled, jobs.orders) == ({"job-w"}, {"job-w": 1})
    assert "job-w was cancelled at its provider" in await reasons(place)


async def test_a_heal_whose_strategy_was_uninstalled_is_shown_as_overdue_and_then_waits_for_a_person(
    embedded_place: Site,
) -> None:
    place, jobs = embedded_place, Jobs()
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer({NAME: Orders(jobs=jobs, every=HOUR)}):
        await until(lambda: suspended(place))
    one = await failure_id(place)
    await place.db.execute("UPDATE heal_claim SET look_at = clock_timestamp() - interval '10 minutes'")
    said = (await shw_at(place, "show", one)).err
    assert "It is overdue by 6" in said
    assert "no consumer runs that reads version 1 of its state" in said
    await place.db.execute("UPDATE heal_claim SET look_at = clock_timestamp() - interval '2 hours'")
    others = {StrategyName.SCHEMA_AUTOFIX: Scripted(heals=_never, name=StrategyName.SCHEMA_AUTOFIX)}
    async with place.in_another_group().consumer(others) as running:
        row = (await running.settled(1))["w"]
        (shown,) = (ran := await shw_at(place, "show", one, "--json")).json
    assert row["status"] == "needs_person"
    assert (shown["heal"]["stands"], shown["heal"]["state"]["job_id"]) == ("parked", "job-w")
    assert "Look at the other system for what it has kept" in ran.err
    (told,) = [one["data"] for one in await place.results() if one["type"] == HEAL_RESULT_TYPE]
    assert told["details"]["kept"]["job_id"] == "job-w"


async def test_after_a_failover_a_suspended_heal_goes_on_under_another_id_with_its_credits(
    embedded_place: Site,
) -> None:
    place, jobs = embedded_place, Jobs()
    org = await place.organisation()
    await place.publish(event(org, "1", workflow_name="w"))
    async with place.consumer({NAME: Orders(jobs=jobs, kind=Effect.KEYED, every=HOUR)}) as running:
        await until(lambda: suspended(place))
        before = await place.db.fetchval("UPDATE heal_claim SET history = history - 1 RETURNING attempt_id")
        jobs.all_done = True
        await make_due(place)
        row = (await running.settled(1))["w"]
    assert (row["status"], jobs.orders) == ("resolved", {"job-w": 1})
    assert await place.db.fetchval("SELECT id FROM workflow_heal_attempts") != before
    await oracle.credits_add_up(place, {org: "10"})


async def _never(task: Task, gate: EffectGate) -> Outcome:
    raise AssertionError((task, gate))


async def test_what_is_shown_of_no_failure_and_of_one_without_a_heal_is_plain(embedded_place: Site) -> None:
    place = embedded_place
    unknown = "00000000-0000-4000-8000-000000000000"
    assert f"No failure {unknown}" in (await shw_at(place, "show", unknown, code=1)).err
    running = asyncio.Event()

    async def hangs(task: Task, gate: EffectGate) -> Outcome:
        del task, gate
        running.set()
        return await asyncio.Future()

    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer(scripted(hangs)) as one:
        await running.wait()
        (shown,) = (ran := await shw_at(place, "show", await failure_id(place), "--json")).json
        assert (shown["heal"]["stands"], shown["heal"]["state"]) == ("running", None)
        assert "A consumer heals it now" in ran.err
        await one.abandon()
