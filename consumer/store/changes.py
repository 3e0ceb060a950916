"""TELL: changes of status that no transaction of the healer has told, such as those made in SQL, enter the outbox."""

from typing import Any

from consumer.model.decision import StatusChange
from consumer.redact.words import redact_words
from consumer.store.decisions import AT_ONCE, PERSON, TellChange, change_of
from consumer.store.outbox import put
from consumer.store.pool import Pool, transaction
from schemas.names import Status

# One process at a time has a change; what it writes is told after everything of an earlier step, as a decision is. Of
# an organisation that is gone nothing is told.
_TAKE = """
WITH taken AS (
  SELECT s.failure_id, s.step FROM heal_status_change s ORDER BY s.changed_at LIMIT $1 FOR UPDATE OF s SKIP LOCKED
), gone AS (
  DELETE FROM heal_status_change s USING taken t WHERE s.failure_id = t.failure_id AND s.step = t.step
  RETURNING s.failure_id, s.step, s.status, s.reason, s.changed_at
)
SELECT g.step, g.status, g.reason, g.changed_at AS at, f.id, f.org_id, f.workflow_name, f.failure_type, f.traceparent,
       f.tracestate
  FROM gone g JOIN workflow_failures f ON f.id = g.failure_id ORDER BY g.failure_id, g.step
"""


async def tell_changes(pool: Pool, tell: TellChange, limit: int) -> int:
    """Put what is to be told of changed statuses into the outbox, and forget the changes; gives how many."""
    async with transaction(pool) as connection:
        messages = [tell(_change(row)) for row in await connection.fetch(_TAKE, limit)]
        await put(connection, PERSON, messages)
        await connection.execute(AT_ONCE, [message.id for message in messages])
    return len(messages)


def _change(row: Any) -> StatusChange:  # noqa: ANN401 - asyncpg's record
    # The same whoever puts it into words: the row is gone with the message's own transaction, or stays.
    token = f"{int(row['at'].timestamp() * 1_000_000) & 0xFFFFFFFF:08x}"
    reason = redact_words(row["reason"])
    return change_of(row, status=Status(row["status"]), reason=reason, step=row["step"], token=token)
