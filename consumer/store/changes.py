"""Status changes that no transaction of the healer has published, such as those made in SQL, enter the outbox here."""

from typing import Any

from consumer.model.decision import StatusChange
from consumer.redact.words import redact_words
from consumer.store.decisions import TellChange, change_of
from consumer.store.outbox import put_for_sweeper
from consumer.store.pool import Pool, transaction
from schemas.names import Status

# One process at a time takes a change; its message is published after everything of an earlier step, as a decision's
# is. For an organisation that is gone nothing is published.
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
    """Write the events of status changes to the outbox, and delete the changes; returns how many."""
    async with transaction(pool) as connection:
        messages = [tell(_read_change(row)) for row in await connection.fetch(_TAKE, limit)]
        await put_for_sweeper(connection, messages)
    return len(messages)


def _read_change(row: Any) -> StatusChange:  # noqa: ANN401 - asyncpg's record
    # Deterministic, so the same in every process: the row is deleted with the message's own transaction, or stays.
    token = f"{int(row['at'].timestamp() * 1_000_000) & 0xFFFFFFFF:08x}"
    reason = redact_words(row["reason"])
    return change_of(row, status=Status(row["status"]), reason=reason, step=row["step"], token=token)
