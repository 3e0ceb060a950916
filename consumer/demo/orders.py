"""Orders of development mode: a service that really fails and recovers, and the client that publishes its failures."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import httpx2

from consumer.demo.catalog import EXAMPLE
from consumer.demo.publish import Inbound
from consumer.demo.world import Cut, EffectRecord, Ending, World, WorldCall, WorldReply
from consumer.model import JsonObject
from schemas.envelope import Envelope
from schemas.failure import FAILURE_TYPE

SERVICE: Final = "order-book"
WORKFLOW: Final = "orders.sync"
BREAKS: Final = 2
"""Calls about an order that end without an answer: the one that is published as a failure, and the heal's first."""
AT_START: Final = 3
EVERY: Final = timedelta(minutes=1)
ANSWER_WITHIN: Final = 10


class OrderBook:
    """Keeps the state of orders; it hangs up on the first calls about each of them, and then it works."""

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()
        self._states: dict[str, str] = {}

    def __call__(self, call: WorldCall, _record: EffectRecord) -> Ending:
        """Hang up, or write and return the state of an order."""
        self._calls[call.subject] += 1
        if self._calls[call.subject] <= BREAKS:
            return Cut()
        if call.method == "PUT":
            self._states[call.subject] = str(call.body.get("state"))
        return WorldReply(body={"order": call.subject, "state": self._states.get(call.subject, "open")})


async def sync_orders(world: World, inbound: Inbound, org_id: UUID) -> None:
    """Mark an order as paid, a few at once and then one every minute, until cancelled; publish what fails."""
    for _ in range(AT_START):
        await _sync_order(world, inbound, org_id)
    while True:
        await asyncio.sleep(EVERY.total_seconds())
        await _sync_order(world, inbound, org_id)


async def _sync_order(world: World, inbound: Inbound, org_id: UUID) -> None:
    order = uuid4().hex[:8]
    url, body = world.url(SERVICE, f"/v1/orders/{order}"), {"state": "paid"}
    try:
        async with httpx2.AsyncClient(timeout=ANSWER_WITHIN, trust_env=False, verify=False) as client:
            await client.put(url, json=body)
    except httpx2.HTTPError as error:
        expect: JsonObject = {"json": [{"path": "/state", "equals": "paid"}]}
        data: JsonObject = {
            "org_id": str(org_id),
            "workflow_name": WORKFLOW,
            "failure_reason": f"PUT {url}: {error}",
            "context": {
                "error": {"type": f"httpx.{type(error).__name__}"},
                "request": {"method": "PUT", "url": url, "body": dict(body), "expect": expect},
            },
        }
        await inbound.bring_at_once([Envelope(id=f"orders-{order}", source=EXAMPLE, type=FAILURE_TYPE, data=data)])
