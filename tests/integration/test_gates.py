"""What keeps a failure from being healed in the wrong moment: illness, unknown ends, limits, greedy neighbours."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from consumer.heal.strategy import EffectGate, Strategies, Task
from consumer.model import Healed, NotHealed, Outcome, Proof, Unknown
from consumer.pipeline import settle
from consumer.store import due
from schemas.names import Code, Effect, Verdict
from tests.support import oracle
from tests.support.patience import PATIENCE
from tests.support.pipeline import SECOND, Running, Site, catalog, event, until
from tests.support.worlds.scripted import scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it works"),))
ILL = NotHealed(code=Code.NOT_HEALED, reason="no answer", dependency_unhealthy=True)
QUICK: Mapping[str, Any] = {"first": 3, "strikes": 3, "probe_every": SECOND / 5, "probe_cap": SECOND / 5}
MANY = 40


@dataclass(slots=True)
class Dependency:
    """Another side that is ill until it is well, and counts who calls it and how many at once."""

    well: asyncio.Event = field(default_factory=asyncio.Event)
    calls: int = 0
    now: int = 0
    most: int = 0

    async def heal(self, task: Task, gate: EffectGate) -> Outcome:
        del task
        await gate.begin()
        self.calls, self.now = self.calls + 1, self.now + 1
        self.most = max(self.most, self.now)
        try:
            for _ in range(5):  # long enough for a second one to be seen beside it
                await asyncio.sleep(0)
            return PROVEN if self.well.is_set() else ILL
        finally:
            self.now -= 1

    @property
    def strategies(self) -> Strategies:
        return scripted(self.heal)


async def publish_many(place: Site, org: UUID, count: int = MANY, **context: Any) -> None:  # noqa: ANN401 - JSON
    names = [f"w{org.hex[:6]}.{n:03}" for n in range(count)]
    await place.publish(*(event(org, name, workflow_name=name, context=context) for name in names))


async def is_open(place: Site, number: int = 1) -> bool:
    return await place.count("heal_breaker WHERE opened_at IS NOT NULL") == number


async def probed(place: Site, times: int) -> bool:
    return bool(await place.count(f"heal_breaker WHERE failed_probes >= {times}"))


@pytest.fixture
def patient(embedded_place: Site) -> Site:
    """Waiters do not look again by themselves within a test: only a wake-up or a probe brings them back."""
    return embedded_place.changed(breaker=QUICK, heal={"waiter_retry": timedelta(minutes=5)})


async def test_an_ill_dependency_costs_a_handful_of_calls_and_one_probe_heals_all_that_waited(patient: Site) -> None:
    org = await patient.organisation()
    other_side = Dependency()
    await publish_many(patient, org, dependency="https://ill.test")
    async with patient.consumer(other_side.strategies) as running:
        await until(lambda: is_open(patient))
        before = other_side.calls
        other_side.most = 0
        await until(lambda: probed(patient, 3))
        assert (before <= QUICK["first"] + QUICK["strikes"], other_side.most) == (True, 1)
        assert running.metric("shw_breaker_changes_total", change="opened") == 1
        assert await patient.count("workflow_failures WHERE waits_on LIKE 'dependency:%'") >= MANY - before
        other_side.well.set()
        rows = await running.settled(MANY)
    assert {row["status"] for row in rows.values()} == {"resolved"}
    assert await patient.count("heal_breaker") == 0
    # Nobody paid for having been the probe.
    assert max(row["attempts"] for row in rows.values()) <= 2
    await oracle.everything_that_ended_was_told(patient)
    await oracle.one_attempt_per_step(patient)
    await oracle.credits_add_up(patient, {org: "10"})


async def test_two_replicas_send_one_probe_between_them(patient: Site) -> None:
    org = await patient.organisation()
    other_side = Dependency()
    await publish_many(patient, org, dependency="https://ill.test")
    async with (
        patient.consumer(other_side.strategies) as running,
        patient.in_another_group().consumer(other_side.strategies),
    ):
        await until(lambda: is_open(patient))
        other_side.most = 0
        await until(lambda: probed(patient, 5))
        assert other_side.most == 1
        other_side.well.set()
        rows = await running.settled(MANY)
    assert {row["status"] for row in rows.values()} == {"resolved"}


async def test_what_is_ill_for_one_organisation_is_called_for_another(patient: Site) -> None:
    dependency_unhealthy, well = await patient.organisation(), await patient.organisation()

    async def heal(task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        return ILL if task.failure.org_id == dependency_unhealthy else PROVEN

    await publish_many(patient, dependency_unhealthy, dependency="https://shared.test")
    async with patient.consumer(scripted(heal)):
        await until(lambda: is_open(patient))
        await publish_many(patient, well, dependency="https://shared.test")
        await until(lambda: _resolved(patient, well, MANY))
        assert await is_open(patient)


async def _resolved(place: Site, org: UUID, count: int) -> bool:
    return await place.count(f"workflow_failures WHERE resolved AND org_id = '{org}'") == count


async def test_a_breaker_outlives_the_process_that_opened_it(patient: Site) -> None:
    org = await patient.organisation()
    other_side = Dependency()
    await publish_many(patient, org, 3, dependency="https://ill.test")
    slow = patient.changed(
        breaker=dict(QUICK) | {"probe_every": timedelta(minutes=1), "probe_cap": timedelta(minutes=1)}
    )
    async with slow.consumer(other_side.strategies):
        await until(lambda: is_open(patient))
    calls = other_side.calls
    async with slow.consumer(other_side.strategies) as running:
        await running.consumer.resume.once()
        await publish_many(patient, org, MANY, dependency="https://ill.test")
        await until(lambda: _waiting(patient, MANY))
        assert other_side.calls == calls


async def _waiting(place: Site, at_least: int) -> bool:
    return await place.count("workflow_failures WHERE waits_on LIKE 'dependency:%'") >= at_least


async def test_a_slow_start_turns_away_and_takes_back_everybody_without_a_breaker(patient: Site) -> None:
    org = await patient.organisation()
    other_side = Dependency()
    other_side.well.set()
    await publish_many(patient, org, dependency="https://well.test")
    async with patient.consumer(other_side.strategies) as running:
        await running.settled(MANY)
    assert other_side.calls == MANY
    assert running.metric("shw_breaker_changes_total", change="opened") == 0


async def dies_in_effect(place: Site, org: UUID, **context: Any) -> None:  # noqa: ANN401 - JSON
    """Leave an unsafe effect behind of which nobody knows whether it happened."""
    at_it = asyncio.Event()

    async def dies(_: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        at_it.set()
        return await asyncio.Future()

    await place.publish(event(org, "first", workflow_name="first", context=context))
    async with place.consumer(scripted(dies, Effect.UNSAFE)) as dying:
        await asyncio.wait_for(at_it.wait(), PATIENCE)
        await dying.abandon()
    await place.time_passes()


async def heals(_: Task, gate: EffectGate) -> Outcome:
    await gate.begin()
    return PROVEN


async def status_of(place: Site, name: str) -> str:
    return str(await place.db.fetchval("SELECT status FROM workflow_failures WHERE workflow_name = $1", name))


async def has_status(place: Site, name: str, status: str) -> bool:
    return await status_of(place, name) == status


async def left(place: Site, org: UUID) -> str:
    return str(await place.db.fetchval("SELECT trim_scale(text_budget_aud) FROM token_wallets WHERE org_id = $1", org))


@pytest.mark.parametrize(
    "decision",
    [
        pytest.param("UPDATE workflow_failures SET resolved = true WHERE id = $1", id="it did happen"),
        pytest.param(
            "UPDATE workflow_failures SET status = 'given_up', due_at = NULL, step = step + 1 WHERE id = $1",
            id="nobody will know",
        ),
    ],
)
async def test_an_unknown_end_keeps_its_scope_and_its_credits_until_a_person_decides(
    embedded_place: Site, decision: str
) -> None:
    place = embedded_place.changed(heal={"waiter_retry": timedelta(minutes=5)})
    org = await place.organisation("1")
    await dies_in_effect(place, org, scope="same")
    async with place.in_another_group().consumer(scripted(heals, Effect.UNSAFE)) as running:
        await until(lambda: has_status(place, "first", "needs_person"))
        await place.publish(event(org, "second", workflow_name="second", context={"scope": "same"}))
        await until(lambda: place.count("workflow_failures WHERE waits_on IS NOT NULL"))
        assert (await status_of(place, "second"), await left(place, org)) == ("pending", "0.95")
        await oracle.credits_add_up(place, {org: "1"})
        await place.time_passes()  # a parked claim has no owner who could die
        await running.consumer.resume.once()
        assert await place.count("heal_claim WHERE owner = 'parked'") == 1
        await place.db.execute(
            decision, await place.db.fetchval("SELECT id FROM workflow_failures WHERE workflow_name = 'first'")
        )
        await until(lambda: has_status(place, "second", "resolved"))
        await running.settled(2)
    assert (await left(place, org), await place.count("heal_claim")) == ("1", 0)
    await oracle.credits_add_up(place, {org: "1"})


async def test_an_organisation_that_goes_takes_its_parked_claims_along(embedded_place: Site) -> None:
    org = await embedded_place.organisation("1")
    await dies_in_effect(embedded_place, org)
    async with embedded_place.in_another_group().consumer(scripted(heals, Effect.UNSAFE)):
        await until(lambda: has_status(embedded_place, "first", "needs_person"))
        await embedded_place.db.execute("DELETE FROM organizations WHERE id = $1", org)
        await until(lambda: _no_claims(embedded_place))


async def _no_claims(place: Site) -> bool:
    return not await place.count("heal_claim")


async def test_an_unknown_end_that_can_be_read_back_is_and_is_remembered_as_unsure(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation("1")
    await dies_in_effect(place, org, reads_back=True)
    seen: list[bool] = []

    async def reads_back(task: Task, gate: EffectGate) -> Outcome:
        seen.append(task.failure.effect_in_doubt)
        del gate
        return PROVEN if task.failure.effect_in_doubt else Unknown(reason="it should have been told")

    async with place.in_another_group().consumer(scripted(reads_back, Effect.UNSAFE)) as running:
        row = (await running.settled(1))["first"]
    assert (row["status"], row["step"], row["unsure"], seen) == ("resolved", 2, False, [True])
    await oracle.everything_that_ended_was_told(place)
    await oracle.credits_add_up(place, {org: "1"})


@dataclass(slots=True)
class Held:
    """A heal that waits to be let go, and notes which failures it was asked to heal."""

    at_it: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    healed: list[str] = field(default_factory=list)

    async def heal(self, task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        self.healed.append(task.failure.workflow_name)
        self.at_it.set()
        await self.go.wait()
        return PROVEN


@pytest.mark.parametrize(
    ("fault_digest", "healed"), [("d1", ["first"]), ("d2", ["first", "second"])], ids=["equal", "other"]
)
async def test_an_outcome_is_shared_with_equal_damage_only(
    embedded_place: Site, fault_digest: str, healed: list[str]
) -> None:
    place = embedded_place.changed(heal={"waiter_retry": timedelta(minutes=5)})
    org = await place.organisation("1")
    held = Held()
    async with place.consumer(scripted(held.heal)) as running:
        await place.publish(event(org, "first", workflow_name="first", context={"scope": "s", "damage": "d1"}))
        await asyncio.wait_for(held.at_it.wait(), PATIENCE)
        await place.publish(
            event(org, "second", workflow_name="second", context={"scope": "s", "damage": fault_digest})
        )
        await until(lambda: place.count("workflow_failures WHERE waits_on IS NOT NULL"))
        held.go.set()
        rows = await running.settled(2)
    assert held.healed == healed
    assert {name: row["status"] for name, row in rows.items()} == {"first": "resolved", "second": "resolved"}
    first, second = rows["first"]["id"], rows["second"]["id"]
    attempts = {
        row["failure_id"]: row for row in await place.db.fetch("SELECT * FROM workflow_heal_attempts WHERE step = 0")
    }
    assert attempts[second]["result"] == "success"
    shared = json.loads(attempts[second]["details"]).get("sharedWith")
    assert shared == (str(attempts[first]["id"]) if fault_digest == "d1" else None)
    assert rows["second"]["twin"] is None
    await oracle.everything_that_ended_was_told(place)
    await oracle.credits_add_up(place, {org: "1"})


def declared(place: Site, **policy: str) -> Site:
    """The same place, whose catalog says more of every workflow."""
    path = place.settings.catalog
    assert path is not None
    path.write_text(catalog(9, **policy))
    return place


async def codes(place: Site) -> list[tuple[str, str | None]]:
    rows = await place.db.fetch("SELECT result, details ->> 'code' AS code FROM workflow_heal_attempts ORDER BY 1, 2")
    return [(row["result"], row["code"]) for row in rows]


async def test_the_same_thing_is_healed_so_often_and_then_waits(embedded_place: Site) -> None:
    place = declared(embedded_place, same="{heals: 2, within: PT1H}")
    org = await place.organisation("1")
    reasons = [f"request timeout after {n} ms in run r-{n}" for n in range(4)]
    events = [event(org, n, failure_reason=reason) for n, reason in enumerate(reasons)]
    async with place.consumer(scripted(heals)) as running:
        await place.publish(*events, event(org, "other", failure_reason="quite another timeout"))
        await until(lambda: _ended(place, 5))
        await until(lambda: _no_claims(place))
    assert await codes(place) == [("failed", "retry_later")] * 2 + [("success", None)] * 3
    waits = await place.db.fetch(
        "SELECT due_at - clock_timestamp() AS wait FROM workflow_failures WHERE status = 'deferred'"
    )
    assert all(timedelta(minutes=59) < row["wait"] <= timedelta(hours=1) for row in waits)
    assert (
        running.metric(
            "shw_attempts_total", failure_type="api_timeout", strategy="auto-retry", result="failed", code="retry_later"
        )
        == 2
    )
    await oracle.credits_add_up(place, {org: "1"})


async def _ended(place: Site, count: int) -> bool:
    return await place.count("workflow_heal_attempts") == count


async def test_a_cool_down_parts_two_heals_of_the_same_thing(embedded_place: Site) -> None:
    place = declared(embedded_place, same="{heals: 100, within: PT1H, cool_down: PT10M}")
    org = await place.organisation("1")
    async with place.consumer(scripted(heals)):
        await place.publish(event(org, 1), event(org, 2))
        await until(lambda: _ended(place, 2))
        await until(lambda: _no_claims(place))
    assert await codes(place) == [("failed", "retry_later"), ("success", None)]


async def test_a_workflow_of_which_too_much_is_sick_at_once_is_braked(embedded_place: Site) -> None:
    place = declared(embedded_place, brake="{runs: 4, share: 0.5, within: PT10M}")
    org, other = await place.organisation("1"), await place.organisation("1")
    held = Held()
    async with place.consumer(scripted(held.heal)) as running:
        await place.publish(*(event(org, n) for n in range(3)))
        await until(lambda: _braked(running, 1))
        await place.publish(event(org, "late"), event(other, "elsewhere"))
        await until(lambda: _ended(place, 1))
        assert await codes(place) == [("failed", "retry_later")]
        assert await place.count("heal_claim") == 4  # what is under way ends, and the other organisation's is healed
        held.go.set()
        await until(lambda: _braked(running, 0))
        await until(lambda: _no_claims(place))
    assert await place.count("workflow_failures WHERE resolved") == 4
    assert await place.count("workflow_failures WHERE status = 'deferred'") == 1


async def _braked(running: Running, number: int) -> bool:
    return running.metric("shw_workflows_braked") == number


async def test_an_organisation_that_hangs_everything_holds_up_nobody(embedded_place: Site) -> None:
    place = embedded_place.changed(heal={"slots": 20})
    greedy, modest = await place.organisation(), await place.organisation()
    hung: list[UUID] = []

    async def heal(task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        if task.failure.org_id == greedy:
            hung.append(task.failure.id)
            await asyncio.Future()
        return PROVEN

    async with place.consumer(scripted(heal)) as running:
        await publish_many(place, greedy, 60)
        await until(lambda: _greedy_has(hung, 18))
        for n in range(30):
            await place.publish(event(modest, n, workflow_name=f"m{n}"))
        await until(lambda: _resolved(place, modest, 30))
        assert len(hung) == 18
        assert len(running.consumer.live) == 18
        await running.abandon()


async def _greedy_has(hung: list[UUID], number: int) -> bool:
    return len(hung) == number


async def test_who_waits_for_a_scope_does_not_wait_for_settlements_to_gather(
    patient: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "LINGER", timedelta(minutes=5))
    place = patient.changed(heal={"slots": 100})
    scopes, each = settle.LINGER_ABOVE + 12, 3
    org = await place.organisation()
    under_way: list[asyncio.Future[None]] = []

    async def heal(task: Task, gate: EffectGate) -> Outcome:
        del task
        await gate.begin()
        mine = asyncio.get_running_loop().create_future()
        under_way.append(mine)
        if len(under_way) == scopes:  # they end together, one of each scope, and are settled together
            for one in under_way:
                one.set_result(None)
            under_way.clear()
        await mine
        return PROVEN

    names = [f"s{scope}.{n}" for n in range(each) for scope in range(scopes)]
    async with place.consumer(scripted(heal)) as running:
        await place.publish(
            *(event(org, name, workflow_name=name, context={"scope": name.split(".")[0]}) for name in names)
        )
        rows = await running.settled(len(names))
    assert {row["status"] for row in rows.values()} == {"resolved"}


async def test_however_many_organisations_wait_each_has_its_turn(
    embedded_place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "WALK", 2)
    place = embedded_place.changed(heal={"slots": 3}, resume={"per_organisation": 1, "batch": 2})
    orgs = [await place.organisation() for _ in range(7)]
    await place.db.executemany(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason) VALUES ($1, $2, 'timeout')",
        [(org, f"{org}.{n}") for org in orgs for n in range(6)],
    )
    async with place.consumer(scripted(heals)) as running:
        rows = await running.settled(42)
    assert {row["status"] for row in rows.values()} == {"resolved"}
