"""What stands in the tables, counted for the metrics and for the caps on intake."""

from collections.abc import Mapping
from dataclasses import dataclass

from consumer.store.pool import Pool, translated
from schemas.names import Status

_OPEN = """
SELECT status, count(*) AS rows, coalesce(sum(size), 0)::bigint AS bytes,
       extract(epoch FROM clock_timestamp() - min(due_at) FILTER (WHERE status = 'pending'))::float8 AS oldest
  FROM workflow_failures WHERE due_at IS NOT NULL GROUP BY status
"""

_REST = """
SELECT (SELECT count(*) FROM heal_claim) AS claims,
       (SELECT count(*) FROM heal_outbox) AS outbox,
       (SELECT extract(epoch FROM clock_timestamp() - min(created_at))::float8 FROM heal_outbox) AS outbox_oldest
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """One count; ages in seconds, 0 where there is nothing."""

    open_failures: Mapping[Status, int]
    open_bytes: int
    oldest_pending: float
    live_claims: int
    outbox_depth: int
    outbox_oldest: float

    @property
    def open_rows(self) -> int:
        """All open failures."""
        return sum(self.open_failures.values())


async def count(pool: Pool) -> Census:
    """Count what is open. Reads the index of open rows only, so it costs with the backlog and not with the history."""
    with translated():
        async with pool.acquire() as connection:
            by_status = await connection.fetch(_OPEN)
            rest = await connection.fetchrow(_REST)
    if rest is None:
        raise RuntimeError("a SELECT without FROM gives one row")
    return Census(
        open_failures={Status(row["status"]): row["rows"] for row in by_status},
        open_bytes=sum(row["bytes"] for row in by_status),
        oldest_pending=max((0.0, *(row["oldest"] or 0.0 for row in by_status))),
        live_claims=rest["claims"],
        outbox_depth=rest["outbox"],
        outbox_oldest=rest["outbox_oldest"] or 0.0,
    )


_BYPASSES = """
SELECT current_user::text AS role, rolbypassrls OR rolsuper AS free FROM pg_roles WHERE rolname = current_user
"""


async def bound_role(pool: Pool) -> str | None:
    """Name this connection's role if row-level security binds it; None when it does not."""
    with translated():
        row = await pool.fetchrow(_BYPASSES)
    return None if row is not None and row["free"] else str(row["role"] if row is not None else "?")
