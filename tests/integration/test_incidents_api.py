"""Failures of one cause are one case over the API: opened, acknowledged, owned, noted, healed and closed by name."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api_world import LEADERS, OTHERS, World, error_of, serving

INCIDENTS = "/api/healing/incidents"


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database, user_burst=100_000) as served:
        yield served


async def three_of_a_cause(world: World) -> list[str]:
    began = datetime.now(UTC) - timedelta(hours=2)
    return [
        str(
            await world.failure(
                f"f{n}",
                failure_reason=f"timeout after {n} s",
                status="given_up",
                due_at=None,
                detected_at=began + timedelta(minutes=n),
            )
        )
        for n in range(3)
    ]


async def opened(world: World, failure: str, person: str = "owner") -> dict[str, Any]:
    made = await world.ask("POST", INCIDENTS, person, json={"failureId": failure})
    assert made.status_code in {200, 201}, made.text
    found: dict[str, Any] = made.json()
    return found


async def acted(world: World, incident: str, person: str = "owner", **body: str) -> Any:  # noqa: ANN401 - of the client
    return await world.ask("POST", f"{INCIDENTS}/{incident}/acts", person, json=body)


@pytest.mark.parametrize("person", LEADERS)
async def test_a_case_has_its_clock_and_each_act_its_person(world: World, person: str) -> None:
    ids = await three_of_a_cause(world)
    (case,) = (await world.get("/api/healing/causes", person))["causes"]
    assert (case["failures"], case["byStatus"], case["incidentId"]) == (3, {"given_up": 3}, None)
    incident = await opened(world, ids[2], person)
    me = str(world.people[person])
    first = await world.pool.fetchval("SELECT min(detected_at) FROM workflow_failures")
    assert (incident["openedBy"], datetime.fromisoformat(incident["since"])) == (me, first)
    # The same cause is the same case, whoever opens it, until that is closed.
    again = await world.ask("POST", INCIDENTS, json={"failureId": ids[0]})
    assert (again.status_code, again.json()["id"]) == (200, incident["id"])
    assert (await world.get("/api/healing/causes", person))["causes"][0]["incidentId"] == incident["id"]
    for act, said in (("acknowledge", ""), ("take", ""), ("note", "the gateway was moved"), ("acknowledge", "")):
        assert (await acted(world, incident["id"], person, act=act, said=said)).status_code == 200
    now = await world.get(f"{INCIDENTS}/{incident['id']}", person)
    assert (now["ownedBy"], now["acknowledgedBy"]) == (me, me)
    assert now["secondsToAcknowledge"] == pytest.approx(2 * 3600, abs=600)
    assert [(one["act"], one["by"], one["said"]) for one in now["acts"]] == [
        ("open", me, ""), ("acknowledge", me, ""), ("take", me, ""), ("note", me, "the gateway was moved"),
    ]  # fmt: skip
    frozen = await world.ask("POST", f"{INCIDENTS}/{incident['id']}/heal", person, json={"reason": "it is back"})
    assert (frozen.status_code, frozen.json()["failures"]) == (200, 3), frozen.text
    assert await world.pool.fetchval("SELECT count(*) FROM heal_bulk_item") == 3
    closed = (await acted(world, incident["id"], person, act="close", said="it was the gateway")).json()
    assert (closed["closedBy"], closed["secondsToClose"] > 0) == (me, True)
    assert error_of(await acted(world, incident["id"], person, act="take")) == (409, "incident_closed")
    refused = await world.ask("POST", f"{INCIDENTS}/{incident['id']}/heal", person, json={"reason": "again"})
    assert error_of(refused) == (409, "incident_closed")
    assert (await world.get(INCIDENTS, person))["incidents"] == []
    assert len((await world.get(f"{INCIDENTS}?show=all", person))["incidents"]) == 1
    assert (await opened(world, ids[0], person))["id"] != incident["id"]


async def test_an_owner_leaves_it_to_another_who_takes_it_over(world: World) -> None:
    incident = await opened(world, (await three_of_a_cause(world))[0])
    for person, act, owner in (("owner", "take", "owner"), ("admin", "take", "admin"), ("admin", "release", None)):
        now = (await acted(world, incident["id"], person, act=act)).json()
        assert now["ownedBy"] == (str(world.people[owner]) if owner else None)


@pytest.mark.parametrize(
    "body",
    [
        {"act": "note"},
        {"act": "note", "said": "\u200b"},
        {"act": "close", "said": " "},
        {"act": "open"},
        {"act": "heal"},
        {},
    ],
    ids=repr,
)
async def test_an_act_that_says_nothing_or_is_none_changes_nothing(world: World, body: dict[str, str]) -> None:
    incident = await opened(world, (await three_of_a_cause(world))[0])
    assert error_of(await acted(world, incident["id"], **body)) == (422, "invalid_request")
    assert await world.pool.fetchval("SELECT count(*) FROM heal_incident_act") == 1


@pytest.mark.parametrize("person", OTHERS)
async def test_who_leads_nothing_sees_and_does_nothing(world: World, person: str) -> None:
    (failure, *_) = await three_of_a_cause(world)
    incident = (await opened(world, failure))["id"]
    before = await world.pool.fetch("SELECT * FROM heal_incident")
    for one in (incident, str(uuid4())):
        assert error_of(await world.ask("GET", f"{INCIDENTS}/{one}", person)) == (404, "not_found")
        assert error_of(await acted(world, one, person, act="take")) == (404, "not_found")
        healed = await world.ask("POST", f"{INCIDENTS}/{one}/heal", person, json={"reason": "x"})
        assert error_of(healed) == (404, "not_found")
        made = await world.ask("POST", INCIDENTS, person, json={"failureId": failure})
        assert error_of(made) == (404, "not_found")
    assert (await world.get(INCIDENTS, person))["incidents"] == []
    assert (await world.get("/api/healing/causes", person))["causes"] == []
    assert await world.pool.fetch("SELECT * FROM heal_incident") == before
    assert (await world.ask("GET", INCIDENTS, None)).status_code == 401


async def test_causes_of_two_organisations_are_two_cases_and_what_is_not_led_is_none(world: World) -> None:
    other, foreign = uuid4(), uuid4()
    await world.pool.executemany("INSERT INTO organizations (id) VALUES ($1)", [(other,), (foreign,)])
    await world.pool.execute(
        "INSERT INTO user_organizations (user_id, org_id, role) VALUES ($1, $2, 'admin')", world.people["owner"], other
    )
    for name, org in (("a", world.org_id), ("b", other), ("c", foreign)):
        await world.failure(name, org_id=org, failure_reason="no such field")
    causes = (await world.get("/api/healing/causes"))["causes"]
    assert {one["orgId"] for one in causes} == {str(world.org_id), str(other)}
    assert [one["failures"] for one in causes] == [1, 1]


async def test_a_note_is_kept_without_its_secrets_and_a_time_that_is_none_begins_no_clock(world: World) -> None:
    await world.failure("odd", failure_reason="x", detected_at=datetime(1, 1, 2, tzinfo=UTC))
    (case,) = (await world.get("/api/healing/causes"))["causes"]
    incident = await opened(world, case["newestId"])
    assert datetime.now(UTC) - datetime.fromisoformat(incident["since"]) < timedelta(minutes=10)
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + "c2lnbmF0dXJlLW9mLXNvbWV0aGluZw"
    await acted(world, incident["id"], act="note", said=f"it sent Authorization: Bearer {token}")
    assert token not in await world.pool.fetchval("SELECT said FROM heal_incident_act WHERE act = 'note'")
