"""Idempotency keys of requests over the API: taken before a request acts, marked in its own transaction, then answered.

A key is taken for as long as its request can run. What the request changes is committed together with the mark that it
acted: where its process dies, the next request of that key knows whether there is anything left to do.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from consumer.model import OrgId
from consumer.store.pool import Connection

KEPT: Final = timedelta(hours=24)
"""How long a key is kept from its first request on; afterwards it is a new one."""

# An id of one of them is none of another: they are all drawn.
_ORGANISATION_OF = """
SELECT f.org_id FROM workflow_failures f WHERE f.id = $1
UNION ALL SELECT b.org_id FROM heal_bulk b WHERE b.id = $1
UNION ALL SELECT p.org_id FROM heal_pause p WHERE p.id = $1
UNION ALL SELECT i.org_id FROM heal_incident i WHERE i.id = $1
LIMIT 1
"""

_FORGET = """
DELETE FROM heal_idempotency_key WHERE (org_id, member, route, key) IN (
  SELECT o.org_id, o.member, o.route, o.key FROM heal_idempotency_key o
   WHERE o.begun_at < clock_timestamp() - $1::interval
   ORDER BY o.begun_at LIMIT 100 FOR UPDATE SKIP LOCKED)
"""

# What neither acted nor was answered, and can run no more, died before it did anything.
_TAKE = """
INSERT INTO heal_idempotency_key AS k (org_id, member, route, key, digest, holder, runs_until)
VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp() + $7::interval)
ON CONFLICT (org_id, member, route, key) DO UPDATE
   SET digest = EXCLUDED.digest, holder = EXCLUDED.holder, runs_until = EXCLUDED.runs_until,
       begun_at = clock_timestamp(), acted_at = NULL, status = NULL, media_type = NULL, location = NULL, body = NULL
 WHERE k.begun_at < clock_timestamp() - $8::interval AND k.runs_until < clock_timestamp()
    OR k.acted_at IS NULL AND k.status IS NULL AND k.runs_until < clock_timestamp() AND k.digest = EXCLUDED.digest
RETURNING true
"""

_KEPT = """
SELECT k.digest, k.runs_until >= clock_timestamp() AS runs, k.acted_at, k.status, k.media_type, k.location, k.body
  FROM heal_idempotency_key k WHERE k.org_id = $1 AND k.member = $2 AND k.route = $3 AND k.key = $4
"""

_MARK = """
UPDATE heal_idempotency_key k SET acted_at = clock_timestamp()
 WHERE k.org_id = $1 AND k.member = $2 AND k.route = $3 AND k.key = $4 AND k.holder = $5
RETURNING true
"""

_ANSWER = """
UPDATE heal_idempotency_key k SET status = $6, media_type = $7, location = $8, body = $9
 WHERE k.org_id = $1 AND k.member = $2 AND k.route = $3 AND k.key = $4 AND k.holder = $5
"""

_FREE = """
DELETE FROM heal_idempotency_key k
 WHERE k.org_id = $1 AND k.member = $2 AND k.route = $3 AND k.key = $4 AND k.holder = $5
   AND ($6 OR k.acted_at IS NULL)
"""


class KeyState(StrEnum):
    """What a request finds its key to be, where there is no answer to it."""

    TAKEN = "taken"
    """By this request: it acts now."""
    OTHER_BODY = "other_body"
    """Of a request that asked for something else."""
    RUNS = "runs"
    """Of a request that has yet to be answered."""
    ANSWER_LOST = "answer_lost"
    """Of a request that was carried out, and whose process died before its answer was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenKey:
    """A key within its organisation, member and route; `holder` names the one request that may act under it."""

    org_id: OrgId
    member: UUID
    route: str
    key: str
    holder: UUID

    @property
    def name(self) -> tuple[UUID, UUID, str, str]:
        """What finds its row."""
        return self.org_id, self.member, self.route, self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """What was answered to the first request of a key."""

    status: int
    media_type: str | None
    location: str | None
    body: bytes


async def organisation_of(connection: Connection, wanted: UUID) -> OrgId | None:
    """Return the organisation of a failure, bulk, pause or incident; as the service. None where it is none of them."""
    found: UUID | None = await connection.fetchval(_ORGANISATION_OF, wanted)
    return OrgId(found) if found is not None else None


async def take_key(
    connection: Connection, key: TakenKey, digest: bytes, *, runs: timedelta, kept: timedelta = KEPT
) -> KeyState | KeptAnswer:
    """Take a key for a request that runs so long at most; or say what became of the one that has it. As the service."""
    await connection.execute(_FORGET, KEPT)
    if await connection.fetchval(_TAKE, *key.name, digest, key.holder, runs, kept):
        return KeyState.TAKEN
    row = await connection.fetchrow(_KEPT, *key.name)
    if row is None:  # freed just now, by a request that was refused: its sender comes again
        return KeyState.RUNS
    if row["digest"] != digest:
        return KeyState.OTHER_BODY
    if row["status"] is not None:
        return KeptAnswer(
            status=row["status"], media_type=row["media_type"], location=row["location"], body=row["body"]
        )
    return KeyState.RUNS if row["runs"] or row["acted_at"] is None else KeyState.ANSWER_LOST


async def mark_acted(connection: Connection, key: TakenKey) -> bool:
    """Write, in the transaction that acts, that its key's request acted; False where another request has the key."""
    return bool(await connection.fetchval(_MARK, *key.name, key.holder))


async def keep_answer(connection: Connection, key: TakenKey, answer: KeptAnswer) -> None:
    """Keep what a request was answered, for those that come later with its key."""
    await connection.execute(
        _ANSWER, *key.name, key.holder, answer.status, answer.media_type, answer.location, answer.body
    )


async def free_key(connection: Connection, key: TakenKey, *, is_refused: bool) -> None:
    """Free the key of a request that was refused; of one that broke, where it has not acted."""
    await connection.execute(_FREE, *key.name, key.holder, is_refused)
