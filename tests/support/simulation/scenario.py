"""One run of a simulation: what is published, what goes wrong and when; and playing it from its seed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final
from uuid import UUID

from consumer.ingest.decode import AdmissionRules
from consumer.model import FailureId, OrgId
from consumer.model.approval import AnswerResult, PlanAnswer
from consumer.model.decision import Decision, DecisionResult
from consumer.model.pause import HealingPause, PauseReach
from schemas.names import Effect, Status, StrategyName
from tests.support.simulation.loop import EPOCH
from tests.support.simulation.oracle import Oracle
from tests.support.simulation.orders import EXPIRED_AFTER, VALID_FOR
from tests.support.simulation.play import CATALOG, QUIET_WITHIN, Machine, Simulation
from tests.support.simulation.world import Act

ORGS: Final = tuple(OrgId(UUID(int=0x40008000 << 64 | n)) for n in range(3))
"""A rich one, a poor one, and one that is not known here."""
BUDGETS: Final[Mapping[OrgId, int | None]] = {ORGS[0]: 10_000_000, ORGS[1]: 120_000}


class Wrong(StrEnum):
    """What goes wrong, or happens, at a time."""

    CRASH = "crash"  # a process dies, and comes back after a while
    STOP = "stop"  # a process stands still for a while, and goes on as if nothing had been
    RESTART = "restart"  # a process is stopped cleanly, and comes back
    DATABASE_AWAY = "database away"
    CUT = "cut"  # the database is slow, and answers get lost
    BROKER_AWAY = "broker away"
    BY_HAND = "by hand"  # a person resolves a failure, or opens it again
    GIVE_UP = "give up"  # a person closes a failure
    ASK = "ask"  # a person asks for a heal of a failure that was given up
    SAW_NOTHING = "saw nothing"  # a person says of a failure in doubt that its effect did not happen
    PAUSE = "pause"  # a person pauses healing within a reach, and resumes it after a while
    CLOCK_JUMPS = "clock jumps"  # the database's clock, by so many seconds times ten
    APPROVE = "approve"  # a person reads a plan that is asked for, and says yes to it after a while, twice
    DENY = "deny"  # a person reads a plan that is asked for, or approved, and says no after a while
    TOP_UP = "top up"  # somebody pays
    COMMAND = "command"  # a supervisor signs a command; each machine gets it, and one of them once more when it expired
    OLD_COMMAND = "old command"  # likewise, and it has expired before anybody gets it
    EDIT = "edit"  # a supervisor gives a failed step another input
    BULK = "bulk"  # a supervisor freezes a bulk, starts it after a while, stops it, and goes on with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One record of a publisher; the same `name` is the same event."""

    name: int
    at: float
    partition: int = 0
    org: int = 0
    scope: int = 0
    effect: Effect = Effect.IDEMPOTENT
    acts: tuple[Act, ...] = (Act.WORKS,)
    dependency: int | None = None
    fault_digest: bool = False
    """Whether what is broken is the scope itself, and so the same for all of it."""
    poison: bool = False
    asked: bool = False
    """Whether its first rung needs a person's yes."""
    run: int | None = None
    """The run whose failed step it tells of: events of other ids may tell of the same."""

    def value(self) -> bytes:
        """Give the record's bytes."""
        context: dict[str, Any] = {"scope": f"s{self.scope}", "effect": self.effect, "acts": list(self.acts)}
        if self.dependency is not None:
            context["dependency"] = f"d{self.dependency}"
        if self.fault_digest:
            context["damage"] = f"damage of s{self.scope}"
        workflow = "orders.asked" if self.asked else "orders.sync"
        if self.run is not None:
            context["run"] = {"id": f"r{self.run}", "epoch": 1, "step": "charge"}
            workflow = "orders.run"
        data: dict[str, Any] = {
            "org_id": str(ORGS[self.org]),
            "workflow_name": workflow,
            "failure_reason": "request timeout",
            "context": context,
        }
        event = {"specversion": "1.0", "id": str(self.name), "source": "urn:test", "type": "workflow.failure.v1"}
        return b"{poison" if self.poison else json.dumps(event | {"data": data}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong."""

    at: float
    wrong: Wrong
    machine: int = 0
    lasts: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything that decides how a run goes."""

    seed: int
    machines: int = 1
    partitions: int = 1
    events: tuple[Event, ...] = ()
    faults: tuple[Fault, ...] = ()


def play(scenario: Scenario) -> Oracle:
    """Play a scenario to its end, and hold it against the promises."""
    sim = Simulation(scenario.seed, scenario.machines, scenario.partitions, BUDGETS)
    door = AdmissionRules(catalog=CATALOG, max_event_bytes=1_000_000)
    oracle = Oracle(sim=sim, door=door, budgets=BUDGETS)
    oracle.watch()
    with sim.installed():
        try:
            _play(scenario, sim, oracle)
        except AssertionError as error:
            error.add_note("\n".join(["the processes' log:", *sim.journal.lines[-120:]]))
            raise
        finally:
            sim.close()
    return oracle


def _play(scenario: Scenario, sim: Simulation, oracle: Oracle) -> None:
    for machine in sim.machines:
        sim.start(machine)
    for event in scenario.events:
        partition = sim.broker.partitions[event.partition % scenario.partitions]
        sim.timeline.after(event.at, partial(sim.broker.append, partition, event.value()))
    for fault in scenario.faults:
        sim.timeline.after(fault.at, partial(_happens, fault, sim, oracle))
    ends = [event.at for event in scenario.events] + [fault.at + fault.lasts for fault in scenario.faults]
    sim.run_until(max(ends, default=0) + 0.001)
    for machine in sim.machines:
        machine.stopped = False
        sim.start(machine)
    assert sim.run_until(sim.timeline.now + QUIET_WITHIN, oracle.is_quiet), oracle.what_is_left()
    oracle.everything_holds()


def _happens(fault: Fault, sim: Simulation, oracle: Oracle) -> None:
    machine = sim.machines[fault.machine % len(sim.machines)]
    over = sim.timeline.now + fault.lasts
    sim.journal.note(fault.wrong, machine=machine.owner, lasts=fault.lasts)
    match fault.wrong:
        case Wrong.CRASH:
            sim.crash(machine)
            sim.timeline.after(fault.lasts, lambda: sim.start(machine))
        case Wrong.STOP:
            machine.stopped = machine.alive
            sim.timeline.after(fault.lasts, lambda: _goes_on(machine))
        case Wrong.RESTART:
            sim.say_stop(machine, fault.lasts)
        case Wrong.DATABASE_AWAY:
            sim.weather.away_until = over
        case Wrong.CUT:
            sim.weather.cut_until = over
        case Wrong.BROKER_AWAY:
            sim.broker.down_until = over
        case Wrong.CLOCK_JUMPS:
            sim.store.ahead += 10 * fault.lasts * (-1 if fault.machine % 3 == 2 else 1)
        case Wrong.TOP_UP:
            oracle.topped_up[ORGS[1]] += 200_000
            sim.store.top_up(ORGS[1], 200_000)
        case _:
            _decides(fault, sim, oracle)


REACHES: Final = (
    PauseReach(),
    PauseReach(org_id=ORGS[0]),
    PauseReach(workflow_name="orders.*"),
    PauseReach(strategy=StrategyName.AUTO_RETRY),
    PauseReach(dependency="d0"),
)


def _pauses(fault: Fault, sim: Simulation) -> None:
    pause = HealingPause(
        id=UUID(int=len(sim.journal.lines)),
        reach=REACHES[fault.machine % len(REACHES)],
        reason="a move",
        by="a person",
        starts_at=EPOCH,
        ends_at=None,
    )
    sim.store.pause(pause)
    sim.timeline.after(fault.lasts, lambda: sim.store.resume(pause.id))


def _reads_a_plan(fault: Fault, sim: Simulation, oracle: Oracle) -> None:
    asked = sorted(sim.store.tables.questions)
    if not asked:
        return
    failure_id = asked[fault.machine % len(asked)]
    question = sim.store.tables.questions[failure_id]
    answer = PlanAnswer(
        approves=fault.wrong is Wrong.APPROVE,
        plan_hash=question.request.plan_hash,
        step=question.step,
        by=f"person {fault.machine % 2}",
        reason="read",
    )
    for again in (0.0, 0.3):
        sim.timeline.after(fault.lasts + again, lambda: _answers(failure_id, answer, sim, oracle))


def _answers(failure_id: FailureId, answer: PlanAnswer, sim: Simulation, oracle: Oracle) -> None:
    tables = sim.store.tables
    row, question = tables.failures[failure_id], tables.questions.get(failure_id)
    result = sim.store.answer_plan(failure_id, answer)
    sim.journal.note(f"answered {result}", failure=failure_id, approves=answer.approves)
    if result is AnswerResult.APPROVED:
        oracle.a_yes_is_for_what_was_read(row, question, answer)


def _commands(fault: Fault, sim: Simulation) -> None:
    machine = sim.machines[fault.machine % len(sim.machines)]
    rows = sorted(sim.store.tables.failures.values(), key=lambda row: row.failure.id)
    if not rows:
        return
    failure = rows[fault.machine % len(rows)].failure
    said: dict[str, Any] = {"command": "heal", "org_id": str(failure.org_id), "failure_id": str(failure.id)}
    if fault.wrong is Wrong.EDIT:
        said |= {"command": "edit", "payload": {"edit": len(sim.supervisor.until)}}
    elif fault.machine % 2:
        said |= {"command": "give_up"}
    record = sim.supervisor.sign(sim.timeline.now, said)
    # Two have it at once, as in a rebalance; and it is read again from an older offset, when it has expired.
    late = EXPIRED_AFTER + 5 if fault.wrong is Wrong.OLD_COMMAND else 0.0
    for other, after in ((machine, late), (sim.machines[-1], late + 0.1), (machine, late + 2 * VALID_FOR)):
        sim.send(other, record, after)


def _does_many(fault: Fault, sim: Simulation) -> None:
    machine = sim.machines[fault.machine % len(sim.machines)]
    bulk_id, org_id = sim.supervisor.next_bulk(), str(ORGS[fault.machine % 2])
    statuses = ("pending", "deferred", "given_up")
    many = {"command": "bulk", "org_id": org_id, "action": ("heal", "give_up")[fault.machine % 3 == 2], "rate": 2}
    said: tuple[tuple[float, dict[str, Any]], ...] = (
        (0.0, many | {"filter": {"statuses": statuses}}),
        (fault.lasts, {"command": "bulk_start"}),
        (fault.lasts + 2, {"command": "bulk_stop"}),
        (fault.lasts + 6, {"command": "bulk_start"}),
    )
    for after, one in said:
        named = one if one is said[0][1] else one | {"org_id": org_id, "bulk_id": str(bulk_id)}
        sim.timeline.after(after, partial(_sends, sim, machine, named))


def _sends(sim: Simulation, machine: Machine, said: dict[str, Any]) -> None:
    record = sim.supervisor.sign(sim.timeline.now, said)
    sim.send(machine, record, 0.0)
    sim.send(sim.machines[-1], record, 0.1)


def _goes_on(machine: Machine) -> None:
    machine.stopped = False


def _decides(fault: Fault, sim: Simulation, oracle: Oracle) -> None:
    if fault.wrong is Wrong.PAUSE:
        _pauses(fault, sim)
        return
    if fault.wrong in (Wrong.APPROVE, Wrong.DENY):
        _reads_a_plan(fault, sim, oracle)
        return
    if fault.wrong in (Wrong.COMMAND, Wrong.OLD_COMMAND, Wrong.EDIT):
        _commands(fault, sim)
        return
    if fault.wrong is Wrong.BULK:
        _does_many(fault, sim)
        return
    rows = sorted(sim.store.tables.failures.values(), key=lambda row: row.failure.id)
    if not rows:
        return
    row = rows[fault.machine % len(rows)]
    failure_id = row.failure.id
    oracle.by_hand.add(failure_id)
    match fault.wrong:
        case Wrong.GIVE_UP:
            sim.store.decide(failure_id, Decision.GIVE_UP)
        case Wrong.ASK:
            sim.store.ask_heal(failure_id)
        case Wrong.SAW_NOTHING:
            if sim.store.decide(failure_id, Decision.DID_NOT_HAPPEN) is DecisionResult.DONE:
                sim.world.said_not_to_have_happened[failure_id] += 1
        case _:
            sim.store.resolve_by_hand(failure_id, resolved=row.status is not Status.RESOLVED)
