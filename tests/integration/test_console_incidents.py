"""The pages of incidents and of spend: what people do about a cause, what it cost, and that no note is markup."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.integration.test_console_orders import forms_of, pause_of
from tests.integration.test_spend_api import two_days
from tests.support.api_world import LEADERS, OTHERS, World, serving
from tests.support.console_reader import ask, assert_leaders_alone_write, elements_of
from tests.support.markup_payloads import PAYLOADS


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database, user_burst=100_000, address_burst=100_000) as served:
        yield served


async def incident_of(world: World, reason: str = "timeout after 3 s") -> str:
    failure = await world.failure("one", failure_reason=reason, status="given_up", due_at=None)
    made = await ask(world, "POST", "/incidents", data={"failureId": str(failure)})
    assert made.status_code == 303, made.text
    return made.headers["Location"]


async def test_a_cause_is_made_an_incident_and_is_acted_on_until_it_is_closed(world: World) -> None:
    assert "No open incident" in (await ask(world, "GET", "/incidents")).text
    where = await incident_of(world)
    assert where in (await ask(world, "GET", "/causes")).text
    page = (await ask(world, "GET", where)).text
    assert "Not acknowledged yet" in page
    assert "1 failure" in page
    acts = {"acknowledge": "Acknowledged", "take": "Taken", "release": "Left to somebody else", "note": "Noted"}
    for act, told in acts.items():
        done = await ask(world, "POST", f"{where}/acts", data={"act": act, "said": f"for {act}"})
        assert done.status_code == 303, act
        assert told in (await ask(world, "GET", done.headers["Location"])).text
    for wrong in ({"act": "note", "said": " "}, {"act": "close"}, {"act": "burn"}):
        assert (await ask(world, "POST", f"{where}/acts", data=wrong)).status_code == 400
    assert (await ask(world, "POST", f"{where}/heal", data={"reason": ""})).status_code == 400
    bulk = await ask(world, "POST", f"{where}/heal", data={"reason": "it is back"})
    assert "Heal all 1" in (await ask(world, "GET", bulk.headers["Location"])).text
    assert bulk.headers["Location"] in (await ask(world, "GET", where)).text
    await ask(world, "POST", f"{where}/acts", data={"act": "close", "said": "the gateway"})
    closed = (await ask(world, "GET", where)).text
    assert "the gateway" in closed
    assert f"{where}/heal" not in forms_of(closed)
    assert (await ask(world, "POST", f"{where}/acts", data={"act": "take"})).status_code == 409
    listed = (await ask(world, "GET", "/incidents")).text
    assert "No open incident" in listed
    assert where in listed


async def test_roles_by_pages_and_forms_of_incidents(world: World) -> None:
    where = await incident_of(world)
    failure = await world.pool.fetchval("SELECT id FROM workflow_failures")
    before = await world.pool.fetch("SELECT * FROM heal_incident")
    writes: dict[str, dict[str, str]] = {
        "/incidents": {"failureId": str(failure)},
        f"{where}/acts": {"act": "take"},
        f"{where}/heal": {"reason": "x"},
    }
    await assert_leaders_alone_write(world, writes)
    for person in OTHERS:
        theirs, nothing = [await ask(world, "GET", one, person) for one in (where, f"/incidents/{uuid4()}")]
        assert (theirs.status_code, theirs.text) == (nothing.status_code, nothing.text)
        assert where not in (await ask(world, "GET", "/incidents", person)).text
        assert "No organisation" in (await ask(world, "GET", "/spend", person)).text
    assert await world.pool.fetch("SELECT * FROM heal_incident") == before
    for person in LEADERS:
        assert (await ask(world, "GET", where, person)).status_code == 200
        assert (await ask(world, "GET", "/spend", person)).status_code == 200


async def test_spend_is_shown_by_day_and_strategy_with_a_statement(world: World) -> None:
    assert "Nothing moved" in (await ask(world, "GET", "/spend")).text
    await two_days(world)
    page = (await ask(world, "GET", "/spend?budget=text&days=7")).text
    for told in ("The sums agree with the ledger", "Held for heals under way", "auto-retry", "Top-ups", "0.50"):
        assert told in page
    await world.pool.execute("UPDATE token_usage_events SET remaining = remaining + 1 WHERE event_type = 'topup'")
    await world.pool.execute("UPDATE token_usage_events SET remaining = 'NaN' WHERE phase = 'hold' AND amount = -1")
    assert "The ledger does not add up" in (await ask(world, "GET", "/spend")).text
    for wrong in ("days=8", "budget=gold", "orgId=x"):
        assert (await ask(world, "GET", f"/spend?{wrong}")).status_code == 400


async def test_a_pause_is_planned_in_the_readers_zone(world: World) -> None:
    begins = (datetime.now(UTC) + timedelta(days=2)).replace(second=0, microsecond=0, tzinfo=None)
    planned = pause_of(world, startsAt=begins.isoformat(timespec="minutes"), offset="-600")
    assert (await ask(world, "POST", "/pauses", data=planned)).status_code == 303
    kept = await world.pool.fetchrow("SELECT starts_at, ends_at FROM heal_pause")
    assert kept is not None
    assert kept["starts_at"] == begins.replace(tzinfo=UTC) - timedelta(hours=10)
    assert kept["ends_at"] - kept["starts_at"] == timedelta(hours=4)
    for wrong in ({"startsAt": "soon"}, {"startsAt": "9999-12-31T23:59"}, {"offset": "x"}, {"offset": "9" * 30}):
        assert (await ask(world, "POST", "/pauses", data=planned | wrong)).status_code == 400, wrong


async def test_no_note_and_no_reason_of_an_incident_becomes_markup(world: World) -> None:
    plain = await whole_incident(world, "plain", ["plain text"] * len(PAYLOADS))
    hostile = await whole_incident(world, "\n".join(PAYLOADS), list(PAYLOADS))
    assert [tag for tag, _ in elements_of(hostile)] == [tag for tag, _ in elements_of(plain)]
    for path in ("/incidents", "/causes"):
        names = {name for _, values in elements_of((await ask(world, "GET", path)).text) for name in values}
        assert not {name for name in names if name.startswith("on") or name == "style"}


async def whole_incident(world: World, reason: str, notes: list[str]) -> str:
    failure = await world.failure(reason, failure_reason=reason, workflow_name=reason, status="given_up", due_at=None)
    where = (await ask(world, "POST", "/incidents", data={"failureId": str(failure)})).headers["Location"]
    incident = where.removeprefix("/incidents/")
    for note in notes:
        said = {"act": "note", "said": note}
        done = await world.ask("POST", f"/api/healing/incidents/{incident}/acts", json=said)
        assert done.status_code == 200, done.text
    return (await ask(world, "GET", where)).text
