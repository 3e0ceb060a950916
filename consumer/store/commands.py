"""Commands by id: what was carried out and what became of it, so that a second delivery does nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
from pydantic_core import from_json

from consumer.model import FailureId, OrgId
from consumer.model.command import CommandFacts, CommandId, Executed, KeptCommand, Order
from consumer.redact import redact_json
from consumer.store.pool import Connection, Pool, transaction, translated
from consumer.store.rows import as_json, storable_text
from schemas.names import CommandName, CommandOutcome

LOCK_WAIT: Final = timedelta(seconds=2)
"""A row that another session holds locked delays every command behind it for so long at most."""
_LOCK_TIMEOUT = "SELECT set_config('lock_timeout', $1, true)"

# Of two deliveries at once the second waits here for the first one's commit.
_RESERVE = """
INSERT INTO heal_command (issuer, command_id, digest, command, org_id, failure_id, issued_by, key_id)
VALUES ($1, $2, $3, $4::jsonb, $5, $6, $7, $8)
ON CONFLICT DO NOTHING RETURNING true
"""

_KEPT = """
SELECT c.digest, c.command ->> 'command' AS name, c.org_id, c.failure_id, c.issued_by, c.key_id, c.outcome, c.reason,
       c.decided_at, c.revokes AND c.decided_at > clock_timestamp() - interval '5 seconds' AS revokes, c.details
  FROM heal_command c WHERE c.issuer = $1 AND c.command_id = $2
"""

_CONCLUDE = """
UPDATE heal_command SET outcome = $3, reason = $4, revokes = $5, details = $6::jsonb, decided_at = clock_timestamp()
 WHERE issuer = $1 AND command_id = $2 RETURNING decided_at
"""

_ORGANISATION_OF = "SELECT f.org_id FROM workflow_failures f WHERE f.id = $1"

_FORGET = """
DELETE FROM heal_command WHERE (issuer, command_id) IN (
  SELECT o.issuer, o.command_id FROM heal_command o
   WHERE o.decided_at < clock_timestamp() - $1 * interval '1 second'
   ORDER BY o.decided_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""

_NOW = "SELECT clock_timestamp()"


class LockedByAnother(Exception):
    """Another session holds a row locked for longer than a command waits."""


async def reserve(connection: Connection, order: Order) -> KeptCommand | None:
    """Take the order's id in the caller's transaction; returns what became of it where it was carried out before."""
    facts, name = order.facts, order.id
    said, _ = redact_json(order.command.model_dump(mode="json", exclude_unset=True))
    by = storable_text(facts.by)[:1000]
    mine = await connection.fetchval(
        _RESERVE, name.issuer, name.id, order.digest, as_json(said), facts.org_id, facts.failure_id, by, facts.key_id
    )
    return None if mine else await kept_command(connection, name)


async def kept_command(connection: Connection, name: CommandId) -> KeptCommand | None:
    """Return what became of a command; None where none of that id was carried out."""
    row = await connection.fetchrow(_KEPT, name.issuer, name.id)
    if row is None:
        return None
    facts = CommandFacts(
        name=CommandName(row["name"]),
        org_id=OrgId(row["org_id"]) if row["org_id"] else None,
        failure_id=FailureId(row["failure_id"]) if row["failure_id"] else None,
        by=row["issued_by"],
        key_id=row["key_id"],
    )
    executed = Executed(
        outcome=CommandOutcome(row["outcome"]),
        reason=row["reason"],
        revokes=row["revokes"],
        details=from_json(row["details"]) if row["details"] is not None else None,
    )
    return KeptCommand(id=name, facts=facts, digest=row["digest"], executed=executed, decided_at=row["decided_at"])


async def conclude(connection: Connection, order: Order, executed: Executed) -> KeptCommand:
    """Record what became of an order, in the transaction that carried it out."""
    reason = storable_text(executed.reason)
    details = as_json(executed.details) if executed.details is not None else None
    at: Any = await connection.fetchval(
        _CONCLUDE, order.id.issuer, order.id.id, executed.outcome, reason, executed.revokes, details
    )
    return KeptCommand(id=order.id, facts=order.facts, digest=order.digest, executed=executed, decided_at=at)


@asynccontextmanager
async def savepoint(connection: Connection, lock_wait: timedelta = LOCK_WAIT) -> AsyncIterator[None]:
    """Open a savepoint in which no lock of others is waited for for long; what raises leaves nothing of it.

    Raises
    ------
    LockedByAnother
        A row is held locked by another session.

    """
    try:
        with translated():
            async with connection.transaction():
                await connection.execute(_LOCK_TIMEOUT, f"{lock_wait / timedelta(milliseconds=1):.0f}ms")
                yield
    except Exception as error:
        if isinstance(error.__cause__, asyncpg.LockNotAvailableError):
            raise LockedByAnother from error
        raise


async def organisation_of(connection: Connection, failure_id: FailureId) -> OrgId | None:
    """Return the organisation of a failure."""
    found = await connection.fetchval(_ORGANISATION_OF, failure_id)
    return OrgId(found) if found is not None else None


async def database_time(connection: Connection) -> datetime:
    """Return the database's time, for answers that nothing else in it dates."""
    now: datetime = await connection.fetchval(_NOW)
    return now


async def forget_commands(pool: Pool, kept: timedelta) -> None:
    """Forget the oldest commands, a thousand at a time."""
    async with transaction(pool) as connection:
        await connection.execute(_FORGET, kept.total_seconds())
