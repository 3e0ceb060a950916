"""What happens to a failure, in order. Read this first.

decode ─▶ diagnose ─▶ plan ─▶ INTAKE ─▶ heal ─▶ SETTLE ─▶ publish; and resume, which enters it again from the database.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from random import random
from typing import Final, assert_never

import structlog

from consumer.catalog import Catalog, Catalogs, WorkflowPolicy
from consumer.clock import Clock
from consumer.dependencies import Dependencies
from consumer.diagnose.diagnosis import diagnose
from consumer.errors import LostClaim
from consumer.heal.run import Gate, run
from consumer.heal.strategy import Strategies, Task
from consumer.ingest.decode import Door, decode
from consumer.intake import Batch, Claimed, Intake, Received
from consumer.lease import Lease
from consumer.live import LiveHeals
from consumer.metrics import EventOutcome, Metrics
from consumer.missing import count_missing
from consumer.model import (
    Adopt,
    Claim,
    DeadLetter,
    Diagnosed,
    Diagnosis,
    Failure,
    FailureId,
    Heal,
    MicroAud,
    NotHealed,
    Outcome,
    OwnerId,
    Plan,
    Record,
    Refuse,
    Refused,
    RetryLater,
    Unknown,
    Wait,
    first_read,
)
from consumer.plan.ladder import CALM, Planner
from consumer.publish import Publisher
from consumer.replays import replays
from consumer.results import Outlet
from consumer.settle import Settler
from consumer.settlement import Ended, result_of_refusal, settle_heal
from consumer.store.admit import HeldBack
from consumer.store.owner import DECIDED, Inherited
from consumer.store.pool import Pool
from consumer.valve import Valve
from consumer.waiting import in_turns
from schemas.names import Code, Effect, PoisonReason, Result, StrategyName

log = structlog.get_logger(__name__)

PATIENCE: Final = timedelta(seconds=5)
"""How long a heal that was claimed ahead waits for its slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """What the pipeline is made of; the composition root puts it together."""

    door: Door
    planner: Planner
    catalogs: Catalogs
    strategies: Strategies
    intake: Intake
    settler: Settler
    publisher: Publisher
    live: LiveHeals
    dependencies: Dependencies
    pool: Pool
    clock: Clock
    lease: Lease
    owner: OwnerId
    outlet: Outlet
    metrics: Metrics
    valve: Valve


class Pipeline:
    """The stages in order; the source feeds it from Kafka, and resume from the database."""

    def __init__(self, stages: Stages, heals: asyncio.TaskGroup) -> None:
        self._stages = stages
        self._heals = heals
        self._running: set[asyncio.Task[None]] = set()
        self._door = stages.door
        self._planner = stages.planner
        self.standing = CALM

    def obey(self, catalog: Catalog) -> None:
        """Read, plan and heal under another catalog from now on; what is planned already ends under its own."""
        self._stages.catalogs.change(catalog)
        self._door = replace(self._door, catalog=catalog)
        self._planner = replace(self._planner, catalog=catalog)

    async def read(self, records: Sequence[Record]) -> Batch:
        """Decode, diagnose and plan what was read."""
        now = self._stages.clock.now()
        accepted: dict[FailureId, tuple[Diagnosed, Record]] = {}
        letters: list[DeadLetter] = []
        conflicting: list[FailureId] = []
        repeated = 0
        async for record in in_turns(records):
            decoded = self._decoded(record, now)
            if isinstance(decoded, DeadLetter):
                letters.append(decoded)
            elif (first := accepted.get(decoded.id)) is not None:
                repeated += 1
                if first[0].failure.digest != decoded.digest:
                    conflicting.append(decoded.id)
            else:
                accepted[decoded.id] = (self.diagnosed(decoded, now), record)
        return Batch(
            accepted=tuple(accepted.values()),
            letters=tuple(letters),
            repeated=repeated,
            conflicting=tuple(conflicting),
            now=now,
        )

    def join(self, first: Batch, more: Batch) -> Batch:
        """Make one batch of two; of a failure that stands in both the first delivery counts."""
        accepted = {diagnosed.failure.id: (diagnosed, record) for diagnosed, record in first.accepted}
        repeated, conflicting = first.repeated + more.repeated, [*first.conflicting, *more.conflicting]
        for diagnosed, record in more.accepted:
            known = accepted.setdefault(diagnosed.failure.id, (diagnosed, record))
            if known[1] is not record:
                repeated += 1
                if known[0].failure.digest != diagnosed.failure.digest:
                    conflicting.append(diagnosed.failure.id)
        return Batch(
            accepted=tuple(accepted.values()),
            letters=(*first.letters, *more.letters),
            repeated=repeated,
            conflicting=tuple(conflicting),
            now=more.now,
        )

    def diagnosed(self, failure: Failure, now: datetime) -> Diagnosed:
        """Say what is broken, and what to do about it."""
        try:
            diagnosis = diagnose(failure.failure_reason, failure.context)
            plan = self._planner.plan(failure, diagnosis, now, self.standing)
        except Exception as error:  # a bug of ours in one failure must not stop all others, at each restart
            log.exception("plan_crashed", failure_id=failure.id)
            reason = f"planning it broke ({type(error).__name__}): report this, and ask for a heal after the fix"
            return self.unplannable(failure, reason)
        return Diagnosed(failure=failure, diagnosis=diagnosis, plan=plan, draw=_drawn())

    def unplannable(self, failure: Failure, reason: str) -> Diagnosed:
        """Give up a failure on which something of ours broke."""
        return replace(self._planner.unplannable(failure, reason), draw=_drawn())

    def _decoded(self, record: Record, now: datetime) -> Failure | DeadLetter:
        try:
            return decode(record, self._door, now)
        except Exception as error:  # the same for what reading it breaks: the partition goes on, and nothing is lost
            log.exception("decode_crashed", partition=record.partition, offset=record.offset)
            message = f"reading it broke ({type(error).__name__}): report this, and replay it after the fix"
            return DeadLetter(record=record, reason=PoisonReason.UNSTORABLE, message=message)

    async def take(self, batch: Batch) -> None:
        """Make a batch durable, tell what it decided, and heal what it claimed."""
        rest: Batch | None = batch
        while rest is not None:
            portion = await self._stages.intake.take(rest)
            received, rest = portion.received, portion.rest
            self._stages.publisher.offer(received.messages)
            self.heal(received.claimed, received.held_back, is_new=True)
            self._count(portion.batch, received)
            await self._stages.valve.count(portion.batch, received)

    def heal(
        self, claimed: Sequence[Claimed], held_back: Sequence[tuple[Claimed, HeldBack]], *, is_new: bool = False
    ) -> None:
        """Heal what this process has claimed; what its wallet or a limit holds back is settled at once."""
        # All take their slots before anybody else can look for one.
        claims = [(one.diagnosed, _claim_of(one)) for one in claimed]
        started = [both for both in claims if self._takes_slot(*both, is_new=is_new)]
        for one, end in held_back:
            claim = replace(_claim_of(one), held=MicroAud(0))
            if self._takes_slot(one.diagnosed, claim, is_new=is_new):
                self._settle(one.diagnosed, claim, end, self._stages.clock.now(), one.diagnosed.plan.strategy)
        if started:
            self._keep(self._heals.create_task(self._start_all(started)))

    def inherit(self, inherited: Inherited, sent_at: float) -> None:
        """Go on with a claim that another process left, or that a lost answer hid from us."""
        now = self._stages.clock.now()
        diagnosed = self.diagnosed(inherited.failure, now)
        deadline = sent_at + inherited.window.total_seconds()
        claim = Claim(
            attempt_id=inherited.attempt_id,
            step=inherited.step,
            held=inherited.held,
            deadline=deadline,
            sent_at=sent_at,
            epoch=inherited.epoch,
        )
        end = _ends_unhealed(inherited, diagnosed.plan)
        # What ends unhealed is no heal of the dependency that this plan names: the claim was made for another plan.
        if not self._takes_slot(diagnosed, claim, is_new=False, heals=end is None):
            return
        if end is None:
            self._start(diagnosed, claim)
        else:
            self._settle(diagnosed, claim, end, now, inherited.strategy, inherited.effect)

    def cancel_heals(self) -> None:
        """Stop what is still healing; the claims stay, and are taken over."""
        for task in tuple(self._running):
            task.cancel()

    def _takes_slot(self, diagnosed: Diagnosed, claim: Claim, *, is_new: bool, heals: bool = True) -> bool:
        taken = self._stages.live.add(claim.attempt_id, diagnosed.failure.org_id, is_new=is_new)
        if taken and heals and isinstance(diagnosed.plan, Heal) and diagnosed.plan.dependency is not None:
            self._stages.dependencies.started(diagnosed.plan.dependency)
        return taken

    async def _start_all(self, started: Sequence[tuple[Diagnosed, Claim]]) -> None:
        async for diagnosed, claim in in_turns(started):
            self._start(diagnosed, claim)

    def _start(self, diagnosed: Diagnosed, claim: Claim) -> None:
        self._keep(self._heals.create_task(self._heal_one(diagnosed, claim)))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _heal_one(self, diagnosed: Diagnosed, claim: Claim) -> None:
        failure, plan = diagnosed.failure, diagnosed.heal
        structlog.contextvars.bind_contextvars(failure_id=failure.id)
        if not await self._stages.live.begins(PATIENCE):
            late = RetryLater(after=timedelta(0), reason="no slot came free for it: heals under way hang")
            self._settle(diagnosed, claim, late, self._stages.clock.now(), plan.strategy)
            return
        started_at = self._stages.clock.now()
        gate = Gate(claim, plan.intent.effect, self._stages.lease, self._stages.live.effect_started)
        task = Task(
            failure=failure,
            diagnosis=diagnosed.diagnosis,
            plan=plan,
            policy=self._policy(failure, plan),
            attempt_id=claim.attempt_id,
        )
        try:
            outcome = await run(self._stages.strategies[plan.strategy], task, gate)
        except LostClaim:
            self._stages.metrics.claims_lost.inc()
            log.warning("claim_lost", attempt_id=str(claim.attempt_id))
            if plan.dependency is not None:
                self._stages.dependencies.ended(plan.dependency, healthy=None)
            self._stages.live.end([claim.attempt_id])
            return
        finally:
            self._stages.live.ended(failure.org_id)
        self._settle(diagnosed, claim, outcome, started_at, plan.strategy)

    def _settle(
        self,
        diagnosed: Diagnosed,
        claim: Claim,
        outcome: Outcome,
        started_at: datetime,
        strategy: StrategyName,
        effect: Effect | None = None,
    ) -> None:
        ended = Ended(
            failure=diagnosed.failure,
            diagnosis=diagnosed.diagnosis,
            strategy=strategy,
            plan=diagnosed.plan,
            claim=claim,
            outcome=outcome,
            attempted_at=started_at,
            finished_at=self._stages.clock.now(),
            effect=effect,
        )
        policy, dice = self._policy(diagnosed.failure, diagnosed.plan), random()  # noqa: S311 - jitter
        settlement = settle_heal(ended, policy, dice, self._stages.outlet, partial(self._goes_on, diagnosed.diagnosis))
        if settlement.health is not None and effect is None:  # else it was never begun here
            self._stages.dependencies.ended(settlement.health.key, healthy=settlement.health.healthy)
        self._stages.settler.put(settlement)

    def _goes_on(self, diagnosis: Diagnosis, failure: Failure) -> bool:
        try:
            return self._planner.goes_on(failure, diagnosis, self._stages.clock.now())
        except Exception:  # as in planning it: the failure stays, and whoever plans it next says so
            log.exception("plan_crashed", failure_id=failure.id)
            return True

    def _policy(self, failure: Failure, plan: Plan) -> WorkflowPolicy:
        # A workflow that was never in the catalog has no plan to heal: the defaults allow nothing.
        planned_with = self._stages.catalogs.of(plan.catalog_version)
        return planned_with.policy(failure.workflow_name) or WorkflowPolicy(name="*")

    def count_missing(self, diagnosed: Diagnosed) -> None:
        """Count the context fields that a failure lacked; once for each failure."""
        count_missing(diagnosed, self._planner.catalog, self._stages.strategies, self._stages.metrics)

    def _count(self, batch: Batch, received: Received) -> None:
        metrics = self._stages.metrics
        conflicting = {*batch.conflicting, *received.conflicting}
        strangers = len(received.letters) - len(batch.letters)
        again = len(batch.accepted) - len(received.new) - strangers + batch.repeated
        metrics.events[EventOutcome.ACCEPTED].inc(len(received.new))
        metrics.events[EventOutcome.CONFLICTING].inc(len(conflicting))
        metrics.events[EventOutcome.DUPLICATE].inc(max(0, again - len(conflicting)))
        for letter in received.letters:
            metrics.events[EventOutcome.DEAD_LETTER].inc()
            metrics.dead_letters[letter.reason].inc()
            where = letter.record
            log.warning(
                "dead_letter",
                reason=letter.reason,
                partition=where.partition,
                offset=where.offset,
                replayed=first_read(where)[1],
            )
        for outcome in replays(batch, received):
            metrics.replays[outcome].inc()
        for failure_id in conflicting:
            log.warning("event_id_used_twice", failure_id=str(failure_id))
        for diagnosed, _ in batch.accepted:
            diagnosis, plan = diagnosed.diagnosis, diagnosed.plan
            if diagnosed.failure.id in received.new:
                metrics.count_diagnosis(diagnosis.failure_type, diagnosis.disposition)
                self.count_missing(diagnosed)
                if isinstance(plan, Refuse):
                    result = result_of_refusal(plan.code)
                    metrics.attempts[diagnosis.failure_type, plan.strategy, result, plan.code].inc()
                elif isinstance(plan, Wait):
                    attempts = metrics.attempts[diagnosis.failure_type, plan.strategy, Result.FAILED, Code.RETRY_LATER]
                    attempts.inc()


def _ends_unhealed(inherited: Inherited, plan: Plan) -> Outcome | None:
    """Say how an inherited claim ends without a heal; None when it is healed as it was meant to be."""
    if inherited.begun:
        return Unknown(reason="the process that made this call died in it: whether it took effect is not known")
    if inherited.revoked and inherited.effect is not Effect.KEYED:
        return Refused(code=Code.DENIED, reason=DECIDED)
    if inherited.effect is Effect.KEYED and (inherited.revoked or plan.strategy is not inherited.strategy):
        why = DECIDED if inherited.revoked else f"{plan.strategy} does not carry its key"
        return NotHealed(code=Code.UNVERIFIED, reason=f"the process that made this call died in it, and {why}")
    return _planned_otherwise(inherited, plan)


def _planned_otherwise(inherited: Inherited, plan: Plan) -> Outcome | None:
    match plan:
        case Refuse():
            return Refused(code=plan.code, reason=plan.reason, missing=plan.missing)
        case Wait():
            return RetryLater(after=plan.after, reason=plan.reason)
        case Adopt():
            return RetryLater(after=timedelta(0), reason="another heal has mended the same damage")
        case Heal():
            why = _changed(inherited, plan)
            return RetryLater(after=timedelta(seconds=1), reason=why) if why else None
        case _:
            assert_never(plan)


def _changed(inherited: Inherited, plan: Heal) -> str | None:
    if (plan.intent.scope, plan.strategy) != (inherited.scope, inherited.strategy):
        return "the plan changed while a dead process held the claim"
    if plan.hold > inherited.held:
        # The wallet had refused, and the process died before it could say so; or the catalog now asks for more.
        return "its credits were not held when a process died"
    return None


def _drawn() -> int:
    return int(random() * 2**53)  # noqa: S311 - ids must differ, and may be guessed


def _claim_of(claimed: Claimed) -> Claim:
    diagnosed, plan = claimed.diagnosed, claimed.diagnosed.heal
    return Claim(
        attempt_id=diagnosed.attempt_id,
        step=diagnosed.failure.step,
        held=plan.hold,
        deadline=claimed.sent_at + plan.intent.window.total_seconds(),
        sent_at=claimed.sent_at,
        probe=claimed.probe,
    )
