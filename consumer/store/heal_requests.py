"""Heal requests: a person, or a program for one, asks for a heal of a failure now."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from consumer.model import FailureId
from consumer.redact.words import redact_words
from consumer.store.pool import Connection
from consumer.store.rows import storable_text
from schemas.names import Status

_MAX_NAME: Final = 200
_SHOWN_REQUESTS: Final = 20

# Makes the failure due now; one that was given up starts anew, and that change is published. Failures that wait for a
# person or an approval are left as they are, and so is one of which an effect may have happened: only a person can open
# it again. One whose plan nobody answered waits for just this.
_ASK = """
WITH old AS (
  SELECT w.id, w.step,
         CASE WHEN w.status = 'given_up' AND (w.unsure OR w.effect_made) THEN 'needs_person'
              ELSE w.status END AS status,
         -- No effect of it is in doubt: its plan was not answered, or its strategy was in shadow mode.
         w.status = 'needs_person' AND NOT (w.unsure OR w.effect_made)
           AND (EXISTS (SELECT FROM heal_approval a WHERE a.failure_id = w.id AND a.state = 'expired')
                OR EXISTS (SELECT FROM heal_shadow s WHERE s.failure_id = w.id)) AS unanswered
    FROM workflow_failures w WHERE w.id = $1 FOR NO KEY UPDATE
), moved AS (
  UPDATE workflow_failures f
     SET due_at = clock_timestamp(), waits_on = NULL, vouched = true,
         status = CASE WHEN old.status = 'given_up' OR old.unanswered THEN 'pending' ELSE f.status END,
         attempts = CASE WHEN old.status = 'given_up' THEN 0 ELSE f.attempts END,
         step = f.step + (old.status = 'given_up' OR old.unanswered)::int
    FROM old WHERE f.id = old.id AND (old.status IN ('pending', 'deferred', 'given_up') OR old.unanswered)
  RETURNING f.id, f.step, old.status = 'given_up' OR old.unanswered AS reopened
), hurried AS (
  -- Its heal is under way and waits for another system: it is not begun anew, and looks there now.
  UPDATE heal_claim c SET look_at = least(c.look_at, clock_timestamp())
    FROM old WHERE c.failure_id = old.id AND c.owner = 'suspended' AND old.status IN ('pending', 'deferred')
  RETURNING c.scope
), begun_anew AS (
  UPDATE heal_approval a SET asked = 0 FROM old WHERE a.failure_id = old.id AND old.unanswered
), told AS (
  INSERT INTO heal_status_change (failure_id, step, status, reason)
  SELECT m.id, m.step, 'pending', 'a heal was asked for' FROM moved m WHERE m.reopened
  ON CONFLICT DO NOTHING
)
SELECT CASE WHEN old.unanswered THEN 'pending' ELSE old.status END AS status,
       coalesce((SELECT moved.step FROM moved), old.step) AS step, EXISTS (SELECT FROM hurried) AS suspended
  FROM old
"""


_LOCK = "SELECT FROM workflow_failures f WHERE f.id = $1 FOR NO KEY UPDATE"


# After the lock and in a statement of its own, so that an attempt settled meanwhile is visible.
_LATEST_ATTEMPT = """
SELECT a.step FROM workflow_heal_attempts a
 WHERE a.failure_id = $1 AND a.step IS NOT NULL AND a.finished_at > clock_timestamp() - $2 * interval '1 second'
 ORDER BY a.step DESC LIMIT 1
"""


_RECORD_REQUEST = """
INSERT INTO heal_request (failure_id, step, requested_by) VALUES ($1, $2, $3)
ON CONFLICT (failure_id, step, requested_by) DO UPDATE SET requested_at = clock_timestamp()
"""

_REQUESTS = """
SELECT r.step, r.requested_by, to_json(r.requested_at) #>> '{}' AS requested_at
  FROM heal_request r WHERE r.failure_id = $1 ORDER BY r.requested_at DESC LIMIT $2
"""


class HealRequestResult(StrEnum):
    """The result of a heal request."""

    DUE = "due"  # is healed as soon as there is a free slot, or was just now
    RESOLVED = "resolved"  # was healed before: nothing changed
    NEEDS_PERSON = "needs_person"  # an outcome is unknown: a person has to look first; nothing changed
    AWAITING_APPROVAL = "awaiting_approval"  # a plan waits for its answer; nothing changed
    NOT_FOUND = "not_found"  # no such failure


_RESULT_OF_STATUS = {
    Status.PENDING: HealRequestResult.DUE,
    Status.DEFERRED: HealRequestResult.DUE,
    Status.GIVEN_UP: HealRequestResult.DUE,
    Status.RESOLVED: HealRequestResult.RESOLVED,
    Status.NEEDS_PERSON: HealRequestResult.NEEDS_PERSON,
    Status.AWAITING_APPROVAL: HealRequestResult.AWAITING_APPROVAL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HealAsked:
    """The answer to a heal request. The heal's own attempt has this step, or a later one."""

    result: HealRequestResult
    step: int = 0
    suspended: bool = False
    """Its heal is under way already, and waits for another system: it looks there now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRequest:
    """A recorded heal request: who asked, and for which step."""

    step: int
    requested_by: str
    requested_at: str


async def ask_heal(
    connection: Connection, failure_id: FailureId, *, by: str, answered_by: timedelta = timedelta(0)
) -> HealAsked:
    """Make a failure due now, given up or not, and record who asked; as the service, in the caller's transaction.

    An attempt that ended less than `answered_by` ago is the answer, and nothing changes: of many concurrent requests
    some come when the heal has ended already.
    """
    if answered_by:
        await connection.execute(_LOCK, failure_id)
        step = await connection.fetchval(_LATEST_ATTEMPT, failure_id, answered_by.total_seconds())
        if step is not None:
            await _record(connection, failure_id, step, by)
            return HealAsked(result=HealRequestResult.DUE, step=step)
    row = await connection.fetchrow(_ASK, failure_id)
    if row is None:
        return HealAsked(result=HealRequestResult.NOT_FOUND)
    asked = HealAsked(result=_RESULT_OF_STATUS[Status(row["status"])], step=row["step"], suspended=row["suspended"])
    if asked.result is HealRequestResult.DUE:
        await _record(connection, failure_id, asked.step, by)
    return asked


async def _record(connection: Connection, failure_id: FailureId, step: int, by: str) -> None:
    await connection.execute(_RECORD_REQUEST, failure_id, step, storable_text(redact_words(by))[:_MAX_NAME])


async def requests_of(connection: Connection, failure_id: FailureId) -> list[KeptRequest]:
    """Return who asked for heals of a failure, the newest first, within a limit; as the service."""
    rows = await connection.fetch(_REQUESTS, failure_id, _SHOWN_REQUESTS)
    return [KeptRequest(**dict(row)) for row in rows]
