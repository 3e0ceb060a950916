"""Levels of wallets' budgets: warns where one runs low, and wakes the failures that wait for it once it is filled.

Each settlement that spends, or that could not hold, leaves a note. One process at a time looks at the wallets that were
noted, and at those that are low or that failures wait for; it skips what another application holds locked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from consumer.model import Message, OrgId, OwnerId
from consumer.model.wallet import BudgetKey, WalletLevel, WalletReading, WalletVerdict, WalletWarning
from consumer.store.outbox import put
from consumer.store.pool import Connection, Pool, transaction
from schemas.names import Budget, BudgetWarningKind

LOOKED_AT_ONCE: Final = 500
"""Wallets of one round; those that were not looked at for the longest come first."""
CONSIDERED: Final = 1000
"""Failures of one organisation among which one round chooses those that its wallet can pay."""

_NOTE = """
INSERT INTO heal_wallet_note (org_id, pays_from, spent, unpaid)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[])
"""

_ONE_AT_A_TIME = "SELECT pg_try_advisory_xact_lock(20535) AS mine"

_NOTED = """
WITH taken AS (
  DELETE FROM heal_wallet_note WHERE place IN (SELECT n.place FROM heal_wallet_note n ORDER BY n.place LIMIT $1)
  RETURNING org_id, pays_from, spent, unpaid
), noted AS (
  SELECT org_id, pays_from, sum(spent)::bigint AS spent, min(unpaid) AS unpaid FROM taken GROUP BY org_id, pays_from
), watched AS (
  SELECT l.org_id, l.pays_from FROM heal_budget_level l
   WHERE l.warned < 100 OR l.unpaid IS NOT NULL ORDER BY l.looked_at LIMIT $1
)
SELECT org_id, pays_from, coalesce(noted.spent, 0) AS spent, noted.unpaid
  FROM noted FULL JOIN watched USING (org_id, pays_from)
"""

# One snapshot, so that what goes from a claim to its wallet is counted once. An organisation that somebody else holds
# locked would be waited for by the warning's foreign key.
_READ_LEVELS = """
SELECT o.id AS org_id, x.pays_from,
       CASE WHEN w.org_id IS NULL THEN NULL WHEN w.aud = 'NaN' THEN 0
            ELSE floor(greatest(least(w.aud, 9e12), -9e12) * 1000000)::bigint END AS budget,
       (SELECT coalesce(sum(c.held), 0)::bigint FROM heal_claim c WHERE c.org_id = o.id AND c.pays_from = x.pays_from)
         + (SELECT coalesce(sum(h.amount), 0)::bigint FROM heal_owed h
             WHERE h.org_id = o.id AND h.pays_from = x.pays_from) AS held,
       EXISTS (SELECT FROM usage_lockouts k WHERE k.org_id = o.id AND k.unlocked_at IS NULL
                AND k.lockout_type IN (x.pays_from, 'both')) AS locked_out,
       l.filled, l.seen, l.warned, l.unpaid
  FROM unnest($1::uuid[], $2::text[]) AS x (org_id, pays_from) JOIN organizations o ON o.id = x.org_id
  LEFT JOIN LATERAL (
    SELECT t.org_id, CASE x.pays_from WHEN 'voice' THEN t.voice_budget_aud ELSE t.text_budget_aud END AS aud
      FROM token_wallets t WHERE t.org_id = o.id) AS w ON true
  LEFT JOIN heal_budget_level l ON l.org_id = o.id AND l.pays_from = x.pays_from
 ORDER BY o.id FOR KEY SHARE OF o SKIP LOCKED
"""

_WRITE_LEVELS = """
INSERT INTO heal_budget_level AS l (org_id, pays_from, filled, seen, warned, unpaid)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::smallint[], $6::bigint[])
ON CONFLICT (org_id, pays_from) DO UPDATE SET filled = excluded.filled, seen = excluded.seen, warned = excluded.warned,
  unpaid = excluded.unpaid, looked_at = clock_timestamp()
"""

# What was noted of an organisation that is locked is noted again; of one that is gone it goes with it.
_NOTE_AGAIN = """
INSERT INTO heal_wallet_note (org_id, pays_from, spent, unpaid)
SELECT x.* FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) AS x (org_id, pays_from, spent, unpaid)
 WHERE EXISTS (SELECT FROM organizations o WHERE o.id = x.org_id)
"""

_FORGET_LEVELS = """
DELETE FROM heal_budget_level l
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
  SELECT u.id FROM unnest($1::uuid[], $2::text[]) AS x (org_id, pays_from) JOIN usage_warnings u ON u.org_id = x.org_id
   WHERE u.acknowledged_at IS NULL AND u.warning_type IN (x.pays_from || '_low', x.pays_from || '_critical')
   ORDER BY u.id FOR UPDATE OF u SKIP LOCKED)
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
     AND coalesce(a.details ->> 'unpaid_budget', 'text') = $4
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
    pays_from: Budget = Budget.TEXT
    spent: int = 0
    unpaid: int | None = None

    @property
    def key(self) -> BudgetKey:
        """Which budget it is of."""
        return self.org_id, self.pays_from


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
        noted = [_read_note(row) for row in await connection.fetch(_NOTED, LOOKED_AT_ONCE)]
        if not noted:
            return Looked()
        readings = await _read(connection, noted)
        verdicts = {reading.key: judge(reading) for reading in readings}
        woken, levels = 0, {}
        for reading in readings:
            number, levels[reading.key] = await _wake(connection, reading, verdicts[reading.key])
            woken += number
        await _write_levels(connection, levels)
        if filled := [key for key, verdict in verdicts.items() if verdict.is_filled]:
            await connection.execute(_CLOSE_WARNINGS, *zip(*filled, strict=True))
        warnings = await _warn(connection, verdicts, describe)
        messages = tuple(tell(warning) for warning in warnings)
        await put(connection, owner, messages)
    return Looked(warnings=warnings, messages=messages, woken=woken)


async def _read(connection: Connection, noted: Sequence[Note]) -> list[WalletReading]:
    by_key = {note.key: note for note in noted}
    rows = await connection.fetch(_READ_LEVELS, *zip(*sorted(by_key), strict=True))
    readings = [_reading(row, by_key[_key_of(row)]) for row in rows]
    if rest := [by_key[key] for key in by_key.keys() - {reading.key for reading in readings}]:
        await connection.execute(_FORGET_LEVELS, [note.org_id for note in rest])
        if again := [note for note in rest if note.spent or note.unpaid is not None]:
            await connection.execute(_NOTE_AGAIN, *_note_columns(again))
    return readings


def _key_of(row: Any) -> BudgetKey:  # noqa: ANN401 - asyncpg's record
    return OrgId(row["org_id"]), Budget(row["pays_from"])


def _read_note(row: Any) -> Note:  # noqa: ANN401 - asyncpg's record
    org_id, pays_from = _key_of(row)
    return Note(org_id=org_id, pays_from=pays_from, spent=row["spent"], unpaid=row["unpaid"])


def _reading(row: Any, note: Note) -> WalletReading:  # noqa: ANN401 - asyncpg's record
    before = None
    if row["filled"] is not None:
        before = WalletLevel(filled=row["filled"], seen=row["seen"], warned=row["warned"], unpaid=row["unpaid"])
    return WalletReading(
        org_id=note.org_id,
        pays_from=note.pays_from,
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
    row = await connection.fetchrow(_WAKE_UNPAID, reading.org_id, reading.budget, CONSIDERED, reading.pays_from)
    return (row["woken"], replace(verdict.level, unpaid=row["unpaid"])) if row is not None else (0, verdict.level)


async def _write_levels(connection: Connection, levels: Mapping[BudgetKey, WalletLevel]) -> None:
    rows = [(*key, level.filled, level.seen, level.warned, level.unpaid) for key, level in sorted(levels.items())]
    if rows:
        await connection.execute(_WRITE_LEVELS, *zip(*rows, strict=True))


async def _warn(
    connection: Connection,
    verdicts: Mapping[BudgetKey, WalletVerdict],
    describe: Callable[[BudgetWarningKind, WalletLevel], tuple[int, str]],
) -> tuple[WalletWarning, ...]:
    """Open warnings; returns those that were not open before."""
    levels = {(org_id, kind): verdict.level for (org_id, _), verdict in verdicts.items() for kind in verdict.warnings}
    wanted = [(org_id, kind, *describe(kind, level)) for (org_id, kind), level in levels.items()]
    if not wanted:
        return ()
    rows = await connection.fetch(_WARN, *zip(*wanted, strict=True))
    return tuple(
        WalletWarning(
            id=row["id"],
            org_id=OrgId(row["org_id"]),
            kind=(kind := BudgetWarningKind(row["warning_type"])),
            level=levels[OrgId(row["org_id"]), kind],
            at=row["at"],
        )
        for row in rows
    )


def _note_columns(notes: Sequence[Note]) -> Sequence[Sequence[object]]:
    return tuple(zip(*((note.org_id, note.pays_from, note.spent, note.unpaid) for note in notes), strict=True))
