"""A real Prometheus scrapes a running consumer: every metric of the contract is there, every dashboard is filled."""

import asyncio
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx2
import pytest

from dashboards.grafana import MARKS
from dashboards.pages import ALL
from dashboards.pages.failure_types import FAILURE_TYPES
from dashboards.panel import Panel
from dashboards.prometheus import Prometheus, Series, run_prometheus
from dashboards.stack import live
from tests.support.alert_rules import ALERTS, rules_of
from tests.support.api import api_of
from tests.support.metric_names import CONTRACT, PROCESS
from tests.support.pipeline import NEVER_LEFT, Site, call, event, until
from tests.support.required_tools import require_tool
from tests.support.worlds.http_world import World, json_reply

HISTOGRAMS = {"shw_heal_seconds", "shw_time_to_heal_seconds", "shw_event_loop_delay_seconds"}


def is_quotient(panel: Panel) -> bool:
    """Whether it has nothing to draw while nothing is counted: no number is so many parts of none."""
    return all(re.search(r"histogram_quantile|:ratio_| / ", query.expression) for query in panel.queries)


async def found(prometheus: Prometheus, expression: str) -> Sequence[Series]:
    """Return what a query finds, once it finds something."""
    answers: list[Series] = []

    async def is_there() -> bool:
        answers[:] = await prometheus.now(expression)
        return bool(answers)

    await until(is_there)
    return answers


@pytest.mark.needs_tool("prometheus")
async def test_a_real_prometheus_finds_every_metric_and_fills_every_panel(
    embedded_place: Site, world: World, tmp_path: Path
) -> None:
    place, began = embedded_place, time.time()
    world.on("/pay", json_reply({"done": True}))
    org = await place.organisation()
    lacking = event(org, 2, workflow_name="orders.lacking", context={"request": {"method": "GET"}})
    async with (
        place.consumer() as running,
        api_of(running) as address,
        run_prometheus([address.removeprefix("http://")], tmp_path, every="250ms", window="3s") as prometheus,
    ):
        await found(prometheus, "shw_build_info")  # what is counted before it was scraped once shows no increase
        await place.publish(event(org, context=call(world.url("/pay"), "POST", error=NEVER_LEFT)), b"no JSON", lacking)
        await running.settled(2)
        async with httpx2.AsyncClient() as client:
            text = (await client.get(f"{address}/metrics")).text
        checked = await asyncio.to_thread(
            subprocess.run, [require_tool("promtool"), "check", "metrics"], input=text.encode(), capture_output=True
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        for family, labels in CONTRACT.items():
            name = f"{family}_count" if family in HISTOGRAMS else family
            one, *_ = await found(prometheus, name)
            # An empty label (the code of a success) is no label to Prometheus.
            assert set(one.labels) - {"__name__", "instance", "job", "code"} == labels - {"code"}, name
        for name in PROCESS:
            await found(prometheus, name)
        [healed] = await found(prometheus, 'shw_attempts_total{result="success"} > 0')
        [letters] = await found(prometheus, 'shw_dead_letters_total{reason="not_json"} > 0')
        assert (healed.points[0][1], letters.points[0][1]) == (1, 1)
        for page in ALL:
            for panel in page.panels:
                for query in panel.queries:
                    if page in FAILURE_TYPES and is_quotient(panel):
                        await prometheus.now(query.expression)
                    else:
                        assert await found(prometheus, query.expression), (page.uid, panel.title)
        await _serves_every_dashboard(prometheus, began)
        # What is drawn as a mark, and what an alert asks, may find nothing on a good day: it is asked all the same.
        for expression in (*(mark[2] for mark in MARKS), *(rule["expr"] for rule in rules_of(ALERTS))):
            await prometheus.now(expression)


async def _serves_every_dashboard(prometheus: Prometheus, began: float) -> None:
    """Ask the page of `make stack` for itself and for each picture that it shows."""
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=live(prometheus, began)), base_url="http://here"
    ) as client:
        shown = re.findall(r'src="(/[^"]+)"', (await client.get("/")).text)
        assert shown == [f"/{page.uid}.svg" for page in ALL]
        for page, path in zip(ALL, shown, strict=True):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
            drawn = ET.fromstring(answer.text)
            texts = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
            assert {panel.title for panel in page.panels} <= set(texts)
            assert texts.count("no data") <= sum(map(is_quotient, page.panels)), page.uid
        assert (await client.get("/nothing.svg")).status_code == 404
