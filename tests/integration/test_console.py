"""The console over HTTP: who comes in, what each may read and do, and that nothing of an event is markup."""

import json
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from consumer.console.session import NAME, form_token
from consumer.model import FailureId
from tests.support.api_world import LEADERS, OTHERS, World, serving
from tests.support.console_reader import ask, elements_of, links_of
from tests.support.markup_payloads import PAYLOADS

HASH = "ab" * 32
LIVE = ("data-live", "data-live-moved", "data-live-lost", "data-stream", "data-count")
ASKED = """
INSERT INTO heal_approval (failure_id, org_id, state, step, valid_step, strategy, plan_hash, base_hash, plan, why,
                           asked, asks, expires_at, valid_for, approvers, self_approval, fingerprint, denied)
VALUES ($1, $2, 'asked', 1, 1, 'auto-retry', repeat('ab', 32), repeat('ab', 32), $3::jsonb, $4::jsonb,
        1, 1, now() + interval '1 hour', 60, 1, true, 'f', '{}')
"""


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database, user_burst=100_000, address_burst=100_000) as served:
        yield served


async def asked_failure(world: World, name: str = "asked") -> str:
    failure_id = await world.failure(name, status="awaiting_approval", step=1, failure_type="api_timeout")
    plan = {"strategy": "auto-retry", "price_ceiling_aud": "0.05", "order": {"request": {"url": "https://a.example"}}}
    await world.pool.execute(ASKED, failure_id, world.org_id, json.dumps(plan), json.dumps(["it is about money"]))
    return str(failure_id)


# --- who comes in


async def test_a_token_signs_in_and_a_wrong_one_is_told_why(world: World) -> None:
    token = world.signed().removeprefix("Bearer ")
    answer = await ask(world, "POST", "/sign-in", None, data={"token": token})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{NAME}={token};")
    assert "HttpOnly" in cookie
    for given in ("", "garbage", world.signed(exp=1).removeprefix("Bearer "), "x" * 5000):
        refused = await ask(world, "POST", "/sign-in", None, data={"token": given})
        assert refused.status_code in {400, 401}
        assert "Set-Cookie" not in refused.headers
        assert 'role="alert"' in refused.text


async def test_without_a_session_every_page_leads_to_the_sign_in(world: World) -> None:
    failure_id = await world.failure()
    for path in ("/", f"/failures/{failure_id}"):
        answer = await ask(world, "GET", path, None)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/sign-in")
    expired = {"Cookie": f"{NAME}={world.signed(exp=1).removeprefix('Bearer ')}"}
    assert "expired" in (await ask(world, "GET", "/sign-in", None, headers=expired)).text


async def test_the_cookie_signs_in_nowhere_but_at_the_console(world: World) -> None:
    assert (await ask(world, "GET", "/api/healing/failures")).status_code == 401
    assert (await ask(world, "POST", "/api/healing/heal")).status_code == 401


# --- what each may read and do


async def test_roles_by_pages_and_forms(world: World) -> None:
    failure_id = await asked_failure(world)
    answer = {"answer": "deny", "planHash": HASH, "step": "1", "reason": "no"}
    for person in OTHERS:
        assert "No failures yet" in (await ask(world, "GET", "/", person)).text
        for method, path in (("GET", ""), ("POST", "/heal"), ("POST", "/answer")):
            seen = await ask(world, method, f"/failures/{failure_id}{path}", person, data=answer)
            nothing = await ask(world, method, f"/failures/{uuid4()}{path}", person, data=answer)
            assert seen.status_code == nothing.status_code == 404
            assert seen.text == nothing.text
    for person in LEADERS:
        page = await ask(world, "GET", f"/failures/{failure_id}", person)
        assert page.status_code == 200
        assert HASH in page.text
        assert "0.05 AUD" in page.text
    assert (await world.row(FailureId(UUID(failure_id))))["status"] == "awaiting_approval"


@pytest.mark.parametrize("answer", ["approve", "deny"])
async def test_an_answer_binds_to_its_plan_and_is_recorded_with_its_reason(world: World, answer: str) -> None:
    failure_id = await asked_failure(world)
    given = {"answer": answer, "planHash": HASH, "step": "1", "reason": "I looked"}
    for wrong in ({"planHash": "cd" * 32}, {"step": "7"}, {"reason": " "}, {"answer": "perhaps"}):
        refused = await ask(world, "POST", f"/failures/{failure_id}/answer", data=given | wrong)
        assert refused.status_code in {400, 409}, wrong
    done = await ask(world, "POST", f"/failures/{failure_id}/answer", data=given)
    assert done.status_code == 303
    page = await ask(world, "GET", done.headers["Location"])
    assert f"Your {'yes' if answer == 'approve' else 'no'} is recorded" in page.text
    assert "I looked" in page.text
    kept = await world.pool.fetchrow("SELECT approves, reason FROM heal_approval_answer")
    assert kept is not None
    assert (kept["approves"], kept["reason"]) == (answer == "approve", "I looked")


async def test_a_heal_is_asked_for_once_it_may_be_and_refused_where_a_plan_waits(world: World) -> None:
    given_up = str(await world.failure("over", status="given_up", due_at=None))
    assert "Heal now" in (await ask(world, "GET", f"/failures/{given_up}")).text
    done = await ask(world, "POST", f"/failures/{given_up}/heal")
    assert done.status_code == 303
    assert (await world.row(FailureId(UUID(given_up))))["status"] == "pending"
    assert world.healer.woken.is_set()
    waits = await asked_failure(world)
    refused = await ask(world, "POST", f"/failures/{waits}/heal")
    assert refused.status_code == 409
    assert "waits for approval" in refused.text


FORGED = (
    {"headers": {"Sec-Fetch-Site": "cross-site"}},
    {"headers": {"Sec-Fetch-Site": "same-site"}},
    {"headers": {"Sec-Fetch-Site": ""}},
    {"data": {"csrf": ""}},
    {"data": {"csrf": form_token("another session")}},
)


async def test_a_form_of_another_site_or_session_changes_nothing(world: World) -> None:
    failure_id = await asked_failure(world)
    answer = {"answer": "approve", "planHash": HASH, "step": "1", "reason": "forged"}
    before = await world.row(FailureId(UUID(failure_id)))
    for forged in FORGED:
        data = answer | forged.get("data", {})
        for path in (f"/failures/{failure_id}/answer", f"/failures/{failure_id}/heal", "/sign-out"):
            refused = await ask(world, "POST", path, data=data, headers=forged.get("headers", {}))
            assert refused.status_code == 403, (forged, path)
    for path in ("answer", "heal"):
        assert (await ask(world, "GET", f"/failures/{failure_id}/{path}")).status_code == 404
    assert await world.row(FailureId(UUID(failure_id))) == before


# --- pages


async def test_the_feed_has_its_filters_as_links_and_its_pages(world: World) -> None:
    for number in range(45):
        await world.failure(f"f{number}")
    await world.failure("mine", status="needs_person", workflow_name="refunds")
    first = (await ask(world, "GET", "/")).text
    later = next(link for link in links_of(first) if "cursor=" in link)
    second = (await ask(world, "GET", later)).text
    shown = {link for link in (*links_of(first), *links_of(second)) if link.startswith("/failures/")}
    assert len(shown) == 46
    filtered = (await ask(world, "GET", "/?status=needs_person&workflowName=refunds")).text
    assert filtered.count('class="line-link"') == 1
    assert "None of these" in (await ask(world, "GET", "/?failureType=missing_image")).text
    for wrong in ("/?status=healed", "/?cursor=xx"):
        assert (await ask(world, "GET", wrong)).status_code == 400


async def test_the_first_page_of_a_feed_that_is_full_weighs_no_more_than_100_kb(world: World) -> None:
    for number in range(45):
        await world.failure(f"{number} " + "a long reason, in words " * 40, workflow_name="a.workflow.of.some.name" * 3)
    whole = [await ask(world, "GET", path) for path in ("/", "/console/console.css", "/console/console.js")]
    assert whole[0].text.count('class="line-link"') == 40
    assert sum(len(answer.content) for answer in whole) <= 100_000


async def test_every_answer_lets_no_script_and_no_frame_in(world: World) -> None:
    failure_id = await world.failure()
    paths = ("/", "/sign-in", "/design", f"/failures/{failure_id}", "/failures/x", "/console/console.css")
    for path in (*paths, "/console/console.js", "/console/..%2fpages.py", "/console/nothing"):
        answer = await ask(world, "GET", path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        for tag, values in elements_of(answer.text) if "html" in answer.headers["Content-Type"] else ():
            assert not any(name.startswith("on") or name == "style" for name in values), (path, tag)
            assert tag != "script" or values == {"src": "/console/console.js", "defer": None}


async def test_no_payload_of_an_event_becomes_markup(world: World) -> None:
    plain = await one_page(world, "plain", "plain text")
    for number, payload in enumerate(PAYLOADS):
        page = await one_page(world, f"p{number}", payload)
        assert [tag for tag, _ in elements_of(page)] == [tag for tag, _ in elements_of(plain)], payload
    feed = elements_of((await ask(world, "GET", "/")).text)
    allowed = {"class", "href", "aria-current", "datetime", "name", "value", "type", "method", "action", "id"}
    allowed |= {"lang", "charset", "content", "rel", "src", "defer", "tabindex", "aria-label", "aria-labelledby"}
    assert {name for _, values in feed for name in values} <= allowed | {
        "aria-hidden",
        "data-zone",
        "role",
        "hidden",
        *LIVE,
    }


async def one_page(world: World, name: str, text: str) -> str:
    """The story of a failure that carries a text in everything that an event or an answer can bring."""
    failure_id = await world.failure(
        name, failure_reason=text, workflow_name=text, status="given_up", due_at=None, step=1,
        context=json.dumps({"payload": {"a": "1", text: text}, "note": text}),
    )  # fmt: skip
    node = [{"id": text or "x", "state": text}]
    await world.attempt(
        failure_id, 0, "failed", code=text, reason=text,
        evidence=[{"oracle": text, "verdict": text, "detail": text}],
        diagnosis=[{"source": text, "text": text, "rule": text, "weight": 1}],
        passed_over=[{"strategy": text, "code": text, "reason": text, "missing": [text]}],
        repair={"patch": [{"op": "replace", "path": "/a", "value": text, "reason": text}]},
        route={"before": {"state": text, "nodes": node, "edges": []}, "changed": {text: text}},
        note=text,
    )  # fmt: skip
    answer = await ask(world, "GET", f"/failures/{failure_id}")
    assert answer.status_code == 200, text
    return answer.text
