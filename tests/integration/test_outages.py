"""Kafka or Postgres goes away and comes back, as servers of this test's own: the process stays, and nothing is lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from anyio.from_thread import BlockingPortal
from pydantic import SecretStr
from structlog.testing import capture_logs

from consumer.api.app import create_api
from consumer.api.server import serve
from consumer.errors import TransientError
from consumer.ingest import liveness
from consumer.local.broker import Broker
from consumer.local.kafka import run_kafka
from consumer.local.kafka_jars import kafka_unavailable_reason
from consumer.local.postgres import Postgres, run_postgres
from consumer.service.vitals import Vitals
from consumer.settings import PostgresSettings
from consumer.store.migrate import migrate
from consumer.store.pool import open_pool, transaction, translated
from tests.support.faults.tcp_proxy import tcp_proxy
from tests.support.patience import PATIENCE
from tests.support.pipeline import SECOND, Running, Site, event, site, until

NOTICED_WITHIN = 60.0
"""Seconds from the beginning of an outage until metric, log and `/readyz` tell of it, at most."""


def voice(org: object, name: str) -> dict[str, Any]:
    return event(org, name, workflow_name=name, failure_reason="voice is silent")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def own_postgres(server_loop: BlockingPortal) -> Any:  # noqa: ANN401 - a generator fixture
    """A server that the tests of this module may crash."""
    # With fsync: without it a crash loses what was committed just before.
    with server_loop.wrap_async_context_manager(run_postgres()) as server:
        migrate(server.dsn)
        yield server


@pytest.fixture
async def away(
    own_postgres: Postgres, embedded_broker: Broker, catalog_file: Path
) -> AsyncIterator[tuple[Site, Postgres]]:
    """A place whose database may go away."""
    async with site(embedded_broker, own_postgres.dsn, catalog_file) as place:
        await place.db.execute("TRUNCATE organizations, heal_claim, heal_outbox, heal_deployment CASCADE")
        quick = {"statement_timeout": SECOND, "connect_timeout": SECOND}
        yield place.changed(postgres=quick), own_postgres


async def rows_are(place: Site, rows: int) -> bool:
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        return await place.count("workflow_failures") == rows
    return False


@asynccontextmanager
async def health_of(running: Running) -> AsyncIterator[Callable[[str], Any]]:
    """Ask the endpoints as an orchestrator would."""
    consumer, vitals = running.consumer, Vitals(running.consumer)
    api = create_api(
        settings=consumer.settings.api,
        pool=consumer.pool,
        metrics=consumer.metrics,
        clocks=vitals,
        readiness=vitals,
        wake=consumer.wake.set,
    )
    async with serve(api, "127.0.0.1", 0) as address, httpx2.AsyncClient(base_url=address, timeout=PATIENCE) as client:

        async def status(path: str) -> tuple[int, Any]:
            answer = await client.get(path)
            return answer.status_code, answer.json()

        yield status


async def test_a_pool_outlives_a_restart_and_the_end_of_all_its_connections(away: tuple[Site, Postgres]) -> None:
    place, server = away
    org = await place.organisation()
    async with place.consumer() as running:
        await place.publish(voice(org, "before"))
        await running.settled(1)
        await place.db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        await place.publish(voice(org, "terminated"))
        await until(lambda: rows_are(place, 2))
        await server.restart()
        await place.publish(voice(org, "restarted"))
        await until(lambda: rows_are(place, 3))
        await until(lambda: is_quiet(running, 3))
        assert running.metric("shw_database_connections_opened_total") > 4


async def is_quiet(running: Running, rows: int) -> bool:
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TransientError):
        await running.consumer.publisher.forget_acked()
        return await running.place.is_settled(rows)
    return False


async def test_while_postgres_is_away_nobody_is_restarted_and_then_it_goes_on(
    away: tuple[Site, Postgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "STALE_AFTER", 0.5)
    place, server = away
    place = place.changed(api={"step_stall": 4 * SECOND, "unassigned_stall": 4 * SECOND, "in_flight_stall": 4 * SECOND})
    org = await place.organisation()
    async with place.consumer() as running, health_of(running) as status:
        await place.publish(voice(org, "before"))
        await running.settled(1)
        async with server.outage():
            await place.publish(*(voice(org, f"during{n}") for n in range(20)))

            async def has_been_away() -> bool:
                code, answer = await status("/healthz")
                assert code == 200, answer
                assert (await status("/readyz"))[0] == 200
                return running.metric("shw_consumer_lag_seconds") > 6

            await until(has_been_away)
            assert running.metric("shw_consumer_lag_records", partition="0") == 20, "what is read is not yet safe"
            assert running.metric("shw_intake_paused", reason="database") == 1
            assert running.metric("shw_database_up") == 0
            assert "PostgreSQL does not answer" in (await status("/readyz"))[1]["notes"]
        await until(lambda: is_quiet(running, 21))
        await until(lambda: has_no_lag(running))
        await until(lambda: is_read_again(running))
        assert (await status("/readyz"))[1]["notes"] == []


async def test_an_outage_of_postgres_is_noted_within_a_minute_though_nothing_arrives(
    away: tuple[Site, Postgres],
) -> None:
    place, server = away
    async with place.consumer() as running, health_of(running) as status:
        await until(lambda: is_read_again(running))
        with capture_logs() as logs:
            async with server.outage():
                began = time.monotonic()
                await until(lambda: _notes_are(status, ["PostgreSQL does not answer"]))
                assert time.monotonic() - began < NOTICED_WITHIN
                assert running.metric("shw_database_up") == 0
            await until(lambda: _notes_are(status, []))
        assert {"lease_not_renewed", "database_answers_again"} <= {one["event"] for one in logs}


async def _notes_are(status: Callable[[str], Any], notes: list[str]) -> bool:
    code, answer = await status("/readyz")
    return bool((code, answer["notes"]) == (200, notes))


async def is_read_again(running: Running) -> bool:
    return (running.metric("shw_intake_paused", reason="database"), running.metric("shw_database_up")) == (0, 1)


async def has_no_lag(running: Running) -> bool:
    lag = running.metric("shw_consumer_lag_records", partition="0"), running.metric("shw_consumer_lag_seconds")
    return lag == (0, 0)


async def test_a_server_that_crashes_within_a_transaction_loses_nothing(away: tuple[Site, Postgres]) -> None:
    place, server = away
    org = await place.organisation()
    async with place.consumer() as running:
        await place.publish(voice(org, "before"))
        await running.settled(1)
        blocker = await asyncpg.connect(server.dsn)
        await blocker.execute("BEGIN; LOCK TABLE workflow_failures IN ACCESS EXCLUSIVE MODE")
        await place.publish(voice(org, "within"))

        async def waits() -> bool:
            return bool(await blocker.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))

        await until(waits)
        await server.restart()
        blocker.terminate()
        await until(lambda: is_quiet(running, 2))


async def test_a_statement_that_hangs_is_ended_and_tried_again(away: tuple[Site, Postgres]) -> None:
    place, server = away
    org = await place.organisation()
    async with place.consumer() as running:
        blocker = await asyncpg.connect(server.dsn)
        await blocker.execute("BEGIN; LOCK TABLE workflow_failures IN ACCESS EXCLUSIVE MODE")
        await place.publish(voice(org, "hangs"))

        async def was_tried_again() -> bool:
            return running.metric("shw_loop_seconds_total", phase="retry") > 0.1

        await until(was_tried_again)
        await blocker.execute("ROLLBACK")
        await blocker.close()
        await until(lambda: is_quiet(running, 1))


async def test_a_server_that_is_not_heard_any_more_holds_nobody_for_long(own_postgres: Postgres) -> None:
    """No answer and no end, as when a network is cut: only our own limits help."""
    async with tcp_proxy(own_postgres.port) as proxy:
        dsn = own_postgres.dsn.replace(f":{own_postgres.port}/", f":{proxy.port}/")
        settings = PostgresSettings(dsn=SecretStr(dsn), statement_timeout=SECOND, connect_timeout=SECOND, pool_size=4)
        async with open_pool(settings) as pool:

            async def ask() -> None:
                async with transaction(pool) as connection:
                    await connection.fetchval("SELECT 1")

            await ask()
            proxy.stall()
            async with asyncio.timeout(PATIENCE):
                said = await asyncio.gather(*(ask() for _ in range(12)), return_exceptions=True)
            assert all(isinstance(one, TransientError) for one in said), said
            proxy.flow()
            await until(lambda: _answers(pool))


async def _answers(pool: Any) -> bool:  # noqa: ANN401 - a pool
    with suppress(TransientError), translated():
        return bool(await pool.fetchval("SELECT 1") == 1)
    return False


@pytest.fixture(scope="module")
def own_kafka(server_loop: BlockingPortal) -> Any:  # noqa: ANN401 - a generator fixture
    """A broker that the tests of this module may crash."""
    if (reason := kafka_unavailable_reason()) is not None:
        pytest.skip(f"no Apache Kafka: {reason}")
    with server_loop.wrap_async_context_manager(run_kafka()) as broker:
        yield broker


async def test_while_kafka_is_away_nobody_is_restarted_and_then_it_goes_on(
    own_kafka: Broker, database: str, catalog_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "IN_DOUBT_AFTER", 1.0)
    monkeypatch.setattr(liveness, "REJOIN_AFTER", 2.0)
    monkeypatch.setattr("consumer.kafka.group.ASK_WITHIN", SECOND)
    async with site(own_kafka, database, catalog_file) as made:
        place = made.changed(
            api={"unassigned_stall": 5 * SECOND, "step_stall": 20 * SECOND}, kafka={"request_timeout": 2 * SECOND}
        )
        org = await place.organisation()
        async with place.consumer() as running, health_of(running) as status:
            await place.publish(voice(org, "before"))
            await running.settled(1)
            with capture_logs() as logs:
                async with own_kafka.outage():
                    began = time.monotonic()
                    await until(lambda: _notes_are(status, ["Kafka does not answer"]))
                    assert time.monotonic() - began < NOTICED_WITHIN
                    assert running.metric("shw_kafka_up") == 0
                    await _stays_healthy(status)
            assert "kafka_does_not_answer" in {one["event"] for one in logs}
            await place.publish(voice(org, "after"))
            await running.settled(2)
            assert (await status("/healthz"))[0] == 200
            await until(lambda: answers_again(running))
            await until(lambda: _notes_are(status, []))


async def _stays_healthy(status: Callable[[str], Any]) -> None:
    """Longer than each limit of a clock."""
    for _ in range(70):
        code, answer = await status("/healthz")
        assert code == 200, answer
        assert (await status("/readyz"))[0] == 200
        await asyncio.wait_for(asyncio.shield(_after(0.1)), 5)


async def answers_again(running: Running) -> bool:
    return running.metric("shw_kafka_up") == 1


async def _after(seconds: float) -> None:
    ended = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(seconds, ended.set_result, None)
    await ended


async def test_a_member_that_lost_touch_while_kafka_answers_is_made_anew(
    kafka_place: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tasks live, and it will never find its coordinator again: nothing in the client notices."""
    monkeypatch.setattr(liveness, "IN_DOUBT_AFTER", 0.5)
    monkeypatch.setattr(liveness, "REJOIN_AFTER", 2.0)
    place = kafka_place
    org = await place.organisation()
    async with place.consumer() as running:
        await place.publish(voice(org, "before"))
        await running.settled(1)
        reader = running.consumer.source._reader  # noqa: SLF001 - to break what is inside
        lost = reader._consumer  # noqa: SLF001

        async def never() -> None:
            await asyncio.Event().wait()

        lost._coordinator.ensure_coordinator_known = never  # noqa: SLF001
        lost._coordinator.coordinator_dead()  # noqa: SLF001

        async def is_anew() -> bool:
            return reader._consumer is not lost  # noqa: SLF001

        await until(is_anew)
        await place.publish(voice(org, "after"))
        await running.settled(2)
        assert running.consumer.source.watch.ages()["unassigned"] < timedelta(seconds=5)
