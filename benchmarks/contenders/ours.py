"""The consumer as it ships, with a benchmark's strategy in place of its own; its log goes to a file, line by line."""

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from benchmarks.contenders import noop, told
from benchmarks.harness.holds import noted_holds
from benchmarks.harness.job import HEARTBEATS, Job, Told
from benchmarks.harness.load import CATALOG
from consumer import logs
from consumer.service import app
from consumer.service.api import serve_api
from consumer.settings import ApiSettings, HealSettings, HeartbeatSettings, KafkaSettings, PostgresSettings, Settings


async def run(job: Job, stop: asyncio.Event) -> Told:
    """Run until stopped; what is neither an address nor named by the job is at its default."""
    catalog = job.home / "catalog.yaml"
    shipped = job.shipped
    catalog.write_text(job.catalog or CATALOG if shipped is None else str(shipped["catalog"]))
    settings = Settings(
        kafka=KafkaSettings(
            bootstrap=job.bootstrap,
            idempotence=job.idempotence,
            group_id=job.group,
            failures_topic=job.failures,
            results_topic=job.results,
            dlq_topic=job.dlq,
            heartbeats_topic=job.heartbeats or HEARTBEATS,
        ),
        postgres=PostgresSettings.model_validate({"dsn": job.dsn}),
        heal=HealSettings.model_validate(job.heal),
        heartbeats=HeartbeatSettings(read=job.heartbeats is not None, group_id=f"{job.group}.heartbeats"),
        api=ApiSettings() if shipped is None else _api(shipped),
        catalog=catalog,
    )
    path = log_of(job)
    strategies = told.STRATEGIES if job.as_told else noop.STRATEGIES
    registry, before = CollectorRegistry(), time.process_time()
    with path.open("wb") as log:
        logs.configure("info", log)
        if shipped is None:
            await app.run(settings, stop, strategies=strategies, registry=registry)
        else:
            async with noted_holds(job.home, stacks=job.profile):
                await app.run(settings, stop, beside=(serve_api,), registry=registry)
    started = assigned_at(path)
    if started is None:
        raise RuntimeError(f"{path}: the group never gave it a partition")
    return Told(started=started, cpu_seconds=time.process_time() - before, phases=_phases(registry))


def _api(shipped: Mapping[str, str | int]) -> ApiSettings:
    return ApiSettings.model_validate({"port": shipped["api_port"], "jwt_secret": shipped["jwt_secret"]})


def log_of(job: Job) -> Path:
    """Name the file of its log."""
    return job.home / "log.jsonl"


def assigned_at(log: Path) -> float | None:
    """Read from its log when the group gave it its first partitions (`time.time()`); None if it has not."""
    with log.open() as lines:
        for line in lines:
            if '"partitions_assigned"' in line and line.endswith("\n"):
                said = json.loads(line)
                if said["partitions"]:
                    return datetime.fromisoformat(said["timestamp"]).timestamp()
    return None


def _phases(registry: CollectorRegistry) -> dict[str, float]:
    samples = (sample for metric in registry.collect() for sample in metric.samples)
    return {one.labels["phase"]: round(one.value, 3) for one in samples if one.name == "shw_loop_seconds_total"}
