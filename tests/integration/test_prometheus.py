"""A real Prometheus scrapes a running consumer and finds every metric of the contract."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from consumer.local.server import free_ports
from tests.support.api import api_of
from tests.support.metric_names import CONTRACT, PROCESS
from tests.support.patience import PATIENCE
from tests.support.pipeline import NEVER_LEFT, Site, call, event, until
from tests.support.required_tools import require_tool
from tests.support.worlds.http_world import World, json_reply

HISTOGRAMS = {"shw_heal_seconds", "shw_time_to_heal_seconds", "shw_event_loop_delay_seconds"}


@asynccontextmanager
async def prometheus(target: str, directory: Path) -> AsyncIterator[str]:
    config = directory / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 250ms}\n"
        f"scrape_configs: [{{job_name: shw, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    address = f"127.0.0.1:{free_ports(1)[0]}"
    server = await asyncio.create_subprocess_exec(
        require_tool("prometheus"),
        *(f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}", f"--web.listen-address={address}"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://{address}"
    finally:
        server.terminate()
        await asyncio.wait_for(server.wait(), PATIENCE)


async def series(client: httpx2.AsyncClient, name: str) -> list[dict[str, Any]]:
    try:
        answer = await client.get("/api/v1/query", params={"query": name})
    except httpx2.TransportError:
        return []  # it is still starting
    found: list[dict[str, Any]] = answer.json().get("data", {}).get("result", []) if answer.status_code == 200 else []
    return found


@pytest.mark.needs_tool("prometheus")
async def test_a_real_prometheus_finds_every_metric_with_its_labels(
    embedded_place: Site, world: World, tmp_path: Path
) -> None:
    place = embedded_place
    world.on("/pay", json_reply({"done": True}))
    org = await place.organisation()
    lacking = event(org, 2, workflow_name="orders.lacking", context={"request": {"method": "GET"}})
    await place.publish(event(org, context=call(world.url("/pay"), "POST", error=NEVER_LEFT)), b"no JSON", lacking)
    async with place.consumer() as running, api_of(running) as address:
        await running.settled(2)
        async with httpx2.AsyncClient() as client:
            text = (await client.get(f"{address}/metrics")).text
        checked = await asyncio.to_thread(
            subprocess.run, [require_tool("promtool"), "check", "metrics"], input=text.encode(), capture_output=True
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        async with (
            prometheus(address.removeprefix("http://"), tmp_path) as server,
            httpx2.AsyncClient(base_url=server) as client,
        ):
            for family, labels in CONTRACT.items():
                name = f"{family}_count" if family in HISTOGRAMS else family
                found = await until(lambda name=name: series(client, name))  # type: ignore[misc]
                # An empty label (the code of a success) is no label to Prometheus.
                assert set(found[0]["metric"]) - {"__name__", "instance", "job", "code"} == labels - {"code"}, name
            for name in PROCESS:
                assert await series(client, name), name
            healed = await series(client, 'shw_attempts_total{result="success"} > 0')
            assert [one["value"][1] for one in healed] == ["1"]
            letters = await series(client, 'shw_dead_letters_total{reason="not_json"}')
            assert [one["value"][1] for one in letters] == ["1"]
