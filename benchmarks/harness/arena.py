"""Where runs take place: the shared servers, and a fresh database and fresh topics for each run."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.contenders.ours import assigned_at, log_of
from benchmarks.harness import usage
from benchmarks.harness.job import HEARTBEATS, PARTITIONS, Job, Told, Who
from benchmarks.harness.load import BUDGET_AUD, events, organisations
from consumer.kafka.topics import create_topics
from consumer.local.stack import BrokerChoice, Stack, run_stack
from consumer.settings import KafkaSettings
from consumer.store.migrate import migrate

TEMPLATE: Final = "bench_template"
LOOK_AGAIN: Final = 0.05
"""How exact the end of the clock is. Each look is a round trip to the broker, on the cores of what is measured."""
READY_WITHIN: Final = 60.0
WARM_UP: Final = 30_000
WARM_WITHIN: Final = 240.0
AT_ONCE: Final = 5_000
"""Events that are under way to the broker while a load is laid down."""


@dataclass(slots=True)
class Member:
    """One process of a run."""

    job: Job
    process: asyncio.subprocess.Process

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.returncode is None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    async def assigned(self) -> float:
        """Wait until the group has given it partitions; gives when (`time.time()`)."""
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline and self.running:
            if log_of(self.job).exists() and (at := assigned_at(log_of(self.job))) is not None:
                return at
            await asyncio.sleep(LOOK_AGAIN)
        raise RuntimeError(f"it never had a partition, or ended: see above, and {self.job.directory}")

    def told(self) -> Told:
        """Give what it reported; only once it has stopped."""
        return Told.load(self.job.home)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: its database and topics, and the processes that it starts."""

    job: Job

    async def lay_down(self, load: Iterable[tuple[bytes, bytes]]) -> None:
        """Put a load into the failures topic, all of it acknowledged."""
        producer: Any = AIOKafkaProducer(
            bootstrap_servers=self.job.bootstrap, acks="all", linger_ms=20, max_batch_size=256 * 1024
        )
        await producer.start()
        try:
            sent: list[Any] = []
            for key, value in load:
                sent.append(await producer.send(self.job.failures, value, key=key))
                if len(sent) >= AT_ONCE:
                    await asyncio.gather(*sent)
                    sent.clear()
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    @asynccontextmanager
    async def member(self, number: int = 0) -> AsyncIterator[Member]:
        """Start a process, and stop it cleanly at the end. RuntimeError when it ends in another way."""
        job = replace(self.job, directory=f"{self.job.directory}/{number}")
        command = (sys.executable, "-m", "benchmarks.harness.run_one", str(job.save()))
        # Its standard input ends with this process, however that ends: then it stops by itself.
        process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=sys.stderr)
        member = Member(job, process)
        try:
            yield member
            if member.running and job.who is not Who.BARE:
                process.terminate()
            async with asyncio.timeout(60):
                await process.wait()
        finally:
            if member.running:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise RuntimeError(f"{job.who} ended with {process.returncode}: see above, and {job.directory}")

    async def results(self, count: int, within: float, members: Sequence[Member]) -> float | None:
        """Wait until the broker holds so many results; gives when (`time.time()`), None when that took too long."""
        partitions = [TopicPartition(self.job.results, number) for number in range(self.job.partitions)]
        async with watching(self.job, partitions) as watcher:
            deadline, seen = time.monotonic() + within, 0
            while time.monotonic() < deadline and all(member.running for member in members):
                seen = await (_ends if self.job.idempotence else _read)(watcher, partitions, seen)
                if seen >= count:
                    return time.time()
                await asyncio.sleep(LOOK_AGAIN)
        if not all(member.running for member in members):
            raise RuntimeError(f"a process ended early: see above, and {self.job.directory}")
        return None

    async def until(self, statement: str, enough: Callable[[int], bool], within: float) -> None:
        """Ask the database for one number, again and again, until it is enough."""
        connection = await asyncpg.connect(self.job.dsn)
        try:
            deadline = time.monotonic() + within
            while not enough(found := await connection.fetchval(statement)):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"still {found} after {within:.0f} s: {statement}")
                await asyncio.sleep(0.1)
        finally:
            await connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    """The servers, with a database to copy for each run."""

    stack: Stack
    directory: Path

    @asynccontextmanager
    async def run(  # noqa: PLR0913 - each by its name
        self,
        name: str,
        *,
        events: int,
        who: Who = Who.OURS,
        partitions: int = PARTITIONS,
        template: str | None = None,
        as_told: bool = False,
        profile: bool = False,
        heal: Mapping[str, int] | None = None,
        catalog: str | None = None,
        heartbeats: bool = False,
    ) -> AsyncIterator[Run]:
        """Prepare one run; its database goes at the end. The name is the run's own, in small letters."""
        database = f"bench_{name}"
        job = Job(
            who=who,
            events=events,
            dsn=_database(self.stack.dsn, database),
            bootstrap=self.stack.bootstrap,
            idempotence=self.stack.idempotence,
            group=f"bench-{name}",
            failures=f"{name}.failures",
            results=f"{name}.results",
            dlq=f"{name}.dlq",
            directory=str(self.directory / name),
            partitions=partitions,
            profile=profile,
            as_told=as_told,
            heal=heal or {},
            catalog=catalog,
            heartbeats=f"{name}.heartbeats" if heartbeats else None,
        )
        await execute(self.stack.dsn, f"CREATE DATABASE {database} TEMPLATE {template or TEMPLATE}")
        try:
            if who is not Who.BARE:
                await _create_topics(job)
            yield Run(job=job)
        finally:
            await execute(self.stack.dsn, f"DROP DATABASE {database} WITH (FORCE)")

    async def warm_up(self, count: int) -> None:
        """Heal failures that nobody counts: a fresh broker compiles itself at the cost of whoever comes first."""
        async with self.run("warm", events=count) as run:
            await run.lay_down(events(count))
            async with run.member() as member:
                if await run.results(count, WARM_WITHIN, [member]) is None:
                    raise RuntimeError(f"not warm after {WARM_WITHIN:.0f} s: see {member.job.directory}")

    async def settled(self) -> None:
        """Let the database write down what was prepared, so that no run pays for it."""
        await execute(self.stack.dsn, "CHECKPOINT")

    @asynccontextmanager
    async def template(self, name: str, fill: Callable[[asyncpg.Connection], Any]) -> AsyncIterator[str]:
        """Make a database to copy that `fill` has put something into; it goes at the end."""
        await execute(self.stack.dsn, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        try:
            await _filled(_database(self.stack.dsn, name), fill)
            yield name
        finally:
            await execute(self.stack.dsn, f"DROP DATABASE {name} WITH (FORCE)")

    def cpu(self) -> tuple[float, float]:
        """Give the processor time of Postgres and of the broker until now; 0 for what was not started here."""
        postgres, broker = self.stack.postgres, self.stack.broker
        return (
            usage.cpu_seconds(postgres.pid) if postgres else 0.0,
            usage.cpu_seconds(broker.pid) if broker else 0.0,
        )


@asynccontextmanager
async def open_arena(broker: BrokerChoice, directory: Path, *, shared_buffers: str) -> AsyncIterator[Arena]:
    """Start the servers, Postgres with fsync and synchronous commit, and make the database that each run copies."""
    async with run_stack(broker=broker, fsync=True, postgres_settings={"shared_buffers": shared_buffers}) as stack:
        await execute(stack.dsn, f"CREATE DATABASE {TEMPLATE}")
        template = _database(stack.dsn, TEMPLATE)
        await asyncio.to_thread(migrate, template)
        await _filled(template, _organisations)
        yield Arena(stack=stack, directory=directory)


async def _organisations(connection: asyncpg.Connection) -> None:
    orgs = list(organisations())
    await connection.execute("INSERT INTO organizations (id) SELECT unnest($1::uuid[])", orgs)
    await connection.execute(
        "INSERT INTO token_wallets (org_id, text_budget_aud) SELECT unnest($1::uuid[]), $2", orgs, BUDGET_AUD
    )


async def _filled(dsn: str, fill: Callable[[asyncpg.Connection], Any]) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await fill(connection)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def execute(dsn: str, statement: str) -> None:
    """Run one statement on a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _database(dsn: str, name: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


async def _create_topics(job: Job) -> None:
    kafka = KafkaSettings(
        bootstrap=job.bootstrap,
        failures_topic=job.failures,
        results_topic=job.results,
        dlq_topic=job.dlq,
        heartbeats_topic=job.heartbeats or HEARTBEATS,
    )
    await create_topics(kafka, partitions=job.partitions, replication=1)


@asynccontextmanager
async def watching(job: Job, partitions: Sequence[Any]) -> AsyncIterator[Any]:
    """Read partitions from their beginning, outside any group."""
    watcher: Any = AIOKafkaConsumer(bootstrap_servers=job.bootstrap, max_partition_fetch_bytes=8 * 1024 * 1024)
    await watcher.start()
    try:
        watcher.assign(list(partitions))
        await watcher.seek_to_beginning(*partitions)
        yield watcher
    finally:
        await watcher.stop()


async def _ends(watcher: Any, partitions: list[Any], _seen: int) -> int:  # noqa: ANN401 - the client has no types
    ends = await watcher.end_offsets(partitions)
    return sum(ends.values())


async def _read(watcher: Any, partitions: list[Any], seen: int) -> int:  # noqa: ANN401 - the client has no types
    """Count by reading: the embedded broker's end offset is that of its last batch's first record."""
    found = await watcher.getmany(*partitions, timeout_ms=0)
    return seen + sum(map(len, found.values()))
