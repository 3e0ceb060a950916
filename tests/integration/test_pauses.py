"""A pause holds healing within its reach from its answer on; what it holds keeps its place and its age."""

import asyncio
import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from consumer.heal.strategy import EffectGate, Task
from consumer.model import Healed, Outcome, Proof
from schemas.heal_result import PAUSE_TYPE
from schemas.names import Effect, Verdict
from tests.support.patience import BEYOND_PATIENCE, PATIENCE
from tests.support.pipeline import Running, Site, environment_of, event, until
from tests.support.shw import Ran, shw
from tests.support.worlds.scripted import scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))


class Calls:
    """Heals that make one try after the other until they are told to end: each try is one effect."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go_on = asyncio.Event()
        self.in_first_try = asyncio.Event()

    async def once(self, task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        self.begun.append(task.failure.workflow_name)
        return PROVEN

    async def twice(self, task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        self.begun.append(task.failure.workflow_name)
        self.in_first_try.set()
        await self.go_on.wait()
        await gate.begin()
        self.begun.append(task.failure.workflow_name)
        return PROVEN


async def _shw(place: Site, *arguments: str) -> Ran:
    ran = await asyncio.to_thread(shw, *arguments, settings=environment_of(place.settings))
    assert ran.code == 0, ran.err
    return ran


async def pauses(place: Site) -> list[Any]:
    return [json.loads(line) for line in (await _shw(place, "pauses", "--all", "--json")).out.splitlines()]


async def row(place: Site, name: str) -> Any:  # noqa: ANN401 - asyncpg's record
    return await place.db.fetchrow("SELECT * FROM workflow_failures WHERE workflow_name = $1", name)


async def resolved(place: Site, name: str) -> bool:
    found = await row(place, name)
    return found is not None and found["status"] == "resolved"


async def in_force(running: Running) -> bool:
    return running.metric("shw_pauses", reach="fleet") == 1


async def told(place: Site, number: int) -> list[dict[str, Any]]:
    """Wait for so many events of pauses; gives what they tell."""

    async def look() -> list[dict[str, Any]]:
        found = [one["data"] for one in await place.results() if one["type"] == PAUSE_TYPE]
        return found if len(found) >= number else []

    return await until(look)


async def held(place: Site, name: str) -> bool:
    found = await row(place, name)
    return found is not None and (found["waits_on"] or "").startswith("pause:")


REACHES = {
    "the fleet": (["--fleet"], {"w", "v"}),
    "an organisation": (["--org", "ORG"], {"w"}),
    "a workflow": (["--workflow", "w*"], {"w"}),
    "a strategy": (["--strategy", "auto-retry"], {"w", "v"}),
    "a dependency": (["--dependency", "https://one.example:443"], {"w"}),
    "a failure type": (["--type", "unknown"], set()),
    "a dependency of an organisation": (["--org", "OTHER", "--dependency", "https://one.example:443"], set()),
}


@pytest.mark.parametrize("reach", REACHES)
async def test_within_the_reach_of_a_pause_nothing_begins_and_beside_it_all_goes_on(
    embedded_place: Site, reach: str
) -> None:
    place, calls = embedded_place, Calls()
    org, other = await place.organisation(), await place.organisation()
    options, expected = REACHES[reach]
    options = [{"ORG": str(org), "OTHER": str(other)}.get(one, one) for one in options]
    async with place.consumer(scripted(calls.once, Effect.KEYED, BEYOND_PATIENCE)):
        await _shw(place, "pause", *options, "--reason", "they move it", "--by", "Ada")
        await place.publish(
            event(org, "1", workflow_name="w", context={"dependency": "https://one.example:443"}),
            event(other, "2", workflow_name="v", context={"dependency": "https://two.example:443"}),
        )
        for name in ("w", "v"):
            await until(partial(held if name in expected else resolved, place, name))
        assert set(calls.begun) == {"w", "v"} - expected
        (pause,) = await pauses(place)
        assert (pause["state"], pause["by"], pause["reason"]) == ("in_force", "Ada", "they move it")
        assert pause["held"] == str(len(expected))
        await _shw(place, "resume", pause["id"], "--reason", "it is there", "--by", "Ben")
        for name in ("w", "v"):
            await until(partial(resolved, place, name))
    assert sorted(calls.begun) == ["v", "w"]
    (pause,) = await pauses(place)
    assert (pause["state"], pause["ended"]) == ("ended", "Ben: it is there")


REFUSED = {
    "a host without a scheme": (["--dependency", "api.example.com", "--reason", "x"], "by its origin"),
    "a host with a port": (["--dependency", "api.example.com:443", "--reason", "x"], "by its origin"),
    "no reason": (["--fleet", "--reason", " "], "say why"),
    "a reason without width": (["--fleet", "--reason", "\u200b"], "say why"),
    "nobody": (["--fleet", "--reason", "x", "--by", "\u2060"], "say who"),
    "no workflow": (["--workflow", "", "--reason", "x"], "names nothing"),
}


@pytest.mark.parametrize("odd", REFUSED)
async def test_a_pause_that_would_hold_nothing_or_says_no_reason_is_refused(embedded_place: Site, odd: str) -> None:
    options, why = REFUSED[odd]
    ran = await asyncio.to_thread(shw, "pause", *options, settings=environment_of(embedded_place.settings))
    assert (ran.code in (1, 2), why in ran.err) == (True, True), ran.err
    assert await pauses(embedded_place) == []


@pytest.mark.parametrize("written", ["HTTPS://One.Example", "https://one.example/v1?x=1", "https://one.example:443"])
async def test_a_dependency_is_paused_and_resumed_however_its_url_is_written(
    embedded_place: Site, written: str
) -> None:
    await _shw(embedded_place, "pause", "--dependency", written, "--reason", "they move it")
    (pause,) = await pauses(embedded_place)
    assert pause["reach"] == "dependency https://one.example:443"
    await _shw(embedded_place, "resume", "--dependency", written, "--reason", "it is there")
    (pause,) = await pauses(embedded_place)
    assert pause["state"] == "ended"


@pytest.mark.parametrize("effect", [Effect.KEYED, Effect.IDEMPOTENT])
async def test_what_is_under_way_makes_no_second_try_and_goes_on_under_its_key_afterwards(
    embedded_place: Site, effect: Effect
) -> None:
    place, calls = embedded_place, Calls()
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer(scripted(calls.twice, effect, BEYOND_PATIENCE)):
        await asyncio.wait_for(calls.in_first_try.wait(), PATIENCE)
        await _shw(place, "pause", "--workflow", "w", "--reason", "stop")
        calls.go_on.set()
        await until(lambda: held(place, "w"))
        assert calls.begun == ["w"]
        found = await row(place, "w")
        assert (found["status"], found["attempts"], found["unsure"]) == ("deferred", 0, effect is Effect.KEYED)
        attempt = await place.db.fetchval("SELECT details FROM workflow_heal_attempts")
        details = json.loads(str(attempt))
        assert details["code"] == "paused"
        assert "stop" in details["reason"]
        await _shw(place, "resume", "--workflow", "w", "--reason", "on")
        await until(lambda: resolved(place, "w"))
    assert len(calls.begun) == 3


async def test_what_carries_no_key_and_has_begun_waits_in_its_window_for_the_end_of_the_pause(
    embedded_place: Site,
) -> None:
    place, calls = embedded_place, Calls()
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer(scripted(calls.twice, Effect.UNSAFE, BEYOND_PATIENCE)):
        await asyncio.wait_for(calls.in_first_try.wait(), PATIENCE)
        await _shw(place, "pause", "--fleet", "--reason", "stop")
        calls.go_on.set()
        await _shw(place, "resume", "--fleet", "--reason", "on")
        await until(lambda: resolved(place, "w"))
    assert len(calls.begun) == 2


async def test_paused_time_is_no_age_and_what_was_held_first_goes_first(embedded_place: Site) -> None:
    place, calls = embedded_place, Calls()
    org = await place.organisation()
    await _shw(place, "pause", "--fleet", "--reason", "a move")
    async with place.consumer(scripted(calls.once, Effect.KEYED, BEYOND_PATIENCE)):
        await place.publish(event(org, "1", workflow_name="w"))
        await until(lambda: held(place, "w"))
        # A day and more later, on the database's clock.
        await place.db.execute(
            "UPDATE workflow_failures SET detected_at = detected_at - interval '30 hours',"
            " received_at = received_at - interval '30 hours', paused_at = paused_at - interval '30 hours',"
            " due_at = clock_timestamp()"
        )
        await until(lambda: held(place, "w"))
        await place.publish(event(org, "2", workflow_name="v"))
        await until(lambda: held(place, "v"))
        assert (await row(place, "w"))["status"] in ("pending", "deferred")
        await place.db.execute("UPDATE heal_pause SET ends_at = clock_timestamp()")
        await until(lambda: resolved(place, "v"))
        await until(lambda: resolved(place, "w"))
        assert (await row(place, "w"))["paused_for"] > timedelta(hours=30)
    assert sorted(calls.begun) == ["v", "w"]
    (pause,) = await pauses(place)
    assert pause["ended"] == "its end"


async def test_a_planned_pause_holds_from_its_start_on(embedded_place: Site) -> None:
    place, calls = embedded_place, Calls()
    org = await place.organisation()
    async with place.consumer(scripted(calls.once, Effect.KEYED, BEYOND_PATIENCE)) as running:
        await _shw(place, "pause", "--fleet", "--reason", "a move", "--from", "1d", "--for", "2h")
        await place.publish(event(org, "1", workflow_name="w"))
        await until(lambda: resolved(place, "w"))
        (pause,) = await pauses(place)
        assert pause["state"] == "planned"
        await place.db.execute("UPDATE heal_pause SET starts_at = clock_timestamp()")
        await until(lambda: in_force(running))
        await place.publish(event(org, "2", workflow_name="v"))
        await until(lambda: held(place, "v"))
    assert calls.begun == ["w"]


async def test_a_pause_is_told_when_it_is_made_and_when_it_ends(embedded_place: Site) -> None:
    place, calls = embedded_place, Calls()
    org = await place.organisation()
    async with place.consumer(scripted(calls.once)):
        await _shw(place, "pause", "--org", str(org), "--reason", "why", "--by", "Ada")
        await _shw(place, "resume", "--org", str(org), "--reason", "enough", "--by", "Ben")
        found = await told(place, 2)
    assert [one["state"] for one in found] == ["in_force", "ended"]
    assert [one["org_id"] for one in found] == [str(org)] * 2
    assert (found[1]["paused_by"], found[1]["ended_by"], found[1]["end_reason"]) == ("Ada", "Ben", "enough")
