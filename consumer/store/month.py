"""What a month came to, by organisation: read in pages, each in a transaction of its own, along an index."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from consumer.model import OrgId
from consumer.store.pool import Pool, translated

PAGE: Final = 2000
"""Attempts of one page."""
RELAPSES_AT_MOST: Final = 100_000

_ATTEMPTS = """
SELECT a.id, a.attempted_at FROM workflow_heal_attempts a
 WHERE a.attempted_at >= $1 AND a.attempted_at < $2 AND (a.attempted_at, a.id) > ($3, $4) AND a.step IS NOT NULL
 ORDER BY a.attempted_at, a.id LIMIT $5
"""

# What was held and not given back was spent.
_CAME_TO = """
SELECT f.org_id, a.result, a.details ->> 'code' AS code, count(*) AS attempts,
       coalesce(sum(u.spent), 0)::bigint AS spent
  FROM unnest($1::uuid[]) AS p (id)
  JOIN workflow_heal_attempts a ON a.id = p.id
  JOIN workflow_failures f ON f.id = a.failure_id
  LEFT JOIN LATERAL (SELECT -sum(e.amount) * 1000000 AS spent FROM token_usage_events e
                      WHERE e.attempt_id = a.id AND e.phase IN ('hold', 'settle')) AS u ON true
 WHERE $2::uuid IS NULL OR f.org_id = $2
 GROUP BY f.org_id, a.result, a.details ->> 'code'
"""

_RELAPSED = """
SELECT r.org_id, count(*) AS relapses
  FROM (SELECT w.org_id FROM heal_relapse w WHERE w.noted_at >= $1 AND w.noted_at < $2 LIMIT $4) AS r
 WHERE $3::uuid IS NULL OR r.org_id = $3
 GROUP BY r.org_id
"""


@dataclass(slots=True, kw_only=True)
class MonthOf:
    """What a month came to for one organisation."""

    healed: int = 0
    recovered: int = 0
    """They had recovered by themselves before anything was sent."""
    relapsed: int = 0
    not_healed: int = 0
    """Attempts that acted, and were not proven."""
    refused: Counter[str] = field(default_factory=Counter)
    """Steps that did not act, by their code."""
    spent: int = 0
    """In millionths of an AUD, up to now."""


_ACTED: Final = frozenset(("not_healed", "unverified", "interrupted"))


async def month_of(pool: Pool, *, since: datetime, until: datetime, org_id: OrgId | None) -> dict[OrgId, MonthOf]:
    """Return what the steps of a span came to, by organisation."""
    found: dict[OrgId, MonthOf] = {}
    after: tuple[datetime, UUID] | None = since, UUID(int=0)
    while after is not None:
        after = await _add_page(pool, found, since, until, after, org_id)
    with translated():
        relapses = await pool.fetch(_RELAPSED, since, until, org_id, RELAPSES_AT_MOST)
    for row in relapses:
        found.setdefault(OrgId(row["org_id"]), MonthOf()).relapsed = row["relapses"]
    return found


async def _add_page(
    pool: Pool,
    found: dict[OrgId, MonthOf],
    since: datetime,
    until: datetime,
    after: tuple[datetime, UUID],
    org_id: OrgId | None,
) -> tuple[datetime, UUID] | None:
    with translated():
        page = await pool.fetch(_ATTEMPTS, since, until, *after, PAGE)
        rows = await pool.fetch(_CAME_TO, [row["id"] for row in page], org_id) if page else []
    for row in rows:
        _count(found.setdefault(OrgId(row["org_id"]), MonthOf()), row["result"], row["code"], row["attempts"])
        found[OrgId(row["org_id"])].spent += row["spent"]
    return (page[-1]["attempted_at"], page[-1]["id"]) if len(page) == PAGE else None


def _count(month: MonthOf, result: str, code: str | None, attempts: int) -> None:
    if result == "success" and code == "recovered":
        month.recovered += attempts
    elif result == "success":
        month.healed += attempts
    elif code in _ACTED:
        month.not_healed += attempts
    else:
        month.refused[code or result] += attempts
