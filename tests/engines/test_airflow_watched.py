"""A real Airflow whose DAG nobody has changed: found by a watch, by its OpenLineage events, or by both; healed once."""

import json
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from consumer.catalog import parse_catalog
from tests.support.paths import ROOT
from tests.support.pipeline import Running, Site, until
from tests.support.worlds.airflow_engine import LINEAGE_NAMESPACE, LINEAGE_TOPIC, PASSWORD, USER, Airflow
from tests.support.worlds.engine_site import engine_catalog_text
from tests.support.worlds.http_world import World, json_reply

pytestmark = pytest.mark.engines

PAGES_ORG = "6f1d2c3b-4a59-4e87-9c60-1b2a3c4d5e6f"
ENDED = ("resolved", "given_up", "needs_person")
SECRETS: dict[str, Any] = {
    "AIRFLOW": {
        "env": "TEST_AIRFLOW_PASSWORD",
        "hosts": ["127.0.0.1"],
        "methods": ["POST"],
        "paths": ["/auth/token"],
        "body": True,
    }
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A place, and the Airflow that is told of there."""

    place: Site
    airflow: Airflow
    world: World
    catalog_file: Path

    def declare(self, org: UUID, *, watched: tuple[str, ...] = (), lineage: bool = False) -> None:
        """Write the catalog; nothing else of Airflow is known to the service."""
        login = {"username": USER, "password": "secret://AIRFLOW"}
        runner: dict[str, Any] = {
            "kind": "airflow",
            "api": f"{self.airflow.base}/api/v2",
            "token": {"by": "login", "url": f"{self.airflow.base}/auth/token", "body": login},
            "inputs": {"orders.load": {"task": "extract"}},
            "timeout": "PT1M",
        }
        if watched:
            of = [{"name": name, "organisation": str(org)} for name in watched]
            runner["watch"] = {"every": "PT1S", "workflows": of}
        text = engine_catalog_text(self.airflow.port, runner, "load", SECRETS)
        text = text.replace("timeout: PT20S", "timeout: PT20S, verify: PT2M")
        if lineage:
            topic = {"topic": LINEAGE_TOPIC, "format": "openlineage", "organisations": {LINEAGE_NAMESPACE: str(org)}}
            text += f"topics: {json.dumps([topic])}\n"
        parse_catalog(text)
        self.catalog_file.write_text(text)

    async def failed_charge(self) -> str:
        """Have a run fail at its second task, whose call is refused once."""
        self.world.on("/reserve", json_reply({}))
        self.world.on("/charge", json_reply({}, 503), json_reply({}))
        run_id = await self.airflow.run("lasting", world=self.world.url(""))
        assert await self.airflow.until_run("lasting", run_id, "failed", "success") == "failed"
        return run_id

    async def healed(self, dag: str, run_id: str) -> dict[str, Any]:
        """Wait until a run's failure is resolved, and the run has ended well; gives the failure."""

        async def has_ended() -> Any:  # noqa: ANN401 - a row
            rows = await self.failures_of(run_id)
            return rows[0] if rows and rows[0]["status"] in ENDED else None

        row = await until(has_ended)
        assert row["status"] == "resolved", dict(row)
        assert await self.airflow.until_run(dag, run_id, "failed", "success") == "success"
        return dict(row)

    async def failures_of(self, run_id: str) -> list[Any]:
        rows = "SELECT * FROM workflow_failures WHERE context #>> '{run,id}' = $1"
        found: list[Any] = await self.place.db.fetch(rows, run_id)
        return found

    async def looked_twice(self) -> None:
        """Wait for two more complete rounds of looks."""
        look = "SELECT looked_at FROM heal_runner_watch WHERE runner = 'engine'"
        for _ in range(2):
            before = await self.place.db.fetchval(look)

            async def has_moved(before: object = before) -> bool:
                return bool(await self.place.db.fetchval(look) != before)

            await until(has_moved)

    async def charged_once(self, run_id: str) -> None:
        """See that the run is one failure, and that what had succeeded in it was not done again."""
        assert len(await self.failures_of(run_id)) == 1
        assert (self.world.performed("/reserve"), len(self.world.calls("/charge"))) == (1, 2)
        assert await self.place.letters() == []


async def at_least(running: Running, times: int, name: str, **labels: str) -> None:
    async def look() -> bool:
        return running.metric(name, **labels) >= times

    await until(look)


@pytest.fixture
def watched(
    kafka_place: Site, catalog_file: Path, airflow: Airflow, world: World, monkeypatch: pytest.MonkeyPatch
) -> Watched:
    """An Airflow as it is installed."""
    monkeypatch.setenv("TEST_AIRFLOW_PASSWORD", PASSWORD)
    return Watched(place=kafka_place, airflow=airflow, world=world, catalog_file=catalog_file)


@pytest.fixture
def telling(
    kafka_place: Site, catalog_file: Path, lineage_airflow: Airflow, world: World, monkeypatch: pytest.MonkeyPatch
) -> Watched:
    """An Airflow with its OpenLineage provider."""
    monkeypatch.setenv("TEST_AIRFLOW_PASSWORD", PASSWORD)
    return Watched(place=kafka_place, airflow=lineage_airflow, world=world, catalog_file=catalog_file)


async def test_a_watch_alone_finds_a_failed_run_and_it_is_healed(watched: Watched) -> None:
    watched.declare(await watched.place.organisation("1"), watched=("lasting",))
    run_id = await watched.failed_charge()
    async with watched.place.consumer() as running:
        row = await watched.healed("lasting", run_id)
        await watched.looked_twice()
        assert running.metric("shw_watched_runs_total", found="told") == 1
    context = json.loads(row["context"])
    assert context["run"] == {"id": run_id, "status": "failed", "epoch": 1, "step": "charge"}
    assert "HTTP Error 503" in row["failure_reason"], row
    await watched.charged_once(run_id)


async def test_a_watch_alone_finds_an_input_that_was_refused_and_it_is_mended(watched: Watched) -> None:
    watched.declare(await watched.place.organisation("1"), watched=("orders",))
    world = watched.world
    world.on("/extract", json_reply({}))
    world.on("/load", json_reply({}))
    run_id = await watched.airflow.run("orders", world=world.url(""), order={"amount": "42"})
    assert await watched.airflow.until_run("orders", run_id, "failed", "success") == "failed"
    async with watched.place.consumer():
        await watched.healed("orders", run_id)
        await watched.looked_twice()
    assert [call.json for call in world.calls("/load")] == [{"amount": 42}]
    assert len(await watched.failures_of(run_id)) == 1


async def test_its_openlineage_events_alone_tell_of_a_failed_run_and_it_is_healed(telling: Watched) -> None:
    telling.declare(await telling.place.organisation("1"), lineage=True)
    async with telling.place.consumer() as running:
        run_id = await telling.failed_charge()
        row = await telling.healed("lasting", run_id)
        # The failed DAG run tells of itself too: its task is known, so that it is no failure of its own.
        await at_least(running, 1, "shw_events_total", outcome="same_run")
    context = json.loads(row["context"])
    assert context["run"] == {"id": run_id, "status": "failed", "epoch": 1, "step": "charge"}
    assert "HTTP Error 503" in row["failure_reason"], row
    assert row["source"] == f"urn:openlineage:{LINEAGE_NAMESPACE}"
    await telling.charged_once(run_id)


@pytest.mark.parametrize("begins", ["before", "after"])
async def test_a_failed_run_of_which_both_tell_is_one_failure(telling: Watched, begins: str) -> None:
    telling.declare(await telling.place.organisation("1"), watched=("lasting",), lineage=True)
    run_id = await telling.failed_charge() if begins == "after" else ""
    async with telling.place.consumer() as running:
        run_id = run_id or await telling.failed_charge()
        await telling.healed("lasting", run_id)
        await at_least(running, 1, "shw_events_total", outcome="same_run")
        await telling.looked_twice()
    await telling.charged_once(run_id)


async def test_a_task_that_airflow_tries_again_itself_is_healed_after_its_last_try(telling: Watched) -> None:
    telling.declare(await telling.place.organisation("1"), lineage=True)
    world = telling.world
    world.on("/charge", json_reply({}, 503), json_reply({}, 503), json_reply({}))
    async with telling.place.consumer() as running:
        run_id = await telling.airflow.run("tried_twice", world=world.url(""))
        assert await telling.airflow.until_run("tried_twice", run_id, "failed", "success") == "failed"

        async def last_try() -> Any:  # noqa: ANN401 - a row
            tries = {json.loads(row["context"])["run"].get("epoch"): row for row in await telling.failures_of(run_id)}
            return tries[2] if 2 in tries and tries[2]["status"] in ENDED else None

        assert (await until(last_try))["status"] == "resolved"
        await at_least(running, 1, "shw_events_total", outcome="same_run")
    assert await telling.airflow.until_run("tried_twice", run_id, "failed", "success") == "success"
    assert len(world.calls("/charge")) == 3


CALLED_BACK = """
import json
import urllib.request

from airflow.sdk import dag, get_current_context, task


@dag(dag_id="called_back", schedule=None, default_args={"on_failure_callback": tell})
def called_back():
    @task
    def load():
        url = get_current_context()["dag_run"].conf["world"] + "/load"
        urllib.request.urlopen(urllib.request.Request(url, data=b"{}"), timeout=600).read()

    load()


called_back()
"""


async def test_the_callback_that_the_page_gives_tells_of_a_failed_task_and_it_is_healed(telling: Watched) -> None:
    org, kafka = await telling.place.organisation("1"), telling.place.settings.kafka
    telling.declare(org)
    page = (ROOT / "docs" / "sources" / "airflow.md").read_text()
    (block,) = map(textwrap.dedent, re.findall(r"^ *```python\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL))
    here = f'bootstrap_servers="{kafka.bootstrap}", topic="{kafka.failures_topic}"'
    for of_the_page, of_this in (('bootstrap_servers="127.0.0.1:9092"', here), (PAGES_ORG, str(org))):
        assert of_the_page in block
        block = block.replace(of_the_page, of_this)
    await telling.airflow.add("called_back", block + CALLED_BACK)
    telling.world.on("/load", json_reply({}, 503), json_reply({}))
    run_id = await telling.airflow.run("called_back", world=telling.world.url(""))
    assert await telling.airflow.until_run("called_back", run_id, "failed", "success") == "failed"
    async with telling.place.consumer():
        row = await telling.healed("called_back", run_id)
    context = json.loads(row["context"])
    assert (context["run"], context["error"]["type"]) == (
        {"id": run_id, "step": "load", "epoch": 1, "status": "failed"},
        "urllib.error.HTTPError",
    )
    assert len(telling.world.calls("/load")) == 2
    assert len(await telling.failures_of(run_id)) == 1
