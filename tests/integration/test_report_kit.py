"""`shw_report` through Kafka into the running service: what fails in a producer is healed as it was reported."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import shw_report
from consumer.local.broker import Broker
from shw_report import report
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.pipeline import Site
from tests.support.report_kit import reporting
from tests.support.worlds.http_world import Reply, World, json_reply

EXPECT = {"json": [{"path": "/id", "equals": 7}]}


@report("orders.charge", run=lambda url: f"run-of-{url[-7:]}", step="charge", request={"expect": EXPECT})
def charge(url: str) -> None:
    httpx.post(url, json={"amount": 12}, headers={"Idempotency-Key": "charge-17"}).raise_for_status()


def client_for(broker: Broker) -> str:
    """The embedded broker does not tell confluent-kafka its versions: there it is aiokafka, on a loop of its own."""
    return "confluent-kafka" if broker.idempotence else "aiokafka"


async def test_a_call_that_failed_in_a_producer_is_healed_under_its_key(
    place: Site, broker: Broker, world: World, tmp_path: Path
) -> None:
    org, kafka = await place.organisation(), place.settings.kafka
    world.on("/charges", Reply(status=503), json_reply({"id": 7}))
    with reporting(
        tmp_path,
        org_id=org,
        producer=None,
        bootstrap_servers=kafka.bootstrap,
        topic=kafka.failures_topic,
        client=client_for(broker),
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


ENDS_AT_ONCE = """
import sys
import shw_report
_, bootstrap, topic, client = sys.argv
shw_report.configure(
    source="urn:x", org_id="x", bootstrap_servers=bootstrap, topic=topic, client=client, exit_seconds=60
)
with shw_report.report("orders.nightly", run="run-1"):
    raise ValueError("the last of it")
"""

FORKS = """
import os, sys
import shw_report
_, bootstrap, topic, client = sys.argv
shw_report.configure(source="urn:x", org_id="x", bootstrap_servers=bootstrap, topic=topic, client=client)

def fail(run):
    try:
        with shw_report.report("orders.nightly", run=run):
            raise ValueError
    except ValueError:
        pass
    assert shw_report.flush(60)

fail("parent")
child = os.fork()
fail("child" if child == 0 else "parent again")
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
raise ValueError("the last of it")
"""


@pytest.mark.parametrize(
    ("program", "runs"),
    [(ENDS_AT_ONCE, {b"run-1"}), (FORKS, {b"parent", b"child", b"parent again"})],
    ids=["ends at once", "forks"],
)
async def test_a_process_that_ends_where_it_failed_has_published(
    place: Site, broker: Broker, program: str, runs: set[bytes]
) -> None:
    topic = place.settings.kafka.failures_topic
    # By name: at exit no thread may be started any more, and names are looked up in one.
    bootstrap = place.settings.kafka.bootstrap.replace("127.0.0.1", "localhost")
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program, bootstrap, topic, client_for(broker)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "report")},
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
    )
    assert ran.stderr.splitlines()[-1] == "ValueError: the last of it"
    records = await place.read(topic)
    assert len(records) == len(runs)
    assert {record.key for record in records} == runs
