"""Publishers learn of what was refused of theirs, where the catalog says so: durable with the dead letter."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from consumer.model import Message
from consumer.pipeline.publish import Publisher
from schemas.names import PoisonReason
from tests.support.pipeline import Site, event, until

TOLD: Final = "urn:told"
QUIET: Final = "urn:quiet"
ELSEWHERE: Final = UUID("0d3f1c52-6a55-4d1e-9a43-0a5d4c7b1e10")
TYPE: Final = "workflow.failure_refused.v1"
SECRET: Final = "sk_live_4eC39HqLyjWDarjtT1zdp7dcQ3"
LIMIT: Final = 4096


@pytest.fixture
def catalog_file(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.yaml"
    path.write_text(
        "version: 1\nsources:\n"
        f"- {{source: '{TOLD}', organisations: '*', publish_refusals: true}}\n"
        f"- {{source: 'urn:bound', organisations: [{ELSEWHERE}], publish_refusals: true}}\n"
        f"- {{source: '{QUIET}', organisations: '*'}}\n"
        "workflows: []\n"
    )
    return path


def _of(source: str, event_id: str, org: UUID, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    return event(org, event_id, workflow_name=event_id, **changes) | {"source": source}


def _without_name(source: str, event_id: str, org: UUID) -> dict[str, Any]:
    whole = _of(source, event_id, org)
    del whole["data"]["workflow_name"]
    return whole


async def _refusals(place: Site, number: int) -> dict[str, tuple[bytes | None, dict[str, Any]]]:
    """Return the refusals by the ids of the events that they tell, with their keys, once there are so many."""

    async def told() -> dict[str, tuple[bytes | None, dict[str, Any]]]:
        found = [one for one in await place.read(place.settings.kafka.results_topic) if one.event["type"] == TYPE]
        by_id = {one.event["data"]["event_id"]: (one.key, one.event) for one in found}
        return by_id if len(by_id) >= number else {}

    return await until(told)


async def test_each_refused_event_of_a_source_that_wants_it_is_told_and_no_other(embedded_place: Site) -> None:
    place = embedded_place.changed(intake={"max_event_bytes": LIMIT})
    org = await place.organisation()
    cut = json.dumps(_of(TOLD, "cut", org)).encode()[:-30]
    headers = [(f"ce_{name}", said.encode()) for name, said in (("id", "binary"), ("source", TOLD), ("type", "x"))]
    await place.publish(
        _without_name(QUIET, "quiet", org),
        _without_name(TOLD, "shape", org),
        cut,
        _of(TOLD, "large", org, context={"text": "x" * LIMIT}),
        _of(TOLD, "stranger", uuid4()),
        _of("urn:bound", "elsewhere", org),
        _without_name(TOLD, f"password={SECRET}", org),
    )
    await place.publish(b"\x00\x01", headers=[*headers, ("ce_specversion", b"1.0")])
    await place.publish(_of(QUIET, "good", org))
    async with place.consumer() as running:
        await running.settled(1)
        told = await _refusals(place, 7)
    assert len(await place.letters()) == 8
    assert {event_id: one["data"]["reason"] for event_id, (_, one) in told.items() if SECRET not in event_id} == {
        "shape": PoisonReason.WRONG_SHAPE,
        "cut": PoisonReason.NOT_JSON,
        "large": PoisonReason.TOO_LARGE,
        "stranger": PoisonReason.UNKNOWN_ORGANISATION,
        "elsewhere": PoisonReason.SOURCE_NOT_ALLOWED,
        "binary": PoisonReason.NOT_JSON,
        **{event_id: PoisonReason.WRONG_SHAPE for event_id in told if "password" in event_id},
    }
    assert SECRET not in json.dumps([one for _, one in told.values()])
    key, shape = told["shape"]
    assert (key, shape["subject"], shape["data"]["source"]) == (TOLD.encode(), TOLD, TOLD)
    assert told["elsewhere"][0] == b"urn:bound"
    assert (shape["data"]["org_id"], told["binary"][1]["data"]["org_id"]) == (str(org), None)
    assert "workflow_name" in shape["data"]["message"]
    assert "publish the event again" in shape["data"]["cure"]
    assert shape["data"]["record"] == {"topic": place.settings.kafka.failures_topic, "partition": 0, "offset": 1}


async def test_a_refusal_is_durable_with_its_dead_letter_and_has_one_id_however_often_it_is_read(
    embedded_place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = embedded_place
    org = await place.organisation()
    await place.publish(_without_name(TOLD, "shape", org))

    def dies_before(_publisher: Publisher, _messages: Sequence[Message]) -> None:
        """Send nothing, as a process does that dies after its commit."""

    async def both() -> bool:
        return await place.count("heal_outbox") == 2

    with monkeypatch.context() as dying:
        dying.setattr(Publisher, "offer", dies_before)
        async with place.consumer() as running:
            await until(both)
            assert await place.db.fetchval("SELECT count(DISTINCT xmin::text) FROM heal_outbox") == 1
            await running.abandon()
    await place.time_passes()
    again = place.in_another_group()
    async with again.consumer() as running:
        ((_, first),) = (await _refusals(place, 1)).values()
        await running.counted("shw_events_total", 1, outcome="dead_letter")
    found = [one for one in await place.results() if one["type"] == TYPE]
    assert {one["id"] for one in found} == {first["id"]}
