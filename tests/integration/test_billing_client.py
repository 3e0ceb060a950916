"""The simulated server is read by Stripe's own client: what that reads is what the healer reads."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import stripe
from stripe._http_client import UrllibClient

from consumer.catalog import parse_catalog
from consumer.catalog.billing import StripeAccount
from consumer.heal.billing_sync.stripe import StripeWire
from tests.support.healing import NOW, ORG
from tests.support.worlds.billing_world import KEY, BillingWorld, billing_catalog, generated, on_http
from tests.support.worlds.http_world import http_world

SINCE = int((NOW - timedelta(days=30)).timestamp())


@pytest.fixture
async def served() -> AsyncIterator[tuple[BillingWorld, stripe.StripeClient]]:
    async with http_world() as world:
        billing = generated(300, 11, missed=0.5)
        on_http(billing, world)
        client = stripe.StripeClient(KEY, base_addresses={"api": world.url("")}, http_client=UrllibClient())
        yield billing, client


async def read(billing: BillingWorld, call: Any, reads: Any) -> list[Any]:  # noqa: ANN401 - of either list
    """Read all pages as the healer does."""
    pages, cursor = [], ""
    while True:
        _, body, _ = billing.answer("GET", call(cursor).url, {"authorization": f"Bearer {KEY}"}, b"")
        pages.append(reads(body))
        if pages[-1].next is None:
            return pages
        cursor = pages[-1].next


def wire() -> StripeWire:
    account = parse_catalog(billing_catalog("http://127.0.0.1:1", 1)).policy("any")
    assert account is not None
    declared = account.accounts["main"]
    assert isinstance(declared, StripeAccount)
    return StripeWire(declared, ORG)


async def test_events(served: tuple[BillingWorld, stripe.StripeClient]) -> None:
    billing, client = served
    params: Any = {"delivery_success": False, "created": {"gte": SINCE}, "limit": 100}
    theirs = await asyncio.to_thread(lambda: list(client.v1.events.list(params).auto_paging_iter()))
    ours = wire()
    pages = await read(billing, lambda cursor: ours.events_call(SINCE, None, cursor), ours.read_events)
    events = [event for page in pages for event in page.events]
    assert len(pages) > 1
    assert [(one.id, one.type, one.created) for one in theirs] == [(one.id, one.type, one.created) for one in events]
    assert [one.data.object["id"] for one in theirs] == [one.object_id for one in events]
    assert len({one.api_version for one in theirs}) > 1


async def test_sums(served: tuple[BillingWorld, stripe.StripeClient]) -> None:
    billing, client = served
    params: Any = {"limit": 100, "created": {"gte": 0}}
    theirs = await asyncio.to_thread(lambda: list(client.v1.invoices.list(params).auto_paging_iter()))
    sums: Counter[tuple[str, str]] = Counter()
    for one in theirs:
        sums[str(one.customer), one.currency.upper()] += one.amount_paid
    ours = wire()
    pages = await read(
        billing, lambda cursor: ours.sums_call("invoice", 0, cursor), lambda body: ours.read_sums("invoice", body)
    )
    own: Counter[tuple[str, str]] = Counter()
    for page in pages:
        for (customer, currency, _), units in page.amounts:
            own[customer, currency] += units
    assert own == sums


async def test_objects_and_deleted_ones(served: tuple[BillingWorld, stripe.StripeClient]) -> None:
    billing, client = served
    billing.delete("cus_0001", NOW)
    gone = await asyncio.to_thread(client.v1.customers.retrieve, "cus_0001")
    assert gone.deleted
    paid = next(one for one in billing.objects.values() if one["object"] == "invoice")
    found = await asyncio.to_thread(client.v1.invoices.retrieve, paid["id"])
    assert found.amount_paid == paid["amount_paid"]
    with pytest.raises(stripe.InvalidRequestError, match="No such object"):
        await asyncio.to_thread(client.v1.invoices.retrieve, "in_none")
    cancelled: Any = {"status": "all", "limit": 100}
    every = await asyncio.to_thread(lambda: list(client.v1.subscriptions.list(cancelled).auto_paging_iter()))
    some = await asyncio.to_thread(lambda: list(client.v1.subscriptions.list().auto_paging_iter()))
    assert len(every) > len(some) > 0


async def test_throttling_and_a_wrong_key(served: tuple[BillingWorld, stripe.StripeClient]) -> None:
    billing, client = served
    billing.throttles = lambda _: True
    with pytest.raises(stripe.RateLimitError):
        await asyncio.to_thread(client.v1.events.list)
    wrong = stripe.StripeClient(
        "sk_test_other",
        base_addresses=client._requestor._options.base_addresses,  # noqa: SLF001
        http_client=UrllibClient(),
    )
    with pytest.raises(stripe.AuthenticationError):
        await asyncio.to_thread(wrong.v1.events.list)
