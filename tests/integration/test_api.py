import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4, uuid5

import httpx2 as httpx
import pytest
from prometheus_client import CollectorRegistry

from consumer.api import healing, rendering
from consumer.api.app import create_api
from consumer.api.healing import CONNECTIONS
from consumer.api.health import limits
from consumer.api.server import serve
from consumer.api.shown import write_place
from consumer.errors import ConfigError
from consumer.metrics import EventOutcome, Metrics
from consumer.model import ID_SPACE, FailureId
from consumer.settings import ApiSettings
from consumer.store.attempts import attempts_of
from consumer.store.heal_requests import HealRequestResult, ask_heal
from consumer.store.listed_failures import FailureFilter, list_failures
from consumer.store.reports import PageEnd
from schemas.names import Status
from tests.support.api_world import OTHERS, SECRET, World, error_of, serving
from tests.support.loop_holds import loop_holds
from tests.support.patience import BEYOND_PATIENCE, PATIENCE


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database) as served:
        yield served


# --- signing in


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda _: None, id="none"),
        pytest.param(lambda _: "Basic dTpw", id="another scheme"),
        pytest.param(lambda _: "Bearer", id="empty"),
        pytest.param(lambda _: "Bearer not.a.token", id="garbage"),
        pytest.param(lambda w: w.signed(secret="another secret that is long enough too"), id="other secret"),
        pytest.param(lambda w: w.signed(exp=int(time.time()) - 60), id="expired"),
        pytest.param(lambda w: w.signed(exp=None), id="no expiry"),
        pytest.param(lambda w: w.signed(sub=None), id="no subject"),
        pytest.param(lambda w: w.signed(sub="anna"), id="subject not a UUID"),
        pytest.param(lambda w: w.signed(aud="anon"), id="other audience"),
        pytest.param(lambda w: w.signed(aud=None), id="no audience"),
        pytest.param(lambda w: w.signed(algorithm="none", secret=""), id="alg none"),
        pytest.param(lambda w: w.signed(algorithm="HS512", secret=SECRET * 2), id="alg HS512, other secret"),
        pytest.param(lambda w: w.signed(algorithm="HS384"), id="alg HS384, our secret"),
    ],
)
async def test_nobody_comes_in_without_a_valid_token(world: World, make: Callable[[World], str | None]) -> None:
    header = make(world)
    headers = {"Authorization": header} if header is not None else {}
    for method, path in (
        ("GET", "/api/healing/failures"),
        ("GET", f"/api/healing/failures/{uuid4()}"),
        ("GET", f"/api/healing/failures/{uuid4()}/attempts"),
        ("GET", "/api/healing/stats"),
        ("POST", "/api/healing/heal"),
    ):
        response = await world.ask(method, path, None, headers=headers, json={"failureId": str(uuid4())})
        assert error_of(response) == (401, "not_signed_in")
        assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_without_a_secret_the_healing_endpoints_are_closed_and_health_is_open(database: str) -> None:
    async with serving(database, jwt_secret=None) as world:
        assert error_of(await world.ask("GET", "/api/healing/stats")) == (503, "sign_in_not_configured")
        assert (await world.ask("GET", "/healthz", None)).status_code == 200


# --- reading


async def test_an_owner_sees_the_unresolved_failures_in_the_seeds_form_newest_first(world: World) -> None:
    times = [timedelta(minutes=minutes) for minutes in (3, 1, 2)]
    for index, age in enumerate(times):
        await world.failure(f"f{index}")
        await world.pool.execute(
            "UPDATE workflow_failures SET detected_at = now() - $2::interval WHERE failure_reason = $1",
            f"f{index}",
            age,
        )
    await world.failure("done", resolved=True, status="resolved", due_at=None)
    body = await world.get("/api/healing/failures")
    assert [failure["failureReason"] for failure in body["failures"]] == ["f1", "f2", "f0"]
    assert body["next"] is None
    assert set(body["failures"][0]) == {
        "id", "orgId", "workflowName", "failureReason", "context", "detectedAt", "resolved",
    }  # fmt: skip
    assert body["failures"][0]["resolved"] is False
    assert body["failures"][0]["context"] == {}


@pytest.mark.parametrize("person", OTHERS)
async def test_who_administers_nothing_sees_nothing_and_can_ask_for_nothing(world: World, person: str) -> None:
    failure_id = await world.failure()
    before = await world.row(failure_id)
    assert await world.get("/api/healing/failures", person) == {"failures": [], "next": None}
    assert (await world.get("/api/healing/stats", person))["totalFailures"] == 0
    for method, path in (
        ("GET", f"/api/healing/failures/{failure_id}"),
        ("GET", f"/api/healing/failures/{failure_id}/attempts"),
        ("POST", "/api/healing/heal"),
    ):
        response = await world.ask(method, path, person, json={"failureId": str(failure_id)})
        assert error_of(response) == (404, "not_found")
    assert await world.row(failure_id) == before
    assert not world.healer.woken.is_set()


async def test_one_organisation_can_be_chosen_and_anothers_is_never_shown(world: World) -> None:
    other, second = uuid4(), uuid4()
    await world.pool.executemany("INSERT INTO organizations (id) VALUES ($1)", [(other,), (second,)])
    await world.pool.execute(
        "INSERT INTO user_organizations (user_id, org_id, role) VALUES ($1, $2, 'admin')", world.people["owner"], second
    )
    for name, org_id in (("mine", world.org_id), ("second", second), ("other", other)):
        await world.failure(name, org_id)

    async def reasons(query: str) -> set[str]:
        return {f["failureReason"] for f in (await world.get(f"/api/healing/failures{query}"))["failures"]}

    assert await reasons("") == {"mine", "second"}
    assert await reasons(f"?orgId={second}") == {"second"}
    assert await reasons(f"?orgId={other}") == set()
    assert (await world.get("/api/healing/stats"))["totalFailures"] == 2
    assert (await world.get(f"/api/healing/stats?orgId={second}"))["totalFailures"] == 1


async def test_pages_follow_each_other_without_gap_or_repetition(world: World) -> None:
    for index in range(7):
        await world.failure(f"f{index}")
    # Two without a time and three at the same one: the id decides among them.
    await world.pool.execute(
        "UPDATE workflow_failures SET detected_at = NULL WHERE failure_reason IN ('f0', 'f1', 'f2')"
    )
    await world.pool.execute("UPDATE workflow_failures SET detected_at = now() WHERE detected_at IS NOT NULL")
    seen: list[str] = []
    cursor: str | None = ""
    for _ in range(7):
        body = await world.get(f"/api/healing/failures?limit=2{cursor}")
        seen += [failure["failureReason"] for failure in body["failures"]]
        if body["next"] is None:
            break
        cursor = f"&cursor={body['next']}"
    assert sorted(seen) == [f"f{index}" for index in range(7)]
    assert sorted(seen[:3]) == ["f0", "f1", "f2"]


@pytest.mark.parametrize("cursor", ["x", "bm90IGpzb24=", "WyJ5ZXN0ZXJkYXkiLCAiMSJd", "WzEsIDJd", "%00", "é"])
async def test_a_cursor_that_is_not_ours_is_refused(world: World, cursor: str) -> None:
    assert error_of(await world.ask("GET", f"/api/healing/failures?cursor={cursor}")) == (400, "bad_cursor")


async def test_a_cursor_with_a_time_that_is_none_is_refused(world: World) -> None:
    cursor = write_place(PageEnd(detected_at="no time", id=uuid4()))
    assert error_of(await world.ask("GET", f"/api/healing/failures?cursor={cursor}")) == (400, "bad_cursor")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "orgId=1"])
async def test_a_query_that_makes_no_sense_is_told_so(world: World, query: str) -> None:
    response = await world.ask("GET", f"/api/healing/failures?{query}")
    assert error_of(response) == (422, "invalid_request")
    assert query.partition("=")[0] in response.json()["error"]["message"]


async def test_a_failure_is_shown_with_where_it_stands_resolved_or_not(world: World) -> None:
    failure_id = await world.failure(
        status="resolved", resolved=True, due_at=None, step=2, attempts=2, failure_type="api_timeout"
    )
    body = await world.get(f"/api/healing/failures/{failure_id}")
    assert body["resolved"] is True
    assert (body["status"], body["step"], body["attempts"], body["dueAt"]) == ("resolved", 2, 2, None)
    assert body["failureType"] == "api_timeout"


async def test_attempts_come_newest_first_and_a_members_own_is_told_apart(world: World) -> None:
    failure_id = await world.failure()
    await world.attempt(failure_id, 0, "failed", code="not_healed")
    await world.attempt(failure_id, 1)
    await world.attempt(failure_id, None)
    found = (await world.get(f"/api/healing/failures/{failure_id}/attempts"))["attempts"]
    assert found[0]["step"] == 1
    assert sorted(str(attempt["step"]) for attempt in found) == ["0", "1", "None"]
    assert found[0]["failureId"] == str(failure_id)
    assert {attempt["step"]: attempt["details"] for attempt in found}[0] == {"code": "not_healed"}


async def test_a_secret_that_a_member_inserted_is_not_shown(world: World) -> None:
    context = {"request": {"headers": {"Authorization": "Bearer open-sesame-73"}}, "n": 1}
    failure_id = await world.failure("password=open-sesame-73", context=json.dumps(context))
    await world.attempt(failure_id, None, note="token=open-sesame-73")
    for path in ("", f"/{failure_id}", f"/{failure_id}/attempts"):
        response = await world.ask("GET", f"/api/healing/failures{path}")
        assert response.status_code == 200
        assert "open-sesame-73" not in response.text
        assert "[redacted]" in response.text


@pytest.mark.parametrize(
    "context", ['{"a": 1e400}', '{"a": 1e131071}', '{"a":' * 500 + "1" + "}" * 500, "[1, 2]", "null", '"text"']
)
async def test_a_context_that_only_postgres_can_read_hides_no_other_failure(world: World, context: str) -> None:
    await world.failure("odd", context=context)
    await world.failure("plain")
    body = await world.get("/api/healing/failures")
    assert {failure["failureReason"] for failure in body["failures"]} == {"odd", "plain"}


async def test_a_page_ends_early_by_its_bytes_and_what_is_too_large_for_it_is_shown_alone(world: World) -> None:
    texts = {"a": 60_000, "b": 60_000, "c": 60_000, "d": 900_000, "e": 60_000, "f": 60_000, "g": 60_000}
    for index, (name, size) in enumerate(texts.items()):
        failure_id = await world.failure(name, context=json.dumps({"text": "x" * size}))
        await world.pool.execute(
            "UPDATE workflow_failures SET detected_at = now() - make_interval(secs => $2) WHERE id = $1",
            failure_id,
            index,
        )
    pages, cursor = [], ""
    for _ in range(9):
        response = await world.ask("GET", f"/api/healing/failures?limit=100{cursor}")
        assert len(response.content) < 300_000
        body = response.json()
        pages.append("".join(failure["failureReason"] for failure in body["failures"]))
        for failure in body["failures"]:
            (name,) = failure["context"]
            assert name == ("omitted" if failure["failureReason"] == "d" else "text")
        if body["next"] is None:
            break
        cursor = f"&cursor={body['next']}"
    assert pages == ["abcde", "fg"]
    large = await world.get(f"/api/healing/failures/{uuid5(ID_SPACE, 'd')}")
    assert len(large["context"]["text"]) == 900_000


async def test_six_who_list_large_pages_do_not_hold_up_the_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # Who waits too long for the turn is asked to come again (503): here all wait as long as a busy machine needs.
    patient = partial(rendering.take_turn, within=BEYOND_PATIENCE)
    for module in (rendering, healing):
        monkeypatch.setattr(module, "take_turn", patient)
    rows = [{"name": f"n{index}", "token": f"abc{index}", "text": "lorem ipsum dolor " * 3} for index in range(8000)]
    for index in range(12):
        await world.failure(f"f{index}", context=json.dumps({"rows": rows[: 8000 if index % 4 == 0 else 500]}))
    large = uuid5(ID_SPACE, "f0")

    async def list_some(client: httpx.AsyncClient, path: str) -> None:
        for _ in range(3):
            response = await client.get(path)
            assert response.status_code == 200, response.text
            assert "abc1" not in response.text

    paths = ["/api/healing/failures?limit=100"] * 5 + [f"/api/healing/failures/{large}"]
    headers = {"Authorization": world.signed()}
    async with AsyncExitStack() as stack:
        clients = [
            httpx.AsyncClient(base_url=world.url, timeout=PATIENCE, headers=headers, trust_env=False) for _ in paths
        ]
        for client in clients:
            await stack.enter_async_context(client)
        await list_some(clients[-1], paths[-1])  # what is made at first use
        async with loop_holds() as holds:
            await asyncio.gather(*map(list_some, clients, paths))
    assert max(holds) < 0.5  # some 30 ms on a machine of its own
    assert sorted(holds)[len(holds) * 9 // 10] < 0.05


async def test_attempts_that_a_member_forges_hide_none_of_the_healers(world: World) -> None:
    failure_id = await world.failure()
    for step in range(3):
        await world.attempt(failure_id, step, "failed", code="not_healed")
    await world.pool.execute(
        "INSERT INTO workflow_heal_attempts (failure_id, strategy, result, attempted_at, details)"
        " SELECT $1, 'auto-retry', 'success', now() + n * interval '1 day', jsonb_build_object('n', repeat('x', 99999))"
        " FROM generate_series(1, 220) n",
        failure_id,
    )
    response = await world.ask("GET", f"/api/healing/failures/{failure_id}/attempts")
    found = response.json()["attempts"]
    assert [attempt["step"] for attempt in found[:3]] == [2, 1, 0]
    assert {attempt["step"] for attempt in found[3:]} == {None}
    assert len(found) <= 60
    assert len(response.content) < 300_000
    async with world.pool.acquire() as connection:
        assert [one.step for one in await attempts_of(connection, failure_id)][:3] == [2, 1, 0]


async def test_many_attempts_come_in_pages(world: World) -> None:
    failure_id = await world.failure()
    for step in range(250):
        await world.attempt(failure_id, step, "failed", note="x" * (3000 if step > 200 else 10))
    seen: list[int] = []
    before = ""
    for _ in range(9):
        body = await world.get(f"/api/healing/failures/{failure_id}/attempts{before}")
        seen += [attempt["step"] for attempt in body["attempts"]]
        if body["next"] is None:
            break
        before = f"?before={body['next']}"
    assert seen == list(reversed(range(250)))


@pytest.mark.parametrize(
    ("resolved", "total", "rate"),
    [(0, 0, 100), (0, 3, 0), (1, 3, 33), (2, 3, 67), (1, 8, 13), (1, 200, 1), (3, 3, 100)],
)
async def test_statistics_have_the_seeds_fields_and_meaning(world: World, resolved: int, total: int, rate: int) -> None:
    for index in range(total):
        done = index < resolved
        columns: dict[str, Any] = {"resolved": True, "status": "resolved", "due_at": None} if done else {}
        await world.failure(f"f{index}", **columns)
    assert await world.get("/api/healing/stats", "admin") == {
        "totalFailures": total, "resolved": resolved, "pending": total - resolved, "successRate": rate,
        "suspended": 0,
        "suspendedByStrategy": {},
        "paused": 0,
    }  # fmt: skip


async def test_what_waits_for_another_system_is_told_apart(world: World) -> None:
    failure_id = await world.failure()
    await world.pool.execute(
        "INSERT INTO heal_claim (scope, failure_id, attempt_id, step, org_id, strategy, effect, owner, effect_deadline,"
        " look_at, suspended_at, waits_for) SELECT 's', f.id, gen_random_uuid(), 0, f.org_id, 'auto-retry', 'keyed',"
        " 'suspended', now(), now() + interval '1 hour', now(), 'job-17 is rendering' FROM workflow_failures f"
    )
    stats = await world.get("/api/healing/stats")
    assert (stats["suspended"], stats["suspendedByStrategy"]) == (1, {"auto-retry": 1})
    stats = await world.get("/api/healing/stats", "stranger")
    assert (stats["suspended"], stats["suspendedByStrategy"]) == (0, {})
    shown = await world.get(f"/api/healing/failures/{failure_id}")
    assert (shown["suspendedBy"], shown["waitsFor"]) == ("auto-retry", "job-17 is rendering")
    assert shown["suspendedSince"] < shown["suspendedUntil"]


# --- asking for a heal


@pytest.mark.parametrize(
    ("columns", "step"),
    [
        ({"status": "pending"}, 3),
        ({"status": "deferred", "waits_on": "credits", "attempts": 2}, 3),
        ({"status": "given_up", "due_at": None, "attempts": 3}, 4),
    ],
    ids=lambda value: str(value["status"]) if isinstance(value, dict) else "",
)
async def test_a_heal_makes_it_due_wakes_the_healer_and_answers_with_the_new_attempt(
    world: World, columns: dict[str, Any], step: int
) -> None:
    failure_id = await world.failure(step=3, **columns)
    await world.attempt(failure_id, 2, "failed")
    if columns["status"] != "given_up":
        await world.pool.execute("UPDATE workflow_failures SET due_at = now() + interval '1 hour'")

    async def healer() -> None:
        async with asyncio.timeout(PATIENCE):
            await world.healer.woken.wait()
        row = await world.row(failure_id)
        assert row["due_at"] <= await world.pool.fetchval("SELECT clock_timestamp()")
        assert (row["waits_on"], row["step"]) == (None, step)
        assert row["status"] == ("deferred" if columns["status"] == "deferred" else "pending")
        assert row["attempts"] == (0 if columns["status"] == "given_up" else columns.get("attempts", 0))
        await world.attempt(failure_id, None)  # a member's: counts for nothing
        await world.attempt(failure_id, step, "failed", code="not_healed", reason="still 503")

    async with asyncio.TaskGroup() as group:
        group.create_task(healer())
        asked = group.create_task(world.ask("POST", "/api/healing/heal", "admin", json={"failureId": str(failure_id)}))
    body = asked.result().json()
    assert asked.result().status_code == 200
    assert (body["success"], body["strategy"], body["result"], body["code"]) == (
        False, "auto-retry", "failed", "not_healed",
    )  # fmt: skip
    assert body["step"] == step
    assert body["details"]["reason"] == "still 503"


async def test_a_success_is_answered_as_the_seed_shows_it(world: World) -> None:
    failure_id = await world.failure()
    await world.attempt(failure_id, 0)
    body = (await world.ask("POST", "/api/healing/heal", json={"failureId": str(failure_id)})).json()
    assert body.items() >= {"success": True, "strategy": "auto-retry", "result": "success"}.items()


async def test_a_heal_that_takes_longer_is_answered_with_where_to_look(database: str) -> None:
    async with serving(database, heal_wait=timedelta(milliseconds=100)) as world:
        failure_id = await world.failure()
        response = await world.ask("POST", "/api/healing/heal", json={"failureId": str(failure_id)})
        where = f"/api/healing/failures/{failure_id}/attempts"
        assert response.status_code == 202
        assert response.json() == {"failureId": str(failure_id), "status": "pending", "where": where}
        assert response.headers["Location"] == where
        assert await world.get(where) == {"attempts": [], "next": None}


@pytest.mark.parametrize(
    ("columns", "code", "words"),
    [
        ({"status": "resolved", "resolved": True, "due_at": None}, "already_resolved", "resolved already"),
        ({"status": "needs_person"}, "needs_person", "look at the target"),
        ({"status": "awaiting_approval"}, "awaiting_approval", "approve or deny"),
    ],
    ids=["resolved", "needs_person", "awaiting_approval"],
)
async def test_what_must_not_be_repeated_is_refused_with_the_reason(
    world: World, columns: dict[str, Any], code: str, words: str
) -> None:
    failure_id = await world.failure(**columns)
    before = await world.row(failure_id)
    response = await world.ask("POST", "/api/healing/heal", json={"failureId": str(failure_id)})
    assert error_of(response) == (409, code)
    assert words in response.json()["error"]["message"]
    assert await world.row(failure_id) == before
    assert not world.healer.woken.is_set()


@pytest.mark.parametrize("body", [b"", b"{}", b'{"failureId": "x"}', b"[", b'{"failure_id": "x"}'])
async def test_a_heal_without_a_failure_is_told_what_is_missing(world: World, body: bytes) -> None:
    response = await world.ask("POST", "/api/healing/heal", content=body, headers={"Content-Type": "application/json"})
    assert error_of(response) == (422, "invalid_request")


async def test_many_who_wait_for_a_heal_do_not_keep_others_from_reading(world: World) -> None:
    ids = [await world.failure(f"f{index}") for index in range(CONNECTIONS * 4)]
    async with asyncio.TaskGroup() as group:
        waiting = [
            group.create_task(world.ask("POST", "/api/healing/heal", json={"failureId": str(failure_id)}))
            for failure_id in ids
        ]
        async with asyncio.timeout(PATIENCE):
            await world.healer.woken.wait()
            assert (await world.get("/api/healing/stats"))["pending"] == len(ids)
        for failure_id in ids:
            await world.attempt(failure_id, 0)
    assert [task.result().json()["success"] for task in waiting] == [True] * len(ids)


# --- for operators


async def test_an_operator_lists_failures_by_organisation_and_status_and_asks_for_heals(world: World) -> None:
    given_up = await world.failure("given", status="given_up", due_at=None, step=5, attempts=3)
    await world.failure("done", status="resolved", resolved=True, due_at=None)
    pending = await world.failure("open")
    await world.attempt(given_up, 4, "failed", code="not_healed")
    await world.attempt(given_up, None)
    async with world.pool.acquire() as connection:
        assert {f.id for f in await list_failures(connection, FailureFilter(), 10)} == {given_up, pending}
        assert [f.id for f in await list_failures(connection, FailureFilter(statuses=(Status.GIVEN_UP,)), 10)] == [
            given_up
        ]
        assert len(await list_failures(connection, FailureFilter(), 1)) == 1
        assert [a.step for a in await attempts_of(connection, given_up)] == [4, None]
        asked = await ask_heal(connection, given_up, by="anna")
        assert (asked.result, asked.step) == (HealRequestResult.DUE, 6)
        assert (await ask_heal(connection, FailureId(uuid4()), by="anna")).result is HealRequestResult.NOT_FOUND
    assert (await world.row(given_up))["status"] == "pending"


# --- health, metrics, and the server itself


@pytest.mark.parametrize("clock", limits(ApiSettings()))
async def test_a_clock_that_stands_still_makes_the_process_unhealthy_and_unready_and_is_named(
    world: World, clock: str
) -> None:
    assert (await world.get("/healthz", None))["status"] == "ok"
    world.healer.clocks[clock] = timedelta(hours=1)
    response = await world.ask("GET", "/healthz", None)
    assert response.status_code == 503
    assert response.json()["failing"] == [clock]
    assert response.json()["clocks"][clock]["ok"] is False
    response = await world.ask("GET", "/readyz", None)
    assert (response.status_code, response.json()["reasons"]) == (503, [f"{clock} stands still"])


async def test_readiness_tells_what_is_missing(world: World) -> None:
    assert (await world.get("/readyz", None)) == {"ready": True, "reasons": [], "notes": ["a note"]}
    world.healer.reasons = ("no partition assigned yet",)
    response = await world.ask("GET", "/readyz", None)
    assert (response.status_code, response.json()["reasons"]) == (503, ["no partition assigned yet"])


async def test_metrics_are_the_registrys_in_prometheus_format(world: World) -> None:
    world.metrics.events[EventOutcome.DUPLICATE].inc(2)
    response = await world.ask("GET", "/metrics", None)
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert 'shw_events_total{outcome="duplicate"} 2.0' in response.text
    assert "_created" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nothing", 404, "not_found"), ("DELETE", "/api/healing/heal", 405, "method_not_allowed")],
)
async def test_every_error_has_one_form(world: World, method: str, path: str, status: int, code: str) -> None:
    assert error_of(await world.ask(method, path)) == (status, code)


@pytest.mark.parametrize("version", ["x", "1.x", "\xff", "", "9" * 5000, "1.0.0.0.0", "-1"])
async def test_metrics_are_given_whatever_version_is_asked_for(world: World, version: str) -> None:
    for form in ("application/openmetrics-text", "text/plain"):
        headers = {"Accept": f"{form};q=x;version={version}".encode("latin-1")}
        response = await world.ask("GET", "/metrics", None, headers=headers)
        assert response.status_code == 200
        assert "shw_events_total" in response.text


async def test_a_fault_of_ours_tells_the_caller_nothing_and_the_log_everything(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.pool.execute("ALTER TABLE workflow_failures RENAME COLUMN resolved TO gone")
    response = await world.ask("GET", "/api/healing/stats")
    assert error_of(response) == (500, "internal")
    assert "resolved" not in response.text
    assert "UndefinedColumnError" in caplog.text


async def test_a_database_that_is_away_is_a_503_to_try_again(world: World) -> None:
    await world.served.close()
    response = await world.ask("GET", "/api/healing/stats")
    assert error_of(response) == (503, "unavailable")
    assert response.headers["Retry-After"] == "2"


async def test_a_taken_port_is_one_line_that_says_what_to_set(world: World) -> None:
    port = int(world.url.rsplit(":", 1)[1])
    with pytest.raises(ConfigError, match="SHW_API__PORT"):
        async with serving_again(world, port):
            pass


@asynccontextmanager
async def serving_again(world: World, port: int) -> AsyncIterator[str]:
    app = create_api(
        settings=ApiSettings(),
        pool=world.pool,
        metrics=Metrics(CollectorRegistry()),
        clocks=world.healer,
        readiness=world.healer,
        wake=world.healer.woken.set,
    )
    async with serve(app, "127.0.0.1", port) as url:
        yield url


async def test_the_server_leaves_the_signals_to_the_process(world: World) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    async with serving_again(world, 0) as url:
        assert {number: signal.getsignal(number) for number in before} == before
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{url}/readyz")).status_code == 200
    assert {number: signal.getsignal(number) for number in before} == before


async def test_a_request_under_way_does_not_hold_up_the_stop(database: str) -> None:
    async with AsyncExitStack() as running:
        world = await running.enter_async_context(serving(database, heal_wait=BEYOND_PATIENCE))
        failure_id = await world.failure()
        asked = asyncio.create_task(_answer_or_cut(world, failure_id))
        async with asyncio.timeout(PATIENCE):
            await world.healer.woken.wait()
            await running.aclose()
            assert await asked in ("cut", "500")


async def _answer_or_cut(world: World, failure_id: FailureId) -> str:
    try:
        response = await world.ask("POST", "/api/healing/heal", json={"failureId": str(failure_id)})
    except httpx.TransportError:
        return "cut"
    return str(response.status_code)
