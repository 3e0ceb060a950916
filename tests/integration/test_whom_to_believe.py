"""Sources are believed for their own workflows, secrets go with their own calls, members are healed when one asks."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from consumer.model import FailureId
from consumer.store.heal_requests import ask_heal
from tests.support.pipeline import Running, Site, call, event, until
from tests.support.worlds.http_world import World, json_reply

OK = json_reply({"done": True})
TOKEN = "token-of-payments-3f9a"
BOUND = "methods: [POST], paths: [/refund], headers: [authorization]"


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENTS_TOKEN", TOKEN)


def believe(place: Site, world: World, *, sources: str, bound: str = BOUND, entry: str = "") -> None:
    """A catalog of payments with a secret."""
    assert place.settings.catalog is not None
    place.settings.catalog.write_text(
        f"version: 1\nsources: [{sources}]\n"
        f"secrets: {{PAYMENTS_TOKEN: {{env: PAYMENTS_TOKEN, hosts: [127.0.0.1], {bound}}}}}\n"
        "workflows:\n- name: '*'\n"
        f"  hosts: [{{host: 127.0.0.1, ports: [{world.port}], schemes: [http], addresses: [127.0.0.0/8]}}]\n"
        "  secrets: [PAYMENTS_TOKEN]\n  attempts: 1\n"
        f"  auto_retry: {{tries: 1, timeout: PT2S}}\n{entry}"
    )


def refund(world: World, path: str = "/refund", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    request = {"headers": {"Authorization": "Bearer secret://PAYMENTS_TOKEN"}, "idempotency_key": "k-1"} | more
    path = request.pop("path", path)
    return call(world.url(path), request.pop("method", "POST"), **request)


def named(org: UUID, source: str, context: Mapping[str, Any], n: object = 1) -> dict[str, Any]:
    return event(org, n, workflow_name="payments.refund", context=dict(context)) | {"source": source}


async def only_attempt(place: Site) -> str:
    (row,) = await place.db.fetch("SELECT details ->> 'reason' AS reason FROM workflow_heal_attempts")
    return str(row["reason"])


PAYMENTS = "{source: 'urn:payments', organisations: '*', workflows: [payments.*]}"
NEWSLETTER = "{source: 'urn:newsletter', organisations: '*', workflows: ['newsletter.*', 'mails.?']}"


async def test_a_source_gets_no_token_of_a_workflow_that_is_not_its_own(embedded_place: Site, world: World) -> None:
    place, org = embedded_place, await embedded_place.organisation()
    world.on("/refund", OK)
    believe(place, world, sources=f"{PAYMENTS}, {NEWSLETTER}")
    await place.publish(named(org, "urn:newsletter", refund(world)))
    async with place.consumer() as running:
        row = (await running.settled(1))["payments.refund"]
        assert (row["status"], row["failure_type"]) == ("given_up", "api_timeout")
        assert "'urn:newsletter' may not speak for workflow 'payments.refund'" in await only_attempt(place)
        assert world.seen == []
        await place.db.execute("DELETE FROM workflow_failures")
        await place.publish(named(org, "urn:payments", refund(world), 2))
        assert (await running.settled(1))["payments.refund"]["status"] == "resolved"
    (seen,) = world.calls("/refund")
    assert seen.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("source", "bound", "said"),
    [
        ("{source: 'urn:payments', organisations: '*'}", BOUND, "add `workflows:` with 'payments.refund'"),
        (PAYMENTS, "methods: [POST]", "is not bound to calls: add `paths`, `headers` to the secret"),
    ],
    ids=["source", "secret"],
)
async def test_what_an_older_catalog_does_not_bind_is_refused_and_says_what_to_add(
    embedded_place: Site, world: World, source: str, bound: str, said: str
) -> None:
    place, org = embedded_place, await embedded_place.organisation()
    world.on("/refund", OK)
    believe(place, world, sources=source, bound=bound)
    await place.publish(named(org, "urn:payments", refund(world)))
    async with place.consumer() as running:
        assert (await running.settled(1))["payments.refund"]["status"] == "given_up"
    assert said in await only_attempt(place)
    assert world.seen == []


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ({"method": "DELETE"}, "may not be sent with DELETE"),
        ({"path": "/refund/all"}, "may not be sent to the path /refund/all"),
        ({"path": "/x/%2e%2e/refund"}, "holds a dot segment"),
        ({"headers": {"x-debug": "secret://PAYMENTS_TOKEN"}}, "may not stand in the header x-debug"),
        ({"path": "/refund?_method=DELETE"}, "the query parameter _method"),
    ],
    ids=["method", "path", "dots", "header", "override"],
)
async def test_a_secret_goes_with_its_own_calls_only(
    embedded_place: Site, world: World, context: dict[str, Any], said: str
) -> None:
    place, org = embedded_place, await embedded_place.organisation()
    believe(place, world, sources=PAYMENTS)
    await place.publish(named(org, "urn:payments", refund(world, **context)))
    async with place.consumer() as running:
        assert (await running.settled(1))["payments.refund"]["status"] == "given_up"
    assert said in await only_attempt(place)
    assert world.seen == []


async def person(place: Site, org: UUID, role: str) -> UUID:
    user = uuid4()
    await place.db.execute(
        "INSERT INTO user_organizations (user_id, org_id, role) VALUES ($1, $2, $3)", user, org, role
    )
    return user


async def as_user(place: Site, user: UUID, statement: str, *values: object) -> None:
    async with place.db.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL ROLE authenticated")
        await connection.execute("SELECT set_config('request.jwt.claims', $1, true)", json.dumps({"sub": str(user)}))
        await connection.execute(statement, *values)


async def record(place: Site, user: UUID, org: UUID, context: Mapping[str, Any]) -> None:
    await as_user(
        place,
        user,
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context)"
        " VALUES ($1, 'payments.refund', 'request timeout', $2::text::jsonb)",
        org,
        json.dumps(context),
    )


async def asked(place: Site, running: Running) -> None:
    failure_id = await place.db.fetchval("SELECT id FROM workflow_failures")
    async with place.db.acquire() as connection:
        await ask_heal(connection, FailureId(failure_id), by="anna")
    running.consumer.wake.set()


async def resolved(place: Site) -> bool:
    return await place.count("workflow_failures WHERE resolved") == 1


async def test_a_plain_members_row_is_diagnosed_and_healed_when_somebody_of_standing_asks(
    embedded_place: Site, world: World
) -> None:
    place, org = embedded_place, await embedded_place.organisation()
    world.on("/refund", OK)
    believe(place, world, sources=PAYMENTS)
    await record(place, await person(place, org, "member"), org, refund(world))
    async with place.consumer() as running:
        row = (await running.settled(1))["payments.refund"]
        assert (row["status"], row["failure_type"], row["inserted_as"]) == ("given_up", "api_timeout", "member")
        assert "an owner or admin may ask for its heal" in await only_attempt(place)
        assert world.seen == []
        await asked(place, running)
        await until(lambda: resolved(place))
    assert len(world.calls("/refund")) == 1


@pytest.mark.parametrize("role", ["owner", "admin"])
async def test_a_row_of_an_owner_or_admin_is_healed_as_the_catalog_allows(
    embedded_place: Site, world: World, role: str
) -> None:
    place, org = embedded_place, await embedded_place.organisation()
    world.on("/refund", OK)
    believe(place, world, sources=PAYMENTS)
    await record(place, await person(place, org, role), org, refund(world))
    async with place.consumer() as running:
        row = (await running.settled(1))["payments.refund"]
    assert (row["status"], row["inserted_as"]) == ("resolved", role)


async def test_a_strategy_that_the_catalog_gives_to_members_acts_on_their_rows(
    embedded_place: Site, world: World
) -> None:
    place, org = embedded_place, await embedded_place.organisation()
    world.on("/refund", OK)
    believe(place, world, sources=PAYMENTS, entry="  members: [auto-retry]\n")
    await record(place, await person(place, org, "member"), org, refund(world))
    async with place.consumer() as running:
        assert (await running.settled(1))["payments.refund"]["status"] == "resolved"


PASSWORD = "hunter2-of-the-owner"


async def test_what_an_owner_rewrites_is_redacted_before_it_is_healed(embedded_place: Site, world: World) -> None:
    place, org = embedded_place, await embedded_place.organisation()
    world.on("/refund", json_reply({}, 422), OK)
    believe(place, world, sources=PAYMENTS)
    await place.publish(named(org, "urn:payments", refund(world)))
    owner = await person(place, org, "owner")
    async with place.consumer() as running:
        assert (await running.settled(1))["payments.refund"]["status"] == "given_up"
        context = refund(world, body={"password": PASSWORD})
        await as_user(place, owner, "UPDATE workflow_failures SET context = $1::text::jsonb", json.dumps(context))
        await asked(place, running)
        row = (await running.settled(1))["payments.refund"]
        await until(lambda: _redacted(place))
        # A part of the call itself: the mark would be sent in its place.
        assert row["status"] == "given_up"
        context = refund(world) | {"note": {"password": PASSWORD}}
        await as_user(place, owner, "UPDATE workflow_failures SET context = $1::text::jsonb", json.dumps(context))
        await asked(place, running)
        await until(lambda: resolved(place))
    assert PASSWORD not in str(await place.failures())
    assert PASSWORD not in str(await place.results())
    assert not any(PASSWORD in str(seen) for seen in world.seen)


async def test_what_is_rewritten_while_nothing_is_due_is_redacted_too(embedded_place: Site, world: World) -> None:
    place, org = embedded_place, await embedded_place.organisation()
    world.on("/refund", OK)
    believe(place, world, sources=PAYMENTS)
    await place.publish(named(org, "urn:payments", refund(world)))
    owner = await person(place, org, "owner")
    async with place.consumer() as running:
        assert (await running.settled(1))["payments.refund"]["status"] == "resolved"
        await as_user(
            place,
            owner,
            "UPDATE workflow_failures SET context = $1::text::jsonb, workflow_name = $2",
            json.dumps({"password": PASSWORD}),
            f"payments.refund password={PASSWORD}",
        )
        await until(lambda: _redacted(place))
    assert PASSWORD not in str(await place.failures())


async def _redacted(place: Site) -> bool:
    return await place.count("workflow_failures WHERE unredacted_since IS NOT NULL") == 0
