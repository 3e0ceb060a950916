"""`shw wallet` and `shw ledger`: what they show, and that a statement that does not add up says so."""

import asyncio
import json
from uuid import UUID, uuid4

import pytest

from consumer.heal.strategy import EffectGate, Task
from consumer.model import Healed, MicroAud, Outcome, Proof
from schemas.names import Verdict
from tests.support.pipeline import Site, environment_of, event
from tests.support.shw import Ran, shw
from tests.support.worlds.scripted import scripted

PROOF = Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there")


async def charges(task: Task, gate: EffectGate) -> Outcome:
    await gate.begin()
    return Healed(proofs=(PROOF,), spent=MicroAud(250_000 if task.failure.workflow_name == "f2" else 10_000))


async def run(place: Site, *words: str) -> Ran:
    return await asyncio.to_thread(shw, *words, settings=environment_of(place.settings))


@pytest.fixture
async def org(embedded_place: Site) -> UUID:
    """An organisation of which three failures were healed, one of them for more than was held."""
    org = await embedded_place.organisation("0.2")
    async with embedded_place.consumer(scripted(charges)) as running:
        for n in range(3):
            await embedded_place.publish(event(org, f"f{n}", workflow_name=f"f{n}"))
            await running.settled(n + 1)
    return org


async def test_a_wallet_is_shown_with_what_it_owes(embedded_place: Site, org: UUID) -> None:
    place = embedded_place
    said = await run(place, "wallet", str(org), "--json")
    assert said.code == 0, said.err
    wallet = json.loads(said.out)
    assert (wallet["text_budget_aud"], wallet["held_aud"], wallet["debt_aud"]) == ("0.000000", "0", "0.07")
    assert wallet["lockouts"] == []
    unknown = await run(place, "wallet", str(uuid4()))
    assert (unknown.code, "has no wallet" in unknown.err) == (1, True)


async def test_a_statement_adds_up_to_the_wallet(embedded_place: Site, org: UUID) -> None:
    said = await run(embedded_place, "ledger", str(org))
    assert said.code == 0, said.err
    header, *lines = said.out.decode().splitlines()
    assert header.split("\t")[:4] == ["at", "type", "amount_aud", "remaining_aud"]
    assert [line.split("\t")[4] for line in lines] == ["hold", "settle"] * 3 + ["debt"]
    assert "0.200000 AUD before" in said.err
    assert "0.000000 AUD after 7 lines" in said.err


@pytest.mark.parametrize("budget", ["NaN", "Infinity", "1e30"])
async def test_a_wallet_that_holds_no_amount_is_told_of(embedded_place: Site, org: UUID, budget: str) -> None:
    statement = "UPDATE token_wallets SET text_budget_aud = $1::text::numeric WHERE org_id = $2"
    await embedded_place.db.execute(statement, budget, org)
    said = await run(embedded_place, "ledger", str(org))
    assert said.code == 1
    assert "It does not add up: the wallet holds" in said.err
    assert (await run(embedded_place, "wallet", str(org))).code == 0


DELETE_LINE = """
DELETE FROM token_usage_events WHERE id = (SELECT min(id) + {} FROM token_usage_events)
"""
WRONG = {
    "the wallet holds": "UPDATE token_wallets SET text_budget_aud = text_budget_aud + 1",
    "the lines up to it": DELETE_LINE.format(2),
    "never settled": DELETE_LINE.format(3),
}


@pytest.mark.parametrize("fault", WRONG)
async def test_a_statement_that_does_not_add_up_says_where(embedded_place: Site, org: UUID, fault: str) -> None:
    await embedded_place.db.execute(WRONG[fault])
    said = await run(embedded_place, "ledger", str(org))
    assert said.code == 1
    assert "It does not add up" in said.err
    assert fault in said.err


async def test_each_month_goes_on_where_the_one_before_ended(embedded_place: Site, org: UUID) -> None:
    place = embedded_place
    await place.db.execute(
        "UPDATE token_usage_events SET created_at = CASE WHEN id <= (SELECT min(id) + 3 FROM token_usage_events)"
        " THEN '2026-01-31 23:59:59+00'::timestamptz ELSE '2026-02-01 00:00:00+00' END"
    )
    january, february, march = [await run(place, "ledger", str(org), "--month", f"2026-0{n}") for n in (1, 2, 3)]
    assert (january.code, february.code, march.code) == (0, 0, 0)
    assert "0.200000 AUD before" in january.err
    assert "0.180000 AUD after 4 lines" in january.err
    assert "0.180000 AUD before" in february.err
    assert "0.000000 AUD after 3 lines" in february.err
    assert "0.000000 AUD before, nothing: 0.000000 AUD after 0 lines" in march.err
    assert (await run(place, "ledger", str(org), "--month", "2026-13")).code == 2
