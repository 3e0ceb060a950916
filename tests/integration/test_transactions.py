"""G1: what a producer committed is read, what it took back never happened, and what it leaves open is its own fault."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from consumer.ingest import liveness
from tests.support.faults.raising import quick, send
from tests.support.faults.raw_records import unreadable
from tests.support.faults.transactions import Transactions
from tests.support.pipeline import Running, Site, environment_of, until
from tests.support.shw import shw


async def names_are(place: Site, names: Sequence[str]) -> bool:
    return sorted(await place.failures()) == sorted(names)


async def committed_is(place: Site, offset: int) -> bool:
    return await place.committed() == offset


async def test_only_what_was_committed_is_healed_and_markers_leave_no_gap(kafka_place: Site) -> None:
    place = kafka_place
    org = await place.organisation()
    one = await asyncio.to_thread(Transactions, place, org, "one")
    other = await asyncio.to_thread(Transactions, place, org, "other")
    await place.publish(quick(org, "plain.0"))  # 0
    await one.begin("taken back.0", "taken back.1")  # 1, 2
    await other.begin("kept.0")  # 3
    await place.publish(quick(org, "plain.1"))  # 4
    await one.take_back()  # 5
    await other.commit()  # 6
    await one.begin("kept.1")  # 7
    await one.commit()  # 8
    kept = ["plain.0", "kept.0", "plain.1", "kept.1"]
    async with place.consumer() as running:
        await until(partial(names_are, place, kept))
        await until(partial(committed_is, place, 9))
        await one.begin("taken back.2")  # 9
        await one.take_back()  # 10: nothing to be read, and still no lag
        await until(partial(committed_is, place, 11))
        await until(partial(_lag_is, running, 0))
        assert await names_are(place, kept)
    assert await place.letters() == []


async def _lag_is(running: Running, records: int) -> bool:
    return running.registry.get_sample_value("shw_consumer_lag_records", {"partition": "0"}) == records


async def test_an_open_transaction_is_no_fault_of_the_member_and_shows(
    kafka_place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At the pace of a test: a member that stood still for this long would be made anew.
    monkeypatch.setattr(liveness, "REJOIN_AFTER", 1.0)
    monkeypatch.setattr(liveness, "IN_DOUBT_AFTER", 0.5)
    place = kafka_place
    org = await place.organisation()
    producer = await asyncio.to_thread(Transactions, place, org, "open")
    async with place.consumer() as running:
        await place.publish(quick(org, "before"))
        await until(partial(names_are, place, ["before"]))
        await producer.begin("in it")
        await place.publish(quick(org, "behind it"))

        async def shows() -> bool:
            return running.metric("shw_open_transaction_seconds", partition="0") > 4

        await until(shows)
        assert running.metric("shw_rebuilds_total", client="member") == 0
        assert running.consumer.source.watch.ages()["unread"] == timedelta(0)
        assert await _lag_is(running, 0)
        assert await names_are(place, ["before"])
        await producer.commit()
        await until(partial(names_are, place, ["before", "in it", "behind it"]))

        async def is_over() -> bool:
            return running.metric("shw_open_transaction_seconds", partition="0") == 0

        await until(is_over)


async def test_what_is_read_around_the_client_keeps_to_transactions_too(kafka_place: Site) -> None:
    place = kafka_place
    org = await place.organisation()
    producer = await asyncio.to_thread(Transactions, place, org, "one")
    await producer.begin("taken back")
    await send(place, [unreadable()])
    await producer.take_back()
    await producer.begin("kept")
    await producer.commit()
    async with place.consumer():
        await until(partial(names_are, place, ["kept"]))
        await until(partial(committed_is, place, 5))
    assert len(await place.letters()) == 1


@asynccontextmanager
async def left_open(place: Site, org: UUID, *names: str) -> AsyncIterator[None]:
    producer = await asyncio.to_thread(Transactions, place, org, "left open")
    await producer.begin(*names)
    try:
        yield
    finally:
        await producer.take_back()


async def test_a_replay_reads_what_was_committed_and_ends_before_an_open_transaction(kafka_place: Site) -> None:
    place = kafka_place
    org = await place.organisation()
    producer = await asyncio.to_thread(Transactions, place, org, "one")
    await producer.begin("taken back")
    await producer.take_back()
    await place.publish(quick(org, "plain"))
    async with left_open(place, org, "in it"):
        ran = await asyncio.to_thread(
            shw, "replay", "--since", "2020-01-01T00:00:00Z", settings=environment_of(place.settings)
        )
    assert ran.code == 0, ran.err
    (counts,) = ran.json
    assert {name: number for name, number in counts.items() if number} == {"read": 1, "new": 1}
    assert await names_are(place, ["plain"])
