"""`shw` from end to end, as an operator uses it: the installed command, real brokers, a real database."""

import asyncio
import json
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from consumer.local.broker import Broker
from tests.support.patience import PATIENCE
from tests.support.pipeline import catalog, until
from tests.support.round_trip import produce
from tests.support.shw import SHW, Ran, environment, kafka_settings, shw
from tests.support.worlds.http_world import Reply, World, http_world, json_reply

SECRET = "hunter2secret"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with http_world() as running:
        yield running


@pytest.fixture
def settings(broker: Broker, service_dsn: str, tmp_path: Path, world: World) -> dict[str, str]:
    return _settings(broker, service_dsn, tmp_path, world)


def _settings(broker: Broker, dsn: str, tmp_path: Path, world: World) -> dict[str, str]:
    (tmp_path / "catalog.yaml").write_text(catalog(world.port, attempts="1"))
    return kafka_settings(broker) | {
        "SHW_POSTGRES__DSN": dsn,
        "SHW_CATALOG": str(tmp_path / "catalog.yaml"),
        "SHW_API__PORT": "0",
        "SHW_KAFKA__SESSION_TIMEOUT": "PT6S",
    }


async def _shw(*arguments: str, settings: Mapping[str, str], stdin: bytes = b"") -> Ran:
    return await asyncio.to_thread(partial(shw, *arguments, settings=settings, stdin=stdin))


@asynccontextmanager
async def _running(settings: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        SHW, "run", env=environment(settings), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    seen: list[bytes] = []
    try:
        async with asyncio.timeout(PATIENCE):
            while b'"started"' not in (line := await process.stdout.readline()):
                assert line, f"it ended: {seen}"
                seen.append(line)
        reading = asyncio.create_task(process.stdout.read())
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            seen.append(await reading)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        sys.stdout.write(b"".join(seen).decode())  # shown where the test fails


async def _organisation(connection: "asyncpg.Connection[asyncpg.Record]") -> uuid.UUID:
    org = uuid.uuid4()
    await connection.execute("INSERT INTO organizations (id) VALUES ($1)", org)
    await connection.execute("INSERT INTO token_wallets (org_id, text_budget_aud) VALUES ($1, 10)", org)
    return org


def _failure(org: uuid.UUID, url: str, **more: Any) -> bytes:  # noqa: ANN401 - JSON is anything
    context = {"request": {"method": "GET", "url": url}, **more}
    failed = {"org_id": str(org), "workflow_name": "orders.sync", "failure_reason": "Timeout", "context": context}
    return json.dumps(failed).encode()


async def test_what_is_published_is_healed_listed_and_asked_for_again(
    settings: dict[str, str], database: str, world: World
) -> None:
    world.on("/recovers", json_reply({"ok": True}))
    world.on("/gone", Reply(status=404))
    assert (await _shw("migrate", settings={**settings, "SHW_POSTGRES__DSN": database})).code == 0
    created = await _shw("topics", "--partitions", "2", settings=settings)
    assert (created.code, len(created.out.splitlines())) == (0, 5)
    assert (await _shw("topics", settings=settings)).out == b""
    connection = await asyncpg.connect(database)
    try:
        org = await _organisation(connection)
        async with _running(settings) as service:
            lines = b"\n".join([_failure(org, world.url("/recovers")), _failure(org, world.url("/gone"))])
            published = await _shw("publish", settings=settings, stdin=lines)
            assert published.code == 0, published.err
            healed, lost = (each["failure_id"] for each in published.json)

            async def settled() -> bool:
                found = await connection.fetch("SELECT status, attempts FROM workflow_failures ORDER BY status")
                return [row["status"] for row in found] == ["given_up", "resolved"]

            await until(settled)
            listed = await _shw("failures", "--json", settings=settings)
            assert [(one["id"], one["failure_type"]) for one in listed.json] == [(lost, "api_timeout")]
            table = await _shw("failures", "--status", "resolved", "--org", str(org), settings=settings)
            assert table.out.decode().splitlines()[0].startswith("id\tstatus\t")
            assert f"{healed}\tresolved\tapi_timeout\torders.sync\t" in table.out.decode()

            attempts = await _shw("attempts", healed, "--json", settings=settings)
            assert [(one["step"], one["strategy"], one["result"]) for one in attempts.json] == [
                (0, "auto-retry", "success")
            ]
            world.on("/gone", json_reply({"ok": True}))
            again = await _shw("heal", lost, "--wait", "30", settings=settings)
            assert again.code == 0, again.err
            assert again.json[0]["result"] == "success"
            assert "resolved already" in (await _shw("heal", lost, settings=settings)).err
            service.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(service.wait(), PATIENCE) == 0
    finally:
        await connection.close()


async def test_a_dead_letter_is_listed_shown_without_its_secret_and_replayed(
    broker: Broker, settings: dict[str, str], database: str, world: World
) -> None:
    world.on("/recovers", json_reply({"ok": True}))
    await _shw("topics", "--partitions", "1", settings=settings)
    stranger = uuid.uuid4()
    failed = _failure(stranger, world.url("/recovers"), password=SECRET)
    connection = await asyncpg.connect(database)
    try:
        async with _running(settings) as service:
            await _shw("publish", "--id", "a", settings=settings, stdin=failed)
            broken = b'{"org_id": "x", "pa\\u0073sword": "%s' % SECRET.encode()
            await produce(
                broker.bootstrap, settings["SHW_KAFKA__FAILURES_TOPIC"], broken, idempotence=broker.idempotence
            )

            async def lettered() -> bool:
                listed = await _shw("dlq", "list", "--json", settings=settings)
                assert listed.code == 0, listed.err
                return sorted(one["reason"] for one in listed.json) == ["not_json", "unknown_organisation"]

            await until(lettered)
            listed = (await _shw("dlq", "list", "--json", settings=settings)).json
            places = {one["reason"]: one["place"] for one in listed}
            shown = await _shw("dlq", "show", places["unknown_organisation"], settings=settings)
            assert shown.json[0]["value"]["data"]["context"]["password"] == "[redacted]"
            assert shown.json[0]["from"] == f"{settings['SHW_KAFKA__FAILURES_TOPIC']} 0:0"
            garbled = await _shw("dlq", "show", places["not_json"], settings=settings)
            assert SECRET not in (shown.out + garbled.out).decode()
            raw = await _shw("dlq", "show", places["not_json"], "--raw", settings=settings)
            assert raw.out == broken
            assert "may hold secrets" in raw.err

            await connection.execute("INSERT INTO organizations (id) VALUES ($1)", stranger)
            await connection.execute("INSERT INTO token_wallets (org_id, text_budget_aud) VALUES ($1, 10)", stranger)
            replayed = await _shw("dlq", "replay", "--all", "--reason", "unknown_organisation", settings=settings)
            assert replayed.code == 0, replayed.err
            assert replayed.json == [
                {
                    "replayed": places["unknown_organisation"],
                    "topic": settings["SHW_KAFKA__FAILURES_TOPIC"],
                    "partition": 0,
                    "offset": 2,
                }
            ]

            async def accepted() -> bool:
                return bool(await connection.fetchval("SELECT count(*) FROM workflow_failures"))

            await until(accepted)
            missing = await _shw("dlq", "replay", "0:99", settings=settings)
            assert (missing.code, missing.err) == (
                1,
                "shw: No dead letter at 0:99: `shw dlq list` shows what there is.\n",
            )
            service.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(service.wait(), PATIENCE) == 0
    finally:
        await connection.close()


async def test_a_second_signal_ends_the_service_at_once(
    embedded_broker: Broker, database: str, service_dsn: str, tmp_path: Path, world: World
) -> None:
    world.on("/silent", Reply(never=True))
    settings = _settings(embedded_broker, service_dsn, tmp_path, world)
    await _shw("topics", "--partitions", "1", settings=settings)
    connection = await asyncpg.connect(database)
    try:
        org = await _organisation(connection)
    finally:
        await connection.close()
    async with _running(settings) as service:
        await _shw("publish", settings=settings, stdin=_failure(org, world.url("/silent")))

        async def called() -> bool:
            return bool(world.calls("/silent"))

        await until(called)
        service.send_signal(signal.SIGTERM)
        with pytest.raises(TimeoutError):  # it waits for the call that is under way
            await asyncio.wait_for(service.wait(), 1)
        service.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(service.wait(), PATIENCE) == 128 + signal.SIGTERM
