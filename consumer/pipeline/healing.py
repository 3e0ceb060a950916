"""The heal stage: a claimed failure takes a slot, runs its strategy behind its effect gate, and goes on to settle."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from random import random
from typing import Final

import structlog

from consumer.catalog import Catalogs, WorkflowPolicy
from consumer.errors import LostClaim, OwnFault
from consumer.event_loop import yielding_to_loop
from consumer.flow_control.dependencies import Dependencies
from consumer.flow_control.idle_heals import HeldByHeal
from consumer.flow_control.slots import HealSlots
from consumer.heal.gate import NOTHING_KEPT, Gate
from consumer.heal.kept import NO_CHARGE
from consumer.heal.run import run
from consumer.heal.strategy import Strategies, Task
from consumer.metrics import Metrics
from consumer.model import (
    Claim,
    Crashed,
    Diagnosed,
    Heal,
    HealPlace,
    Health,
    MicroAud,
    NotHealed,
    Outcome,
    Plan,
    RetryLater,
    Settlement,
    Unknown,
)
from consumer.model.batch import Claimed, HeldBack
from consumer.model.failure import Failure
from consumer.model.pause import place_of
from consumer.model.suspension import SuspendedHeal, Suspension
from consumer.ownership.clock import Clock
from consumer.ownership.lease import Lease
from consumer.pipeline.inherited import Continued, continue_from_state, ends_unhealed
from consumer.pipeline.reading import Reading
from consumer.pipeline.settle import Settler
from consumer.pipeline.suspend import Suspender
from consumer.plan.rung import rung_for
from consumer.results.asked import settle_or_ask
from consumer.results.events import Outlet
from consumer.results.settlement import FinishedHeal
from consumer.results.suspended import suspended_message, waits_for
from consumer.store.late_charges import LateCharge
from consumer.store.leases import Inherited
from schemas.names import Code, Effect, StrategyName

log = structlog.get_logger(__name__)

SLOT_WAIT_LIMIT: Final = timedelta(seconds=5)
"""How long a prefetched heal (claimed before its slot was free) waits for its slot."""
STARTED_AT_ONCE: Final = 16
"""Heals that begin in one turn of the event loop, at some 0.3 ms each: up to its first answer a heal does not yield."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealTasks:
    """Runs the heals of this process, each in a task of its own; every end of a heal becomes a settlement."""

    reading: Reading
    settler: Settler
    suspender: Suspender
    strategies: Strategies
    catalogs: Catalogs
    live: HealSlots
    dependencies: Dependencies
    lease: Lease
    clock: Clock
    outlet: Outlet
    metrics: Metrics
    tasks: asyncio.TaskGroup
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    def start(
        self, claimed: Sequence[Claimed], held_back: Sequence[tuple[Claimed, HeldBack]], *, is_new: bool = False
    ) -> None:
        """Start the heals of claims; a claim that the wallet or a rate limit holds back is settled at once."""
        # All take their slots before any other caller can look for a free one.
        claims = [(one.diagnosed, one.claim) for one in claimed]
        started = [both for both in claims if self._takes_slot(*both, is_new=is_new)]
        for one, end in held_back:
            claim = replace(one.claim, held=MicroAud(0))
            if self._takes_slot(one.diagnosed, claim, is_new=is_new):
                self._settle(one.diagnosed, claim, end, self.clock.now(), one.diagnosed.plan.strategy)
        if started:
            self._track(self.tasks.create_task(self._start_all(started)))

    def inherit(self, inherited: Inherited, sent_at: float) -> None:
        """Continue a claim that a dead process left, or one of our own whose commit was never answered."""
        now = self.clock.now()
        diagnosed = self.reading.diagnosed(inherited.failure, now)
        claim = Claim(
            attempt_id=inherited.attempt_id,
            step=inherited.step,
            held=inherited.held,
            pays_from=inherited.pays_from,
            deadline=sent_at + inherited.window.total_seconds(),
            sent_at=sent_at,
            epoch=inherited.epoch,
            cancels=inherited.revoked and inherited.state is not None,
        )
        continued, end = None, None
        if inherited.state is None:
            end = ends_unhealed(inherited, diagnosed.plan)
        else:
            continued = continue_from_state(inherited, inherited.state, diagnosed.plan, self.strategies)
            diagnosed = replace(diagnosed, plan=continued.plan)
            end = continued.end
        # A claim that ends unhealed does not count for this plan's dependency: it was made for another plan.
        if not self._takes_slot(diagnosed, claim, is_new=False, heals=end is None):
            return
        if end is None:
            self._start(diagnosed, claim, continued)
        else:
            self._settle(diagnosed, claim, end, now, inherited.strategy, inherited.effect)

    def cancel(self) -> None:
        """Cancel the running heals; their claims stand, and are taken over."""
        for task in tuple(self._running):
            task.cancel()

    def _takes_slot(self, diagnosed: Diagnosed, claim: Claim, *, is_new: bool, heals: bool = True) -> bool:
        taken = self.live.add(claim.attempt_id, diagnosed.failure.org_id, is_new=is_new)
        if taken and heals and isinstance(diagnosed.plan, Heal):
            for key in diagnosed.plan.dependencies:
                self.dependencies.started(key)
        return taken

    async def _start_all(self, started: Sequence[tuple[Diagnosed, Claim]]) -> None:
        async for diagnosed, claim in yielding_to_loop(started, STARTED_AT_ONCE):
            self._start(diagnosed, claim)

    def _start(self, diagnosed: Diagnosed, claim: Claim, continued: Continued | None = None) -> None:
        self._track(self.tasks.create_task(self._heal_one(diagnosed, claim, continued)))

    def _track(self, task: asyncio.Task[None]) -> None:
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _heal_one(self, diagnosed: Diagnosed, claim: Claim, continued: Continued | None) -> None:
        failure, plan = diagnosed.failure, diagnosed.heal
        kept, carried = (None, NOTHING_KEPT) if continued is None else (continued.kept, continued.carried)
        structlog.contextvars.bind_contextvars(failure_id=failure.id)
        others: dict[str, bool] = {}
        held = self._held_by(failure, plan, claim, others)
        if not await self.live.acquire(SLOT_WAIT_LIMIT):
            self._end_without_slot(diagnosed, claim, continued, held)
            return
        if claim.place is None:
            claim = replace(claim, place=self._place_of(diagnosed))
        started_at = self.clock.now() - (kept.suspended_for if kept is not None else timedelta(0))
        gate = Gate(claim, plan.intent.effect, self.lease, self.live.effect_started, held.given_back, carried)
        task = Task(
            failure=failure,
            diagnosis=diagnosed.diagnosis,
            plan=plan,
            policy=self._policy(failure, plan),
            attempt_id=claim.attempt_id,
            kept=kept,
            others=others,
        )
        try:
            outcome = await run(self.strategies[plan.strategy], task, gate, self._count_own_fault)
        except LostClaim:
            self.metrics.claims_lost.inc()
            log.warning("claim_lost", attempt_id=str(claim.attempt_id))
            for key in plan.dependencies:
                self.dependencies.ended(key, healthy=None)
            await self._count_late(diagnosed, claim, gate)
            self.live.forget([claim.attempt_id])
            return
        finally:
            self.live.release(failure.org_id, claim.attempt_id)
        if isinstance(outcome, SuspendedHeal):
            self._suspend(diagnosed, claim, outcome, held, gate.unkept_charge)
            return
        if claim.probe and not held.is_probe:
            claim = replace(claim, probe=False)
        self._settle(diagnosed, claim, outcome, started_at, plan.strategy, others=task.others, gate=gate)

    async def _count_late(self, diagnosed: Diagnosed, claim: Claim, gate: Gate) -> None:
        """Count what a heal has cost whose claim is another's now."""
        await self.settler.late_charges.count(
            LateCharge(
                attempt_id=claim.attempt_id,
                org_id=diagnosed.failure.org_id,
                strategy=diagnosed.plan.strategy,
                amount=gate.unkept_charge,
                pays_from=claim.pays_from,
            )
        )

    def _place_of(self, diagnosed: Diagnosed) -> HealPlace:
        """Return where a heal that goes on acts; under another plan than today's it calls what its strategy says."""
        place, plan = place_of(diagnosed), diagnosed.heal
        if place.dependencies:
            return place
        strategy, policy = self.strategies.get(plan.strategy), self._policy(diagnosed.failure, plan)
        try:
            rung = None if strategy is None else rung_for(strategy, diagnosed.diagnosis, policy)
            intent = None if rung is None else rung.intent(diagnosed.failure, policy)
        except Exception:  # a plan of its own it has: only what it calls is not known
            log.exception("intent_crashed", failure_id=diagnosed.failure.id)
            intent = None
        named = (intent.dependency, *intent.others) if intent is not None else ()
        return replace(place, dependencies=frozenset(name for name in named if name is not None))

    def _end_without_slot(
        self, diagnosed: Diagnosed, claim: Claim, continued: Continued | None, held: HeldByHeal
    ) -> None:
        reason = "no slot came free for it: heals under way hang"
        if continued is not None and (later := continued.again(reason)) is not None:
            self._suspend(diagnosed, claim, later, held)
            return
        late = RetryLater(after=timedelta(0), reason=reason)
        self._settle(diagnosed, claim, late, self.clock.now(), diagnosed.plan.strategy)

    def _suspend(
        self,
        diagnosed: Diagnosed,
        claim: Claim,
        heal: SuspendedHeal,
        held: HeldByHeal,
        unkept: MicroAud = NO_CHARGE,
    ) -> None:
        held.left(dependency_unhealthy=heal.dependency_unhealthy)
        now = self.clock.now()
        until = now + min(heal.look_again, heal.longest)
        failure = diagnosed.failure
        told = suspended_message(failure, diagnosed.diagnosis, claim, heal.reason, now, until, self.outlet)
        self.suspender.put(
            Suspension(
                attempt_id=claim.attempt_id,
                failure_id=failure.id,
                org_id=failure.org_id,
                strategy=diagnosed.plan.strategy,
                epoch=claim.epoch,
                heal=replace(heal, reason=waits_for(heal.reason)),
                messages=(told,),
                pays_from=claim.pays_from,
                unkept_charge=unkept,
            )
        )

    def _held_by(self, failure: Failure, plan: Heal, claim: Claim, others: Mapping[str, bool]) -> HeldByHeal:
        named = {} if plan.dependency is None else {plan.dependency: plan.intent.dependency or ""}
        healths = tuple(
            Health(key=key, org_id=failure.org_id, dependency=name, healthy=None, probe=claim.probe)
            for key, name in (named | dict(plan.others)).items()
        )
        return HeldByHeal(
            live=self.live,
            dependencies=self.dependencies,
            attempt_id=claim.attempt_id,
            healths=healths,
            others=others,
        )

    def _count_own_fault(self, fault: OwnFault) -> None:
        self.metrics.own_faults[fault].inc()

    def _settle(
        self,
        diagnosed: Diagnosed,
        claim: Claim,
        outcome: Outcome,
        started_at: datetime,
        strategy: StrategyName,
        effect: Effect | None = None,
        *,
        others: Mapping[str, bool] | None = None,
        gate: Gate | None = None,
    ) -> None:
        """Settle a heal that ran behind its `gate`, that another process began (its `effect`), or that never began."""
        ended = FinishedHeal(
            failure=diagnosed.failure,
            diagnosis=diagnosed.diagnosis,
            strategy=strategy,
            plan=diagnosed.plan,
            claim=claim,
            outcome=outcome,
            attempted_at=started_at,
            finished_at=self.clock.now(),
            effect=effect,
            begun=gate.begun if gate is not None else effect is not None,
            others=others or {},
            unkept_charge=gate.unkept_charge if gate is not None else NO_CHARGE,
        )
        try:
            settlement = self._settlement_of(ended)
        except Exception as error:  # as in planning: a bug of ours in one failure must not stop all others
            log.exception("settle_crashed", failure_id=diagnosed.failure.id)
            reason = f"settling it broke ({type(error).__name__}): report this"
            settlement = self._settlement_of(replace(ended, outcome=_crashed_outcome(ended, reason)))
        for health in settlement.healths if effect is None else ():  # else it was never begun here
            self.dependencies.ended(health.key, healthy=health.healthy)
        self.settler.put(settlement)

    def _settlement_of(self, ended: FinishedHeal) -> Settlement:
        policy, dice = self._policy(ended.failure, ended.plan), random()  # noqa: S311 - jitter
        catalog, goes_on = self.catalogs.of(ended.plan.catalog_version), partial(self.reading.goes_on, ended.diagnosis)
        return settle_or_ask(ended, policy, catalog, dice, self.outlet, goes_on)

    def _policy(self, failure: Failure, plan: Plan) -> WorkflowPolicy:
        # A workflow that was never in the catalog has no plan to heal: the defaults allow nothing.
        planned_with = self.catalogs.of(plan.catalog_version)
        return planned_with.policy(failure.workflow_name) or WorkflowPolicy(name="*")


def _crashed_outcome(ended: FinishedHeal, reason: str) -> Outcome:
    """Return the outcome of a heal whose end cannot be settled: of what had begun, nobody knows how it stands."""
    effect = ended.own_plan.intent.effect if ended.own_plan is not None else ended.effect
    if not ended.begun or effect not in (Effect.UNSAFE, Effect.KEYED):
        return Crashed(reason=reason)
    return Unknown(reason=reason) if effect is Effect.UNSAFE else NotHealed(code=Code.UNVERIFIED, reason=reason)
