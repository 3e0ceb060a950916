"""Consumers on real parts: topics and a database of a test's own, events by builder, waiting on conditions."""

import asyncio
import json
import os
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from consumer.heal.strategy import Strategies
from consumer.kafka import aiokafka_internals
from consumer.kafka.history import beginnings, read_to_end
from consumer.kafka.topics import create_topics
from consumer.local.broker import Broker
from consumer.service.app import run
from consumer.service.loops import Consumer
from consumer.settings import (
    ApiSettings,
    HealSettings,
    IntakeSettings,
    KafkaSettings,
    PostgresSettings,
    ResumeSettings,
    Settings,
)
from tests.support.documented_role import documented_role
from tests.support.forked import Forked, Streams, fork, run_module
from tests.support.paths import ROOT
from tests.support.patience import BEYOND_PATIENCE, PATIENCE
from tests.support.processes import is_alive

Database: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Found = TypeVar("Found")

SECOND: Final = timedelta(seconds=1)
SOURCE: Final = "urn:test"
RUN_CONSUMER: Final = "tests.support.faults.run_consumer"


async def until(look: Callable[[], Awaitable[Found]]) -> Found:
    """Look until it is so, and give what was seen; fails with what was seen last."""
    clock = asyncio.get_running_loop().time
    began = clock()
    deadline = began + PATIENCE
    while not (found := await look()):
        now = clock()
        called = getattr(look, "__qualname__", look)
        assert now < deadline, f"not so after {PATIENCE} s: {called} gave {found!r}"
        await asyncio.sleep(max(0.02, now - began))  # half of the time at most is spent on looking
        began = clock()
    return found


def event(org_id: uuid.UUID, n: object = 1, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    """One failure as a structured CloudEvent: an API timeout whose request nothing is known of."""
    data = {
        "org_id": str(org_id),
        "workflow_name": "orders.sync",
        "failure_reason": "request timeout",
        "context": {},
    } | changes
    return {"specversion": "1.0", "id": str(n), "source": SOURCE, "type": "workflow.failure.v1", "data": data}


def call(url: str, method: str = "GET", **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is anything
    """A context whose request is known."""
    error = more.pop("error", None)
    resume = more.pop("resume", None)
    context: dict[str, Any] = {"request": {"method": method, "url": url} | more}
    return context | ({"error": error} if error else {}) | ({"resume": resume} if resume else {})


NEVER_LEFT: Final = {"code": "ECONNREFUSED"}
"""Evidence that the failed call had no effect: without it an unsafe one is never made again."""


def catalog(port: int = 9, **policy: str) -> str:
    """A catalog that lets everybody speak, and every workflow call one port of 127.0.0.1."""
    settings = {
        "attempts": "3",
        "backoff": "PT0.1S",
        "auto_retry": "{tries: 2, timeout: PT20S, base: PT0.01S}",
    } | policy
    lines = "".join(f"  {name}: {value}\n" for name, value in settings.items())
    return (
        "version: 1\nsources:\n- {source: '*', organisations: '*'}\nworkflows:\n- name: '*'\n"
        f"  hosts: [{{host: 127.0.0.1, ports: [{port}], schemes: [http], addresses: [127.0.0.0/8]}}]\n{lines}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One record as it lies in a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Mapping[str, bytes]

    @property
    def event(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.value)
        return document


@dataclass(slots=True, kw_only=True)
class Running:
    """A consumer in this process."""

    place: "Site"
    consumer: Consumer
    registry: CollectorRegistry
    task: asyncio.Task[None]
    stop: asyncio.Event
    abandoned: bool = False

    async def settled(self, failures: int) -> dict[str, asyncpg.Record]:
        """Wait until so many failures stand, none of them pending or claimed, and all that was to be told is told."""

        async def look() -> bool:
            if self.task.done():
                await self.task
            await self.consumer.publisher.forget_acked()
            return await self.place.is_settled(failures)

        await until(look)
        return await self.place.failures()

    async def abandon(self) -> None:
        """End it without a goodbye: its lease, its claims and its messages stay as they are."""
        self.abandoned = True
        self.task.cancel()
        await asyncio.wait([self.task])

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    async def counted(self, name: str, expected: float, **labels: str) -> None:
        """Wait for a metric: what is counted is so once its transaction has committed, which others see before."""

        async def is_counted() -> bool:
            return self.metric(name, **labels) >= expected

        await until(is_counted)
        assert self.metric(name, **labels) == expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a test's consumers run: their settings, their database, a producer to their topic."""

    settings: Settings
    db: Database
    producer: Any
    environment: Mapping[str, str] = field(default_factory=dict)

    async def organisation(self, budget: str | None = "10") -> uuid.UUID:
        """Make an organisation, with a wallet unless the budget is None."""
        org_id = uuid.uuid4()
        await self.db.execute("INSERT INTO organizations (id) VALUES ($1)", org_id)
        if budget is not None:
            await self.db.execute(
                "INSERT INTO token_wallets (org_id, text_budget_aud) VALUES ($1, $2::text::numeric)", org_id, budget
            )
        return org_id

    async def publish(
        self,
        *events: Mapping[str, Any] | bytes | None,
        partition: int = 0,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> list[int]:
        """Publish in order; gives the offsets."""
        sent = [
            await self.producer.send(
                self.settings.kafka.failures_topic,
                json.dumps(one).encode() if isinstance(one, Mapping) else one,
                partition=partition,
                key=key,
                headers=list(headers),
            )
            for one in events
        ]
        return [(await asyncio.wait_for(future, PATIENCE)).offset for future in sent]

    def changed(self, **sections: Mapping[str, Any]) -> "Site":
        """Give the same place with other settings: `changed(heal={"slots": 1})`."""
        values: dict[str, Any] = {}
        for name, changes in sections.items():
            section = getattr(self.settings, name)
            values[name] = type(section).model_validate(
                {field: getattr(section, field) for field in type(section).model_fields} | dict(changes)
            )
        settings = self.settings.model_copy(update=values)
        return Site(settings=settings, db=self.db, producer=self.producer)

    def in_another_group(self) -> "Site":
        """The same place for a consumer that reads everything again, and need not wait for a dead member."""
        return self.changed(kafka={"group_id": f"group.{uuid.uuid4().hex[:12]}"})

    @asynccontextmanager
    async def consumer(self, strategies: Strategies | None = None) -> AsyncIterator[Running]:
        """Run a consumer in this process; it is stopped cleanly, and what it dies of is raised."""
        stop, registry = asyncio.Event(), CollectorRegistry()
        composed: asyncio.Future[Consumer] = asyncio.get_running_loop().create_future()

        async def tell(consumer: Consumer) -> None:
            composed.set_result(consumer)
            await asyncio.Event().wait()

        task = asyncio.create_task(
            run(self.settings, stop, strategies=strategies, beside=[tell], registry=registry), name="consumer"
        )
        running: Running | None = None
        try:
            waited_for: list[asyncio.Future[Any]] = [task, composed]
            await asyncio.wait(waited_for, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
            running = Running(place=self, consumer=composed.result(), registry=registry, task=task, stop=stop)
            yield running
        finally:
            stop.set()
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait([task])
            if running is not None and running.abandoned:
                task.cancelled() or task.exception()  # seen: what it said in dying does not matter
            else:
                await task

    async def run_to_end(self) -> BaseException:
        """Run a consumer that has to end by itself; gives what it ended of."""
        with suppress(asyncio.CancelledError):
            try:
                await asyncio.wait_for(run(self.settings, asyncio.Event(), registry=CollectorRegistry()), PATIENCE)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
                return error
        raise AssertionError("the consumer ended without an error")

    async def limit_topic(self, topic: str, max_bytes: int) -> None:
        """Say how large a batch may be there; on the real Kafka alone."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka.bootstrap)
        await admin.start()
        try:
            limit = {"max.message.bytes": str(max_bytes)}
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=limit)])
        finally:
            await admin.close()

    async def read(self, topic: str) -> list[Read]:
        """Read a topic from its beginning to its present end, in the order of each partition."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka.bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            partitions = [
                TopicPartition(topic, p)
                for p in sorted(consumer.partitions_for_topic(topic) or await _known(consumer, topic))
            ]
            consumer.assign(partitions)
            what = f"reading {topic}"
            found: list[Read] = []
            async with asyncio.timeout(PATIENCE):
                begins = await beginnings(consumer, what)
                async for many in read_to_end(consumer, begins, at_most=1000, patience=PATIENCE, what=what):
                    found += map(_read, many)
        finally:
            await consumer.stop()
        return sorted(found, key=lambda one: (one.partition, one.offset))

    async def results(self) -> list[dict[str, Any]]:
        """Every event on the results topic, in order within each partition (and so within each failure)."""
        return [one.event for one in await self.read(self.settings.kafka.results_topic)]

    async def letters(self) -> list[Read]:
        """Every dead letter."""
        return await self.read(self.settings.kafka.dlq_topic)

    async def committed(self, partition: int = 0) -> int:
        """The group's committed offset; 0 where there is none."""
        kafka = self.settings.kafka
        consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap, group_id=kafka.group_id, enable_auto_commit=False
        )
        await consumer.start()
        try:
            tp = TopicPartition(kafka.failures_topic, partition)
            consumer.assign([tp])
            return await consumer.committed(tp) or 0
        finally:
            await consumer.stop()

    async def all_committed(self) -> bool:
        """Whether the group has committed to the end of each partition: to what no open transaction holds back."""
        kafka = self.settings.kafka
        consumer = AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap,
            group_id=kafka.group_id,
            enable_auto_commit=False,
            isolation_level="read_committed",
        )
        await consumer.start()
        try:
            topic = kafka.failures_topic
            partitions = consumer.partitions_for_topic(topic) or await _known(consumer, topic)
            consumer.assign([TopicPartition(topic, n) for n in partitions])
            ends: dict[TopicPartition, int] = await consumer.end_offsets(consumer.assignment())
            return ends == {tp: await consumer.committed(tp) or 0 for tp in ends}
        finally:
            await consumer.stop()

    async def failures(self) -> dict[str, asyncpg.Record]:
        """Every failure row, by workflow name; the names must differ."""
        rows = await self.db.fetch("SELECT * FROM workflow_failures ORDER BY workflow_name")
        found = {row["workflow_name"]: row for row in rows}
        assert len(found) == len(rows), "two failure rows of one name"
        return found

    async def count(self, what: str) -> int:
        """Count rows: `count("heal_claim")`, `count("workflow_failures WHERE resolved")`."""
        return int(await self.db.fetchval(f"SELECT count(*) FROM {what}"))

    async def is_settled(self, failures: int) -> bool:
        """Whether so many failures stand, none of them pending or claimed, and nothing is left to be told."""
        row = await self.db.fetchrow(
            "SELECT (SELECT count(*) FROM workflow_failures) AS rows,"
            " (SELECT count(*) FROM workflow_failures WHERE status = 'pending') AS pending,"
            " (SELECT count(*) FROM heal_claim WHERE owner <> 'parked') AS claims,"
            " (SELECT count(*) FROM heal_outbox) AS outbox"
        )
        assert row is not None
        return tuple(row) == (failures, 0, 0, 0)

    async def settled(self, failures: int) -> dict[str, asyncpg.Record]:
        """Wait until it is settled by consumers in other processes."""
        await until(lambda: self.is_settled(failures))
        return await self.failures()

    async def time_passes(self, span: timedelta = timedelta(minutes=30)) -> None:
        """Make everything in the database that much older: for processes that are dead, the same as waiting."""
        await self.db.execute("UPDATE heal_owner SET lease_until = lease_until - $1::interval", span)
        await self.db.execute(
            "UPDATE heal_claim SET claimed_at = claimed_at - $1::interval,"
            " effect_deadline = effect_deadline - $1::interval, look_at = look_at - $1::interval",
            span,
        )
        await self.db.execute("UPDATE heal_outbox SET created_at = created_at - $1::interval", span)
        await self.db.execute(
            "UPDATE workflow_failures SET due_at = due_at - $1::interval WHERE due_at IS NOT NULL", span
        )


async def _known(consumer: Any, topic: str) -> set[int]:  # noqa: ANN401 - the client has no types
    async def look() -> set[int]:
        consumer.subscribe([topic])
        await consumer._client.force_metadata_update()  # noqa: SLF001 - there is no public way to ask for one topic
        found: set[int] = set(consumer.partitions_for_topic(topic) or ())
        consumer.unsubscribe()
        return found

    return await until(look)


def _read(one: Any) -> Read:  # noqa: ANN401 - the client has no types
    return Read(
        partition=one.partition, offset=one.offset, key=one.key, value=one.value or b"", headers=dict(one.headers)
    )


def settings_for(broker: Broker, dsn: str, catalog_file: Path) -> Settings:
    """Settings with names of their own on a shared broker, and short spans; what hides a missed wake-up is long."""
    name = uuid.uuid4().hex[:12]
    return Settings(
        kafka=KafkaSettings(
            bootstrap=broker.bootstrap,
            idempotence=broker.idempotence,
            group_id=f"group.{name}",
            failures_topic=f"failures.{name}",
            results_topic=f"results.{name}",
            dlq_topic=f"dlq.{name}",
            commands_topic=f"commands.{name}",
            heartbeats_topic=f"heartbeats.{name}",
            session_timeout=2 * SECOND,
            rebalance_timeout=8 * SECOND,
        ),
        postgres=PostgresSettings(dsn=SecretStr(dsn), pool_size=6, statement_timeout=BEYOND_PATIENCE),
        intake=IntakeSettings(max_wait=timedelta(milliseconds=30), sample_every=timedelta(milliseconds=100)),
        heal=HealSettings(lease=2 * SECOND, slots=50, waiter_retry=BEYOND_PATIENCE),
        resume=ResumeSettings(interval=timedelta(milliseconds=100)),
        api=ApiSettings(port=0, request_timeout=BEYOND_PATIENCE),
        deployment=f"test.{name}",
        catalog=catalog_file,
        drain=6 * SECOND,
    )


@asynccontextmanager
async def site(broker: Broker, dsn: str, catalog_file: Path, *, partitions: int = 1) -> AsyncIterator[Site]:
    """Make the topics, and open connections and a producer.

    The test itself works as the owner of the tables, whose DSN this is; its consumers and commands have the documented
    role, with exactly its rights.
    """
    settings = settings_for(broker, await documented_role(dsn), catalog_file)
    async with AsyncExitStack() as stack:
        await create_topics(settings.kafka, partitions=partitions, replication=1)
        # A pool: a test and the strategies that it scripts ask at the same time.
        db = await stack.enter_async_context(asyncpg.create_pool(dsn, min_size=1, max_size=8, timeout=PATIENCE))
        producer = AIOKafkaProducer(
            bootstrap_servers=broker.bootstrap,
            acks="all",
            enable_idempotence=broker.idempotence,
            max_request_size=4_000_000,
        )
        # With the broker away its own stop waits for ever for what was not sent.
        stack.push_async_callback(aiokafka_internals.stop, producer)
        await producer.start()
        yield Site(settings=settings, db=db, producer=producer)


async def delete_topics(kafka: KafkaSettings) -> None:
    """Delete the topics that `site` made."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        await admin.start()
        names = kafka.failures_topic, kafka.results_topic, kafka.dlq_topic, kafka.commands_topic, kafka.heartbeats_topic
        await admin.delete_topics(list(names))
    finally:
        await admin.close()


def environment_of(settings: Settings) -> dict[str, str]:
    """Give settings as the variables that `read_settings` reads."""
    values: dict[str, str] = {}
    for name, section in settings:
        if name == "catalog":
            values["SHW_CATALOG"] = str(section)
        elif section is not None and not hasattr(section, "model_dump"):
            values[f"SHW_{name.upper()}"] = _as_text(section)
        elif section is not None:
            for key, value in section.model_dump(exclude_none=True, exclude_defaults=True).items():
                values[f"SHW_{name.upper()}__{key.upper()}"] = _as_text(value)
    return values


def _as_text(value: object) -> str:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case timedelta():
            return f"PT{value.total_seconds()}S"
        case _:
            return str(value)


@dataclass(slots=True, kw_only=True)
class Process:
    """A consumer in a process of its own."""

    process: asyncio.subprocess.Process | Forked
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def last_lines(self) -> str:
        """The end of its log, for the message of an assertion."""
        return self.log.read_text()[-3000:]

    def said(self, *events: str) -> bool:
        """Whether a line of its log names one of these events."""
        return any(one in self.log.read_text() for one in events)

    async def ended(self) -> int:
        """Wait for its end; the code is negative for a signal."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.process.wait()
        except TimeoutError:
            pytest.fail(f"process {self.pid} has not ended within {PATIENCE} s: {self.last_lines}")

    async def is_stopped(self) -> bool:
        return self.state == "T"

    @property
    def state(self) -> str:
        """What the kernel says of it: `T` is stopped."""
        assert is_alive(self.pid), self.last_lines
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


async def start_process(
    command: Sequence[str], place: Site, log: Path, *, home: Path = ROOT, told: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    """Start a consumer of a place, from its start; all it says is logged."""
    with log.open("wb") as out:
        return await asyncio.create_subprocess_exec(
            *command, cwd=home, env=_needed_by(place) | dict(told or {}), stdout=out, stderr=out
        )


def _needed_by(place: Site) -> dict[str, str]:
    """Give what a consumer of a place needs of this process's environment, and its settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | environment_of(place.settings)


@asynccontextmanager
async def process(place: Site, log: Path, **acts: str) -> AsyncIterator[Process]:
    """Run `support/faults/run_consumer.py`, which acts on itself as told; killed at the end if it is still there."""
    told = {f"ACT_{name.upper()}": value for name, value in acts.items()}
    await asyncio.to_thread(log.write_bytes, b"")
    environment = _needed_by(place) | told
    started = fork(run_module, RUN_CONSUMER, environment=environment, streams=Streams(stdout=log, stderr=log))
    try:
        yield Process(process=started, log=log)
    finally:
        if started.returncode is None:
            with suppress(ProcessLookupError):
                started.kill()
            await started.wait()
