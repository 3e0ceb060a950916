"""`shw_report` through Kafka into the running service: what fails in a producer is healed as it was reported."""

import asyncio
from pathlib import Path

import httpx
import pytest

import shw_report
from consumer.local.broker import Broker
from shw_report import report
from tests.support.patience import PATIENCE
from tests.support.pipeline import Site
from tests.support.report_kit import reporting
from tests.support.worlds.http_world import Reply, World, json_reply

EXPECT = {"json": [{"path": "/id", "equals": 7}]}


@report("orders.charge", run=lambda url: f"run-of-{url[-7:]}", step="charge", request={"expect": EXPECT})
def charge(url: str) -> None:
    httpx.post(url, json={"amount": 12}, headers={"Idempotency-Key": "charge-17"}).raise_for_status()


async def test_a_call_that_failed_in_a_producer_is_healed_under_its_key(
    place: Site, broker: Broker, world: World, tmp_path: Path
) -> None:
    org, kafka = await place.organisation(), place.settings.kafka
    world.on("/charges", Reply(status=503), json_reply({"id": 7}))
    # The embedded broker does not tell confluent-kafka its versions: there it is aiokafka, on a loop of its own.
    client = "confluent-kafka" if broker.idempotence else "aiokafka"
    with reporting(
        tmp_path,
        org_id=org,
        producer=None,
        bootstrap_servers=kafka.bootstrap,
        topic=kafka.failures_topic,
        client=client,
    ):
        with pytest.raises(httpx.HTTPStatusError):
            await asyncio.to_thread(charge, world.url("/charges"))
        assert await asyncio.to_thread(shw_report.flush, PATIENCE), shw_report.counts()
        assert shw_report.counts() == shw_report.Counts(published=1)
    async with place.consumer() as running:
        rows = await running.settled(1)
    assert rows["orders.charge"]["status"] == "resolved"
    first, second = world.calls("/charges")
    assert (first.key, first.json) == (second.key, second.json) == ("charge-17", {"amount": 12})
