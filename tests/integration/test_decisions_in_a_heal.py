"""A person decides while a call is under way: nothing more of it starts, and what it comes to is known afterwards."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from consumer.errors import TransientError
from consumer.heal.strategy import EffectGate, Task
from consumer.model import Healed, Outcome, Proof, Unknown
from consumer.ownership.permission import NOTHING_STARTS_AFTER
from schemas.heal_result import FAILURE_STATUS_TYPE
from schemas.names import Effect, Verdict
from tests.support.patience import BEYOND_PATIENCE, PATIENCE
from tests.support.pipeline import Site, environment_of, event, until
from tests.support.shw import Ran, shw
from tests.support.worlds.scripted import scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))
IN_DOUBT = Unknown(reason="the answer never came")


class Call:
    """One call at a time: it begins, is under way until it is let go, and ends as it is told."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.made = 0
        self.under_way = asyncio.Event()
        self.go = asyncio.Event()

    async def heal(self, _task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        self.made += 1
        self.under_way.set()
        await self.go.wait()
        return self.outcomes.pop(0)


async def _shw(place: Site, *arguments: str) -> Ran:
    return await asyncio.to_thread(shw, *arguments, settings=environment_of(place.settings))


async def the_failure(place: Site) -> UUID:
    return UUID(str(await place.db.fetchval("SELECT id FROM workflow_failures")))


async def row_of(place: Site) -> Any:  # noqa: ANN401 - asyncpg's record
    return (await place.failures())["w"]


async def give_up(place: Site) -> None:
    ran = await _shw(place, "give-up", str(await the_failure(place)), "--reason", "enough")
    assert ran.code == 0, ran.err


async def turn(place: Site, *, resolved: bool) -> None:
    await place.db.execute("UPDATE workflow_failures SET resolved = $1", resolved)


async def resolve_in_sql(place: Site) -> None:
    await turn(place, resolved=True)


DECIDES: list[tuple[Callable[[Site], Awaitable[None]], str]] = [(give_up, "given_up"), (resolve_in_sql, "resolved")]


async def _attempted(place: Site, step: int = 0) -> bool:
    return bool(await place.count(f"workflow_heal_attempts WHERE step = {step}"))


@pytest.mark.parametrize(("decides", "status"), DECIDES, ids=["given up", "resolved in SQL"])
async def test_what_was_learnt_about_the_world_is_written_whatever_a_person_decided_meanwhile(
    embedded_place: Site, decides: Callable[[Site], Awaitable[None]], status: str
) -> None:
    place, call = embedded_place, Call(IN_DOUBT, PROVEN)
    org = await place.organisation()
    await place.publish(event(org, "1", workflow_name="w", context={"scope": "s"}))
    async with place.consumer(scripted(call.heal, Effect.UNSAFE, BEYOND_PATIENCE)):
        await asyncio.wait_for(call.under_way.wait(), PATIENCE)
        await decides(place)
        call.go.set()
        await until(lambda: _attempted(place))
        row = await row_of(place)
        assert (row["status"], row["unsure"], row["attempts"]) == (status, True, 1)
        # Its end is not known: the decision knew nothing of that, and frees no scope.
        assert await place.count("heal_claim WHERE owner = 'parked'") == 1
        # Whoever opens it again opens it for a person.
        if status == "given_up":
            ran = await _shw(place, "heal", str(await the_failure(place)))
            assert ran.code == 1, ran.out
            assert "did-not-happen" in ran.err
        else:
            await turn(place, resolved=False)
            assert (await row_of(place))["status"] == "needs_person"
        assert await place.count("heal_claim WHERE owner = 'parked'") == 1
        assert call.made == 1
        # A person who has looked may say so, and it is made once more.
        ran = await _shw(place, "heal", str(await the_failure(place)), "--did-not-happen", "--wait", "20")
        assert ran.code == 0, ran.err
        assert call.made == 2
    row = await row_of(place)
    assert (row["status"], row["unsure"]) == ("resolved", False)


async def test_a_decision_that_knows_of_the_doubt_frees_the_scope(embedded_place: Site) -> None:
    place, call = embedded_place, Call(IN_DOUBT)
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer(scripted(call.heal, Effect.UNSAFE, BEYOND_PATIENCE)):
        await asyncio.wait_for(call.under_way.wait(), PATIENCE)
        await give_up(place)
        call.go.set()
        await until(lambda: _parked(place))
        ran = await _shw(place, "resolve", str(await the_failure(place)), "--reason", "it is in their books")
        assert ran.code == 0, ran.err
        await until(lambda: _unclaimed(place))
    assert (await row_of(place))["status"] == "resolved"


async def _parked(place: Site) -> int:
    return await place.count("heal_claim WHERE owner = 'parked'")


async def _unclaimed(place: Site) -> bool:
    return not await place.count("heal_claim")


async def test_a_call_that_healed_answers_whoever_opened_the_failure_again_meanwhile(embedded_place: Site) -> None:
    place, call = embedded_place, Call(PROVEN)
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer(scripted(call.heal, Effect.UNSAFE, BEYOND_PATIENCE)):
        await asyncio.wait_for(call.under_way.wait(), PATIENCE)
        await give_up(place)
        ran = await _shw(place, "heal", str(await the_failure(place)))
        assert ran.code == 0, ran.err
        call.go.set()
        await until(lambda: _is(place, "resolved"))
    assert call.made == 1


async def _is(place: Site, status: str) -> bool:
    return bool(await place.db.fetchval("SELECT status FROM workflow_failures") == status)


@pytest.mark.parametrize("effect", [Effect.IDEMPOTENT, Effect.KEYED, Effect.UNSAFE])
@pytest.mark.parametrize("decides", [give_up, resolve_in_sql], ids=["given up", "resolved in SQL"])
async def test_an_heir_does_not_make_the_call_after_the_decision(
    embedded_place: Site, decides: Callable[[Site], Awaitable[None]], effect: Effect
) -> None:
    place = embedded_place
    reached = asyncio.Event()
    made: list[str] = []

    async def dies_before(_task: Task, _gate: EffectGate) -> Outcome:
        reached.set()
        return await asyncio.Future()

    async def makes(task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        made.append(str(task.attempt_id))
        return PROVEN

    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer(scripted(dies_before, effect)) as dying:
        await asyncio.wait_for(reached.wait(), PATIENCE)
        await decides(place)
        await dying.abandon()
    await place.time_passes()
    async with place.in_another_group().consumer(scripted(makes, effect)):
        await until(lambda: _unclaimed(place))
    row = await row_of(place)
    assert row["status"] in ("given_up", "resolved")
    assert made == []
    assert await _attempted(place)


@pytest.mark.parametrize("effect", [Effect.IDEMPOTENT, Effect.KEYED, Effect.UNSAFE])
async def test_a_decision_is_answered_once_nothing_starts_any_more(embedded_place: Site, effect: Effect) -> None:
    place = embedded_place
    starts: list[float] = []

    async def tries_for_ever(_task: Task, gate: EffectGate) -> Outcome:
        while True:
            await gate.begin()
            starts.append(time.monotonic())
            await asyncio.sleep(0.01)

    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer(scripted(tries_for_ever, effect)):
        await until(lambda: _some(starts))
        before = time.monotonic()
        await give_up(place)
        answered = time.monotonic()
        assert answered - before >= NOTHING_STARTS_AFTER.total_seconds()
        await until(lambda: _attempted(place))
    assert max(starts) < answered
    assert (await row_of(place))["status"] == "given_up"


async def _some(starts: list[float]) -> bool:
    return bool(starts)


@pytest.mark.parametrize("effect", [Effect.NONE, Effect.KEYED, Effect.UNSAFE])
async def test_without_the_database_nothing_starts(
    embedded_place: Site, effect: Effect, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = embedded_place
    starts: list[float] = []
    gate_of: list[EffectGate] = []

    async def tries_for_ever(_task: Task, gate: EffectGate) -> Outcome:
        gate_of.append(gate)
        while True:
            await gate.begin()
            starts.append(time.monotonic())
            await asyncio.sleep(0.01)

    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer(scripted(tries_for_ever, effect)) as running:
        await until(lambda: _some(starts))
        permission = running.consumer.stages.lease.permission
        monkeypatch.setattr("consumer.store.leases.read_leases", _away)
        monkeypatch.setattr("consumer.store.leases.renew", _away)
        await until(lambda: _stale(permission))
        await asyncio.sleep(0.05)
        last = len(starts)
        await asyncio.sleep(0.2)
        assert len(starts) == last
        monkeypatch.undo()
        await until(lambda: _more(starts, last))
        await running.abandon()


async def _away(*_: object) -> None:
    raise TransientError("the database is away")


async def _stale(permission: Any) -> bool:  # noqa: ANN401 - a Permission
    return not permission.is_fresh()


async def _more(starts: list[float], than: int) -> bool:
    return len(starts) > than


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("UPDATE workflow_failures SET resolved = true", "resolved"),
        ("UPDATE workflow_failures SET status = 'given_up'", "given_up"),
        ("UPDATE workflow_failures SET status = 'resolved'", "resolved"),
        ("UPDATE workflow_failures SET status = 'pending', due_at = clock_timestamp() + interval '1 h'", "pending"),
        ("UPDATE workflow_failures SET status = 'resolved', resolved = true, due_at = NULL", "resolved"),
    ],
)
async def test_every_change_of_status_is_told_whoever_made_it(
    embedded_place: Site, statement: str, status: str
) -> None:
    place = embedded_place

    async def unknown(_task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        return IN_DOUBT

    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer(scripted(unknown, Effect.UNSAFE)) as running:
        await until(lambda: _is(place, "needs_person"))
        await running.settled(1)
        await place.db.execute(statement)
        row = await row_of(place)
        assert (row["status"], row["resolved"], row["step"]) == (status, status == "resolved", 2)

        async def told() -> list[Any]:
            found = [one for one in await place.results() if one["type"] == FAILURE_STATUS_TYPE]
            return [one for one in found if one["data"]["step"] == 2]

        (last,) = await until(told)
    assert last["data"]["status"] == status
    assert last["data"]["reason"].startswith("changed in the database by ")


async def test_two_changes_in_sql_before_they_are_told_are_told_in_their_order(embedded_place: Site) -> None:
    place = embedded_place
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))

    async def later(_task: Task, _gate: EffectGate) -> Outcome:
        return IN_DOUBT

    async with place.consumer(scripted(later, Effect.UNSAFE)) as running:
        await until(lambda: _is(place, "needs_person"))
        await running.settled(1)
        for resolved in (True, False, True):
            await turn(place, resolved=resolved)

        async def told() -> bool:
            return not await place.count("heal_status_change") and not await place.count("heal_outbox")

        await until(told)
        found = [one["data"] for one in await place.results() if one["type"] == FAILURE_STATUS_TYPE]
    assert [(one["step"], one["status"]) for one in found] == [
        (1, "needs_person"),
        (2, "resolved"),
        (3, "needs_person"),
        (4, "resolved"),
    ]


async def test_the_first_decision_of_a_running_heal_moves_the_step_past_what_it_tells(embedded_place: Site) -> None:
    place, call = embedded_place, Call(PROVEN)
    await place.publish(event(await place.organisation(), "1", workflow_name="w"))
    async with place.consumer(scripted(call.heal, Effect.IDEMPOTENT)) as running:
        await asyncio.wait_for(call.under_way.wait(), PATIENCE)
        await turn(place, resolved=True)
        call.go.set()
        await running.settled(1)
        await until(lambda: _all_told(place))
    events = [(one["data"]["step"], one["data"]["status"]) for one in await place.results()]
    assert events == [(0, "resolved"), (2, "resolved")]


async def _all_told(place: Site) -> bool:
    return not await place.count("heal_status_change") and not await place.count("heal_outbox")


@pytest.mark.parametrize("ahead", [timedelta(minutes=2), timedelta(minutes=-2)], ids=["ahead", "back"])
async def test_a_jump_of_the_databases_clock_lets_no_second_heal_begin(embedded_place: Site, ahead: timedelta) -> None:
    place = embedded_place
    live: set[str] = set()
    broken: list[str] = []
    go = asyncio.Event()

    async def heal(task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        scope = task.plan.intent.scope
        if scope in live:
            broken.append(scope)
        live.add(scope)
        await go.wait()
        return PROVEN

    org = await place.organisation()
    for n in range(10):
        await place.publish(event(org, str(n), workflow_name=f"w{n}"))
    async with place.consumer(scripted(heal, Effect.IDEMPOTENT)) as one:
        await until(lambda: _ten(live))
        async with place.in_another_group().consumer(scripted(heal, Effect.IDEMPOTENT)) as other:
            # To every time that stands in the database, a jump of its clock is the same as this.
            await place.time_passes(ahead)
            looks = other.consumer.stages.lease

            async def watched_for_a_lease() -> bool:
                seen = looks._watch._seen.get(one.consumer.me)  # noqa: SLF001
                return seen is not None and time.monotonic() - started > 2 * place.settings.heal.lease.total_seconds()

            started = time.monotonic()
            await until(watched_for_a_lease)
            assert await place.count("heal_claim WHERE epoch > 0") == 0
            go.set()
            await one.settled(10)
    assert broken == []


async def _ten(live: set[str]) -> bool:
    return len(live) == 10


async def test_a_host_whose_clock_is_two_days_ahead_gives_up_nothing_fresh(embedded_place: Site) -> None:
    place = embedded_place

    async def heals(_task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        return PROVEN

    # The database's clock two days back is, to a process, its own two days ahead.
    await place.db.execute("CREATE SCHEMA shifted")
    await place.db.execute(
        "CREATE FUNCTION shifted.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS"
        " $$ SELECT pg_catalog.clock_timestamp() - interval '2 days' $$"
    )
    await place.db.execute(
        "CREATE FUNCTION shifted.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS"
        " $$ SELECT pg_catalog.statement_timestamp() - interval '2 days' $$"
    )
    await place.db.execute("GRANT USAGE ON SCHEMA shifted TO PUBLIC")
    name = await place.db.fetchval("SELECT current_database()")
    await place.db.execute(f'ALTER DATABASE "{name}" SET search_path = shifted, pg_catalog, public')
    detected = (datetime.now(UTC) - timedelta(days=2, seconds=1)).isoformat()
    await place.publish(event(await place.organisation(), "1", workflow_name="w", detected_at=detected))
    async with place.consumer(scripted(heals, Effect.IDEMPOTENT)) as running:
        await until(lambda: _is_there(place))
        await running.settled(1)
        skew = running.consumer.stages.clock.skew
    assert abs(skew - timedelta(days=2)) < timedelta(minutes=1)
    assert (await row_of(place))["status"] == "resolved"


async def _is_there(place: Site) -> bool:
    return bool(await place.count("workflow_failures"))


async def test_claims_that_an_heir_would_heal_otherwise_take_no_room_of_their_dependency(embedded_place: Site) -> None:
    place = embedded_place
    reached: list[str] = []
    go = asyncio.Event()

    async def dies(task: Task, _gate: EffectGate) -> Outcome:
        reached.append(str(task.attempt_id))
        return await asyncio.Future()

    async def heals(_task: Task, gate: EffectGate) -> Outcome:
        await go.wait()
        await gate.begin()
        return PROVEN

    org = await place.organisation()
    for n in range(10):
        await place.publish(event(org, str(n), workflow_name=f"w{n}", context={"dependency": "d"}))

    async def all_reached() -> bool:
        return len(reached) == 10

    async with place.consumer(scripted(dies, Effect.IDEMPOTENT)) as dying:
        await until(all_reached)
        await dying.abandon()
    # As another release, or another catalog, planned them.
    await place.db.execute("UPDATE heal_claim SET strategy = 'schema-autofix'")
    await place.time_passes()
    async with place.in_another_group().consumer(scripted(heals, Effect.IDEMPOTENT)) as running:
        await until(lambda: _ended_otherwise(place))
        go.set()
        await until(lambda: _all_resolved(place))
        assert running.consumer.stages.dependencies.under_way() == {}


async def _all_resolved(place: Site) -> bool:
    return await place.count("workflow_failures WHERE resolved") == 10 and not await place.count("heal_claim")


async def _ended_otherwise(place: Site) -> bool:
    return await place.count("workflow_heal_attempts WHERE strategy = 'schema-autofix'") == 10
