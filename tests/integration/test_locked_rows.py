"""A row that another application keeps locked holds up what needs it, and nothing else; nothing is lost meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from consumer.heal.strategy import EffectGate, Task
from consumer.model import Healed, OrgId, Outcome, Proof
from consumer.settings import PostgresSettings
from consumer.store import settle
from consumer.store.pool import open_pool
from schemas.names import Verdict
from tests.support import oracle
from tests.support.patience import PATIENCE
from tests.support.pipeline import Running, Site, event, until
from tests.support.worlds.scripted import scripted

OTHERS = 40
PROOF = Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there")


class Held:
    """A heal of the workflow `held` that goes on until it is let go; all others heal at once."""

    def __init__(self) -> None:
        self.under_way, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, task: Task, gate: EffectGate) -> Outcome:
        if task.failure.workflow_name == "held":
            self.under_way.set()
            await self.go_on.wait()
        await gate.begin()
        return Healed(proofs=(PROOF,))


@asynccontextmanager
async def locked(place: Site, statement: str, *arguments: object) -> AsyncIterator[None]:
    """Leave a transaction open that has run a statement, as a person who went for lunch does."""
    async with place.db.acquire() as person:
        opened = person.transaction()
        await opened.start()
        try:
            await person.execute(statement, *arguments)
            yield
        finally:
            await opened.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM workflow_failures WHERE id = $1 FOR UPDATE",
        "UPDATE workflow_failures SET failure_reason = 'mended by hand' WHERE id = $1",
        "DELETE FROM workflow_failures WHERE id = $1",
    ],
    ids=["select for update", "update", "delete"],
)
async def test_a_transaction_left_open_on_one_failure_holds_up_the_end_of_its_heal_alone(
    embedded_place: Site, statement: str
) -> None:
    place, held = embedded_place, Held()
    org = await place.organisation()
    await place.publish(event(org, "held", workflow_name="held"))
    async with place.consumer(scripted(held)) as running:
        await asyncio.wait_for(held.under_way.wait(), PATIENCE)
        failure = await place.db.fetchval("SELECT id FROM workflow_failures WHERE workflow_name = 'held'")
        async with locked(place, statement, failure):
            held.go_on.set()
            for n in range(OTHERS):
                await place.publish(event(org, n, workflow_name=f"other{n}"))
            await until(lambda: _resolved(place, OTHERS))
            assert await place.count("heal_claim") == 1
        await until(lambda: _resolved(place, OTHERS + 1))
        await running.settled(OTHERS + 1)
    await oracle.one_attempt_per_step(place)
    await oracle.everything_that_ended_was_told(place)


WALLET = {
    "select for update": "SELECT FROM token_wallets WHERE org_id = $1 FOR UPDATE",
    "update": "UPDATE token_wallets SET tier = 'tier2' WHERE org_id = $1",
    "its organisation": "SELECT FROM organizations WHERE id = $1 FOR UPDATE",
}


@pytest.mark.parametrize("statement", WALLET.values(), ids=list(WALLET))
async def test_a_locked_wallet_puts_off_its_own_heals_and_what_it_is_owed_is_applied_once(
    embedded_place: Site, statement: str
) -> None:
    place, held = embedded_place, Held()
    org, other = await place.organisation(), await place.organisation()
    await place.publish(event(org, "held", workflow_name="held"))
    async with place.consumer(scripted(held)) as running:
        await asyncio.wait_for(held.under_way.wait(), PATIENCE)
        # Due in the database, so that no intake is needed: its organisation may be locked.
        await place.db.execute(
            "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, source, digest, size, due_at)"
            " SELECT $1, 'mine' || n, 'request timeout', 'urn:test', '', 100, clock_timestamp() + interval '1 s'"
            " FROM generate_series(1, 5) AS n",
            org,
        )
        async with locked(place, statement, org):
            held.go_on.set()
            for n in range(OTHERS):
                await place.publish(event(other, n, workflow_name=f"other{n}"))
            await until(lambda: _resolved(place, OTHERS + 1))
            await until(lambda: _owed(place, 1))
            await until(lambda: _shows(running, "shw_locked_wallets", 1))
            assert await place.count("heal_claim") == 0
            assert await _is_open(place, 5)
            # A process that dies now leaves what is owed to the next one.
            await running.abandon()
        async with place.in_another_group().consumer(scripted(held)) as next_one:
            await next_one.settled(OTHERS + 6)
            await until(lambda: _owed(place, 0))
    assert await place.count("workflow_heal_attempts") == OTHERS + 6
    await oracle.one_attempt_per_step(place)
    await oracle.credits_add_up(place, {org: "10", other: "10"})
    for one in (org, other):
        assert await place.db.fetchval("SELECT text_budget_aud FROM token_wallets WHERE org_id = $1", one) == 10


async def test_a_budget_that_counts_has_what_is_owed_to_it(embedded_place: Site) -> None:
    place, held = embedded_place, Held()
    org = await place.organisation("0.05")
    await place.publish(event(org, "held", workflow_name="held"))
    async with place.consumer(scripted(held)) as running:
        await asyncio.wait_for(held.under_way.wait(), PATIENCE)
        async with locked(place, WALLET["select for update"], org):
            held.go_on.set()
            await until(lambda: _owed(place, 1))
            # All of the budget is owed: this one is paid of it, and nobody is locked out.
            await place.publish(event(org, "next", workflow_name="next"))
            await until(lambda: _true(place, "SELECT count(*) = 1 FROM workflow_failures WHERE workflow_name = 'next'"))
        await running.settled(2)
    assert await place.count("workflow_failures WHERE resolved") == 2
    assert await place.count("usage_lockouts") == 0
    await oracle.credits_add_up(place, {org: "0.05"})


async def _shows(running: Running, metric: str, value: float) -> bool:
    return running.metric(metric) == value


async def _owed(place: Site, rows: int) -> bool:
    return await place.count("heal_owed") == rows


async def _is_open(place: Site, failures: int) -> bool:
    return await place.count("workflow_failures WHERE status = 'pending'") == failures


async def _true(place: Site, question: str) -> bool:
    return bool(await place.db.fetchval(question))


async def _resolved(place: Site, failures: int) -> bool:
    return await place.count("workflow_failures WHERE status = 'resolved'") == failures


@pytest.mark.parametrize("status", ["needs_person", "pending"])
async def test_a_locked_failure_that_is_looked_at_again_keeps_no_round_waiting(
    embedded_place: Site, status: str
) -> None:
    place, held = embedded_place, Held()
    org = await place.organisation()
    locked_one = await place.db.fetchval(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, source, digest, size, status, due_at)"
        " VALUES ($1, 'locked', 'request timeout', 'urn:test', '', 100, $2, clock_timestamp() - interval '1 s')"
        " RETURNING id",
        org,
        status,
    )
    async with (
        locked(place, "SELECT FROM workflow_failures WHERE id = $1 FOR UPDATE", locked_one),
        place.consumer(scripted(held)),
    ):
        await place.db.execute(
            "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, source, digest, size)"
            " SELECT $1, 'due' || n, 'request timeout', 'urn:test', '', 100 FROM generate_series(1, 5) AS n",
            org,
        )
        await until(lambda: _resolved(place, 5))


async def test_a_locked_failure_keeps_the_ends_of_plans_that_do_not_act_from_no_other(database: str) -> None:
    settlements = []
    async with open_pool(PostgresSettings.model_validate({"dsn": database})) as pool:
        org = OrgId(uuid4())
        await pool.execute("INSERT INTO organizations (id) VALUES ($1)", org)
        for n in range(3):
            one = await pool.fetchval(
                "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason)"
                " VALUES ($1, $2, 'r') RETURNING id",
                org,
                f"w{n}",
            )
            settlements.append(one)
        async with pool.acquire() as person, person.transaction():
            await person.execute("SELECT FROM workflow_failures WHERE id = $1 FOR UPDATE", settlements[1])
            async with asyncio.timeout(PATIENCE):
                rows = await pool.fetch(
                    settle._SETTLE_UNCLAIMED,  # noqa: SLF001 - the statement itself
                    settlements,
                    [0, 0, 0],
                    ["given_up"] * 3,
                    [None] * 3,
                    ["unknown"] * 3,
                    ["never"] * 3,
                )
        assert {row["id"] for row in rows} == {settlements[0], settlements[2]}


async def test_locks_that_every_session_can_take_hold_up_no_heal(embedded_place: Site) -> None:
    org = await embedded_place.organisation()
    taken = (
        "SELECT pg_advisory_lock(number, n) FROM generate_series(20500, 20600) AS number, generate_series(0, 63) AS n"
    )
    async with embedded_place.consumer(scripted(Held())) as running, locked(embedded_place, taken):
        await embedded_place.publish(*(event(org, n, workflow_name=f"w{n}") for n in range(5)))
        rows = await running.settled(5)
        assert {row["status"] for row in rows.values()} == {"resolved"}
