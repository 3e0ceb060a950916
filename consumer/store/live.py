"""What is seen of organisations at a moment, and of single failures: read once a second for all who watch them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from consumer.model import FailureId, OrgId
from consumer.store.feed import COUNTED
from consumer.store.pool import Pool, transaction
from schemas.names import Status

SEEN: Final = 40
"""Failures of each status, the newest, of which a change is seen: as many as a page of the feed shows."""

_BY_INDEX_OF_FEED = "SELECT set_config('enable_incremental_sort', 'off', true)"

# By the index of the feed, as a page of it is. Beside the newest a change shows in the counts.
_SEEN = """
WITH healing AS MATERIALIZED (
  SELECT c.failure_id FROM heal_claim c
   WHERE c.org_id = ANY($1::uuid[]) AND c.owner NOT IN ('parked', 'suspended')
)
SELECT o.org_id, s.status, n.failures, n.steps, n.healing,
       (SELECT count(*) FROM (SELECT FROM workflow_failures f WHERE f.org_id = o.org_id AND f.status = s.status
                               LIMIT $4) AS up_to_here) AS counted
  FROM unnest($1::uuid[]) AS o (org_id), unnest($2::text[]) AS s (status), LATERAL (
    SELECT coalesce(array_agg(p.id), '{}') AS failures, coalesce(array_agg(p.step), '{}') AS steps,
           coalesce(array_agg(h.failure_id IS NOT NULL), '{}') AS healing
      FROM (SELECT f.id, f.step FROM workflow_failures f WHERE f.org_id = o.org_id AND f.status = s.status
             ORDER BY f.detected_at DESC, f.id DESC LIMIT $3) AS p
      LEFT JOIN healing h ON h.failure_id = p.id) AS n
"""

# With all that moves its story: who answered a plan, or asked for a heal, moves no column of its own.
_FAILURES = """
SELECT f.id, f.status, f.step, c.owner IS NOT NULL AND c.owner NOT IN ('parked', 'suspended') AS healing,
       concat_ws(' ', f.waits_on, f.due_at, c.owner, c.look_at, c.held,
                 (SELECT count(*) FROM heal_approval_answer a WHERE a.failure_id = f.id),
                 (SELECT max(p.asked_at) FROM heal_approval p WHERE p.failure_id = f.id)) AS more
  FROM workflow_failures f LEFT JOIN heal_claim c ON c.failure_id = f.id
 WHERE f.id = ANY($1::uuid[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFailure:
    """One failure at a moment: any difference of two of it is a change of its story."""

    status: Status
    step: int
    healing: bool
    more: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenState:
    """What is seen of an organisation, or of one failure."""

    counts: Mapping[Status, int]
    """Up to `COUNTED` and one more."""
    failures: Mapping[FailureId, SeenFailure]


async def seen_of(
    pool: Pool, organisations: Sequence[OrgId], failures: Sequence[FailureId]
) -> Mapping[OrgId | FailureId, SeenState]:
    """Return what is seen of organisations and failures now, as the service: whoever asks has been let see them."""
    found: dict[OrgId | FailureId, SeenState] = {}
    async with transaction(pool) as connection:
        if organisations:
            await connection.execute(_BY_INDEX_OF_FEED)
            rows = await connection.fetch(_SEEN, list(organisations), list(Status), SEEN, COUNTED + 1)
            for org_id in organisations:
                own = [row for row in rows if row["org_id"] == org_id]
                found[org_id] = SeenState(
                    counts={Status(row["status"]): row["counted"] for row in own},
                    failures={one: seen for row in own for one, seen in _newest(row)},
                )
        if failures:
            for row in await connection.fetch(_FAILURES, list(failures)):
                seen = SeenFailure(
                    status=Status(row["status"]), step=row["step"], healing=row["healing"], more=row["more"]
                )
                found[FailureId(row["id"])] = SeenState(counts={}, failures={FailureId(row["id"]): seen})
    return found


def _newest(row: Any) -> Iterator[tuple[FailureId, SeenFailure]]:  # noqa: ANN401 - asyncpg's record
    for one, step, healing in zip(row["failures"], row["steps"], row["healing"], strict=True):
        yield FailureId(one), SeenFailure(status=Status(row["status"]), step=step, healing=healing)
