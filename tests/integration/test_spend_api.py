"""What was spent is told by strategy and day, and its sums are the ledger's."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from tests.support.api_world import LEADERS, OTHERS, World, error_of, serving

LINE = """
INSERT INTO token_usage_events (org_id, event_type, amount, remaining, attempt_id, phase, created_at, metadata)
VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($8, '{}')::jsonb)
"""
SPEND = "/api/healing/spend"
TODAY = "today"


@pytest.fixture
async def world(database: str) -> AsyncIterator[World]:
    async with serving(database) as served:
        yield served


class Ledger:
    """Writes lines that follow from each other."""

    def __init__(self, world: World, left: str = "10") -> None:
        self.world = world
        self.left = Decimal(left)

    async def write(
        self,
        day: date,
        kind: str,
        amount: str,
        attempt: UUID | None = None,
        phase: str | None = None,
        metadata: str | None = None,
    ) -> None:
        self.left += Decimal(amount)
        at = datetime.combine(day, time(12), UTC)
        await self.world.pool.execute(
            LINE, self.world.org_id, kind, Decimal(amount), self.left, attempt, phase, at, metadata
        )


async def two_days(world: World) -> tuple[date, date]:
    """A heal that was held one day and settled the next, one by another strategy, a top-up, and one under way."""
    second = datetime.now(UTC).date()
    first = second - timedelta(days=1)
    healed = await world.failure("healed")
    await world.attempt(healed, 0)
    await world.attempt(healed, 1)
    image = await world.pool.fetchval(
        "UPDATE workflow_heal_attempts SET strategy = 'auto-regenerate'"
        " WHERE failure_id = $1 AND step = 1 RETURNING id",
        healed,
    )
    retry = await world.pool.fetchval(
        "SELECT id FROM workflow_heal_attempts WHERE failure_id = $1 AND step = 0", healed
    )
    ledger = Ledger(world)
    await ledger.write(first, "adjustment", "-0.50", retry, "hold")
    await ledger.write(second, "adjustment", "0.30", retry, "settle")
    await ledger.write(second, "text_consume", "-0.04", image, "settle")
    await ledger.write(second, "text_consume", "-0.01", None, None, f'{{"debt_of": "{image}"}}')
    await ledger.write(second, "topup", "5")
    await ledger.write(second, "adjustment", "-1", uuid4(), "hold")
    await ledger.write(second, "voice_consume", "-3")
    return first, second


@pytest.mark.parametrize("person", LEADERS)
async def test_sums_by_strategy_and_day_come_to_what_the_ledger_says_is_left(world: World, person: str) -> None:
    first, second = map(str, await two_days(world))
    spent = await world.get(f"{SPEND}?orgId={world.org_id}", person)
    assert [(one["day"], one["name"], one["aud"]) for one in spent["lines"] if one["ofHealing"]] == [
        (second, "auto-regenerate", "-0.05"),
        (second, "auto-retry", "0.30"),
        (second, "under_way", "-1"),
        (first, "auto-retry", "-0.50"),
    ]
    sums = {one["name"]: Decimal(one["aud"]) for one in spent["sums"]}
    assert sums == {
        "auto-regenerate": Decimal("-0.05"),
        "auto-retry": Decimal("-0.20"),
        "under_way": Decimal(-1),
        "topup": Decimal(5),
    }
    ledger = await world.pool.fetchval("SELECT sum(amount) FROM token_usage_events WHERE event_type <> 'voice_consume'")
    assert sum(sums.values()) == Decimal(spent["totalAud"]) == ledger
    assert Decimal(spent["openingAud"]) + ledger == Decimal(spent["closingAud"])
    assert spent["agrees"] is True
    voice = await world.get(f"{SPEND}?budget=voice", person)
    assert [one["name"] for one in voice["sums"]] == ["voice_consume"]
    only = await world.get(f"{SPEND}?since={first}&until={first}", person)
    assert {one["day"] for one in only["lines"]} == {first}


@pytest.mark.parametrize("amount", ["1", "NaN"])
async def test_a_ledger_that_does_not_add_up_says_so(world: World, amount: str) -> None:
    await two_days(world)
    await world.pool.execute(
        LINE, world.org_id, "adjustment", Decimal(amount), Decimal(7), None, None, datetime.now(UTC), None
    )
    assert (await world.get(SPEND))["agrees"] is False


async def test_days_that_are_no_span_are_refused_and_none_without_lines_is_empty(world: World) -> None:
    for wrong in ("since=2026-02-01&until=2026-01-01", "since=2025-01-01&until=2026-01-01"):
        assert error_of(await world.ask("GET", f"{SPEND}?{wrong}")) == (400, "bad_span")
    empty = await world.get(SPEND)
    assert (empty["lines"], empty["openingAud"], empty["totalAud"], empty["agrees"]) == ([], None, "0", True)


@pytest.mark.parametrize("person", OTHERS)
async def test_who_leads_nothing_learns_nothing(world: World, person: str) -> None:
    await two_days(world)
    for query in ("", f"?orgId={world.org_id}", f"?orgId={uuid4()}"):
        assert error_of(await world.ask("GET", SPEND + query, person)) == (404, "not_found")


async def test_what_is_read_is_found_by_an_index_of_the_ledger(world: World) -> None:
    valid = await world.pool.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'token_usage_events_days'::regclass"
    )
    assert valid is True
