"""The ladder for real: where one rung refuses, breaks or is spent the next one heals, and the failure remembers."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from consumer.errors import LostClaim
from consumer.heal.strategy import EffectGate, Strategies, Task
from consumer.model import Healed, MicroAud, NotHealed, Outcome, Proof, Refused
from schemas.names import Code, Effect, StrategyName, Verdict
from tests.support import oracle
from tests.support.pipeline import Site, catalog, event, until
from tests.support.worlds.scripted import Heals, Scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it works"),))
NOT_HEALED = NotHealed(code=Code.NOT_HEALED, reason="it says no")
RETRY, REPLACE = StrategyName.AUTO_RETRY, StrategyName.DEPENDENCY_REPLACEMENT
TWO: dict[str, str] = {"ladders": "{api_timeout: [auto-retry, dependency-replacement]}", "backoff": "PT0.01S"}


def always(outcome: Outcome) -> Heals:
    async def heal(_: Task, gate: EffectGate) -> Outcome:
        if not isinstance(outcome, Refused):
            await gate.begin()
        return outcome

    return heal


async def breaks(_: Task, __: EffectGate) -> Outcome:
    raise ValueError("a bug")


def rungs(first: Heals, second: Heals, cost: MicroAud = MicroAud(0), **more: Any) -> Strategies:  # noqa: ANN401, B008 - fields of Scripted; an int
    return {
        RETRY: Scripted(heals=first, name=RETRY, **more),
        REPLACE: Scripted(heals=second, name=REPLACE, cost=cost),
    }


@pytest.fixture
def place(embedded_place: Site) -> Site:
    write_catalog(embedded_place)
    return embedded_place


def write_catalog(place: Site, **policy: str) -> None:
    assert place.settings.catalog is not None
    place.settings.catalog.write_text(catalog(9, **TWO | policy))


async def attempts(place: Site) -> list[tuple[str, str]]:
    rows = await place.db.fetch("SELECT strategy, result, details FROM workflow_heal_attempts ORDER BY step")
    return [(row["strategy"], json.loads(row["details"]).get("code", row["result"])) for row in rows]


Tried = list[tuple[str, str]]


@pytest.mark.parametrize(
    ("first", "limit", "tried"),
    [
        pytest.param(always(Refused(code=Code.REFUSED, reason="no")), "{}", [(RETRY, "refused")], id="refuses"),
        pytest.param(always(NOT_HEALED), "{}", [(RETRY, "not_healed")] * 2, id="keeps one attempt for the next"),
        pytest.param(
            always(NOT_HEALED), "{auto-retry: {attempts: 1}}", [(RETRY, "not_healed")], id="has used up its own"
        ),
        pytest.param(breaks, "{auto-retry: {attempts: 1}}", [(RETRY, "crashed")], id="breaks"),
    ],
)
async def test_where_the_first_rung_ends_the_second_one_heals(
    place: Site, first: Heals, limit: str, tried: Tried
) -> None:
    write_catalog(place, rungs=limit)
    org = await place.organisation()
    async with place.consumer(rungs(first, always(PROVEN))) as running:
        await place.publish(event(org))
        rows = await running.settled(1)
    assert rows["orders.sync"]["status"] == "resolved"
    assert await attempts(place) == [*tried, (REPLACE, "success")]
    told = [one["data"] for one in await place.results() if one["data"].get("attempt_id")]
    passed = told[-1]["details"]["passed_over"]
    assert [one["strategy"] for one in passed] == [RETRY]
    assert passed[0]["reason"]
    await oracle.everything_that_ended_was_told(place)
    await oracle.credits_add_up(place, {org: "10"})


async def test_it_is_given_up_when_no_rung_is_left_that_could_act(place: Site) -> None:
    write_catalog(place, rungs="{auto-retry: {attempts: 1}, dependency-replacement: {attempts: 1}}")
    org = await place.organisation()
    refuses = always(Refused(code=Code.REFUSED, reason="no"))
    async with place.consumer(rungs(always(NOT_HEALED), refuses)) as running:
        await place.publish(event(org))
        rows = await running.settled(1)
    row = rows["orders.sync"]
    assert (row["status"], row["attempts"]) == ("given_up", 1)
    assert json.loads(row["rungs"]) == {"attempts": {RETRY: 1}, "spent": [REPLACE]}
    assert await attempts(place) == [(RETRY, "not_healed"), (REPLACE, "refused")]


BEGIN_ANEW: Mapping[str, str] = {
    "shw heal": "UPDATE workflow_failures SET status = 'pending', attempts = 0, step = step + 1, due_at = now()",
    "a person who opens it again": "UPDATE workflow_failures SET resolved = false",
}


@pytest.mark.parametrize("way", BEGIN_ANEW)
async def test_whoever_begins_it_anew_begins_at_the_foot_of_the_ladder(place: Site, way: str) -> None:
    write_catalog(place, rungs="{auto-retry: {attempts: 1}, dependency-replacement: {attempts: 1}}")
    org = await place.organisation()
    async with place.consumer(rungs(always(NOT_HEALED), always(NOT_HEALED))) as running:
        await place.publish(event(org))
        await running.settled(1)
        if "resolved" in BEGIN_ANEW[way]:
            await place.db.execute("UPDATE workflow_failures SET resolved = true")
        await place.db.execute(BEGIN_ANEW[way])
        rows = await running.settled(1)
    assert [strategy for strategy, _ in await attempts(place)] == [RETRY, REPLACE] * 2
    assert json.loads(rows["orders.sync"]["rungs"])["attempts"] == {RETRY: 1, REPLACE: 1}


async def test_a_rung_that_costs_nothing_needs_no_wallet(place: Site) -> None:
    org = await place.organisation(budget=None)
    free = {RETRY: Scripted(heals=always(PROVEN), cost=MicroAud(0))}
    async with place.consumer(free) as running:
        await place.publish(event(org))
        rows = await running.settled(1)
    assert rows["orders.sync"]["status"] == "resolved"
    assert await place.count("token_usage_events") == 0


async def test_what_may_have_happened_is_not_done_by_another_rung(place: Site) -> None:
    """The first process dies in an unsafe effect that can be read back; its heir looks, and no other rung acts."""
    write_catalog(place, rungs="{auto-retry: {attempts: 1}}")
    org = await place.organisation()
    acted: list[StrategyName] = []

    def notes(name: StrategyName, then: Callable[[], Awaitable[Outcome]]) -> Heals:
        async def heal(_: Task, gate: EffectGate) -> Outcome:
            await gate.begin()
            acted.append(name)
            return await then()

        return heal

    async def dies() -> Outcome:
        raise LostClaim("as if this process had died")

    async def works() -> Outcome:
        return PROVEN

    both = rungs(notes(RETRY, dies), notes(REPLACE, works), kind=Effect.UNSAFE)
    async with place.consumer(both) as running:
        await place.publish(event(org, context={"reads_back": True}))
        await until(lambda: _acted(acted))
        await running.abandon()
    await place.time_passes()
    async with place.consumer(both):
        await until(lambda: _needs_person(place))
    assert acted == [RETRY]
    assert json.loads((await place.failures())["orders.sync"]["rungs"])["unsure"] == RETRY


async def test_a_key_that_died_with_its_process_is_not_left_for_another_rungs(place: Site) -> None:
    write_catalog(place)
    org = await place.organisation()
    acted: list[StrategyName] = []

    async def dies_in_it(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        acted.append(RETRY)
        if len(acted) == 1:
            await asyncio.Event().wait()
        return PROVEN

    async def acts(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        acted.append(REPLACE)
        return PROVEN

    both = rungs(dies_in_it, acts, kind=Effect.KEYED)
    async with place.consumer(both) as running:
        await place.publish(event(org))
        await until(lambda: _acted(acted))
        await running.abandon()
    # Its heir has another ladder: the call is made again under its key all the same, or not at all.
    write_catalog(place, ladders="{api_timeout: [dependency-replacement]}")
    await place.time_passes()
    async with place.consumer(both) as heir:
        rows = await heir.settled(1)
    assert acted == [RETRY, RETRY]
    assert rows["orders.sync"]["status"] == "resolved"
    assert await attempts(place) == [(RETRY, "unverified"), (RETRY, "success")]


async def _acted(acted: list[StrategyName]) -> bool:
    return bool(acted)


async def _needs_person(place: Site) -> bool:
    return bool(await place.count("workflow_failures WHERE status = 'needs_person'"))


async def test_missing_fields_are_counted_by_the_sources_pattern_the_strategy_and_the_field(place: Site) -> None:
    org = await place.organisation()
    await place.db.execute(
        "INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, context)"
        " VALUES (gen_random_uuid(), $1, 'by hand', 'request timeout', '{\"request\": 7}')",
        org,
    )
    async with place.consumer() as running:
        await place.publish(event(org, 1), event(org, 1), event(org, 2, workflow_name="other"))
        rows = await running.settled(3)
        labels = {"strategy": "auto-retry", "field": "context.request.url"}
        await running.counted("shw_missing_context_total", 2, source="*", **labels)
        by_hand = {"source": "member", "strategy": "auto-retry", "field": "context.request"}
        assert running.metric("shw_missing_context_total", **by_hand) == 1
    assert {row["status"] for row in rows.values()} == {"given_up"}


@pytest.mark.parametrize("opens", ["resolved = false", "status = 'pending'"])
async def test_what_was_healed_under_a_key_and_is_opened_again_is_healed_under_that_key_alone(
    place: Site, opens: str
) -> None:
    keys: list[str | None] = []

    async def heals(task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        keys.append(task.plan.intent.idempotency_key)
        return PROVEN

    no = Refused(code=Code.REFUSED, reason="not this way")
    ladder = {
        RETRY: Scripted(heals=always(no), name=RETRY, kind=Effect.KEYED),
        REPLACE: Scripted(heals=heals, name=REPLACE, cost=MicroAud(0), kind=Effect.KEYED),
    }
    await place.publish(event(await place.organisation()))
    async with place.consumer(ladder) as running:
        await until(lambda: place.count("workflow_failures WHERE status = 'resolved'"))
        await running.settled(1)
        await place.db.execute(f"UPDATE workflow_failures SET {opens}")
        await until(lambda: _healed_again(place))
    assert await attempts(place) == [(RETRY, "refused"), (REPLACE, "success"), (REPLACE, "success")]
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def _healed_again(place: Site) -> bool:
    return await place.count("workflow_failures WHERE status = 'resolved' AND step > 2") == 1


SHORT: Mapping[str, tuple[str | None, str | None, int, str]] = {
    "the budget is too small": ("0.04", None, 30_000, "Text budget exhausted"),
    "there is no wallet": (None, None, 0, "No billing wallet configured"),
    "it is locked out": ("5", "unpaid invoice", 0, "unpaid invoice"),
    "it is locked out and has no wallet": (None, "unpaid invoice", 0, "unpaid invoice"),
}


@pytest.mark.parametrize("why", SHORT)
async def test_where_a_rung_cannot_be_paid_the_next_affordable_one_heals(place: Site, why: str) -> None:
    budget, lockout, cost, reason = SHORT[why]
    org = await place.organisation(budget)
    if lockout is not None:
        statement = "INSERT INTO usage_lockouts (org_id, lockout_type, reason) VALUES ($1, 'text', $2)"
        await place.db.execute(statement, org, lockout)
    async with place.consumer(rungs(breaks, always(PROVEN), MicroAud(cost))) as running:
        await place.publish(event(org))
        rows = await running.settled(1)
    assert rows["orders.sync"]["status"] == "resolved"
    assert await attempts(place) == [(RETRY, "insufficient_credits"), (REPLACE, "success")]
    refused, healed = [one["data"] for one in await place.results() if one["data"].get("attempt_id")]
    assert (refused["status"], refused["details"]["reason"]) == ("pending", reason)
    assert refused["details"]["error"] == "Insufficient credits for healing"
    (passed,) = healed["details"]["passed_over"]
    assert (passed["strategy"], passed["code"]) == (RETRY, "insufficient_credits")
    assert "it may cost 0.05 AUD" in passed["reason"]
    assert await place.count("usage_lockouts") == (lockout is not None)


async def test_where_no_rung_can_be_paid_it_waits_and_begins_at_the_foot_again(place: Site) -> None:
    org = await place.organisation("0.02")
    async with place.consumer(rungs(always(PROVEN), always(PROVEN), MicroAud(30_000))) as running:
        await place.publish(event(org))
        rows = await running.settled(1)
        assert rows["orders.sync"]["status"] == "deferred"
        assert await attempts(place) == [(RETRY, "insufficient_credits")]
        assert await place.count("usage_lockouts WHERE unlocked_at IS NULL") == 1
        await place.db.execute("UPDATE token_wallets SET text_budget_aud = 1")
        await place.db.execute("UPDATE usage_lockouts SET unlocked_at = now()")
        await place.db.execute("UPDATE workflow_failures SET due_at = clock_timestamp()")
        await until(lambda: resolved(place))
    assert await attempts(place) == [(RETRY, "insufficient_credits"), (RETRY, "success")]


async def test_a_dear_rung_is_asked_for_again_once_the_cheap_one_has_acted(place: Site) -> None:
    write_catalog(place, rungs="{dependency-replacement: {attempts: 1}}")
    org = await place.organisation("0.04")

    async def pays(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        await place.db.execute("UPDATE token_wallets SET text_budget_aud = text_budget_aud + 1")
        return NOT_HEALED

    async with place.consumer(rungs(always(PROVEN), pays, MicroAud(30_000))) as running:
        await place.publish(event(org))
        rows = await running.settled(1)
    assert rows["orders.sync"]["status"] == "resolved"
    assert await attempts(place) == [
        (RETRY, "insufficient_credits"),
        (REPLACE, "not_healed"),
        (RETRY, "success"),
    ]


async def resolved(place: Site) -> bool:
    return bool(await place.count("workflow_failures WHERE resolved"))
