"""What a heal has cost is settled with its end, whatever that is: less than was held, all of it, or more."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from consumer.heal.strategy import EffectGate, Task
from consumer.model import (
    AttemptId,
    Healed,
    MicroAud,
    NotHealed,
    OrgId,
    Outcome,
    Proof,
    Refused,
    RetryLater,
    Unknown,
)
from consumer.settings import PostgresSettings
from consumer.store.late_charges import LateCharge, count_late_charge
from consumer.store.pool import open_pool
from schemas.names import Budget, Code, Effect, StrategyName, Verdict
from tests.support import oracle
from tests.support.media.pictures import photograph, saved
from tests.support.patience import PATIENCE
from tests.support.pipeline import Running, Site, catalog, environment_of, event, until
from tests.support.shw import shw
from tests.support.worlds.asset_world import (
    MAKE,
    PRICE,
    AssetWorld,
    asset_catalog,
    described,
    file_reply,
    missing_image,
)
from tests.support.worlds.http_world import World, json_reply
from tests.support.worlds.jobs import Jobs, Orders
from tests.support.worlds.providers import Providers
from tests.support.worlds.scripted import Heals, scripted

PROOF = Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there")


async def budget(place: Site, org: UUID) -> Decimal:
    left: Decimal = await place.db.fetchval("SELECT text_budget_aud FROM token_wallets WHERE org_id = $1", org)
    return left


def ends_as(outcome: Outcome) -> Heals:
    async def heal(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        gate.charge(MicroAud(10_000))
        gate.charge(MicroAud(2_000))
        return outcome

    return heal


async def breaks_before(_: Task, gate: EffectGate) -> Outcome:
    gate.charge(MicroAud(12_000))
    raise ValueError("a bug")


async def breaks_after(_: Task, gate: EffectGate) -> Outcome:
    await gate.begin()
    gate.charge(MicroAud(12_000))
    raise ValueError("a bug")


async def hangs(_: Task, gate: EffectGate) -> Outcome:
    await gate.begin()
    gate.charge(MicroAud(12_000))
    await asyncio.Future()
    raise AssertionError


ENDS: Mapping[str, Heals] = {
    "healed": ends_as(Healed(proofs=(PROOF,))),
    "healed without a proof": ends_as(Healed(proofs=())),
    "not healed": ends_as(NotHealed(code=Code.NOT_HEALED, reason="no")),
    "refused": ends_as(Refused(code=Code.REFUSED, reason="not this way")),
    "put off": ends_as(RetryLater(after=timedelta(hours=1), reason="later")),
    "crashed": breaks_before,
    "crashed after its effect": breaks_after,
    "out of time": hangs,
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_charge_counts_whatever_the_end_is(embedded_place: Site, end: str) -> None:
    place, org = embedded_place, await embedded_place.organisation("1")
    assert place.settings.catalog is not None
    place.settings.catalog.write_text(catalog(9, attempts="1"))
    async with place.consumer(scripted(ENDS[end], lasts=timedelta(seconds=1))) as running:
        await place.publish(event(org))
        await until(lambda: place.count("workflow_heal_attempts"))
        await running.counted("shw_credits_spent_aud_total", 0.012, strategy="auto-retry")
        assert await budget(place, org) == Decimal("0.988")
    told = [one["data"]["credits"] for one in await place.results() if "credits" in one["data"]]
    assert told[0] == {"held": "0.05", "spent": "0.012", "budget": "text"}
    await oracle.credits_add_up(place, {org: "1"})


@pytest.mark.parametrize("decision", [("resolve", "--reason", "looked"), ("heal", "--did-not-happen")])
async def test_what_is_known_of_an_unknown_outcome_is_charged_once_a_person_has_decided(
    embedded_place: Site, decision: tuple[str, ...]
) -> None:
    place, org = embedded_place, await embedded_place.organisation("1")
    told_apart = ends_as(Unknown(reason="no answer"))
    async with place.consumer(scripted(told_apart, kind=Effect.UNSAFE)) as running:
        await place.publish(event(org))
        row = (await running.settled(1))["orders.sync"]
        assert row["status"] == "needs_person"
        assert await budget(place, org) == Decimal("0.95")
    verb, *more = decision
    ran = await asyncio.to_thread(shw, verb, str(row["id"]), *more, settings=environment_of(place.settings))
    assert ran.code == 0, ran.err

    async def heals_free(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        return Healed(proofs=(PROOF,))

    async with place.consumer(scripted(heals_free, kind=Effect.UNSAFE)) as running:
        await until(lambda: _has_no_claim(place))
        await running.settled(1)
    assert await budget(place, org) == Decimal("0.988")
    await oracle.credits_add_up(place, {org: "1"})


async def _has_no_claim(place: Site) -> bool:
    return not await place.count("heal_claim") and bool(await place.count("workflow_failures WHERE resolved"))


async def test_a_charge_outlives_the_process_that_kept_its_state(embedded_place: Site) -> None:
    place, jobs, reached = embedded_place, Jobs(), asyncio.Event()
    org = await place.organisation("1")

    async def hangs_once(boundary: str) -> None:
        if boundary == "looked" and not reached.is_set():
            reached.set()
            await asyncio.Future()

    jobs.then = hangs_once
    strategies = {
        StrategyName.AUTO_RETRY: Orders(
            jobs=jobs, kind=Effect.KEYED, every=timedelta(seconds=1), price=MicroAud(70_000)
        )
    }
    async with place.consumer(strategies) as running:
        await place.publish(event(org, workflow_name="w"))
        await asyncio.wait_for(reached.wait(), PATIENCE)
        await running.abandon()
    await place.db.execute("DELETE FROM heal_owner WHERE isfinite(lease_until)")
    await place.time_passes(timedelta(minutes=1))
    jobs.all_done = True
    async with place.in_another_group().consumer(strategies) as heir:
        assert (await heir.settled(1))["w"]["status"] == "resolved"
    # The order's price, beyond the hold, and what the end itself tells.
    assert await budget(place, org) == Decimal("0.92")
    attempt = json.loads(await place.db.fetchval("SELECT details FROM workflow_heal_attempts"))
    assert attempt.get("code") is None
    assert await place.db.fetchval("SELECT sum(amount) FROM token_usage_events") == Decimal("-0.08")


class Overtaken:
    """A heal that is charged, and stands still until another process has ended it or goes on with it."""

    def __init__(self, then: Outcome | None) -> None:
        self.charged, self.goes_on = asyncio.Event(), asyncio.Event()
        self.then = then
        self.done = 0

    async def heal(self, task: Task, gate: EffectGate) -> Outcome:
        self.done += 1
        if self.done > 1:
            return Healed(proofs=(PROOF,))
        await gate.begin()
        gate.charge(MicroAud(12_000))
        self.charged.set()
        await self.goes_on.wait()
        if self.then is None:
            await gate.begin()
            raise AssertionError(f"{task.attempt_id} is another's")
        return self.then


def rewrite(place: Site, text: str) -> None:
    assert place.settings.catalog is not None
    place.settings.catalog.write_text(text)


async def _is_true(said: object) -> bool:
    return bool(said)


async def is_overtaken(place: Site) -> None:
    """What the database says once the other consumer took the claim over."""
    await place.db.execute(
        "UPDATE heal_claim c SET owner = o.owner, epoch = c.epoch + 1, claimed_at = c.claimed_at - interval '1 minute'"
        " FROM heal_owner o WHERE isfinite(o.lease_until) AND o.owner <> c.owner"
    )


async def counted_by(*both: Running) -> bool:
    told = sum(one.metric("shw_credits_spent_aud_total", strategy="auto-retry") for one in both)
    return told == pytest.approx(0.012)


@pytest.mark.parametrize("then", [Unknown(reason="no answer"), None], ids=["settles", "finds out at its gate"])
async def test_what_a_heal_cost_whose_claim_another_parked_is_settled_with_the_decision(
    embedded_place: Site, then: Outcome | None
) -> None:
    place, org, overtaken = embedded_place, await embedded_place.organisation("1"), Overtaken(then)
    strategies = scripted(overtaken.heal, kind=Effect.UNSAFE)
    async with place.consumer(strategies), place.in_another_group().consumer(strategies):
        await place.publish(event(org))
        await asyncio.wait_for(overtaken.charged.wait(), PATIENCE)
        await is_overtaken(place)
        await until(lambda: place.count("heal_claim WHERE owner = 'parked'"))
        assert await place.db.fetchval("SELECT charged FROM heal_claim") == 0
        overtaken.goes_on.set()
        await until(lambda: place.count("heal_claim WHERE charged = 12000"))
        assert await budget(place, org) == Decimal("0.95")
        (row,) = (await place.failures()).values()
        ran = await asyncio.to_thread(
            shw, "resolve", str(row["id"]), "--reason", "looked", settings=environment_of(place.settings)
        )
        assert ran.code == 0, ran.err
        await until(lambda: _has_no_claim(place))
    assert await budget(place, org) == Decimal("0.988")
    await oracle.credits_add_up(place, {org: "1"})


@pytest.mark.parametrize("left", ["1", "0.058"])
async def test_what_a_heal_cost_whose_claim_has_ended_is_a_debt(embedded_place: Site, left: str) -> None:
    place, org = embedded_place, await embedded_place.organisation(left)
    overtaken = Overtaken(NotHealed(code=Code.NOT_HEALED, reason="no"))
    strategies = scripted(overtaken.heal, kind=Effect.KEYED)
    async with place.consumer(strategies) as running, place.in_another_group().consumer(strategies) as heir:
        await place.publish(event(org))
        await asyncio.wait_for(overtaken.charged.wait(), PATIENCE)
        await is_overtaken(place)
        assert (await running.settled(1))["orders.sync"]["status"] == "resolved"
        if left != "1":  # others of the platform spend meanwhile
            await place.db.execute("UPDATE token_wallets SET text_budget_aud = 0.002")
        overtaken.goes_on.set()
        await until(lambda: place.count("heal_late_charge WHERE amount = 12000"))
        owed = await place.db.fetchval("SELECT coalesce(sum(amount), 0) FROM heal_debt")
        expected = Decimal("0.988") if left == "1" else Decimal(0)
        assert (await budget(place, org), owed) == (expected, 0 if left == "1" else 10_000)
        await until(lambda: counted_by(running, heir))


FILE = saved(photograph(), "PNG")


@pytest.mark.parametrize(("units", "late"), [("1", 0), ("3", 40_000)], ids=["as declared", "beyond its price"])
async def test_a_generation_whose_claim_another_took_over_is_charged_once_and_its_excess_late(
    embedded_place: Site, world: World, units: str, late: int
) -> None:
    place, org, held = embedded_place, await embedded_place.organisation("1"), asyncio.Event()
    maker = described(world) | {
        "price": {"unit_aud": PRICE, "most_aud": PRICE},
        "content": {"units_header": "x-units"},
        "timeout": "PT2M",
    }
    rewrite(place, asset_catalog(world, {"pictures": maker}, calls=2))
    first = file_reply(FILE, held=held)
    assets = AssetWorld(world=world, makes=[replace(first, headers=(*first.headers, ("x-units", units)))])
    reason = "Image generation failed: the hero image is missing"
    async with place.consumer() as running, place.in_another_group().consumer() as heir:
        await place.publish(event(org, workflow_name="w", failure_reason=reason, context=missing_image()))
        await until(lambda: _is_true(len(world.calls(MAKE)) == 1))
        assets.makes.append(replace(first, held=None, headers=(*first.headers, ("x-units", "1"))))
        await is_overtaken(place)
        assert (await running.settled(1))["w"]["status"] == "resolved"
        assert len(world.calls(MAKE)) == 2
        held.set()
        await until(lambda: _is_true(running.metric("shw_claims_lost_total") + heir.metric("shw_claims_lost_total")))
        if late:
            await until(lambda: place.count(f"heal_late_charge WHERE amount = {late}"))
    assert await place.count("heal_late_charge") == (1 if late else 0)
    assert (1 - await budget(place, org)) * 1_000_000 == 40_000 + late


async def test_a_candidate_is_paid_for_each_answer_and_late_where_another_took_the_claim_over(
    embedded_place: Site, world: World
) -> None:
    place, org, held = embedded_place, await embedded_place.organisation("1"), asyncio.Event()
    providers = Providers(world=world, dead=True)
    priced = "\n".join(providers.candidate(name, price_aud='"0.01"') for name in ("second", "third"))
    rewrite(
        place, providers.catalog(candidates=priced, binding={"shun": "PT10M"}).replace("timeout: PT5S", "timeout: PT1M")
    )
    lie = json_reply({"text": "hallo", "currency": "USD"})
    providers.answers["second"] = lambda _: replace(lie, held=held if providers.called("second") == 1 else None)
    call = {"method": "POST", "url": world.url("/first/translate"), "body": {"q": "text"}, "effect": "none"}
    context = {"error": {"http_status": 503}, "request": call}
    async with place.consumer() as running, place.in_another_group().consumer():
        await place.publish(event(org, workflow_name="w", failure_reason="upstream answered 503", context=context))
        await until(lambda: _is_true(providers.called("second") == 1))
        await is_overtaken(place)
        assert (await running.settled(1))["w"]["status"] == "resolved"
        asked = providers.called("second") + providers.called("third")
        held.set()
        await until(lambda: place.count("heal_late_charge WHERE amount = 10000"))
    assert providers.called("third") == 1
    assert (1 - await budget(place, org)) * 1_000_000 == asked * 10_000


async def test_a_late_charge_counts_once_however_often_it_is_sent(database: str) -> None:
    async with open_pool(PostgresSettings(dsn=SecretStr(database), pool_size=4)) as pool:
        org = OrgId(uuid4())
        await pool.execute("INSERT INTO organizations (id) VALUES ($1)", org)
        await pool.execute("INSERT INTO token_wallets (org_id, text_budget_aud) VALUES ($1, 1)", org)
        charge = LateCharge(
            attempt_id=AttemptId(uuid4()),
            org_id=org,
            strategy=StrategyName.AUTO_RETRY,
            amount=MicroAud(300_000),
            pays_from=Budget.TEXT,
        )
        counted = await asyncio.gather(*(count_late_charge(pool, charge) for _ in range(4)))
        assert sorted(counted) == [False, False, False, True]
        # Another process was charged for the same attempt.
        assert await count_late_charge(pool, replace(charge, id=uuid4(), amount=MicroAud(900_000)))
        assert await pool.fetchval("SELECT text_budget_aud FROM token_wallets") == 0
        assert await pool.fetchval("SELECT amount FROM heal_debt") == 200_000


async def test_a_negative_charge_is_a_bug_of_its_strategy(embedded_place: Site) -> None:
    place, org = embedded_place, await embedded_place.organisation("1")

    async def pays_back(_: Task, gate: EffectGate) -> Outcome:
        gate.charge(MicroAud(-1))
        return Healed(proofs=(PROOF,))

    async with place.consumer(scripted(pays_back)) as running:
        await place.publish(event(org))
        await until(lambda: place.count("workflow_heal_attempts WHERE result = 'error'"))
        await running.counted("shw_credits_spent_aud_total", 0, strategy="auto-retry")
    assert await budget(place, org) == 1
