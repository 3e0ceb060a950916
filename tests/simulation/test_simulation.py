"""The consumer's own code on virtual time: whatever goes wrong, and in whatever order, every promise holds."""

import pytest
from hypothesis import given

from schemas.names import Effect, Status
from tests.simulation.scenarios import PROFILE, SCENARIOS
from tests.support.simulation.play import RUNGS
from tests.support.simulation.scenario import ORGS, Event, Fault, Scenario, Wrong, play
from tests.support.simulation.world import Act


@pytest.mark.timeout(900)
@PROFILE
@given(scenario=SCENARIOS)
def test_whatever_goes_wrong_every_promise_holds(scenario: Scenario) -> None:
    play(scenario)


def test_a_scenario_goes_the_same_way_each_time() -> None:
    events = tuple(Event(name=n, at=n, acts=(Act.SICK, Act.WORKS), scope=n % 2) for n in range(6))
    faults = (Fault(at=2, wrong=Wrong.CRASH, lasts=12), Fault(at=5, wrong=Wrong.CUT, lasts=3))
    scenario = Scenario(seed=7, machines=2, partitions=2, events=events, faults=faults)
    first, again = (play(scenario).sim.journal.lines for _ in range(2))
    assert len(first) > 10
    assert first == again


def test_whoever_tells_of_a_failed_run_tells_of_one_failure() -> None:
    events = tuple(Event(name=n, at=1 + n, partition=n, run=0, effect=Effect.UNSAFE) for n in range(3))
    faults = (Fault(at=2, wrong=Wrong.CUT, lasts=9), Fault(at=40, wrong=Wrong.CRASH, lasts=3))
    tables = play(Scenario(seed=3, machines=2, partitions=2, events=events, faults=faults)).sim.store.tables
    (row,) = tables.failures.values()
    assert row.status is Status.RESOLVED
    assert set(tables.same_run.values()) == {row.failure.id}
    assert len(tables.same_run) == 2


def test_an_unsafe_effect_whose_process_died_waits_for_a_person_and_keeps_its_scope() -> None:
    events = (Event(name=0, at=1, effect=Effect.UNSAFE, acts=(Act.LATE,)), Event(name=1, at=20))
    scenario = Scenario(seed=1, events=events, faults=(Fault(at=10, wrong=Wrong.CRASH, lasts=1),))
    oracle = play(scenario)
    rows = [row.status for row in oracle.sim.store.tables.failures.values()]
    assert rows == [Status.NEEDS_PERSON, Status.PENDING]
    assert [claim.owner for claim in oracle.sim.store.tables.claims.values()] == ["parked"]


def test_what_a_stopped_process_left_is_healed_by_another_and_nobody_acts_twice_at_once() -> None:
    events = (Event(name=0, at=1, effect=Effect.KEYED, acts=(Act.DEAF, Act.WORKS)),)
    faults = tuple(Fault(at=4, wrong=Wrong.STOP, machine=n, lasts=90) for n in range(1))
    oracle = play(Scenario(seed=3, machines=2, events=events, faults=faults))
    (row,) = oracle.sim.store.tables.failures.values()
    assert row.status is Status.RESOLVED
    assert row.failure.org_id == ORGS[0]


def test_what_a_process_was_charged_while_others_took_it_for_dead_is_settled() -> None:
    events = (Event(name=0, at=1, effect=Effect.UNSAFE, acts=(Act.MUTE,)),)
    faults = tuple(Fault(at=4, wrong=Wrong.STOP, machine=n, lasts=60) for n in range(1))
    tables = play(Scenario(seed=3, machines=2, events=events, faults=faults)).sim.store.tables
    (claim,) = tables.claims.values()
    assert [attempt.spent for _, attempt in tables.attempts.values()] == [0]
    assert (claim.owner, claim.charged) == ("parked", 10_000)


def test_where_one_rung_refuses_or_has_used_up_its_attempts_the_next_one_heals() -> None:
    events = (
        Event(name=0, at=1, effect=Effect.KEYED, acts=(Act.NO, Act.WORKS)),
        Event(name=1, at=1, scope=1, effect=Effect.KEYED, acts=(Act.SICK, Act.SICK, Act.SICK, Act.WORKS)),
        Event(name=2, at=1, scope=2, acts=(Act.NO, Act.NO)),
    )
    tables = play(Scenario(seed=5, events=events)).sim.store.tables
    made: dict[object, list[str]] = {}
    for failure_id, attempt in sorted(tables.attempts.values(), key=lambda one: one[1].step):
        made.setdefault(failure_id, []).append(attempt.strategy)
    retry, replacement = RUNGS
    assert sorted(made.values()) == [
        [retry, retry, replacement, replacement],
        [retry, replacement],
        [retry, replacement],
    ]
    ends = {len(made[row.failure.id]): row.status for row in tables.failures.values()}
    assert ends[4] is Status.RESOLVED
    assert sorted(row.status for row in tables.failures.values()) == ["given_up", "resolved", "resolved"]


def test_the_ladder_stays_where_a_keyed_call_was_never_answered() -> None:
    oracle = play(Scenario(seed=6, events=(Event(name=0, at=1, effect=Effect.KEYED, acts=(Act.MUTE,) * 4),)))
    (row,) = oracle.sim.store.tables.failures.values()
    assert row.status is Status.GIVEN_UP
    assert {attempt.strategy for _, attempt in oracle.sim.store.tables.attempts.values()} == {RUNGS[0]}
