"""What has to hold in a simulation: some of it at every step, the rest once everything has come to rest."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from consumer.ingest.decode import AdmissionRules, decode, second_failure_id
from consumer.model import DeadLetter, Failure, FailureId, Message, OrgId, Partition, Record
from consumer.model.approval import AskedPlan, PlanAnswer
from consumer.model.digest import digest
from consumer.results.events import STATUSES_WITH_EVENT, Outlet, dead_letter_message
from schemas.names import BulkState, Code, Effect, PoisonReason, Status
from tests.support.simulation.loop import EPOCH
from tests.support.simulation.orders import FrozenBulk
from tests.support.simulation.play import Simulation
from tests.support.simulation.store import PARKED, PICKED, Row

_ANY: Final = PoisonReason.UNKNOWN_ORGANISATION
_BULK: Final = re.compile(r"\(bulk ([0-9a-f-]{36})\)")
_OUTLET: Final = Outlet(results_topic="", dlq_topic="", max_bytes=1_000_000)


@dataclass(slots=True, kw_only=True)
class Oracle:
    """Watches one simulation, and raises AssertionError at the step that breaks a promise."""

    sim: Simulation
    door: AdmissionRules
    budgets: Mapping[OrgId, int | None]
    decided: dict[UUID, Message] = field(default_factory=dict)
    told: dict[UUID, Message] = field(default_factory=dict)
    position: dict[FailureId, tuple[int, int]] = field(default_factory=dict)
    topped_up: dict[OrgId, int] = field(default_factory=lambda: defaultdict(int))
    durable_to: dict[Partition, int] = field(default_factory=lambda: defaultdict(int))
    entries: int = 0
    stood: dict[FailureId, Row] = field(default_factory=dict)
    by_hand: set[FailureId] = field(default_factory=set)
    sent: set[FailureId] = field(default_factory=set)
    known_to: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    carried: int = 0
    """Of what orders did, so much has been looked at."""

    def watch(self) -> None:
        """Look at every step from now on."""
        self.sim.broker.on_commit = self.commit_is_covered
        self.sim.broker.on_publish = self.first_ones_are_in_order
        self.sim.on_transaction = self.tables_agree

    # at every step

    def commit_is_covered(self, partition: Partition, offset: int) -> None:
        """G1: an offset moves only past what is durable."""
        log = self.sim.broker.log.get(partition, [])
        assert offset <= len(log), f"G1: {partition} committed at {offset}, beyond its end"
        for record in log[self.durable_to[partition] : offset]:
            assert self._is_durable(record), (
                f"G1: {partition} committed at {offset}; record {record.offset} is not durable"
            )
        self.durable_to[partition] = max(offset, self.durable_to[partition])

    def first_ones_are_in_order(self, message: Message) -> None:
        """G5: of one failure nothing is published for the first time after what follows from it."""
        if message.id in self.told:
            # A command that is refused at the door is refused anew each time, and says when.
            if message.failure_id is None and b"refused:" in (message.body or b""):
                return
            assert self.told[message.id].body == message.body, f"G5: {message.id} has two contents"
            return
        self.told[message.id] = message
        if message.failure_id is not None:
            now = (message.step, message.rank)
            before = self.position.get(message.failure_id, (-1, 0))
            assert before < now, f"G5: {message.failure_id} told of {now} after {before}"
            self.position[message.failure_id] = now

    def tables_agree(self) -> None:
        """G2 and G6: one live attempt of a failure, and the ledger's sum is the wallet's change."""
        tables = self.sim.store.tables
        for message_id, posted in tables.outbox.items():
            self.decided.setdefault(message_id, posted.message)
        for failure_id, row in tables.failures.items():
            self._keeps_its_scope(failure_id, row)
        self._orders_are_carried_out_once()
        self._runs_have_one_failure()
        live = [claim.failure_id for claim in tables.claims.values()]
        assert len(set(live)) == len(live), "G2: two live attempts of one failure"
        self._wallets_agree()

    def _runs_have_one_failure(self) -> None:
        """G2: whoever tells of a failed run, and however often, it is one failure, but for what took another's id."""
        named = [
            (row.failure.org_id, row.failure.workflow_name, run["id"])
            for row in self.sim.store.tables.failures.values()
            if isinstance(run := row.failure.context.get("run"), dict) and row.failure.id in self._sent_ids()
        ]
        twice = {one for one, count in Counter(named).items() if count > 1}
        assert not twice, f"G2: two failures of one run: {twice}"

    def _sent_ids(self) -> set[FailureId]:
        """Ids that events have of themselves; what took another's id is a failure of its own."""
        for log in self.sim.broker.log.values():
            for record in log[self.known_to[id(log)] :]:
                if isinstance(found := self._read(record), Failure):
                    self.sent.add(found.id)
            self.known_to[id(log)] = len(log)
        return self.sent

    def _orders_are_carried_out_once(self) -> None:
        """A command acts once, and not after it has expired; a bulk once on each of what it froze, and on no other."""
        carried = self.sim.supervisor.orders.carried
        for number in range(self.carried, len(carried)):
            one = carried[number]
            self.by_hand.add(one.failure_id)
            before = [other for other in carried[:number] if other.by == one.by]
            if (bulk := _BULK.search(one.by)) is not None:
                frozen = self.sim.supervisor.frozen[UUID(bulk[1])]
                assert one.failure_id in frozen, f"bulk: {one.failure_id} was not frozen"
                before = [other for other in before if other.failure_id == one.failure_id]
                assert not before, f"bulk: {one.failure_id} is done twice"
            else:
                assert not before, f"command: {one.by} is carried out twice"
                late = one.at - self.sim.supervisor.until[one.by]
                assert late <= 0, f"command: {one.by} is carried out {late:.3f} s after it expired"
        self.carried = len(carried)

    def _bulks_are_whole(self) -> None:
        for one in self.sim.supervisor.orders.bulks.values():
            is_done = one.state is BulkState.PREVIEWED or len(one.done) == len(one.items)
            assert is_done, f"bulk: {len(one.done)} of {len(one.items)} are done at rest"

    def _keeps_its_scope(self, failure_id: FailureId, row: Row) -> None:
        """G4: what a decision closed before its effect's end was known to be unknown keeps its scope until the next."""
        closed = row.status in (Status.RESOLVED, Status.GIVEN_UP)
        before = self.stood.get(failure_id)
        self.stood[failure_id] = row
        if before is None or not closed or not row.failure.effect_in_doubt or before.failure.effect_in_doubt:
            return
        kept = any(c.failure_id == failure_id for c in self.sim.store.tables.claims.values())
        assert kept, f"G4: a decision that knew nothing of its end frees its scope: {failure_id}"

    def _wallets_agree(self) -> None:
        paid = self.sim.store.tables.credits
        if len(paid.ledger) == self.entries:
            return
        self.entries = len(paid.ledger)
        for org, budget in self.budgets.items():
            if budget is not None:
                entries = sum(entry.amount for entry in paid.ledger if entry.org_id == org)
                expected = budget + self.topped_up[org] + entries
                assert paid.wallets[org] == expected >= 0, f"G6: wallet {paid.wallets[org]}, ledger {expected}"

    def a_yes_is_for_what_was_read(self, row: Row, asked: AskedPlan | None, answer: PlanAnswer) -> None:
        """A yes counts for the plan and the step that its person read, once, and until the time to answer is over."""
        assert asked is not None
        read, stands = (answer.plan_hash, answer.step), (asked.request.plan_hash, asked.step)
        assert read == stands, f"approval: a yes to {read} counts for {stands}"
        assert row.status is Status.AWAITING_APPROVAL, f"approval: a yes counts for what is {row.status}"
        late = (EPOCH + timedelta(seconds=self.sim.store.now())) - asked.expires_at
        assert late < timedelta(0), f"approval: a yes counts {late} after the plan expired"

    # at rest

    def is_quiet(self) -> bool:
        """Whether everything has ended, or waits for a person or for credits."""
        tables = self.sim.store.tables
        return not (
            any(machine.heals for machine in self.sim.machines if machine.alive)
            or any(claim.owner != PARKED for claim in tables.claims.values())
            or tables.outbox
            or tables.changes
            or self.sim.supervisor.on_the_way
            or any(machine.mail.waiting for machine in self.sim.machines)
            or any(self._is_under_way(one) for one in self.sim.supervisor.orders.bulks.values())
            or any(self._is_open(row) for row in tables.failures.values())
            or any(not self._is_durable(r) for log in self.sim.broker.log.values() for r in log)
        )

    def what_is_left(self) -> str:
        """Say what has not ended."""
        tables = self.sim.store.tables
        rows = [
            f"{row.failure.id} {row.status} due {row.due} waits on {row.waits_on}" for row in tables.failures.values()
        ]
        claims = [f"{c.scope} {c.owner} begun={c.begun} deadline {c.deadline:.1f}" for c in tables.claims.values()]
        return "\n".join(
            ["not at rest:", *rows, *claims, f"outbox {len(tables.outbox)}", f"committed {self.sim.broker.committed}"]
        )

    def everything_holds(self) -> None:
        """Look at the whole once it is at rest."""
        tables = self.sim.store.tables
        entered = {e.id for log in self.sim.broker.log.values() for r in log if isinstance(e := self._read(r), Failure)}
        strange = {f.id for f in map(self._read, self._records()) if isinstance(f, Failure) and not self._is_known(f)}
        # Of two contents under one id the later one may have a row of its own.
        events = [e for log in self.sim.broker.log.values() for r in log if isinstance(e := self._read(r), Failure)]
        apart = {second_failure_id(e.id, digest([e.workflow_name, e.failure_reason, e.context])) for e in events}
        linked = {one for one, first in tables.same_run.items() if first in tables.failures}
        missing = entered - strange - set(tables.failures) - linked
        unsent = set(tables.failures) - (entered - strange) - apart
        assert not missing, "G1: events without a row"
        assert not unsent, "G1: rows that nobody sent"
        for row in tables.failures.values():
            self._steps_are_whole(row)
        for machine in self.sim.machines:
            known = machine.dependencies.under_way() if machine.alive and machine.dependencies is not None else {}
            assert not known, f"slow start: {machine.owner} counts heals that nobody makes: {known}"
        self._bulks_are_whole()
        lost = set(self.decided) - set(self.told)
        assert not lost, f"G5: decided and never told: {lost}"
        assert set(tables.attempts) <= set(self.told), "G5: an attempt that nobody was told of"
        self._charges_agree()
        held = [(e.attempt_id, e.phase) for e in tables.credits.ledger]
        parked = {claim.attempt_id for claim in tables.claims.values()}
        for attempt, phase in held:
            given_back = attempt in parked or (attempt, "settle") in held
            assert phase != "hold" or given_back, f"G6: {attempt} is held for nobody"

    def _charges_agree(self) -> None:
        """G6: what was charged for heals has left the wallet, or is a debt."""
        tables = self.sim.store.tables
        for org, budget in self.budgets.items():
            if budget is None:
                continue
            parked = {claim.attempt_id for claim in tables.claims.values()}  # settled with a decision
            ended = [(f, a) for one, (f, a) in tables.attempts.items() if one not in parked]
            mine = [a for f, a in ended if tables.failures[f].failure.org_id == org]
            held = sum(claim.held for claim in tables.claims.values() if claim.org_id == org)
            owed = sum(amount for one, amount in tables.credits.debts.values() if one == org)
            left = budget + self.topped_up[org] - tables.credits.wallets[org] - held + owed
            late: int = sum(one.amount for one in tables.late.values() if one.org_id == org)
            for claim in tables.claims.values():  # what stands on these is settled with a decision
                if claim.owner == PARKED and claim.org_id == org:
                    late -= claim.charged - tables.attempts[claim.attempt_id][1].spent
            assert left == sum(a.spent for a in mine) + late, f"G6: {left} left the wallet of {org}"
        for attempt_id, (_, attempt) in tables.attempts.items():
            said = self.sim.world.charges_of(attempt_id, {m.owner for m in self.sim.machines if m.alive})
            known = attempt.spent + sum(one.amount for one in tables.late.values() if one.attempt_id == attempt_id)
            assert known in said, f"G6: {attempt_id} was charged {sorted(said)}, and {known} is settled"

    def _steps_are_whole(self, row: Row) -> None:
        failure = row.failure
        steps = sorted(a.step for f, a in self.sim.store.tables.attempts.values() if f == failure.id)
        if failure.id in self.by_hand or failure.id in self.sim.store.tables.questions:
            assert len(set(steps)) == len(steps)
            assert row.status not in STATUSES_WITH_EVENT or self._is_told_of(failure.id, failure.step - 1), (
                f"G5: {row.status} by hand"
            )
            return
        assert steps == list(range(failure.step)), f"G2: {failure.id} at step {failure.step} made {steps}"
        if row.status in STATUSES_WITH_EVENT:
            assert self._is_told_of(failure.id, failure.step - 1), f"G5: {row.status} was not told"
        if row.status is Status.NEEDS_PERSON:
            assert failure.context.get("effect") == Effect.UNSAFE, "G4: a person is asked where repeating does no harm"

    def _is_told_of(self, failure_id: FailureId, step: int) -> bool:
        return any((m.failure_id, m.step, m.rank) == (failure_id, step, 1) for m in self.told.values())

    def _is_open(self, row: Row) -> bool:
        parked = [claim.scope for claim in self.sim.store.tables.claims.values() if claim.owner == PARKED]
        if row.status is Status.AWAITING_APPROVAL:
            return True  # nobody answers any more, and it expires
        if row.status not in PICKED or row.waits_on in parked:
            return False
        last = [a for f, a in self.sim.store.tables.attempts.values() if f == row.failure.id]
        return not last or max(last, key=lambda a: a.step).code is not Code.INSUFFICIENT_CREDITS

    def _is_under_way(self, bulk: FrozenBulk) -> bool:
        return bulk.state is BulkState.RUNNING and len(bulk.done) < len(bulk.items)

    def _records(self) -> list[Record]:
        return [record for log in self.sim.broker.log.values() for record in log]

    def _read(self, record: Record) -> Failure | DeadLetter:
        return decode(record, self.door, EPOCH)

    def _is_known(self, failure: Failure) -> bool:
        return failure.org_id in self.budgets

    def _is_durable(self, record: Record) -> bool:
        found = self._read(record)
        if isinstance(found, Failure) and self._is_known(found):
            return found.id in self.sim.store.tables.failures or found.id in self.sim.store.tables.same_run
        if self._is_told(record):
            return True
        # Of a stranger's event one delivery is enough.
        return isinstance(found, Failure) and any(
            self._is_told(other)
            for other in self._records()
            if isinstance(same := self._read(other), Failure) and same.id == found.id
        )

    def _is_told(self, record: Record) -> bool:
        letter = DeadLetter(record=record, reason=_ANY, message="")
        message_id = dead_letter_message(letter, _OUTLET, EPOCH).id
        return message_id in self.sim.store.tables.outbox or message_id in self.told
