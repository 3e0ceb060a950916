"""Large records in worker processes: read as everywhere else, and ended where they take too long."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from consumer.catalog import parse_catalog
from consumer.diagnose.diagnosis import diagnose
from consumer.ingest.big_records import BIG_BYTES, SUSPECT_BYTES, RecordWorkers, is_big, record_workers
from consumer.ingest.decode import AdmissionRules, decode, redact_stored
from consumer.ingest.event_batches import events_in
from consumer.model import DeadLetter, Record
from consumer.ownership.clock import Clock
from consumer.pipeline.reading import Reading
from consumer.plan.planner import Planner
from schemas.names import PoisonReason
from tests.support.adversarial_records import BUILDERS, hostile_event
from tests.support.healing import failure
from tests.support.pipeline import catalog

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
DOOR: Final = AdmissionRules(catalog=parse_catalog(catalog()), max_event_bytes=2**20)
SOME: Final = (
    "keys passwordN",
    "extensions",
    "huge integers",
    "objects in objects",
    "reason of frames",
    "reason of chinese",
    "text with random tokens",
)


def record(value: bytes) -> Record:
    return Record(topic="t", partition=3, offset=1, timestamp_ms=5, key=b"k", value=value, headers=())


@pytest.fixture
async def workers() -> AsyncIterator[RecordWorkers]:
    async with record_workers(timedelta(seconds=20)) as opened:
        yield opened


def test_an_ordinary_event_is_read_where_it_is() -> None:
    assert not is_big(None)
    assert not is_big(b"[" * 8000)
    assert not is_big(b"x" * BIG_BYTES)
    assert is_big(b"x" * (BIG_BYTES + 1))
    assert is_big(b"[" * 8200)


@pytest.mark.parametrize("more", [{}, {"request": {"headers": {"authorization": "secret://orders-api"}}}])
def test_a_large_event_that_holds_no_secret_is_read_where_it_is(more: dict[str, object]) -> None:
    lines = [{"sku": f"SKU-{n:04d}", "title": f"Linen shirt, size {n % 7}", "amount": 10 + n} for n in range(380)]
    honest = hostile_event({"context": {"items": lines} | more})
    assert SUSPECT_BYTES < len(honest) < BIG_BYTES
    assert not is_big(honest)
    assert is_big(honest.replace(b'"amount":29}', b'"amount":29,"note":"password=hunter2"}'))


@pytest.mark.parametrize("name", ["text with names before values", "text with json web tokens", "lists of secrets"])
def test_a_record_full_of_secrets_goes_to_a_worker_before_it_holds_the_loop_too_long(name: str) -> None:
    assert is_big(hostile_event(BUILDERS[name](20_000)))


async def test_a_worker_reads_a_record_as_this_process_does(workers: RecordWorkers) -> None:
    for name in SOME:
        one = record(hostile_event(BUILDERS[name](60_000)))
        here = decode(one, DOOR, NOW)
        assert not isinstance(here, DeadLetter), here
        assert await workers.decode(one, DOOR, NOW) == (here, diagnose(here.failure_reason, here.context)), name


@pytest.mark.parametrize("value", [b"{", b"[]" * 9, hostile_event({"org_id": 3})])
async def test_a_worker_gives_the_same_dead_letter(workers: RecordWorkers, value: bytes) -> None:
    assert await workers.decode(record(value), DOOR, NOW) == decode(record(value), DOOR, NOW)


BATCH: Final = (("content-type", b"application/cloudevents-batch+json"),)
BATCHES: Final = (
    b"[" + b",".join([hostile_event({})] * 3) + b"]",
    b"[" + b",".join([rb'{"id":"\ud800"}', b"[NaN]", b"7"]) + b"]",
    b"[" * 9000,
    b"[" + b"7," * 2000 + b"7]",
)


@pytest.mark.parametrize("value", BATCHES, ids=["events", "odd", "deep", "many"])
async def test_a_worker_splits_a_batch_as_this_process_does(workers: RecordWorkers, value: bytes) -> None:
    assert await workers.split(record(value)) == events_in(value)


async def test_a_batch_that_takes_too_long_to_split_is_a_dead_letter() -> None:
    deep = b"[" + b",".join([b"[" * 90 + b"]" * 90] * 5000) + b"]"
    one = replace(record(rb'[{"data":["\u0000",' + deep + b"]}]"), headers=BATCH)
    async with record_workers(timedelta(milliseconds=100)) as workers:
        planner = Planner(rungs={}, catalog=parse_catalog(catalog()))
        read = await Reading(DOOR, planner, Clock(), workers).read([one])
    (letter,) = read.letters
    assert (letter.reason, letter.record.value) == (PoisonReason.TOOK_TOO_LONG, one.value)


async def test_a_source_that_may_not_speak_is_told_as_ever(workers: RecordWorkers) -> None:
    closed = catalog().replace("source: '*'", "source: 'urn:trusted'")
    door = AdmissionRules(catalog=parse_catalog(closed), max_event_bytes=2**20)
    one = record(hostile_event({}))
    letter = await workers.decode(one, door, NOW)
    assert letter == decode(one, door, NOW)
    assert isinstance(letter, DeadLetter)
    assert letter.reason is PoisonReason.SOURCE_NOT_ALLOWED


async def test_what_takes_too_long_is_a_dead_letter_and_the_next_is_read() -> None:
    slow, quick = record(hostile_event(BUILDERS["keys passwordN"](900_000))), record(hostile_event({}))
    async with record_workers(timedelta(milliseconds=150)) as workers:
        letter = await workers.decode(slow, DOOR, NOW)
        assert isinstance(letter, DeadLetter)
        assert letter.reason is PoisonReason.TOOK_TOO_LONG
        assert "0.15 s" in letter.message
        assert not isinstance(await workers.decode(quick, DOOR, NOW), DeadLetter)


async def test_a_row_is_redacted_as_here_and_nothing_of_one_that_takes_too_long_is_kept() -> None:
    context = BUILDERS["keys passwordN"](900_000)["context"]
    row = replace(failure(context), source=None)
    async with record_workers(timedelta(milliseconds=20)) as workers:
        clean, why = await workers.redact(row)
    assert why is not None
    assert (clean.context, clean.redactions) == ({}, ("/context", "/failure_reason"))
    async with record_workers(timedelta(seconds=20)) as workers:
        assert await workers.redact(row) == (redact_stored(row), None)


async def test_a_worker_holds_no_secret_of_ours(workers: RecordWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHW_PLANTED_SECRET", "sk-planted")
    await workers.decode(record(hostile_event({})), DOOR, NOW)
    with open(f"/proc/self/task/{os.getpid()}/children") as file:  # noqa: ASYNC230, PTH123 - of this process
        children = file.read().split()
    for child in children:
        with open(f"/proc/{child}/environ") as file:  # noqa: ASYNC230, PTH123 - likewise
            assert "planted" not in file.read()
