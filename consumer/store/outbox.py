"""Transactional outbox: messages that a transaction decided to send, kept until the broker has acknowledged them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from pydantic_core import from_json

from consumer.model import FailureId, Message, OwnerId
from consumer.store.pool import Connection, Pool, transaction, translated
from consumer.store.rows import as_json

PERSON: Final = OwnerId("person")
"""Owner of messages for which no loop publishes, such as decisions: without a lease, so that the sweeper takes them."""

_PUT = """
INSERT INTO heal_outbox (id, failure_id, step, rank, owner, topic, key, headers, body)
SELECT m.id, m.failure_id, m.step, m.rank, $1, m.topic, m.key, m.headers, m.body
  FROM unnest($2::uuid[], $3::uuid[], $4::int[], $5::smallint[], $6::text[], $7::bytea[], $8::bytea[], $9::bytea[])
    AS m (id, failure_id, step, rank, topic, key, headers, body)
ON CONFLICT (id) DO NOTHING
"""

_SWEPT_AT_ONCE = "UPDATE heal_outbox SET created_at = created_at - interval '10 s' WHERE id = ANY($1::uuid[])"

_ACKED = """
DELETE FROM heal_outbox WHERE id IN (
  SELECT b.id FROM heal_outbox b WHERE b.id = ANY($1::uuid[]) ORDER BY b.id FOR UPDATE SKIP LOCKED)
"""

# Outbox relay: messages that their writer did not send: it died, or the broker refused at the time. In order within
# each failure: no message is taken while one of an earlier step is there, or one of a lower rank that is not taken with
# it. So a person's decision while a heal was under way waits until that heal's own end is published, and of two
# decisions the second waits until the broker has the first, also while another process is just putting that first one
# into the outbox (a change has the step after it, a message the step before).
_LEFT_OVER = """
WITH RECURSIVE lanes AS (
  -- Each owner and topic once, from one to the next by the index: a live replica's messages are passed over as one.
  (SELECT b.owner, b.topic FROM heal_outbox b ORDER BY b.owner, b.topic LIMIT 1)
  UNION ALL
  SELECT n.owner, n.topic FROM lanes l CROSS JOIN LATERAL (
    SELECT b.owner, b.topic FROM heal_outbox b WHERE (b.owner, b.topic) > (l.owner, l.topic)
     ORDER BY b.owner, b.topic LIMIT 1) AS n
), left_by AS MATERIALIZED (
  SELECT l.owner, l.topic FROM lanes l LEFT JOIN heal_owner o ON o.owner = l.owner
   WHERE (l.owner = $1 OR o.owner IS NULL OR o.owner = ANY($4::text[]))
     AND ($5::text IS NULL OR l.topic = $5) AND l.topic <> ALL ($6::text[])
), due AS (
  SELECT m.id FROM left_by l CROSS JOIN LATERAL (
    SELECT b.id, b.created_at, b.rank FROM heal_outbox b
     WHERE b.owner = l.owner AND b.topic = l.topic
       AND b.created_at < statement_timestamp() - $2 * interval '1 second'
       AND NOT EXISTS (SELECT FROM heal_claim c
                        WHERE c.failure_id = b.failure_id AND c.step < b.step AND c.owner <> 'parked')
       AND NOT EXISTS (SELECT FROM heal_status_change s WHERE s.failure_id = b.failure_id AND s.step <= b.step)
       AND NOT EXISTS (SELECT FROM heal_outbox e LEFT JOIN heal_owner w ON w.owner = e.owner
                        WHERE e.failure_id = b.failure_id AND (e.step, e.rank) < (b.step, b.rank)
                          AND (e.step < b.step OR e.created_at > b.created_at
                               OR NOT (e.owner = $1 OR w.owner IS NULL OR w.owner = ANY($4::text[]))))
     ORDER BY b.created_at, b.rank LIMIT $3 FOR UPDATE OF b SKIP LOCKED) AS m
   ORDER BY m.created_at, m.rank LIMIT $3
), mine AS (
  UPDATE heal_outbox b SET owner = $1, created_at = clock_timestamp() FROM due WHERE b.id = due.id
  RETURNING b.id, b.failure_id, b.step, b.rank, b.topic, b.key, b.headers, b.body
)
SELECT * FROM mine ORDER BY failure_id, step, rank
"""


async def put(connection: Connection, owner: OwnerId, messages: Sequence[Message]) -> None:
    """Insert messages in the caller's transaction; one that is there already stays as it is."""
    if messages:
        await connection.execute(_PUT, owner, *columns(messages))


async def put_for_sweeper(connection: Connection, messages: Sequence[Message]) -> None:
    """Insert messages for which no loop publishes, in the caller's transaction: the sweeper takes them at once."""
    await put(connection, PERSON, messages)
    await connection.execute(_SWEPT_AT_ONCE, [message.id for message in messages])


def columns(messages: Sequence[Message]) -> Sequence[Sequence[object]]:
    """Return messages by column: id, failure, step, rank, topic, key, headers, body."""
    return tuple(zip(*map(_row, messages), strict=True)) or ((),) * 8


async def forget(pool: Pool, ids: Sequence[UUID]) -> None:
    """Delete acknowledged messages, in a statement of its own."""
    with translated():
        await pool.execute(_ACKED, ids)


async def left_over(
    pool: Pool,
    owner: OwnerId,
    dead: Sequence[OwnerId],
    older_than: timedelta,
    limit: int,
    *,
    topic: str | None = None,
    besides: Sequence[str] = (),
) -> list[Message]:
    """Take over messages older than this whose writer is dead, gone, or this process; in order of (failure, step).

    Of one topic, or of all besides some: messages that cannot be sent to one topic must not fill another's batch.
    """
    async with transaction(pool) as connection:
        old = older_than.total_seconds()
        rows = await connection.fetch(_LEFT_OVER, owner, old, limit, list(dead), topic, besides)
    return [_message(row) for row in rows]


def _row(message: Message) -> tuple[object, ...]:
    headers = as_json([[name, value.decode("latin-1")] for name, value in message.headers]).encode()
    return (
        message.id,
        message.failure_id,
        message.step,
        message.rank,
        message.topic,
        message.key,
        headers,
        message.body,
    )


def _message(row: Any) -> Message:  # noqa: ANN401 - asyncpg's record
    return Message(
        id=row["id"],
        failure_id=FailureId(row["failure_id"]) if row["failure_id"] else None,
        step=row["step"],
        rank=row["rank"],
        topic=row["topic"],
        key=row["key"],
        headers=tuple((name, value.encode("latin-1")) for name, value in from_json(row["headers"])),
        body=row["body"],
    )
