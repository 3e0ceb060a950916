"""The composition root: the one place that knows every concrete class, and in which order they start and stop."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from uuid import uuid4

import structlog
from prometheus_client import CollectorRegistry

from consumer import logs
from consumer.catalog import Catalogs
from consumer.commands.keys import CommandKeys
from consumer.errors import ShwError
from consumer.flow_control.backlog import BacklogLimit
from consumer.flow_control.brake import WorkflowBrake
from consumer.flow_control.breakers import Breakers
from consumer.flow_control.dependencies import Dependencies
from consumer.flow_control.intake_breaker import IntakeBreaker
from consumer.flow_control.pauses import HealGates
from consumer.flow_control.slots import HealSlots
from consumer.heal.strategy import Strategies, readable_states
from consumer.ingest.big_records import RecordWorkers, record_workers
from consumer.ingest.decode import AdmissionRules
from consumer.ingest.source import KafkaSource
from consumer.kafka.topic_records import TopicRecords
from consumer.kafka.writer import Writer, open_writer
from consumer.metrics import Metrics, PauseReason, RebuiltClient
from consumer.model import OwnerId
from consumer.ownership.clock import Clock
from consumer.ownership.lease import Lease
from consumer.pipeline.bindings import BindingRecords, current_bindings, dependency_watch
from consumer.pipeline.definitions import DefinitionRecords, definition_rounds
from consumer.pipeline.flow import Pipeline, Stages
from consumer.pipeline.intake import Intake
from consumer.pipeline.publish import Publisher
from consumer.pipeline.reading import Reading
from consumer.pipeline.recording import Recording
from consumer.pipeline.resume import ResumeLoop
from consumer.pipeline.rounds import Rounds
from consumer.pipeline.runner_watch import RunnerWatches
from consumer.pipeline.settle import Settler
from consumer.pipeline.stored_content import StoredContent
from consumer.pipeline.suspend import Suspender
from consumer.plan.planner import Planner
from consumer.results.events import Outlet
from consumer.results.refusals import LetterMessages
from consumer.service.api import serve_api
from consumer.service.catalog_file import CatalogFile, read_catalog, warn_unbound
from consumer.service.commands import command_keys, supervise
from consumer.service.heartbeats import HeartbeatReader
from consumer.service.loops import Consumer, Pulse, SideLoop, run_loops
from consumer.service.memory import calm_collector, return_freed_memory
from consumer.service.runner_watches import open_watches
from consumer.service.startup_checks import allow_open_files, check_broker, check_client, check_database
from consumer.service.strategies import installed_strategies
from consumer.service.topics import TopicReaders
from consumer.settings import Settings
from consumer.store.leases import ReadableStates
from consumer.store.made_assets import StoredMadeAssets
from consumer.store.pool import Pool, open_pool, single_connection

log = structlog.get_logger(__name__)


def new_owner() -> OwnerId:
    """Return an owner name that no other process, not even this one's successor on the same host, ever has."""
    return OwnerId(f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}")


async def run_service(settings: Settings, stop: asyncio.Event, reread: asyncio.Event | None = None) -> None:
    """Run the service as it is deployed, the consumer with its API; setting `reread` has the catalog read again now.

    Raises
    ------
    ConfigError
        The service cannot start, or an operator has to decide before it can go on.

    """
    logs.configure(settings.log_level)
    try:
        await run(settings, stop, beside=(serve_api,), reread=reread)
    except BaseExceptionGroup as group:
        # The error of one loop says more than the group of all loops that ended with it.
        known = group.subgroup(ShwError)
        if known is None:
            raise
        raise _first_error(known) from group


def _first_error(group: BaseExceptionGroup[ShwError]) -> ShwError:
    first = group.exceptions[0]
    return _first_error(first) if isinstance(first, BaseExceptionGroup) else first


async def run(
    settings: Settings,
    stop: asyncio.Event,
    *,
    strategies: Strategies | None = None,
    beside: Sequence[SideLoop] = (),
    registry: CollectorRegistry | None = None,
    reread: asyncio.Event | None = None,
) -> None:
    """Run a consumer until stopped; returns within the drain budget.

    `strategies` replaces the installed ones (a benchmark's no-op, a test's); `beside` are loops that run with it and
    end when cancelled, such as the API. The catalog is read again when its file has changed, and when `reread` is set.

    Raises
    ------
    ConfigError
        The consumer cannot start, or an operator has to decide before it can go on.

    """
    check_client()
    allow_open_files(settings.heal.slots, settings.api.connections)
    calm_collector()
    return_freed_memory()
    catalogs = Catalogs(read_catalog(settings.catalog))
    warn_unbound(catalogs.current)
    metrics = Metrics(registry or CollectorRegistry())
    async with AsyncExitStack() as stack:
        keys = command_keys(settings)
        await check_broker(settings.kafka, commands=keys is not None, heartbeats=settings.heartbeats.read)
        opened = metrics.connections_opened.inc
        pool = await stack.enter_async_context(open_pool(settings.postgres, opened=opened))
        lease_pool = await stack.enter_async_context(open_pool(single_connection(settings.postgres), opened=opened))
        await check_database(pool, settings.deployment_name)
        clock, wake = Clock(), asyncio.Event()
        outlet = Outlet.of(settings.kafka)
        bindings = BindingRecords(pool=pool, catalogs=catalogs, outlet=outlet, metrics=metrics, wake=wake)
        definitions = DefinitionRecords(pool=pool, outlet=outlet, metrics=metrics)
        rebuilt = metrics.rebuilds[RebuiltClient.PRODUCER].inc
        writer = await stack.enter_async_context(open_writer(settings.kafka, rebuilt, clock.now))
        if strategies is None:
            # One connection per slot: a heal that had to wait for one would take the other side for dead.
            installed = installed_strategies(
                *(
                    catalogs,
                    settings.heal.slots,
                    settings.outbound,
                    bindings,
                    StoredMadeAssets(pool),
                    pool,
                    definitions,
                ),
                TopicRecords(settings.kafka),
            )
            strategies = await stack.enter_async_context(installed)
        workers = await stack.enter_async_context(record_workers(settings.intake.record_budget))
        watching = await stack.enter_async_context(open_watches(catalogs, settings.kafka.failures_topic))
        asked = reread or asyncio.Event()
        parts = Resources(
            *(settings, catalogs, pool, lease_pool, writer, strategies, metrics, asked, clock, workers, keys, bindings),
            *(definitions, watching),
        )
        await run_loops(lambda heals: _compose(parts, heals), stop, beside)


@dataclass(frozen=True, slots=True)
class Resources:
    """The open resources and settings from which the stages are built."""

    settings: Settings
    catalogs: Catalogs
    pool: Pool
    lease_pool: Pool
    """A pool of one connection, for the lease alone."""
    writer: Writer
    strategies: Strategies
    metrics: Metrics
    reread: asyncio.Event
    """Set to have the catalog's file read again now."""
    clock: Clock = field(default_factory=Clock)
    record_workers: RecordWorkers | None = None
    """For large records; without them all are read in this process."""
    command_keys: CommandKeys | None = None
    """Of those who may command; None where nobody may."""
    bindings: BindingRecords | None = None
    """Where calls to dependencies go that are replaced; None where nothing replaces one."""
    definitions: DefinitionRecords | None = None
    """Definitions that were put in force; None where nothing puts one."""
    watching: Callable[[Stages], RunnerWatches] | None = None
    """Makes the watches of runners; None where nothing is watched."""


def _compose(parts: Resources, heals: asyncio.TaskGroup) -> Consumer:
    settings, metrics, keys = parts.settings, parts.metrics, parts.command_keys
    wake = asyncio.Event() if parts.bindings is None else parts.bindings.wake
    rounds = Rounds(settings.resume.interval)

    def died() -> None:
        rounds.soon()
        wake.set()

    stages = stages_of(parts, wake, died)
    pipeline = Pipeline(stages, heals)
    pressure = BacklogLimit(settings, metrics)

    def full() -> PauseReason | None:
        return stages.intake.pause_reason() or pressure.full()

    source = KafkaSource(
        kafka=settings.kafka,
        intake=settings.intake,
        drain=settings.drain,
        stage=pipeline,
        full=full,
        metrics=metrics,
        valve=stages.valve,
    )
    resume = _resume(parts, stages, pipeline, rounds, wake, pressure)
    supervision = supervise(settings, stages, parts.catalogs, keys, wake.set)
    return Consumer(
        settings=settings,
        catalog_file=_catalog_file(parts, pipeline),
        stages=stages,
        source=source,
        pulse=Pulse(time.monotonic()),
        pressure=pressure,
        pipeline=pipeline,
        resume=resume,
        commands=supervision.commands,
        bulks=supervision.bulks,
        writer=parts.writer,
        topics=TopicReaders(settings=settings, catalogs=parts.catalogs, pipeline=pipeline, metrics=metrics, full=full),
        heartbeats=HeartbeatReader(settings=settings, stages=stages) if settings.heartbeats.read else None,
        watch=dependency_watch(parts.bindings, parts.strategies, stages.owner, stages.publisher),
        definitions=definition_rounds(
            parts.definitions, parts.catalogs, parts.strategies, stages.publisher, stages.lease.permission
        ),
        runner_watches=None if parts.watching is None else parts.watching(stages),
    )


def _resume(
    parts: Resources,
    stages: Stages,
    pipeline: Pipeline,
    rounds: Rounds,
    wake: asyncio.Event,
    pressure: BacklogLimit,
) -> ResumeLoop:
    settings, pool, metrics = parts.settings, parts.pool, parts.metrics
    return ResumeLoop(
        pool=pool,
        me=stages.owner,
        live=stages.live,
        pipeline=pipeline,
        publisher=stages.publisher,
        recording=stages.recording,
        outlet=stages.outlet,
        metrics=metrics,
        settings=settings.resume,
        heal=settings.heal,
        breaker=settings.breaker,
        brake=WorkflowBrake(metrics=metrics, pool=pool, replicas=lambda: pressure.replicas),
        catalogs=parts.catalogs,
        dependencies=stages.dependencies,
        clock=stages.clock,
        lease=stages.lease,
        readable=ReadableStates(states=readable_states(parts.strategies), others_after=settings.heal.foreign_state),
        rounds=rounds,
        bindings=parts.bindings,
        content=StoredContent(pool=pool, workers=parts.record_workers, catalogs=parts.catalogs),
        wake=wake,
    )


def _catalog_file(parts: Resources, pipeline: Pipeline) -> CatalogFile | None:
    if parts.settings.catalog is None:
        return None
    return CatalogFile(
        parts.settings.catalog,
        read=read_catalog,
        use_catalog=pipeline.use_catalog,
        catalogs=parts.catalogs,
        metrics=parts.metrics,
        asked=parts.reread,
    )


def stages_of(parts: Resources, wake: asyncio.Event, died: Callable[[], None] = lambda: None) -> Stages:
    """Build the stages; they set `wake` when waiting work is due, and call `died` when an owner is newly dead."""
    settings, pool, metrics = parts.settings, parts.pool, parts.metrics
    me, heal = new_owner(), settings.heal
    live = HealSlots(heal.slots, resume_share=heal.resume_share, organisation_share=heal.organisation_share)
    dependencies = Dependencies(settings.breaker.first)
    outlet, clock = Outlet.of(settings.kafka), parts.clock
    lease = Lease(pool=pool, own_pool=parts.lease_pool, me=me, span=heal.lease, clock=clock, metrics=metrics, died=died)
    publisher = Publisher(
        pool, me, parts.writer, metrics, outlet, lambda: tuple(lease.dead), settings.kafka.failures_topic
    )
    breakers = Breakers(settings=settings.breaker, dependencies=dependencies, metrics=metrics, wake=wake.set)
    recording = Recording(metrics=metrics, catalogs=parts.catalogs, rungs=parts.strategies)
    settler = Settler(
        pool=pool,
        owner=me,
        live=live,
        publisher=publisher,
        outlet=outlet,
        recording=recording,
        batch=heal.settle_rows,
        breakers=breakers,
    )
    return Stages(
        reading=_reading(parts),
        catalogs=parts.catalogs,
        strategies=parts.strategies,
        intake=Intake(
            pool=pool,
            owner=me,
            live=live,
            gates=HealGates(dependencies=dependencies, pauses=lambda: lease.permission.pauses),
            settings=settings,
            letters=LetterMessages(outlet=outlet, catalogs=parts.catalogs),
            metrics=metrics,
            wake=wake.set,
        ),
        settler=settler,
        suspender=Suspender(pool, me, live, publisher, settler.late_charges),
        publisher=publisher,
        recording=recording,
        live=live,
        dependencies=dependencies,
        pool=pool,
        clock=clock,
        lease=lease,
        owner=me,
        outlet=outlet,
        metrics=metrics,
        valve=IntakeBreaker(pool, settings.dead_letter_limit, settings.intake),
    )


def _reading(parts: Resources) -> Reading:
    catalog, intake = parts.catalogs.current, parts.settings.intake
    rules = AdmissionRules(catalog=catalog, max_event_bytes=intake.max_event_bytes)
    planner = Planner(rungs=parts.strategies, catalog=catalog)
    return Reading(rules, planner, parts.clock, parts.record_workers, current_bindings(parts.bindings))
