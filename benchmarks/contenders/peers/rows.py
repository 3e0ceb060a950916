"""The rows of one event, written one statement at a time in two transactions, as a careful per-event consumer does.

No claim: within one member of the group the partition is the fence. That is less than what ours gives (two members
may heal one event after a rebalance), and cheaper by an insert and a delete.
"""

from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg

from consumer.model import Attempt, Diagnosed, Diagnosis, Heal, Settlement, attempt_id
from consumer.results.events import attempt_details
from consumer.store.rows import as_json

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:
    Connection = asyncpg.Connection

OWNER: Final = "peer"

_FAILURE = """
INSERT INTO workflow_failures (id, org_id, workflow_name, failure_reason, context, detected_at, source, digest, size,
                               failure_type, disposition, redactions, due_at)
VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8, $9, $10, $11, $12::text::jsonb,
        clock_timestamp() + interval '60 seconds')
ON CONFLICT (id) DO NOTHING RETURNING id
"""
_STATUS = "SELECT status FROM workflow_failures WHERE id = $1"
# Last in its transaction, so that the wallet of an organisation is locked for a commit only.
_HOLD = """
UPDATE token_wallets SET text_budget_aud = text_budget_aud - round($2::bigint / 1000000.0, 6),
       updated_at = clock_timestamp()
 WHERE org_id = $1 AND text_budget_aud >= round($2::bigint / 1000000.0, 6) AND NOT EXISTS (
   SELECT FROM usage_lockouts l WHERE l.org_id = $1 AND l.unlocked_at IS NULL AND l.lockout_type IN ('text', 'both'))
RETURNING text_budget_aud
"""
_RELEASE = """
UPDATE token_wallets SET text_budget_aud = text_budget_aud + round($2::bigint / 1000000.0, 6),
       updated_at = clock_timestamp()
 WHERE org_id = $1 RETURNING text_budget_aud
"""
_LEDGER = """
INSERT INTO token_usage_events (org_id, event_type, amount, remaining, metadata, attempt_id, phase)
VALUES ($1, 'adjustment', round($2::bigint / 1000000.0, 6), $3, '{"service": "self-healing-workflows"}', $4, $5)
"""
_ATTEMPT = """
INSERT INTO workflow_heal_attempts (id, failure_id, attempted_at, finished_at, strategy, result, details, step)
VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8)
"""
_RESOLVED = """
UPDATE workflow_failures SET status = $2, resolved = ($2 = 'resolved'), step = step + 1, due_at = NULL,
       attempts = attempts + 1
 WHERE id = $1 AND step = $3
"""
_OUTBOX = """
INSERT INTO heal_outbox (id, failure_id, step, rank, owner, topic, key, headers, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_FORGET = "DELETE FROM heal_outbox WHERE id = ANY($1::uuid[])"


async def take_in(connection: Connection, diagnosed: Diagnosed, plan: Heal) -> bool:
    """Store a failure and hold its credits; False when it was healed on an earlier delivery."""
    failure, attempt = diagnosed.failure, attempt_id(diagnosed.failure.id, 0)
    async with connection.transaction():
        new = await connection.fetchval(_FAILURE, *failure_row(diagnosed))
        if new is None:
            return bool(await connection.fetchval(_STATUS, failure.id) == "pending")
        left = await connection.fetchval(_HOLD, failure.org_id, plan.hold)
        if left is None:
            raise RuntimeError(f"the wallet of {failure.org_id} cannot pay: the load gives every wallet enough")
        await connection.execute(_LEDGER, failure.org_id, -plan.hold, left, attempt, "hold")
    return True


def failure_row(diagnosed: Diagnosed) -> tuple[object, ...]:
    """Give a failure's columns, from its id to its redactions."""
    failure, diagnosis = diagnosed.failure, diagnosed.diagnosis
    return (
        failure.id,
        failure.org_id,
        failure.workflow_name,
        failure.failure_reason,
        as_json(failure.context),
        failure.detected_at,
        failure.source,
        failure.digest,
        failure.size,
        diagnosis.failure_type,
        diagnosis.disposition,
        as_json(failure.redactions) if failure.redactions else None,
    )


async def settle(connection: Connection, settlement: Settlement) -> None:
    """End a heal: attempt, resolved, message, credits back."""
    failure, attempt = settlement.failure, settlement.attempt
    async with connection.transaction():
        await connection.execute(_ATTEMPT, *attempt_row(attempt, settlement))
        await connection.execute(_RESOLVED, failure.id, settlement.next.status, attempt.step)
        await connection.execute(_OUTBOX, *message_row(settlement))
        left = await connection.fetchval(_RELEASE, failure.org_id, attempt.held)
        await connection.execute(_LEDGER, failure.org_id, attempt.held, left, attempt.id, "settle")


def attempt_row(attempt: Attempt, settlement: Settlement) -> tuple[object, ...]:
    """Give an attempt's columns."""
    diagnosis: Diagnosis = settlement.diagnosis
    return (
        attempt.id,
        settlement.failure.id,
        attempt.attempted_at,
        attempt.finished_at,
        attempt.strategy,
        attempt.result,
        as_json(attempt_details(attempt, diagnosis)),
        attempt.step,
    )


def message_row(settlement: Settlement) -> tuple[object, ...]:
    """Give the columns of its one message."""
    (message,) = settlement.messages
    headers = as_json([[name, value.decode("latin-1")] for name, value in message.headers]).encode()
    return (
        *(message.id, message.failure_id, message.step, message.rank, OWNER),
        *(message.topic, message.key, headers, message.body),
    )


async def forget(connection: Connection, ids: list[object]) -> None:
    """Delete messages that the broker has acknowledged."""
    await connection.execute(_FORGET, ids)
