"""The way back in: what stands in the database goes on, whoever left it there."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from consumer.errors import TransientError
from consumer.heal.strategy import EffectGate, Task
from consumer.model import FailureId, Healed, NotHealed, Outcome, Proof
from consumer.store.heal_requests import ask_heal
from consumer.store.intake import take_in
from consumer.store.settle import settle
from schemas.heal_result import FAILURE_STATUS_TYPE
from schemas.names import Code, Effect, Verdict
from tests.support import oracle
from tests.support.patience import BEYOND_PATIENCE, PATIENCE
from tests.support.pipeline import NEVER_LEFT, Site, call, event, until
from tests.support.worlds.http_world import World, json_reply
from tests.support.worlds.scripted import scripted

OK = json_reply({"done": True})
PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))


async def member_of(place: Site, org: UUID, role: str = "owner") -> UUID:
    user = uuid4()
    await place.db.execute(
        "INSERT INTO user_organizations (user_id, org_id, role) VALUES ($1, $2, $3)", user, org, role
    )
    return user


async def record_failure(place: Site, user: UUID, org: UUID, name: str, context: str) -> None:
    """The seed's `recordFailure`: a signed-in user's own insert."""
    async with place.db.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL ROLE authenticated")
        await connection.execute("SELECT set_config('request.jwt.claims', $1, true)", json.dumps({"sub": str(user)}))
        await connection.execute(
            "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context)"
            " VALUES ($1, $2, 'request timeout', $3::text::jsonb)",
            org,
            name,
            context,
        )


async def test_what_a_member_inserted_is_redacted_and_healed(embedded_place: Site, world: World) -> None:
    place = embedded_place
    org = await place.organisation()
    world.on("/get", OK)
    user = await member_of(place, org)
    context = call(world.url("/get")) | {"note": {"password": "hunter2-secret"}}
    await record_failure(place, user, org, "mine", json.dumps(context))
    async with place.consumer() as running:
        row = (await running.settled(1))["mine"]
    assert row["status"] == "resolved"
    assert "hunter2" not in row["context"]
    assert json.loads(row["redactions"]) == ["/context/note/password"]
    told = await oracle.everything_that_ended_was_told(place)
    assert len(told) == 1
    assert "hunter2" not in json.dumps(told)


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param('{"n": 1' + "0" * 5000 + "}", id="an integer of 5,001 digits"),
        pytest.param('{"n": 1e131071}', id="1e131071"),
        pytest.param('{"n": 1e400}', id="1e400"),
        pytest.param("[1, 2]", id="an array"),
        pytest.param('"text"', id="a text"),
        pytest.param("null", id="null"),
        pytest.param('{"request": 7, "resume": [], "error": {"http_status": "x"}}', id="parts of another kind"),
        pytest.param('{"request": {"method": "GET", "url": "http://[::1"}}', id="a URL that is none"),
        pytest.param('{"request": {"method": "GET", "url": "http://127.0.0.1:99999/"}}', id="a port that is none"),
    ],
)
async def test_a_members_poison_stops_nobody_else(embedded_place: Site, world: World, hostile: str) -> None:
    place = embedded_place
    org = await place.organisation()
    user = await member_of(place, org)
    world.on("/get", OK)
    await record_failure(place, user, org, "hostile", hostile)
    await record_failure(place, user, org, "good", json.dumps(call(world.url("/get"))))
    async with place.consumer() as running:
        rows = await running.settled(2)
    assert rows["good"]["status"] == "resolved"
    assert rows["hostile"]["status"] == "given_up"
    await oracle.everything_that_ended_was_told(place)


@pytest.mark.parametrize("depth", [150, 3000])
async def test_what_came_deeper_than_the_triggers_allow_stops_nobody_else(
    embedded_place: Site, world: World, depth: int
) -> None:
    place = embedded_place
    org = await place.organisation()
    world.on("/get", OK)
    await place.db.execute(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context)"
        " VALUES ($1, 'hostile', 'request timeout', $2::text::jsonb)",
        org,
        '{"n": ' + "[" * depth + "]" * depth + "}",
    )
    await record_failure(place, await member_of(place, org), org, "good", json.dumps(call(world.url("/get"))))
    async with place.consumer() as running:
        rows = await running.settled(2)
    assert (rows["good"]["status"], rows["hostile"]["status"]) == ("resolved", "given_up")


async def test_an_attempt_that_a_member_inserted_counts_for_nothing(embedded_place: Site, world: World) -> None:
    place = embedded_place
    org = await place.organisation()
    user = await member_of(place, org, "owner")
    world.on("/get", OK)
    await record_failure(place, user, org, "mine", json.dumps(call(world.url("/get"))))
    await place.db.execute(
        "INSERT INTO workflow_heal_attempts (failure_id, strategy, result) SELECT id, 'auto-retry', 'success'"
        " FROM workflow_failures, generate_series(1, 5)"
    )
    async with place.consumer() as running:
        row = (await running.settled(1))["mine"]
    assert (row["status"], row["step"], row["attempts"]) == ("resolved", 1, 1)
    assert len(await oracle.everything_that_ended_was_told(place)) == 1


async def test_a_waiter_is_woken_when_the_scope_is_free_and_is_healed_itself(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    names = [f"f{n}" for n in range(3)]
    await place.publish(*(event(org, name, workflow_name=name, context={"scope": "one"}) for name in names))
    under_way: list[str] = []
    most, go_on = 0, asyncio.Event()

    async def heals(task: Task, gate: EffectGate) -> Outcome:
        nonlocal most
        await gate.begin()
        under_way.append(task.failure.workflow_name)
        most = max(most, len(under_way))
        await go_on.wait()
        under_way.remove(task.failure.workflow_name)
        return PROVEN

    async with place.consumer(scripted(heals)) as running:

        async def two_wait() -> bool:
            return len(under_way) == 1 and await place.count("workflow_failures WHERE waits_on IS NOT NULL") == 2

        await until(two_wait)
        go_on.set()
        rows = await running.settled(3)
    assert most == 1
    assert {row["status"] for row in rows.values()} == {"resolved"}
    assert {row["waits_on"] for row in rows.values()} == {None}
    assert await place.count("workflow_heal_attempts") == 3
    await oracle.everything_that_ended_was_told(place)


@pytest.mark.parametrize(
    ("effect", "begins", "status", "repeated"),
    [
        pytest.param(Effect.UNSAFE, True, "needs_person", False, id="an unsafe effect that began: a person"),
        pytest.param(Effect.UNSAFE, False, "resolved", True, id="an unsafe effect that did not begin: made"),
        pytest.param(Effect.KEYED, True, "resolved", True, id="a keyed effect: made again under its key"),
        pytest.param(Effect.NONE, True, "resolved", True, id="a reading: made again"),
    ],
)
async def test_a_dead_owners_claim_is_taken_over(
    embedded_place: Site, effect: Effect, *, begins: bool, status: str, repeated: bool
) -> None:
    place = embedded_place
    org = await place.organisation("1")
    await place.publish(event(org))
    at_it = asyncio.Event()
    healed: list[tuple[UUID, str | None]] = []

    async def dies(_: Task, gate: EffectGate) -> Outcome:
        if begins:
            await gate.begin()
        at_it.set()
        return await asyncio.Future()

    async def heals(task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        healed.append((task.attempt_id, task.plan.intent.idempotency_key))
        return PROVEN

    async with place.consumer(scripted(dies, effect)) as dying:
        await asyncio.wait_for(at_it.wait(), PATIENCE)
        await dying.abandon()
    claim = await place.db.fetchrow("SELECT * FROM heal_claim")
    assert claim is not None
    assert claim["begun"] is (begins and effect is Effect.UNSAFE)
    await place.time_passes()
    async with place.in_another_group().consumer(scripted(heals, effect)) as running:
        row = (await running.settled(1))["orders.sync"]
    assert (row["status"], row["step"]) == (status, 1)
    assert healed == ([(claim["attempt_id"], claim["idem_key"])] if repeated else [])
    attempt = await place.db.fetchrow("SELECT * FROM workflow_heal_attempts")
    assert attempt is not None
    assert attempt["id"] == claim["attempt_id"]
    if status == "needs_person":
        assert (attempt["result"], json.loads(attempt["details"])["code"]) == ("unknown", "interrupted")
    await oracle.everything_that_ended_was_told(place)
    await oracle.credits_add_up(place, {org: "1"})


async def test_a_living_owners_claim_is_not_taken_over_and_a_dead_ones_only_after_its_deadline(
    embedded_place: Site,
) -> None:
    place = embedded_place
    org = await place.organisation()
    await place.publish(event(org))

    async def never(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        return await asyncio.Future()

    async with place.consumer(scripted(never)) as running:
        await until(lambda: place.count("heal_claim"))
        me = running.consumer.me
        await running.abandon()

    async def owner_after(deadline: str, *, lives: bool) -> str | None:
        """Give whose claim it is once another process has watched its owner for longer than a lease."""
        await place.db.execute(
            "UPDATE heal_claim SET effect_deadline = clock_timestamp() + $1::text::interval", deadline
        )
        async with place.in_another_group().consumer(scripted(never)) as other:
            until_time = time.monotonic() + 1.5 * place.settings.heal.lease.total_seconds()

            async def watched_long_enough() -> bool:
                if lives:
                    await place.db.execute("UPDATE heal_owner SET renewals = renewals + 1 WHERE owner = $1", me)
                return time.monotonic() > until_time

            await until(watched_long_enough)
            await other.consumer.resume.once()
            owner: str | None = await place.db.fetchval("SELECT owner FROM heal_claim")
            await other.abandon()
        return owner

    # Whatever the lease's own time says: a clock may have jumped.
    await place.db.execute(
        "UPDATE heal_owner SET lease_until = clock_timestamp() - interval '1 h' WHERE owner = $1", me
    )
    assert await owner_after("-1 hour", lives=True) == me
    assert await owner_after("1 hour", lives=False) == me
    await place.db.execute(
        "UPDATE heal_owner SET lease_until = clock_timestamp() + interval '1 h' WHERE owner = $1", me
    )
    assert await owner_after("-1 second", lives=False) != me


def _answer_lost(done: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Do it, and lose the answer the first time."""
    lost = False

    async def once_lost(*args: Any) -> Any:  # noqa: ANN401 - whatever it takes
        nonlocal lost
        result = await done(*args)
        if not lost:
            lost = True
            raise TransientError("the answer to the commit is lost")
        return result

    return once_lost


async def test_claims_of_an_intake_whose_answer_was_lost_are_found(
    embedded_place: Site, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = embedded_place
    org = await place.organisation()
    world.on("/pay", OK)
    await place.publish(event(org, context=call(world.url("/pay"), "POST", error=NEVER_LEFT)), b"poison")
    monkeypatch.setattr("consumer.pipeline.intake.take_in", _answer_lost(take_in))
    async with place.consumer() as running:
        await until(lambda: place.count("heal_claim"))
        await until(lambda: _committed(place, 2))
        assert world.calls("/pay") == []
        await place.db.execute("UPDATE heal_claim SET claimed_at = claimed_at - interval '11 s'")
        row = (await running.settled(1))["orders.sync"]
    assert row["status"] == "resolved"
    assert len(world.calls("/pay")) == 1
    assert [letter.value for letter in await place.letters()] == [b"poison"]
    await oracle.everything_that_ended_was_told(place)
    await oracle.credits_add_up(place, {org: "10"})


async def _committed(place: Site, end: int) -> bool:
    return await place.committed() == end


async def test_a_settle_whose_answer_was_lost_is_not_done_twice(
    embedded_place: Site, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = embedded_place
    org = await place.organisation()
    world.on("/pay", OK)
    await place.publish(event(org, context=call(world.url("/pay"), "POST", error=NEVER_LEFT)))
    monkeypatch.setattr("consumer.pipeline.settle.settle", _answer_lost(settle))
    async with place.consumer() as running:

        async def ended() -> bool:
            return bool(await place.count("workflow_failures WHERE resolved")) and len(running.consumer.live) == 0

        await until(ended)
        await place.db.execute("UPDATE heal_outbox SET created_at = created_at - interval '11 s'")
        await running.settled(1)
    assert len(world.calls("/pay")) == 1
    await oracle.one_attempt_per_step(place)
    assert len(await oracle.everything_that_ended_was_told(place)) == 1
    await oracle.credits_add_up(place, {org: "10"})


async def test_a_failure_that_was_asked_to_wait_comes_back_then_and_spends_no_attempt(
    embedded_place: Site, world: World
) -> None:
    place = embedded_place
    org = await place.organisation()
    world.on("/busy", json_reply({}, 503, headers=(("Retry-After", "120"),)), OK)
    await place.publish(event(org, context=call(world.url("/busy"))))
    before = datetime.now(UTC)
    async with place.consumer() as running:
        row = (await running.settled(1))["orders.sync"]
        assert (row["status"], row["step"], row["attempts"]) == ("deferred", 1, 0)
        assert timedelta(seconds=110) < row["due_at"] - before < timedelta(seconds=130)
        assert len(world.calls("/busy")) == 1
        await place.db.execute("UPDATE workflow_failures SET due_at = clock_timestamp()")
        row = (await _resolved(place, running.settled))["orders.sync"]
    assert (row["status"], row["step"], row["attempts"]) == ("resolved", 2, 1)
    told = await oracle.everything_that_ended_was_told(place)
    deferred = next(one["data"] for one in told if one["type"] == FAILURE_STATUS_TYPE)
    assert (deferred["status"], deferred["code"], deferred["waits_on"]) == ("deferred", "retry_later", "time")
    assert deferred["due_at"] is not None


async def _resolved(place: Site, settled: Callable[[int], Awaitable[Any]]) -> Any:  # noqa: ANN401 - rows
    async def look() -> bool:
        return bool(await place.count("workflow_failures WHERE resolved"))

    await until(look)
    return await settled(1)


async def test_a_failure_that_was_given_up_is_healed_when_somebody_asks(embedded_place: Site, world: World) -> None:
    place = embedded_place
    org = await place.organisation()
    world.on("/later", *[json_reply({}, 422)] * 3, OK)
    await place.publish(event(org, context=call(world.url("/later"))))
    async with place.consumer() as running:
        row = (await running.settled(1))["orders.sync"]
        assert (row["status"], row["attempts"]) == ("given_up", 3)
        async with place.db.acquire() as connection:
            asked = await ask_heal(connection, FailureId(row["id"]), by="anna")
        running.consumer.wake.set()
        row = (await _resolved(place, running.settled))["orders.sync"]
    assert (row["status"], row["step"], row["attempts"]) == ("resolved", asked.step + 1, 1)
    await oracle.everything_that_ended_was_told(place)


async def test_a_clean_stop_hands_an_unstarted_heal_over_at_once_and_with_all_its_time(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    await place.publish(event(org))
    at_it = asyncio.Event()

    async def slow(_: Task, __: EffectGate) -> Outcome:
        at_it.set()
        return await asyncio.Future()

    async def heals(_: Task, gate: EffectGate) -> Outcome:
        assert gate.remaining() > timedelta(seconds=PATIENCE)
        await gate.begin()
        return PROVEN

    async with place.consumer(scripted(slow, Effect.UNSAFE, BEYOND_PATIENCE)):
        await asyncio.wait_for(at_it.wait(), PATIENCE)
    assert await place.count("heal_owner WHERE isfinite(lease_until)") == 0
    async with place.in_another_group().consumer(scripted(heals, Effect.UNSAFE, BEYOND_PATIENCE)) as running:
        row = (await running.settled(1))["orders.sync"]
    assert (row["status"], row["step"]) == ("resolved", 1)


async def test_a_person_who_resolves_it_meanwhile_is_not_overruled(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation("1")
    await place.publish(event(org))
    at_it, go_on = asyncio.Event(), asyncio.Event()

    async def fails(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        at_it.set()
        await go_on.wait()
        return NotHealed(code=Code.NOT_HEALED, reason="still ill")

    async with place.consumer(scripted(fails)) as running:
        await asyncio.wait_for(at_it.wait(), PATIENCE)
        await place.db.execute("UPDATE workflow_failures SET resolved = true")
        go_on.set()
        row = (await running.settled(1))["orders.sync"]
    assert (row["status"], row["resolved"]) == ("resolved", True)
    assert await place.count("workflow_heal_attempts") == 1
    await oracle.credits_add_up(place, {org: "1"})


async def test_an_organisation_that_goes_in_the_middle_of_its_heal_takes_all_with_it(embedded_place: Site) -> None:
    place = embedded_place
    gone, other = await place.organisation(), await place.organisation()
    await place.publish(event(gone, 1, workflow_name="gone"), event(other, 2, workflow_name="other"))
    at_it, go_on = asyncio.Event(), asyncio.Event()

    async def heals(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        at_it.set()
        await go_on.wait()
        return PROVEN

    async with place.consumer(scripted(heals)) as running:
        await asyncio.wait_for(at_it.wait(), PATIENCE)
        await place.db.execute("DELETE FROM organizations WHERE id = $1", gone)
        go_on.set()
        rows = await running.settled(1)
    assert {name: row["status"] for name, row in rows.items()} == {"other": "resolved"}


async def test_one_organisations_many_due_failures_do_not_stand_before_anothers(embedded_place: Site) -> None:
    place = embedded_place.changed(resume={"per_organisation": 2}, heal={"slots": 6})
    loud, quiet = await place.organisation(), await place.organisation()
    for org, n in ((loud, 40), (quiet, 1)):
        await place.db.execute(
            "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, due_at)"
            " SELECT $1::uuid, $1::uuid::text || n, 'request timeout', clock_timestamp() - (100 - n) * interval '1 s'"
            " FROM generate_series(1, $2::int) AS n",
            org,
            n,
        )
    order: list[UUID] = []

    async def heals(task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        order.append(task.failure.org_id)
        return PROVEN

    async with place.consumer(scripted(heals)) as running:
        await running.settled(41)
    assert quiet in order[:6]


async def test_what_another_has_taken_over_is_neither_settled_nor_told_by_who_had_it(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation("1")
    await place.publish(event(org))

    async def is_overtaken(task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        await place.db.execute("UPDATE heal_claim SET owner = 'another' WHERE attempt_id = $1", task.attempt_id)
        return PROVEN

    async with place.consumer(scripted(is_overtaken)) as running:

        async def over() -> bool:
            return bool(await place.count("heal_claim WHERE owner = 'another'")) and len(running.consumer.live) == 0

        await until(over)
    row = (await place.failures())["orders.sync"]
    assert (row["status"], row["step"], await place.count("workflow_heal_attempts")) == ("pending", 0, 0)
    assert await place.count("heal_claim WHERE owner = 'another'") == 1
    assert await place.count("token_usage_events WHERE phase = 'settle'") == 0
    assert await place.results() == []


async def test_an_effect_of_a_claim_that_another_has_is_not_begun(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    await place.publish(event(org))
    begun = 0

    async def is_late(task: Task, gate: EffectGate) -> Outcome:
        nonlocal begun
        await place.db.execute("UPDATE heal_claim SET owner = 'another' WHERE attempt_id = $1", task.attempt_id)
        await gate.begin()
        begun += 1
        return PROVEN

    async with place.consumer(scripted(is_late, Effect.UNSAFE)) as running:

        async def over() -> bool:
            return bool(await place.count("heal_claim WHERE owner = 'another'")) and len(running.consumer.live) == 0

        await until(over)
    assert begun == 0
    assert await place.count("heal_claim WHERE NOT begun") == 1
