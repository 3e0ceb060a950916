"""G1, G10: what the Kafka client cannot read loses nothing of what it can, and is a dead letter itself."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CorruptRecordException, KafkaError

from consumer.errors import TransientError
from consumer.kafka import aiokafka_internals, bypass
from consumer.kafka.reader import Listener, Reader, open_reader
from consumer.local.broker import Broker
from consumer.model import Partition
from schemas.names import PoisonReason
from tests.support.faults.raising import PARTITIONS, RAISING, lost_in_rebalances, publish_raising, quick, raws, send
from tests.support.faults.raw_records import Raw, unreadable
from tests.support.patience import BEYOND_PATIENCE, PATIENCE
from tests.support.pipeline import Site, environment_of, event, site, until
from tests.support.shw import shw


@pytest.fixture
async def wide_place(kafka_broker: Broker, database: str, catalog_file: Path) -> AsyncIterator[Site]:
    async with site(kafka_broker, database, catalog_file, partitions=PARTITIONS) as made:
        yield made


async def has_rows(place: Site, *names: str) -> bool:
    return set(names) <= set(await place.failures())


async def committed_is(place: Site, *offsets: int) -> bool:
    return tuple([await place.committed(n) for n in range(len(offsets))]) == offsets


async def reasons_are(place: Site, *reasons: PoisonReason) -> bool:
    return [letter.headers["shw_dlq_reason"].decode() for letter in await place.letters()] == list(reasons)


async def test_a_partition_that_raises_loses_nothing_of_the_others_and_goes_on_itself(wide_place: Site) -> None:
    place = wide_place.changed(intake={"max_rows": 50})
    org = await place.organisation()
    names = await publish_raising(place, org, each=500)
    async with place.consumer():
        await until(lambda: committed_is(place, 500, 500, 510))
    assert set(await place.failures()) == names
    letters = await place.letters()
    assert {letter.headers["shw_dlq_offset"] for letter in letters} == {b"%d" % n for n in range(0, 510, 51)}
    assert len(letters) == 10
    assert {letter.headers["shw_dlq_partition"] for letter in letters} == {b"%d" % RAISING}


async def test_members_that_come_and_go_beside_a_partition_that_raises_lose_nothing(wide_place: Site) -> None:
    place = wide_place.changed(intake={"max_rows": 50})
    org = await place.organisation()
    names = await publish_raising(place, org, each=500)
    assert await lost_in_rebalances(place, names) == set()


async def test_a_record_that_cannot_be_read_is_a_letter_with_its_bytes_its_place_and_why(kafka_place: Site) -> None:
    place = kafka_place
    org = await place.organisation()
    bad = unreadable(b"whatever it was")
    await send(place, [*raws(org, "before"), bad, *raws(org, "after")], packed="gzip")
    async with place.consumer():
        await until(lambda: has_rows(place, "before", "after"))
        await until(lambda: committed_is(place, 3))
        await place.publish(quick(org, "later"))
        await until(lambda: has_rows(place, "later"))
        await until(lambda: reasons_are(place, PoisonReason.UNREADABLE_RECORD))
    (letter,) = await place.letters()
    assert letter.value == bad.body(1)
    said = {name: letter.headers[f"shw_dlq_{name}"] for name in ("topic", "partition", "offset")}
    assert said == {"topic": place.settings.kafka.failures_topic.encode(), "partition": b"0", "offset": b"1"}
    assert "header is not UTF-8" in letter.headers["shw_dlq_message"].decode()


async def test_a_letter_of_what_was_no_record_is_not_sent_again(kafka_place: Site) -> None:
    place = kafka_place
    await send(place, [unreadable()])
    async with place.consumer():
        await until(lambda: reasons_are(place, PoisonReason.UNREADABLE_RECORD))
    ran = await asyncio.to_thread(shw, "dlq", "replay", "0:0", settings=environment_of(place.settings))
    assert ran.code != 0
    assert "never a record" in ran.err
    assert len(await place.read(place.settings.kafka.failures_topic)) == 1


async def test_a_replay_passes_what_cannot_be_read_and_counts_it(kafka_place: Site) -> None:
    place = kafka_place
    org = await place.organisation()
    await send(place, [*raws(org, "a"), unreadable(), *raws(org, "b")])
    ran = await asyncio.to_thread(
        shw, "replay", "--since", "2020-01-01T00:00:00Z", settings=environment_of(place.settings)
    )
    assert ran.code == 0, ran.err
    (counts,) = ran.json
    assert {name: number for name, number in counts.items() if number} == {"read": 3, "new": 2, "dead_letters": 1}


@contextmanager
def damaged_on_disk(broker: Broker, topic: str, partition: int, words: bytes) -> Iterator[None]:
    """Flip a bit of what a running broker has on its disk, and flip it back."""
    (segment,) = Path(f"/proc/{broker.pid}/cwd/data/{topic}-{partition}").glob("*.log")
    at = segment.read_bytes().index(words)

    def flip() -> None:
        with segment.open("r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1]))

    flip()
    try:
        yield
    finally:
        flip()


async def test_a_batch_of_wrong_checksum_is_one_letter_once_it_was_fetched_again_for_long(
    wide_place: Site, kafka_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bypass, "CORRUPT_FOR", 1.0)
    monkeypatch.setattr(bypass, "LOOK_AGAIN", 0.1)
    place = wide_place
    org = await place.organisation()
    await send(place, raws(org, "before"))
    await send(place, raws(org, "damaged-1", "damaged-2"))
    await send(place, raws(org, "after"))
    with damaged_on_disk(kafka_broker, place.settings.kafka.failures_topic, 0, b"damaged-1"):
        async with place.consumer():
            await until(lambda: has_rows(place, "before", "after"))
            await until(lambda: committed_is(place, 4))
            await until(lambda: reasons_are(place, PoisonReason.CORRUPT_BATCH))
    (letter,) = await place.letters()
    assert b"amaged-2" in letter.value
    assert letter.headers["shw_dlq_offset"] == b"1"
    assert set(await place.failures()) == {"before", "after"}


async def test_a_batch_that_comes_whole_in_the_end_is_read_and_holds_up_no_other_partition(
    wide_place: Site, kafka_broker: Broker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bypass, "LOOK_AGAIN", 0.1)
    monkeypatch.setattr(bypass, "CORRUPT_FOR", BEYOND_PATIENCE.total_seconds())
    place = wide_place
    org = await place.organisation()
    await send(place, raws(org, "damaged"), partition=0)
    async with place.consumer() as running:
        with damaged_on_disk(kafka_broker, place.settings.kafka.failures_topic, 0, b"damaged"):

            async def in_doubt() -> bool:
                return "batch_corrupt" in capsys.readouterr().out

            await until(in_doubt)
            for n in range(20):
                name = f"healthy.{n}"
                await send(place, raws(org, name), partition=1 + n % 2)
                await until(partial(has_rows, place, name))
            assert await place.committed(0) == 0
            assert running.consumer.source.watch.ages()["unread"] == timedelta(0)
        await until(lambda: has_rows(place, "damaged"))
        await until(lambda: committed_is(place, 1, 10, 10))
    assert await place.letters() == []


RAISED: Final = (
    KafkaError("no reason"),
    CorruptRecordException("wrong checksum"),
    TimeoutError(),
    asyncio.CancelledError(),
)


@contextmanager
def raising_after_draining(dice: random.Random, errors: Sequence[BaseException]) -> Iterator[list[int]]:
    """Have the client raise all kinds of errors, after it has moved the position of what it gives."""
    drained, raised = FetchResult.getall, [0]

    def getall(self: Any, max_records: int | None = None) -> Any:  # noqa: ANN401 - the client has no types
        found = drained(self, max_records)
        if found and dice.random() < 0.4:
            raised[0] += 1
            raise dice.choice(errors)
        return found

    FetchResult.getall = getall
    try:
        yield raised
    finally:
        FetchResult.getall = drained


async def _nothing(_partitions: frozenset[Partition]) -> None:
    pass


@asynccontextmanager
async def reading(place: Site) -> AsyncIterator[Reader]:
    listener = Listener(revoked=_nothing, assigned=_nothing)
    async with open_reader(place.settings.kafka, place.settings.intake, listener) as reader:
        yield reader


@pytest.mark.parametrize(
    ("seed", "errors", "patience"),
    [
        (1, (*RAISED, RuntimeError("a bug")), (30.0,)),
        (2, RAISED, (0.001, 0.005, 5.0)),
        (3, RAISED, (0.001, 0.005, 5.0)),
    ],
    ids=["with a bug", "cancelled", "cancelled again"],
)
async def test_whatever_a_poll_raises_and_whenever_it_is_cancelled_nothing_is_passed_over(
    wide_place: Site, seed: int, errors: Sequence[BaseException], patience: Sequence[float]
) -> None:
    place, dice = wide_place, random.Random(seed)
    org = await place.organisation()
    names = await publish_raising(place, org, each=100, at_once=20)
    topic = place.settings.kafka.failures_topic
    given: dict[Partition, set[int]] = {Partition(topic, n): set() for n in range(PARTITIONS)}
    wanted = {Partition(topic, n): set(range(105 if n == RAISING else 100)) for n in range(PARTITIONS)}
    async with reading(place) as reader, asyncio.timeout(PATIENCE):
        with raising_after_draining(dice, errors) as raised:
            while given != wanted:
                with suppress(TransientError, TimeoutError):
                    async with asyncio.timeout(dice.choice(patience)):
                        polled = await reader.poll(max_records=7, wait=timedelta(milliseconds=20))
                    for tp, many in polled.records.items():
                        given[tp].update(one.offset for one in many)
                    for tp, position in polled.positions.items():
                        assert given[tp] >= set(range(position)), "all below a position was given"
                    if polled.positions:
                        await reader.commit(polled.positions, timedelta(seconds=5))
        assert raised[0]
    assert len(names) == 300


async def test_a_flood_of_what_cannot_be_read_leaves_the_others_their_pace(wide_place: Site) -> None:
    place = wide_place
    org = await place.organisation()
    for _ in range(20):
        await send(place, [unreadable()] * 200, partition=RAISING)
    async with place.consumer() as running:
        for n in range(10):
            await send(place, raws(org, f"healthy.{n}"), partition=n % 2)
            await until(partial(has_rows, place, f"healthy.{n}"))

        async def all_letters() -> bool:
            return running.metric("shw_dead_letters_total", reason="unreadable_record") == 4000

        await until(all_letters)
        await until(lambda: committed_is(place, 5, 5, 4000))


async def test_records_without_a_header_value_or_a_key_are_read_around_the_client_as_by_it(kafka_place: Site) -> None:
    place = kafka_place
    org = await place.organisation()
    plain = Raw(value=json.dumps(event(org, "x", workflow_name="x")).encode(), headers=((b"empty", None),))
    await send(place, [unreadable(), plain])
    async with place.consumer():
        await until(lambda: has_rows(place, "x"))


async def test_what_a_poll_gives_before_the_source_knows_its_partitions_is_read_again(
    kafka_place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The poll waits for the assignment, and the assignment asks the broker which topic it is."""
    place, asked, go_on = kafka_place, aiokafka_internals.described, asyncio.Event()
    org = await place.organisation()

    async def slowly(*args: Any) -> Any:  # noqa: ANN401 - whatever it takes
        asyncio.get_running_loop().call_later(0.5, go_on.set)
        await go_on.wait()
        return await asked(*args)

    monkeypatch.setattr(aiokafka_internals, "described", slowly)
    await place.publish(*(quick(org, f"f{n}") for n in range(3)))
    async with place.consumer():
        await until(partial(has_rows, place, "f0", "f1", "f2"))
        await until(lambda: committed_is(place, 3))
