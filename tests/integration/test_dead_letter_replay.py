"""`shw dlq replay`: a letter is one failure however often it is sent again, and is sent only once its cause is gone."""

import asyncio
import json
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from tests.support.pipeline import Site, environment_of, until
from tests.support.shw import Ran, shw

EVENTS = 3


async def run_shw(place: Site, *arguments: str, **settings: str) -> Ran:
    return await asyncio.to_thread(partial(shw, *arguments, settings=environment_of(place.settings) | settings))


def bare(org: UUID, n: int, **changes: Any) -> bytes:  # noqa: ANN401 - JSON is anything
    """An event without an id: what it is told apart by is where it lay."""
    failed = {"org_id": str(org), "workflow_name": f"orders.{n}", "failure_reason": "voice is silent"}
    return json.dumps(failed | changes).encode()


async def letters_are(place: Site, count: int) -> None:
    async def look() -> bool:
        return len(await place.letters()) == count

    await until(look)


async def everything_is_read(place: Site) -> None:
    kafka = place.settings.kafka

    async def look() -> bool:
        return await place.committed() == len(await place.read(kafka.failures_topic))

    await until(look)


async def test_three_bare_events_are_three_failures_however_often_they_were_sent_again(place: Site) -> None:
    org = uuid4()
    await place.publish(*(bare(org, n) for n in range(EVENTS)))
    async with place.consumer():
        await letters_are(place, EVENTS)
        for _ in range(2):
            sent = await run_shw(place, "dlq", "replay", "--all", "--force")
            assert sent.code == 0, sent.err
            await everything_is_read(place)
        first = {letter.headers["shw_dlq_offset"] for letter in await place.letters()}
        await place.db.execute("INSERT INTO organizations (id) VALUES ($1)", org)
        places = [f"{letter.partition}:{letter.offset}" for letter in await place.letters()]
        one_by_one = await run_shw(place, "dlq", "replay", "--force", *places)
        assert "is of the same original as" in one_by_one.err
        assert (await run_shw(place, "dlq", "replay", "--all", "--force")).code == 0
        await everything_is_read(place)
        await until(lambda: place.is_settled(EVENTS))
    assert first == {b"0", b"1", b"2"}
    assert len(await place.failures()) == EVENTS


async def replayed_letters(place: Site) -> list[tuple[bytes | None, bytes | None]]:
    return [(one.headers.get("shw_dlq_offset"), one.headers.get("shw_dlq_replayed")) for one in await place.letters()]


async def test_a_letter_is_sent_once_its_cause_is_gone_and_told_once_it_is_accepted(embedded_place: Site) -> None:
    place, org = embedded_place, uuid4()
    await place.publish(bare(org, 1), bare(org, 2))
    async with place.consumer() as running:
        await letters_are(place, 2)
        refused = await run_shw(place, "dlq", "replay", "--all")
        assert (refused.code, refused.out) == (1, b"")
        assert refused.err.count(f"organisation {org} still does not exist. --force sends it all the same.") == 2
        assert await place.committed() == 2  # nothing was sent

        await run_shw(place, "dlq", "replay", "--force", "0:1")
        await letters_are(place, 3)
        assert await replayed_letters(place) == [(b"0", None), (b"1", None), (b"1", b"1")]
        listed = (await run_shw(place, "dlq", "list", "--json")).json
        assert [(one["from"].split()[1], one["replayed"]) for one in listed] == [("0:1", 1), ("0:1", 0), ("0:0", 0)]
        assert running.metric("shw_replayed_events_total", outcome="dead_letter") == 1

        await place.db.execute("INSERT INTO organizations (id) VALUES ($1)", org)
        tried = await run_shw(place, "dlq", "replay", "--all", "--dry-run")
        assert (tried.code, [one["would_replay"] for one in tried.json]) == (0, ["0:0", "0:2"]), tried.err
        assert "Not sent: 1 letter of originals that have a newer one" in tried.err
        assert await place.committed() == 3
        sent = await run_shw(place, "dlq", "replay", "--all")
        assert [one["replayed"] for one in sent.json] == ["0:0", "0:2"], sent.err
        await running.settled(2)
        await running.counted("shw_replayed_events_total", 2, outcome="accepted")
    rows = await place.db.fetch("SELECT id FROM workflow_failures")
    assert {str(row["id"]) for row in rows} == {one["failure_id"] for one in tried.json}

    told = await run_shw(place, "dlq", "replay", "--all")
    assert told.code == 0
    assert [(one["accepted_already"], one["status"]) for one in told.json] == [("0:0", "given_up"), ("0:2", "given_up")]
    again = await run_shw(place, "replay", "--since", "2020-01-01T00:00:00Z")
    assert again.json == [{"read": 5, "new": 0, "there_already": 5, "conflicting": 0, "dead_letters": 0}]


async def test_without_a_database_it_is_said_that_the_organisation_was_not_checked(embedded_place: Site) -> None:
    place, org = embedded_place, uuid4()
    await place.publish(bare(org, 1))
    async with place.consumer():
        await letters_are(place, 1)
    nowhere = "postgres://postgres@127.0.0.1:1/none"
    sent = await run_shw(place, "dlq", "replay", "--all", "--dry-run", SHW_POSTGRES__DSN=nowhere)
    assert (sent.code, len(sent.json)) == (0, 1)
    assert "Not checked: whether the organisations exist" in sent.err
    assert (await run_shw(place, "dlq", "replay", "--all", SHW_CATALOG="/nowhere.yaml")).code == 2


async def test_a_source_that_is_still_not_in_the_catalog_is_not_sent_for(embedded_place: Site) -> None:
    place = embedded_place
    assert place.settings.catalog is not None
    catalog = place.settings.catalog.read_text()
    place.settings.catalog.write_text(catalog.replace("{source: '*',", "{source: 'urn:known',"))
    org = await place.organisation()
    await place.publish(bare(org, 1), bare(org, 2))
    async with place.consumer():
        await letters_are(place, 2)
    refused = await run_shw(place, "dlq", "replay", "--all", "--dry-run")
    assert (refused.code, refused.out) == (1, b"")
    assert "0:0 is not replayed: the source is still not in the catalog: source 'urn:kafka:" in refused.err
    assert (await run_shw(place, "dlq", "replay", "--all", "--source", "urn:other", "--dry-run")).code == 0

    place.settings.catalog.write_text(catalog)
    source = f"urn:kafka:{place.settings.kafka.failures_topic}"
    chosen = ("--source", source, "--organisation", str(org), "--since", "1h", "--reason", "source_not_allowed")
    sent = await run_shw(place, "dlq", "replay", "--all", *chosen)
    assert (sent.code, len(sent.json)) == (0, 2), sent.err
    assert (await run_shw(place, "dlq", "list", "--until", "1h", "--json")).out == b""
