"""Owners and admins edit and act on many over the API, within their organisation; nobody does beyond it there."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api_world import LEADERS, OTHERS, World, error_of, serving


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database) as served:
        yield served


def bulk(world: World, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    wanted = {"workflowName": "checkout", "statuses": ["given_up"]}
    return {"orgId": str(world.org_id), "action": "heal", "filter": wanted, "reason": "it is back"} | changes


@pytest.mark.parametrize("blank", [" ", "\u200b\u2060"], ids=["white space", "zero width"])
async def test_a_reason_of_which_nothing_is_seen_is_refused_whatever_is_asked_for(world: World, blank: str) -> None:
    failure = await world.failure("a", status="given_up", due_at=None, context=json.dumps({"payload": 1}))
    at, org, plan = f"/api/healing/failures/{failure}", str(world.org_id), {"planHash": "0" * 64, "step": 0}
    pause = (await world.ask("POST", "/api/healing/pauses", json={"orgId": org, "reason": "x"})).json()["id"]
    asked: dict[str, dict[str, Any]] = {
        "/api/healing/bulks": {"orgId": org, "action": "heal"},
        "/api/healing/pauses": {"orgId": org},
        f"/api/healing/pauses/{pause}/resume": {},
        f"{at}/edit": {"payload": 2},
        f"{at}/plan/approve": plan,
        f"{at}/plan/deny": plan,
    }
    for path, given in asked.items():
        refused = await world.ask("POST", path, json=given | {"reason": blank})
        assert error_of(refused) == (422, "invalid_request"), path
        assert "body.reason: " in refused.text, path
        assert "say why" in refused.text, path


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"statuses": []}, "filter.statuses: must not be empty"),
        (
            {"detectedSince": "2026-11-02T00:00:00Z", "detectedBefore": "2026-11-01T00:00:00Z"},
            "no failure was detected",
        ),
        ({"detectedSince": "2026-11-02T01:00:00+01:00", "detectedBefore": "2026-11-02T00:00:00Z"}, "not later than"),
        ({"workflowName": "  "}, "a blank name"),
        ({"target": "\u200b"}, "a blank name"),
        ({"target": ""}, "filter.target: must not be empty"),
    ],
    ids=repr,
)
async def test_a_filter_that_can_find_nothing_freezes_no_bulk(world: World, wanted: dict[str, Any], why: str) -> None:
    refused = await world.ask("POST", "/api/healing/bulks", json=bulk(world, filter=wanted))
    assert error_of(refused) == (422, "invalid_request")
    assert "body.filter" in refused.text
    assert why in refused.text
    assert await world.pool.fetchval("SELECT count(*) FROM heal_bulk") == 0


@pytest.mark.parametrize("person", LEADERS)
async def test_who_leads_freezes_starts_and_stops_within_the_organisation(world: World, person: str) -> None:
    mine = await world.failure("mine", status="given_up", due_at=None)
    stranger = uuid4()
    await world.pool.execute("INSERT INTO organizations (id) VALUES ($1)", stranger)
    await world.failure("not mine", org_id=stranger, status="given_up", due_at=None)
    made = await world.ask("POST", "/api/healing/bulks", person, json=bulk(world))
    assert made.status_code == 200, made.text
    frozen = made.json()["bulk"]
    assert (made.json()["outcome"], frozen["failures"]) == ("accepted", 1)
    assert await world.pool.fetchval("SELECT failure_id FROM heal_bulk_item") == mine
    where = f"/api/healing/bulks/{frozen['bulkId']}"
    for turn, outcome, state in (
        ("start", "accepted", "running"),
        ("start", "already", "running"),
        ("stop", "accepted", "stopped"),
    ):
        turned = await world.ask("POST", f"{where}/{turn}", person)
        assert (turned.status_code, turned.json()["outcome"]) == (200, outcome)
        shown = await world.get(where, person)
        assert (shown["state"], shown["failures"], shown["waiting"]) == (state, 1, 1)
    assert shown["by"] == f"{world.people[person]} (shw:api)"


@pytest.mark.parametrize("person", OTHERS)
async def test_who_leads_nothing_freezes_turns_sees_and_edits_nothing(world: World, person: str) -> None:
    failure = await world.failure("theirs", status="given_up", due_at=None, context=json.dumps({"payload": 1}))
    assert error_of(await world.ask("POST", "/api/healing/bulks", person, json=bulk(world))) == (404, "not_found")
    made = (await world.ask("POST", "/api/healing/bulks", json=bulk(world))).json()["bulk"]["bulkId"]
    for method, where in (("POST", "/start"), ("POST", "/stop"), ("GET", "")):
        refused = await world.ask(method, f"/api/healing/bulks/{made}{where}", person)
        assert error_of(refused) == (404, "not_found")
    said = {"payload": 2, "reason": "mine"}
    refused = await world.ask("POST", f"/api/healing/failures/{failure}/edit", person, json=said)
    assert error_of(refused) == (404, "not_found")
    assert await world.pool.fetchval("SELECT state FROM heal_bulk") == "previewed"
    assert json.loads((await world.row(failure))["context"]) == {"payload": 1}


async def test_a_step_is_edited_and_due_at_once_and_what_cannot_be_is_refused(world: World) -> None:
    failure = await world.failure("a", status="given_up", due_at=None, context=json.dumps({"payload": 1}))
    where = f"/api/healing/failures/{failure}/edit"
    refused = await world.ask("POST", where, json={"body": 2, "reason": "counted"})
    assert error_of(refused) == (409, "refused")
    made = await world.ask("POST", where, json={"payload": {"qty": 3}, "reason": "counted"})
    assert (made.status_code, made.json()) == (200, {"outcome": "accepted", "bulk": None})
    row = await world.row(failure)
    context = json.loads(row["context"])
    assert (context.pop("payload"), row["status"]) == ({"qty": 3}, "pending")
    assert list(context) == ["given"]  # whose payload it is: a failed step begins again with it
    assert world.healer.woken.is_set()
    both = await world.ask("POST", where, json={"payload": 1, "body": 2, "reason": "x"})
    assert both.status_code == 422
