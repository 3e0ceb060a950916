"""README's snippets in every language, word for word but for the broker's address, on the real Kafka."""

import asyncio
import json
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from consumer.kafka.topics import create_topics
from consumer.local.broker import Broker
from consumer.settings import KafkaSettings
from schemas import examples, refused_examples
from schemas.envelope import encode, parse
from tests.support.paths import ROOT
from tests.support.patience import PATIENCE
from tests.support.pipeline import until
from tests.support.required_tools import in_ci, require_tool
from tests.support.round_trip import produce

README: Final = (ROOT / "README.md").read_text()
WRITTEN: Final = "127.0.0.1:9092"
KAFKAJS: Final = ROOT / ".local" / "kafkajs" / "node_modules"
"""Where `make kafkajs` installs what the page has its reader install."""


def _blocks(heading: str, language: str) -> list[str]:
    section = README.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def settings(kafka_broker: Broker) -> KafkaSettings:
    """The topics by the names that the page has; no other test uses them."""
    made = KafkaSettings(bootstrap=kafka_broker.bootstrap)
    asyncio.run(create_topics(made, partitions=1, replication=1))
    return made


@asynccontextmanager
async def _running(*arguments: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(*arguments, cwd=folder, stdout=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _runs(*arguments: str, folder: Path) -> None:
    async with _running(*arguments, folder=folder) as process:
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0


async def _published(settings: KafkaSettings, number: int) -> list[dict[str, Any]]:
    """Read the failures topic, by a client of another make, once so many records lie there."""
    kcat = (
        require_tool("kcat"),
        "-b",
        settings.bootstrap,
        "-t",
        settings.failures_topic,
        "-C",
        "-e",
        "-q",
        "-f",
        "%s\n",
    )

    async def look() -> list[dict[str, Any]]:
        async with _running(*kcat, folder=ROOT) as process:
            out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        found = [json.loads(line) for line in out.splitlines()]
        return found if len(found) >= number else []

    return await until(look)


@pytest.mark.needs_tool("kcat")
async def test_each_publisher_of_the_page_publishes_what_it_shows(settings: KafkaSettings, tmp_path: Path) -> None:
    (python,) = _blocks("Publish a failure", "python")
    kcat = _blocks("Publish a failure", "sh")[0]
    (tmp_path / "publish.py").write_text(python.replace(WRITTEN, settings.bootstrap))
    (tmp_path / "publish.sh").write_text(kcat.replace(WRITTEN, settings.bootstrap))
    await _runs(sys.executable, "publish.py", folder=tmp_path)
    await _runs("sh", "-e", "publish.sh", folder=tmp_path)
    found = await _published(settings, 3)
    assert {"orders-8842", "orders-8844", None} <= {one.get("id") for one in found}
    for one in found:
        assert parse(json.dumps(one).encode(), ()).data["workflow_name"] == "orders.sync"


async def test_the_page_s_node_publisher_publishes_what_it_shows(settings: KafkaSettings, tmp_path: Path) -> None:
    if not KAFKAJS.is_dir() or (node := shutil.which("node")) is None:
        if in_ci() and shutil.which("npm"):
            pytest.fail("kafkajs is not installed: make kafkajs")
        pytest.skip("node or kafkajs is missing: make kafkajs")
    (script,) = _blocks("Publish a failure", "js")
    (tmp_path / "node_modules").symlink_to(KAFKAJS)
    (tmp_path / "publish.mjs").write_text(script.replace(WRITTEN, settings.bootstrap))
    await _runs(node, "publish.mjs", folder=tmp_path)
    assert "orders-8843" in [one.get("id") for one in await _published(settings, 1)]


@pytest.mark.needs_tool("kcat")
async def test_each_subscriber_of_the_page_reads_whatever_is_told(settings: KafkaSettings, tmp_path: Path) -> None:
    (python,) = _blocks("Subscribe to results", "python")
    (kcat,) = _blocks("Subscribe to results", "sh")
    events = [
        examples.heal_result(),
        examples.failure_status(),
        examples.budget_warning(),
        examples.pause(),
        examples.command_result(),
        examples.bulk_progress(),
        examples.dependency_binding(),
        examples.definition_change(),
        refused_examples.failure_refused(),
    ]
    for event in (*events, events[0]):
        value, _ = encode(event)
        await produce(settings.bootstrap, settings.results_topic, value, idempotence=False)
    (tmp_path / "subscribe.py").write_text(python.replace(WRITTEN, settings.bootstrap))
    async with _running(sys.executable, "-u", "subscribe.py", folder=tmp_path) as process:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            told = [(await process.stdout.readline()).decode().split()[0] for _ in events]
    assert told == [event.type for event in events]
    (tmp_path / "subscribe.sh").write_text(f"exec {kcat.replace(WRITTEN, settings.bootstrap)}")
    async with _running("sh", "subscribe.sh", folder=tmp_path) as process:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            lines = [await process.stdout.readline() for _ in events]
    assert [json.loads(line.partition(b" ")[2])["type"] for line in lines] == told
