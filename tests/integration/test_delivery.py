"""G2 and G5: however often and wherever an event is delivered, one failure; whatever ended is told, in order."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka import Consumer as ConfluentConsumer
from confluent_kafka import TopicPartition

from consumer.heal.strategy import EffectGate, Task
from consumer.local.broker import Broker
from consumer.model import FailureId, NotHealed, Outcome
from consumer.store.heal_requests import ask_heal
from schemas.heal_result import FAILURE_STATUS_TYPE, HEAL_RESULT_TYPE, FailureStatus, HealResult
from schemas.names import Code
from tests.support import oracle
from tests.support.patience import PATIENCE
from tests.support.pipeline import NEVER_LEFT, Site, call, event, site, until
from tests.support.required_tools import require_tool
from tests.support.worlds.http_world import Reply, World, json_reply
from tests.support.worlds.scripted import scripted

OK = json_reply({"done": True})


def quick(org: UUID, name: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    """A failure that is given up at once: no strategy is installed for it."""
    unexplained = {"failure_reason": "The nightly export ended early", "context": {"workflow": {"version": "7"}}}
    return event(org, name, workflow_name=name, **(unexplained | changes))


async def test_a_second_delivery_heals_nothing_twice(place: Site, world: World) -> None:
    org = await place.organisation()
    world.on("/pay", OK)
    paid = event(org, context=call(world.url("/pay"), "POST", error=NEVER_LEFT))
    await place.publish(paid, paid, quick(org, "other"), paid)
    async with place.consumer() as running:
        await running.settled(2)
        await place.publish(paid, quick(org, "last"))
        rows = await running.settled(3)
        await running.counted("shw_events_total", 3, outcome="duplicate")
        assert running.metric("shw_events_total", outcome="conflicting") == 0
    assert rows["orders.sync"]["status"] == "resolved"
    assert len(world.calls("/pay")) == 1
    await oracle.one_attempt_per_step(place)
    await oracle.everything_that_ended_was_told(place)


async def test_the_same_id_with_other_content_is_counted_and_the_first_stays(place: Site) -> None:
    org = await place.organisation()
    first, second, third = (quick(org, "one", context={"n": n}) for n in range(3))
    await place.publish(first, second)
    async with place.consumer() as running:
        await running.settled(1)
        await running.counted("shw_events_total", 1, outcome="conflicting")
        await place.publish(third, first, quick(org, "two"))
        rows = await running.settled(2)
        await running.counted("shw_events_total", 2, outcome="conflicting")
        await running.counted("shw_events_total", 1, outcome="duplicate")
    assert json.loads(rows["one"]["context"]) == {"n": 0}


async def test_whoever_takes_an_id_first_keeps_nobody_from_being_healed(place: Site, world: World) -> None:
    org = await place.organisation()
    world.on("/squat", OK)
    world.on("/real", OK)
    squat = event(org, 1, workflow_name="squat", context=call(world.url("/squat")))
    real = event(org, 1, workflow_name="real", context=call(world.url("/real"), "PUT"))
    await place.publish(squat)
    async with place.consumer() as running:
        await running.settled(1)
        await place.publish(real, real, squat)
        rows = await running.settled(2)
        await running.counted("shw_events_total", 1, outcome="conflicting")
        await place.publish(real, dict(reversed(real.items())))
        await place.publish(quick(org, "last"))
        await running.settled(3)
    assert rows["real"]["status"] == "resolved"
    assert (len(world.calls("/squat")), len(world.calls("/real"))) == (1, 1)
    await oracle.everything_that_ended_was_told(place)


async def test_of_two_contents_in_one_batch_each_is_healed_once(place: Site, world: World) -> None:
    org = await place.organisation()
    world.on("/squat", OK)
    world.on("/real", OK)
    squat = event(org, 1, workflow_name="squat", context=call(world.url("/squat")))
    real = event(org, 1, workflow_name="real", context=call(world.url("/real"), "PUT"))
    again = dict(reversed(squat.items()))
    await place.publish(squat, real, again, real, squat)
    async with place.consumer() as running:
        rows = await running.settled(2)
    # In the other order too: what is there is recognised, whichever of them came first here.
    other = place.in_another_group()
    async with other.consumer() as running:
        await place.publish(real, squat, quick(org, "last"))
        await running.settled(3)
    assert {rows["squat"]["status"], rows["real"]["status"]} == {"resolved"}
    assert (len(world.calls("/squat")), len(world.calls("/real"))) == (1, 1)


async def test_an_unkeyed_effect_under_a_taken_id_is_made_when_somebody_asks(place: Site, world: World) -> None:
    org = await place.organisation()
    world.on("/pay", OK)
    real = event(org, "one", workflow_name="real", context=call(world.url("/pay"), "POST", error=NEVER_LEFT))
    await place.publish(quick(org, "one"), real)
    async with place.consumer() as running:
        rows = await running.settled(2)
        assert rows["real"]["status"] == "given_up"
        assert world.calls("/pay") == []
        reason = await place.db.fetchval(
            "SELECT details ->> 'reason' FROM workflow_heal_attempts WHERE failure_id = $1", rows["real"]["id"]
        )
        assert "another event came first under its id" in reason
        async with place.db.acquire() as connection:
            await ask_heal(connection, FailureId(rows["real"]["id"]), by="a test")
        running.consumer.wake.set()

        async def resolved() -> bool:
            return await place.count("workflow_failures WHERE resolved") == 1

        await until(resolved)
    assert len(world.calls("/pay")) == 1


async def test_bare_events_are_told_apart_by_their_place_and_an_id_by_its_source(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    bare = quick(org, "bare")["data"]
    await place.publish(bare, bare)
    await place.publish(quick(org, "1"), quick(org, "1") | {"source": "urn:other"})
    async with place.consumer() as running:

        async def all_four() -> bool:
            return await place.is_settled(4)

        await until(all_four)
        assert running.metric("shw_events_total", outcome="accepted") == 4


async def test_two_members_that_are_given_the_same_events_make_one_failure_of_each(
    broker: Broker,
    database: str,
    catalog_file: Path,
    world: World,
) -> None:
    async with site(broker, database, catalog_file, partitions=2) as place:
        org = await place.organisation()
        world.on("/pay", OK)
        names = [f"f{n}" for n in range(20)]
        for name in names:
            context = call(world.url(f"/pay?{name}"), "POST", error=NEVER_LEFT)
            paid = event(org, name, workflow_name=name, context=context)
            await place.publish(paid, partition=0)
            await place.publish(paid, partition=1)
        async with place.consumer() as one, place.consumer() as other:
            await until(lambda: _has_committed(place, len(names)))
            await one.settled(len(names))
            accepted = [running.metric("shw_events_total", outcome="accepted") for running in (one, other)]
            assert sum(accepted) == len(names)
        assert len(world.calls("/pay")) == len(names)
        assert len({seen.path for seen in world.calls("/pay")}) == len(names)
        await oracle.every_event_has_one_row(place, names)
        await oracle.one_attempt_per_step(place)
        await oracle.everything_that_ended_was_told(place)
        await oracle.credits_add_up(place, {org: "10"})


async def _has_committed(place: Site, end: int) -> bool:
    return (await place.committed(0), await place.committed(1)) == (end, end)


async def test_attempts_and_statuses_are_told_in_order_of_their_steps(place: Site, world: World) -> None:
    org = await place.organisation()
    world.on("/ill", json_reply({}, 500))
    await place.publish(event(org, context=call(world.url("/ill"))))
    async with place.consumer() as running:
        row = (await running.settled(1))["orders.sync"]
    assert (row["status"], row["step"], row["attempts"]) == ("given_up", 3, 3)
    told = await oracle.everything_that_ended_was_told(place)
    assert [(one["type"], one["data"]["step"]) for one in told] == [
        (HEAL_RESULT_TYPE, 0),
        (HEAL_RESULT_TYPE, 1),
        (HEAL_RESULT_TYPE, 2),
        (FAILURE_STATUS_TYPE, 3),
    ]


async def test_what_a_dead_process_left_in_the_outbox_is_told_by_another_in_order(place: Site, world: World) -> None:
    org = await place.organisation()
    world.on("/ill", json_reply({}, 500))
    await place.publish(event(org, context=call(world.url("/ill"))))
    async with place.consumer() as running:
        await running.settled(1)
    before = await place.read(place.settings.kafka.results_topic)
    # As if the last words of a process that is dead had never reached the broker.
    for one in reversed(before):
        is_status = one.event["type"] == FAILURE_STATUS_TYPE
        await place.db.execute(
            "INSERT INTO heal_outbox (id, failure_id, step, rank, owner, topic, key, headers, body, created_at) SELECT"
            " gen_random_uuid(), id, $1, $2, 'dead', $3, $4, '[]', $5, clock_timestamp() - interval '1 hour'"
            " FROM workflow_failures",
            one.event["data"]["step"] - is_status,
            int(is_status),
            place.settings.kafka.results_topic,
            one.key,
            one.value,
        )
    async with place.in_another_group().consumer() as running:
        await running.settled(1)
    again = (await place.read(place.settings.kafka.results_topic))[len(before) :]
    steps = [one.event["data"]["step"] for one in again]
    assert steps == sorted(steps)
    assert [one.event["id"] for one in again] == [one.event["id"] for one in before]


async def test_results_are_read_by_another_client_as_the_contract_says(place: Site, world: World) -> None:
    org = await place.organisation()
    world.on("/good", json_reply({"id": 7}))
    world.on("/resume", OK)
    resume = {"url": world.url("/resume")}
    await place.publish(
        event(org, 1, workflow_name="healed", context=call(world.url("/good"), resume=resume)), quick(org, "refused")
    )
    async with place.consumer() as running:
        rows = await running.settled(2)
    read = await asyncio.to_thread(_confluent, place)
    by_name = {(one["data"]["workflow_name"], one["type"]): one for _, one in read}
    assert len(read) == len(by_name) == 3
    for key, one in read:
        assert key == one["subject"] == one["data"]["failure_id"]
    healed = HealResult.model_validate(by_name["healed", HEAL_RESULT_TYPE]["data"])
    assert healed.failure_id == rows["healed"]["id"]
    assert (healed.result, healed.status, healed.code) == ("success", "resolved", None)
    assert healed.recovered is not None
    assert healed.recovered.body == {"id": 7}
    assert healed.handover is not None
    assert healed.handover.delivered
    assert (str(healed.credits.held), str(healed.credits.spent)) == ("0.05", "0")
    refused = HealResult.model_validate(by_name["refused", HEAL_RESULT_TYPE]["data"])
    assert (refused.result, refused.code, refused.status) == ("failed", "not_installed", "given_up")
    given_up = FailureStatus.model_validate(by_name["refused", FAILURE_STATUS_TYPE]["data"])
    assert (given_up.status, given_up.code, given_up.step) == ("given_up", "not_installed", 1)


def _confluent(place: Site) -> list[tuple[str, dict[str, Any]]]:
    consumer = ConfluentConsumer(
        {
            "bootstrap.servers": place.settings.kafka.bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    try:
        consumer.assign([TopicPartition(place.settings.kafka.results_topic, 0, 0)])
        read: list[tuple[str, dict[str, Any]]] = []
        for _ in range(50):
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                read.append(((message.key() or b"").decode(), json.loads(message.value() or b"")))
            elif message is not None:
                break  # the end of the partition
    finally:
        consumer.close()
    return read


@pytest.mark.needs_tool("kcat")
async def test_results_are_read_by_kcat(kafka_place: Site) -> None:
    """On the real Kafka alone: the embedded broker hangs up on the version question of kcat's librdkafka."""
    place = kafka_place
    org = await place.organisation()
    await place.publish(quick(org, "refused"))
    async with place.consumer() as running:
        await running.settled(1)
    kafka = place.settings.kafka
    asked = (require_tool("kcat"), "-b", kafka.bootstrap, "-t", kafka.results_topic, "-C", "-e", "-q", "-f", "%k\t%s\n")
    kcat = await asyncio.create_subprocess_exec(*asked, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(kcat.communicate(), PATIENCE)
    lines = [line.split("\t", 1) for line in out.decode().splitlines()]
    assert [json.loads(value)["type"] for _, value in lines] == [HEAL_RESULT_TYPE, FAILURE_STATUS_TYPE]
    assert {key for key, _ in lines} == {json.loads(value)["subject"] for _, value in lines}


async def test_a_result_above_our_own_limit_is_cut_and_says_where_the_rest_is(
    embedded_place: Site, world: World
) -> None:
    place = embedded_place.changed(kafka={"max_message_bytes": 8192})
    org = await place.organisation()
    world.on("/large", json_reply({"text": "x" * 50_000}))
    await place.publish(event(org, context=call(world.url("/large"))))
    async with place.consumer() as running:
        row = (await running.settled(1))["orders.sync"]
    assert row["status"] == "resolved"
    (read,) = await place.read(place.settings.kafka.results_topic)
    assert len(read.value) < 8192
    _is_cut(read.event, row["id"])


def _is_cut(told: dict[str, Any], failure_id: UUID) -> None:
    result = HealResult.model_validate(told["data"])
    assert (result.failure_id, result.truncated) == (failure_id, True)
    assert result.read_more == f"/api/healing/failures/{failure_id}/attempts"
    assert result.recovered is None


async def test_a_result_above_the_brokers_limit_is_cut_and_blocks_nothing(kafka_place: Site) -> None:
    place = kafka_place
    await place.limit_topic(place.settings.kafka.results_topic, 4096)
    org = await place.organisation()
    await place.publish(event(org, workflow_name="large"))
    await place.publish(*(quick(org, f"small{n}") for n in range(5)))

    async def says_much(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        # The attempt is far above the limit, the status after it far below.
        return NotHealed(code=Code.NOT_HEALED, reason="no", details={"text": "x" * 20_000})

    async with place.consumer(scripted(says_much)) as running:
        rows = await running.settled(6)
    assert rows["large"]["status"] == "given_up"
    told = await oracle.everything_that_ended_was_told(place)
    large = [one for one in told if one["subject"] == str(rows["large"]["id"]) and one["type"] == HEAL_RESULT_TYPE]
    assert len(large) == 3
    for one in large:
        _is_cut(one, rows["large"]["id"])


async def test_while_results_are_refused_nothing_is_lost_nobody_else_waits_and_the_order_is_kept(
    kafka_place: Site, world: World
) -> None:
    place = kafka_place
    await place.limit_topic(place.settings.kafka.results_topic, 100)
    org = await place.organisation()
    world.on("/get", json_reply({}, 422), OK)
    await place.publish(event(org, 1, context=call(world.url("/get"))), b"poison")
    async with place.consumer() as running:

        async def tried() -> bool:
            return bool(await place.count("workflow_failures WHERE step = 1"))

        await until(tried)
        await until(lambda: _has_letters(place, 1))
        # Due again, and yet not taken up before its first attempt is told.
        await place.db.execute("UPDATE workflow_failures SET due_at = clock_timestamp() - interval '1 minute'")
        assert await running.consumer.resume.once() == 0
        assert await place.count("heal_outbox WHERE failure_id IS NOT NULL") == 1
        await place.limit_topic(place.settings.kafka.results_topic, 1_000_000)
        await running.consumer.publisher.sweep_once(timedelta(0))
        row = (await running.settled(1))["orders.sync"]
    assert (row["status"], row["step"]) == ("resolved", 2)
    await oracle.everything_that_ended_was_told(place)


async def _has_letters(place: Site, wanted: int) -> bool:
    return len(await place.letters()) == wanted


async def test_an_answer_that_never_ends_is_not_published_as_healed(embedded_place: Site, world: World) -> None:
    org = await embedded_place.organisation()
    world.on("/cut", Reply(body=b"x" * 1000, cut=True))
    await embedded_place.publish(event(org, context=call(world.url("/cut"))))
    async with embedded_place.consumer() as running:
        row = (await running.settled(1))["orders.sync"]
    assert row["status"] == "given_up"
    told = await oracle.everything_that_ended_was_told(embedded_place)
    assert {one["data"]["result"] for one in told if one["type"] == HEAL_RESULT_TYPE} == {"failed"}
