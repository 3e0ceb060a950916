"""The resume stage: polls the database for failures that are due, members' own inserts, and orphaned claims.

An orphaned claim is one whose owner is dead, or one of this process whose commit was never answered.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from random import random
from typing import Final

import structlog

from consumer.catalog import Catalogs
from consumer.errors import RefusedByDatabase, TransientError
from consumer.event_loop import jittered, wait_for_event
from consumer.flow_control.brake import WorkflowBrake
from consumer.flow_control.dependencies import Dependencies, dependency_gates
from consumer.flow_control.locked_wallets import LockedWallets
from consumer.flow_control.pauses import pause_gates
from consumer.flow_control.slots import HealSlots
from consumer.ingest.big_records import is_big_row
from consumer.metrics import LoopPhase, Metrics
from consumer.model import Diagnosed, Failure, Heal, OwnerId, Refuse, Settlement
from consumer.model.batch import Claimed
from consumer.model.settlement import AskedStep
from consumer.ownership.clock import Clock
from consumer.ownership.lease import Lease
from consumer.pipeline.bindings import BindingRecords
from consumer.pipeline.durable import bisect_batch
from consumer.pipeline.fleet_looks import count_answers, expire_unanswered_plans, load_fleet_state, warn_of_low_wallets
from consumer.pipeline.flow import Pipeline
from consumer.pipeline.publish import Publisher
from consumer.pipeline.recording import Recording
from consumer.pipeline.rounds import Rounds
from consumer.pipeline.set_aside import take_in_set_aside
from consumer.pipeline.stored_content import StoredContent
from consumer.pipeline.unclaimed import end_unclaimed_plan
from consumer.results.events import Outlet
from consumer.results.pauses import pause_message
from consumer.results.settlement import strip_content
from consumer.settings import BreakerSettings, HealSettings, ResumeSettings
from consumer.store import breakers, due, leases, pauses, rate_limits
from consumer.store.agent_budget import forget_budgets
from consumer.store.debts import apply_owed
from consumer.store.leases import Inherited, ReadableStates
from consumer.store.pool import Pool
from consumer.store.relapses import forget_unwatched
from consumer.store.settle import end_unclaimed
from consumer.store.suspended import take_due
from consumer.store.untold import LOOKED_AT, put_aside, release_told
from consumer.store.waiters import leave_probes, wake_for_room, wake_missed
from schemas.names import ReachKind

log = structlog.get_logger(__name__)

ORPHANED_AFTER: Final = timedelta(seconds=10)
"""Age of an orphan under our own name: a claim is in memory as soon as its commit is answered, so one this old and not
in memory lost its answer."""
TAKE_OVER_AT_ONCE: Final = 50
REDACTED_AT_ONCE: Final = 50
"""Failures that were rewritten while they were not due, redacted in one round."""
UNSERVED_AT_ONCE: Final = 20
PUT_ASIDE_ROUNDS: Final = 10
"""Transactions of one refresh that put aside what has yet to be told: of an organisation, 5,000 failures a second."""


FREED_BEFORE_PICK: Final = 20
"""With a backlog, the fraction of the slots (a twentieth) that is free before the next pick, to be worth its
transactions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeLoop:
    """Polls the database at intervals, and puts the failures and claims it finds into the pipeline."""

    pool: Pool
    me: OwnerId
    live: HealSlots
    pipeline: Pipeline
    publisher: Publisher
    recording: Recording
    outlet: Outlet
    metrics: Metrics
    settings: ResumeSettings
    heal: HealSettings
    breaker: BreakerSettings
    brake: WorkflowBrake
    catalogs: Catalogs
    dependencies: Dependencies
    clock: Clock
    lease: Lease
    readable: ReadableStates
    rounds: Rounds
    content: StoredContent
    wake: asyncio.Event
    """Set by any component that knows of something due now."""
    bindings: BindingRecords | None = None
    """None where nothing replaces a dependency."""
    wallets: LockedWallets = field(default_factory=LockedWallets)

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until stopped; while the database is away, retry."""
        while not stop.is_set():
            try:
                more = await self.once()
            except (TransientError, RefusedByDatabase) as error:
                log.warning("resume_failed", error=str(error)[:300])
                more = False
            if more:
                # Picking a few at a time would cost as many transactions as heals.
                wanted = max(1, self.live.slots // FREED_BEFORE_PICK)
                await self.live.wait_for_some(wanted, self.settings.interval)
            else:
                await self._wait_for_wake(stop)

    async def once(self) -> bool:
        """Poll once; return whether there was more than there were slots for."""
        refreshes = self.rounds.is_due()
        if refreshes or self.rounds.more_suspended:
            await self._go_on_with_suspended()
        if refreshes:
            with self.metrics.timed(LoopPhase.RESUME):
                await self._refresh_fleet_state()
            with self.metrics.timed(LoopPhase.RESUME):
                await self._take_over_claims()
            await take_in_set_aside(self.pool, self.pipeline, self.metrics, self.settings.batch)
            if self.live.free() == 0:
                self.live.due_waits = await due.has_due(self.pool, self.rounds.after)
        limit = min(self.live.free(), self.settings.batch)
        picked = 0
        while picked < limit:
            with self.metrics.timed(LoopPhase.RESUME):
                found = await self._pick_and_start(limit - picked)
            self.rounds.after = found.after
            picked += len(found.failures)
            if found.now is None and found.after is None:
                self.live.due_waits = False
                return False
        if limit:
            self.live.due_waits = True
        return True

    async def _go_on_with_suspended(self) -> None:
        """Go on with suspended heals that are due, in at most half of the free slots: what is new comes in too."""
        limit = min((self.live.free() + 1) // 2, self.settings.batch)
        self.rounds.more_suspended = False
        if limit == 0:
            return
        sent_at = time.monotonic()
        with self.metrics.timed(LoopPhase.RESUME):
            found = await take_due(
                self.pool,
                self.me,
                after=self.rounds.suspended_after,
                room=lambda org_id: min(self.live.free_slots(org_id), self.settings.per_organisation),
                limit=limit,
                readable=self.readable,
            )
        self.rounds.suspended_after = found.after
        self.rounds.more_suspended = found.after is not None or len(found.inherited) == limit
        await self._inherit(found.inherited, sent_at)

    async def _pick_and_start(self, limit: int) -> due.Picked:
        found = await due.pick(
            self.pool,
            after=self.rounds.after,
            room=lambda org_id: self.wallets.room(org_id, self.live.free_slots(org_id)),
            per_organisation=self.settings.per_organisation,
            limit=limit,
            hide=self.settings.hide,
        )
        self.rounds.unserved.update(found.unserved)
        if found.now is not None:
            planned = await self._plan(found.failures, found.now)
            await self._dispatch([*planned, *map(self._refuse_too_large, found.too_large)])
        return found

    async def _plan(self, failures: Sequence[Failure], now: datetime) -> list[Diagnosed]:
        planned = []
        for failure, too_long in await self.content.redact(failures):
            if too_long is None:
                planned.append(self.pipeline.diagnosed(failure, now))
            else:
                planned.append(self.pipeline.refused(failure, f"took_too_long: {too_long}, and insert it again"))
            if is_big_row(failure):
                await asyncio.sleep(0)
        return planned

    def _refuse_too_large(self, failure: Failure) -> Diagnosed:
        """Give up a member's row of which nothing was read; where the trigger sees such a row it is refused at once."""
        self.metrics.too_large_rows.inc()
        log.warning("row_too_large", failure_id=str(failure.id), org_id=str(failure.org_id), size=failure.size)
        reason = (
            f"its row has {failure.size} bytes, more than intake_member_limit allows: insert it again with less in it"
        )
        return self.pipeline.refused(failure, reason)

    async def _refresh_fleet_state(self) -> None:
        """Load the state of the whole fleet: unhealthy dependencies (circuit breakers) and braked workflows."""
        await due.postpone_for_person(self.pool)
        if await expire_unanswered_plans(self.pool, self.metrics):
            self.wake.set()
        await count_answers(self.pool, self.metrics)
        await self.content.redact(await due.unredacted(self.pool, REDACTED_AT_ONCE))
        if left := self.dependencies.take_left_probes():
            await leave_probes(self.pool, left, self.breaker)
        await self._put_untold_aside()
        await self._wake_for_room()
        await self._release_ended_pauses()
        loaded = await breakers.load_breakers(self.pool, self.breaker)
        self.dependencies.refresh(loaded.unhealthy, loaded.struck)
        self.metrics.breakers_open.set(len(loaded.unhealthy))
        if self.bindings is not None:
            await self.bindings.refresh()
        await rate_limits.forget(self.pool)
        await forget_budgets(self.pool)
        await forget_unwatched(self.pool)
        self.metrics.credit_debt.set(await apply_owed(self.pool) / 1_000_000)
        await warn_of_low_wallets(self.pool, self.me, self.publisher, self.outlet, self.metrics)
        await self.pipeline.look_after_prepared()
        self.wallets.note(())
        self.metrics.locked_wallets.set(len(self.wallets))
        self.pipeline.brake(await load_fleet_state(self.pool, self.brake, self.catalogs.current))

    async def _wake_for_room(self) -> None:
        """Wake those for whom no settlement does: a heal only waits, or the last had ended when they came to wait."""
        rooms, notes = self.dependencies.with_room(), self.dependencies.notes
        if rooms and not await wake_for_room(self.pool, rooms):
            self.dependencies.nobody_waits(rooms, notes)

    async def _release_ended_pauses(self) -> None:
        in_force = Counter(pause.reach.kind for pause in self.lease.permission.pauses)
        for kind in ReachKind:
            self.metrics.pauses[kind].set(in_force[kind])
        over = await pauses.release_ended(self.pool, partial(pause_message, outlet=self.outlet))
        if over.ended or over.released:
            log.info("pauses_over", ended=over.ended, failures_due_again=over.released)

    async def _put_untold_aside(self) -> None:
        """Put aside due failures whose messages are not sent yet, and take back those whose are."""
        organisations = sorted(self.rounds.unserved)[:UNSERVED_AT_ONCE]
        self.rounds.unserved.clear()
        for _ in range(PUT_ASIDE_ROUNDS):
            if not organisations or await put_aside(self.pool, organisations) < LOOKED_AT:
                break
        released = await release_told(self.pool, self.rounds.told_after)
        self.rounds.told_after = released.after

    async def _take_over_claims(self) -> None:
        sent_at = time.monotonic()
        self.rounds.parked_after = await leases.release_decided(
            self.pool, TAKE_OVER_AT_ONCE, after=self.rounds.parked_after
        )
        taken = await leases.take_over(self.pool, self.me, self.lease.dead, TAKE_OVER_AT_ONCE, self.readable)
        lost = await leases.find_orphans(self.pool, self.me, self.live.ids(), ORPHANED_AFTER)
        for inherited in (*taken, *lost):
            self.metrics.claims_inherited.inc()
            log.warning("claim_inherited", attempt_id=str(inherited.attempt_id), begun=inherited.begun)
        await self._inherit((*taken, *lost), sent_at)

    async def _inherit(self, claims: Sequence[Inherited], sent_at: float) -> None:
        for inherited in claims:
            for failure, _ in await self.content.redact([inherited.failure]):
                self.pipeline.inherit(replace(inherited, failure=failure), sent_at)

    async def _dispatch(self, diagnosed: Sequence[Diagnosed]) -> None:
        now = self.clock.now()
        for one in (one for one in diagnosed if one.is_preliminary):
            self.pipeline.prepare(one, self._dispatch)
        diagnosed = [one for one in diagnosed if not one.is_preliminary]
        healable = [one for one in diagnosed if isinstance(one.plan, Heal)]
        ended = [
            end_unclaimed_plan(one, one.plan, now, self.outlet, self.pipeline.unplannable)[1]
            for one in diagnosed
            if not isinstance(one.plan, Heal)
        ]
        if ended:
            await self._settle(ended)
            for one in diagnosed:
                if one.failure.source is None and isinstance(one.plan, Refuse):  # others were counted at intake
                    self.recording.missing_context(one)
        if healable:
            await self._start(healable)

    async def _start(self, healable: Sequence[Diagnosed]) -> None:
        await bisect_batch(healable, self._start_together, self._give_up_unstorable)

    async def _start_together(self, healable: Sequence[Diagnosed]) -> None:
        sent_at = time.monotonic()
        started = await due.start(self.pool, self.me, self._attach_gates(healable), jittered(self.heal.waiter_retry))
        self.wallets.note(started.put_off, {d.failure.org_id for d in started.claimed if d.heal.hold > 0})
        self.pipeline.heal(
            [Claimed(diagnosed=d, sent_at=sent_at, probe=d.failure.id in started.probing) for d in started.claimed],
            [(Claimed(diagnosed=d, sent_at=sent_at), end) for d, end in started.held_back],
        )
        here = {d.failure.id for d in started.claimed} | {d.failure.id for d, _ in started.held_back}
        for one in healable:
            if one.failure.id not in here:
                self.dependencies.note_waiting(one.heal.dependencies)
        if await wake_missed(self.pool, [d.failure.id for d in healable if d.failure.id not in here]):
            self.wake.set()

    async def _give_up_unstorable(self, unstorable: Diagnosed, error: RefusedByDatabase) -> None:
        failure = unstorable.failure
        log.error("claim_unstorable", failure_id=str(failure.id), error=str(error)[:300])
        await self._dispatch([self.pipeline.unplannable(failure, "its claim cannot be stored: report this")])

    def _attach_gates(self, healable: Sequence[Diagnosed]) -> list[due.Due]:
        """Attach the dependency that each failure waits for. Of an unhealthy one the first asks: a probe may be due."""
        paused = pause_gates(healable, self.lease.permission.pauses)
        gates = dependency_gates([one for one in healable if one.failure.id not in paused], self.dependencies)
        asking: set[str] = set()
        for one in healable:
            key = gates.get(one.failure.id)
            if key is not None and self.dependencies.is_unhealthy(key) and key not in asking:
                asking.add(key)
                del gates[one.failure.id]
        return [due.Due(diagnosed=one, waits_on=(gates | paused).get(one.failure.id)) for one in healable]

    async def _settle(self, settlements: Sequence[Settlement | AskedStep]) -> None:
        await bisect_batch(settlements, self._settle_together, self._settle_alone)

    async def _settle_together(self, settlements: Sequence[Settlement | AskedStep]) -> None:
        moved = await end_unclaimed(self.pool, self.me, settlements)
        for settlement in settlements:
            if settlement.failure.id in moved:
                self.publisher.offer(settlement.messages)
                self.recording.unclaimed(settlement)

    async def _settle_alone(self, settlement: Settlement | AskedStep, error: RefusedByDatabase) -> None:
        if isinstance(settlement, Settlement):
            await self._settle_together([strip_content(settlement, self.outlet)])
            return
        failure = settlement.failure
        log.error("plan_unstorable", failure_id=str(failure.id), error=str(error)[:300])
        await self._dispatch(
            [self.pipeline.unplannable(failure, "its plan cannot be stored to be asked for: report this")]
        )

    async def _wait_for_wake(self, stop: asyncio.Event) -> None:
        # A request for a heal ends the wait early; the jitter keeps replicas from polling all at once.
        wait = self.settings.interval * (0.75 + random() / 2)  # noqa: S311 - jitter
        if await wait_for_event(self.wake, wait) and not stop.is_set():
            self.wake.clear()
