"""Owners and admins pause within their organisation over the API; nobody pauses beyond it there."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api_world import LEADERS, OTHERS, World, error_of, serving


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database) as served:
        yield served


def asked(world: World, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    return {"orgId": str(world.org_id), "reason": "they move it"} | changes


@pytest.mark.parametrize("person", LEADERS)
async def test_who_leads_pauses_and_resumes_within_the_organisation_and_is_named(world: World, person: str) -> None:
    body = asked(world, dependency="https://a.example:443", endsAt="2999-01-01T00:00:00Z")
    made = await world.ask("POST", "/api/healing/pauses", person, json=body)
    assert made.status_code == 201, made.text
    pause = made.json()
    by = str(world.people[person])
    assert (pause["pausedBy"], pause["dependency"], pause["stands"]) == (by, "https://a.example:443", True)
    assert [one["id"] for one in (await world.get("/api/healing/pauses", person))["pauses"]] == [pause["id"]]
    ended = await world.ask("POST", f"/api/healing/pauses/{pause['id']}/resume", person, json={"reason": "done"})
    assert ended.status_code == 200, ended.text
    assert (ended.json()["endedBy"], ended.json()["endReason"], ended.json()["stands"]) == (by, "done", False)
    again = await world.ask("POST", f"/api/healing/pauses/{pause['id']}/resume", person, json={"reason": "done"})
    assert error_of(again) == (409, "already_over")
    assert (await world.get("/api/healing/pauses", person))["pauses"] == []
    assert len((await world.get("/api/healing/pauses?show=all", person))["pauses"]) == 1
    assert await world.pool.fetchval("SELECT count(*) FROM heal_outbox") == 2


@pytest.mark.parametrize("blank", ["", "  ", "\u200b"])
async def test_a_name_of_which_nothing_is_seen_reaches_nothing_and_is_refused(world: World, blank: str) -> None:
    refused = await world.ask("POST", "/api/healing/pauses", json=asked(world, workflowName=blank))
    assert error_of(refused) == (422, "invalid_request")
    assert "body.workflowName: " in refused.text
    assert await world.pool.fetchval("SELECT count(*) FROM heal_pause") == 0


@pytest.mark.parametrize("person", OTHERS)
async def test_who_leads_nothing_pauses_nothing_and_ends_nothing(world: World, person: str) -> None:
    refused = await world.ask("POST", "/api/healing/pauses", person, json=asked(world))
    assert error_of(refused) == (404, "not_found")
    pause = (await world.ask("POST", "/api/healing/pauses", json=asked(world))).json()
    refused = await world.ask("POST", f"/api/healing/pauses/{pause['id']}/resume", person, json={"reason": "no"})
    assert error_of(refused) == (404, "not_found")
    assert (await world.get("/api/healing/pauses", person))["pauses"] == []
    assert await world.pool.fetchval("SELECT count(*) FROM heal_pause WHERE ended_at IS NULL") == 1


async def test_beyond_the_own_organisation_nobody_pauses_over_the_api_and_all_see_the_fleets(world: World) -> None:
    without = {"reason": "all of it"}
    assert error_of(await world.ask("POST", "/api/healing/pauses", json=without)) == (422, "invalid_request")
    elsewhere = asked(world, orgId=str(uuid4()))
    assert error_of(await world.ask("POST", "/api/healing/pauses", json=elsewhere)) == (404, "not_found")
    fleet = await world.pool.fetchval(
        "INSERT INTO heal_pause (reason, paused_by, starts_at) VALUES ('all', 'ops', clock_timestamp()) RETURNING id"
    )
    refused = await world.ask("POST", f"/api/healing/pauses/{fleet}/resume", json={"reason": "no"})
    assert error_of(refused) == (404, "not_found")
    assert [one["id"] for one in (await world.get("/api/healing/pauses"))["pauses"]] == [str(fleet)]


async def test_an_organisation_has_so_many_pauses_and_none_that_is_over_before_it_begins(world: World) -> None:
    for _ in range(20):
        assert (await world.ask("POST", "/api/healing/pauses", json=asked(world))).status_code == 201
    refused = await world.ask("POST", "/api/healing/pauses", json=asked(world))
    assert error_of(refused) == (409, "too_many_pauses")
    await world.pool.execute("UPDATE heal_pause SET ended_at = clock_timestamp()")
    over = asked(world, endsAt="2001-01-01T00:00:00Z")
    assert error_of(await world.ask("POST", "/api/healing/pauses", json=over)) == (409, "already_over")


async def test_stats_count_what_a_pause_holds_of_the_own_organisations(world: World) -> None:
    for number in range(2):
        await world.failure(f"f{number}")
    await world.pool.execute("UPDATE workflow_failures SET waits_on = 'pause:x' WHERE failure_reason = 'f0'")
    assert (await world.get("/api/healing/stats"))["paused"] == 1
    assert (await world.get("/api/healing/stats", "stranger"))["paused"] == 0
    await world.pool.execute("UPDATE workflow_failures SET waits_on = NULL")
    assert (await world.get("/api/healing/stats"))["paused"] == 0
