"""What the ledger of one organisation says of a span of time, by day and by what moved it; read as the user."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from consumer.model import OrgId
from consumer.store.pool import Connection
from schemas.names import Budget

# As the user, so row-level security decides on each line. A heal's hold and its settlement stand on their own days, so
# that the sums agree with the ledger, line by line. A debt that was collected belongs to the attempt that it is of.
_OF: Final = (
    "(e.event_type = 'voice_consume' OR coalesce(e.metadata -> 'budget' = '\"voice\"', false)) = ($2 = 'voice')"
)
_UUID: Final = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
_LINES: Final = f"""
SELECT e.id, e.created_at, e.event_type, e.amount, e.remaining,
       coalesce(e.attempt_id, CASE WHEN jsonb_typeof(e.metadata -> 'debt_of') = 'string'
                                    AND left(e.metadata ->> 'debt_of', 37) ~ '{_UUID}'
                                   THEN (e.metadata ->> 'debt_of')::uuid END) AS attempt_id
  FROM token_usage_events e
 WHERE e.org_id = $1 AND {_OF} AND e.created_at >= $3 AND e.created_at < $4
"""  # noqa: S608 - a constant
_SPENT = f"""
WITH line AS MATERIALIZED ({_LINES})
SELECT d.day, d.of_healing, d.name, d.amount, d.lines,
       (SELECT l.remaining - l.amount FROM line l ORDER BY l.id LIMIT 1) AS opening,
       (SELECT l.remaining FROM line l ORDER BY l.id DESC LIMIT 1) AS closing
  FROM (SELECT (l.created_at AT TIME ZONE 'UTC')::date AS day, l.attempt_id IS NOT NULL AS of_healing,
               CASE WHEN l.attempt_id IS NULL THEN l.event_type
                    ELSE coalesce(left(a.strategy, 100), 'under_way') END AS name,
               sum(l.amount) AS amount, count(*) AS lines
          FROM line l LEFT JOIN workflow_heal_attempts a ON a.id = l.attempt_id
         GROUP BY 1, 2, 3) AS d
 ORDER BY d.day DESC, d.of_healing DESC, d.name
"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentOfDay:
    """What one strategy, or one kind of line of the platform's own, moved in a day (UTC); negative: spent."""

    day: date
    of_healing: bool
    name: str
    """The strategy; `under_way` where no attempt is recorded yet; the type of line where it is none of a heal."""
    amount: Decimal
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """The ledger of a span, and what was there before its first line and after its last; None without lines."""

    spent: tuple[SpentOfDay, ...]
    opening: Decimal | None
    closing: Decimal | None


async def spend_of(connection: Connection, org_id: OrgId, budget: Budget, since: datetime, until: datetime) -> Spend:
    """Return what an organisation's ledger of one budget says of a span of time; as the user, in one statement."""
    rows = await connection.fetch(_SPENT, org_id, budget, since, until)
    return Spend(
        spent=tuple(SpentOfDay(**{name: row[name] for name in SpentOfDay.__slots__}) for row in rows),
        opening=rows[0]["opening"] if rows else None,
        closing=rows[0]["closing"] if rows else None,
    )
