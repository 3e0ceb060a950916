"""What this process itself lacks counts against nobody; and the API cannot take from heals what they need."""

import asyncio
import json
import os
import resource
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from structlog.testing import capture_logs

from consumer.errors import OwnFault
from consumer.service.startup_checks import FEWEST_CALLERS, OTHER_FILES
from tests.support.patience import BEYOND_PATIENCE, PATIENCE
from tests.support.pipeline import NEVER_LEFT, Site, call, event, start_process, until
from tests.support.worlds.http_world import World, json_reply

SLOTS = 50
IDLE = 2400


def one_of(org: UUID, n: int, world: World) -> dict[str, Any]:
    """One of failures that have nothing in common but their target."""
    return event(org, n, workflow_name=f"w{n}", context=call(world.url("/pay"), "POST", error=NEVER_LEFT))


@contextmanager
def no_files_left() -> Iterator[None]:
    """Take every descriptor that this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (max(int(one.name) for one in Path("/proc/self/fd").iterdir()) + 1, hard)
    )
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for one in taken:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_heal_without_a_descriptor_costs_no_attempt_no_strike_and_no_credit(
    embedded_place: Site, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumer.heal.run._OWN_FAULT_WAIT", BEYOND_PATIENCE)  # they are looked at before they are due
    place = embedded_place
    world.on("/pay", json_reply({"done": True}))
    org = await place.organisation()
    await place.publish(*(one_of(org, n, world) for n in range(20)))
    hurried = place.changed(resume={"interval": timedelta(hours=1)})
    async with hurried.consumer() as running:
        await running.settled(20)
        assert world.performed("/pay") == 20
        with capture_logs() as logs, no_files_left():
            await place.publish(*(one_of(org, n, world) for n in range(20, 40)))

            async def put_off() -> bool:
                return running.metric("shw_own_faults_total", fault=OwnFault.OPEN_FILES) >= 20

            await until(put_off)
        await running.settled(40)
        stands = await place.db.fetch("SELECT * FROM workflow_failures WHERE status = 'deferred'")
        assert [one["event"] for one in logs].count("own_fault") >= 20
        assert len(stands) == 20
        assert {(row["attempts"], row["lifetime_attempts"], row["unsure"]) for row in stands} == {(0, 0, False)}
        codes = await place.db.fetch(
            "SELECT DISTINCT details ->> 'code' AS code FROM workflow_heal_attempts WHERE result <> 'success'"
        )
        assert [row["code"] for row in codes] == ["retry_later"]
        assert await place.count("heal_breaker") == 0
        assert await place.count("usage_lockouts") == 0
    await place.time_passes()
    async with place.consumer() as running:
        await until(lambda: place.db.fetchval("SELECT count(*) = 40 FROM workflow_failures WHERE resolved"))
        assert world.performed("/pay") == 40
        rows = await place.db.fetch("SELECT resolved, attempts FROM workflow_failures")
        assert {(row["resolved"], row["attempts"]) for row in rows} == {(True, 1)}


def said(log: Path) -> str:
    return log.read_text()


@asynccontextmanager
async def service_with_few_files(place: Site, log: Path, files: int) -> AsyncIterator[str]:
    """Run the service in a process that may open so many files; gives the address of its API."""
    command = ("sh", "-c", f'ulimit -n {files} && exec "$0" -m consumer run', sys.executable)
    started = await start_process(command, place, log)

    async def serving() -> str | None:
        assert started.returncode is None, said(log)
        lines = [json.loads(one) for one in said(log).splitlines() if one.startswith("{")]
        has_started = any(one["event"] == "started" for one in lines)
        return next((one["address"] for one in lines if one["event"] == "api_serving" and has_started), None)

    try:
        address = await until(serving)
        assert address is not None
        yield address
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def test_thousands_of_idle_connections_take_nothing_from_heals(
    embedded_place: Site, world: World, tmp_path: Path
) -> None:
    place = embedded_place.changed(heal={"slots": SLOTS})
    world.on("/pay", json_reply({"done": True}))
    org = await place.organisation()
    files = SLOTS + OTHER_FILES + FEWEST_CALLERS
    log = tmp_path / "service.log"
    async with service_with_few_files(place, log, files) as address, AsyncExitStack() as stack:
        host, _, port = address.removeprefix("http://").rpartition(":")
        for index in range(IDLE):
            idle = stack.enter_context(await asyncio.to_thread(socket.create_connection, (host, int(port)), 10))
            if index % 2:
                idle.send(b"GET /healthz HTTP/1.1\r\nX-Half: ")
        async with httpx2.AsyncClient(base_url=address, timeout=PATIENCE, trust_env=False) as client:
            assert (await client.get("/healthz")).status_code == 200
            await place.publish(*(one_of(org, n, world) for n in range(SLOTS)))
            await place.settled(SLOTS)
            assert (await client.get("/healthz")).status_code == 200
            metrics = (await client.get("/metrics")).text
    rows = await place.db.fetch("SELECT resolved, attempts FROM workflow_failures")
    assert {(row["resolved"], row["attempts"]) for row in rows} == {(True, 1)}
    assert await place.count("heal_breaker") == 0
    assert 'shw_own_faults_total{fault="open_files"} 0.0' in metrics
    assert "Too many open files" not in said(log)
