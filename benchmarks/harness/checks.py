"""What a run must have left behind; a run that left anything else does not count."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from benchmarks.harness.arena import watching
from benchmarks.harness.job import Job, Who
from benchmarks.harness.load import BUDGET_AUD
from consumer.model import FailureId

STORED: Final = "urn:stored"
"""The source of failures that a run found in its database and had nothing to do with."""

_COUNTS = """
SELECT (SELECT count(*) FROM workflow_failures WHERE source <> $1) AS failures,
       (SELECT count(*) FROM workflow_failures
         WHERE resolved AND status = 'resolved' AND due_at IS NULL AND step = 1 AND attempts = 1
           AND failure_type IS NOT NULL AND context ? 'request' AND source <> $1) AS resolved,
       (SELECT count(*) FROM workflow_failures
         WHERE NOT resolved AND status = 'pending' AND step = 0 AND source <> $1) AS open,
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
_ATTEMPTS = """
SELECT a.failure_id, a.id FROM workflow_heal_attempts a JOIN workflow_failures f ON f.id = a.failure_id
 WHERE f.source <> $1
"""


async def check(
    job: Job, healed: AbstractSet[FailureId], *, hanging: int = 0, stored: int = 0, held: bool = True
) -> None:
    """Compare rows, ledger, results and committed offsets with the load; RuntimeError says what differs.

    `healed` must be, with one attempt each, and that one told; as many as are `hanging` must be open still, untouched
    but for a claim and its credits. `stored` failures with their attempts and credits stood there before. Unless they
    are `held`, heals cost nothing.
    """
    attempts, wrong = await _rows(job, healed, hanging, stored, held=held)
    if job.who is not Who.BARE:
        wrong += await _results(job, attempts) + await _committed(job, len(healed) + hanging)
    if wrong:
        raise RuntimeError(f"{job.who} left the wrong things behind: {'; '.join(wrong)}")


async def _rows(
    job: Job, healed: AbstractSet[FailureId], hanging: int, stored: int, *, held: bool
) -> tuple[dict[UUID, UUID], list[str]]:
    connection = await asyncpg.connect(job.dsn)
    try:
        counts = await connection.fetchrow(_COUNTS, STORED)
        ledger = await connection.fetchrow(_LEDGER, Decimal(BUDGET_AUD))
        found = await connection.fetch(_ATTEMPTS, STORED)
    finally:
        await connection.close()
    if counts is None or ledger is None:
        raise RuntimeError("a SELECT without FROM gives one row")
    done, claims = len(healed), counts["claims"]
    right = {
        "failures": done + hanging,
        "resolved": done,
        "open": hanging,
        "attempts": done + stored,
        "holds": (done + stored + claims) * held,
        "settles": (done + stored) * held,
        "claims": min(claims, hanging),
        "outbox": 0,
    }
    wrong = [f"{name}: {counts[name]}, not {n}" for name, n in right.items() if counts[name] != n]
    if ledger["wrong"]:
        wrong.append(f"wallets that differ from their ledger: {ledger['wrong']}")
    attempts = {row["failure_id"]: row["id"] for row in found}
    if attempts.keys() != healed or len(attempts) != len(found):
        wrong.append("the failures are not the load's, or one has two attempts")
    return attempts, wrong


async def _results(job: Job, healed: Mapping[UUID, UUID]) -> list[str]:
    seen: dict[str, str] = {}
    partitions = [TopicPartition(job.results, number) for number in range(job.partitions)]
    async with watching(job, partitions) as watcher:
        while len(seen) < len(healed) and (found := await watcher.getmany(*partitions, timeout_ms=5000)):
            for record in (record for many in found.values() for record in many):
                _note(seen, record)
    right = {str(failure): str(attempt) for failure, attempt in healed.items()}
    return [] if seen == right else [f"results: {len(seen)} distinct, of {len(right)} expected"]


def _note(seen: dict[str, str], record: Any) -> None:  # noqa: ANN401 - the client has no types
    event = orjson.loads(record.value)
    if event["data"]["status"] == "resolved" and record.key.decode() == event["data"]["failure_id"]:
        seen[event["data"]["failure_id"]] = event["id"]


async def _committed(job: Job, events: int) -> list[str]:
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=job.bootstrap)
    await admin.start()
    try:
        parts = [TopicPartition(job.failures, number) for number in range(job.partitions)]
        offsets = await admin.list_consumer_group_offsets(job.group, partitions=parts)
    finally:
        await admin.close()
    total = sum(max(0, offset.offset) for offset in offsets.values())
    return [] if total == events else [f"committed offsets: {total}, not {events}"]
