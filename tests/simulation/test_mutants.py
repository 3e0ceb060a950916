"""A simulation that cannot fail proves nothing: what is broken on purpose is caught, within the profile's examples."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

import pytest

import consumer.ingest.decode
import consumer.pipeline.healing
import consumer.plan.next_step
import consumer.results.settlement
from consumer.errors import TransientError
from consumer.heal.gate import Gate
from consumer.ingest.offsets import Epochs
from consumer.ingest.run_key import with_run_key
from consumer.model import (
    AttemptId,
    Claim,
    Failure,
    FailureId,
    JsonObject,
    MicroAud,
    Next,
    Outcome,
    OwnerId,
    Partition,
    Plan,
    Settlement,
)
from consumer.model.approval import Approval, ApprovalState, PlanAnswer
from consumer.model.batch import Received
from consumer.model.bulk import FrozenFailure
from consumer.ownership.permission import Permission
from consumer.pipeline.durable import until_durable
from consumer.pipeline.healing import HealTasks
from consumer.pipeline.inherited import Continued, continue_from_state, ends_unhealed
from consumer.pipeline.intake import Intake
from consumer.pipeline.late_charges import LateCharges
from consumer.plan.planner import Planner
from consumer.store.late_charges import LateCharge
from consumer.store.leases import Inherited
from schemas.bulk import BulkFilter
from schemas.names import Effect, Status
from tests.simulation.scenarios import EXAMPLES
from tests.support.simulation.orders import ModelConnection, find, next_slice
from tests.support.simulation.play import RUNGS
from tests.support.simulation.scenario import Event, Fault, Scenario, Wrong, play
from tests.support.simulation.store import Claimed, ModelStore, Row
from tests.support.simulation.world import Act

Break: TypeAlias = Callable[[pytest.MonkeyPatch], None]
Scenes: TypeAlias = Callable[[int], Scenario]


def an_assignment_forgets_nothing_of_the_one_before(patch: pytest.MonkeyPatch) -> None:
    def assign(epochs: Any, partitions: Iterable[Partition]) -> None:  # noqa: ANN401 - Epochs, from within
        epochs._since = dict.fromkeys(partitions, 1)  # noqa: SLF001
        epochs._open = {one: epochs._open.get(one, deque()) for one in epochs._since}  # noqa: SLF001

    patch.setattr(Epochs, "assign", assign)
    patch.setattr(Epochs, "revoke", lambda _: None)


def an_event_has_a_run_of_its_own(patch: pytest.MonkeyPatch) -> None:
    def keyed(failure: Failure, runner: str | None) -> Failure:
        found = with_run_key(failure, runner)
        return found if found.run_key is None else replace(found, run_key=found.run_key + found.id.bytes)

    patch.setattr(consumer.ingest.decode, "with_run_key", keyed)


def a_takeover_ignores_the_deadline(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ModelStore, "is_abandoned", lambda store, claim, dead: store.is_dead(claim.owner, dead))


def a_settle_has_no_fence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ModelStore, "may_settle", lambda *_: True)


def what_follows_forgets_the_due_time(patch: pytest.MonkeyPatch) -> None:
    after = consumer.plan.next_step.next_step

    def forgets(*args: Any, **kwargs: Any) -> Next:  # noqa: ANN401 - whatever it takes
        following = after(*args, **kwargs)
        return replace(following, due_in=None) if following.status is Status.PENDING else following

    patch.setattr(consumer.results.settlement, "next_step", forgets)


def the_gate_knows_no_deadline(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Gate, "_left", lambda _: 1000.0)


def nothing_is_written_before_an_unsafe_effect(patch: pytest.MonkeyPatch) -> None:
    async def begins(gate: Any) -> None:  # noqa: ANN401 - a Gate, from within
        gate._carried.begun = gate._carried.begun_since = True  # noqa: SLF001
        gate._started(gate._claim.attempt_id)  # noqa: SLF001

    patch.setattr(Gate, "begin", begins)


def a_pick_does_not_wait_for_what_has_yet_to_be_told(patch: pytest.MonkeyPatch) -> None:
    def is_busy(store: ModelStore, failure_id: object) -> bool:
        return any(claim.failure_id == failure_id for claim in store.tables.claims.values())

    patch.setattr(ModelStore, "is_busy", is_busy)


def intake_gives_up_where_the_database_is_away(patch: pytest.MonkeyPatch) -> None:
    once = Intake._once  # noqa: SLF001

    async def gives_up(*args: Any, retaking: bool) -> Received:  # noqa: ANN401 - whatever it takes
        try:
            return await once(*args, retaking=retaking)
        except TransientError:
            return Received()

    patch.setattr(Intake, "_once", gives_up)


def the_ladder_goes_on_while_a_key_is_in_doubt(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Planner, "_ladder", lambda *_: RUNGS)


def a_lease_is_judged_by_the_clock(patch: pytest.MonkeyPatch) -> None:
    def is_dead(store: ModelStore, owner: OwnerId, dead: object) -> bool:  # noqa: ARG001 - the model's
        return store.tables.leases.get(owner, float("-inf")) < store.now()

    patch.setattr(ModelStore, "is_dead", is_dead)


def a_decision_forgets_what_the_heal_learns(patch: pytest.MonkeyPatch) -> None:
    step_on = ModelStore._step_on  # noqa: SLF001

    def forgets(store: Any, settlement: Settlement, step: int) -> None:  # noqa: ANN401 - ModelStore, from within
        if store.tables.failures[settlement.failure.id].failure.step == step:
            step_on(store, settlement, step)

    patch.setattr(ModelStore, "_step_on", forgets)
    a_decision_frees_the_scope_of_an_effect_in_doubt(patch)


def a_decision_frees_the_scope_of_an_effect_in_doubt(patch: pytest.MonkeyPatch) -> None:
    let_go = ModelStore._let_go  # noqa: SLF001

    def frees(store: Any, settlement: Settlement, claim: Claimed) -> bool:  # noqa: ANN401
        if store.tables.failures[claim.failure_id].failure.step == claim.step:
            return let_go(store, settlement, claim)
        del store.tables.claims[claim.scope]
        return False

    patch.setattr(ModelStore, "_let_go", frees)


def an_heir_acts_on_what_was_revoked(patch: pytest.MonkeyPatch) -> None:
    ends = ends_unhealed

    def acts(inherited: Inherited, plan: Plan) -> Outcome | None:
        return ends(replace(inherited, revoked=False), plan)

    patch.setattr(consumer.pipeline.healing, "ends_unhealed", acts)
    no_revocation_reaches_the_gate(patch)


def nothing_is_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ModelStore, "keep", lambda *_: None)


def what_begins_after_the_state_is_not_known(patch: pytest.MonkeyPatch) -> None:
    begin = ModelStore.begin

    def begins(store: Any, owner: OwnerId, claim: Claim) -> None:  # noqa: ANN401 - ModelStore, from within
        begin(store, owner, claim)
        store._reclaim(replace(store._owned(owner, claim), begun_since=False))  # noqa: SLF001

    patch.setattr(ModelStore, "begin", begins)


def an_heir_begins_anew_whatever_was_kept(patch: pytest.MonkeyPatch) -> None:
    inherit = HealTasks.inherit

    def anew(healing: Any, inherited: Inherited, sent_at: float) -> None:  # noqa: ANN401 - HealTasks, from within
        inherit(healing, replace(inherited, state=None, begun=False), sent_at)

    patch.setattr(HealTasks, "inherit", anew)


def a_suspension_has_no_owner_to_take_it_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ModelStore, "is_due_again", lambda *_: False)


def a_suspension_has_no_fence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ModelStore, "may_suspend", lambda *_: True)


def suspensions_are_asked_for_twice(patch: pytest.MonkeyPatch) -> None:
    """Let the server carry each out once more, later: its client had given it up, and had asked again."""
    late: set[asyncio.Task[object]] = set()

    async def twice(attempt: Any, *logged: Any) -> Any:  # noqa: ANN401 - whatever it takes and gives
        first = await until_durable(attempt, *logged)
        # Begun when it is due: a task that the scenario's end keeps from ever beginning would warn in a later test.
        asyncio.get_running_loop().call_later(4, lambda: late.add(asyncio.create_task(once_more(attempt))))
        return first

    async def once_more(attempt: Any) -> None:  # noqa: ANN401 - whatever it takes
        with suppress(TransientError):
            await attempt()

    patch.setattr("consumer.pipeline.suspend.until_durable", twice)


def who_goes_on_keeps_the_epoch(patch: pytest.MonkeyPatch) -> None:
    suspensions_are_asked_for_twice(patch)
    patch.setattr(ModelStore, "epoch_of_going_on", lambda _, claim: claim.epoch)


def what_was_kept_is_gone_on_with_whatever_a_person_decided(patch: pytest.MonkeyPatch) -> None:
    decode = continue_from_state

    def goes_on(*args: Any) -> Continued:  # noqa: ANN401 - whatever it takes
        continued = decode(*args)
        return replace(continued, kept=continued.kept and replace(continued.kept, revoked=False))

    patch.setattr(consumer.pipeline.healing, "continue_from_state", goes_on)


def a_charge_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Gate, "charge", lambda *_: None)


def what_a_heal_cost_is_forgotten_with_its_claim(patch: pytest.MonkeyPatch) -> None:
    async def forgets(*_: object) -> None:
        return None

    patch.setattr(LateCharges, "count", forgets)


def a_late_charge_counts_whoever_settled(patch: pytest.MonkeyPatch) -> None:
    """Let a process that settled it in a transaction whose commit was not answered count it once more."""
    count = ModelStore.count_late_charge

    def counts(store: Any, charge: LateCharge) -> bool:  # noqa: ANN401 - ModelStore, from within
        return count(store, replace(charge, finished_at=None))

    patch.setattr(ModelStore, "count_late_charge", counts)


def an_heir_forgets_what_was_charged(patch: pytest.MonkeyPatch) -> None:
    inherited = ModelStore.inherited

    def forgets(store: Any, owner: OwnerId, attempts: Sequence[AttemptId]) -> list[Inherited]:  # noqa: ANN401 - ModelStore, from within
        read = inherited(store, owner, attempts)
        return [replace(one, state=one.state and replace(one.state, charged=MicroAud(0))) for one in read]

    patch.setattr(ModelStore, "inherited", forgets)


def no_revocation_reaches_the_gate(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Permission, "is_revoked", lambda *_: False)


def no_pause_reaches_the_gate(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Permission, "pause_over", lambda *_: None)


def no_yes_is_needed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("consumer.plan.planner.under_approval", lambda plan, *_: plan)


def a_yes_holds_for_every_step(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Approval, "permits", lambda approval, *_: approval.state is ApprovalState.APPROVED)


def silence_is_a_yes(patch: pytest.MonkeyPatch) -> None:
    expire = ModelStore.expire_unanswered

    def approves(store: Any) -> list[UUID]:  # noqa: ANN401 - ModelStore, from within
        expired = expire(store)
        for failure_id in expired:
            row = store.tables.failures[failure_id]
            until = row.failure.approval.until + timedelta(hours=1)
            yes = replace(row.failure.approval, state=ApprovalState.APPROVED, step=row.failure.step, until=until)
            store._write(replace(row, failure=replace(row.failure, approval=yes)))  # noqa: SLF001
        return expired

    patch.setattr(ModelStore, "expire_unanswered", approves)


def a_yes_counts_whenever_it_comes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ModelStore, "too_late", lambda *_: None)


def a_denial_revokes_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ModelStore, "revoke_for_denial", lambda *_: False)


def a_denial_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Let a plan that was denied be asked for again, and a yes to that count."""
    answered = ModelStore._answered  # noqa: SLF001

    def forgets(store: Any, row: Row, approval: Approval, answer: PlanAnswer) -> None:  # noqa: ANN401 - ModelStore
        answered(store, row, replace(approval, denied={}), answer)

    patch.setattr(ModelStore, "_answered", forgets)


def a_yes_that_was_used_goes_on_to_the_next_step(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        consumer.results.settlement, "_leaves_approval_unused", lambda _, heal: heal is not None and heal.approval
    )


def an_edit_keeps_the_yes(patch: pytest.MonkeyPatch) -> None:
    """Let what was approved before an edit be approved after it: neither its step nor its hash tells them apart."""
    edit = ModelStore.edit

    def keeps(store: Any, failure_id: FailureId, context: JsonObject) -> int:  # noqa: ANN401 - ModelStore, from within
        step = edit(store, failure_id, context)
        row = store.tables.failures[failure_id]
        yes = row.failure.approval and replace(row.failure.approval, step=step)
        store._write(replace(row, failure=replace(row.failure, approval=yes)))  # noqa: SLF001
        return step

    patch.setattr(ModelStore, "edit", keeps)
    patch.setattr("consumer.plan.approval.hash_plan", lambda _: "0" * 64)


def an_edit_comes_into_a_heal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("tests.support.simulation.orders.refuses_edit", lambda *_: None)


def a_bulk_forgets_what_is_done(patch: pytest.MonkeyPatch) -> None:
    async def forgets(*_: object) -> None:
        return None

    patch.setattr("consumer.pipeline.bulk.record_outcomes", forgets)


def a_bulk_does_what_its_filter_finds_now(patch: pytest.MonkeyPatch) -> None:
    async def finds(connection: ModelConnection, bulk_id: UUID, limit: int) -> list[FrozenFailure]:
        bulk, items = connection.orders.bulks[bulk_id], await next_slice(connection, bulk_id, limit)
        found, _ = await find(connection, bulk.running.org_id, BulkFilter())
        frozen = {item.failure_id for item in bulk.items.values()}
        others = [failure_id for failure_id, _ in found if failure_id not in frozen]
        return [replace(item, failure_id=others[0]) for item in items] if others else items

    patch.setattr("consumer.pipeline.bulk.next_slice", finds)


def a_command_is_not_remembered(patch: pytest.MonkeyPatch) -> None:
    async def forgets(*_: object) -> None:
        return None

    patch.setattr("consumer.commands.execute.reserve", forgets)


def a_command_counts_whenever_it_comes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("consumer.commands.signed._first_fault_of_times", lambda *_: None)


def what_ends_unhealed_counts_as_begun(patch: pytest.MonkeyPatch) -> None:
    takes = HealTasks._takes_slot  # noqa: SLF001

    def counts(healing: Any, *args: Any, heals: bool = True, **kwargs: Any) -> bool:  # noqa: ANN401, ARG001
        return takes(healing, *args, **kwargs)

    patch.setattr(HealTasks, "_takes_slot", counts)


def in_a_long_heal(wrong: Wrong, lasts: float, effect: Effect, act: Act) -> Scenes:
    """Give scenarios in which something happens to a process in the middle of long heals, each time a little later."""

    def scene(number: int) -> Scenario:
        events = tuple(Event(name=n, at=1 + n, partition=n, scope=n, effect=effect, acts=(act,)) for n in range(4))
        fault = Fault(at=4 + number / 3, wrong=wrong, machine=number, lasts=lasts)
        return Scenario(seed=number, machines=2, partitions=2, events=events, faults=(fault,))

    return scene


def while_messages_fail(number: int) -> Scenario:
    """Give scenarios in which results cannot be published, and the next attempt follows soon."""
    events = tuple(Event(name=n, at=1 + n, scope=n, acts=(Act.SICK, Act.SICK, Act.SICK)) for n in range(4))
    return Scenario(seed=number, events=events, faults=(Fault(at=3, wrong=Wrong.BROKER_AWAY, lasts=9),))


def without_an_answer(number: int) -> Scenario:
    """Give scenarios in which keyed calls are never answered, and the first rung has no attempts left."""
    events = tuple(Event(name=n, at=1 + n, scope=n, effect=Effect.KEYED, acts=(Act.MUTE,) * 3) for n in range(2))
    return Scenario(seed=number, events=events)


def in_a_rebalance(number: int) -> Scenario:
    """Give scenarios in which commits fail, or nothing gets durable, and partitions move."""
    events = tuple(Event(name=n, at=5 + n / 2, partition=n, scope=n) for n in range(8))
    faults = (
        Fault(at=6 + number / 10, wrong=Wrong.BROKER_AWAY if number % 2 else Wrong.CUT, lasts=9),
        Fault(at=5, wrong=Wrong.RESTART, machine=1, lasts=5),
    )
    return Scenario(seed=number, machines=2, partitions=2, events=events, faults=faults)


def while_the_database_is_away(number: int) -> Scenario:
    """Give scenarios in which events come while nothing can be committed, a little later each time."""
    events = tuple(Event(name=n, at=5 + n / 4, scope=n) for n in range(16))
    faults = (Fault(at=5 + number / 20, wrong=Wrong.DATABASE_AWAY, lasts=2),)
    return Scenario(seed=number, events=events, faults=faults)


def while_answers_are_lost(number: int) -> Scenario:
    """Give scenarios in which commits are not answered while heals end."""
    events = tuple(Event(name=n, at=1 + n / 4, scope=n) for n in range(8))
    return Scenario(seed=number, events=events, faults=(Fault(at=2, wrong=Wrong.CUT, lasts=25),))


def decided_in_a_heal(effect: Effect, act: Act, *then: Wrong) -> Scenes:
    """Give scenarios in which a person decides in the middle of heals, each time a little later, and decides again."""

    def scene(number: int) -> Scenario:
        events = tuple(Event(name=n, at=1, partition=n, scope=n, effect=effect, acts=(act,)) for n in range(4))
        at = 2 + number % 20 / 4
        faults = tuple(
            Fault(at=at + later, wrong=wrong, machine=n, lasts=30)
            for later, wrong in zip((0, 12, 60, 90), (Wrong.GIVE_UP, *then), strict=False)
            for n in range(4)
        )
        return Scenario(seed=number, machines=2, partitions=2, events=events, faults=faults)

    return scene


def asked_for(act: Act, *answers: tuple[float, Wrong, float]) -> Scenes:
    """Give scenarios whose plans are read and answered by people, each time a little later.

    An answer is: when the plan is read, what is said of it, and after how long.
    """

    def scene(number: int) -> Scenario:
        acts = (act,) * 3
        events = tuple(
            Event(name=n, at=1, partition=n, scope=n, effect=Effect.KEYED, acts=acts, asked=True) for n in range(4)
        )
        faults = tuple(
            Fault(at=at + number % 20 / 4, wrong=wrong, machine=n, lasts=lasts)
            for at, wrong, lasts in answers
            for n in range(4)
        )
        return Scenario(seed=number, machines=2, partitions=2, events=events, faults=faults)

    return scene


def with_many_jobs(number: int) -> Scenario:
    """Give scenarios in which many jobs are suspended, and looked at again by the same process."""
    events = tuple(Event(name=n, at=1 + n / 4, scope=n, effect=Effect.KEYED, acts=(Act.JOB,)) for n in range(12))
    return Scenario(seed=number, events=events)


def decided_before_an_order(number: int) -> Scenario:
    """Give scenarios in which a process dies before it has ordered, and a person decides before its heir has."""
    events = tuple(Event(name=n, at=1, partition=n, scope=n, effect=Effect.KEYED, acts=(Act.JOB,)) for n in range(4))
    crash = Fault(at=2 + number / 20, wrong=Wrong.CRASH, machine=0, lasts=60)
    crash_too = Fault(at=2 + number / 20, wrong=Wrong.CRASH, machine=1, lasts=20)
    decided = tuple(Fault(at=8, wrong=Wrong.GIVE_UP, machine=n, lasts=30) for n in range(4))
    return Scenario(seed=number, machines=2, partitions=2, events=events, faults=(crash, crash_too, *decided))


def on_another_rung(number: int) -> Scenario:
    """Give scenarios in which a heal on the second rung is revoked, begun anew, and inherited from the dead."""
    acts = (Act.SICK, Act.SICK, Act.LATE)
    events = tuple(Event(name=n, at=1, scope=n, effect=Effect.KEYED, acts=acts, dependency=0) for n in range(4))
    at = 8 + number / 2
    faults = tuple(
        Fault(at=at + later, wrong=wrong, machine=n, lasts=40)
        for later, wrong in ((0, Wrong.GIVE_UP), (0.1, Wrong.ASK))
        for n in range(4)
    )
    crash = Fault(at=at + 0.2, wrong=Wrong.CRASH, machine=0, lasts=300)
    crash_too = Fault(at=at + 0.2, wrong=Wrong.CRASH, machine=1, lasts=1)
    return Scenario(seed=number, machines=2, events=events, faults=(*faults, crash, crash_too))


def told_by_three(number: int) -> Scenario:
    """Give scenarios in which a run's failure is told of by three, one of them twice, beside a crash."""
    events = tuple(
        Event(name=n % 3, at=1 + n * number / 10, partition=n, run=0, effect=Effect.UNSAFE) for n in range(4)
    )
    faults = (Fault(at=1 + number / 10, wrong=Wrong.CRASH, lasts=3), Fault(at=2, wrong=Wrong.CUT, lasts=9))
    return Scenario(seed=number, machines=2, partitions=2, events=events, faults=faults)


def commanded(number: int) -> Scenario:
    """Give scenarios in which heals get a command each, and then one that has expired before anybody has it."""
    events = tuple(Event(name=n, at=1 + n, scope=n, acts=(Act.SLOW,)) for n in range(3))
    kinds = ((4 + number / 3, Wrong.COMMAND), (5 + number / 3, Wrong.OLD_COMMAND))
    faults = tuple(Fault(at=at, wrong=wrong, machine=number + n) for at, wrong in kinds for n in range(2))
    return Scenario(seed=number, machines=2, events=events, faults=faults)


def in_a_bulk(number: int) -> Scenario:
    """Give scenarios in which a bulk is stopped, gone on with, and killed, and failures come that it has not frozen."""
    acts = (Act.LATER, Act.LATER, Act.WORKS)
    events = tuple(Event(name=n, at=1 if n < 8 else 6 + n / 4, scope=n, acts=acts) for n in range(12))
    at = 4 + number % 8 / 4
    faults = (Fault(at=at, wrong=Wrong.BULK, lasts=3), Fault(at=at + 4 + number / 8, wrong=Wrong.CRASH, lasts=3))
    return Scenario(seed=number, machines=2, events=events, faults=faults)


STOPPED: Final = in_a_long_heal(Wrong.STOP, 14, Effect.IDEMPOTENT, Act.LATE)
STOPPED_PAST_DEADLINE: Final = in_a_long_heal(Wrong.STOP, 34, Effect.IDEMPOTENT, Act.SLOW)
STOPPED_LONG: Final = in_a_long_heal(Wrong.STOP, 60, Effect.IDEMPOTENT, Act.SLOW)
UNSAFE_STOPPED: Final = in_a_long_heal(Wrong.STOP, 60, Effect.UNSAFE, Act.MUTE)
JUMPS: Final = in_a_long_heal(Wrong.CLOCK_JUMPS, 12, Effect.IDEMPOTENT, Act.SLOW)
JOBS_KILLED: Final = in_a_long_heal(Wrong.CRASH, 3, Effect.KEYED, Act.JOB)
UNSAFE_JOBS_KILLED: Final = in_a_long_heal(Wrong.CRASH, 3, Effect.UNSAFE, Act.JOB)
JOBS_STOPPED: Final = in_a_long_heal(Wrong.STOP, 34, Effect.KEYED, Act.JOB)
PAUSED: Final = in_a_long_heal(Wrong.PAUSE, 40, Effect.IDEMPOTENT, Act.SLOW)
DECIDED_AND_KILLED: Final = decided_in_a_heal(Effect.IDEMPOTENT, Act.SLOW, Wrong.CRASH)
APPROVED: Final = asked_for(Act.SICK, (4, Wrong.APPROVE, 1))
NEVER_ANSWERED: Final = asked_for(Act.WORKS)
ANSWERED_LATE: Final = asked_for(Act.WORKS, (4, Wrong.APPROVE, 16))
DENIED_IN_A_HEAL: Final = asked_for(Act.SLOW, (4, Wrong.APPROVE, 1), (6, Wrong.DENY, 4))
APPROVED_AFTER_A_DENIAL: Final = asked_for(Act.WORKS, (4, Wrong.DENY, 0.5), (8, Wrong.APPROVE, 1))
EDITED_ONCE_APPROVED: Final = asked_for(Act.WORKS, (4, Wrong.APPROVE, 1), (5.05, Wrong.EDIT, 1))
EDITED: Final = in_a_long_heal(Wrong.EDIT, 1, Effect.IDEMPOTENT, Act.SLOW)
DAWDLING: Final = in_a_long_heal(Wrong.TOP_UP, 1, Effect.IDEMPOTENT, Act.DAWDLES)
KILLED: Final = in_a_long_heal(Wrong.CRASH, 3, Effect.UNSAFE, Act.LATE)
MUTANTS: Final[tuple[tuple[Break, Scenes, str], ...]] = (
    (an_assignment_forgets_nothing_of_the_one_before, in_a_rebalance, "commits"),
    (an_event_has_a_run_of_its_own, told_by_three, "two failures of one run"),
    (a_takeover_ignores_the_deadline, STOPPED, "G3"),
    (a_settle_has_no_fence, STOPPED_PAST_DEADLINE, "G3"),
    (what_follows_forgets_the_due_time, while_messages_fail, "not at rest"),
    (the_gate_knows_no_deadline, DAWDLING, "G3"),
    (nothing_is_written_before_an_unsafe_effect, KILLED, "G4"),
    (a_pick_does_not_wait_for_what_has_yet_to_be_told, while_messages_fail, "G5"),
    (the_ladder_goes_on_while_a_key_is_in_doubt, without_an_answer, "under two keys"),
    (a_lease_is_judged_by_the_clock, JUMPS, "G3"),
    (a_decision_forgets_what_the_heal_learns, decided_in_a_heal(Effect.UNSAFE, Act.MUTE, Wrong.ASK), "G4"),
    (
        a_decision_frees_the_scope_of_an_effect_in_doubt,
        decided_in_a_heal(Effect.UNSAFE, Act.MUTE, Wrong.ASK),
        "frees its scope",
    ),
    (no_revocation_reaches_the_gate, decided_in_a_heal(Effect.IDEMPOTENT, Act.SLOW), "after a person decided"),
    (an_heir_acts_on_what_was_revoked, DECIDED_AND_KILLED, "after a person decided"),
    (no_pause_reaches_the_gate, PAUSED, "was paused"),
    (no_yes_is_needed, NEVER_ANSWERED, "without a yes"),
    (silence_is_a_yes, NEVER_ANSWERED, "without a yes"),
    (a_yes_holds_for_every_step, APPROVED, "without a yes"),
    (a_yes_that_was_used_goes_on_to_the_next_step, APPROVED, "one yes permits two heals"),
    (a_yes_counts_whenever_it_comes, ANSWERED_LATE, "a yes counts"),
    (a_denial_revokes_nothing, DENIED_IN_A_HEAL, "after a denial"),
    (a_denial_is_forgotten, APPROVED_AFTER_A_DENIAL, "after a denial"),
    (an_edit_keeps_the_yes, EDITED_ONCE_APPROVED, "without a yes"),
    (an_edit_comes_into_a_heal, EDITED, "after it was edited"),
    (a_bulk_forgets_what_is_done, in_a_bulk, "is done twice"),
    (a_bulk_does_what_its_filter_finds_now, in_a_bulk, "was not frozen"),
    (a_command_is_not_remembered, commanded, "is carried out twice"),
    (a_command_counts_whenever_it_comes, commanded, "after it expired"),
    (what_ends_unhealed_counts_as_begun, on_another_rung, "slow start"),
    (nothing_is_kept, JOBS_KILLED, "ordered again"),
    (what_begins_after_the_state_is_not_known, UNSAFE_JOBS_KILLED, "G4"),
    (an_heir_begins_anew_whatever_was_kept, JOBS_KILLED, "ordered again"),
    (a_suspension_has_no_owner_to_take_it_up, JOBS_KILLED, "not at rest"),
    (a_suspension_has_no_fence, JOBS_STOPPED, "is suspended while"),
    (who_goes_on_keeps_the_epoch, with_many_jobs, "is suspended while"),
    (what_was_kept_is_gone_on_with_whatever_a_person_decided, decided_before_an_order, "after a person decided"),
    (a_charge_is_forgotten, while_messages_fail, "G6"),
    (an_heir_forgets_what_was_charged, with_many_jobs, "G6"),
    (what_a_heal_cost_is_forgotten_with_its_claim, UNSAFE_STOPPED, "G6"),
    (a_late_charge_counts_whoever_settled, while_answers_are_lost, "G6"),
    (intake_gives_up_where_the_database_is_away, while_the_database_is_away, "G1"),
)


@pytest.mark.parametrize(("breaks", "scene", "says"), MUTANTS, ids=[breaks.__name__ for breaks, _, _ in MUTANTS])
def test_what_is_broken_is_caught(breaks: Break, scene: Scenes, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    breaks(monkeypatch)
    for number in range(EXAMPLES):
        try:
            play(scene(number))
        except AssertionError as error:
            assert says in f"{error} {error.__cause__!r}"  # noqa: PT017 - what it says is the point
            return
    pytest.fail(f"not caught in {EXAMPLES} scenarios")


@pytest.mark.parametrize("scene", dict.fromkeys(scene for _, scene, _ in MUTANTS))
def test_what_is_not_broken_is_not_accused(scene: Scenes) -> None:
    for number in range(3):
        play(scene(number))


def test_a_suspension_that_is_carried_out_twice_takes_no_heal_away(monkeypatch: pytest.MonkeyPatch) -> None:
    suspensions_are_asked_for_twice(monkeypatch)
    for number in range(3):
        play(with_many_jobs(number))
