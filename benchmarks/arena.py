"""Where a run takes place: the shared servers, and a fresh database and fresh topics for each run."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks import cpu
from benchmarks.checks import check
from benchmarks.job import PARTITIONS, Job, Told, Who
from benchmarks.load import BUDGET_AUD, events, organisations
from consumer.kafka.topics import create_topics
from consumer.local.stack import BrokerChoice, Stack, run_stack
from consumer.migrate import migrate
from consumer.settings import KafkaSettings

TEMPLATE: Final = "bench_template"
LOOK_AGAIN: Final = 0.01
"""How exact the end of the clock is; a round trip to the broker each time."""
WITHIN: Final = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run that was complete and right."""

    who: Who
    events: int
    seconds: float
    own_cpu: float
    postgres_cpu: float
    broker_cpu: float
    phases: dict[str, float]

    @property
    def rate(self) -> float:
        """Events in a second."""
        return self.events / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    """The servers, with a database to copy for each run."""

    stack: Stack
    directory: Path

    async def run(self, who: Who, number: int, count: int, *, profile: bool) -> Measured:
        """Run one contender once. RuntimeError when it is late, or when what it left behind is wrong."""
        name = f"{who}{number}"
        home = self.directory / f"{who}-{number}"
        home.mkdir(parents=True, exist_ok=True)
        job = Job(
            who=who,
            events=count,
            dsn=_database(self.stack.dsn, f"bench_{name}"),
            bootstrap=self.stack.bootstrap,
            idempotence=self.stack.idempotence,
            group=f"bench-{name}",
            failures=f"{name}.failures",
            results=f"{name}.results",
            dlq=f"{name}.dlq",
            directory=str(home),
            profile=profile,
        )
        await self._prepare(job)
        try:
            return await self._measure(job)
        finally:
            await _execute(self.stack.dsn, f"DROP DATABASE bench_{name} WITH (FORCE)")

    async def _prepare(self, job: Job) -> None:
        await _execute(self.stack.dsn, f"CREATE DATABASE {job.dsn.rsplit('/', 1)[1].split('?')[0]} TEMPLATE {TEMPLATE}")
        if job.who is not Who.BARE:
            kafka = KafkaSettings(
                bootstrap=job.bootstrap,
                failures_topic=job.failures,
                results_topic=job.results,
                dlq_topic=job.dlq,
            )
            await create_topics(kafka, partitions=PARTITIONS, replication=1)
            await _produce(job)
        await _execute(self.stack.dsn, "CHECKPOINT")

    async def _measure(self, job: Job) -> Measured:
        servers = self._cpu()
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.run_one", str(job.save()), stdout=sys.stderr
        )
        try:
            ended = await _ended(job, child)
            if child.returncode is None:
                child.terminate()
            async with asyncio.timeout(60):
                await child.wait()
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode != 0:
            raise RuntimeError(f"{job.who} ended with {child.returncode}: see above, and {job.directory}")
        postgres, broker = (now - then for now, then in zip(self._cpu(), servers, strict=True))
        told = Told.load(job.home)
        await check(job)
        return Measured(
            who=job.who,
            events=job.events,
            seconds=(told.ended or ended) - told.started,
            own_cpu=told.cpu_seconds,
            postgres_cpu=postgres,
            broker_cpu=broker,
            phases=told.phases,
        )

    def _cpu(self) -> tuple[float, float]:
        postgres, broker = self.stack.postgres, self.stack.broker
        return (
            cpu.seconds(postgres.pid) if postgres else 0.0,
            cpu.seconds(broker.pid) if broker else 0.0,
        )


@asynccontextmanager
async def open_arena(broker: BrokerChoice, directory: Path) -> AsyncIterator[Arena]:
    """Start the servers, Postgres with fsync and synchronous commit, and make the database that each run copies."""
    async with run_stack(broker=broker, fsync=True) as stack:
        await _execute(stack.dsn, f"CREATE DATABASE {TEMPLATE}")
        template = _database(stack.dsn, TEMPLATE)
        await asyncio.to_thread(migrate, template)
        connection = await asyncpg.connect(template)
        try:
            orgs = list(organisations())
            await connection.execute("INSERT INTO organizations (id) SELECT unnest($1::uuid[])", orgs)
            await connection.execute(
                "INSERT INTO token_wallets (org_id, text_budget_aud) SELECT unnest($1::uuid[]), $2", orgs, BUDGET_AUD
            )
            await connection.execute("VACUUM ANALYZE")
        finally:
            await connection.close()
        yield Arena(stack=stack, directory=directory)


def _database(dsn: str, name: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _produce(job: Job) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=job.bootstrap, acks="all", linger_ms=20, max_batch_size=256 * 1024)
    await producer.start()
    try:
        sent = [await producer.send(job.failures, value, key=key) for key, value in events(job.events)]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def _ended(job: Job, child: asyncio.subprocess.Process) -> float:
    """Wait until the broker holds a result for each event; gives when. The floor ends by itself."""
    if job.who is Who.BARE:
        async with asyncio.timeout(WITHIN):
            await child.wait()
        return time.time()
    partitions = [TopicPartition(job.results, number) for number in range(PARTITIONS)]
    watcher: Any = AIOKafkaConsumer(bootstrap_servers=job.bootstrap)
    await watcher.start()
    try:
        watcher.assign(partitions)
        await watcher.seek_to_beginning(*partitions)
        deadline, seen = time.monotonic() + WITHIN, 0
        while time.monotonic() < deadline and child.returncode is None:
            seen = await (_ends if job.idempotence else _read)(watcher, partitions, seen)
            if seen >= job.events:
                return time.time()
            await asyncio.sleep(LOOK_AGAIN)
    finally:
        await watcher.stop()
    raise RuntimeError(f"{job.who}: not all results after {WITHIN:.0f} s, or it ended early: see {job.directory}")


async def _ends(watcher: Any, partitions: list[Any], _seen: int) -> int:  # noqa: ANN401 - the client has no types
    ends = await watcher.end_offsets(partitions)
    return sum(ends.values())


async def _read(watcher: Any, partitions: list[Any], seen: int) -> int:  # noqa: ANN401 - the client has no types
    """Count by reading: the embedded broker's end offset is that of its last batch's first record."""
    found = await watcher.getmany(*partitions, timeout_ms=0)
    return seen + sum(map(len, found.values()))
