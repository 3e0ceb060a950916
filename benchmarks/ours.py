"""The consumer as it ships, with the no-op in place of its strategies; its log goes to a file, line by line."""

import asyncio
import json
import time
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from benchmarks.job import Job, Told
from benchmarks.load import CATALOG
from benchmarks.noop import STRATEGIES
from consumer import app, logs
from consumer.settings import KafkaSettings, PostgresSettings, Settings


async def run(job: Job, stop: asyncio.Event) -> Told:
    """Run until stopped, with every setting that is not an address at its default."""
    catalog = job.home / "catalog.yaml"
    catalog.write_text(CATALOG)
    settings = Settings(
        kafka=KafkaSettings(
            bootstrap=job.bootstrap,
            idempotence=job.idempotence,
            group_id=job.group,
            failures_topic=job.failures,
            results_topic=job.results,
            dlq_topic=job.dlq,
        ),
        postgres=PostgresSettings.model_validate({"dsn": job.dsn}),
        catalog=catalog,
    )
    path = job.home / "log.jsonl"
    registry, before = CollectorRegistry(), time.process_time()
    with path.open("wb") as log:
        logs.configure("info", log)
        await app.run(settings, stop, strategies=STRATEGIES, registry=registry)
    return Told(started=_assigned_at(path), cpu_seconds=time.process_time() - before, phases=_phases(registry))


def _phases(registry: CollectorRegistry) -> dict[str, float]:
    samples = (sample for metric in registry.collect() for sample in metric.samples)
    return {one.labels["phase"]: round(one.value, 3) for one in samples if one.name == "shw_loop_seconds_total"}


def _assigned_at(log: Path) -> float:
    with log.open() as lines:
        for line in lines:
            if '"partitions_assigned"' in line:
                said = json.loads(line)
                if said["partitions"]:
                    return datetime.fromisoformat(said["timestamp"]).timestamp()
    raise RuntimeError(f"{log}: the group never gave it a partition")
