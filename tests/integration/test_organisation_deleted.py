"""An organisation is deleted beside a running service, under load: nobody else loses anything, and nothing crashes."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from consumer.heal.strategy import EffectGate, Task
from consumer.model import Healed, Outcome, Proof
from consumer.store.organisations import LEFT
from schemas.names import Verdict
from tests.support import oracle
from tests.support.patience import PATIENCE
from tests.support.pipeline import Site, environment_of, event, until
from tests.support.shw import shw
from tests.support.worlds.scripted import scripted

EVENTS = 150
PROOF = Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there")
OWN = (
    "workflow_failures",
    "heal_claim",
    "heal_breaker",
    "heal_rate",
    "producer_drift",
    "heal_owed",
    "heal_debt",
    "heal_late_charge",
    "heal_wallet_note",
    "heal_wallet_level",
    "heal_budget_level",
    "token_wallets",
)


async def heals(_: Task, gate: EffectGate) -> Outcome:
    await gate.begin()
    await asyncio.sleep(0)
    return Healed(proofs=(PROOF,))


def _environment(place: Site, database: str) -> dict[str, str]:
    return environment_of(place.settings) | {"SHW_POSTGRES__DSN": database}


@pytest.mark.parametrize("statement", list(LEFT.values()), ids=list(LEFT))
async def test_a_statement_of_the_deletion_fits_the_schema(database: str, statement: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.prepare(statement)
    await connection.close()


async def test_an_organisation_goes_with_all_that_is_its_own_and_says_what_it_was(
    embedded_place: Site, database: str
) -> None:
    place = embedded_place
    org, other = await place.organisation(), await place.organisation()
    await place.publish(*(event(one, f"{one}{n}", workflow_name=f"{one}{n}") for one in (org, other) for n in range(5)))
    async with place.consumer(scripted(heals)) as running:
        await running.settled(10)
    await place.db.execute("INSERT INTO heal_rate (key, org_id, forget_at) VALUES ('k', $1, now())", org)
    asked = await asyncio.to_thread(shw, "org", "delete", str(org), settings=_environment(place, database))
    assert (asked.code, "--yes" in asked.err, "workflow_failures 5" in asked.err) == (1, True, True)
    assert await place.count("workflow_failures") == 10
    denied = await asyncio.to_thread(shw, "org", "delete", str(org), "--yes", settings=environment_of(place.settings))
    assert (denied.code, "lacks the right to delete" in denied.err) == (2, True)
    gone = await asyncio.to_thread(shw, "org", "delete", str(org), "--yes", settings=_environment(place, database))
    assert gone.code == 0, gone.err
    said = dict(line.split("\t") for line in gone.out.decode().splitlines())
    assert (said["workflow_failures"], said["heal_rate"], said["organizations"]) == ("5", "1", "1")
    for table in OWN:
        assert await place.db.fetchval(f"SELECT count(*) FROM {table} WHERE org_id = $1", org) == 0
    assert await place.count("workflow_failures") == 5
    again = await asyncio.to_thread(shw, "org", "delete", str(org), "--yes", settings=_environment(place, database))
    assert (again.code, "no organisation" in again.err) == (1, True)


async def _deleted(place: Site, database: str, org: UUID, *, by_hand: bool) -> None:
    if by_hand:
        async with asyncio.timeout(PATIENCE):
            await place.db.execute("DELETE FROM organizations WHERE id = $1", org)
        return
    ran = await asyncio.to_thread(shw, "org", "delete", str(org), "--yes", settings=_environment(place, database))
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("by_hand", [True, False], ids=["SQL", "shw org delete"])
async def test_organisations_deleted_under_load_take_nothing_from_others(
    embedded_place: Site, database: str, by_hand: bool
) -> None:
    place = embedded_place
    stays = await place.organisation("1000")
    goers = [await place.organisation("1000") for _ in range(6 if by_hand else 2)]
    async with place.consumer(scripted(heals)) as running:

        async def load() -> None:
            for n in range(EVENTS):
                some = [event(org, uuid4().hex, workflow_name="goes") for org in goers]
                await place.publish(event(stays, n, workflow_name=f"s{n}"), *some)

        publishing = asyncio.create_task(load())
        for org in goers:
            await until(lambda org=org: _has_some(place, org))  # type: ignore[misc]
            await _deleted(place, database, org, by_hand=by_hand)
        await publishing
        await until(lambda: _healed(place, stays))
        await until(lambda: _nothing_left(place))
        assert not running.task.done()
    assert await place.count("organizations") == 1
    told = [one for one in await place.results() if one["data"].get("workflow_name", "").startswith("s")]
    assert len({one["data"]["failure_id"] for one in told}) == EVENTS
    await oracle.credits_add_up(place, {stays: "1000"})


async def _has_some(place: Site, org: UUID) -> bool:
    return bool(await place.db.fetchval("SELECT count(*) > 3 FROM workflow_failures WHERE org_id = $1", org))


async def _healed(place: Site, org: UUID) -> bool:
    healed = await place.db.fetchval("SELECT count(*) FROM workflow_failures WHERE org_id = $1 AND resolved", org)
    return bool(healed == EVENTS)


async def _nothing_left(place: Site) -> bool:
    return await place.count("heal_claim") + await place.count("intake_aside") == 0
