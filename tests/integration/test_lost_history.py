"""A database that lost its last commits, by a failover or a restore: what is healed again is told under other ids."""

import asyncio
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

from consumer.heal.strategy import EffectGate, Task
from consumer.local.broker import Broker
from consumer.local.postgres import run_postgres
from consumer.local.postgres_binaries import server_account, shared_temp
from consumer.model import Healed, NotHealed, Outcome, Proof
from consumer.settings import Settings
from consumer.store.migrate import migrate
from schemas.heal_result import HEAL_RESULT_TYPE
from schemas.names import Code, Effect, Verdict
from tests.support import oracle
from tests.support.patience import PATIENCE
from tests.support.pipeline import Site, event, site, until
from tests.support.worlds.scripted import scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it is there"),))
FAILED = NotHealed(code=Code.NOT_HEALED, reason="it says no")


def places(parent: Path) -> tuple[Path, Path]:
    parent.chmod(0o711)
    return parent / "home", parent / "backup"


def lose_the_last_commits(home: Path, backup: Path) -> None:
    """Put the backup in the server's place, to come up as a standby that is promoted."""
    (home / "data").rename(home / "lost")
    copy(backup / "data", home / "data")
    (home / "data" / "standby.signal").touch()


def copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", str(source), str(target)], check=True, timeout=PATIENCE)


@asynccontextmanager
async def server(home: Path) -> AsyncIterator[str]:
    """Run the server of a directory; gives the address of its migrated database."""
    async with run_postgres(home, fsync=False) as postgres:
        connection = await asyncpg.connect(postgres.dsn, timeout=PATIENCE)
        try:
            if await connection.fetchval("SELECT pg_is_in_recovery()"):
                assert await connection.fetchval("SELECT pg_promote()")
            elif not await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = 'healed'"):
                await connection.execute("CREATE DATABASE healed")
                await asyncio.to_thread(migrate, postgres.dsn_of("healed"))
        finally:
            await connection.close()
        yield postgres.dsn_of("healed")


async def test_an_attempt_whose_end_was_lost_with_the_databases_last_commits_gets_another_id(
    embedded_broker: Broker, catalog_file: Path
) -> None:
    with tempfile.TemporaryDirectory(
        prefix="shw-history-", dir=shared_temp(server_account()), ignore_cleanup_errors=True
    ) as parent:
        home, backup = places(Path(parent))
        reached = asyncio.Event()

        async def dies(_task: Task, gate: EffectGate) -> Outcome:
            await gate.begin()
            reached.set()
            return await asyncio.Future()

        async def heals(_task: Task, gate: EffectGate) -> Outcome:
            await gate.begin()
            return PROVEN

        async def fails(_task: Task, gate: EffectGate) -> Outcome:
            await gate.begin()
            return FAILED

        async with server(home) as dsn, site(embedded_broker, dsn, catalog_file) as place:
            org = await place.organisation()
            await place.publish(event(org, "1", workflow_name="w"))
            async with place.consumer(scripted(dies, Effect.IDEMPOTENT)) as dying:
                await asyncio.wait_for(reached.wait(), PATIENCE)
                await dying.abandon()
            await place.time_passes()
            settings = place.settings
        copy(home, backup)
        async with (
            server(home) as dsn,
            site_of(settings, dsn) as place,
            place.in_another_group().consumer(scripted(heals, Effect.IDEMPOTENT)) as running,
        ):
            await running.settled(1)
        lose_the_last_commits(home, backup)
        async with server(home) as dsn, site_of(settings, dsn) as place:
            async with place.in_another_group().consumer(scripted(fails, Effect.IDEMPOTENT)):
                await until(lambda: attempted(place))
                await until(lambda: told(place))
            results = [one for one in await place.results() if one["type"] == HEAL_RESULT_TYPE]
            await oracle.credits_add_up(place, {org: "10"})
    by_result = {one["data"]["result"]: one["id"] for one in results if one["data"]["step"] == 0}
    assert by_result.keys() == {"success", "failed"}
    assert len(set(by_result.values())) == 2


@asynccontextmanager
async def site_of(settings: Settings, dsn: str) -> AsyncIterator[Site]:
    """Give the place of these settings at another server's address."""
    moved = settings.model_copy(update={"postgres": settings.postgres.model_copy(update={"dsn": SecretStr(dsn)})})
    db = await asyncpg.create_pool(dsn, min_size=1, max_size=4, timeout=PATIENCE)
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap)
    await producer.start()
    try:
        yield Site(settings=moved, db=db, producer=producer)
    finally:
        await producer.stop()
        await db.close()


async def attempted(place: Site) -> bool:
    return bool(await place.count("workflow_heal_attempts"))


async def told(place: Site) -> bool:
    return not await place.count("heal_outbox")
