"""Nobody waits for an organisation whose row somebody else holds locked; its records are taken in later, in order."""

import asyncio
from uuid import UUID

import pytest

from consumer.heal.strategy import EffectGate, Task
from consumer.ingest.decode import event_failure_id
from consumer.model import Healed, Outcome, Proof
from schemas.names import Verdict
from tests.integration.test_locked_rows import locked
from tests.support import oracle
from tests.support.pipeline import SOURCE, Site, event, until
from tests.support.worlds.scripted import scripted

OTHERS = 30
PROOF = Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there")
LOCKS = {
    "select for update": "SELECT FROM organizations WHERE id = $1 FOR UPDATE",
    "delete": "DELETE FROM organizations WHERE id = $1",
}


async def heals(_: Task, gate: EffectGate) -> Outcome:
    await gate.begin()
    return Healed(proofs=(PROOF,))


async def _committed_to(place: Site, offset: int) -> bool:
    return await place.committed() == offset


async def _stored(place: Site, org: UUID, failures: int) -> bool:
    rows = await place.db.fetchval("SELECT count(*) FROM workflow_failures WHERE org_id = $1 AND resolved", org)
    return bool(rows == failures)


@pytest.mark.parametrize("statement", LOCKS.values(), ids=list(LOCKS))
async def test_a_locked_organisation_holds_up_its_own_records_alone_and_loses_none(
    embedded_place: Site, statement: str
) -> None:
    place = embedded_place
    org, other = await place.organisation(), await place.organisation()
    async with locked(place, statement, org), place.consumer(scripted(heals)) as running:
        for n in range(OTHERS):
            await place.publish(
                event(org, f"mine{n}", workflow_name=f"mine{n}"), event(other, n, workflow_name=f"other{n}")
            )
        await until(lambda: _stored(place, other, OTHERS))
        # What is aside is durable: the group may go on, and a process may die.
        await until(lambda: _committed_to(place, 2 * OTHERS))
        assert await place.count("intake_aside") == OTHERS
        assert running.metric("shw_events_total", outcome="set_aside") == OTHERS
        await running.abandon()
    async with place.consumer(scripted(heals)) as running:
        await until(lambda: _stored(place, org, OTHERS))
        await running.settled(2 * OTHERS)
        assert running.metric("shw_events_total", outcome="accepted") == OTHERS
        await until(lambda: _is_empty(place, "intake_aside"))
    names = await place.db.fetch(
        "SELECT workflow_name FROM workflow_failures WHERE org_id = $1 ORDER BY received_at, workflow_name", org
    )
    assert {row["workflow_name"] for row in names} == {f"mine{n}" for n in range(OTHERS)}
    assert await place.letters() == []
    await oracle.one_attempt_per_step(place)
    await oracle.everything_that_ended_was_told(place)


async def _is_empty(place: Site, table: str) -> bool:
    return await place.count(table) == 0


async def test_the_first_of_two_events_with_one_id_counts_also_when_it_was_set_aside(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    async with place.consumer(scripted(heals)) as running:
        async with locked(place, LOCKS["select for update"], org):
            await place.publish(event(org, "one", workflow_name="first"))
            await until(lambda: _committed_to(place, 1))
        await place.publish(event(org, "one", workflow_name="second"))

        async def both_are_told() -> bool:
            return await place.count("workflow_failures") + len(await place.letters()) == 2

        await until(both_are_told)
        rows = await running.settled(await place.count("workflow_failures"))
        assert await _is_empty(place, "intake_aside")
    assert rows["first"]["id"] == event_failure_id(org, SOURCE, "one")
    assert {row["status"] for row in rows.values()} == {"resolved"}
    if "second" in rows:
        assert rows["second"]["id"] != rows["first"]["id"], "a failure of its own"
    else:  # it was read while the first one still lay aside
        assert [one.headers["shw_dlq_reason"] for one in await place.letters()] == [b"organisation_locked"]


async def test_an_event_under_an_id_that_is_taken_already_is_taken_in_after_it_was_set_aside(
    embedded_place: Site,
) -> None:
    place = embedded_place
    org = await place.organisation()
    async with place.consumer(scripted(heals)) as running:
        await place.publish(event(org, "one", workflow_name="first"))
        await running.settled(1)
        async with locked(place, LOCKS["select for update"], org):
            await place.publish(event(org, "one", workflow_name="second"))
            await until(lambda: _committed_to(place, 2))
            assert await place.count("intake_aside") == 1
        rows = await running.settled(2)
        await until(lambda: _is_empty(place, "intake_aside"))
    assert {row["status"] for row in rows.values()} == {"resolved"}
    assert rows["second"]["id"] != rows["first"]["id"], "a failure of its own"


async def test_another_event_under_the_id_of_one_that_is_aside_is_told_and_not_dropped(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    async with place.consumer(scripted(heals)) as running:
        async with locked(place, LOCKS["select for update"], org):
            await place.publish(event(org, "one", workflow_name="first"))
            await until(lambda: _committed_to(place, 1))
            await place.publish(event(org, "one", workflow_name="second"), event(org, "one", workflow_name="first"))
            await until(lambda: _committed_to(place, 3))
        await running.settled(1)
    letters = await place.letters()
    assert [letter.headers["shw_dlq_reason"] for letter in letters] == [b"organisation_locked"]
    assert b"second" in letters[0].value


async def test_an_event_without_an_id_keeps_its_place_and_so_its_identity(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    bare = {"org_id": str(org), "workflow_name": "bare", "failure_reason": "request timeout"}
    async with place.consumer(scripted(heals)) as running:
        async with locked(place, LOCKS["select for update"], org):
            await place.publish(bare, partition=0)
            await until(lambda: _committed_to(place, 1))
            aside = await place.db.fetchval("SELECT failure_id FROM intake_aside")
        row = (await running.settled(1))["bare"]
    assert row["id"] == aside


async def test_what_was_set_aside_of_an_organisation_that_is_gone_becomes_a_dead_letter(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    async with place.consumer(scripted(heals)):
        async with place.db.acquire() as person:
            opened = person.transaction()
            await opened.start()
            await person.execute(LOCKS["delete"], org)
            await place.publish(event(org, 1))
            await until(lambda: _committed_to(place, 1))
            await opened.commit()
        await until(lambda: _is_empty(place, "intake_aside"))
        (letter,) = await until(place.letters)
    assert letter.headers["shw_dlq_reason"] == b"unknown_organisation"


async def test_beyond_what_there_is_room_for_records_become_dead_letters(embedded_place: Site) -> None:
    place = embedded_place.changed(intake={"aside_rows": 20})
    org, other = await place.organisation(), await place.organisation()
    async with place.consumer(scripted(heals)):
        async with locked(place, LOCKS["select for update"], org):
            await place.publish(*(event(org, n, workflow_name=f"m{n}") for n in range(30)))
            await until(lambda: _committed_to(place, 30))
            # Half of the room at most: another organisation may be locked as well.
            kept = await place.count("intake_aside")
            assert 8 <= kept <= 10
            async with locked(place, LOCKS["select for update"], other):
                await place.publish(event(other, 1, workflow_name="o1"))
                await until(lambda: _committed_to(place, 31))
                assert await place.count("intake_aside") == kept + 1
        await until(lambda: _stored(place, org, kept))
        letters = await until(place.letters)
    assert len(letters) == 30 - kept
    assert {letter.headers["shw_dlq_reason"] for letter in letters} == {b"organisation_locked"}


async def test_two_members_take_in_what_is_aside_once(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    async with place.consumer(scripted(heals)) as running, place.consumer(scripted(heals)) as other:
        async with locked(place, LOCKS["select for update"], org):
            await place.publish(*(event(org, n, workflow_name=f"m{n}") for n in range(40)))
            await until(lambda: _committed_to(place, 40))
        await until(lambda: _stored(place, org, 40))
        await asyncio.gather(running.settled(40), other.settled(40))
        accepted = [one.metric("shw_events_total", outcome="accepted") for one in (running, other)]
    assert sum(accepted) == 40
    await oracle.one_attempt_per_step(place)
