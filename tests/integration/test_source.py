"""G1 at the door: offsets never pass what is durable, whoever joins, leaves or is held up."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from consumer.errors import ConfigError
from consumer.local.broker import Broker
from consumer.store.intake import take_in
from tests.support.patience import PATIENCE
from tests.support.pipeline import Running, Site, event, site, until


def quick(org: object, name: str) -> dict[str, Any]:
    return event(org, name, workflow_name=name, failure_reason="voice is silent")  # type: ignore[arg-type]


async def rows_at_least(place: Site, wanted: int) -> bool:
    return await place.count("workflow_failures") >= wanted


async def committed_is(place: Site, *offsets: int) -> bool:
    return tuple([await place.committed(n) for n in range(len(offsets))]) == offsets


async def test_a_new_group_starts_at_the_earliest(place: Site) -> None:
    org = await place.organisation()
    await place.publish(*(quick(org, f"f{n}") for n in range(3)))
    async with place.consumer() as running:
        await running.settled(3)
        await until(lambda: committed_is(place, 3))


async def test_a_second_start_goes_on_where_the_first_one_stopped(kafka_place: Site) -> None:
    place = kafka_place
    org = await place.organisation()
    await place.publish(quick(org, "first"))
    async with place.consumer() as running:
        await running.settled(1)
    assert await place.committed() == 1
    await place.publish(quick(org, "second"))
    async with place.consumer() as running:
        await running.settled(2)
        await running.counted("shw_events_total", 1, outcome="accepted")
        assert running.metric("shw_events_total", outcome="duplicate") == 0
    assert await place.committed() == 2


def _held(done: Callable[..., Awaitable[Any]], go_on: asyncio.Event) -> Callable[..., Any]:
    async def held(*args: Any) -> Any:  # noqa: ANN401 - whatever it takes
        await go_on.wait()
        return await done(*args)

    return held


async def test_nothing_is_committed_before_it_is_durable(place: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    org = await place.organisation()
    go_on = asyncio.Event()
    monkeypatch.setattr("consumer.pipeline.intake.take_in", _held(take_in, go_on))
    await place.publish(*(quick(org, f"f{n}") for n in range(10)))
    async with place.consumer() as running:
        await until(lambda: _assigned(running))
        assert await place.committed() == 0
        assert await place.count("workflow_failures") == 0
        go_on.set()
        await running.settled(10)
        await until(lambda: committed_is(place, 10))


async def _assigned(running: Running) -> bool:
    return running.metric("shw_rebalances_total") > 0


async def test_while_the_database_is_away_a_member_stays_in_its_group_and_then_loses_nothing(
    embedded_place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = embedded_place.changed(intake={"max_rows": 5})
    org = await place.organisation()
    go_on = asyncio.Event()
    monkeypatch.setattr("consumer.pipeline.intake.take_in", _held(take_in, go_on))
    await place.publish(*(quick(org, f"f{n}") for n in range(60)))
    async with place.consumer() as running:

        async def held_up() -> bool:
            return running.metric("shw_loop_seconds_total", phase="paused") > 0.02

        await until(held_up)
        go_on.set()
        await running.settled(60)
        await until(lambda: committed_is(place, 60))
        await running.counted("shw_rebalances_total", 1)
        assert running.metric("shw_events_total", outcome="accepted") == 60


async def test_members_that_join_and_leave_lose_nothing_and_heal_nothing_twice(
    broker: Broker, database: str, catalog_file: Path
) -> None:
    async with site(broker, database, catalog_file, partitions=4) as made:
        place = made.changed(intake={"max_rows": 7})
        org = await place.organisation()
        total = 0

        async def publish_more() -> None:
            nonlocal total
            for n in range(total, total + 60):
                await place.publish(quick(org, f"f{n}"), partition=n % 4)
            total += 60

        async with place.consumer() as one:
            await publish_more()
            await until(lambda: rows_at_least(place, 10))
            async with place.consumer() as other:
                await asyncio.gather(publish_more(), until(lambda: _assigned(other)))
            await publish_more()
            await until(lambda: rows_at_least(place, total))
            await one.settled(total)
            await until(lambda: committed_is(place, *(total // 4,) * 4))
            accepted = [running.metric("shw_events_total", outcome="accepted") for running in (one, other)]
        assert sum(accepted) == total
        assert await place.count("workflow_heal_attempts") == total


async def test_a_revoked_member_finishes_the_transaction_under_way_before_it_lets_go(
    broker: Broker, database: str, catalog_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site(broker, database, catalog_file, partitions=2) as place:
        org = await place.organisation()
        under_way, go_on = asyncio.Event(), asyncio.Event()

        async def slow(*args: Any) -> Any:  # noqa: ANN401 - whatever it takes
            under_way.set()
            await go_on.wait()
            return await take_in(*args)

        monkeypatch.setattr("consumer.pipeline.intake.take_in", slow)
        await place.publish(quick(org, "p0"), partition=0)
        await place.publish(quick(org, "p1"), partition=1)
        async with place.consumer() as one:
            await asyncio.wait_for(under_way.wait(), PATIENCE)
            async with place.consumer() as other:
                loop = asyncio.get_running_loop()
                loop.call_later(0.5, go_on.set)
                await until(lambda: _assigned(other))
                await one.settled(2)
                await until(lambda: committed_is(place, 1, 1))
                outcomes = [
                    running.metric("shw_events_total", outcome=outcome)
                    for outcome in ("accepted", "duplicate")
                    for running in (one, other)
                ]
        assert outcomes[0] + outcomes[1] == 2
        assert outcomes[2] + outcomes[3] <= 1


async def test_intake_pauses_at_the_cap_goes_on_polling_and_resumes_below_it(embedded_place: Site) -> None:
    place = embedded_place.changed(
        intake={"open_rows_cap": 20, "resume_below": 0.5, "max_rows": 5, "sample_every": timedelta(milliseconds=50)},
        heal={"slots": 1},
    )
    org = await place.organisation()
    # Open, and not to be healed yet.
    await place.db.execute(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, status, due_at, source)"
        " SELECT $1, 'open' || n, 'timeout', 'deferred', clock_timestamp() + interval '1 hour', 'urn:test'"
        " FROM generate_series(1, 20) AS n",
        org,
    )
    await place.publish(*(quick(org, f"f{n}") for n in range(10)))
    async with place.consumer() as running:
        await until(lambda: _assigned(running))

        async def polls_paused() -> bool:
            return running.metric("shw_loop_seconds_total", phase="paused") > 3

        # Longer than the group's session: a member that did not poll and beat would be gone.
        await until(polls_paused)
        assert await place.count("workflow_failures") == 20
        await _close(place, 5)
        assert running.consumer.pressure.full()
        await until(lambda: _seen_open(running, 15))
        assert running.consumer.pressure.full(), "15 of 20 is not below the half"
        assert await place.count("workflow_failures") == 20
        await _close(place, 6)
        await until(lambda: rows_at_least(place, 30))
        assert running.metric("shw_rebalances_total") == 1
        await until(lambda: committed_is(place, 10))


async def _close(place: Site, rows: int) -> None:
    await place.db.execute(
        "UPDATE workflow_failures SET status = 'given_up', due_at = NULL WHERE id IN"
        " (SELECT id FROM workflow_failures WHERE due_at IS NOT NULL LIMIT $1)",
        rows,
    )


async def _seen_open(running: Running, rows: int) -> bool:
    return running.metric("shw_open_failures", status="deferred") == rows


async def _commit(place: Site, offset: int) -> None:
    kafka = place.settings.kafka
    client = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=kafka.group_id, enable_auto_commit=False)
    await client.start()
    try:
        tp = TopicPartition(kafka.failures_topic, 0)
        client.assign([tp])
        await client.commit({tp: offset})
    finally:
        await client.stop()


async def test_an_offset_that_is_no_longer_in_the_log_stops_the_consumer_with_what_to_do(kafka_place: Site) -> None:
    """On the real Kafka alone: the embedded broker never reports an offset out of range."""
    place = kafka_place
    org = await place.organisation()
    await place.publish(*(quick(org, f"f{n}") for n in range(10)))
    await _commit(place, 2)
    admin = AIOKafkaAdminClient(bootstrap_servers=place.settings.kafka.bootstrap)
    await admin.start()
    try:
        tp = TopicPartition(place.settings.kafka.failures_topic, 0)
        await admin.delete_records({tp: RecordsToDelete(before_offset=5)})
    finally:
        await admin.close()
    error = _config_error(await place.run_to_end())
    assert f"{place.settings.kafka.failures_topic}/0 at 2" in str(error)
    assert "--reset-offsets" in str(error)
    assert await place.count("workflow_failures") == 0
    assert await place.committed() == 2


def _config_error(error: BaseException) -> ConfigError:
    found = [error] if not isinstance(error, BaseExceptionGroup) else list(error.subgroup(ConfigError).exceptions)  # type: ignore[union-attr]
    assert isinstance(found[0], ConfigError), repr(error)
    return found[0]


async def test_a_consumer_without_its_topics_does_not_start_and_names_them(embedded_place: Site) -> None:
    place = embedded_place.changed(kafka={"dlq_topic": "not.there"})
    error = _config_error(await place.run_to_end())
    assert "not.there" in str(error)
    assert "shw topics" in str(error)
