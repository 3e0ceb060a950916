"""The catalog changes under a running consumer: a valid one counts from then on, a wrong one changes nothing."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from consumer.catalog import Catalog, Catalogs
from consumer.errors import ConfigError
from consumer.heal.strategy import EffectGate, Task
from consumer.metrics import Metrics, Reload
from consumer.model import Healed, NotHealed, Outcome, Proof
from consumer.service.catalog_file import CatalogFile, read_catalog
from consumer.service.vitals import Vitals
from schemas.names import Code, Verdict
from tests.support import oracle
from tests.support.patience import PATIENCE
from tests.support.pipeline import Process, Running, Site, catalog, event, start_process, until
from tests.support.worlds.scripted import scripted

PROVEN = Healed(proofs=(Proof(oracle="test", verdict=Verdict.PASSED, detail="it works"),))
NOBODY = catalog().replace("- name: '*'", "- name: nobody")


async def heals(_: Task, gate: EffectGate) -> Outcome:
    await gate.begin()
    return PROVEN


def path_of(place: Site) -> Path:
    assert place.settings.catalog is not None
    return place.settings.catalog


def in_force(running: Running) -> Catalog:
    return running.consumer.stages.catalogs.current


async def obeyed(running: Running, text: str) -> None:
    """Write a catalog, and wait until it is in force."""
    path = path_of(running.place)
    path.write_text(text)
    version = read_catalog(path).version

    async def counts() -> bool:
        return in_force(running).version == version

    await until(counts)


async def test_the_next_failure_is_healed_under_the_new_entry_and_its_plan_says_so(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    path_of(place).write_text(NOBODY)
    async with place.consumer(scripted(heals)) as running:
        await place.publish(event(org, 1, workflow_name="before"))
        rows = await running.settled(1)
        assert rows["before"]["status"] == "given_up"
        first = in_force(running).version
        await obeyed(running, catalog())
        await place.publish(event(org, 2, workflow_name="after"))
        rows = await running.settled(2)
        assert rows["after"]["status"] == "resolved"
        await running.counted("shw_catalog_reloads_total", 1, outcome="changed")
        second = in_force(running).version
        # And who may speak at all: the door obeys it too.
        await obeyed(running, catalog().replace("source: '*'", "source: 'urn:nobody'"))
        await place.publish(event(org, 3, workflow_name="unheard"))
        await until(lambda: _counted(running, "shw_dead_letters_total", reason="source_not_allowed"))
    told = [one["data"] for one in await place.results() if one["data"].get("attempt_id")]
    assert {one["workflow_name"]: one["catalog_version"] for one in told} == {"before": first, "after": second}


async def _counted(running: Running, name: str, **labels: str) -> bool:
    return running.metric(name, **labels) > 0


async def test_a_wrong_catalog_is_said_with_its_line_and_the_one_before_stays(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    async with place.consumer(scripted(heals)) as running:
        before = in_force(running)
        with capture_logs() as logged:
            path_of(place).write_text(catalog() + "  attemps: 3\n")
            await until(lambda: _counted(running, "shw_catalog_refused"))
        (said,) = [line for line in logged if line["event"] == "catalog_refused"]
        line = path_of(place).read_text().count("\n")
        assert f"{path_of(place)}:{line}: workflows.0.attemps" in said["error"]
        assert said["in_force"] == before.version
        assert in_force(running) is before
        assert any("catalog" in note for note in Vitals(running.consumer).notes())
        await place.publish(event(org))
        assert (await running.settled(1))["orders.sync"]["status"] == "resolved"
        # Taken back, it is no new catalog, and nothing is wrong any more.
        path_of(place).write_text(catalog())
        await obeyed(running, path_of(place).read_text().replace("attempts: 3", "attempts: 4"))
        assert running.metric("shw_catalog_refused") == 0
        assert running.metric("shw_catalog_reloads_total", outcome="refused") == 1
        assert Vitals(running.consumer).notes() == ()


async def test_ten_catalogs_under_load_lose_nothing(embedded_place: Site) -> None:
    place, count = embedded_place, 200
    org = await place.organisation()

    async with place.consumer(scripted(heals)) as running:
        seen = set()
        for number in range(10):
            some = range(number * count // 10, (number + 1) * count // 10)
            await place.publish(*(event(org, n, workflow_name=f"w{n:03}") for n in some))
            await obeyed_at_once(running, catalog(attempts=str(number + 1)))
            seen.add(in_force(running).version)
        rows = await running.settled(count)
    assert len(seen) == 10
    assert {row["status"] for row in rows.values()} == {"resolved"}
    await oracle.everything_that_ended_was_told(place)
    await oracle.one_attempt_per_step(place)
    await oracle.credits_add_up(place, {org: "10"})


async def obeyed_at_once(running: Running, text: str) -> None:
    path_of(running.place).write_text(text)
    assert running.consumer.catalog_file is not None
    await running.consumer.catalog_file.look()
    await running.consumer.catalog_file.look()


async def test_a_live_heal_ends_under_the_entry_that_it_was_planned_with(embedded_place: Site) -> None:
    place = embedded_place
    org = await place.organisation()
    begun, over = asyncio.Event(), asyncio.Event()
    attempts: list[int] = []

    async def slow(task: Task, gate: EffectGate) -> Outcome:
        await gate.begin()
        attempts.append(task.policy.attempts)
        begun.set()
        await over.wait()
        return NotHealed(code=Code.NOT_HEALED, reason="it says no")

    async with place.consumer(scripted(slow)) as running:
        await place.publish(event(org))
        await asyncio.wait_for(begun.wait(), PATIENCE)
        await obeyed(running, catalog(attempts="1"))
        over.set()
        await running.settled(1)
    assert attempts == [3]
    told = [one["data"] for one in await place.results() if one["data"].get("attempt_id")]
    # Three attempts were allowed when it began; the next plan knows that one is enough.
    assert [(one["status"], one["code"]) for one in told] == [("pending", "not_healed"), ("given_up", "refused")]


@asynccontextmanager
async def service(place: Site, log: Path) -> AsyncIterator[Process]:
    """`shw run` in a process of its own."""
    started = await start_process((sys.executable, "-m", "consumer", "run"), place, log)
    try:
        yield Process(process=started, log=log)
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def test_a_signal_has_it_read_at_once(embedded_place: Site, tmp_path: Path) -> None:
    async with service(embedded_place, tmp_path / "log") as one:
        await until(lambda: _said(one.said, "partitions_assigned"))
        one.tell(signal.SIGHUP)
        await until(lambda: _said(one.said, "catalog_unchanged"))
        path_of(embedded_place).write_text(catalog(attempts="7"))
        one.tell(signal.SIGHUP)
        await until(lambda: _said(one.said, "catalog_changed"))
        one.tell(signal.SIGTERM)
        assert await one.ended() == 0


async def _said(said: Callable[[str], bool], what: str) -> bool:
    return said(what)


# ---- the file


class Watched:
    """A file that is looked at by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.catalogs = Catalogs(read_catalog(path))
        self.metrics = Metrics(CollectorRegistry())
        self.asked = asyncio.Event()
        self.reads = 0
        self.file = CatalogFile(
            path,
            read=self._read,
            use_catalog=self.catalogs.change,
            catalogs=self.catalogs,
            metrics=self.metrics,
            asked=self.asked,
        )

    def _read(self, path: Path) -> Catalog:
        self.reads += 1
        return read_catalog(path)

    async def looks(self, times: int = 2) -> str:
        for _ in range(times):
            await self.file.look()
        return self.catalogs.current.version


@pytest.fixture
async def watched(tmp_path: Path) -> Watched:
    path = tmp_path / "catalog.yaml"
    path.write_text(catalog())
    found = Watched(path)
    await found.looks()
    return found


async def test_a_file_that_does_not_change_is_not_read(watched: Watched) -> None:
    reads = watched.reads
    await watched.looks(5)
    assert watched.reads == reads
    watched.asked.set()
    await watched.looks(1)
    assert watched.reads == reads + 1
    assert not watched.asked.is_set()


async def test_a_file_that_is_being_written_is_not_read_before_it_rests(watched: Watched) -> None:
    before, reads = watched.catalogs.current.version, watched.reads
    for part in range(1, 4):
        watched.path.write_text("version: 1\nsources: []\n" + f"# {'x' * part}\n")
        assert await watched.looks(1) == before
    assert watched.reads == reads
    assert await watched.looks(1) != before


async def test_a_directory_that_is_swapped_under_a_link_is_seen(tmp_path: Path) -> None:
    for name, text in (("one", catalog()), ("two", catalog(attempts="5"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "catalog.yaml").write_text(text)
        os.utime(tmp_path / name / "catalog.yaml", (1_700_000_000, 1_700_000_000))
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "catalog.yaml").symlink_to("data/catalog.yaml")
    watched = Watched(tmp_path / "catalog.yaml")
    before = await watched.looks()
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").replace(tmp_path / "data")
    assert await watched.looks() != before


async def test_a_file_that_the_catalog_names_counts_as_a_part_of_it(tmp_path: Path) -> None:
    schema, path = tmp_path / "schema.json", tmp_path / "catalog.yaml"
    schema.write_text(json.dumps({"type": "object"}))
    path.write_text(catalog(schema_autofix="{schemas: {charge: {file: schema.json}}}"))
    watched = Watched(path)
    before = await watched.looks()
    schema.write_text(json.dumps({"type": "array"}))
    changed = await watched.looks()
    assert changed != before
    schema.unlink()
    assert await watched.looks() == changed
    assert "schema.json" in str(watched.file.fault)
    schema.write_text(json.dumps({"type": "array"}))
    assert await watched.looks() == changed
    assert watched.file.fault is None


async def test_a_file_that_is_gone_changes_nothing_and_one_fault_is_counted_once(watched: Watched) -> None:
    before = watched.catalogs.current.version
    away = watched.path.rename(watched.path.with_suffix(".away"))
    assert await watched.looks(5) == before
    assert "cannot be read" in str(watched.file.fault)
    assert watched.metrics.catalog_reloads[Reload.REFUSED]._value.get() == 1  # noqa: SLF001 - the only way to a value
    away.rename(watched.path)
    assert await watched.looks() == before
    assert watched.file.fault is None


def test_a_catalog_is_remembered_by_its_version_while_it_may_be_needed(tmp_path: Path) -> None:
    path = tmp_path / "catalog.yaml"

    def read(attempts: int) -> Catalog:
        path.write_text(catalog(attempts="1", max_age=f"PT{attempts + 1}H", secrets="[A]") + "secrets: {A: {env: A}}\n")
        return read_catalog(path)

    catalogs = Catalogs(first := read(0))
    secrets = catalogs.secrets
    assert list(secrets) == ["A"]
    for number in range(1, 64):
        catalogs.change(read(number))
    assert catalogs.of(first.version) is first
    catalogs.change(read(64))
    assert catalogs.of(first.version) is catalogs.current
    path.write_text(catalog())
    catalogs.change(read_catalog(path))
    assert len(secrets) == 0


async def test_a_catalog_that_is_wrong_at_the_start_stops_it(embedded_place: Site) -> None:
    path_of(embedded_place).write_text(catalog(rungs="{auto-retry: {attempts: 9}}"))
    ended = await embedded_place.run_to_end()
    assert isinstance(ended, ConfigError)
    line = path_of(embedded_place).read_text().count("\n")
    assert f"{path_of(embedded_place)}:{line}: workflows.0.rungs.auto-retry.attempts" in str(ended)
