"""Missed billing events of an account, and what became of each: no event is applied a second time, whoever goes on."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from pydantic_core import from_json

from consumer.model import AttemptId, FailureId, OrgId
from consumer.model.billing_event import EventMark, MarkState
from consumer.store.pool import Connection, Pool, translated
from consumer.store.rows import storable_text

FORGET_AFTER: Final = timedelta(days=400)
"""Retention: at least as long as an account may reach back, so that nothing that is still listed is forgotten."""

_KNOWN = """
SELECT event_id, type, object_id, created, state, why, attempt_id FROM heal_billing_event
 WHERE org_id = $1 AND account = $2 AND event_id = ANY($3::text[])
"""

_NOTE = """
WITH gone AS (
  DELETE FROM heal_billing_event WHERE (org_id, account, event_id) IN (
    SELECT o.org_id, o.account, o.event_id FROM heal_billing_event o
     WHERE o.org_id = $1 AND o.account = $2 AND o.event_id <> $3 AND o.noted_at < clock_timestamp() - $10::interval
     ORDER BY o.noted_at LIMIT 10)
)
INSERT INTO heal_billing_event AS e (org_id, account, event_id, type, object_id, created, state, why, attempt_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (org_id, account, event_id) DO UPDATE
   SET state = excluded.state, why = excluded.why, attempt_id = excluded.attempt_id, noted_at = clock_timestamp()
 WHERE e.state NOT IN ('applied', 'present')
"""

_OF_ATTEMPT = """
SELECT event_id, type, object_id, created, state, why, attempt_id FROM heal_billing_event
 WHERE attempt_id = $3 AND org_id = $1 AND account = $2
 ORDER BY created, event_id
"""

_REPORT = """
SELECT a.details #> '{billing,text}' AS text FROM workflow_heal_attempts a
 WHERE a.failure_id = $1 AND a.step IS NOT NULL AND a.details #> '{billing,text}' IS NOT NULL
 ORDER BY a.attempted_at DESC LIMIT 1
"""


async def last_report(connection: Connection, failure_id: FailureId) -> tuple[str, ...]:
    """Return the lines of the last reconciliation report of a failure; none where there is none."""
    text = await connection.fetchval(_REPORT, failure_id)
    return () if text is None else tuple(str(line) for line in from_json(text))


class StoredBillingBook:
    """The marks of events, in the database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def known(self, org_id: OrgId, account: str, event_ids: Sequence[str]) -> Mapping[str, EventMark]:
        """Return the marks of some events."""
        with translated():
            rows = await self._pool.fetch(_KNOWN, org_id, account, list(event_ids))
        return {row["event_id"]: _mark(row) for row in rows}

    async def note(self, org_id: OrgId, account: str, mark: EventMark) -> None:
        """Make the mark of an event durable; one that is done stays so."""
        with translated():
            await self._pool.execute(
                _NOTE,
                org_id,
                account,
                mark.event_id,
                mark.type,
                mark.object_id,
                mark.created,
                mark.state,
                storable_text(mark.why),
                mark.attempt_id,
                FORGET_AFTER,
            )

    async def of_attempt(self, org_id: OrgId, account: str, attempt_id: AttemptId) -> Sequence[EventMark]:
        """Return the marks that one attempt has made, in the order of their events."""
        with translated():
            rows = await self._pool.fetch(_OF_ATTEMPT, org_id, account, attempt_id)
        return [_mark(row) for row in rows]


def _mark(row: Any) -> EventMark:  # noqa: ANN401 - as asyncpg has it
    return EventMark(
        event_id=row["event_id"],
        type=row["type"],
        object_id=row["object_id"],
        created=row["created"],
        state=MarkState(row["state"]),
        why=row["why"],
        attempt_id=AttemptId(row["attempt_id"]),
    )
