"""Refunds: the demo's workflows whose plans need a person's yes, what the catalog says of them, and their failures."""

from dataclasses import replace
from typing import Final
from uuid import UUID

from consumer.demo.cases import HEALED, ORDERED, Case, Expected
from consumer.demo.world import World
from consumer.model import Json, JsonObject
from schemas.names import Code, Result, Status

APPROVED: Final = "refunds.approved"
DENIED: Final = "refunds.denied"
UNANSWERED: Final = "refunds.unanswered"
CORRECTED: Final = "refunds.corrected"
"""Approved with changes: its order was for another guest."""
WRONG_ORDER: Final = "refund-of-guest-8"
RIGHT_ORDER: Final = "refund-of-guest-7"
ASKS: Final = 2
"""How often a plan is asked for."""


def refund_entries(hosts: Json) -> list[Json]:
    """Return the entries of the catalog: of one of them silence comes to its end within seconds."""
    every: JsonObject = {"strategies": ["auto-retry"], "asks": ASKS, "on_expiry": "deny"}
    soon: JsonObject = {"approval": every | {"valid_for": "PT2S"}}
    later: JsonObject = {"approval": every | {"valid_for": "PT1H"}}
    entry: JsonObject = {"hosts": hosts, "attempts": 2, "backoff": "PT1S"}
    return [{"name": UNANSWERED} | entry | soon, {"name": "refunds.*"} | entry | later]


def order_of_refund(world: World, reference: str) -> JsonObject:
    """Return the call that orders a refund."""
    return {
        "method": "POST",
        "url": world.url("orders", "/orders"),
        "body": {"reference": reference},
        "idempotency_key": "demo-refund-corrected",
        "expect": ORDERED,
    }


def refund_cases(world: World, org_id: UUID) -> tuple[Case, ...]:
    """Return their failures, each with its end: healed once approved, denied, and denied by silence."""
    denied = Expected(status=Status.GIVEN_UP, result=Result.FAILED, code=Code.DENIED)
    ends = {
        APPROVED: HEALED,
        DENIED: replace(denied, says="this refund was paid in cash"),
        UNANSWERED: replace(denied, says=f"asked for {ASKS} times"),
    }
    corrected = Case(
        name=CORRECTED,
        org_id=org_id,
        reason="Gateway timeout: POST /orders",
        context={"request": order_of_refund(world, WRONG_ORDER)},
        expected=HEALED,
        effects=(f"orders:{RIGHT_ORDER}",),
    )
    return corrected, *(
        Case(
            name=name,
            org_id=org_id,
            reason=f"Upstream timeout: GET /rates/{name}",
            context={"request": {"method": "GET", "url": world.url("rates", f"/rates/{name}"), "headers": {}}},
            expected=expected,
        )
        for name, expected in ends.items()
    )
