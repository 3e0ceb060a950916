"""Levels of wallets: warns where one runs low, and wakes the failures that wait for credits once it is filled again.

Each settlement that spends, or that could not hold, leaves a note. One process at a time looks at the wallets that were
noted, and at those that are low or that failures wait for; it skips what another application holds locked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from consumer.model import Message, OrgId, OwnerId
from consumer.model.wallet import WalletLevel, WalletReading, WalletVerdict, WalletWarning
from consumer.store.outbox import put
from consumer.store.pool import Connection, Pool, transaction
from schemas.names import BudgetWarningKind

LOOKED_AT_ONCE: Final = 500
"""Wallets of one round; those that were not looked at for the longest come first."""
CONSIDERED: Final = 1000
"""Failures of one organisation among which one round chooses those that its wallet can pay."""

_NOTE = """
INSERT INTO heal_wallet_note (org_id, spent, unpaid) SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[])
"""

_ONE_AT_A_TIME = "SELECT pg_try_advisory_xact_lock(20535) AS mine"

_NOTED = """
WITH taken AS (
  DELETE FROM heal_wallet_note WHERE place IN (SELECT n.place FROM heal_wallet_note n ORDER BY n.place LIMIT $1)
  RETURNING org_id, spent, unpaid
), noted AS (
  SELECT org_id, sum(spent)::bigint AS spent, min(unpaid) AS unpaid FROM taken GROUP BY org_id
), watched AS (
  SELECT l.org_id FROM heal_wallet_level l WHERE l.warned < 100 OR l.unpaid IS NOT NULL ORDER BY l.looked_at LIMIT $1
)
SELECT org_id, coalesce(noted.spent, 0) AS spent, noted.unpaid FROM noted FULL JOIN watched USING (org_id)
"""

# One snapshot, so that what goes from a claim to its wallet is counted once. An organisation that somebody else holds
# locked would be waited for by the warning's foreign key.
_READ_LEVELS = """
SELECT o.id AS org_id,
       CASE WHEN w.org_id IS NULL THEN NULL WHEN w.text_budget_aud = 'NaN' THEN 0
            ELSE floor(greatest(least(w.text_budget_aud, 9e12), -9e12) * 1000000)::bigint END AS budget,
       (SELECT coalesce(sum(c.held), 0)::bigint FROM heal_claim c WHERE c.org_id = o.id)
         + (SELECT coalesce(sum(h.amount), 0)::bigint FROM heal_owed h WHERE h.org_id = o.id) AS held,
       EXISTS (SELECT FROM usage_lockouts k WHERE k.org_id = o.id AND k.unlocked_at IS NULL
                AND k.lockout_type IN ('text', 'both')) AS locked_out,
       l.filled, l.seen, l.warned, l.unpaid
  FROM organizations o LEFT JOIN token_wallets w ON w.org_id = o.id LEFT JOIN heal_wallet_level l ON l.org_id = o.id
 WHERE o.id = ANY($1::uuid[]) ORDER BY o.id FOR KEY SHARE OF o SKIP LOCKED
"""

_WRITE_LEVELS = """
INSERT INTO heal_wallet_level AS l (org_id, filled, seen, warned, unpaid)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::smallint[], $5::bigint[])
ON CONFLICT (org_id) DO UPDATE SET filled = excluded.filled, seen = excluded.seen, warned = excluded.warned,
  unpaid = excluded.unpaid, looked_at = clock_timestamp()
"""

# What was noted of an organisation that is locked is noted again; of one that is gone it goes with it.
_NOTE_AGAIN = """
INSERT INTO heal_wallet_note (org_id, spent, unpaid)
SELECT x.org_id, x.spent, x.unpaid FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS x (org_id, spent, unpaid)
 WHERE EXISTS (SELECT FROM organizations o WHERE o.id = x.org_id)
"""

_FORGET_LEVELS = """
DELETE FROM heal_wallet_level l
 WHERE l.org_id = ANY($1::uuid[]) AND NOT EXISTS (SELECT FROM organizations o WHERE o.id = l.org_id)
"""

_WARN = """
INSERT INTO usage_warnings (org_id, warning_type, threshold_percent, message)
SELECT x.org_id, x.kind, x.percent, x.message
  FROM unnest($1::uuid[], $2::text[], $3::int[], $4::text[]) AS x (org_id, kind, percent, message)
 WHERE NOT EXISTS (SELECT FROM usage_warnings u WHERE u.org_id = x.org_id AND u.warning_type = x.kind
                    AND u.acknowledged_at IS NULL)
ON CONFLICT DO NOTHING
RETURNING id, org_id, warning_type, clock_timestamp() AS at
"""

_CLOSE_WARNINGS = """
UPDATE usage_warnings SET acknowledged_at = clock_timestamp() WHERE id IN (
  SELECT u.id FROM usage_warnings u WHERE u.org_id = ANY($1::uuid[]) AND u.acknowledged_at IS NULL
     AND u.warning_type IN ('text_low', 'text_critical') ORDER BY u.id FOR UPDATE SKIP LOCKED)
"""

# As many as the budget can pay together, the cheapest first; what the others wait for is remembered.
_WAKE_UNPAID = """
WITH waiting AS MATERIALIZED (
  SELECT f.id, f.due_at, ((a.details ->> 'unpaid_aud')::numeric * 1000000)::bigint AS unpaid
    FROM workflow_failures f CROSS JOIN LATERAL (
      SELECT h.details FROM workflow_heal_attempts h WHERE h.failure_id = f.id AND h.step IS NOT NULL
       ORDER BY h.step DESC LIMIT 1) AS a
   WHERE f.org_id = $1 AND f.status = 'deferred' AND f.due_at > statement_timestamp()
     AND a.details ->> 'code' = 'insufficient_credits' AND a.details ? 'unpaid_aud'
   ORDER BY f.due_at LIMIT $3
), chosen AS (
  SELECT w.id, w.unpaid, sum(w.unpaid) OVER (ORDER BY w.unpaid, w.due_at, w.id) AS so_far FROM waiting w
), woken AS (
  UPDATE workflow_failures SET due_at = clock_timestamp() WHERE id IN (
    SELECT f.id FROM workflow_failures f JOIN chosen c USING (id)
     WHERE c.so_far <= $2 ORDER BY f.id FOR NO KEY UPDATE OF f SKIP LOCKED)
  RETURNING id
)
SELECT (SELECT count(*) FROM woken) AS woken, (SELECT min(c.unpaid) FROM chosen c WHERE c.so_far > $2) AS unpaid
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """The result of a round."""

    warnings: tuple[WalletWarning, ...] = ()
    messages: tuple[Message, ...] = ()
    """Their events, put into the outbox: to be published."""
    woken: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a settlement leaves of a wallet: what was spent, or what could not be held and its failure waits for."""

    org_id: OrgId
    spent: int = 0
    unpaid: int | None = None


async def leave_notes(connection: Connection, notes: Sequence[Note]) -> None:
    """Have these wallets looked at; in the transaction that settles."""
    if notes:
        await connection.execute(_NOTE, *_note_columns(notes))


async def look_at_wallets(
    pool: Pool,
    owner: OwnerId,
    judge: Callable[[WalletReading], WalletVerdict],
    describe: Callable[[BudgetWarningKind, WalletLevel], tuple[int, str]],
    tell: Callable[[WalletWarning], Message],
) -> Looked:
    """Look at wallets that were noted, or that are low or waited for, as the only process that does so now.

    `judge` decides on each; `describe` gives threshold and words of a warning, and `tell` builds its event.
    """
    async with transaction(pool) as connection:
        if not await connection.fetchval(_ONE_AT_A_TIME):
            return Looked()
        noted = [Note(**row) for row in await connection.fetch(_NOTED, LOOKED_AT_ONCE)]
        if not noted:
            return Looked()
        readings = await _read(connection, noted)
        verdicts = {reading.org_id: judge(reading) for reading in readings}
        woken, levels = 0, {}
        for reading in readings:
            number, levels[reading.org_id] = await _wake(connection, reading, verdicts[reading.org_id])
            woken += number
        await _write_levels(connection, levels)
        if filled := [org_id for org_id, verdict in verdicts.items() if verdict.is_filled]:
            await connection.execute(_CLOSE_WARNINGS, filled)
        warnings = await _warn(connection, verdicts, describe)
        messages = tuple(tell(warning) for warning in warnings)
        await put(connection, owner, messages)
    return Looked(warnings=warnings, messages=messages, woken=woken)


async def _read(connection: Connection, noted: Sequence[Note]) -> list[WalletReading]:
    by_org = {note.org_id: note for note in noted}
    rows = await connection.fetch(_READ_LEVELS, sorted(by_org))
    readings = [_reading(row, by_org[row["org_id"]]) for row in rows]
    if rest := [by_org[org_id] for org_id in by_org.keys() - {reading.org_id for reading in readings}]:
        await connection.execute(_FORGET_LEVELS, [note.org_id for note in rest])
        if again := [note for note in rest if note.spent or note.unpaid is not None]:
            await connection.execute(_NOTE_AGAIN, *_note_columns(again))
    return readings


def _reading(row: Any, note: Note) -> WalletReading:  # noqa: ANN401 - asyncpg's record
    before = None
    if row["filled"] is not None:
        before = WalletLevel(filled=row["filled"], seen=row["seen"], warned=row["warned"], unpaid=row["unpaid"])
    return WalletReading(
        org_id=OrgId(row["org_id"]),
        budget=row["budget"],
        held=row["held"],
        locked_out=row["locked_out"],
        before=before,
        spent=note.spent,
        unpaid=note.unpaid,
    )


async def _wake(connection: Connection, reading: WalletReading, verdict: WalletVerdict) -> tuple[int, WalletLevel]:
    """Wake the failures that a wallet can pay; returns how many, and its level with what the others wait for."""
    if not verdict.can_pay:
        return 0, verdict.level
    row = await connection.fetchrow(_WAKE_UNPAID, reading.org_id, reading.budget, CONSIDERED)
    return (row["woken"], replace(verdict.level, unpaid=row["unpaid"])) if row is not None else (0, verdict.level)


async def _write_levels(connection: Connection, levels: Mapping[OrgId, WalletLevel]) -> None:
    rows = [(org_id, one.filled, one.seen, one.warned, one.unpaid) for org_id, one in sorted(levels.items())]
    if rows:
        await connection.execute(_WRITE_LEVELS, *zip(*rows, strict=True))


async def _warn(
    connection: Connection,
    verdicts: Mapping[OrgId, WalletVerdict],
    describe: Callable[[BudgetWarningKind, WalletLevel], tuple[int, str]],
) -> tuple[WalletWarning, ...]:
    """Open warnings; returns those that were not open before."""
    wanted = [
        (org_id, kind, *describe(kind, verdict.level))
        for org_id, verdict in verdicts.items()
        for kind in verdict.warnings
    ]
    if not wanted:
        return ()
    rows = await connection.fetch(_WARN, *zip(*wanted, strict=True))
    return tuple(
        WalletWarning(
            id=row["id"],
            org_id=OrgId(row["org_id"]),
            kind=BudgetWarningKind(row["warning_type"]),
            level=verdicts[OrgId(row["org_id"])].level,
            at=row["at"],
        )
        for row in rows
    )


def _note_columns(notes: Sequence[Note]) -> Sequence[Sequence[object]]:
    return tuple(zip(*((note.org_id, note.spent, note.unpaid) for note in notes), strict=True))
