"""Voices are paid from the wallet's voice budget: held, charged, owed, warned of and locked out apart from texts."""

import asyncio
import json
from decimal import Decimal
from uuid import UUID

import pytest

from consumer.heal.kept import Suspended
from consumer.heal.strategy import EffectGate, Strategies, Task
from consumer.model import Healed, MicroAud, Outcome, Proof
from schemas.heal_result import BUDGET_WARNING_TYPE, HEAL_RESULT_TYPE
from schemas.names import Budget, StrategyName, Verdict
from tests.support.pipeline import Site, catalog, environment_of, event, until
from tests.support.shw import Ran, shw
from tests.support.worlds.scripted import Heals, Scripted

PROOF = Proof(oracle="test", verdict=Verdict.PASSED, detail="it is heard")
VOICE, TEXT = StrategyName.AUTO_RETRY, StrategyName.DEPENDENCY_REPLACEMENT


def charges(amount: int) -> Heals:
    async def heal(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        gate.charge(MicroAud(amount))
        return Healed(proofs=(PROOF,))

    return heal


def rungs(voice: Heals, text: Heals) -> Strategies:
    return {
        VOICE: Scripted(heals=voice, name=VOICE, pays_from=Budget.VOICE),
        TEXT: Scripted(heals=text, name=TEXT),
    }


@pytest.fixture
def place(embedded_place: Site) -> Site:
    assert embedded_place.settings.catalog is not None
    ladder = "{api_timeout: [auto-retry, dependency-replacement]}"
    embedded_place.settings.catalog.write_text(catalog(9, ladders=ladder))
    return embedded_place


async def organisation(place: Site, *, text: str = "1", voice: str = "1") -> UUID:
    org = await place.organisation(text)
    await place.db.execute("UPDATE token_wallets SET voice_budget_aud = $1::text::numeric", voice)
    return org


async def budgets(place: Site, org: UUID) -> tuple[Decimal, Decimal]:
    row = await place.db.fetchrow("SELECT voice_budget_aud, text_budget_aud FROM token_wallets WHERE org_id = $1", org)
    assert row is not None
    return row["voice_budget_aud"], row["text_budget_aud"]


async def attempts(place: Site) -> list[tuple[str, str]]:
    rows = await place.db.fetch("SELECT strategy, result, details FROM workflow_heal_attempts ORDER BY step")
    return [(row["strategy"], json.loads(row["details"]).get("code", row["result"])) for row in rows]


async def run(place: Site, *words: str) -> Ran:
    return await asyncio.to_thread(shw, *words, settings=environment_of(place.settings))


async def test_a_voice_is_held_of_and_charged_to_the_voice_budget_alone(place: Site) -> None:
    org = await organisation(place)
    seen: list[tuple[Decimal, Decimal]] = []

    async def looks(task: Task, gate: EffectGate) -> Outcome | Suspended:
        seen.append(await budgets(place, org))
        return await charges(20_000)(task, gate)

    async with place.consumer(rungs(looks, charges(0))) as running:
        await place.publish(event(org))
        await running.settled(1)
    assert seen == [(Decimal("0.95"), Decimal(1))]
    assert await budgets(place, org) == (Decimal("0.98"), Decimal(1))
    rows = await place.db.fetch("SELECT phase, event_type, amount, remaining FROM token_usage_events ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("hold", "adjustment", Decimal("-0.05"), Decimal("0.95")),
        ("settle", "voice_consume", Decimal("0.03"), Decimal("0.98")),
    ]
    (told,) = await place.results()
    assert told["data"]["credits"] == {"held": "0.05", "spent": "0.02", "budget": "voice"}


async def test_each_budget_has_a_statement_that_adds_up_to_the_wallet(place: Site) -> None:
    org = await organisation(place)
    async with place.consumer(rungs(charges(20_000), charges(0))) as running:
        await place.publish(event(org))
        await running.settled(1)
    async with place.consumer({VOICE: Scripted(heals=charges(10_000))}) as running:
        await place.publish(event(org, "2", workflow_name="text"))
        await running.settled(2)
    voice, text = await run(place, "ledger", str(org), "--budget", "voice"), await run(place, "ledger", str(org))
    assert (voice.code, text.code) == (0, 0), (voice.err, text.err)
    assert "0.980000 AUD after 2 lines" in voice.err
    assert "0.990000 AUD after 2 lines" in text.err
    await place.db.execute("UPDATE token_wallets SET voice_budget_aud = 7")
    assert (await run(place, "ledger", str(org), "--budget", "voice")).code == 1
    assert (await run(place, "ledger", str(org))).code == 0


@pytest.mark.parametrize("lockout", [None, "voice"])
async def test_where_no_voice_can_be_paid_a_rung_of_the_text_budget_heals(place: Site, lockout: str | None) -> None:
    org = await organisation(place, voice="5" if lockout else "0.01")
    if lockout is not None:
        statement = "INSERT INTO usage_lockouts (org_id, lockout_type, reason) VALUES ($1, $2, 'too loud')"
        await place.db.execute(statement, org, lockout)
    async with place.consumer(rungs(charges(0), charges(10_000))) as running:
        await place.publish(event(org))
        rows = await running.settled(1)
    assert rows["orders.sync"]["status"] == "resolved"
    assert await attempts(place) == [(VOICE, "insufficient_credits"), (TEXT, "success")]
    refused, healed = [one["data"] for one in await place.results() if one["type"] == HEAL_RESULT_TYPE]
    assert refused["details"]["reason"] == ("too loud" if lockout else "Voice budget exhausted")
    assert "the wallet's voice budget can pay" in healed["details"]["passed_over"][0]["reason"]
    assert (await budgets(place, org))[1] == Decimal("0.99")


@pytest.mark.parametrize("text", ["0", "5"])
async def test_a_lockout_of_texts_keeps_no_voice_from_being_healed(place: Site, text: str) -> None:
    org = await organisation(place, text=text)
    statement = "INSERT INTO usage_lockouts (org_id, lockout_type, reason) VALUES ($1, 'text', 'unpaid invoice')"
    await place.db.execute(statement, org)
    async with place.consumer(rungs(charges(10_000), charges(0))) as running:
        await place.publish(event(org))
        rows = await running.settled(1)
    assert rows["orders.sync"]["status"] == "resolved"
    assert await attempts(place) == [(VOICE, "success")]


async def test_where_neither_budget_can_pay_it_waits_and_is_not_asked_for_in_turns(place: Site) -> None:
    org = await organisation(place, text="0", voice="0")
    async with place.consumer(rungs(charges(0), charges(0))) as running:
        await place.publish(event(org))
        rows = await running.settled(1)
    assert rows["orders.sync"]["status"] == "deferred"
    assert await attempts(place) == [(VOICE, "insufficient_credits"), (TEXT, "insufficient_credits")]


async def test_an_exhausted_voice_budget_locks_voices_out_and_its_renewal_wakes_them(place: Site) -> None:
    org = await organisation(place, voice="0.01")
    only = {VOICE: Scripted(heals=charges(50_000), pays_from=Budget.VOICE)}
    async with place.consumer(only) as running:
        await place.publish(*(event(org, n, workflow_name=f"f{n}") for n in range(3)))
        rows = await running.settled(3)
        assert {row["status"] for row in rows.values()} == {"deferred"}
        lockouts = await place.db.fetch("SELECT lockout_type, reason FROM usage_lockouts WHERE unlocked_at IS NULL")
        assert [tuple(row) for row in lockouts] == [("voice", "Voice budget exhausted")]
        await place.db.execute("UPDATE usage_lockouts SET unlocked_at = now()")
        await place.db.execute("UPDATE token_wallets SET text_budget_aud = 9")  # pays for no voice
        await place.db.execute("UPDATE token_wallets SET voice_budget_aud = 0.11")
        await until(lambda: _resolved(place, 2))
        rows = await running.settled(3)
        assert sorted(row["status"] for row in rows.values()) == ["deferred", "resolved", "resolved"]
    assert await budgets(place, org) == (Decimal("0.01"), Decimal(9))


async def _resolved(place: Site, number: int) -> bool:
    return await place.count("workflow_failures WHERE resolved") == number


async def test_a_low_voice_budget_is_warned_of_as_one(place: Site) -> None:
    org = await organisation(place)
    only = {VOICE: Scripted(heals=charges(20_000), pays_from=Budget.VOICE)}
    async with place.consumer(only) as running:
        await place.publish(event(org, 1, workflow_name="f1"))
        await until(lambda: _noted(place, 1))
        await place.db.execute("UPDATE token_wallets SET voice_budget_aud = 0.19")
        await place.publish(event(org, 2, workflow_name="f2"))
        await until(lambda: _noted(place, 2))
        await running.settled(2)
    told = [one["data"] for one in await place.results() if one["type"] == BUDGET_WARNING_TYPE]
    assert [(one["warning_type"], one["remaining"], one["filled"]) for one in told] == [("voice_low", "0.17", "1")]
    assert "voice budget" in told[0]["message"]


async def _noted(place: Site, number: int) -> bool:
    resolved = await place.count("workflow_failures WHERE resolved") == number
    return resolved and not await place.count("heal_wallet_note")


async def test_what_a_voice_costs_beyond_its_hold_is_owed_by_the_voice_budget(place: Site) -> None:
    org = await organisation(place, voice="0.1")
    only = {VOICE: Scripted(heals=charges(250_000), pays_from=Budget.VOICE)}
    async with place.consumer(only) as running:
        await place.publish(event(org))
        await running.settled(1)
        assert await budgets(place, org) == (Decimal(0), Decimal(1))
        assert await place.db.fetchval("SELECT amount FROM heal_debt WHERE pays_from = 'voice'") == 150_000
        await place.db.execute("UPDATE token_wallets SET voice_budget_aud = 0.2")
        await until(lambda: _paid(place))
    assert await budgets(place, org) == (Decimal("0.05"), Decimal(1))
    assert (await run(place, "ledger", str(org), "--budget", "voice")).code == 1  # the 0.2 came without a line


async def _paid(place: Site) -> bool:
    return not await place.count("heal_debt")


async def test_texts_and_voices_of_one_batch_are_each_paid_from_their_own(place: Site) -> None:
    org = await organisation(place, text="0.52", voice="0.31")  # ten texts, six voices

    def ladder() -> Strategies:
        return {
            VOICE: Scripted(heals=charges(50_000), pays_from=Budget.VOICE),
            TEXT: Scripted(heals=charges(50_000), name=TEXT),
        }

    async with place.consumer(ladder()), place.in_another_group().consumer(ladder()) as running:
        await place.publish(*(event(org, n, workflow_name=f"f{n}") for n in range(40)))
        rows = await running.settled(40)
    assert sorted(row["status"] for row in rows.values()) == ["deferred"] * 24 + ["resolved"] * 16
    assert await budgets(place, org) == (Decimal("0.01"), Decimal("0.02"))
    assert await place.count("token_usage_events WHERE remaining < 0") == 0
