"""Billing: the demo's processor whose webhooks went missing, the ledger that lacks them, and the act about both."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from consumer.demo.cases import Case, Expected
from consumer.demo.world import EffectRecord, Ending, WorldCall, WorldReply
from consumer.model import Json, JsonObject
from schemas.names import Result, Status, StrategyName

PROCESSOR: Final = "processor"
LEDGER: Final = "ledger"
NAME: Final = "billing.sync"
MISSED: Final = 10
_CUSTOMERS: Final = ("cus_lamps", "cus_chairs")
_CURRENCIES: Final = ("usd", "jpy", "kwd")
"""With two decimals, without, and with three."""
_DELIVERED: Final = "evt_00"
REFUND: Final = "evt_11"
PAID: Final = tuple(f"evt_{n:02}" for n in range(1, MISSED + 1))
_REFUNDED_AFTER: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingAct:
    """What the act has seen when the plan waited for a person."""

    applied: int
    """Missed events that the ledger had by then."""
    refunded: int
    """Refunds that it had."""


class Processor:
    """Speaks as Stripe does, and is only read: an event that was delivered, ten that were not, and a refund."""

    def __init__(self, now: int) -> None:
        ids = (_DELIVERED, *PAID)
        invoices = [_invoice(n, now - 86_400 + n) for n in range(len(ids))]
        refund: JsonObject = {"id": "re_1", "object": "refund", "created": now - _REFUNDED_AFTER}
        refund |= {"customer": _CUSTOMERS[0], "currency": "usd", "amount": 1_050, "status": "succeeded"}
        pairs = [(one, "invoice.paid", about) for one, about in zip(ids, invoices, strict=True)]
        pairs.append((REFUND, "refund.created", refund))
        self._events = [_event(*pair) for pair in reversed(pairs)]
        self._objects: dict[str, list[JsonObject]] = {"invoices": invoices[::-1], "refunds": [refund]}
        self.delivered = {_DELIVERED: invoices[0]}
        """What the ledger has from the beginning."""

    def __call__(self, call: WorldCall, _record: EffectRecord) -> Ending:
        """List events or objects, all on one page, or give an object."""
        _, _, kind, *rest = urlsplit(call.path).path.split("/")
        if call.method != "GET":
            return WorldReply(status=HTTPStatus.METHOD_NOT_ALLOWED)
        if kind == "events":
            return _listed([event for event in self._events if event["id"] not in self.delivered])
        found = self._objects.get(kind, [])
        if not rest:
            return _listed(found)
        one = next((one for one in found if one["id"] == rest[0]), None)
        return WorldReply(body=one) if one else WorldReply(status=HTTPStatus.NOT_FOUND)


class Ledger:
    """The platform's side: its handler books what it is given, as often as it is given, and it tells its sums."""

    def __init__(self, delivered: dict[str, JsonObject]) -> None:
        self._booked = list(delivered.items())

    def __call__(self, call: WorldCall, record: EffectRecord) -> Ending:
        """Book an event, say whether it is booked, or tell the sums."""
        path = urlsplit(call.path).path
        if call.method == "POST":
            record.perform(call)
            about = call.body.get("object")
            self._booked.append((call.subject, about if isinstance(about, dict) else {}))
            return WorldReply(body={"received": True})
        if path == "/totals":
            return WorldReply(body={"rows": [_row(about) for _, about in self._booked]})
        is_booked = any(event == path.rpartition("/")[2] for event, _ in self._booked)
        return WorldReply(status=HTTPStatus.OK if is_booked else HTTPStatus.NOT_FOUND)


def billing_services() -> tuple[Processor, Ledger]:
    """Return both sides of the account, as they stand before anything is healed."""
    processor = Processor(int(time.time()))
    return processor, Ledger(processor.delivered)


def billing_entry(hosts: Json) -> JsonObject:
    """Return the catalog's entry of the workflows of billing: a person is asked for what moves money."""
    entry: JsonObject = {"name": "billing.*", "hosts": hosts, "attempts": 2, "backoff": "PT1S"}
    return entry | {"billing": ["main"], "approval": {}}


def billing_account(processor: str, ledger: str) -> JsonObject:
    """Return what the catalog says of the account, by the addresses of its sides."""
    apply: JsonObject = {
        "url": f"{ledger}/webhooks",
        "headers": {"idempotency-key": "{event_id}"},
        "body": {"reference": "{event_id}", "event": "{event}", "object": "{object}"},
    }
    totals: JsonObject = {"url": f"{ledger}/totals", "items": "/rows"}
    totals |= {"customer": "/customer", "currency": "/currency", "amount": "/amount"}
    return {
        "main": {
            "kind": "stripe",
            "url": processor,
            "sums": {"invoice": {"amount": "/amount_paid"}, "refund": {"amount": "/amount", "minus": True}},
            "money": ["refund.*"],
            "period": "all",
            "settle": "PT0.1S",
            "timeout": "PT2S",
            "platform": {"event": {"url": f"{ledger}/events/{{event_id}}"}, "apply": apply, "totals": totals},
        }
    }


def billing_cases(org_id: UUID) -> tuple[Case, ...]:
    """Return the failure: every missed event is booked once, the refund among them."""
    in_step = Expected(
        status=Status.RESOLVED,
        result=Result.SUCCESS,
        strategy=StrategyName.DEPENDENCY_REPLACEMENT,
        says="6 sums are equal to the last minor unit",
    )
    return (
        Case(
            name=NAME,
            org_id=org_id,
            reason="Webhooks from Stripe were not delivered: the ledger and the processor differ",
            context={},
            expected=in_step,
            effects=tuple(f"{LEDGER}:{event}" for event in (*PAID, REFUND)),
        ),
    )


def seen_so_far(record: EffectRecord) -> BillingAct:
    """Return what the ledger has booked by now."""
    return BillingAct(
        applied=sum(record.effects[f"{LEDGER}:{event}"] for event in PAID),
        refunded=record.effects[f"{LEDGER}:{REFUND}"],
    )


def _invoice(n: int, created: int) -> JsonObject:
    return {
        "id": f"in_{n:02}",
        "object": "invoice",
        "created": created,
        "customer": _CUSTOMERS[n % len(_CUSTOMERS)],
        "currency": _CURRENCIES[n % len(_CURRENCIES)],
        "amount_paid": 1_000 + 105 * n,
        "status": "paid",
    }


def _event(event_id: str, event_type: str, about: JsonObject) -> JsonObject:
    event: JsonObject = {"id": event_id, "object": "event", "type": event_type, "created": about["created"]}
    return event | {"data": {"object": about}}


def _listed(found: Sequence[JsonObject]) -> WorldReply:
    return WorldReply(body={"object": "list", "data": list(found), "has_more": False})


def _row(about: JsonObject) -> JsonObject:
    refund = about.get("object") == "refund"
    amount = about.get("amount" if refund else "amount_paid")
    units = amount if isinstance(amount, int) else 0
    return {"customer": about.get("customer"), "currency": about.get("currency"), "amount": -units if refund else units}
