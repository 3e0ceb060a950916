"""What a run must have left behind; a run that left anything else does not count."""

from decimal import Decimal
from typing import Any

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from benchmarks.job import PARTITIONS, Job, Who
from benchmarks.load import BUDGET_AUD, expected

_COUNTS = """
SELECT (SELECT count(*) FROM workflow_failures) AS failures,
       (SELECT count(*) FROM workflow_failures
         WHERE resolved AND status = 'resolved' AND due_at IS NULL AND step = 1 AND attempts = 1
           AND failure_type IS NOT NULL AND context ? 'request') AS resolved,
       (SELECT count(*) FROM workflow_heal_attempts WHERE result = 'success' AND step = 0) AS attempts,
       (SELECT count(*) FROM token_usage_events WHERE phase = 'hold' AND amount = -0.05) AS holds,
       (SELECT count(*) FROM token_usage_events WHERE phase = 'settle' AND amount = 0.05) AS settles,
       (SELECT count(*) FROM heal_claim) AS claims, (SELECT count(*) FROM heal_outbox) AS outbox
"""
_LEDGER = """
SELECT count(*) FILTER (WHERE w.text_budget_aud <> $1 + coalesce(l.change, 0)) AS wrong,
       coalesce(sum(w.text_budget_aud), 0) AS left
  FROM token_wallets w
  LEFT JOIN (SELECT org_id, sum(amount) AS change FROM token_usage_events GROUP BY org_id) AS l USING (org_id)
"""


async def check(job: Job) -> None:
    """Compare rows, ledger, results and committed offsets with the load; RuntimeError says what differs."""
    wrong = await _rows(job)
    if job.who is not Who.BARE:
        wrong += await _results(job) + await _committed(job)
    if wrong:
        raise RuntimeError(f"{job.who} left the wrong things behind: {'; '.join(wrong)}")


async def _rows(job: Job) -> list[str]:
    connection = await asyncpg.connect(job.dsn)
    try:
        counts = await connection.fetchrow(_COUNTS)
        ledger = await connection.fetchrow(_LEDGER, Decimal(BUDGET_AUD))
        found = await connection.fetch("SELECT failure_id, id FROM workflow_heal_attempts")
    finally:
        await connection.close()
    if counts is None or ledger is None:
        raise RuntimeError("a SELECT without FROM gives one row")
    empty = ("claims", "outbox")
    wrong = [f"{name}: {n}" for name, n in counts.items() if n != (0 if name in empty else job.events)]
    if ledger["wrong"]:
        wrong.append(f"wallets that differ from their ledger: {ledger['wrong']}")
    if {row["failure_id"]: row["id"] for row in found} != expected(job.events):
        wrong.append("the ids of failures and attempts are not the load's")
    return wrong


async def _results(job: Job) -> list[str]:
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=job.bootstrap, max_partition_fetch_bytes=8 * 1024 * 1024)
    await consumer.start()
    seen: dict[str, str] = {}
    try:
        parts = [TopicPartition(job.results, number) for number in range(PARTITIONS)]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        while len(seen) < job.events and (found := await consumer.getmany(*parts, timeout_ms=5000)):
            for record in (record for many in found.values() for record in many):
                _note(seen, record)
    finally:
        await consumer.stop()
    right = {str(failure): str(attempt) for failure, attempt in expected(job.events).items()}
    return [] if seen == right else [f"results: {len(seen)} distinct, of {len(right)} expected"]


def _note(seen: dict[str, str], record: Any) -> None:  # noqa: ANN401 - the client has no types
    event = orjson.loads(record.value)
    if event["data"]["status"] == "resolved" and record.key.decode() == event["data"]["failure_id"]:
        seen[event["data"]["failure_id"]] = event["id"]


async def _committed(job: Job) -> list[str]:
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=job.bootstrap)
    await admin.start()
    try:
        parts = [TopicPartition(job.failures, number) for number in range(PARTITIONS)]
        offsets = await admin.list_consumer_group_offsets(job.group, partitions=parts)
    finally:
        await admin.close()
    total = sum(max(0, offset.offset) for offset in offsets.values())
    return [] if total == job.events else [f"committed offsets: {total}"]
