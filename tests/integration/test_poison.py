"""G10: a poison event blocks nothing and nobody else, and comes out as it went in."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from consumer.catalog import WorkflowPolicy
from consumer.heal.strategy import EffectGate, Task
from consumer.ingest.decode import AdmissionRules, decode
from consumer.ingest.event_batches import Events, events_in
from consumer.model import (
    Adopt,
    Crashed,
    DeadLetter,
    Diagnosed,
    Failure,
    Healed,
    Intent,
    Outcome,
    Proof,
    Record,
    Refuse,
    Scope,
    Settlement,
    Wait,
)
from consumer.results.settlement import FinishedHeal, settle_heal, settle_unclaimed
from schemas.dead_letter import read_headers
from schemas.names import PoisonReason, Verdict
from tests.support.pipeline import Read, Site, catalog, event, until
from tests.support.worlds.http_world import World
from tests.support.worlds.scripted import Scripted

ORG = UUID("9b1f3c52-6a55-4d1e-9a43-0a5d4c7b1e10")
LIMIT = 4096
FOREIGN = "urn:foreign"
MARK = ("x-own-header", b"\x00\xffkept")


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison:
    name: str
    reason: PoisonReason
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = (MARK,)


def _event(**changes: Any) -> bytes:  # noqa: ANN401 - JSON is anything
    return json.dumps(event(ORG, "poison", **changes)).encode()


def _with(old: str, new: str) -> bytes:
    """Change a good event's text: for what json.dumps does not write."""
    text = json.dumps(event(ORG, "poison", context={"n": "PLACE"}))
    assert old in text
    return text.replace(old, new).encode()


def _nested(depth: int) -> bytes:
    return _with('"PLACE"', "[" * depth + "]" * depth)


def _enveloped(**attributes: Any) -> bytes:  # noqa: ANN401 - JSON is anything
    return json.dumps(event(ORG, "poison") | attributes).encode()


R = PoisonReason
TABLE = [
    Poison(name="text", reason=R.NOT_JSON, value=b"not json"),
    Poison(name="not UTF-8", reason=R.NOT_JSON, value=b'{"org_id": "\xff\xfe"}'),
    Poison(name="cut", reason=R.NOT_JSON, value=_event()[:-3]),
    Poison(name="tombstone", reason=R.NOT_JSON, value=None),
    Poison(name="an array", reason=R.WRONG_SHAPE, value=b"[]"),
    Poison(name="no organisation", reason=R.WRONG_SHAPE, value=_with("org_id", "organization")),
    Poison(name="context is a text", reason=R.WRONG_SHAPE, value=_event(context="none")),
    Poison(name="above the limit", reason=R.TOO_LARGE, value=_event(context={"text": "x" * LIMIT})),
    Poison(name="name too long", reason=R.TOO_LARGE, value=_event(workflow_name="n" * 513)),
    Poison(name="a thousand headers and one", reason=R.TOO_LARGE, value=_event(), headers=(("h", b""),) * 1001),
    Poison(name="NUL in an id", reason=R.BAD_TEXT, value=_enveloped(id="a\0b")),
    Poison(name="half a surrogate pair in a source", reason=R.BAD_TEXT, value=_enveloped(source="urn:\ud800")),
    Poison(name="Avro", reason=R.NOT_JSON, value=b"\x00\x00\x00\x00\x07\x0corders"),
    Poison(
        name="half a set of attributes",
        reason=R.WRONG_SHAPE,
        value=_event(),
        headers=(("ce_id", b"e"), ("ce_source", b"s"), ("ce_type", b"workflow.failure.v1")),
    ),
    Poison(
        name="NUL in a header",
        reason=R.BAD_TEXT,
        value=json.dumps(event(ORG)["data"]).encode(),
        headers=(
            ("ce_specversion", b"1.0"),
            ("ce_id", b"a\0b"),
            ("ce_source", b"s"),
            ("ce_type", b"workflow.failure.v1"),
        ),
    ),
    Poison(name="NaN", reason=R.BAD_NUMBER, value=_with('"PLACE"', "NaN")),
    Poison(name="1e200000", reason=R.BAD_NUMBER, value=_with('"PLACE"', "1e200000")),
    Poison(name="1e131071", reason=R.BAD_NUMBER, value=_with('"PLACE"', "1e131071")),
    Poison(name="2000 digits", reason=R.BAD_NUMBER, value=_with('"PLACE"', "9" * 2000)),
    Poison(name="yesterday", reason=R.BAD_TIME, value=_event(detected_at="yesterday")),
    Poison(name="no offset", reason=R.BAD_TIME, value=_event(detected_at="2026-01-01T00:00:00")),
    Poison(name="before the year 1", reason=R.BAD_TIME, value=_event(detected_at="0001-01-01T00:00:00+14:00")),
    Poison(name="the first day", reason=R.BAD_TIME, value=_event(detected_at="0001-01-01T00:00:01Z")),
    Poison(name="after the year 9999", reason=R.BAD_TIME, value=_event(detected_at="9999-12-31T23:59:59-14:00")),
    Poison(name="101 deep", reason=R.TOO_DEEP, value=_nested(101)),
    Poison(name="1900 deep", reason=R.TOO_DEEP, value=_nested(1900)),
    Poison(name="a stranger", reason=R.UNKNOWN_ORGANISATION, value=json.dumps(event(uuid4())).encode()),
    Poison(name="a foreign source", reason=R.SOURCE_NOT_ALLOWED, value=_enveloped(source=FOREIGN)),
    Poison(name="type v2", reason=R.UNKNOWN_VERSION, value=_enveloped(type="workflow.failure.v2")),
    Poison(name="CloudEvents 0.3", reason=R.UNKNOWN_VERSION, value=_enveloped(specversion="0.3")),
    Poison(name="refused by the database", reason=R.UNSTORABLE, value=_event(workflow_name="unstorable")),
]


@pytest.fixture
def catalog_file(tmp_path: Path, world: World) -> Path:
    path = tmp_path / "catalog.yaml"
    path.write_text(catalog(world.port).replace("{source: '*',", "{source: 'urn:test',"))
    return path


async def _letters(place: Site, number: int) -> list[Read]:
    letters = await place.letters()
    return letters if len(letters) >= number else []


async def _prepare(place: Site) -> Site:
    await place.db.execute("INSERT INTO organizations (id) VALUES ($1)", ORG)
    # Whatever decode does not know of: here a constraint that this release has never heard of.
    await place.db.execute("ALTER TABLE workflow_failures ADD CHECK (workflow_name <> 'unstorable')")
    return place.changed(intake={"max_event_bytes": LIMIT})


def _good(n: int) -> dict[str, Any]:
    # No strategy is installed for it: it is given up at once, and so shows that its batch went through.
    return event(ORG, f"good{n}", workflow_name=f"good{n}", failure_reason="voice is silent")


def _is_the_letter_of(letter: Read, poison: Poison, topic: str, offset: int) -> None:
    said = read_headers(list(letter.headers.items()))
    assert said is not None
    assert (said.shw_dlq_reason, said.shw_dlq_topic) == (poison.reason, topic)
    assert (said.shw_dlq_partition, said.shw_dlq_offset) == (0, offset)
    assert said.shw_dlq_message
    assert letter.value == (poison.value or b"")
    assert letter.key == b"run-7"
    for name, content in poison.headers:
        assert letter.headers[name] == content


BY_A_LOCK: Final = {R.ORGANISATION_LOCKED}
"""Not of the record: tests/integration/test_locked_organisations.py holds the lock."""
BY_BYTES_ALONE: Final = {R.UNREADABLE_RECORD, R.CORRUPT_BATCH}
"""No client writes these: tests/integration/test_unreadable_records.py does."""
BY_THEIR_COST: Final = {R.TOOK_TOO_LONG}
"""tests/integration/test_slow_records.py has these."""
OF_COMMANDS: Final = {R.NOT_AUTHENTIC}
"""Of another topic: tests/integration/test_command_forgeries.py has these."""


@pytest.mark.parametrize(
    "reason", [one for one in PoisonReason if one not in BY_BYTES_ALONE | BY_THEIR_COST | BY_A_LOCK | OF_COMMANDS]
)
async def test_poison_of_each_kind_becomes_dead_letters_and_its_neighbours_failures(
    embedded_place: Site, reason: PoisonReason
) -> None:
    place = await _prepare(embedded_place)
    poisons = {1 + n: poison for n, poison in enumerate(one for one in TABLE if one.reason is reason)}
    assert poisons
    await place.publish(_good(1))
    for offset, poison in poisons.items():
        assert await place.publish(poison.value, key=b"run-7", headers=poison.headers) == [offset]
    await place.publish(_good(2))
    async with place.consumer() as running:
        await running.settled(2)
        await until(lambda: _is_committed(place, 2 + len(poisons)))
        await running.counted("shw_dead_letters_total", len(poisons), reason=reason)
        assert running.metric("shw_events_total", outcome="accepted") == 2
    assert {row["status"] for row in (await place.failures()).values()} == {"given_up"}
    letters = {int(letter.headers["shw_dlq_offset"]): letter for letter in await place.letters()}
    assert set(letters) == set(poisons)
    for offset, poison in poisons.items():
        _is_the_letter_of(letters[offset], poison, place.settings.kafka.failures_topic, offset)


async def _is_committed(place: Site, offset: int) -> bool:
    return await place.committed() == offset


async def test_a_batch_full_of_every_poison_blocks_nobody_and_a_redelivery_does_no_harm(place: Site) -> None:
    place = await _prepare(place)
    offsets: dict[int, Poison] = {}
    for poison in TABLE:
        await place.publish(_good(len(offsets)))
        (offset,) = await place.publish(poison.value, key=b"run-7", headers=poison.headers)
        offsets[offset] = poison
    async with place.consumer() as running:
        await running.settled(len(TABLE))
        await until(lambda: _is_committed(place, 2 * len(TABLE)))
    topic = place.settings.kafka.failures_topic
    letters = await place.letters()
    assert len(letters) == len(TABLE)
    for letter in letters:
        offset = int(letter.headers["shw_dlq_offset"])
        _is_the_letter_of(letter, offsets[offset], topic, offset)

    # Another group reads everything again, as after a lost offset.
    again = place.in_another_group()
    async with again.consumer() as running:
        await until(lambda: _is_committed(again, 2 * len(TABLE)))
        await running.settled(len(TABLE))
        assert running.metric("shw_events_total", outcome="duplicate") == len(TABLE)
    told = {int(letter.headers["shw_dlq_offset"]): letter for letter in await place.letters()}
    assert set(told) == set(offsets)


async def test_a_letter_that_the_database_refuses_is_kept_without_what_it_refuses(embedded_place: Site) -> None:
    place = await _prepare(embedded_place)
    await place.db.execute("ALTER TABLE heal_outbox ADD CHECK (key IS DISTINCT FROM 'hopeless'::bytea)")
    await place.publish(_good(1), b"hopeless", key=b"hopeless")
    await place.publish(_good(2), b"not json")
    async with place.consumer() as running:
        await running.settled(2)
        await until(lambda: _is_committed(place, 4))
    assert {(letter.key, letter.value) for letter in await place.letters()} == {
        (None, b"hopeless"),
        (None, b"not json"),
    }


async def test_events_that_are_too_large_for_a_letter_are_cut_and_keep_their_digest(embedded_place: Site) -> None:
    place = (await _prepare(embedded_place)).changed(kafka={"max_message_bytes": 8192})
    value = _event(context={"text": "x" * 20_000})
    await place.publish(value, _good(1))
    async with place.consumer() as running:
        await running.settled(1)
        (letter,) = await until(place.letters)  # a large record is read past, and its letter comes later
    said = read_headers(list(letter.headers.items()))
    assert said is not None
    assert (said.shw_dlq_bytes, said.shw_dlq_truncated) == (len(value), True)
    assert value.startswith(letter.value)
    assert 0 < len(letter.value) < 8192


async def test_a_letter_that_the_dead_letter_topic_refuses_is_cut_and_blocks_no_other(kafka_place: Site) -> None:
    place = (await _prepare(kafka_place)).changed(intake={"max_event_bytes": 100_000})
    await place.limit_topic(place.settings.kafka.dlq_topic, 6000)
    # Poison that looks like an event of ours, and is far above what the topic takes.
    forged = {"source": "urn:shw:healer", "subject": "x", "data": {"failure_id": "x", "evidence": 7, "t": "x" * 20_000}}
    poison = json.dumps(forged).encode()
    await place.publish(poison, b"not json", _good(1))
    async with place.consumer() as running:
        await running.settled(1)
        found = await until(partial(_letters, place, 2))
    letters = {int(letter.headers["shw_dlq_offset"]): letter.value for letter in found}
    assert letters[1] == b"not json"
    assert poison.startswith(letters[0])
    assert 2048 < len(letters[0]) < 6000


async def healed(task: Task, gate: EffectGate) -> Outcome:  # noqa: ARG001 - a strategy's shape
    await gate.begin()
    return Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail=""),))


async def test_an_event_on_which_our_own_planning_breaks_is_refused_and_blocks_no_other(embedded_place: Site) -> None:
    class Breaking(Scripted):
        def needs(self, failure: Failure) -> tuple[str, ...]:
            if failure.workflow_name == "breaks":
                raise ZeroDivisionError
            return ()

    place = embedded_place
    org = await place.organisation()
    await place.publish(event(org, "a", workflow_name="breaks"), event(org, "b", workflow_name="goes on"))
    await place.db.execute(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason) VALUES ($1, 'breaks', 'timeout')", org
    )
    breaking = Breaking(heals=healed)
    async with place.consumer({breaking.name: breaking}) as running:
        await until(lambda: place.is_settled(3))
        assert running.metric("shw_events_total", outcome="accepted") == 2
    ends = await place.db.fetch("SELECT workflow_name, status FROM workflow_failures ORDER BY 1, 2")
    assert [tuple(end) for end in ends] == [("breaks", "given_up"), ("breaks", "given_up"), ("goes on", "resolved")]
    crashed = await place.db.fetch("SELECT details FROM workflow_heal_attempts WHERE result = 'error'")
    assert [json.loads(one["details"])["code"] for one in crashed] == ["crashed", "crashed"]


@pytest.mark.parametrize("detected_at", ["2999-01-01T00:00:00Z", "9990-06-01T00:00:00Z", "9998-12-31T23:59:59Z"])
async def test_a_failure_from_the_future_is_one_of_now_and_waits_as_long_as_it_was_told(
    embedded_place: Site, detected_at: str
) -> None:
    place = embedded_place
    org = await place.organisation()
    told = {"error": {"status": 429, "headers": {"Retry-After": "3600"}}}
    late = event(org, "late", failure_reason="429 Too Many Requests", context=told, detected_at=detected_at)
    await place.publish(late, event(org, "fine", workflow_name="fine"))
    await place.db.execute(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context, detected_at) "
        "VALUES ($1, 'insert', '429 Too Many Requests', $2, $3::text::timestamptz)",
        org,
        json.dumps(told),
        detected_at,
    )
    scripted = Scripted(heals=healed)
    async with place.consumer({scripted.name: scripted}):
        await until(lambda: place.is_settled(3))
    rows = await place.db.fetch("SELECT status, due_at < now() + interval '3 hours' AS soon FROM workflow_failures")
    assert sorted((row["status"], row["soon"]) for row in rows) == [
        ("deferred", True),
        ("deferred", True),
        ("resolved", None),
    ]


async def test_a_failure_on_which_our_own_settling_breaks_is_given_up_and_holds_up_no_other(
    embedded_place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_unclaimed(diagnosed: Diagnosed, plan: Refuse | Wait | Adopt, *others: Any) -> Settlement:  # noqa: ANN401 - as it is called
        if diagnosed.failure.workflow_name == "breaks" and isinstance(plan, Wait):
            raise OverflowError
        return settle_unclaimed(diagnosed, plan, *others)

    def breaks(ended: FinishedHeal, *others: Any) -> Settlement:  # noqa: ANN401 - as it is called
        if ended.failure.workflow_name == "breaks" and not isinstance(ended.outcome, Crashed):
            raise OverflowError
        return settle_heal(ended, *others)

    monkeypatch.setattr("consumer.pipeline.unclaimed.settle_unclaimed", breaks_unclaimed)
    monkeypatch.setattr("consumer.results.asked.settle_heal", breaks)
    place = embedded_place
    org = await place.organisation()
    told = {"error": {"status": 429, "headers": {"Retry-After": "3600"}}}
    waits = event(org, "waits", workflow_name="breaks", failure_reason="429 Too Many Requests", context=told)
    await place.publish(waits, event(org, "heals", workflow_name="breaks"), event(org, "b", workflow_name="goes on"))
    await place.db.execute(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context) "
        "VALUES ($1, 'breaks', '429 Too Many Requests', $2)",
        org,
        json.dumps(told),
    )
    scripted = Scripted(heals=healed)
    async with place.consumer({scripted.name: scripted}):
        await until(lambda: place.is_settled(4))
    ends = await place.db.fetch("SELECT workflow_name, status FROM workflow_failures ORDER BY 1, 2")
    assert [tuple(end) for end in ends] == [*[("breaks", "given_up")] * 3, ("goes on", "resolved")]
    crashed = await place.db.fetch("SELECT details FROM workflow_heal_attempts WHERE result = 'error'")
    assert {json.loads(one["details"])["code"] for one in crashed} == {"crashed"}


async def test_a_record_on_which_our_own_reading_breaks_is_a_dead_letter(
    embedded_place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(record: Record, door: AdmissionRules, now: datetime) -> Failure | DeadLetter:
        if b"breaks" in (record.value or b""):
            raise RecursionError
        return decode(record, door, now)

    monkeypatch.setattr("consumer.pipeline.reading.decode", breaks)
    place = embedded_place
    org = await place.organisation()
    await place.publish(event(org, "a", workflow_name="breaks"), event(org, "b", failure_reason="voice is silent"))
    async with place.consumer():
        await until(lambda: place.is_settled(1))
    (letter,) = await place.letters()
    assert letter.headers["shw_dlq_reason"] == b"unstorable"
    assert b"RecursionError" in letter.headers["shw_dlq_message"]


async def test_a_record_on_which_our_own_splitting_breaks_is_a_dead_letter(
    embedded_place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(value: bytes) -> Events:
        if b"breaks" in value:
            raise MemoryError
        return events_in(value)

    monkeypatch.setattr("consumer.pipeline.reading.events_in", breaks)
    place = embedded_place
    org = await place.organisation()
    kind = ("content-type", b"application/cloudevents-batch+json")
    await place.publish(b'["breaks"]', json.dumps([_good(1) | event(org, "g")]).encode(), headers=(kind,))
    async with place.consumer():
        await until(lambda: _is_committed(place, 2))
    (letter,) = await place.letters()
    assert (letter.headers["shw_dlq_reason"], letter.value) == (b"unstorable", b'["breaks"]')
    assert b"MemoryError" in letter.headers["shw_dlq_message"]
    assert len(await place.failures()) == 1


async def test_a_header_without_a_value_counts_as_an_empty_one(place: Site) -> None:
    await _prepare(place)
    nothing: Any = None
    odd = (("content-type", nothing), ("ce_id", nothing), ("traceparent", nothing), ("shw_first_topic", nothing))
    for headers in ([one] for one in odd):
        await place.publish(_good(1) if headers[0][0] != "ce_id" else b"{}", headers=headers)
    await place.publish(_good(2))
    async with place.consumer() as running:
        await running.settled(2)
        await until(lambda: _is_committed(place, 5))
    (letter,) = await place.letters()
    assert letter.headers["ce_id"] == b""


async def test_a_stored_failure_whose_claim_the_database_refuses_is_given_up_and_holds_up_no_other(
    embedded_place: Site,
) -> None:
    class Sprawling(Scripted):
        def intent(self, failure: Failure, policy: WorkflowPolicy) -> Intent:
            # Longer than an index row may be, and too varied to be compressed below it.
            spread = "".join(str(uuid4()) for _ in range(200)) if failure.workflow_name == "sprawls" else failure.id
            return replace(super().intent(failure, policy), scope=Scope(f"{failure.org_id}:{spread}"))

    place = embedded_place
    org = await place.organisation()
    for name in ("sprawls", "goes on"):
        await place.db.execute(
            "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason) VALUES ($1, $2, 'timeout')",
            org,
            name,
        )
    sprawling = Sprawling(heals=healed)
    async with place.consumer({sprawling.name: sprawling}):
        await until(lambda: place.is_settled(2))
    rows = await place.failures()
    assert {name: row["status"] for name, row in rows.items()} == {"sprawls": "given_up", "goes on": "resolved"}
