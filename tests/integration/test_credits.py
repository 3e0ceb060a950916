"""G6: credits are held before a heal, settled once after it, and never fall below zero."""

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from consumer.heal.strategy import EffectGate, Task
from consumer.model import AttemptId, Healed, MicroAud, NotHealed, OrgId, Outcome, Proof
from consumer.settings import PostgresSettings
from consumer.store.credits import EndedHold, admit_holds, settle_holds
from consumer.store.debts import apply_owed
from consumer.store.pool import Pool, open_pool, transaction
from consumer.store.wallets import EXHAUSTED, Hold, Wallet, admit
from schemas.heal_result import BUDGET_WARNING_TYPE, FAILURE_STATUS_TYPE
from schemas.names import Budget, Code, Verdict
from tests.support import oracle
from tests.support.patience import PATIENCE
from tests.support.pipeline import Running, Site, event, until
from tests.support.worlds.scripted import scripted

PROOF = Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there")


async def heals(_: Task, gate: EffectGate) -> Outcome:
    await gate.begin()
    return Healed(proofs=(PROOF,), spent=MicroAud(10_000))


async def budget(place: Site, org: UUID) -> Decimal:
    left: Decimal = await place.db.fetchval("SELECT text_budget_aud FROM token_wallets WHERE org_id = $1", org)
    return left


async def code_of(place: Site) -> list[tuple[str, str]]:
    rows = await place.db.fetch("SELECT details FROM workflow_heal_attempts ORDER BY step")
    return [(json.loads(row["details"]).get("code", ""), json.loads(row["details"]).get("reason", "")) for row in rows]


async def test_a_heal_is_held_for_and_charged_what_it_spent(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation("1")
    await place.publish(event(org))

    async def looks(task: Task, gate: EffectGate) -> Outcome:
        assert await budget(place, org) == Decimal("0.95")
        return await heals(task, gate)

    async with place.consumer(scripted(looks)) as running:
        await running.settled(1)
    assert await budget(place, org) == Decimal("0.99")
    rows = await place.db.fetch("SELECT phase, event_type, amount, remaining FROM token_usage_events ORDER BY id")
    assert [tuple(row) for row in rows] == [
        ("hold", "adjustment", Decimal("-0.05"), Decimal("0.95")),
        ("settle", "text_consume", Decimal("0.04"), Decimal("0.99")),
    ]
    (told,) = await place.results()
    assert told["data"]["credits"] == {"held": "0.05", "spent": "0.01", "budget": "text"}


@pytest.mark.parametrize(
    ("held", "status"),
    [
        ("Infinity", "resolved"),
        ("1e20", "resolved"),
        ("1e400", "resolved"),
        ("0.0500000000000000000000000000000001", "resolved"),
        ("NaN", "deferred"),
        ("1e-300", "deferred"),
    ],
)
async def test_whatever_number_the_platform_wrote_into_a_wallet_only_its_own_heals_feel_it(
    embedded_place: Site, held: str, status: str
) -> None:
    place = embedded_place
    odd, other = await place.organisation(held), await place.organisation("1")
    await place.publish(event(odd, workflow_name="odd"), event(other, workflow_name="other"))
    async with place.consumer(scripted(heals)) as running:
        rows = await running.settled(2)
    assert (rows["odd"]["status"], rows["other"]["status"]) == (status, "resolved")
    assert await place.letters() == []
    assert await budget(place, other) == Decimal("0.99")
    assert await place.count("heal_claim") == 0


async def test_a_lockout_with_a_reason_of_megabytes_is_told_cut(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation("1")
    await place.db.execute(
        "INSERT INTO usage_lockouts (org_id, lockout_type, reason) VALUES ($1, 'both', repeat('because ', 1000000))",
        org,
    )
    await place.publish(event(org))
    async with place.consumer(scripted(heals)) as running:
        row = (await running.settled(1))["orders.sync"]
    assert row["status"] == "deferred"
    ((code, reason),) = await code_of(place)
    assert (code, reason[:16], len(reason)) == ("insufficient_credits", "because because ", 1000)


async def test_without_a_wallet_a_failure_waits_and_says_why(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation(None)
    await place.publish(event(org))
    async with place.consumer(scripted(heals)) as running:
        row = (await running.settled(1))["orders.sync"]
    assert (row["status"], row["attempts"]) == ("deferred", 0)
    assert await code_of(place) == [("insufficient_credits", "No billing wallet configured")]
    told = await oracle.everything_that_ended_was_told(place)
    status = next(one["data"] for one in told if one["type"] == FAILURE_STATUS_TYPE)
    assert (status["status"], status["code"]) == ("deferred", "insufficient_credits")
    assert await place.count("usage_lockouts") == 0


async def test_an_exhausted_wallet_opens_one_lockout_and_heals_again_once_it_is_filled(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation("0.01")
    names = [f"f{n}" for n in range(5)]
    await place.publish(*(event(org, name, workflow_name=name) for name in names))
    async with place.consumer(scripted(heals)) as running:
        rows = await running.settled(5)
        assert {row["status"] for row in rows.values()} == {"deferred"}
        assert [reason for _, reason in await code_of(place)] == ["Text budget exhausted"] * 5
        assert await place.count(f"usage_lockouts WHERE org_id = '{org}' AND unlocked_at IS NULL") == 1
        # What the platform does when somebody pays.
        await place.db.execute("UPDATE token_wallets SET text_budget_aud = 1")
        await place.db.execute("UPDATE usage_lockouts SET unlocked_at = now()")
        await place.db.execute("UPDATE workflow_failures SET due_at = clock_timestamp(), status = 'pending'")
        rows = await running.settled(5)
    assert {row["status"] for row in rows.values()} == {"resolved"}
    assert await budget(place, org) == Decimal("0.95")
    await oracle.one_attempt_per_step(place)


async def test_a_locked_organisation_is_not_healed_whatever_its_wallet_holds(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation("5")
    await place.db.execute(
        "INSERT INTO usage_lockouts (org_id, lockout_type, reason) VALUES ($1, 'text', 'unpaid invoice')", org
    )
    await place.publish(event(org))
    async with place.consumer(scripted(heals)) as running:
        row = (await running.settled(1))["orders.sync"]
    assert row["status"] == "deferred"
    assert await code_of(place) == [("insufficient_credits", "unpaid invoice")]
    assert await budget(place, org) == 5


async def test_credits_that_are_only_held_open_no_lockout(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation("0.12")  # two at once
    names = [f"f{n}" for n in range(4)]
    await place.publish(*(event(org, name, workflow_name=name) for name in names))
    go_on = asyncio.Event()

    async def waits(task: Task, gate: EffectGate) -> Outcome:
        await go_on.wait()
        return await heals(task, gate)

    async with place.consumer(scripted(waits)):

        async def two_and_two() -> bool:
            return (await place.count("heal_claim WHERE held > 0"), await place.count("heal_claim WHERE held = 0")) == (
                2,
                0,
            ) and await place.count("workflow_failures WHERE status = 'deferred'") == 2

        await until(two_and_two)
        assert await place.count("usage_lockouts") == 0
        assert {reason for _, reason in await code_of(place)} == {"Text budget is held by heals under way"}
        go_on.set()
        # What the first two give back pays for the others at once, and nobody waits for an hour.
        await until(lambda: _resolved(place, 4))
    assert await budget(place, org) == Decimal("0.08")


async def test_many_consumers_on_one_wallet_never_take_more_than_there_is(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation("0.5")  # ten at once, of sixty
    names = [f"f{n}" for n in range(60)]
    await place.publish(*(event(org, name, workflow_name=name) for name in names))

    async def spends_all(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        return NotHealed(code=Code.NOT_HEALED, reason="no", spent=MicroAud(50_000))

    # Each group is given everything: three processes race for every failure and every credit.
    places = [place, place.in_another_group(), place.in_another_group()]
    async with (
        places[0].consumer(scripted(spends_all)),
        places[1].consumer(scripted(spends_all)),
        places[2].consumer(scripted(spends_all)),
    ):

        async def spent() -> bool:
            return await budget(place, org) == 0 and not await place.count("heal_claim")

        await until(spent)
        await until(lambda: _none_pending(place))
    assert await place.count("workflow_failures") == 60
    assert await place.count("token_usage_events WHERE remaining < 0") == 0
    charged = await place.db.fetchval("SELECT count(*) FROM token_usage_events WHERE event_type = 'text_consume'")
    assert charged == 10
    total = await place.db.fetchval("SELECT sum(amount) FROM token_usage_events")
    assert total == Decimal("-0.5")
    await oracle.one_attempt_per_step(place)


async def test_of_two_hundred_at_once_on_a_wallet_for_forty_exactly_forty_act(embedded_place: Site) -> None:
    place = embedded_place.changed(heal={"slots": 250, "organisation_share": 0.9})
    org = await place.organisation("2")  # forty at 0.05
    names = [f"f{n}" for n in range(200)]
    await place.publish(*(event(org, name, workflow_name=name) for name in names))
    acted: list[AttemptId] = []

    async def spends_all(task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        acted.append(task.attempt_id)
        return Healed(proofs=(PROOF,), spent=MicroAud(50_000))

    places = [place, place.in_another_group()]
    async with places[0].consumer(scripted(spends_all)) as running, places[1].consumer(scripted(spends_all)):
        rows = await running.settled(200)
    assert len(acted) == len(set(acted)) == 40
    assert sorted(row["status"] for row in rows.values()) == ["deferred"] * 160 + ["resolved"] * 40
    assert await budget(place, org) == 0
    await oracle.credits_add_up(place, {org: "2"})


async def test_what_is_charged_beyond_the_hold_empties_the_wallet_and_the_rest_is_a_debt(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation("0.1")

    async def charges(task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        return Healed(proofs=(PROOF,), spent=MicroAud(250_000 if task.failure.workflow_name == "dear" else 10_000))

    async with place.consumer(scripted(charges)) as running:
        await place.publish(event(org, "dear", workflow_name="dear"))
        await running.settled(1)
        assert await budget(place, org) == 0
        assert await place.db.fetchval("SELECT amount FROM heal_debt") == 150_000
        assert running.metric("shw_credits_beyond_hold_aud_total", strategy="auto-retry") == 0.2
        await until(lambda: _debt_is(running, 0.15))
        await place.publish(event(org, "next", workflow_name="next"))
        rows = await running.settled(2)
        assert rows["next"]["status"] == "deferred"
        # A part of the debt is paid; nothing is held before all of it is.
        await pay(place, "0.1")
        await until(lambda: _debt_is(running, 0.05))
        assert await budget(place, org) == 0
        await pay(place, "1")
        await until(lambda: _debt_is(running, 0))
        await until(lambda: _resolved(place, 2))
    assert await budget(place, org) == Decimal("0.94")
    assert await place.count("token_usage_events WHERE remaining < 0") == 0
    assert await place.db.fetchval("SELECT sum(amount) FROM token_usage_events") == Decimal("-0.26")
    assert (running.metric("shw_credits_held_aud_total", strategy="auto-retry")) == pytest.approx(0.1)
    assert (running.metric("shw_credits_spent_aud_total", strategy="auto-retry")) == pytest.approx(0.26)


async def pay(place: Site, amount: str) -> None:
    """What the platform does when somebody pays."""
    await place.db.execute("UPDATE token_wallets SET text_budget_aud = text_budget_aud + $1::text::numeric", amount)
    await place.db.execute("UPDATE usage_lockouts SET unlocked_at = now()")


async def _debt_is(running: Running, aud: float) -> bool:
    return running.metric("shw_credit_debt_aud") == pytest.approx(aud)


async def test_a_debt_is_collected_once_however_many_ask_at_once(database: str) -> None:
    async with open_pool(PostgresSettings(dsn=SecretStr(database), pool_size=8)) as pool:
        org = OrgId(uuid4())
        await pool.execute("INSERT INTO organizations (id) VALUES ($1)", org)
        await pool.execute("INSERT INTO token_wallets (org_id, text_budget_aud) VALUES ($1, 5)", org)
        await pool.executemany(
            "INSERT INTO heal_debt (attempt_id, org_id, strategy, amount) VALUES ($1, $2, 'auto-retry', 700000)",
            [(uuid4(), org) for _ in range(4)],
        )

        async def holds() -> Mapping[AttemptId, str]:
            hold = Hold(attempt_id=AttemptId(uuid4()), org_id=org, amount=MicroAud(50_000))
            async with transaction(pool) as connection:
                return (await admit_holds(connection, [hold])).refused

        answers = await asyncio.gather(*(holds() for _ in range(4)), *(apply_owed(pool) for _ in range(4)))
        assert answers[:4] == [{}] * 4
        assert await pool.fetchval("SELECT count(*) FROM heal_debt") == 0
        assert await pool.fetchval("SELECT text_budget_aud FROM token_wallets") == Decimal(2)
        assert await pool.fetchval("SELECT 5 + sum(amount) FROM token_usage_events") == Decimal(2)


async def _resolved(place: Site, number: int) -> bool:
    return await place.count("workflow_failures WHERE resolved") == number


async def test_a_wallet_that_runs_low_is_warned_of_once_and_a_renewal_closes_the_warnings(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation("1")
    open_ones = "usage_warnings WHERE acknowledged_at IS NULL"

    async def charges(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        return Healed(proofs=(PROOF,), spent=MicroAud(2_000))

    async def heal_with(left: str, number: int) -> None:
        """Let others of the platform spend, or somebody pay, until so much is left; then heal one more failure."""
        await place.db.execute("UPDATE token_wallets SET text_budget_aud = $1::text::numeric", left)
        await place.publish(event(org, number, workflow_name=f"f{number}"))
        await until(lambda: _resolved(place, number))
        await until(lambda: _has(place, "heal_wallet_note", 0))

    async with place.consumer(scripted(charges)) as running:
        await heal_with("1", 1)
        await heal_with("0.201", 2)
        assert await place.count(open_ones) == 1
        await heal_with("0.190", 3)
        assert await place.count(open_ones) == 1
        await heal_with("0.051", 4)
        assert await place.count(open_ones) == 2
        await place.db.execute("UPDATE token_wallets SET text_budget_aud = 1")
        await until(lambda: _has(place, open_ones, 0))
        await heal_with("0.102", 5)
        assert await place.count(open_ones) == 1
        await until(lambda: _told_of(place, 3))
        assert running.metric("shw_budget_warnings_total", kind="text_low") == 2
    told = [one["data"] for one in await place.results() if one["type"] == BUDGET_WARNING_TYPE]
    assert [one["warning_type"] for one in told] == ["text_low", "text_critical", "text_low"]
    assert [one["remaining"] for one in told] == ["0.199", "0.049", "0.1"]
    rows = await place.db.fetch("SELECT id, threshold_percent FROM usage_warnings ORDER BY created_at")
    assert [str(row["id"]) for row in rows] == [one["warning_id"] for one in told]
    assert [row["threshold_percent"] for row in rows] == [20, 5, 20]


async def _has(place: Site, what: str, number: int) -> bool:
    return await place.count(what) == number


async def _told_of(place: Site, number: int) -> bool:
    return len([one for one in await place.results() if one["type"] == BUDGET_WARNING_TYPE]) == number


@pytest.mark.parametrize("lockout", [None, "unpaid invoice"])
async def test_a_renewal_wakes_as_many_as_it_pays_for(embedded_place: Site, lockout: str | None) -> None:
    place = embedded_place
    org = await place.organisation("0")
    if lockout is not None:
        statement = "INSERT INTO usage_lockouts (org_id, lockout_type, reason) VALUES ($1, 'text', $2)"
        await place.db.execute(statement, org, lockout)
    calls = 0

    async def spends_all(_: Task, gate: EffectGate) -> Outcome:
        nonlocal calls
        await gate.begin()
        calls += 1
        return Healed(proofs=(PROOF,), spent=MicroAud(50_000))

    async with place.consumer(scripted(spends_all)) as running:
        await place.publish(*(event(org, n, workflow_name=f"f{n}") for n in range(8)))
        rows = await running.settled(8)
        assert {row["status"] for row in rows.values()} == {"deferred"}
        await place.db.execute("UPDATE token_wallets SET text_budget_aud = 0.17")
        await place.db.execute("UPDATE usage_lockouts SET unlocked_at = now()")
        await until(lambda: _resolved(place, 3))
        assert await place.count("workflow_failures WHERE status = 'deferred'") == 5
        assert await budget(place, org) == Decimal("0.02")
        assert await place.db.fetchval("SELECT unpaid FROM heal_budget_level") == 50_000
        await place.db.execute("UPDATE token_wallets SET text_budget_aud = 1")
        await until(lambda: _resolved(place, 8))
    assert calls == 8


async def _none_pending(place: Site) -> bool:
    return not await place.count("workflow_failures WHERE status = 'pending' AND due_at < clock_timestamp()")


async def test_a_refusal_that_a_crash_interrupted_is_not_a_free_heal(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation("0")
    await place.publish(event(org))
    calls = 0

    async def counts(task: Task, gate: EffectGate) -> Outcome:
        nonlocal calls
        calls += 1
        return await heals(task, gate)

    async with place.consumer(scripted(counts)) as running:
        row = (await running.settled(1))["orders.sync"]
    # As it stood between the intake's commit and the settle of the refusal.
    await place.db.execute("UPDATE workflow_failures SET status = 'pending', step = 0")
    await place.db.execute("DELETE FROM workflow_heal_attempts")
    await place.db.execute(
        "INSERT INTO heal_claim (scope, failure_id, attempt_id, step, org_id, strategy, effect, owner, claimed_at,"
        " effect_deadline) VALUES ($1, $2, $3, 0, $4, 'auto-retry', 'none', 'dead', now() - interval '1 hour',"
        " now() - interval '50 min')",
        f"{org}:test:{row['id']}",
        row["id"],
        uuid4(),
        org,
    )
    async with place.in_another_group().consumer(scripted(counts)) as running:
        await until(lambda: _refused(place))
        await running.settled(1)
    assert calls == 0
    assert await budget(place, org) == 0


async def _refused(place: Site) -> bool:
    await place.db.execute("UPDATE workflow_failures SET due_at = clock_timestamp() WHERE step = 1")
    return ("insufficient_credits", "Text budget exhausted") in await code_of(place)


async def test_an_attempt_settles_once_however_often_it_is_sent(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        org, attempt = uuid4(), uuid4()
        await connection.execute("INSERT INTO organizations (id) VALUES ($1)", org)
        write: Any = (
            "INSERT INTO token_usage_events (org_id, event_type, amount, remaining, attempt_id, phase)"
            " VALUES ($1, 'adjustment', 1, 1, $2, 'settle')"
        )
        await connection.execute(write, org, attempt)
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(write, org, attempt)
        await connection.execute("INSERT INTO token_wallets (org_id, text_budget_aud) VALUES ($1, 1)", org)
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("UPDATE token_wallets SET text_budget_aud = -0.000001 WHERE org_id = $1", org)
    finally:
        await connection.close()


async def _somebody_waits(pool: Pool) -> bool:
    return bool(await pool.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))


async def test_two_who_ask_one_wallet_at_once_are_answered_one_after_the_other(database: str) -> None:
    async with open_pool(PostgresSettings(dsn=SecretStr(database), pool_size=4)) as pool:
        org = OrgId(uuid4())
        await pool.execute("INSERT INTO organizations (id) VALUES ($1)", org)
        await pool.execute("INSERT INTO token_wallets (org_id, text_budget_aud) VALUES ($1, 0.05)", org)
        holds = [Hold(attempt_id=AttemptId(uuid4()), org_id=org, amount=MicroAud(50_000)) for _ in range(2)]

        async def second() -> Mapping[AttemptId, str]:
            async with transaction(pool) as connection:
                return (await admit_holds(connection, holds[1:])).refused

        async with transaction(pool) as connection:
            assert (await admit_holds(connection, holds[:1])).refused == {}
            asked = asyncio.create_task(second())
            await until(lambda: _somebody_waits(pool))
        assert await asyncio.wait_for(asked, PATIENCE) == {holds[1].attempt_id: EXHAUSTED[Budget.TEXT]}
        left = await pool.fetchval("SELECT text_budget_aud FROM token_wallets")
        assert left == 0


async def test_who_waited_for_a_wallet_goes_on_from_what_the_other_left(database: str) -> None:
    async with open_pool(PostgresSettings(dsn=SecretStr(database), pool_size=4)) as pool:
        org = OrgId(uuid4())
        await pool.execute("INSERT INTO organizations (id) VALUES ($1)", org)
        await pool.execute("INSERT INTO token_wallets (org_id, text_budget_aud) VALUES ($1, 0.25)", org)
        first, second, third = (
            Hold(attempt_id=AttemptId(uuid4()), org_id=org, amount=MicroAud(50_000)) for _ in range(3)
        )
        async with transaction(pool) as connection:
            assert (await admit_holds(connection, [third])).refused == {}

        async def settles_and_holds() -> None:
            async with transaction(pool) as connection:
                await settle_holds(connection, [EndedHold(hold=third, strategy="auto-retry", spent=MicroAud(20_000))])
                assert (await admit_holds(connection, [second])).refused == {}

        async with transaction(pool) as connection:
            assert (await admit_holds(connection, [first])).refused == {}
            asked = asyncio.create_task(settles_and_holds())
            await until(lambda: _somebody_waits(pool))
        await asyncio.wait_for(asked, PATIENCE)
        assert await pool.fetchval("SELECT text_budget_aud FROM token_wallets") == Decimal("0.13")
        left = await pool.fetch("SELECT remaining FROM token_usage_events ORDER BY id")
        assert [row["remaining"] for row in left] == [Decimal(one) for one in ("0.20", "0.15", "0.18", "0.13")]


@pytest.mark.parametrize("seed", range(4))
async def test_a_batch_over_many_wallets_is_answered_as_if_its_holds_came_one_by_one(database: str, seed: int) -> None:
    dice = Random(seed)
    rich, poor, locked, without = orgs = [OrgId(uuid4()) for _ in range(4)]
    wallets = {
        rich: Wallet(budget=10_000_000, lockout=None),
        poor: Wallet(budget=300_000, lockout=None),
        locked: Wallet(budget=10_000_000, lockout="unpaid invoice"),
    }
    async with open_pool(PostgresSettings(dsn=SecretStr(database), pool_size=4)) as pool:
        await pool.executemany("INSERT INTO organizations (id) VALUES ($1)", [(org,) for org in orgs])
        for org, wallet in wallets.items():
            budget_aud = Decimal(wallet.budget) / 1_000_000
            await pool.execute("INSERT INTO token_wallets (org_id, text_budget_aud) VALUES ($1, $2)", org, budget_aud)
        await pool.execute(
            "INSERT INTO usage_lockouts (org_id, lockout_type, reason) VALUES ($1, 'text', 'unpaid invoice')", locked
        )
        holds = [
            Hold(attempt_id=AttemptId(uuid4()), org_id=dice.choice(orgs), amount=MicroAud(dice.randrange(100_000)))
            for _ in range(60)
        ]
        said = admit([hold for hold in holds if hold.amount], wallets)
        async with transaction(pool) as connection:
            refused = (await admit_holds(connection, holds)).refused
        assert set(refused) == set(said.refused)
        assert {hold.org_id for hold in holds if hold.attempt_id in refused} <= {poor, locked, without}
        for org, wallet in wallets.items():
            left, remaining = wallet.budget, []
            for hold in said.paid:
                if hold.org_id == org:
                    left -= hold.amount
                    remaining.append(left)
            written = await pool.fetch(
                "SELECT (remaining * 1000000)::bigint AS left FROM token_usage_events WHERE org_id = $1 ORDER BY id",
                org,
            )
            assert [row["left"] for row in written] == remaining
            budget_left = "SELECT (text_budget_aud * 1000000)::bigint FROM token_wallets WHERE org_id = $1"
            assert await pool.fetchval(budget_left, org) == left
