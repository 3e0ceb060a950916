"""The store as a model: what the SQL in `consumer/store` promises, in plain values. A conformance test keeps it honest.

Each method is one transaction of the module that it names: all or nothing, one at a time.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import inf
from random import Random
from typing import Final
from uuid import UUID

from consumer.errors import LostClaim, RevokedClaim
from consumer.model import (
    NO_PROGRESS,
    Attempt,
    AttemptId,
    Claim,
    Diagnosed,
    Failure,
    FailureId,
    Heal,
    JsonObject,
    LadderProgress,
    Message,
    MicroAud,
    OrgId,
    OwnerId,
    Refused,
    RetryLater,
    Settlement,
)
from consumer.model.approval import AnswerResult, Approval, ApprovalState, AskedPlan, PlanAnswer
from consumer.model.batch import HeldBack
from consumer.model.decision import STATUS_AFTER, Decision, DecisionResult, StatusChange, rule
from consumer.model.pause import PAUSE_GATE, HealingPause
from consumer.model.settlement import AskedStep
from consumer.model.suspension import KeptState, Suspension
from consumer.results.decision import status_message
from consumer.results.events import Outlet
from consumer.settings import BreakerSettings
from consumer.store.backlog import BacklogCounts
from consumer.store.breakers import BreakerRequest, Probes
from consumer.store.decisions import TellChange
from consumer.store.due import Due, Started
from consumer.store.intake import Arrival, Taken
from consumer.store.late_charges import LateCharge
from consumer.store.leases import Inherited, LeaseReading, ReadableStates
from consumer.store.outbox import PERSON
from consumer.store.pauses import EndedPauses
from consumer.store.rate_limits import Limited
from consumer.store.rows import CLAIMED_LOOK
from consumer.store.settle import Settled
from consumer.store.suspended import SuspendResult
from consumer.store.wallets import Hold
from schemas.names import Code, Effect, Result, Status, StrategyName
from tests.support.simulation.gates import Breakers, Credits, Rates
from tests.support.simulation.gates import Refused as RefusedByTable
from tests.support.simulation.loop import EPOCH

FINAL: Final = (Status.RESOLVED, Status.GIVEN_UP)
PICKED: Final = (Status.PENDING, Status.DEFERRED)
OUTLET: Final = Outlet(results_topic="r", dlq_topic="d", max_bytes=1_000_000)
STANDING: Final = (
    "failures",
    "claims",
    "attempts",
    "outbox",
    "leases",
    "renewals",
    "changes",
    "pauses",
    "late",
    "questions",
    "answers",
    "same_run",
)
SUSPENDED: Final = OwnerId("suspended")
"""Whose lease never ends: the heal waits for another system."""
HURRIED_FROM: Final = 10.0
"""Seconds that a suspended heal may wait all the same once a person has decided against it."""
PARKED: Final = OwnerId("parked")
"""Whose lease never ends: a scope is kept for a person's decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of `workflow_failures`."""

    failure: Failure
    status: Status
    due: float | None
    waits_on: str | None = None
    fault_digest: str | None = None
    effect_made: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """One row of `heal_claim`."""

    scope: str
    failure_id: FailureId
    attempt_id: AttemptId
    step: int
    org_id: OrgId
    strategy: StrategyName
    effect: Effect
    owner: OwnerId
    claimed_at: float
    deadline: float
    held: MicroAud
    begun: bool = False
    epoch: int = 0
    until: float
    """When its effects have ended, by the world's time: the database's clock may jump."""
    revoked_at: float | None = None
    """By the world's time."""
    parked_step: int | None = None
    idempotency_key: str | None = None
    state: KeptState | None = None
    begun_since: bool = False
    look_at: float | None = None
    suspended_at: float | None = None
    charged: MicroAud = field(default_factory=lambda: MicroAud(0))
    """Of a parked one: what is known of its cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """One row of `heal_outbox`."""

    message: Message
    owner: OwnerId
    created_at: float
    decided_at: float


@dataclass(slots=True, kw_only=True)
class Tables:
    """Everything that stands; rows are values, so a shallow copy of the tables is a savepoint."""

    credits: Credits
    breakers: Breakers
    rates: Rates
    failures: dict[FailureId, Row] = field(default_factory=dict)
    claims: dict[str, Claimed] = field(default_factory=dict)
    attempts: dict[AttemptId, tuple[FailureId, Attempt]] = field(default_factory=dict)
    outbox: dict[UUID, Posted] = field(default_factory=dict)
    leases: dict[OwnerId, float] = field(default_factory=lambda: {PARKED: inf, SUSPENDED: inf})
    renewals: dict[OwnerId, int] = field(default_factory=dict)
    changes: dict[tuple[FailureId, int], StatusChange] = field(default_factory=dict)
    pauses: dict[UUID, tuple[HealingPause, float]] = field(default_factory=dict)
    """Those in force, each with when it was committed, by the world's time."""
    late: dict[UUID, LateCharge] = field(default_factory=dict)
    """Those that are counted."""

    questions: dict[FailureId, AskedPlan] = field(default_factory=dict)
    """The plan of each failure that was asked for last."""
    answers: dict[tuple[FailureId, int, str], bool] = field(default_factory=dict)
    """Who said yes or no to the plan of which step."""
    same_run: dict[FailureId, FailureId] = field(default_factory=dict)
    """Events of a run whose failure stood already, each with that failure."""
    denials: dict[tuple[FailureId, str], float] = field(default_factory=dict)
    """When a strategy's plan was denied, by the world's time, until its failure begins anew."""

    def saved(self) -> list[tuple[object, dict[str, object]]]:
        """Give a savepoint."""
        tables = {name: copy(getattr(self, name)) for name in STANDING}
        paid = {name: copy(getattr(self.credits, name)) for name in ("wallets", "lockouts", "ledger", "debts")}
        return [
            (self, tables),
            (self.credits, paid),
            (self.breakers, {"rows": copy(self.breakers.rows)}),
            (self.rates, {"starts": {key: list(starts) for key, starts in self.rates.starts.items()}}),
        ]


class ModelStore:
    """One Postgres for all; `now` is its clock in seconds, `dice` decides what SQL leaves open."""

    def __init__(self, now: Callable[[], float], dice: Random, budgets: Mapping[OrgId, int | None]) -> None:
        self.world_now = now
        self.ahead = 0.0
        """How far its clock has jumped."""
        now = self.now
        self.dice = dice
        self.organisations = frozenset(budgets)
        self.tables = Tables(
            credits=Credits(wallets={org: budget for org, budget in budgets.items() if budget is not None}),
            breakers=Breakers(now=now),
            rates=Rates(now=now),
        )
        self.on_keep: Callable[[Claimed], None] = lambda _: None
        """Told of each claim on which a state, and with it what the heal has cost, is durable now."""
        self.on_permit: Callable[[FailureId, int, int | None], None] = lambda *_: None
        """Told of each step whose heal a person permitted; carried on from which one, else None."""
        self.on_suspend: Callable[[Claimed], None] = lambda _: None
        """Told of each claim that is about to be suspended."""

    def now(self) -> float:
        """Give its clock."""
        return self.world_now() + self.ahead

    # intake.py

    def take_in(
        self,
        owner: OwnerId,
        arrivals: Sequence[Arrival],
        letters: Sequence[Message],
        refuse_stranger: Callable[[Arrival], Sequence[Message]],
    ) -> Taken:
        with self._transaction() as tables:
            here = [a for a in arrivals if a.diagnosed.failure.org_id in self.organisations]
            strangers = [a for a in arrivals if a.diagnosed.failure.org_id not in self.organisations]
            strange = [m for a in strangers for m in refuse_stranger(a)]
            again = [a for a in here if a.diagnosed.failure.id in tables.failures]
            new = [a for a in here if a.diagnosed.failure.id not in tables.failures]
            linked = {a.diagnosed.failure.id: first for a in new if (first := self._insert(a)) is not None}
            known = linked.keys() & tables.same_run.keys()
            tables.same_run.update(linked)
            new = [a for a in new if a.diagnosed.failure.id not in linked]
            claimed = self._claim(owner, [a.diagnosed for a in new if a.wants_slot])
            for arrival in new:
                if (arrival.wants_slot or arrival.waits_on) and arrival.diagnosed not in claimed:
                    gate = arrival.waits_on or _heal(arrival.diagnosed).intent.scope
                    self._wait(arrival.diagnosed, gate, arrival.waiter_in)
            ended = [a.ended for a in new if a.ended is not None]
            self._finish([(e.failure.id, e.attempt) for e in ended if isinstance(e, Settlement)])
            self._put(owner, [m for e in ended for m in e.messages] + strange + list(letters))
            held_back = self._admit(claimed)
        return Taken(
            claimed=tuple(d for d in claimed if _attempt_of(d) not in held_back),
            new=frozenset(a.diagnosed.failure.id for a in new),
            conflicting=tuple(a.diagnosed.failure.id for a in again if self._differs(a.diagnosed.failure)),
            held_back=tuple((d, held_back[_attempt_of(d)]) for d in claimed if _attempt_of(d) in held_back),
            same_run=frozenset(linked) - known,
        )

    def _differs(self, failure: Failure) -> bool:
        here = self.tables.failures[failure.id].failure
        said, before = ((f.workflow_name, f.failure_reason, f.context) for f in (failure, here))
        return here.digest != failure.digest and said != before

    def _insert(self, arrival: Arrival) -> FailureId | None:
        """Insert a failure, unless one of its run stands already: then its id."""
        failure, ended = arrival.diagnosed.failure, arrival.ended
        if failure.run_key is not None:
            for row in self.tables.failures.values():
                if row.failure.run_key == failure.run_key:
                    return row.failure.id
        if ended is not None:
            status, step, due_in = ended.next.status, 1, ended.next.due_in
            failure = replace(failure, approval=self._asked(ended) or failure.approval)
        else:
            status, step, due_in = Status.PENDING, 0, CLAIMED_LOOK if arrival.wants_slot else timedelta(0)
        self._write(Row(failure=replace(failure, step=step), status=status, due=self._at(due_in)))
        return None

    # due.py

    def pick(
        self, *, after: OrgId | None, room: Callable[[OrgId], int], per_organisation: int, limit: int, hide: timedelta
    ) -> list[Failure]:
        with self._transaction() as tables:
            turns: list[tuple[int, OrgId, Row]] = []
            orgs = {row.failure.org_id for row in tables.failures.values() if row.due is not None}
            for org in sorted(org for org in orgs if after is None or org > after):
                mine = [row for row in tables.failures.values() if row.failure.org_id == org and self._is_due(row)]
                free = [row for row in mine if row.status in PICKED and not self.is_busy(row.failure.id)]
                first = sorted(free, key=lambda row: row.due or 0)[: min(room(org), per_organisation)]
                turns += [(turn, org, row) for turn, row in enumerate(first)]
            picked = [row for _, _, row in sorted(turns, key=lambda turn: turn[:2])[:limit]]
            for row in picked:
                self._write(replace(row, due=self._at(hide)))
        return [row.failure for row in picked]

    def is_busy(self, failure_id: FailureId) -> bool:
        """Tell whether a failure is being healed, or something of it has yet to be told."""
        if any(claim.failure_id == failure_id for claim in self.tables.claims.values()):
            return True
        told = any(posted.message.failure_id == failure_id for posted in self.tables.outbox.values())
        return told or any(changed == failure_id for changed, _ in self.tables.changes)

    def waits(self, after: OrgId | None) -> bool:
        rows = self.tables.failures.values()
        return any(self._is_due(row) and (after is None or row.failure.org_id > after) for row in rows)

    def put_off(self) -> None:
        for row in list(self.tables.failures.values()):
            if row.status in (Status.NEEDS_PERSON, Status.AWAITING_APPROVAL) and self._is_due(row):
                self._write(replace(row, due=self._at(timedelta(days=1))))

    def start(self, owner: OwnerId, due: Sequence[Due], waiter_in: timedelta) -> Started:
        with self._transaction() as tables:
            here = [one for one in due if self._stands(one.diagnosed.failure.id, one.diagnosed.failure.step)]
            got = self._claim(owner, [one.diagnosed for one in here if one.waits_on is None])
            asking = [
                BreakerRequest(failure_id=d.failure.id, key=key, window=_heal(d).intent.window)
                for d in (one.diagnosed for one in here)
                if d in got
                for key in _heal(d).dependencies
            ]
            probes = tables.breakers.admit_probes(asking)
            for scope in [c.scope for c in tables.claims.values() if c.failure_id in probes.waiting]:
                del tables.claims[scope]
            claimed = [d for d in got if d.failure.id not in probes.waiting]
            for one in here:
                self._stand(one, claimed, probes, waiter_in)
            held_back = self._admit(claimed)
        return Started(
            claimed=tuple(d for d in claimed if _attempt_of(d) not in held_back),
            held_back=tuple((d, held_back[_attempt_of(d)]) for d in claimed if _attempt_of(d) in held_back),
            probing=frozenset(probes.probing),
        )

    def _stand(self, one: Due, claimed: Sequence[Diagnosed], probes: Probes, waiter_in: timedelta) -> None:
        plan, row = _heal(one.diagnosed), self.tables.failures[one.diagnosed.failure.id]
        if one.diagnosed in claimed:
            at = self._at(CLAIMED_LOOK)
            self._write(replace(row, status=Status.PENDING, waits_on=None, fault_digest=None, due=at))
            return
        dependency_unhealthy = probes.waiting.get(row.failure.id)
        due_in = probes.due_in.get(row.failure.id, waiter_in)
        self._wait(one.diagnosed, one.waits_on or dependency_unhealthy or plan.intent.scope, due_in)

    def look_again(self, failures: Sequence[FailureId]) -> int:
        """Make due whoever waits for a scope that nobody has."""
        rows = [row for f in failures if (row := self.tables.failures.get(f)) is not None]
        waiting = [(row, row.waits_on) for row in rows if row.waits_on is not None]
        free = [row for row, gate in waiting if gate not in self.tables.claims and not gate.startswith("dependency:")]
        for row in free:
            self._write(replace(row, waits_on=None, due=self.now()))
        return len(free)

    # settle.py

    def settle(
        self, owner: OwnerId, settlements: Sequence[Settlement], acked: Sequence[UUID], breaker: BreakerSettings
    ) -> Settled:
        with self._transaction() as tables:
            claims = {claim.attempt_id: claim for claim in tables.claims.values()}
            mine = [
                (settlement, claim)
                for settlement in settlements
                if (claim := claims.get(settlement.attempt.id)) is not None
                and self.may_settle(claim, owner, settlement.epoch)
            ]
            made = {
                claim.failure_id
                for settlement, claim in mine
                if claim.effect is Effect.UNSAFE and claim.begun and settlement.attempt.result is Result.SUCCESS
            }
            kept = {claim.scope for settlement, claim in mine if self._let_go(settlement, claim)}
            for settlement, claim in mine:
                self._finish([(claim.failure_id, replace(settlement.attempt, step=claim.step))])
                self._step_on(settlement, claim.step)
            for settlement, claim in mine:
                if settlement.approval_unused:
                    self.carry_on(claim.failure_id, claim.step)
            for failure_id in made:
                self._write(replace(tables.failures[failure_id], effect_made=True))
            self._put(owner, [message for settlement, _ in mine for message in settlement.messages])
            self.forget(acked)
            verdicts, probes = tables.breakers.judge([health for s, _ in mine for health in s.healths], breaker)
            self._come_back_for_probes(probes)
            woken = self._wake({c.scope: 1 for _, c in mine if c.scope not in kept} | verdicts.wake)
            self._share(woken, mine)
            for settlement, claim in mine:
                if settlement.unpaid is not None and claim.scope not in kept:
                    held = self._held_by_others(claim.org_id, frozenset())
                    tables.credits.lock_out(claim.org_id, settlement.unpaid, held)
            for settlement, claim in mine:
                if claim.scope not in kept:
                    spent = settlement.attempt.spent
                    tables.credits.give_back(claim.org_id, claim.attempt_id, claim.held, spent)
            beyond = [(c, s.attempt.spent - c.held) for s, c in mine if c.scope not in kept]
            for claim, amount in beyond:
                tables.credits.owe(claim.org_id, claim.attempt_id, amount)
            tables.credits.collect({claim.org_id for claim, amount in beyond if amount > 0})
        return Settled(mine=frozenset(s.attempt.id for s, _ in mine), verdicts=verdicts, woken=len(woken))

    def may_settle(self, claim: Claimed, owner: OwnerId, epoch: int) -> bool:
        """The fence."""
        return (claim.owner, claim.epoch) == (owner, epoch)

    def _let_go(self, settlement: Settlement, claim: Claimed) -> bool:
        """End a claim, or park it where the end of its effect is in doubt; gives whether it stays."""
        row = self.tables.failures[claim.failure_id]
        moved = row.failure.step != claim.step
        keeps = bool(settlement.effect_in_doubt) if moved and row.status in FINAL else settlement.parks
        if keeps:
            step = row.failure.step + self._applies(settlement, claim.step)
            self._reclaim(replace(claim, owner=PARKED, parked_step=step, charged=settlement.attempt.spent))
        else:
            del self.tables.claims[claim.scope]
        return keeps

    def _applies(self, settlement: Settlement, step: int) -> bool:
        """Tell whether an end moves its failure: nobody decided meanwhile, or it answers who opened it again."""
        row = self.tables.failures[settlement.failure.id]
        answers = settlement.next.status in (Status.RESOLVED, Status.NEEDS_PERSON) or bool(settlement.effect_in_doubt)
        return row.failure.step == step or (row.status in PICKED and answers)

    def end_unclaimed(self, owner: OwnerId, settlements: Sequence[Settlement | AskedStep]) -> frozenset[UUID]:
        with self._transaction():
            moved = [s for s in settlements if self._stands(s.failure.id, s.failure.step)]
            for settlement in moved:
                row, following = self.tables.failures[settlement.failure.id], settlement.next
                failure = replace(row.failure, step=row.failure.step + 1, healed_by_attempt=None)
                failure = replace(failure, approval=self._asked(settlement) or failure.approval)
                self._write(
                    Row(
                        failure=failure,
                        status=following.status,
                        due=self._at(following.due_in),
                        fault_digest=row.fault_digest,
                        effect_made=row.effect_made,
                    )
                )
            self._finish([(s.failure.id, s.attempt) for s in moved if isinstance(s, Settlement)])
            self._put(owner, [message for s in moved for message in s.messages])
        return frozenset(s.failure.id for s in moved)

    # approvals.py

    def _asked(self, ended: Settlement | AskedStep) -> Approval | None:
        """Give the plan that a step asks for, as it stands beside its failure."""
        asked = ended.asked
        if asked is None:
            return None
        self.tables.questions[asked.failure_id] = asked
        request = asked.request
        return Approval(
            state=ApprovalState.ASKED,
            step=asked.step,
            strategy=request.strategy,
            plan_hash=request.plan_hash,
            base_hash=request.base_hash,
            until=asked.expires_at,
            asked=request.asked,
            edits=request.edits,
            denied=request.denied,
        )

    def carry_on(self, failure_id: FailureId, step: int) -> None:
        """Carry a permission on to the step after this one, whose heal began no effect."""
        row = self.tables.failures[failure_id]
        approval = row.failure.approval
        stands = approval is not None and (approval.state, approval.step) == (ApprovalState.APPROVED, step)
        if approval is not None and stands and row.failure.step == step + 1:
            self._write(replace(row, failure=replace(row.failure, approval=replace(approval, step=step + 1))))
            self.on_permit(failure_id, step + 1, step)

    def answer_plan(self, failure_id: FailureId, answer: PlanAnswer) -> AnswerResult:
        """`plan_answers.answer_plan`, of one person where one is enough."""
        with self._transaction() as tables:
            row, asked = tables.failures.get(failure_id), tables.questions.get(failure_id)
            approval = row.failure.approval if row is not None else None
            if row is None or asked is None or approval is None:
                return AnswerResult.NOT_FOUND if row is None else AnswerResult.NOT_ASKED
            own = tables.answers.get((failure_id, answer.step, answer.by))
            refused = self.refuses(answer, row, approval, asked, own)
            if refused is not None:
                return refused
            tables.answers[failure_id, answer.step, answer.by] = answer.approves
            yeses = [
                by for (of, step, by), yes in tables.answers.items() if yes and (of, step) == (failure_id, answer.step)
            ]
            if answer.approves and len(yeses) < asked.request.approvers:
                return AnswerResult.COUNTED
            if answer.approves:
                until = self._time() + asked.request.valid_for
                changed = replace(approval, state=ApprovalState.APPROVED, until=until, by=tuple(sorted(yeses)))
                self._answered(row, replace(changed, step=row.failure.step + 1), answer)
                self.on_permit(failure_id, row.failure.step + 1, None)
                return AnswerResult.APPROVED
            under_way = self.revoke_for_denial(row)
            denied = {**approval.denied, approval.strategy: answer.sentence()}
            step = row.failure.step + 1 + under_way
            self._answered(row, replace(approval, state=ApprovalState.DENIED, step=step, denied=denied), answer)
            tables.denials[failure_id, approval.strategy] = self.world_now()
            return AnswerResult.DENIED

    def refuses(
        self, answer: PlanAnswer, row: Row, approval: Approval, asked: AskedPlan, own: bool | None
    ) -> AnswerResult | None:
        """Say why an answer changes nothing."""
        if answer.plan_hash != approval.plan_hash:
            return AnswerResult.OTHER_PLAN
        if answer.step != asked.step:
            return AnswerResult.OTHER_STEP
        if own is not None and own == answer.approves and approval.state is not ApprovalState.EXPIRED:
            return AnswerResult.ALREADY
        return self.too_late(answer, row, approval)

    def too_late(self, answer: PlanAnswer, row: Row, approval: Approval) -> AnswerResult | None:
        """Say why a plan cannot be answered any more."""
        stands = row.failure.step == approval.step
        match approval.state:
            case ApprovalState.EXPIRED:
                return AnswerResult.EXPIRED
            case ApprovalState.ASKED if not (stands and row.status is Status.AWAITING_APPROVAL):
                return AnswerResult.NOT_ASKED
            case ApprovalState.ASKED:
                return AnswerResult.EXPIRED if approval.until <= self._time() else None
            case ApprovalState.APPROVED if stands and not answer.approves:
                return None
            case _:
                return AnswerResult.ANSWERED

    def revoke_for_denial(self, row: Row) -> bool:
        """Revoke the live heal of a plan that is denied; gives whether it is of the present step."""
        live = [c for c in self.tables.claims.values() if c.failure_id == row.failure.id and c.owner != PARKED]
        for claim in live:
            self.revoke(claim)
        return any(claim.step == row.failure.step for claim in live)

    def _answered(self, row: Row, approval: Approval, answer: PlanAnswer) -> None:
        failure = replace(row.failure, step=approval.step, approval=approval, healed_by_attempt=None)
        self._write(Row(failure=failure, status=Status.PENDING, due=self.now(), effect_made=row.effect_made))
        message = status_message(self._changed(failure, Status.PENDING, answer.sentence()), OUTLET)
        self._put(PERSON, [message])
        self._at_once(message)

    def expire_unanswered(self) -> list[UUID]:
        """Have planned anew what nobody answered."""
        planned_anew: list[UUID] = []
        with self._transaction():
            for row in [row for row in self.tables.failures.values() if self._is_unanswered(row)]:
                approval = row.failure.approval
                if approval is None:
                    continue
                expired = replace(row.failure, approval=replace(approval, state=ApprovalState.EXPIRED))
                if row.status is Status.AWAITING_APPROVAL and row.failure.step == approval.step:
                    expired = replace(expired, step=row.failure.step + 1)
                    self._write(replace(row, failure=expired, status=Status.PENDING, due=self.now()))
                    planned_anew.append(row.failure.id)
                else:
                    self._write(replace(row, failure=expired))
        return planned_anew

    def _is_unanswered(self, row: Row) -> bool:
        approval = row.failure.approval
        return approval is not None and approval.state is ApprovalState.ASKED and approval.until <= self._time()

    def _time(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now())

    def _step_on(self, settlement: Settlement, step: int) -> None:
        row, following = self.tables.failures[settlement.failure.id], settlement.next
        applies = self._applies(settlement, step)
        failure = replace(
            row.failure,
            step=row.failure.step + applies,
            attempts=row.failure.attempts + following.counts,
            lifetime_attempts=row.failure.lifetime_attempts + following.counts,
            effect_in_doubt=row.failure.effect_in_doubt
            if settlement.effect_in_doubt is None
            else settlement.effect_in_doubt,
            ladder_progress=row.failure.ladder_progress
            if settlement.ladder_progress is None
            else settlement.ladder_progress,
        )
        if applies:
            self._write(
                Row(
                    failure=failure,
                    status=following.status,
                    due=self._at(following.due_in),
                    effect_made=row.effect_made,
                    waits_on=following.waits_on,
                )
            )
            if row.failure.step != step:
                change = self._changed(failure, following.status, "the heal that was under way has ended")
                self.tables.changes.setdefault((failure.id, failure.step), change)
        else:
            self._write(replace(row, failure=failure))

    def wake_for_room(self, rooms: Mapping[str, int]) -> int:
        return len(self._wake(rooms))

    def _wake(self, gates: Mapping[str, int]) -> list[FailureId]:
        woken = []
        for gate, number in gates.items():
            waiting = [row for row in self.tables.failures.values() if row.waits_on == gate]
            several = 1 << max(0, number - 1).bit_length()
            for row in sorted(waiting, key=lambda row: row.due or 0)[:several]:
                self._write(replace(row, waits_on=None, due=self.now()))
                woken.append(row.failure.id)
        return woken

    def _share(self, woken: Sequence[FailureId], ended: Sequence[tuple[Settlement, Claimed]]) -> None:
        for settlement, claim in ended if woken else ():
            for row in list(self.tables.failures.values()):
                waits = row.waits_on == claim.scope or row.failure.id in woken
                if waits and settlement.mended is not None and row.fault_digest == settlement.mended:
                    failure = replace(row.failure, healed_by_attempt=settlement.attempt.id)
                    self._write(replace(row, failure=failure, waits_on=None, due=self.now()))

    def _come_back_for_probes(self, due: Mapping[str, float]) -> None:
        for key, at in due.items():
            waiting = [row for row in self.tables.failures.values() if row.waits_on == key]
            if waiting:
                self._write(replace(min(waiting, key=lambda row: row.due or 0), due=at))

    # pauses.py

    def pause(self, pause: HealingPause) -> None:
        self.tables.pauses[pause.id] = pause, self.world_now()

    def resume(self, pause_id: UUID) -> None:
        self.tables.pauses.pop(pause_id, None)

    def release_ended(self) -> EndedPauses:
        in_force = {pause.gate for pause, _ in self.tables.pauses.values()}
        over = [
            row
            for row in self.tables.failures.values()
            if row.waits_on is not None and row.waits_on.startswith(PAUSE_GATE) and row.waits_on not in in_force
        ]
        for row in over:
            self._write(replace(row, waits_on=None, due=self.now()))
        return EndedPauses(ended=0, released=len(over))

    # owner.py

    def renew(self, owner: OwnerId, lease: timedelta) -> float:
        self.tables.leases[owner] = self.now() + lease.total_seconds()
        self.tables.renewals[owner] = self.tables.renewals.get(owner, 0) + 1
        return self.now()

    def read(self, owner: OwnerId) -> LeaseReading:
        tables = self.tables
        mine = [claim for claim in tables.claims.values() if claim.owner == owner]
        return LeaseReading(
            revoked=frozenset(claim.attempt_id for claim in mine if claim.revoked_at is not None),
            renewals={one: self._renewals(one) for one, until in tables.leases.items() if until != inf},
            pauses=tuple(pause for pause, _ in tables.pauses.values()),
        )

    def _renewals(self, owner: OwnerId) -> str:
        return f"{self.tables.renewals.get(owner, 0)} {self.tables.leases.get(owner)}"

    def leave(self, owner: OwnerId, unstarted: Sequence[AttemptId]) -> None:
        for claim in list(self.tables.claims.values()):
            in_doubt = claim.begun if claim.state is None else claim.begun_since
            if claim.owner == owner and claim.attempt_id in unstarted and not in_doubt:
                earlier = claim.deadline - self.now()
                self._reclaim(replace(claim, claimed_at=claim.claimed_at - earlier, deadline=self.now()))
        self.tables.leases.pop(owner, None)

    def begin(self, owner: OwnerId, claim: Claim) -> None:
        self._reclaim(replace(self.stands(owner, claim), begun=True, begun_since=True))

    def keep(self, owner: OwnerId, claim: Claim, state: KeptState) -> None:
        """Keep a state on a claim, also on one that was revoked."""
        owned = self._owned(owner, claim)
        self._reclaim(replace(owned, state=state, begun_since=False))
        self.on_keep(owned)

    def stands(self, owner: OwnerId, claim: Claim) -> Claimed:
        """Give a claim as it stands; raise where it is another's, or was revoked."""
        one = self._owned(owner, claim)
        if one.revoked_at is not None:
            raise RevokedClaim("a person decided")
        return one

    def _owned(self, owner: OwnerId, claim: Claim) -> Claimed:
        for one in self.tables.claims.values():
            if (one.attempt_id, one.owner, one.epoch) == (claim.attempt_id, owner, claim.epoch):
                return one
        raise LostClaim(f"claim {claim.attempt_id} is not under this process's name any more")

    def take_over(
        self, owner: OwnerId, dead: Mapping[OwnerId, str], limit: int, readable: ReadableStates
    ) -> list[AttemptId]:
        still = {one for one, said in dead.items() if one in self.tables.leases and self._renewals(one) == said}
        for one in still:
            owns = any(claim.owner == one for claim in self.tables.claims.values())
            if self.tables.leases[one] < self.now() - 3600 and not owns:
                del self.tables.leases[one]
        left = [c for _, c in sorted(self.tables.claims.items()) if c.owner != owner and self.is_abandoned(c, still)]
        left = [claim for claim in left if self._reads(claim, claim.deadline, readable)]
        return self._renewed([replace(claim, epoch=claim.epoch + 1) for claim in left[:limit]], owner)

    def is_abandoned(self, claim: Claimed, dead: Collection[OwnerId]) -> bool:
        """Tell whether its owner is dead and its effect deadline has passed."""
        return self.is_dead(claim.owner, dead) and claim.deadline < self.now()

    def is_dead(self, owner: OwnerId, dead: Collection[OwnerId]) -> bool:
        """Tell whether an owner is known to be dead, or has left."""
        return owner in dead or owner not in self.tables.leases

    def orphans(self, owner: OwnerId, live: Sequence[AttemptId], older_than: timedelta) -> list[AttemptId]:
        old = self.now() - older_than.total_seconds()
        lost = [c for c in self.tables.claims.values() if c.owner == owner and c.claimed_at < old]
        return self._renewed([c for c in lost if c.attempt_id not in live], owner)

    def _renewed(self, claims: Iterable[Claimed], owner: OwnerId) -> list[AttemptId]:
        found = []
        for claim in claims:
            window, now = claim.deadline - claim.claimed_at, self.now()
            until = self.world_now() + window
            self._reclaim(replace(claim, owner=owner, claimed_at=now, deadline=now + window, until=until))
            found.append(claim.attempt_id)
        return found

    def release_decided(self, limit: int) -> int:
        with self._transaction() as tables:
            decided = [
                claim for _, claim in sorted(tables.claims.items()) if claim.owner == PARKED and self._is_decided(claim)
            ][:limit]
            for claim in decided:
                del tables.claims[claim.scope]
                tables.credits.give_back(claim.org_id, claim.attempt_id, claim.held, claim.charged)
                tables.credits.owe(claim.org_id, claim.attempt_id, claim.charged - claim.held)
            tables.credits.collect({claim.org_id for claim in decided if claim.charged > claim.held})
            self._wake({claim.scope: 1 for claim in decided})
        return len(decided)

    def _is_decided(self, claim: Claimed) -> bool:
        row = self.tables.failures[claim.failure_id]
        return row.status is not Status.NEEDS_PERSON and row.failure.step > (claim.parked_step or 0)

    def inherited(self, owner: OwnerId, attempts: Sequence[AttemptId]) -> list[Inherited]:
        """Read claims that have just changed hands; a statement of its own."""
        return [
            Inherited(
                failure=self.tables.failures[claim.failure_id].failure,
                attempt_id=claim.attempt_id,
                step=claim.step,
                scope=claim.scope,
                strategy=claim.strategy,
                effect=claim.effect,
                begun=claim.begun,
                held=claim.held,
                epoch=claim.epoch,
                window=timedelta(seconds=claim.deadline - claim.claimed_at),
                revoked=claim.revoked_at is not None,
                state=claim.state,
                begun_since=claim.begun_since,
                suspended_for=None
                if claim.suspended_at is None
                else timedelta(seconds=max(0.0, self.now() - claim.suspended_at)),
                idempotency_key=claim.idempotency_key,
            )
            for claim in self.tables.claims.values()
            if claim.attempt_id in attempts and claim.owner == owner
        ]

    # suspended.py

    def suspend(self, owner: OwnerId, suspensions: Sequence[Suspension]) -> SuspendResult:
        claims = {claim.attempt_id: claim for claim in self.tables.claims.values()}
        mine, first = set(), set()
        for suspension in suspensions:
            claim = claims.get(suspension.attempt_id)
            if claim is None or not self.may_suspend(claim, owner, suspension.epoch):
                continue
            self.on_suspend(claim)
            self.on_keep(claim)
            mine.add(claim.attempt_id)
            heal, since = suspension.heal, self.now() if claim.suspended_at is None else claim.suspended_at
            wait = max(1.0, heal.look_again.total_seconds())
            look_at = min(self.now() + wait, inf if heal.paused else since + heal.longest.total_seconds())
            if claim.suspended_at is None:
                first.add(claim.attempt_id)
                self._put(owner, suspension.messages)
            since += wait if heal.paused else 0
            waits = replace(claim, owner=SUSPENDED, look_at=look_at, suspended_at=since)
            self._reclaim(replace(waits, state=heal.state, begun_since=heal.begun_since))
            row = self.tables.failures[claim.failure_id]
            if row.status in PICKED:
                self._write(replace(row, due=look_at + 60))
        return SuspendResult(mine=frozenset(mine), first=frozenset(first), busy=frozenset())

    def may_suspend(self, claim: Claimed, owner: OwnerId, epoch: int) -> bool:
        """The fence."""
        return self.may_settle(claim, owner, epoch)

    def epoch_of_going_on(self, claim: Claimed) -> int:
        """Give the epoch at which a suspended claim is gone on with."""
        return claim.epoch + 1

    def take_due(
        self, owner: OwnerId, room: Callable[[OrgId], int], limit: int, readable: ReadableStates
    ) -> list[AttemptId]:
        for claim in list(self.tables.claims.values()):
            waits = claim.look_at - self.now() if claim.look_at is not None else 0.0
            if claim.owner == SUSPENDED and claim.revoked_at is not None and waits > HURRIED_FROM:
                self._reclaim(replace(claim, look_at=self.now()))
        turns: list[tuple[int, float, Claimed]] = []
        for org in {claim.org_id for claim in self.tables.claims.values()}:
            due = [c for c in self.tables.claims.values() if c.org_id == org and self.is_due_again(c, readable)]
            first = sorted(due, key=lambda claim: claim.look_at or 0)[: max(0, room(org))]
            turns += [(turn, claim.look_at or 0, claim) for turn, claim in enumerate(first)]
        taken = [claim for _, _, claim in sorted(turns, key=lambda turn: turn[:2])[:limit]]
        return self._renewed(
            [replace(claim, epoch=self.epoch_of_going_on(claim), look_at=None) for claim in taken], owner
        )

    def is_due_again(self, claim: Claimed, readable: ReadableStates) -> bool:
        """Tell whether a suspended claim is gone on with now."""
        if claim.owner != SUSPENDED or claim.look_at is None:
            return False
        told = (p.message for p in self.tables.outbox.values() if p.message.failure_id == claim.failure_id)
        return (
            claim.look_at <= self.now()
            and self._reads(claim, claim.look_at, readable)
            and not any(message.step <= claim.step for message in told)
        )

    def _reads(self, claim: Claimed, since: float, readable: ReadableStates) -> bool:
        known = claim.state is None or f"{claim.strategy} {claim.state.version}" in readable.states
        return known or since < self.now() - readable.others_after.total_seconds()

    # outbox.py

    def forget(self, ids: Sequence[UUID]) -> None:
        for one in ids:
            self.tables.outbox.pop(one, None)

    def left_over(
        self,
        owner: OwnerId,
        dead: Collection[OwnerId],
        older_than: timedelta,
        limit: int,
        topic: str | None = None,
        besides: Sequence[str] = (),
    ) -> list[Message]:
        old = self.now() - older_than.total_seconds()
        due = [
            posted
            for posted in self.tables.outbox.values()
            if posted.created_at < old
            and (posted.owner == owner or self.is_dead(posted.owner, dead))
            and (topic is None or posted.message.topic == topic)
            and posted.message.topic not in besides
            and not self._must_wait(posted, owner, dead)
        ]
        due = sorted(due, key=lambda posted: posted.created_at)[:limit]
        for posted in due:
            self.tables.outbox[posted.message.id] = replace(posted, owner=owner, created_at=self.now())
        return sorted((p.message for p in due), key=lambda m: (str(m.failure_id or "~"), m.step, m.rank))

    def _must_wait(self, posted: Posted, owner: OwnerId, dead: Collection[OwnerId]) -> bool:
        """Tell whether something of an earlier step is still to be told by its own writer, or to be settled."""
        message = posted.message
        live = (c for c in self.tables.claims.values() if c.owner != PARKED)
        if any(c.failure_id == message.failure_id and c.step < message.step for c in live):
            return True
        if any(changed == message.failure_id and step <= message.step for changed, step in self.tables.changes):
            return True
        of_it = [
            other
            for other in self.tables.outbox.values()
            if message.failure_id is not None and other.message.failure_id == message.failure_id
        ]
        return any(
            (other.message.step, other.message.rank) < (message.step, message.rank)
            and (
                other.message.step < message.step
                or other.created_at > posted.created_at
                or not (other.owner == owner or self.is_dead(other.owner, dead))
            )
            for other in of_it
        )

    # changes.py

    def tell_changes(self, tell: TellChange, limit: int) -> int:
        with self._transaction() as tables:
            taken = sorted(tables.changes.items(), key=lambda change: change[1].at)[:limit]
            for key, _ in taken:
                del tables.changes[key]
            self._put(PERSON, [tell(change) for _, change in taken])
            for message in [tell(change) for _, change in taken]:
                self._at_once(message)
        return len(taken)

    def _at_once(self, message: Message) -> None:
        posted = self.tables.outbox[message.id]
        self.tables.outbox[message.id] = replace(posted, created_at=posted.created_at - 10)

    def _changed(self, failure: Failure, status: Status, reason: str) -> StatusChange:
        return StatusChange(
            status=status,
            reason=reason,
            token=f"{self.now():.6f}",
            failure_id=failure.id,
            org_id=failure.org_id,
            workflow_name=failure.workflow_name,
            failure_type=None,
            trace=None,
            step=failure.step,
            at=EPOCH + timedelta(seconds=self.now()),
        )

    # census.py

    def count(self) -> BacklogCounts:
        rows = [row for row in self.tables.failures.values() if row.due is not None]
        busy = {claim.failure_id for claim in self.tables.claims.values()}
        pending = [row for row in rows if row.status is Status.PENDING and row.failure.id not in busy]
        return BacklogCounts(
            open_failures={s: n for s in Status if (n := sum(row.status is s for row in rows))},
            open_bytes=sum(row.failure.size for row in rows),
            oldest_pending=max((0.0, *(self.now() - (row.due or 0) for row in pending))),
            live_claims=len(self.tables.claims),
            outbox_depth=len(self.tables.outbox),
            replicas=sum(until > self.now() for until in self.tables.leases.values()),
            outbox_oldest=max((0.0, *(self.now() - p.decided_at for p in self.tables.outbox.values()))),
        )

    # late_charges.py

    def count_late_charge(self, charge: LateCharge) -> bool:
        with self._transaction() as tables:
            _, ended = tables.attempts.get(charge.attempt_id, (None, None))
            if charge.id in tables.late or (ended is not None and ended.finished_at == charge.finished_at):
                return False
            parked = [c for c in tables.claims.values() if (c.attempt_id, c.owner) == (charge.attempt_id, PARKED)]
            for claim in parked:
                self._reclaim(replace(claim, charged=MicroAud(claim.charged + charge.amount)))
            if not parked:
                tables.credits.owe(charge.org_id, charge.attempt_id, charge.amount)
                tables.credits.collect({charge.org_id})
            tables.late[charge.id] = charge
        return True

    # people

    def collect_debts(self) -> MicroAud:
        """`credits.apply_owed`: nothing is owed to a wallet here, as nobody else locks one."""
        paid = self.tables.credits
        paid.collect(set(paid.wallets))
        return MicroAud(sum(amount for _, amount in paid.debts.values()))

    def resolve_by_hand(self, failure_id: FailureId, *, resolved: bool) -> None:
        """A member turns `resolved`; the trigger does the rest."""
        row = self.tables.failures.get(failure_id)
        if row is None or (row.status is Status.RESOLVED) is resolved:
            return
        again = Status.NEEDS_PERSON if row.failure.effect_in_doubt or row.effect_made else Status.PENDING
        change = self._move(row, Status.RESOLVED if resolved else again, effect_in_doubt=row.failure.effect_in_doubt)
        self.tables.changes.setdefault((failure_id, change.step), change)

    def decide(self, failure_id: FailureId, decision: Decision) -> DecisionResult:
        """A person decides."""
        row = self.tables.failures[failure_id]
        in_doubt = any(c.failure_id == failure_id and c.owner == PARKED for c in self.tables.claims.values())
        ruling = rule(decision, row.status, in_doubt=in_doubt)
        if ruling is DecisionResult.DONE:
            effect_in_doubt = row.failure.effect_in_doubt and decision is not Decision.DID_NOT_HAPPEN
            change = self._move(row, STATUS_AFTER[decision], effect_in_doubt=effect_in_doubt)
            message = status_message(change, OUTLET)
            self._put(PERSON, [message])
            self._at_once(message)
        return ruling

    def ask_heal(self, failure_id: FailureId) -> None:
        """A person asks for a heal: one that was given up begins anew, unless an effect of it is in doubt."""
        row = self.tables.failures[failure_id]
        for claim in list(self.tables.claims.values()) if row.status in PICKED else ():
            if claim.failure_id == failure_id and claim.owner == SUSPENDED and claim.look_at is not None:
                self._reclaim(replace(claim, look_at=min(claim.look_at, self.now())))
        if row.status is Status.GIVEN_UP and not (row.failure.effect_in_doubt or row.effect_made):
            change = self._move(row, Status.PENDING, effect_in_doubt=False)
            self.tables.changes.setdefault((failure_id, change.step), change)

    def _move(self, row: Row, status: Status, *, effect_in_doubt: bool) -> StatusChange:
        """Let a decision stand: revoke the live claim, and move the step; gives what is to be told."""
        live = [c for c in self.tables.claims.values() if c.failure_id == row.failure.id and c.owner != PARKED]
        for claim in live:
            self.revoke(claim)
        opened = row.due is None and status not in FINAL
        if opened:
            self.tables.denials = {key: at for key, at in self.tables.denials.items() if key[0] != row.failure.id}
        failure = replace(
            row.failure,
            step=row.failure.step + 1 + any(claim.step == row.failure.step for claim in live),
            attempts=0 if opened else row.failure.attempts,
            ladder_progress=_begun_anew(row.failure.ladder_progress) if opened else row.failure.ladder_progress,
            effect_in_doubt=effect_in_doubt,
            healed_by_attempt=None,
            approval=None if opened else row.failure.approval,
        )
        due = None if status in FINAL else self.now() + (86400 if status is Status.NEEDS_PERSON else 0)
        made = row.effect_made and status is not Status.PENDING
        self._write(Row(failure=failure, status=status, due=due, effect_made=made))
        return self._changed(failure, status, "a person decided")

    def revoke(self, claim: Claimed) -> None:
        """Let nothing more begin under a claim."""
        self._reclaim(replace(claim, revoked_at=claim.revoked_at or self.world_now()))

    def top_up(self, org_id: OrgId, amount: int) -> None:
        """Somebody pays; the platform ends the lockout."""
        if org_id in self.tables.credits.wallets:
            self.tables.credits.wallets[org_id] += amount
            self.tables.credits.lockouts.pop(org_id, None)

    def edit(self, failure_id: FailureId, context: JsonObject) -> int:
        """`edits.edit_failure`, of what may be edited: its ladder begins anew; gives its step."""
        row = self.tables.failures[failure_id]
        failure = replace(
            row.failure,
            context=context,
            step=row.failure.step + 1,
            attempts=0,
            ladder_progress=NO_PROGRESS,
            effect_in_doubt=False,
            healed_by_attempt=None,
        )
        self._write(Row(failure=failure, status=Status.PENDING, due=self.now()))
        self.post(PERSON, [status_message(self._changed(failure, Status.PENDING, "edited"), OUTLET)])
        return failure.step

    # the rules of the tables

    def savepoint(self) -> AbstractContextManager[Tables]:
        """Begin what is all done, or nothing of it."""
        return self._transaction()

    def post(self, owner: OwnerId, messages: Sequence[Message]) -> None:
        """Put messages into the outbox; those that no loop publishes are swept at once."""
        self._put(owner, messages)
        for message in messages if owner == PERSON else ():
            self._at_once(message)

    @contextmanager
    def _transaction(self) -> Iterator[Tables]:
        before = self.tables.saved()
        try:
            yield self.tables
        except BaseException:
            for place, tables in before:
                for name, rows in tables.items():
                    setattr(place, name, rows)
            raise

    def _at(self, span: timedelta | None) -> float | None:
        return None if span is None else self.now() + span.total_seconds()

    def _is_due(self, row: Row) -> bool:
        return row.due is not None and row.due <= self.now()

    def _stands(self, failure_id: FailureId, step: int) -> bool:
        """The step guard."""
        row = self.tables.failures.get(failure_id)
        return row is not None and row.failure.step == step and row.due is not None

    def _write(self, row: Row) -> None:
        if (row.status in FINAL) != (row.due is None):
            raise RefusedByTable(f"workflow_failures_open_is_due: {row.status} and due {row.due}")
        self.tables.failures[row.failure.id] = row

    def _wait(self, one: Diagnosed, gate: str, waiter_in: timedelta) -> None:
        row, fault_digest = self.tables.failures[one.failure.id], _heal(one).intent.fault_digest
        # Behind the last of the gate's queue.
        ends = [other.due or 0.0 for other in self.tables.failures.values() if other.waits_on == gate]
        due = max(self.now() + waiter_in.total_seconds(), *ends, 0.0) + waiter_in.total_seconds() / 100
        self._write(replace(row, status=Status.PENDING, waits_on=gate, fault_digest=fault_digest, due=due))

    def _reclaim(self, claim: Claimed) -> None:
        self.tables.claims[claim.scope] = claim

    def _claim(self, owner: OwnerId, wanted: Sequence[Diagnosed]) -> list[Diagnosed]:
        """INSERT ... ORDER BY scope ON CONFLICT DO NOTHING; who is first within a scope is Postgres's to choose."""
        claimed = []
        busy = {claim.failure_id for claim in self.tables.claims.values()}
        for one in self.in_any_order(wanted):
            failure, plan = one.failure, _heal(one)
            if plan.intent.scope in self.tables.claims or failure.id in busy:
                continue
            now = self.now()
            self._reclaim(
                Claimed(
                    scope=plan.intent.scope,
                    failure_id=failure.id,
                    attempt_id=_attempt_of(one),
                    step=failure.step,
                    org_id=failure.org_id,
                    strategy=plan.strategy,
                    effect=plan.intent.effect,
                    owner=owner,
                    claimed_at=now,
                    deadline=now + plan.intent.window.total_seconds(),
                    until=self.world_now() + plan.intent.window.total_seconds(),
                    held=plan.hold,
                    idempotency_key=plan.intent.idempotency_key,
                )
            )
            claimed.append(one)
        return claimed

    def in_any_order(self, wanted: Sequence[Diagnosed]) -> list[Diagnosed]:
        """Decide what SQL leaves open."""
        shuffled = list(wanted)
        self.dice.shuffle(shuffled)
        return shuffled

    def _finish(self, ended: Iterable[tuple[FailureId, Attempt]]) -> None:
        for failure_id, attempt in ended:
            if attempt.id in self.tables.attempts:
                raise RefusedByTable(f"workflow_heal_attempts_pkey: attempt {attempt.id} has ended before")
            self.tables.attempts[attempt.id] = (failure_id, attempt)

    def _put(self, owner: OwnerId, messages: Iterable[Message]) -> None:
        for message in messages:
            now = self.now()
            posted = Posted(message=message, owner=owner, created_at=now, decided_at=now)
            self.tables.outbox.setdefault(message.id, posted)

    def _admit(self, claimed: Sequence[Diagnosed]) -> dict[AttemptId, HeldBack]:
        """admit.py: limits, then credits."""
        limited = [
            Limited(attempt_id=_attempt_of(d), org_id=d.failure.org_id, rates=rates)
            for d in claimed
            if (rates := _heal(d).rates)
        ]
        waits = self.tables.rates.admit(limited)
        holds = [Hold(attempt_id=_attempt_of(d), org_id=d.failure.org_id, amount=_heal(d).hold) for d in claimed]
        poor, left = self.tables.credits.hold((h for h in holds if h.attempt_id not in waits), self._held_by_others)
        for claim in list(self.tables.claims.values()):
            if claim.attempt_id in waits or claim.attempt_id in poor:
                self._reclaim(replace(claim, held=MicroAud(0)))
        held_back: dict[AttemptId, HeldBack] = {
            attempt: RetryLater(after=wait, reason="healed lately") for attempt, wait in waits.items()
        }
        return held_back | {
            hold.attempt_id: Refused(
                code=Code.INSUFFICIENT_CREDITS,
                reason=poor[hold.attempt_id],
                payable={hold.pays_from: left.get(hold.org_id, 0)},
            )
            for hold in holds
            if hold.attempt_id in poor
        }

    def _held_by_others(self, org_id: OrgId, but: frozenset[AttemptId]) -> int:
        return sum(c.held for c in self.tables.claims.values() if c.org_id == org_id and c.attempt_id not in but)


def _attempt_of(one: Diagnosed) -> AttemptId:
    return one.attempt_id


def _heal(one: Diagnosed) -> Heal:
    if not isinstance(one.plan, Heal):
        raise TypeError("only what is planned to be healed is claimed")
    return one.plan


def _begun_anew(progress: LadderProgress) -> LadderProgress:
    """Forget what was tried, but for the strategy whose key an effect was made under."""
    return LadderProgress(in_doubt=progress.in_doubt)
