"""A strategy in shadow mode is planned and told, and does nothing; it is held against what happened."""

import asyncio
import json
from pathlib import Path
from typing import Any

from consumer.heal.strategy import EffectGate, Strategies, Task
from consumer.model import Healed, Outcome, Proof
from schemas.heal_result import FAILURE_STATUS_TYPE
from schemas.names import Effect, StrategyName, Verdict
from tests.support.pipeline import Site, catalog, environment_of, event
from tests.support.shw import shw
from tests.support.worlds.scripted import Scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))
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
