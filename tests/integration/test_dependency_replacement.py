"""dependency-replacement through the topic: a provider dies, its calls go to what stands in for it, and back."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from consumer.model.binding import binding_scope
from tests.support.pipeline import Read, Running, Site, environment_of, event, until
from tests.support.shw import shw
from tests.support.worlds.http_world import Reply, http_world, json_reply, page_reply
from tests.support.worlds.providers import Providers

LEASE = timedelta(seconds=30)
IS_FULL = os.environ.get("SHW_FAULT_MATRIX") == "full"
MANY = 500 if IS_FULL else 60
TYPE = "workflow.dependency_binding.v1"


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    async with http_world() as world:
        yield Providers(world=world)


@pytest.fixture
def place(embedded_place: Site, providers: Providers) -> Site:
    return with_catalog(embedded_place, providers.catalog())


def with_catalog(place: Site, text: str) -> Site:
    assert place.settings.catalog is not None
    place.settings.catalog.write_text(text)
    return place


def failed_call(providers: Providers, org: UUID, n: int, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    context = {
        "error": {"http_status": 503},
        "request": {
            "method": "POST",
            "url": providers.world.url("/first/translate"),
            "body": {"q": f"text {n}"},
            "effect": "none",
        }
        | request,
    }
    name = f"w{org.hex[:6]}.{n:03}"
    return event(org, name, workflow_name=name, failure_reason="upstream answered 503", context=context)


async def bindings(place: Site) -> list[dict[str, Any]]:
    """What the results topic says of bindings, in order; each once, for what a dead replica left is sent again."""
    read: list[Read] = await place.read(place.settings.kafka.results_topic)
    return list({one.event["id"]: one.event["data"] for one in read if one.event["type"] == TYPE}.values())


def changes(told: list[dict[str, Any]]) -> list[str]:
    """The states, each once where it only was renewed."""
    states = [one["state"] for one in told]
    return [state for n, state in enumerate(states) if not n or state != states[n - 1]]


async def is_bound(place: Site) -> bool:
    return bool(await place.count("heal_binding WHERE state <> 'first'"))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def back(running: Running, providers: Providers) -> None:
    """Wait until the calls go to the first again, and that is told."""

    async def is_back() -> bool:
        told = await bindings(running.place)
        return bool(told) and told[-1]["state"] == "first"

    assert not providers.dead
    await until(is_back)


async def resolved(running: Running, failures: int) -> dict[str, asyncpg.Record]:
    """Wait until so many are resolved: on a busy machine some are put off before."""

    async def are_resolved() -> bool:
        return await running.place.count("workflow_failures WHERE status = 'resolved'") == failures

    await until(are_resolved)
    return await running.settled(failures)


async def test_a_dead_provider_is_replaced_and_comes_back(place: Site, providers: Providers) -> None:
    org = await place.organisation()
    providers.dead = True
    await place.publish(*(failed_call(providers, org, n) for n in range(8)))
    async with place.consumer() as running:
        rows = await resolved(running, 8)
        assert {row["status"] for row in rows.values()} == {"resolved"}
        assert providers.called("first") == 0
        assert providers.called("second") == 8
        providers.dead = False
        await back(running, providers)
    told = await bindings(place)
    assert changes(told) == ["canary", "whole", "returning", "first"]
    assert {said["source"] for said in told[0]["evidence"] if said["says"] == "ill"} >= {"failure", "health"}
    assert json.dumps(told).count("secret://") == 0


async def test_many_failures_of_a_provider_that_dies_for_three_seconds(place: Site, providers: Providers) -> None:
    org = await place.organisation()
    providers.dead = True
    await place.publish(*(failed_call(providers, org, n) for n in range(MANY)))
    clock = asyncio.get_running_loop().time
    async with place.consumer() as running:
        began = clock()

        async def has_bound() -> bool:
            return clock() - began >= 3 and bool(await place.count("heal_binding WHERE state = 'whole'"))

        await until(has_bound)
        providers.dead = False
        rows = await resolved(running, MANY)
        await back(running, providers)
    assert {row["status"] for row in rows.values()} == {"resolved"}
    assert providers.to_dead == 0
    assert providers.most_looks_at_once("first") == 1
    codes = await place.db.fetch("SELECT DISTINCT details->>'code' AS code FROM workflow_heal_attempts")
    assert {row["code"] for row in codes} <= {None, "retry_later"}  # nobody paid for the dead one with a try
    told = await bindings(place)
    assert changes(told) == ["canary", "whole", "returning", "first"]
    assert [one["version"] for one in told] == sorted({one["version"] for one in told})
    recovered = next(one for one in told if one["state"] == "returning")["changed_at"]
    assert moment(told[-1]["changed_at"]) - moment(recovered) < LEASE


async def test_a_provider_that_flaps_is_switched_once(place: Site, providers: Providers) -> None:
    org = await place.organisation()
    clock = asyncio.get_running_loop().time
    period, whole = (2.0, 60.0) if IS_FULL else (0.2, 4.0)
    # On a busy machine a short beat may be met by probes that are always at the same point of it: then it stays longer.
    steady = 5 if IS_FULL else 20
    scale = {name: f"PT{period / 2 * s:g}S" for name, s in {"eject": 10, "steady": steady, "lease": 60}.items()}
    with_catalog(place, providers.catalog(binding=scale))
    providers.dead = True
    await place.publish(failed_call(providers, org, -1))
    async with place.consumer():
        await until(lambda: is_bound(place))
        began = clock()
        providers.dies_when = lambda: int((clock() - began) / period) % 2 == 0
        for n in range(int(whole / period)):
            await place.publish(failed_call(providers, org, n))
            due = began + n * period

            async def is_time(due: float = due) -> bool:
                return clock() >= due

            await until(is_time)
        told = changes(await bindings(place))
    assert len(told) <= 3, told
    assert told[:2] in (["canary"], ["canary", "whole"])


LIES: dict[str, Reply] = {
    "nothing": Reply(status=200),
    "an empty object": json_reply({}),
    "an empty text": json_reply({"text": "", "currency": "AUD"}),
    "another schema": json_reply({"translation": "hallo", "currency": "AUD"}),
    "another currency": json_reply({"text": "hallo", "currency": "USD"}),
    "an error with 200": json_reply({"text": "hallo", "currency": "AUD", "error": {"code": 7, "message": "failed"}}),
    "a page": page_reply("<html><body>maintenance</body></html>"),
    "a redirect": Reply(status=302, headers=(("Location", "/third/translate"),)),
}


async def test_a_candidate_that_lies_is_never_a_success_and_loses_its_place(place: Site, providers: Providers) -> None:
    with_catalog(place, providers.catalog(binding={"shun": "PT10M"}))
    providers.dead = True
    orgs = {await place.organisation(): name for name in LIES}
    lying = {org.hex[:6]: LIES[name] for org, name in orgs.items()}
    providers.answers["second"] = lambda seen: lying[seen.json["q"].split()[0]]
    for org in orgs:
        await place.publish(failed_call(providers, org, 1, body={"q": f"{org.hex[:6]} text"}))
    async with place.consumer() as running:
        rows = await resolved(running, len(LIES))
    assert {row["status"] for row in rows.values()} == {"resolved"}
    assert providers.called("second") == len(LIES)
    attempts = await place.db.fetch("SELECT details FROM workflow_heal_attempts WHERE result = 'success'")
    called = [json.loads(row["details"])["dependency"]["called"] for row in attempts]
    assert called == [["second", "third"]] * len(LIES)
    assert {one["candidate"] for one in await bindings(place) if one["state"] == "canary"} == {"second", "third"}


async def test_where_all_candidates_lie_nothing_is_healed(place: Site, providers: Providers) -> None:
    org = await place.organisation()
    providers.dead = True
    for name in ("second", "third"):
        providers.answers[name] = lambda _: LIES["another currency"]
    with_catalog(place, providers.catalog().replace("attempts: 3", "attempts: 1"))
    await place.publish(failed_call(providers, org, 1))
    async with place.consumer() as running:
        (row,) = (await running.settled(1)).values()
    assert row["status"] == "given_up"
    assert await place.count("workflow_heal_attempts WHERE result = 'success'") == 0


async def test_rules_of_regions_data_and_price_hold_for_every_byte(place: Site, providers: Providers) -> None:
    org, others = await place.organisation(), await place.organisation()
    providers.dead = True
    kept = {"regions": "[au]", "data_policy": "[no-training]", "price_aud": '"0.01"'}
    candidates = [
        providers.candidate("second", **kept | {"regions": "[us]"}),
        providers.candidate("third", **kept | {"price_aud": '"0.03"'}),
        providers.candidate("fourth", **kept | {"data_policy": "[]"}),
        providers.candidate("fifth", **kept),
    ]
    rules = f'[{{regions: [au, eu], data_policy: [no-training]}}, {{organisations: [{org}], max_price_aud: "0.02"}}]'
    with_catalog(place, providers.catalog(candidates="\n".join(candidates), rules=rules))
    await place.publish(failed_call(providers, org, 1), failed_call(providers, others, 2))
    async with place.consumer() as running:
        rows = await resolved(running, 2)
    assert {row["status"] for row in rows.values()} == {"resolved"}
    touched = {name: providers.called(name) + providers.looks(name) for name in ("second", "third", "fourth", "fifth")}
    assert touched == {"second": 0, "third": 2, "fourth": 0, "fifth": 2}
    spent = await place.db.fetch("SELECT org_id, -sum(amount) AS spent FROM token_usage_events GROUP BY org_id")
    assert {row["org_id"]: f"{row['spent']:.2f}" for row in spent} == {org: "0.01", others: "0.03"}


@pytest.mark.parametrize(("price", "tries"), [({"price_aud": '"0.01"'}, 1), ({}, 4)], ids=["priced", "free"])
async def test_a_try_that_may_have_been_charged_is_made_again_only_where_that_is_held(
    place: Site, providers: Providers, price: dict[str, str], tries: int
) -> None:
    org = await place.organisation()
    providers.dead = True
    providers.answers["second"] = lambda _: json_reply({}, 500)
    text = providers.catalog(candidates=providers.candidate("second", **price))
    with_catalog(place, text.replace("tries: 1", "tries: 4").replace("attempts: 3", "attempts: 1"))
    await place.publish(failed_call(providers, org, 1))
    async with place.consumer() as running:
        (row,) = (await running.settled(1)).values()
    assert row["status"] == "given_up"
    assert providers.called("second") == tries


async def test_a_call_that_may_not_go_elsewhere_waits_and_no_request_goes_to_the_dead_one(
    place: Site, providers: Providers
) -> None:
    org = await place.organisation()
    providers.dead = True
    await place.publish(*(failed_call(providers, org, n) for n in range(3)))
    async with place.consumer() as running:
        await running.settled(3)
        keyed = failed_call(providers, org, 9, effect="keyed", idempotency_key="k-9")
        await place.publish(keyed)
        waits = await until(lambda: place.db.fetchrow("SELECT * FROM workflow_failures WHERE status = 'deferred'"))
        assert waits is not None
        assert providers.to_dead == 0
        providers.dead = False

        async def are_resolved() -> bool:
            return await place.count("workflow_failures WHERE status = 'resolved'") == 4

        await until(are_resolved)
    assert providers.to_dead == 0
    assert [seen.key for seen in providers.world.calls("/first/translate")] == ["k-9"]
    assert not [seen for seen in providers.world.calls("/second/translate") if seen.key]


async def test_a_first_that_is_well_again_is_called_and_not_replaced(place: Site, providers: Providers) -> None:
    org = await place.organisation()
    await place.publish(*(failed_call(providers, org, n) for n in range(20)))
    async with place.consumer() as running:
        rows = await resolved(running, 20)
    assert {row["status"] for row in rows.values()} == {"resolved"}
    assert providers.called("first") == 20
    assert providers.called("second") == 0
    assert changes(await bindings(place)) == ["first"]
    assert providers.looks("first") <= 3


async def test_who_is_refused_its_credential_is_told_so_and_replaces_nothing(place: Site, providers: Providers) -> None:
    org = await place.organisation()
    providers.dead = True
    providers.world.on("/first/health", json_reply({"error": "invalid key"}, 401))
    with_catalog(place, providers.catalog().replace("attempts: 3", "attempts: 1"))
    await place.publish(failed_call(providers, org, 1))
    async with place.consumer() as running:
        await running.settled(1)
    said = await place.db.fetch("SELECT details FROM workflow_heal_attempts ORDER BY step")
    first = json.loads(said[0]["details"])
    assert first["code"] == "refused"
    assert "(key)" in first["reason"]
    assert "a person renews the credential" in first["reason"]
    assert providers.called("second") + providers.looks("second") == 0


@pytest.mark.parametrize(
    "asked",
    [lambda providers: providers.looks("second"), lambda providers: providers.called("second")],
    ids=["on trial", "in a call"],
)
async def test_two_replicas_of_which_one_is_killed_make_one_binding(
    place: Site, providers: Providers, asked: Callable[[Providers], int]
) -> None:
    org = await place.organisation()
    providers.dead = True
    await place.publish(*(failed_call(providers, org, n) for n in range(30)))

    async def is_struck() -> bool:
        return asked(providers) > 0

    async with place.in_another_group().consumer() as running:
        async with place.in_another_group().consumer() as other:
            await until(is_struck)
            await other.abandon()
        rows = await resolved(running, 30)
        providers.dead = False
        await back(running, providers)
    assert {row["status"] for row in rows.values()} == {"resolved"}
    assert providers.to_dead == 0
    assert providers.most_looks_at_once("first") == 1
    told = await bindings(place)
    assert changes(told) == ["canary", "whole", "returning", "first"]
    assert len({one["version"] for one in told}) == len(told)
    assert await place.count("heal_binding") == 1


async def test_nothing_keeps_waiting_for_its_turn_in_a_trial_that_is_over(place: Site, providers: Providers) -> None:
    org = await place.organisation()
    providers.dead = True
    await place.publish(*(failed_call(providers, org, n) for n in range(8)))
    async with place.consumer() as running:
        await resolved(running, 8)
        called = providers.called("second")
        # As who planned by a copy from before leaves it, in a later step.
        await place.db.execute(
            "UPDATE workflow_failures SET status = 'pending', resolved = false, step = step + 1,"
            " waits_on = $1, due_at = now() + interval '1 hour'",
            binding_scope(org, "translate"),
        )
        rows = await resolved(running, 8)
    assert {row["status"] for row in rows.values()} == {"resolved"}
    assert providers.called("second") == called + 8


async def test_where_the_calls_go_is_read_over_the_command(place: Site, providers: Providers) -> None:
    org, other = await place.organisation(), await place.organisation()
    providers.dead = True
    await place.publish(*(failed_call(providers, org, n) for n in range(4)))
    async with place.consumer() as running:
        await running.settled(4)
        settings = environment_of(place.settings)
        (said,) = (await asyncio.to_thread(shw, "bindings", "--json", settings=settings)).json
        none = await asyncio.to_thread(shw, "bindings", "--org", str(other), settings=settings)
    assert (said["org"], said["dependency"], said["state"], said["candidate"]) == (
        str(org),
        "translate",
        "whole",
        "second",
    )
    assert {one["source"] for one in said["evidence"]} >= {"failure", "breaker", "input", "health", "network"}
    assert "No dependency was ever replaced" in none.err
