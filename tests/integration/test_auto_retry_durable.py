"""auto-retry through the whole service: timers and doubts that outlive the process that had them."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from schemas.heal_result import HEAL_RESULT_TYPE
from tests.support import oracle
from tests.support.pipeline import NEVER_LEFT, Site, call, catalog, event, until
from tests.support.worlds.http_world import Reply, Seen, World, json_reply

OK = json_reply({"id": 7})
NOT_THERE = json_reply({"detail": "none"}, 404)


def asks_to_wait(value: str, status: int = 503) -> Reply:
    return json_reply({}, status, headers=(("Retry-After", value),))


async def wallet(place: Site, org: Any) -> Decimal:  # noqa: ANN401 - an id
    left: Decimal = await place.db.fetchval("SELECT text_budget_aud FROM token_wallets WHERE org_id = $1", org)
    return left


async def results(place: Site) -> list[dict[str, Any]]:
    return [one["data"] for one in await place.results() if one["type"] == HEAL_RESULT_TYPE]


async def test_a_long_retry_after_holds_no_credits_and_outlives_a_restart(embedded_place: Site, world: World) -> None:
    place = embedded_place
    org = await place.organisation("1")
    world.on("/busy", asks_to_wait("120"), OK)
    world.on("/well", OK)
    await place.publish(event(org, 1, workflow_name="busy", context=call(world.url("/busy"))))
    async with place.consumer() as running:
        row = (await running.settled(1))["busy"]
    assert (row["status"], row["attempts"]) == ("deferred", 0)
    assert await wallet(place, org) == Decimal(1)
    assert await place.count("heal_claim") == 0

    await place.publish(event(org, 2, workflow_name="well", context=call(world.url("/well"))))
    async with place.consumer() as running:
        rows = await running.settled(2)
        # The one that came after it was healed, and it is not yet its time.
        assert (rows["well"]["status"], rows["busy"]["status"]) == ("resolved", "deferred")
        assert len(world.calls("/busy")) == 1
        await place.db.execute(
            "UPDATE workflow_failures SET due_at = due_at - interval '121 seconds' WHERE NOT resolved"
        )

        async def resolved() -> bool:
            return await place.count("workflow_failures WHERE resolved") == 2

        await until(resolved)
    assert len(world.calls("/busy")) == 2
    await oracle.credits_add_up(place, {org: "1"})


@pytest.mark.parametrize(
    "value", ["90000", "999999999", "4000000000", "4000000000000", "Fri, 31 Dec 9999 23:59:59 GMT"]
)
async def test_a_retry_after_beyond_what_is_worth_healing_gives_up_at_once(
    embedded_place: Site, world: World, value: str
) -> None:
    place = embedded_place
    org = await place.organisation("1")
    world.on("/busy", asks_to_wait(value, 429))
    await place.publish(event(org, context=call(world.url("/busy"))))
    async with place.consumer() as running:
        row = (await running.settled(1))["orders.sync"]
    assert (row["status"], row["due_at"], len(world.calls("/busy"))) == ("given_up", None, 1)
    assert await wallet(place, org) == Decimal(1)


def paid(world: World, **look: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    """A payment without a key that provably never left, and where to look for it."""
    read_back = {"url": world.url("/pay/17"), "after_seconds": 0.3} | look
    return call(world.url("/pay"), "POST", error=NEVER_LEFT, read_back=read_back, timeout_seconds=1)


def shown(world: World) -> None:
    def look(_: int, __: Seen) -> Reply:
        return json_reply({"id": 17}) if world.performed("/pay") else NOT_THERE

    world.on("/pay/17", look)


@pytest.mark.parametrize(
    ("replies", "calls"),
    [
        pytest.param([Reply(drop=True, effect=True)], 1, id="did it"),
        pytest.param([Reply(drop=True, effect=False), OK], 2, id="did not do it"),
    ],
)
async def test_a_lost_answer_to_a_payment_is_settled_by_looking(
    embedded_place: Site, world: World, replies: list[Reply], calls: int
) -> None:
    place = embedded_place
    org = await place.organisation("1")
    world.on("/pay", *replies)
    shown(world)
    await place.publish(event(org, context=paid(world)))
    async with place.consumer() as running:
        row = (await running.settled(1))["orders.sync"]
    assert (row["status"], row["attempts"]) == ("resolved", 1)
    assert (world.performed("/pay"), len(world.calls("/pay"))) == (1, calls)
    (told,) = await results(place)
    assert (told["result"], told["code"]) == ("success", None)
    await oracle.credits_add_up(place, {org: "1"})


async def test_what_recovered_by_itself_is_told_as_that(embedded_place: Site, world: World) -> None:
    place = embedded_place
    org = await place.organisation("1")
    world.on("/pay/17", json_reply({"id": 17}))
    await place.publish(event(org, context=paid(world)))
    async with place.consumer() as running:
        assert (await running.settled(1))["orders.sync"]["status"] == "resolved"
    (told,) = await results(place)
    assert (told["result"], told["code"]) == ("success", "recovered")
    assert [one["oracle"] for one in told["evidence"]] == ["read_back"]
    assert world.calls("/pay") == []


@pytest.mark.parametrize(
    ("effect", "calls"), [pytest.param(True, 1, id="it had paid"), pytest.param(False, 2, id="it had not")]
)
async def test_a_payment_in_which_the_process_dies_is_looked_for_by_the_next_and_never_made_twice(
    embedded_place: Site, world: World, *, effect: bool, calls: int
) -> None:
    place = embedded_place
    org = await place.organisation("1")
    world.on("/pay", Reply(never=True, effect=effect), OK)
    shown(world)
    context = paid(world)
    context["request"]["timeout_seconds"] = 20
    await place.publish(event(org, context=context))
    async with place.consumer() as dying:

        async def sent() -> bool:
            return len(world.calls("/pay")) == 1

        await until(sent)
        await dying.abandon()
    assert await place.count("heal_claim WHERE begun") == 1
    await place.time_passes()
    async with place.in_another_group().consumer():

        async def resolved() -> bool:
            return bool(await place.count("workflow_failures WHERE resolved"))

        await until(resolved)
    assert (world.performed("/pay"), len(world.calls("/pay"))) == (1, calls)
    # The one that died, and the one that looked; nothing claims that it recovered by itself.
    assert [(one["result"], one["code"]) for one in await results(place)] == [
        ("unknown", "interrupted"),
        ("success", None),
    ]
    await oracle.credits_add_up(place, {org: "1"})


@pytest.fixture
def two_attempts(catalog_file: Path, world: World) -> None:
    catalog_file.write_text(catalog(world.port, attempts="2"))


@pytest.mark.usefixtures("two_attempts")
async def test_where_nobody_can_say_a_person_has_to(embedded_place: Site, world: World) -> None:
    place = embedded_place
    org = await place.organisation("1")
    world.on("/pay", Reply(drop=True, effect=True))
    world.on("/pay/17", json_reply({}, 500))
    await place.publish(event(org, context=paid(world)))
    async with place.consumer() as running:

        async def parked() -> bool:
            return bool(await place.count("workflow_failures WHERE status = 'needs_person'"))

        await until(parked)
        rows: list[asyncpg.Record] = await place.db.fetch("SELECT * FROM workflow_failures")
        assert not running.task.done()
    assert (rows[0]["attempts"], len(world.calls("/pay"))) == (2, 1)
