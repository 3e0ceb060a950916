"""What has to be true in the end, whatever happened in between: input, rows and output compared."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from schemas.heal_result import FAILURE_STATUS_TYPE, HEAL_RESULT_TYPE, FailureStatus, HealResult
from tests.support.pipeline import Site

TOLD = {"deferred", "awaiting_approval", "needs_person", "given_up"}


async def every_event_has_one_row(place: Site, names: Iterable[str]) -> None:
    """Lost 0, and nothing twice."""
    rows = await place.db.fetch("SELECT workflow_name FROM workflow_failures ORDER BY 1")
    assert [row["workflow_name"] for row in rows] == sorted(names)


async def everything_that_ended_was_told(place: Site) -> list[dict[str, Any]]:
    """G5: every attempt and every status is published, under one id and content each, first in order; gives them."""
    told = await place.results()
    bodies: dict[str, set[str]] = defaultdict(set)
    order: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for one in told:
        if one["id"] not in bodies:
            order[one["subject"]].append(_position(one))
        bodies[one["id"]].add(str(one))
    assert {name: len(forms) for name, forms in bodies.items()} == dict.fromkeys(bodies, 1), "one id, two contents"
    assert {name: steps for name, steps in order.items() if steps != sorted(steps)} == {}, "published out of order"
    attempts = await place.db.fetch("SELECT id FROM workflow_heal_attempts WHERE step IS NOT NULL")
    published = {one["id"] for one in told if one["type"] == HEAL_RESULT_TYPE}
    assert published == {str(row["id"]) for row in attempts}
    rows = await place.db.fetch("SELECT id, status, step FROM workflow_failures")
    wanted = {f"{row['id']}:{row['step']}" for row in rows if row["status"] in TOLD}
    assert wanted <= {one["id"] for one in told if one["type"] == FAILURE_STATUS_TYPE}
    assert await place.count("heal_outbox") == 0
    return told


def _position(one: Mapping[str, Any]) -> tuple[int, int]:
    """The step that an event ends, and the attempt before the status that follows from it."""
    if one["type"] == HEAL_RESULT_TYPE:
        return HealResult.model_validate(one["data"]).step, 0
    return FailureStatus.model_validate(one["data"]).step - 1, 1


async def one_attempt_per_step(place: Site) -> None:
    """G2: no step of a failure was made twice, and the steps are whole."""
    rows = await place.db.fetch(
        "SELECT f.step, array_agg(a.step ORDER BY a.step) AS made FROM workflow_failures f"
        " JOIN workflow_heal_attempts a ON a.failure_id = f.id WHERE a.step IS NOT NULL GROUP BY f.id, f.step"
    )
    assert [row["made"] for row in rows] == [list(range(row["step"])) for row in rows]


async def credits_add_up(place: Site, budgets: Mapping[UUID, str]) -> None:
    """G6: the ledger's sum is the wallet's change, nothing is held for nobody, every hold was settled once."""
    for org_id, budget in budgets.items():
        left = await place.db.fetchval("SELECT text_budget_aud FROM token_wallets WHERE org_id = $1", org_id)
        changed = await place.db.fetchval(
            "SELECT coalesce(sum(amount), 0) FROM token_usage_events WHERE org_id = $1", org_id
        )
        lowest = await place.db.fetchval("SELECT min(remaining) FROM token_usage_events WHERE org_id = $1", org_id)
        assert left - Decimal(budget) == changed
        assert lowest is None or lowest >= 0
    unpaired = await place.db.fetch(
        "SELECT attempt_id FROM token_usage_events WHERE attempt_id IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM heal_claim c WHERE c.attempt_id = token_usage_events.attempt_id)"
        " GROUP BY attempt_id HAVING array_agg(phase ORDER BY phase) <> ARRAY['hold', 'settle']"
    )
    assert unpaired == []
    held = await place.db.fetchval("SELECT coalesce(sum(held), 0)::bigint FROM heal_claim")
    open_holds = await place.db.fetchval(
        "SELECT coalesce(-sum(amount), 0) FROM token_usage_events e WHERE phase = 'hold' AND NOT EXISTS"
        " (SELECT FROM token_usage_events s WHERE s.attempt_id = e.attempt_id AND s.phase = 'settle')"
    )
    assert open_holds * 1_000_000 == held
