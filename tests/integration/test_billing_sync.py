"""Billing through the topic: missed events are applied, what moves money is asked for, other accounts are closed."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.support.pipeline import Site, environment_of, event, until
from tests.support.shw import Ran, shw
from tests.support.worlds.billing_world import KEY, BillingWorld, billing_catalog, on_http
from tests.support.worlds.http_world import World, http_world

REASON = "Billing is out of sync with Stripe: 10 webhook events were never delivered"


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[World, BillingWorld]]:
    monkeypatch.setenv("BILLING_KEY", KEY)
    async with http_world() as world:
        billing = BillingWorld(now=lambda: datetime.now(UTC))
        on_http(billing, world)
        missed_invoices(billing, 10)
        yield world, billing


def missed_invoices(billing: BillingWorld, n: int) -> None:
    for k in range(n):
        own = {"customer": f"cus_{k % 3}", "currency": "aud", "status": "paid", "amount_paid": 1000 + k}
        at = datetime.now(UTC) - timedelta(days=1, minutes=k)
        billing.change("invoice", f"in_{k}", at, "invoice.paid", missed=True, **own)


def with_catalog(place: Site, world: World, **more: Any) -> Site:  # noqa: ANN401 - as billing_catalog
    assert place.settings.catalog is not None
    place.settings.catalog.write_text(billing_catalog(world.url(""), world.port, **more))
    return place


async def run_shw(place: Site, *arguments: str) -> Ran:
    return await asyncio.to_thread(shw, *arguments, settings=environment_of(place.settings))


def out_of_step(org: UUID, name: str = "billing.sync") -> dict[str, Any]:
    return event(org, name, workflow_name=name, failure_reason=REASON, context={})


async def attempts(place: Site) -> list[dict[str, Any]]:
    rows = await place.db.fetch("SELECT details FROM workflow_heal_attempts ORDER BY attempted_at")
    return [json.loads(row["details"]) for row in rows]


async def test_ten_missed_events_are_found_and_applied(
    embedded_place: Site, served: tuple[World, BillingWorld]
) -> None:
    world, billing = served
    place = with_catalog(embedded_place, world)
    org = await place.organisation()
    await place.publish(out_of_step(org))
    async with place.consumer() as running:
        row = (await running.settled(1))["billing.sync"]
    assert row["status"] == "resolved"
    assert billing.is_in_step()
    assert set(billing.given.values()) == {1}
    (details,) = await attempts(place)
    assert details["billing"]["applied"]["count"] == 10
    assert details["billing"]["sums"] == {"compared": 3, "unreadable": 0, "differ": 0, "differences": []}
    assert {proof["oracle"] for proof in details["evidence"]} == {"sums", "second reading"}
    told = await place.read(place.settings.kafka.results_topic)
    assert KEY not in json.dumps([one.event for one in told])
    shown = await run_shw(place, "show", str(await place.db.fetchval("SELECT id FROM workflow_failures")))
    assert "10 applied" in shown.err
    assert "3 sums compared, 0 differ" in shown.err


async def test_a_refund_waits_for_a_person(embedded_place: Site, served: tuple[World, BillingWorld]) -> None:
    world, billing = served
    place = with_catalog(embedded_place, world, approval="  approval: {}\n")
    own = {"customer": "cus_1", "currency": "aud", "amount": 500, "status": "succeeded"}
    refund = billing.change("refund", "re_1", datetime.now(UTC), "refund.created", missed=True, **own)
    org = await place.organisation()
    await place.publish(out_of_step(org))
    async with place.consumer():

        async def asked() -> bool:
            return bool(await place.count("workflow_failures WHERE status = 'awaiting_approval'"))

        await until(asked)
        assert billing.missing() == {refund}
        plan = await place.db.fetchrow(
            "SELECT failure_id, plan_hash, step, plan FROM heal_approval WHERE state = 'asked'"
        )
        assert plan is not None
        (asked_for,) = json.loads(plan["plan"])["edits"]["events"]
        assert asked_for == {"event": refund, "does": "refund.created: refund re_1 of 5.00 AUD for cus_1"}
        assert billing.given[refund] == 0
        given = ("--hash", plan["plan_hash"], "--step", str(plan["step"]), "--reason", "it was agreed")
        assert (await run_shw(place, "approve", str(plan["failure_id"]), *given)).code == 0

        async def healed() -> bool:
            return bool(await place.count("workflow_failures WHERE status = 'resolved'"))

        await until(healed)
    assert billing.is_in_step()
    assert set(billing.given.values()) == {1}


async def test_an_account_of_another_organisation_is_not_touched(
    embedded_place: Site, served: tuple[World, BillingWorld]
) -> None:
    world, billing = served
    org, other = await embedded_place.organisation(), await embedded_place.organisation()
    place = with_catalog(embedded_place, world, organisations=f"[{other}]")
    await place.publish(out_of_step(org))
    async with place.consumer() as running:
        row = (await running.settled(1))["billing.sync"]
    assert row["status"] == "given_up"
    assert not billing.requests
    (details,) = await attempts(place)
    assert "no billing account for this organisation" in json.dumps(details)


async def test_another_failure_of_the_entry_is_none_of_billings(
    embedded_place: Site, served: tuple[World, BillingWorld]
) -> None:
    world, billing = served
    place = with_catalog(embedded_place, world)
    org = await place.organisation()
    context = {"request": {"method": "GET", "url": world.url("/platform/totals")}}
    await place.publish(
        event(org, "1", workflow_name="other", failure_reason="Request timeout after 30 s", context=context)
    )
    async with place.consumer() as running:
        row = (await running.settled(1))["other"]
    assert row["status"] == "resolved"
    assert not billing.given
