"""A request of the API that carries a key acts once, however often it is sent, and to whichever replica."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from starlette.responses import JSONResponse, Response

from consumer.api.errors import ApiError
from consumer.api.healing import HealingEndpoints
from consumer.api.idempotency import KeyedRequest
from consumer.api.tokens import User
from consumer.errors import TransientError
from consumer.store.organisations import LEFT
from consumer.store.pauses import MOST_OF_AN_ORGANISATION
from schemas.openapi import openapi_document
from tests.support.api_world import LEADERS, OTHERS, World, error_of, serving
from tests.support.console_reader import ask, elements_of

API = "/api/healing"
PAUSES = f"{API}/pauses"


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database, user_burst=100_000, address_burst=100_000) as served:
        yield served


async def send(world: World, key: str, person: str = "owner", path: str = PAUSES, **body: Any) -> Any:  # noqa: ANN401
    given = {"orgId": str(world.org_id), "reason": "I look"} | body if path == PAUSES else body
    return await world.ask("POST", path, person, json=given, headers={"Idempotency-Key": key})


async def pauses(world: World) -> int:
    return int(await world.pool.fetchval("SELECT count(*) FROM heal_pause"))


async def test_the_same_request_acts_once_and_is_answered_as_the_first_time(world: World) -> None:
    first = await send(world, "one")
    again = await send(world, "one")
    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.content, first.headers["Content-Type"]) == (again.content, again.headers["Content-Type"])
    assert "Idempotent-Replayed" not in first.headers
    assert (again.headers["Idempotent-Replayed"], await pauses(world)) == ("true", 1)
    assert error_of(await send(world, "one", reason="another one")) == (422, "key_of_another_request")
    assert (await send(world, "two")).json()["id"] != first.json()["id"]
    # A key is its sender's own, and of one route.
    assert (await send(world, "one", "admin")).json()["pausedBy"] == str(world.people["admin"])
    ended = await send(world, "one", path=f"{PAUSES}/{first.json()['id']}/resume", reason="over")
    assert (ended.status_code, await pauses(world)) == (200, 3)


async def test_a_key_that_is_none_is_refused(world: World) -> None:
    given = {"orgId": str(world.org_id), "reason": "I look"}
    for key in ("", "a b", "x" * 256, "\u00e4"):
        headers = {"Idempotency-Key": key.encode("latin-1")}
        assert error_of(await world.ask("POST", PAUSES, json=given, headers=headers)) == (422, "invalid_request")
    assert await pauses(world) == 0


async def test_who_leads_no_more_is_told_nothing_of_what_they_did(world: World) -> None:
    assert (await send(world, "one", "admin")).status_code == 201
    await world.pool.execute("DELETE FROM user_organizations WHERE user_id = $1", world.people["admin"])
    left, never = await send(world, "one", "admin"), await send(world, "one", "stranger")
    assert (left.status_code, left.content) == (never.status_code, never.content) == (404, never.content)
    for person in OTHERS:
        assert (await send(world, "one", person)).status_code == 404
    assert await world.pool.fetchval("SELECT count(*) FROM heal_idempotency_key") == 1


async def test_what_was_refused_changed_nothing_and_leaves_its_key_free(world: World) -> None:
    done = str(await world.failure("done", status="resolved", resolved=True, due_at=None))
    assert error_of(await send(world, "k", path=f"{API}/heal", failureId=done)) == (409, "already_resolved")
    await world.pool.execute("UPDATE workflow_failures SET status = 'given_up', resolved = false")
    asked = asyncio.create_task(send(world, "k", path=f"{API}/heal", failureId=done))
    await asyncio.wait_for(world.healer.woken.wait(), 10)
    assert error_of(await send(world, "k", path=f"{API}/heal", failureId=done)) == (409, "key_in_use")
    assert (await asked).status_code == 202
    again = await send(world, "k", path=f"{API}/heal", failureId=done)
    assert (again.status_code, again.headers["Location"]) == (202, f"{API}/failures/{done}/attempts")
    assert await world.pool.fetchval("SELECT count(*) FROM heal_request") == 1
    await world.pool.execute(
        "INSERT INTO heal_pause (org_id, reason, paused_by, starts_at) SELECT $1, 'r', 'b', now() "
        "FROM generate_series(1, $2)", world.org_id, MOST_OF_AN_ORGANISATION,
    )  # fmt: skip
    assert error_of(await send(world, "full")) == (409, "too_many_pauses")
    await world.pool.execute("DELETE FROM heal_pause")
    assert (await send(world, "full")).status_code == 201


async def test_many_at_once_act_once(world: World) -> None:
    answers = await asyncio.gather(*(send(world, "one") for _ in range(12)))
    found = sorted({one.status_code for one in answers})
    assert found in ([201], [201, 409])
    assert {error_of(one)[1] for one in answers if one.status_code == 409} <= {"key_in_use"}
    assert await pauses(world) == 1


# --- replicas, and processes that die


def replica(world: World, runs: timedelta = timedelta(seconds=30)) -> HealingEndpoints:
    return HealingEndpoints(pool=world.served, heal_wait=timedelta(0), wake=lambda: None, request_runs=runs)


def keyed(world: World, asked: bytes = b"x") -> KeyedRequest:
    user = User(id=world.people["owner"], claims={"sub": str(world.people["owner"]), "role": "authenticated"})
    return KeyedRequest(user=user, route="/r", key="k", asked=asked, subject=world.org_id)


class Act:
    """Writes a row as the service in a transaction of its own, and dies where it is told to."""

    def __init__(self, world: World, healing: HealingEndpoints, *, dies: str = "") -> None:
        self.world, self.healing, self.dies = world, healing, dies
        self.ready, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> Response:
        if self.dies == "before":
            raise asyncio.CancelledError
        if self.dies == "stands":
            self.ready.set()
            await self.go_on.wait()
        async with self.healing.as_user(keyed(self.world).user, readonly=False) as connection:
            await connection.execute("SELECT set_config('role', 'none', true)")
            await connection.execute(
                "INSERT INTO heal_pause (org_id, reason, paused_by, starts_at) VALUES ($1, 'r', 'b', now())",
                self.world.org_id,
            )
        if self.dies == "after":
            raise asyncio.CancelledError
        if self.dies == "broken":
            raise TransientError("the answer was lost")
        return JSONResponse({"done": True}, 201)


async def later(world: World) -> None:
    await world.pool.execute("UPDATE heal_idempotency_key SET runs_until = now() - interval '1 second'")


async def status_of(healing: HealingEndpoints, world: World) -> int:
    try:
        return (await healing.idempotent.answer(keyed(world), Act(world, healing))).status_code
    except ApiError as error:
        return error.status if error.code == "answer_lost" else 0


@pytest.mark.parametrize(("dies", "then", "rows"), [("before", 201, 1), ("after", 409, 1), ("broken", 409, 1)])
async def test_a_process_that_dies_leaves_nothing_done_twice(world: World, dies: str, then: int, rows: int) -> None:
    one, other = replica(world), replica(world)
    with pytest.raises((asyncio.CancelledError, TransientError)):
        await one.idempotent.answer(keyed(world), Act(world, one, dies=dies))
    with pytest.raises(ApiError, match="being carried out"):
        await other.idempotent.answer(keyed(world), Act(world, other))
    await later(world)
    for _ in range(2):
        assert (await status_of(other, world), await pauses(world)) == (then, rows)


async def test_who_stood_still_while_another_took_over_changes_nothing(world: World) -> None:
    one, other = replica(world), replica(world)
    slow = Act(world, one, dies="stands")
    stands = asyncio.create_task(one.idempotent.answer(keyed(world), slow))
    await slow.ready.wait()
    await later(world)
    assert (await other.idempotent.answer(keyed(world), Act(world, other))).status_code == 201
    slow.go_on.set()
    with pytest.raises(ApiError):
        await stands
    assert await pauses(world) == 1
    assert (await one.idempotent.answer(keyed(world), Act(world, one))).headers["Idempotent-Replayed"] == "true"


async def test_a_key_is_kept_for_a_day_and_goes_with_its_organisation(world: World) -> None:
    one = replica(world)
    await one.idempotent.answer(keyed(world), Act(world, one))
    await world.pool.execute("UPDATE heal_idempotency_key SET begun_at = now() - interval '25 hours'")
    await later(world)
    await one.idempotent.answer(keyed(world, b"another"), Act(world, one))
    assert await pauses(world) == 2
    assert await world.pool.fetchval("SELECT count(*) FROM heal_idempotency_key") == 1
    await world.pool.execute(LEFT["heal_idempotency_key"], world.org_id)
    assert await world.pool.fetchval("SELECT count(*) FROM heal_idempotency_key") == 0


# --- every route, and every form


def posts() -> Mapping[str, Any]:
    return {path: methods["post"] for path, methods in openapi_document()["paths"].items() if "post" in methods}


async def test_every_post_takes_a_key_and_says_so(world: World) -> None:
    """A key of which another request with another body came before is refused before anything is looked at."""
    failure = await world.failure()
    for path, operation in posts().items():
        assert "Idempotency-Key" in {one["name"] for one in operation["parameters"]}
        assert {"409", "422"} <= set(operation["responses"])
        route = path.format(failure_id=failure, bulk_id=failure, pause_id=failure, incident_id=failure)
        query = "?orgId=" + str(world.org_id) if path.endswith("/failures") else ""
        await world.pool.execute(
            "INSERT INTO heal_idempotency_key (org_id, member, route, key, digest, holder, runs_until)"
            " VALUES ($1, $2, $3, 'k', '', $4, now())",
            world.org_id, world.people["owner"], route, uuid4(),
        )  # fmt: skip
        body = {"orgId": str(world.org_id)} if path.endswith(("/pauses", "/bulks")) else {"failureId": str(failure)}
        answer = await world.ask("POST", route + query, json=body, headers={"Idempotency-Key": "k"})
        assert error_of(answer) == (422, "key_of_another_request"), path


@pytest.mark.parametrize("person", LEADERS)
async def test_a_double_click_acts_once_and_a_changed_form_is_another(world: World, person: str) -> None:
    page = (await ask(world, "GET", "/pauses", person)).text
    once = {
        str(values["value"]) for tag, values in elements_of(page) if tag == "input" and values.get("name") == "once"
    }
    assert len(once) == 1
    form = {"orgId": str(world.org_id), "hours": "4", "reason": "I look", "once": once.pop()}
    both = await asyncio.gather(*(ask(world, "POST", "/pauses", person, data=form) for _ in range(2)))
    assert [(one.status_code, one.headers["Location"]) for one in both] == [(303, "/pauses?said=paused")] * 2
    assert all("default-src 'none'" in one.headers["Content-Security-Policy"] for one in both)
    assert await pauses(world) == 1
    await ask(world, "POST", "/pauses", person, data=form | {"reason": "I still look"})
    assert await pauses(world) == 2


async def test_every_form_that_acts_carries_its_key(world: World) -> None:
    failure_id = await world.failure(status="given_up", due_at=None, context='{"payload": {"a": 1}}')
    for path in ("/", f"/failures/{failure_id}", "/causes", "/pauses", "/spend"):
        page = (await ask(world, "GET", path)).text
        names = [str(values.get("name")) for tag, values in elements_of(page) if tag == "input"]
        assert names.count("once") == names.count("csrf") > 0, path
