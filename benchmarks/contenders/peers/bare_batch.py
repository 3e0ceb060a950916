"""The floor (c): the same rows in batches of 500 by a bare script, one connection, everything decoded beforehand.

No broker, no slots, no duplicates, nobody else's claims: what Postgres and the driver take for the rows alone.
"""

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Final

import asyncpg

from benchmarks.contenders.peers import rows
from benchmarks.contenders.peers.healing import Healing, healing
from benchmarks.harness.job import Job, Told
from benchmarks.harness.load import events
from consumer.model import Diagnosed, Heal, Settlement

BATCH: Final = 500

_FAILURES = """
INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, context, detected_at, source, digest, size,
                               failure_type, disposition, redactions, due_at)
SELECT e.id, e.org_id, e.name, e.reason, e.context::jsonb, e.at, e.source, e.digest, e.size, e.type, e.disposition,
       e.redactions::jsonb, clock_timestamp() + interval '60 seconds'
  FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::bytea[],
              $9::int[], $10::text[], $11::text[], $12::text[])
    AS e (id, org_id, name, reason, context, at, source, digest, size, type, disposition, redactions)
ON CONFLICT (id) DO NOTHING
"""
_CLAIMS = """
INSERT INTO heal_claim (scope, failure_id, attempt_id, step, org_id, strategy, effect, owner, effect_deadline, held)
SELECT c.scope, c.failure_id, c.attempt_id, 0, c.org_id, 'auto-retry', 'none', 'bare',
       clock_timestamp() + interval '30 seconds', c.held
  FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[])
    AS c (scope, failure_id, attempt_id, org_id, held)
ON CONFLICT DO NOTHING
"""
_WALLETS = """
WITH w AS (
  UPDATE token_wallets w SET text_budget_aud = w.text_budget_aud + round(d.delta / 1000000.0, 6)
    FROM (SELECT org_id, sum(amount) AS delta FROM unnest($1::uuid[], $2::bigint[]) AS l (org_id, amount)
           GROUP BY org_id) AS d WHERE w.org_id = d.org_id
  RETURNING w.org_id, w.text_budget_aud
)
INSERT INTO token_usage_events (org_id, event_type, amount, remaining, metadata, attempt_id, phase)
SELECT l.org_id, 'adjustment', round(l.amount / 1000000.0, 6), w.text_budget_aud,
       '{"service": "self-healing-workflows"}', l.attempt_id, $4
  FROM unnest($1::uuid[], $2::bigint[], $3::uuid[]) AS l (org_id, amount, attempt_id) JOIN w USING (org_id)
"""
_UNCLAIM = "DELETE FROM heal_claim WHERE attempt_id = ANY($1::uuid[]) AND owner = 'bare'"
_ATTEMPTS = """
INSERT INTO workflow_heal_attempts (id, failure_id, attempted_at, finished_at, strategy, result, details, step)
SELECT a.id, a.failure_id, a.began, a.ended, a.strategy, a.result, a.details::jsonb, a.step
  FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[], $7::text[],
              $8::int[]) AS a (id, failure_id, began, ended, strategy, result, details, step)
"""
_RESOLVED = """
UPDATE workflow_failures f SET status = 'resolved', resolved = true, step = f.step + 1, due_at = NULL,
       attempts = f.attempts + 1
 WHERE f.id = ANY($1::uuid[]) AND f.step = 0
"""
_OUTBOX = """
INSERT INTO heal_outbox (id, failure_id, step, rank, owner, topic, key, headers, body)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::smallint[], $5::text[], $6::text[], $7::bytea[],
                     $8::bytea[], $9::bytea[])
"""
_FORGET = "DELETE FROM heal_outbox WHERE id = ANY($1::uuid[])"

Ready = tuple[Diagnosed, Heal, Settlement]


async def run(job: Job) -> Told:
    """Write everything, and end by itself."""
    stages = healing(job)
    ready = [_ready(stages, number, key, value, job) for number, (key, value) in enumerate(events(job.events))]
    connection = await asyncpg.connect(job.dsn)
    try:
        before = time.process_time()
        started = time.time()
        sent: list[Any] = []
        for first in range(0, len(ready), BATCH):
            batch = ready[first : first + BATCH]
            await _intake(connection, batch)
            await _settle(connection, batch, sent)
            sent = [settlement.messages[0].id for _, _, settlement in batch]
        await connection.execute(_FORGET, sent)
        ended = time.time()
        return Told(started=started, ended=ended, cpu_seconds=time.process_time() - before)
    finally:
        await connection.close()


def _ready(stages: Healing, number: int, key: bytes, value: bytes, job: Job) -> Ready:
    record = SimpleNamespace(
        topic=job.failures,
        partition=0,
        offset=number,
        timestamp=int(time.time() * 1000),
        key=key,
        value=value,
        headers=(),
    )
    diagnosed, plan = stages.read(record)
    return diagnosed, plan, stages.heal(diagnosed, plan)


async def _intake(connection: rows.Connection, batch: Sequence[Ready]) -> None:
    async with connection.transaction():
        await connection.execute(_FAILURES, *zip(*(rows.failure_row(d) for d, _, _ in batch), strict=True))
        claims = [(p.intent.scope, d.failure.id, s.attempt.id, d.failure.org_id, p.hold) for d, p, s in batch]
        await connection.execute(_CLAIMS, *zip(*claims, strict=True))
        holds = [(d.failure.org_id, -p.hold, s.attempt.id) for d, p, s in batch]
        await connection.execute(_WALLETS, *zip(*holds, strict=True), "hold")


async def _settle(connection: rows.Connection, batch: Sequence[Ready], sent: Sequence[Any]) -> None:
    async with connection.transaction():
        await connection.execute(_UNCLAIM, [s.attempt.id for _, _, s in batch])
        await connection.execute(_ATTEMPTS, *zip(*(rows.attempt_row(s.attempt, s) for _, _, s in batch), strict=True))
        await connection.execute(_RESOLVED, [d.failure.id for d, _, _ in batch])
        await connection.execute(_OUTBOX, *zip(*(rows.message_row(s) for _, _, s in batch), strict=True))
        back = [(d.failure.org_id, p.hold, s.attempt.id) for d, p, s in batch]
        await connection.execute(_WALLETS, *zip(*back, strict=True), "settle")
        await connection.execute(_FORGET, sent)
