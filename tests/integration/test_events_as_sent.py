"""Events as producers send them: in batches, under other headers, with texts that were cut in a character."""

import json
from typing import Any
from uuid import UUID

import pytest

from tests.support.pipeline import Site, call, event, until
from tests.support.worlds.http_world import World, json_reply

BATCH = (("content-type", b"application/cloudevents-batch+json"),)


def quick(org: UUID, name: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    """A failure that is given up at once: no strategy is installed for it."""
    return event(org, name, workflow_name=name, failure_reason="voice is silent", **changes)


async def test_each_event_of_a_batch_is_a_failure_and_a_bad_one_is_a_letter_that_is_replayed_alone(place: Site) -> None:
    org = await place.organisation()
    whole = json.dumps([quick(org, "a"), {"specversion": "1.0"}, quick(org, "b"), quick(org, "a"), "x"]).encode()
    await place.publish(whole, b"[]", whole, headers=BATCH)
    await place.publish(quick(org, "last"))
    async with place.consumer() as running:
        rows = await running.settled(3)

        async def is_committed() -> bool:
            return await place.committed() == 4

        await until(is_committed)
        assert running.metric("shw_events_total", outcome="accepted") == 3
        assert running.metric("shw_events_total", outcome="conflicting") == 0
    assert set(rows) == {"a", "b", "last"}
    letters = await place.letters()
    # Two of each delivery of the batch: each event for itself, at its record's offset.
    told = sorted((letter.headers["shw_dlq_offset"], letter.value) for letter in letters)
    assert told == [(at, value) for at in (b"0", b"2") for value in (b'"x"', b'{"specversion":"1.0"}')]
    assert {letter.headers["content-type"] for letter in letters} == {b"application/cloudevents+json"}


@pytest.mark.parametrize("prefix", ["ce_", "ce-", "cloudEvents:"])
async def test_a_second_delivery_is_known_by_its_attributes_however_they_are_spelled(
    embedded_place: Site, prefix: str
) -> None:
    place = embedded_place
    org = await place.organisation()
    whole = quick(org, "one")
    data = json.dumps(whole.pop("data")).encode()
    headers = [(prefix + name, str(text).encode()) for name, text in whole.items()]
    await place.publish(data, data, headers=headers)
    await place.publish(quick(org, "two"))
    async with place.consumer() as running:
        await running.settled(2)
        await running.counted("shw_events_total", 1, outcome="duplicate")


async def test_half_a_set_of_attributes_is_no_failure(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    whole = quick(org, "one")
    data = json.dumps(whole.pop("data")).encode()
    await place.publish(
        data, data, headers=[("ce_id", b"1"), ("ce_source", b"urn:x"), ("ce_type", b"workflow.failure.v1")]
    )
    await place.publish(quick(org, "two"))
    async with place.consumer() as running:
        rows = await running.settled(1)
    assert set(rows) == {"two"}
    assert len(await place.letters()) == 2


async def test_a_text_that_was_cut_in_a_character_is_stored_and_told_and_not_sent(
    embedded_place: Site, world: World
) -> None:
    place = embedded_place
    org = await place.organisation()
    world.on("/x", json_reply({"id": 7}))
    for name, body in (("told", {"n": 1}), ("kept", {"note": "cut CUT"})):
        whole = event(
            org,
            name,
            workflow_name=name,
            failure_reason="timeout CUT\0",
            context=call(world.url("/x"), "PUT", body=body),
        )
        await place.publish(json.dumps(whole).replace("CUT", "\\ud83d").encode())
    async with place.consumer() as running:
        rows = await running.settled(2)
        await running.counted("shw_mended_events_total", 2)
    assert rows["told"]["failure_reason"] == "timeout \ufffd\ufffd"
    assert (rows["told"]["status"], rows["kept"]["status"]) == ("resolved", "given_up")
    assert json.loads(rows["kept"]["redactions"]) == ["/context/request/body/note", "/failure_reason"]
    assert json.loads(rows["kept"]["context"])["request"]["body"] == {"note": "cut \ufffd"}
    assert len(world.calls("/x")) == 1
    reason = await place.db.fetchval(
        "SELECT details ->> 'reason' FROM workflow_heal_attempts JOIN workflow_failures f ON f.id = failure_id"
        " WHERE f.workflow_name = 'kept'"
    )
    assert "a piece of a character" in reason
