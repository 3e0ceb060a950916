"""auto-retry's read-back over a long quiet time: suspended, gone on with by whoever is there, and never made twice."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from consumer.heal.auto_retry.doubt import LONGEST_SUSPENSION
from schemas.heal_result import FAILURE_STATUS_TYPE, HEAL_RESULT_TYPE
from tests.support import oracle
from tests.support.patience import BEYOND_PATIENCE
from tests.support.pipeline import NEVER_LEFT, Process, Running, Site, call, environment_of, event, process, until
from tests.support.shw import shw
from tests.support.worlds.http_world import Reply, Seen, World, json_reply

CHARGES, CHARGE = "/charges", "/charges/17"
QUIET = 3
"""Seconds that a charge is left alone after its answer was lost."""


@pytest.fixture(autouse=True)
def short_waits() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("consumer.heal.calls.read_back.SUSPEND_ABOVE", timedelta(seconds=0.5))
        yield


def answers(world: World, *statuses: int) -> list[float]:
    """Charge with these answers, one after the other; the charge is there once one of them was a success.

    Gives when it was called.
    """
    called: list[float] = []

    def charge(n: int, _: Seen) -> Reply:
        called.append(time.monotonic())
        status = statuses[min(n, len(statuses)) - 1]
        return json_reply({"id": 17}, status)

    def look(_: int, __: Seen) -> Reply:
        made = len(world.calls(CHARGES))
        done = any(status < 300 for status in statuses[:made])
        return json_reply({"id": 17}, 200 if done else 404)

    world.on(CHARGES, charge)
    world.on(CHARGE, look)
    return called


async def charge(place: Site, world: World, quiet: float = QUIET, **more: Any) -> UUID:  # noqa: ANN401 - JSON is anything
    org = await place.organisation()
    look = {"url": world.url(CHARGE), "after_seconds": quiet}
    context = call(world.url(CHARGES), "POST", read_back=look, error=NEVER_LEFT, **more)
    await place.publish(event(org, "1", workflow_name="w", context=context))
    return org


async def suspended(place: Site) -> int:
    return await place.count("heal_claim WHERE owner = 'suspended'")


async def passes(place: Site, span: timedelta) -> None:
    await place.db.execute(
        "UPDATE heal_claim SET look_at = look_at - $1::interval, suspended_at = suspended_at - $1::interval", span
    )


async def _shown(running: Running) -> bool:
    await running.consumer.pressure.look(running.place.db)
    seen = [running.metric(f"shw_suspended_{what}", strategy="auto-retry") for what in ("heals", "oldest_seconds")]
    return seen[0] == 1 and seen[1] > 0


async def details(place: Site) -> list[dict[str, Any]]:
    rows = await place.db.fetch("SELECT result, details FROM workflow_heal_attempts ORDER BY attempted_at")
    return [{"result": row["result"], **json.loads(row["details"])} for row in rows]


async def test_an_absence_after_the_whole_quiet_time_lets_it_be_made_once_more(
    embedded_place: Site, world: World
) -> None:
    place = embedded_place
    called = answers(world, 500, 201)
    org = await charge(place, world)
    async with place.consumer() as running:
        await until(lambda: suspended(place))
        claim = await place.db.fetchrow("SELECT * FROM heal_claim")
        assert claim is not None
        assert (claim["strategy"], claim["state_version"]) == ("auto-retry", 1)
        assert world.url("") not in claim["state"]
        row = (await running.settled(1))["w"]
    assert (row["status"], row["attempts"]) == ("resolved", 1)
    first, second = called
    assert second - first >= QUIET
    (attempt,) = await details(place)
    assert [one["status"] for one in attempt["tries"]] == [500, 201]
    assert [one["n"] for one in attempt["looks"]] == [1, 1, 2, 3], "before the call, and after it"
    told = await place.results()
    assert [one["type"] for one in told] == [FAILURE_STATUS_TYPE, HEAL_RESULT_TYPE]
    await oracle.credits_add_up(place, {org: "10"})


async def test_it_is_shown_that_a_call_waits_to_be_read_back(
    embedded_place: Site, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = embedded_place
    monkeypatch.setattr("consumer.heal.calls.read_back._FIRST_PAUSE", BEYOND_PATIENCE)
    monkeypatch.setattr("consumer.heal.calls.read_back._LONGEST_PAUSE", BEYOND_PATIENCE)
    answers(world, 500)
    await charge(place, world, 300)
    async with place.consumer() as running:
        await until(lambda: suspended(place))
        await until(lambda: _shown(running))
        shown = ("attempts", str(await place.db.fetchval("SELECT id FROM workflow_failures")))
        ran = await asyncio.to_thread(shw, *shown, settings=environment_of(place.settings))
    assert "Its heal by auto-retry waits for another system since" in ran.err
    assert len(world.calls(CHARGES)) == 1


async def test_what_has_happened_is_found_by_another_process_and_sent_by_none(
    embedded_place: Site, world: World
) -> None:
    place = embedded_place
    late = asyncio.Event()
    world.on(CHARGES, Reply(status=500))
    world.on(CHARGE, lambda *_: json_reply({"id": 17}, 200 if late.is_set() else 404))
    await charge(place, world, 200)
    async with place.consumer():
        await until(lambda: suspended(place))
    late.set()
    async with place.in_another_group().consumer() as heir:
        row = (await heir.settled(1))["w"]
    assert row["status"] == "resolved"
    assert len(world.calls(CHARGES)) == 1
    (attempt,) = await details(place)
    assert (attempt["result"], attempt["tries"][0]["status"]) == ("success", 500)
    assert attempt.get("code") is None, "the call was ours: nothing recovered by itself"


async def test_a_decision_in_the_quiet_time_ends_it_with_what_a_last_look_shows(
    embedded_place: Site, world: World
) -> None:
    place = embedded_place
    answers(world, 500, 201)
    await charge(place, world, 200)
    async with place.consumer() as running:
        await until(lambda: suspended(place))
        failure_id = str(await place.db.fetchval("SELECT id FROM workflow_failures"))
        arguments = ("give-up", failure_id, "--reason", "enough")
        ran = await asyncio.to_thread(shw, *arguments, settings=environment_of(place.settings))
        assert ran.code == 0, ran.err
        looks = len(world.calls(CHARGE))
        row = (await running.settled(1))["w"]
    assert row["status"] == "given_up"
    assert len(world.calls(CHARGES)) == 1
    assert len(world.calls(CHARGE)) - looks <= 2
    (attempt,) = await details(place)
    assert attempt["result"] == "unknown"
    assert "decided" in attempt["reason"]


async def test_after_too_long_its_end_is_unknown_and_the_next_attempt_looks_first(
    embedded_place: Site, world: World
) -> None:
    place = embedded_place
    late = asyncio.Event()
    world.on(CHARGES, Reply(status=500))
    world.on(CHARGE, lambda *_: json_reply({"id": 17}, 200 if late.is_set() else 404))
    await charge(place, world, 200)
    async with place.consumer():
        await until(lambda: suspended(place))
    await passes(place, LONGEST_SUSPENSION + timedelta(minutes=1))
    late.set()
    async with place.in_another_group().consumer() as heir:
        row = (await heir.settled(1))["w"]
    assert row["status"] == "resolved"
    assert [one["result"] for one in await details(place)] == ["unknown", "success"]
    assert len(world.calls(CHARGES)) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
async def test_who_dies_in_the_second_call_leaves_a_doubt_that_its_heir_looks_into(
    embedded_place: Site, world: World, tmp_path: Path, number: signal.Signals
) -> None:
    place = embedded_place
    world.on(CHARGES, lambda n, _: Reply(status=500) if n == 1 else json_reply({"id": 17}, 201, after=1.0))
    world.on(CHARGE, lambda *_: json_reply({"id": 17}, 200 if len(world.calls(CHARGES)) > 1 else 404))
    await charge(place, world)
    acts = {"at": "during", "nth": "2", "path": CHARGES, "signal": number.name, "window": "20", "suspends": "0.5"}
    async with process(place, tmp_path / "log", **acts) as struck:
        if number is signal.SIGKILL:
            assert await struck.ended() == -signal.SIGKILL, struck.last_lines
        else:
            await until(struck.is_stopped)
        assert await place.count("heal_claim WHERE begun_since AND state IS NOT NULL") == 1
        async with place.in_another_group().consumer() as heir:
            row = (await heir.settled(1))["w"]
            if number is signal.SIGSTOP:
                struck.tell(signal.SIGCONT)
                await until(lambda: _has_lost(struck))
                struck.tell(signal.SIGTERM)
                assert await struck.ended() == 0, struck.last_lines
    assert row["status"] == "resolved"
    assert len(world.calls(CHARGES)) == 2
    (attempt,) = await details(place)
    assert [one.get("failure") for one in attempt["tries"]] == [None, "Interrupted"]


async def _has_lost(stopped: Process) -> bool:
    return stopped.said("claim_lost", "settled_by_another", "suspended_by_another")
