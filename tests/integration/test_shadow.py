"""A strategy in shadow mode is planned and told, and does nothing; it is held against what happened."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

from consumer.heal.strategy import EffectGate, Strategies, Task
from consumer.model import Healed, Outcome, Proof
from consumer.pipeline.rehearsing import MOST_WAITING
from schemas.heal_result import FAILURE_STATUS_TYPE
from schemas.names import Effect, StrategyName, Verdict
from tests.support.pipeline import Site, catalog, environment_of, event, until
from tests.support.shw import shw
from tests.support.worlds.http_engine import TAKEN, Engine, engine_catalog, refused_payload
from tests.support.worlds.http_world import World, json_reply
from tests.support.worlds.scripted import Scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))
INVALID = "Validation failed: '42' is not of type 'integer'"
TWO = "{api_timeout: [auto-retry, dependency-replacement]}"


class Acting:
    """Remembers which strategy acted."""

    def __init__(self) -> None:
        self.acted: list[str] = []

    async def heal(self, task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        self.acted.append(task.plan.strategy)
        return PROVEN

    def strategies(self, *names: StrategyName) -> Strategies:
        return {name: Scripted(heals=self.heal, kind=Effect.KEYED, name=name) for name in names}


def place_with(place: Site, catalog_file: Path, **policy: str) -> Site:
    catalog_file.write_text(catalog(9, **policy))
    return place


def write(catalog_file: Path, text: str) -> None:
    catalog_file.write_text(text)


async def shadows(place: Site) -> list[dict[str, Any]]:
    told = [one["data"] for one in await place.results() if one["type"] == FAILURE_STATUS_TYPE]
    return [one for one in told if one.get("would_heal")]


async def test_a_workflow_in_shadow_mode_is_told_what_would_be_done_and_waits_for_a_person(
    embedded_place: Site, catalog_file: Path
) -> None:
    place, acting = place_with(embedded_place, catalog_file, mode="shadow"), Acting()
    org = await place.organisation()
    await place.publish(event(org, "1", workflow_name="w", context={"dependency": "https://a.example:443"}))
    async with place.consumer(acting.strategies(StrategyName.AUTO_RETRY)) as running:
        rows = await running.settled(1)
        assert rows["w"]["status"] == "needs_person"
        assert rows["w"]["attempts"] == 0
    assert acting.acted == []
    assert await place.count("heal_claim") == 0
    assert await place.count("token_usage_events") == 0
    assert json.loads(str(await place.db.fetchval("SELECT details FROM workflow_heal_attempts")))["code"] == "shadow"
    (told,) = await shadows(place)
    would = told["would_heal"]
    assert (told["code"], told["status"], would["strategy"]) == ("shadow", "needs_person", "auto-retry")
    assert would["scope"].startswith(str(org))
    assert would["cost"] == "0.05"
    assert would["plan"]["effect"] == "keyed"
    assert would["plan"]["dependencies"] == ["https://a.example:443"]
    assert would["rehearsal"] == {"outcome": "would_act", "reason": "", "would_send": []}


async def test_one_strategy_in_shadow_mode_leaves_the_failure_to_the_next_rung_and_is_graded(
    embedded_place: Site, catalog_file: Path
) -> None:
    place = place_with(embedded_place, catalog_file, ladders=TWO, rungs="{auto-retry: {mode: shadow}}")
    acting, org = Acting(), await place.organisation()
    await place.publish(event(org, "1", workflow_name="w"))
    both = acting.strategies(StrategyName.AUTO_RETRY, StrategyName.DEPENDENCY_REPLACEMENT)
    async with place.consumer(both) as running:
        rows = await running.settled(1)
        assert rows["w"]["status"] == "resolved"
    assert acting.acted == ["dependency-replacement"]
    (told,) = await shadows(place)
    assert (told["would_heal"]["strategy"], told["status"]) == ("auto-retry", "resolved")
    (report,) = shw("shadow", "report", "--json", settings=environment_of(place.settings)).json
    assert (report["strategy"], report["would_heal"], report["healed"]) == ("auto-retry", 1, 1)


async def test_what_would_have_been_healed_is_graded_by_what_happened(embedded_place: Site, catalog_file: Path) -> None:
    place, acting = place_with(embedded_place, catalog_file, mode="shadow"), Acting()
    org = await place.organisation()
    await place.publish(*(event(org, n, workflow_name=f"w{n}") for n in range(3)))
    async with place.consumer(acting.strategies(StrategyName.AUTO_RETRY)) as running:
        await running.settled(3)
    ids = [str(row["id"]) for row in await place.db.fetch("SELECT id FROM workflow_failures ORDER BY workflow_name")]
    for failure_id, command in zip(ids, ("resolve", "give-up"), strict=False):
        ran = shw(command, failure_id, "--reason", "seen", settings=environment_of(place.settings))
        assert ran.code == 0, ran.err
    reported = shw("shadow", "report", "--org", str(org), "--json", settings=environment_of(place.settings)).json
    by_name = {one["workflow"]: one for one in reported}
    assert [by_name[f"w{n}"][what] for n, what in enumerate(("mended_by_person", "given_up", "open"))] == [1, 1, 1]
    assert {one["would_heal"] for one in reported} == {1}
    assert {one["cost_aud"] for one in reported} == {"0.05"}


async def test_once_its_strategy_is_live_whoever_asks_has_it_healed(embedded_place: Site, catalog_file: Path) -> None:
    place, acting = place_with(embedded_place, catalog_file, mode="shadow"), Acting()
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer(acting.strategies(StrategyName.AUTO_RETRY)) as running:
        rows = await running.settled(1)
    failure_id, settings = str(rows["w"]["id"]), environment_of(place.settings)
    assert rows["w"]["status"] == "needs_person"
    place_with(place, catalog_file, mode="live")
    async with place.consumer(acting.strategies(StrategyName.AUTO_RETRY)):
        ran = await asyncio.to_thread(shw, "heal", failure_id, "--wait", "30", settings=settings)
        assert ran.code == 0, ran.err
    assert acting.acted == ["auto-retry"]
    assert (await place.failures())["w"]["status"] == "resolved"


async def test_a_rehearsal_tells_what_would_really_have_been_sent_and_sends_nothing(
    embedded_place: Site, catalog_file: Path, world: World
) -> None:
    write(catalog_file, catalog(world.port, mode="shadow"))
    place, org = embedded_place, await embedded_place.organisation()
    world.on("/orders", json_reply({"id": "o-17"}, 201))
    world.on("/orders/17", json_reply({"error": "none"}, 404))
    request = {
        "method": "POST",
        "url": world.url("/orders"),
        "headers": {"accept": "application/json"},
        "body": {"order": 17},
        "effect": "unsafe",
        "read_back": {"url": world.url("/orders/17"), "after_seconds": 0},
    }
    await place.publish(event(org, "1", workflow_name="w", context={"request": request}))
    async with place.consumer() as running:
        rows = await running.settled(1)
    assert rows["w"]["status"] == "needs_person"
    assert world.calls("/orders") == []
    assert world.calls("/orders/17") != []
    (told,) = await shadows(place)
    rehearsal = told["would_heal"]["rehearsal"]
    assert (rehearsal["outcome"], told["code"]) == ("would_act", "shadow")
    (call,) = rehearsal["would_send"]
    assert (call["method"], call["url"], json.loads(call["body"])) == ("POST", world.url("/orders"), {"order": 17})
    assert await place.count("heal_claim") == await place.count("token_usage_events") == 0


async def test_a_rehearsed_repair_tells_the_repaired_payload(
    embedded_place: Site, catalog_file: Path, world: World
) -> None:
    write(catalog_file, engine_catalog(world).replace("  hosts:", "  mode: shadow\n  hosts:", 1))
    place, engine = embedded_place, Engine(world=world)
    engine.run("run-1")
    context = refused_payload("run-1")
    await place.publish(event(await place.organisation(), "1", failure_reason=INVALID, context=context))
    async with place.consumer() as running:
        await running.settled(1)
    (told,) = await shadows(place)
    (call,) = told["would_heal"]["rehearsal"]["would_send"]
    assert json.loads(call["body"]) == {"input": TAKEN}
    assert engine.orders("run-1") == []
    assert len(world.calls("/runs/run-1")) == 1


async def test_a_rehearsal_that_would_refuse_says_so(embedded_place: Site, catalog_file: Path, world: World) -> None:
    write(catalog_file, engine_catalog(world).replace("  hosts:", "  mode: shadow\n  hosts:", 1))
    place, engine = embedded_place, Engine(world=world)
    engine.run("run-1")
    context = refused_payload("run-1", {"order_id": "o-17", "amount": "about 40", "status": "paid"})
    await place.publish(event(await place.organisation(), "1", failure_reason=INVALID, context=context))
    async with place.consumer() as running:
        rows = await running.settled(1)
    (told,) = await shadows(place)
    assert told["would_heal"]["rehearsal"]["outcome"] == "refused"
    assert "ended as refused" in told["reason"]
    assert [row["status"] for row in rows.values()] == ["needs_person"]
    (report,) = shw("shadow", "report", "--json", settings=environment_of(place.settings)).json
    assert (report["would_heal"], report["would_act"], report["would_not_act"]) == (1, 0, 1)


async def test_what_recovers_by_itself_is_seen_by_a_later_look_and_graded(
    embedded_place: Site, catalog_file: Path, world: World
) -> None:
    write(catalog_file, engine_catalog(world).replace("  hosts:", "  mode: shadow\n  hosts:", 1))
    place, engine = embedded_place, Engine(world=world)
    engine.run("run-1")
    context = refused_payload("run-1")
    await place.publish(event(await place.organisation(), "1", failure_reason=INVALID, context=context))
    async with place.consumer() as running:
        await running.settled(1)
        settings = environment_of(place.settings)
        (report,) = shw("shadow", "report", "--json", settings=settings).json
        assert (report["would_act"], report["recovered"], report["open"]) == (1, 0, 1)
        engine.run("run-1", state="done")  # the run went on without anybody
        await place.db.execute("UPDATE heal_shadow SET look_at = clock_timestamp()")
        await until(lambda: place.count("heal_shadow WHERE recovered_at IS NOT NULL"))
        (report,) = shw("shadow", "report", "--json", settings=settings).json
        assert (report["recovered"], report["open"]) == (1, 0)
    assert engine.orders("run-1") == []
    assert await place.count("heal_shadow WHERE look_at IS NOT NULL") == 0


async def test_a_failure_is_looked_at_three_times_and_then_no_more(embedded_place: Site, catalog_file: Path) -> None:
    place, acting = place_with(embedded_place, catalog_file, mode="shadow"), Acting()
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer(acting.strategies(StrategyName.AUTO_RETRY)) as running:
        await running.settled(1)
        for looks in (1, 2, 3):
            await place.db.execute("UPDATE heal_shadow SET look_at = clock_timestamp()")
            await until(lambda looks=looks: place.count(f"heal_shadow WHERE looks = {looks}"))  # type: ignore[misc]
    row = await place.db.fetchrow("SELECT look_at, recovered_at FROM heal_shadow")
    assert row is not None
    assert tuple(row) == (None, None)
    assert acting.acted == []


async def test_a_strategy_that_breaks_in_its_rehearsal_is_told_and_stops_nothing(
    embedded_place: Site, catalog_file: Path
) -> None:
    place, org = place_with(embedded_place, catalog_file, mode="shadow"), await embedded_place.organisation()

    async def breaks(task: Task, gate: EffectGate) -> Outcome:
        if task.failure.workflow_name == "w1":
            raise ValueError("a bug")
        await gate.begin()
        return PROVEN

    await place.publish(*(event(org, n, workflow_name=f"w{n}") for n in (1, 2)))
    async with place.consumer({StrategyName.AUTO_RETRY: Scripted(heals=breaks)}) as running:
        rows = await running.settled(2)
    assert {row["status"] for row in rows.values()} == {"needs_person"}
    told = {one["workflow_name"]: one["would_heal"]["rehearsal"] for one in await shadows(place)}
    assert (told["w1"]["outcome"], told["w2"]["outcome"]) == ("broken", "would_act")
    assert "ValueError" in told["w1"]["reason"]


async def test_a_flood_is_told_by_its_plans_and_not_held_up_by_its_rehearsals(
    embedded_place: Site, catalog_file: Path
) -> None:
    place, org = place_with(embedded_place, catalog_file, mode="shadow"), await embedded_place.organisation()
    go_on = asyncio.Event()

    async def hangs(_: Task, gate: EffectGate) -> Outcome:
        await go_on.wait()
        await gate.begin()
        return PROVEN

    await place.publish(*(event(org, n, workflow_name=f"w{n}") for n in range(60)))
    async with place.consumer({StrategyName.AUTO_RETRY: Scripted(heals=hangs)}) as running:
        await until(lambda: _shadows_stand(place, 60 - MOST_WAITING))
        go_on.set()
        await running.settled(60)
    outcomes = Counter(one["would_heal"]["rehearsal"]["outcome"] for one in await shadows(place))
    assert sum(outcomes.values()) == 60
    assert outcomes["not_rehearsed"] >= 60 - MOST_WAITING


async def _shadows_stand(place: Site, number: int) -> bool:
    return await place.count("heal_shadow") >= number
