"""`shw replay`: what is missing becomes durable, what is there is not touched, and nobody's offsets move."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from consumer.heal.strategy import EffectGate, Task
from consumer.model import Healed, Outcome, Proof
from schemas.names import Verdict
from schemas.rfc3339 import format_time
from tests.support.pipeline import Site, call, environment_of, event, until
from tests.support.shw import Ran, shw
from tests.support.worlds.http_world import World
from tests.support.worlds.scripted import scripted

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


async def _replay(place: Site, *arguments: str, since: datetime = START) -> Ran:
    settings = environment_of(place.settings)
    return await asyncio.to_thread(shw, "replay", "--since", format_time(since), *arguments, settings=settings)


async def told(place: Site, *arguments: str, since: datetime = START) -> dict[str, int]:
    ran = await _replay(place, *arguments, since=since)
    assert ran.code == 0, ran.err
    (counts,) = ran.json
    return {name: number for name, number in counts.items() if number}


async def publish_at(place: Site, at: datetime, *events: Mapping[str, Any] | bytes) -> None:
    """Publish records that say they are of this time."""
    for one in events:
        value = json.dumps(one).encode() if isinstance(one, Mapping) else one
        await place.producer.send_and_wait(
            place.settings.kafka.failures_topic, value, partition=0, timestamp_ms=int(at.timestamp() * 1000)
        )


class Healing:
    """Heals whatever it is given, and remembers what that was."""

    def __init__(self) -> None:
        self.healed: list[str] = []

    async def __call__(self, task: Task, _gate: EffectGate) -> Outcome:
        self.healed.append(task.failure.workflow_name)
        return Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail=""),))


def named(world: World, org: UUID, *names: str) -> Sequence[dict[str, Any]]:
    """Failures that would be healed: the command plans with the strategies that are installed."""
    context = call(world.url("/get"))
    return [event(org, name, workflow_name=name, context=context) for name in names]


async def rows_of(place: Site, *names: str) -> dict[str, asyncpg.Record]:
    found = await place.failures()
    return {name: found[name] for name in names}


async def test_what_a_restored_database_lacks_is_stored_and_then_healed_once(place: Site, world: World) -> None:
    org, healing = await place.organisation(), Healing()
    await publish_at(place, datetime.now(UTC), *named(world, org, "a", "b", "c"), b"not json")
    async with place.consumer(scripted(healing)) as running:
        await running.settled(3)
        await until(lambda: committed(place, 4))
        before = await rows_of(place, "a", "c")
        # A restore to an earlier point: the offsets are committed, the failure is gone.
        await place.db.execute("DELETE FROM workflow_failures WHERE workflow_name = 'b'")
        await place.db.execute("DELETE FROM token_usage_events")
        counts = await told(place)
        assert counts == {"read": 4, "new": 1, "there_already": 2, "dead_letters": 1}
        await running.settled(3)
        assert await rows_of(place, "a", "c") == before
        assert sorted(healing.healed) == ["a", "b", "b", "c"]
        assert await told(place) == {"read": 4, "there_already": 3, "dead_letters": 1}
        assert len(await place.letters()) == 1
        assert await place.committed() == 4


async def committed(place: Site, offset: int) -> bool:
    return await place.committed() == offset


async def test_it_works_before_any_consumer_has_run_and_leaves_no_offsets(place: Site, world: World) -> None:
    org, healing = await place.organisation(), Healing()
    await place.publish(*named(world, org, *(f"w{n:03}" for n in range(120))))
    small = place.changed(intake={"max_rows": 25})
    assert await told(small) == {"read": 120, "new": 120}
    assert await place.count("workflow_failures WHERE status = 'pending' AND waits_on IS NULL") == 120
    assert await place.count("heal_claim") == 0
    assert await place.count("heal_owner WHERE isfinite(lease_until)") == 0
    assert await place.committed() == 0
    async with place.consumer(scripted(healing)) as running:
        await running.settled(120)
        await until(lambda: committed(place, 120))
        await running.counted("shw_events_total", 120, outcome="duplicate")
    assert sorted(healing.healed) == [f"w{n:03}" for n in range(120)]


@pytest.mark.parametrize(
    ("since", "before", "expected"),
    [
        pytest.param(0, None, "abcde", id="everything"),
        pytest.param(1, None, "bcde", id="from the second on"),
        pytest.param(1, 3, "bc", id="the second and the third"),
        pytest.param(9, None, "", id="nothing so late"),
        pytest.param(0, 0, "", id="nothing before the beginning"),
    ],
)
async def test_only_what_came_in_the_named_time_is_read(
    place: Site, world: World, since: int, before: int | None, expected: str
) -> None:
    org = await place.organisation()
    for n, name in enumerate("abcde"):
        await publish_at(place, START + n * MINUTE, *named(world, org, name))
    until_then = ("--until", format_time(START + before * MINUTE)) if before is not None else ()
    counts = await told(place, *until_then, since=START + since * MINUTE)
    assert counts == ({"read": len(expected), "new": len(expected)} if expected else {})
    assert "".join(await place.failures()) == expected


async def test_dead_letters_are_written_once_more_only_when_asked_for(embedded_place: Site) -> None:
    place = embedded_place
    stranger = event(place_org := await place.organisation(), "x", workflow_name="x")
    await place.db.execute("DELETE FROM organizations WHERE id = $1", place_org)
    await place.publish(b"not json", stranger)
    assert await told(place) == {"read": 2, "dead_letters": 2}
    assert await place.letters() == []
    assert await told(place, "--dead-letters") == {"read": 2, "dead_letters": 2}
    assert len(await place.letters()) == 2
    assert await place.count("heal_outbox") == 0


async def test_what_is_refused_at_once_is_told_without_a_running_consumer(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    await place.publish(event(org, "old", workflow_name="old", detected_at="2020-01-01T00:00:00Z"))
    assert await told(place) == {"read": 1, "new": 1}
    assert (await place.failures())["old"]["status"] == "given_up"
    assert {one["data"]["status"] for one in await place.results()} == {"given_up"}
    assert await place.count("heal_outbox") == 0


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        pytest.param(("--since", "yesterday"), 2, "RFC 3339", id="no time"),
        pytest.param((), 2, "--since", id="no option"),
    ],
)
async def test_a_time_that_is_none_is_refused(arguments: tuple[str, ...], code: int, why: str) -> None:
    ran = await asyncio.to_thread(shw, "replay", *arguments)
    assert (ran.code, ran.out) == (code, b"")
    assert why in ran.err


async def test_a_topic_that_is_not_there_and_a_broker_that_does_not_answer_are_told(embedded_place: Site) -> None:
    nowhere = await _replay(embedded_place.changed(kafka={"failures_topic": "nowhere"}))
    assert nowhere.code == 2
    assert "no topic nowhere" in nowhere.err
    gone = {"bootstrap": "127.0.0.1:9", "request_timeout": timedelta(seconds=2)}
    silent = await _replay(embedded_place.changed(kafka=gone))
    assert silent.code == 3
    assert len(silent.err.splitlines()) == 1, silent.err
