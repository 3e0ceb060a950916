"""Backlog counts: open failures, claims and outbox rows, for the metrics and for the caps on intake."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from consumer.store.pool import Pool, translated
from schemas.names import Status, StrategyName

# Reads every open row: half a second for a million of them. Pending failures that are being healed do not wait.
_COUNT_OPEN = """
SELECT f.status, count(*) AS rows, coalesce(sum(f.size), 0)::bigint AS bytes,
       count(*) FILTER (WHERE f.source IS NULL) AS of_members,
       coalesce(sum(f.size) FILTER (WHERE f.source IS NULL), 0)::bigint AS bytes_of_members,
       extract(epoch FROM clock_timestamp() - min(f.due_at) FILTER (
         WHERE f.status = 'pending' AND f.id NOT IN (SELECT c.failure_id FROM heal_claim c)))::float8 AS oldest
  FROM workflow_failures f WHERE f.due_at IS NOT NULL GROUP BY f.status
"""

# The pool's connections avoid sequential scans; with a million open rows that takes four times as long as one.
_ALLOW_SEQSCAN = "SET LOCAL enable_seqscan = on"

_COUNT_OTHERS = """
SELECT (SELECT count(*) FROM heal_claim) AS claims,
       b.outbox, extract(epoch FROM clock_timestamp() - b.oldest)::float8 AS outbox_oldest,
       (SELECT count(*) FROM heal_owner WHERE lease_until > clock_timestamp() AND isfinite(lease_until)) AS replicas
  FROM (SELECT count(*) AS outbox, min(decided_at) AS oldest FROM heal_outbox) AS b
"""

_COUNT_SUSPENDED = """
SELECT c.strategy, count(*) AS heals,
       extract(epoch FROM clock_timestamp() - min(c.suspended_at))::float8 AS oldest
  FROM heal_claim c WHERE c.owner = 'suspended' GROUP BY c.strategy
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendedHeals:
    """Suspended heals of one strategy: how many, and the seconds since the first of them was suspended."""

    heals: int
    oldest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BacklogCounts:
    """One count of the backlog; ages in seconds, 0 where there is nothing."""

    open_failures: Mapping[Status, int]
    other_open_rows: int = 0
    """Rows with a status that this release does not know: a newer one runs beside it."""
    open_bytes: int
    member_rows: int = 0
    """Open failures that members inserted: an organisation's share bounds them, and they pause nobody's intake."""
    member_bytes: int = 0
    oldest_pending: float
    live_claims: int
    outbox_depth: int
    outbox_oldest: float
    replicas: int = 1
    suspended: Mapping[StrategyName, SuspendedHeals] = field(default_factory=dict)

    @property
    def open_rows(self) -> int:
        """All open failures."""
        return sum(self.open_failures.values()) + self.other_open_rows

    @property
    def kafka_rows(self) -> int:
        """Open failures that came from Kafka."""
        return self.open_rows - self.member_rows

    @property
    def kafka_bytes(self) -> int:
        """Bytes of the open failures that came from Kafka."""
        return self.open_bytes - self.member_bytes


async def count(pool: Pool) -> BacklogCounts:
    """Count the backlog. The cost grows with the backlog, not with the history: call it seldom where there is one."""
    with translated():
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(_ALLOW_SEQSCAN)
            by_status = await connection.fetch(_COUNT_OPEN)
            rest = await connection.fetchrow(_COUNT_OTHERS)
            suspended = await connection.fetch(_COUNT_SUSPENDED)
    if rest is None:
        raise RuntimeError("a SELECT without FROM gives one row")
    known = {status.value: status for status in Status}
    return BacklogCounts(
        open_failures={known[row["status"]]: row["rows"] for row in by_status if row["status"] in known},
        other_open_rows=sum(row["rows"] for row in by_status if row["status"] not in known),
        open_bytes=sum(row["bytes"] for row in by_status),
        member_rows=sum(row["of_members"] for row in by_status),
        member_bytes=sum(row["bytes_of_members"] for row in by_status),
        oldest_pending=max((0.0, *(row["oldest"] or 0.0 for row in by_status))),
        live_claims=rest["claims"],
        outbox_depth=rest["outbox"],
        outbox_oldest=max(0.0, rest["outbox_oldest"] or 0.0),
        replicas=max(1, rest["replicas"]),
        suspended={
            StrategyName(row["strategy"]): SuspendedHeals(heals=row["heals"], oldest=max(0.0, row["oldest"]))
            for row in suspended
            if row["strategy"] in set(StrategyName)
        },
    )


_SELECT_ROLE = """
SELECT current_user::text AS role, rolbypassrls OR rolsuper AS free FROM pg_roles WHERE rolname = current_user
"""


async def bound_role(pool: Pool) -> str | None:
    """Return this connection's role if row-level security binds it; None when it does not."""
    with translated():
        row = await pool.fetchrow(_SELECT_ROLE)
    return None if row is not None and row["free"] else str(row["role"] if row is not None else "?")
