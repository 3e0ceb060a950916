"""What is done from the console's pages: pauses, another input for a step, and all failures of a cause as one case."""

import json
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.support.api_world import LEADERS, OTHERS, World, serving
from tests.support.console_reader import ask, assert_leaders_alone_write, elements_of, links_of


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database, user_burst=100_000, address_burst=100_000) as served:
        yield served


def forms_of(page: str) -> list[str]:
    return [values["action"] or "" for tag, values in elements_of(page) if tag == "form"]


def pause_of(world: World, **changes: str) -> dict[str, str]:
    return {"orgId": str(world.org_id), "strategy": "auto-retry", "hours": "4", "reason": "I look into it"} | changes


async def test_a_pause_is_made_listed_and_ended_with_its_reasons(world: World) -> None:
    assert "Nothing is paused" in (await ask(world, "GET", "/pauses")).text
    for wrong in ({"hours": "9"}, {"reason": " "}, {"orgId": "x"}, {"strategy": "none"}, {"workflowName": "\u200b"}):
        refused = await ask(world, "POST", "/pauses", data=pause_of(world, **wrong))
        assert refused.status_code == 400, wrong
    assert await world.pool.fetchval("SELECT count(*) FROM heal_pause") == 0
    made = await ask(world, "POST", "/pauses", data=pause_of(world, workflowName="refunds.*"))
    assert (made.status_code, made.headers["Location"]) == (303, "/pauses?said=paused")
    page = (await ask(world, "GET", made.headers["Location"])).text
    assert "Healing is paused there" in page
    assert "I look into it" in page
    kept = await world.pool.fetchrow("SELECT strategy, workflow_name, ends_at - starts_at AS lasts FROM heal_pause")
    assert kept is not None
    assert (kept["strategy"], kept["workflow_name"]) == ("auto-retry", "refunds.*")
    assert round(kept["lasts"].total_seconds() / 3600) == 4
    (end,) = [action for action in forms_of(page) if action.endswith("/end")]
    assert (await ask(world, "POST", end, data={"reason": ""})).status_code == 400
    ended = await ask(world, "POST", end, data={"reason": "it is well"})
    assert ended.status_code == 303
    after = (await ask(world, "GET", "/pauses")).text
    assert "Nothing is paused" in after
    assert "it is well" in after
    assert (await ask(world, "POST", end, data={"reason": "again"})).status_code == 409


async def test_a_step_is_given_another_input_and_what_cannot_be_is_told(world: World) -> None:
    failure_id = await world.failure("a", status="given_up", due_at=None, context=json.dumps({"payload": {"n": "1"}}))
    at = f"/failures/{failure_id}"
    assert f"{at}/edit" in forms_of((await ask(world, "GET", at)).text)
    given = {"input": "payload", "value": '{"n": 12345678901234567890}', "reason": "counted"}
    for wrong in ({"value": "{"}, {"value": "NaN"}, {"input": "context"}, {"input": "reason"}, {"reason": ""}):
        refused = await ask(world, "POST", f"{at}/edit", data=given | wrong)
        assert refused.status_code == 400, wrong
    assert (await ask(world, "POST", f"{at}/edit", data=given | {"input": "body"})).status_code == 409
    done = await ask(world, "POST", f"{at}/edit", data=given)
    assert done.status_code == 303, done.text
    assert "new input is kept" in (await ask(world, "GET", done.headers["Location"])).text
    row = await world.row(failure_id)
    assert (json.loads(row["context"])["payload"], row["status"]) == ({"n": 12345678901234567890}, "pending")
    resolved = await world.failure("b", status="resolved", resolved=True, due_at=None, context='{"payload": 1}')
    assert f"/failures/{resolved}/edit" not in forms_of((await ask(world, "GET", f"/failures/{resolved}")).text)


async def test_all_of_one_cause_are_counted_first_and_healed_once_that_is_confirmed(world: World) -> None:
    ids = [
        await world.failure(f"n{n}", status="given_up", due_at=None, failure_reason=f"timeout after {n} s")
        for n in range(1, 4)
    ]
    await world.failure("other", status="given_up", due_at=None, failure_reason="no such field")
    await world.failure("over", status="resolved", resolved=True, due_at=None, failure_reason="timeout after 9 s")
    causes = (await ask(world, "GET", "/causes")).text
    assert causes.index("3 failures: ") < causes.index("1 failure: ")
    assert "3 given up" in causes
    newest = next(link for link in links_of(causes) if link.startswith("/failures/"))
    assert newest.removeprefix("/failures/") in map(str, ids)
    page = (await ask(world, "GET", newest)).text
    hidden = {values["name"]: values["value"] for tag, values in elements_of(page) if values.get("type") == "hidden"}
    wanted = {name: hidden[name] or "" for name in ("orgId", "fingerprint", "status")}
    assert (await ask(world, "POST", "/bulks", data=wanted | {"reason": ""})).status_code == 400
    made = await ask(world, "POST", "/bulks", data=wanted | {"reason": "the service is back"})
    assert made.status_code == 303, made.text
    where = made.headers["Location"]
    preview = (await ask(world, "GET", where)).text
    assert "Heal all 3" in preview
    assert "http-equiv" not in preview
    assert await world.pool.fetchval("SELECT count(*) FROM workflow_failures WHERE status = 'given_up'") == 4
    assert (await ask(world, "POST", f"{where}/start")).status_code == 303
    running = (await ask(world, "GET", where)).text
    assert 'http-equiv="refresh"' in running  # progress is seen without any script
    assert "0 of 3" in running
    assert (await ask(world, "POST", f"{where}/stop")).status_code == 303
    assert "Go on" in (await ask(world, "GET", where)).text
    assert (await ask(world, "POST", f"{where}/burn")).status_code == 404


async def test_roles_by_pages_and_forms_of_orders(world: World) -> None:
    failure_id = await world.failure("a", status="given_up", due_at=None, context='{"payload": 1}')
    bulk = {"orgId": str(world.org_id), "status": "given_up", "reason": "x"}
    where = (await ask(world, "POST", "/bulks", data=bulk)).headers["Location"]
    await ask(world, "POST", "/pauses", data=pause_of(world))
    pause = await world.pool.fetchval("SELECT id FROM heal_pause")
    writes = {
        "/pauses": pause_of(world),
        f"/pauses/{pause}/end": {"reason": "x"},
        "/bulks": bulk,
        f"{where}/start": {},
        f"/failures/{failure_id}/edit": {"input": "payload", "value": "2", "reason": "x"},
    }
    await assert_leaders_alone_write(world, writes)
    for person in OTHERS:
        page = (await ask(world, "GET", "/pauses", person)).text
        assert "I look into it" not in page
        assert "/pauses" not in forms_of(page)
        assert "Nothing is broken" in (await ask(world, "GET", "/causes", person)).text
        theirs, nothing = [await ask(world, "GET", path, person) for path in (where, f"/bulks/{uuid4()}")]
        assert (theirs.status_code, theirs.text) == (nothing.status_code, nothing.text)
    assert json.loads((await world.row(failure_id))["context"]) == {"payload": 1}
    assert await world.pool.fetchval("SELECT state FROM heal_bulk") == "previewed"
    for person in LEADERS:
        assert (await ask(world, "GET", where, person)).status_code == 200
        assert "I look into it" in (await ask(world, "GET", "/pauses", person)).text


EDITED = {
    "type": "object",
    "required": ["amount", "to"],
    "properties": {
        "amount": {"type": "integer", "title": "Amount in cents", "minimum": 1},
        "to": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


async def test_a_form_of_the_schema_is_judged_beside_its_fields_and_run_again(world: World) -> None:
    payload = {"amount": "12x", "to": {"city": "<b>Brno</b>"}, "kept": 12345678901234567890}
    context = json.dumps({"payload": payload, "schema": EDITED})
    failure_id = await world.failure(status="given_up", due_at=None, context=context)
    page = (await ask(world, "GET", f"/failures/{failure_id}")).text
    form = next(part for part in page.split("<form") if 'value="fields"' in part)
    given = {
        str(v["name"]): str(v["value"]) for tag, v in elements_of("<form" + form) if tag == "input" and v.get("value")
    }
    assert given.keys() >= {"at/amount", "at/to/city", "at/kept", "base", "once"}
    assert "Amount in cents" in form
    del given["csrf"]  # of a token that was signed a moment ago
    given["reason"] = "it was a typo"
    for wrong, words in (("12x", "whole number"), ("", "has to be there"), ("0", "`minimum`")):
        refused = await ask(world, "POST", f"/failures/{failure_id}/edit", data=given | {"at/amount": wrong})
        assert refused.status_code == 400
        field = refused.text.split("Amount in cents")[1].split("</div>")[0]
        assert words in field
        assert 'aria-invalid="true"' in field
        assert "it was a typo" in refused.text
        assert "<b>Brno" not in refused.text
    raw = {"input": "payload", "value": '{"amount": 0, "to": {}}', "reason": "r"}
    assert (await ask(world, "POST", f"/failures/{failure_id}/edit", data=raw)).status_code == 400
    old = await ask(world, "POST", f"/failures/{failure_id}/edit", data=given | {"base": "0"})
    assert "has changed since" in old.text
    assert (await world.row(failure_id))["status"] == "given_up"
    done = await ask(world, "POST", f"/failures/{failure_id}/edit", data=given | {"at/amount": "1200"})
    assert (done.status_code, done.headers["Location"]) == (303, f"/failures/{failure_id}?said=edited#now")
    row = await world.row(failure_id)
    assert (row["status"], json.loads(row["context"])["payload"]) == ("pending", payload | {"amount": 1200})
