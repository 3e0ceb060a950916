"""What happens to a failure, in order. Read this first.

    Kafka ─▶ read ─▶ take ─▶ heal ─▶ settle ─▶ publish
                      ▲       ▲
    database ─────────┴ resume ┘      (what is due again, members' own inserts, claims of dead owners)

READ      decode, diagnose and plan the records of a poll: nothing is stored yet
TAKE      one transaction makes the batch durable, and claims as many heals as have slots
ASK       a model what is broken, where the catalog says so and no rule knows; RESUME has it asked before the rest
REHEARSE  what a strategy in shadow mode would do, up to its effect; RESUME has it done before the rest
HEAL      each claimed failure runs one strategy behind its effect gate
SUSPEND   a heal that waits for another system leaves its process; RESUME goes on with it when it is due
SETTLE    one transaction ends a batch of heals: attempts, statuses, credits, messages
PUBLISH   what the transactions wrote to the outbox goes to Kafka, in each failure's order
RESUME    polls the database for what is due, and enters it here again

An offset is committed once its records are durable; a message leaves the outbox once Kafka has it. Work that a crash
interrupts is recovered by a live process: its claim through the lease of its owner, its message by the outbox sweeper.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from consumer.catalog import Catalog, Catalogs
from consumer.flow_control.dependencies import Dependencies
from consumer.flow_control.intake_breaker import IntakeBreaker
from consumer.flow_control.slots import HealSlots
from consumer.heal.strategy import Strategies
from consumer.metrics import Metrics
from consumer.model import Diagnosed, Failure, FailureId, OwnerId, Record
from consumer.model.batch import Batch, Claimed, HeldBack
from consumer.ownership.clock import Clock
from consumer.ownership.lease import Lease
from consumer.pipeline.agent_diagnoses import AgentDiagnoses, Then
from consumer.pipeline.healing import HealTasks
from consumer.pipeline.intake import Intake
from consumer.pipeline.publish import Publisher
from consumer.pipeline.reading import Reading, merge_batches
from consumer.pipeline.recording import Recording
from consumer.pipeline.rehearsing import Rehearsals
from consumer.pipeline.settle import Settler
from consumer.pipeline.suspend import Suspender
from consumer.plan.planner import FleetState
from consumer.results.events import Outlet
from consumer.store.leases import Inherited
from consumer.store.pool import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """The parts of the pipeline; the composition root builds them."""

    reading: Reading
    catalogs: Catalogs
    strategies: Strategies
    intake: Intake
    settler: Settler
    suspender: Suspender
    publisher: Publisher
    recording: Recording
    live: HealSlots
    dependencies: Dependencies
    pool: Pool
    clock: Clock
    lease: Lease
    owner: OwnerId
    outlet: Outlet
    metrics: Metrics
    valve: IntakeBreaker


class Pipeline:
    """The stages in order. The source feeds it from Kafka, and resume from the database."""

    def __init__(self, stages: Stages, heals: asyncio.TaskGroup) -> None:
        self._stages = stages
        self._healing = HealTasks(
            reading=stages.reading,
            settler=stages.settler,
            suspender=stages.suspender,
            strategies=stages.strategies,
            catalogs=stages.catalogs,
            live=stages.live,
            dependencies=stages.dependencies,
            lease=stages.lease,
            clock=stages.clock,
            outlet=stages.outlet,
            metrics=stages.metrics,
            tasks=heals,
        )
        self._agent_diagnoses = AgentDiagnoses(
            pool=stages.pool,
            me=stages.owner,
            reading=stages.reading,
            strategies=stages.strategies,
            catalogs=stages.catalogs,
            dependencies=stages.dependencies,
            permission=stages.lease.permission,
            clock=stages.clock,
            metrics=stages.metrics,
            tasks=heals,
        )
        self._rehearsals = Rehearsals(
            pool=stages.pool,
            reading=stages.reading,
            strategies=stages.strategies,
            catalogs=stages.catalogs,
            dependencies=stages.dependencies,
            clock=stages.clock,
            tasks=heals,
        )

    def is_slow(self, record: Record) -> bool:
        """Return whether reading a record may take long."""
        return self._stages.reading.is_slow(record)

    async def read(self, records: Sequence[Record]) -> Batch:
        """Decode, diagnose and plan records."""
        return await self._stages.reading.read(records)

    def join(self, first: Batch, more: Batch) -> Batch:
        """Merge two waiting batches into one."""
        return merge_batches(first, more)

    async def take(self, batch: Batch) -> None:
        """Make a batch durable, publish its decisions and start its heals, in portions for which there are slots."""
        await self._take(batch, retaking=False)

    async def take_foreign(self, batch: Batch) -> None:
        """The same of a topic that the catalog declares: its letters do not count for the intake breaker."""
        await self._take(batch, retaking=False, counts=False)

    async def take_again(self, records: Sequence[Record]) -> frozenset[FailureId]:
        """Read and take in records that had been set aside; returns those that have to stay there."""
        return await self._take(await self.read(records), retaking=True)

    async def _take(self, batch: Batch, *, retaking: bool, counts: bool = True) -> frozenset[FailureId]:
        rest: Batch | None = batch
        aside: frozenset[FailureId] = frozenset()
        while rest is not None:
            portion = await self._stages.intake.take(rest, self._stages.reading.unplannable, retaking=retaking)
            received, rest = portion.received, portion.rest
            self._stages.publisher.offer(received.messages)
            self._healing.start(received.claimed, received.held_back, is_new=True)
            self._stages.recording.batch(portion.batch, received, retaking=retaking)
            if counts:
                await self._stages.valve.count(portion.batch, received)
            aside |= received.aside
        return aside

    def diagnosed(self, failure: Failure, now: datetime) -> Diagnosed:
        """Diagnose and plan a failure that was read from the database."""
        return self._stages.reading.diagnosed(failure, now)

    def unplannable(self, failure: Failure, reason: str) -> Diagnosed:
        """Give up a failure on which our own code crashed."""
        return self._stages.reading.unplannable(failure, reason)

    def refused(self, failure: Failure, reason: str) -> Diagnosed:
        """Refuse a failure that may not be healed, whatever it holds."""
        return self._stages.reading.refused(failure, reason)

    def heal(self, claimed: Sequence[Claimed], held_back: Sequence[tuple[Claimed, HeldBack]]) -> None:
        """Start the heals that resume has claimed."""
        self._healing.start(claimed, held_back)

    def inherit(self, inherited: Inherited, sent_at: float) -> None:
        """Continue a claim whose owner is dead, or never got the answer to the claim's commit."""
        self._healing.inherit(inherited, sent_at)

    def prepare(self, diagnosed: Diagnosed, then: Then) -> None:
        """Do first what a preliminary plan needs, a model asked or a heal rehearsed, and hand it to `then`."""
        if diagnosed.asks_agent:
            self._agent_diagnoses.begin(diagnosed, then)
        else:
            self._rehearsals.begin(diagnosed, then)

    async def look_after_prepared(self) -> None:
        """End what dead processes were asking, and look whether failures left to shadow heals have recovered."""
        await self._agent_diagnoses.end_left()
        await self._rehearsals.look_again()

    def use_catalog(self, catalog: Catalog) -> None:
        """Read, plan and heal under another catalog from now on; existing plans finish under their own catalog."""
        self._stages.catalogs.change(catalog)
        self._stages.reading.use_catalog(catalog)

    def brake(self, standing: FleetState) -> None:
        """Plan under a new state of the whole fleet."""
        self._stages.reading.standing = standing

    def cancel_heals(self) -> None:
        """Cancel the running heals; their claims stand, and are taken over."""
        self._healing.cancel()
        self._rehearsals.cancel()
        self._agent_diagnoses.cancel()
