"""Entries of wallets: a budget and its ledger change in one statement, in the transaction that has a reason for it.

A wallet has two budgets, of texts and of voices. Each statement is of one of them, `$2`: what is held of one is given
back to it, owed to it and owed by it, and neither ever pays for the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from consumer.model import OrgId
from consumer.store.pool import Connection
from consumer.store.rows import as_json
from consumer.store.wallets import Hold, Wallet
from schemas.names import Budget

# Wallets and ledger in one statement: neither can change without the other, and a wallet that every batch needs stays
# locked for one round trip and the commit. An organisation's entries are all written or none: where its wallet cannot
# pay all of them, or is locked out, the caller decides on each.
#
# A wallet, or its organisation, that somebody else holds locked is skipped: what is settled is written beside, and
# applied once the wallet can be had. Nothing is held of a wallet that is owed something before that is applied.
_TURN: Final = """
  SELECT t.bucket FROM heal_turn t
   WHERE t.bucket = ANY(ARRAY(SELECT hashtext(o::text) & 63 FROM unnest($1::uuid[]) AS o))
   ORDER BY t.bucket FOR NO KEY UPDATE"""
_BUDGET: Final = "CASE $2 WHEN 'voice' THEN w.voice_budget_aud ELSE w.text_budget_aud END"
_OUR_TURN: Final = f"""ours AS MATERIALIZED (
  -- Our own transactions wait here for each other, a round trip and a commit long: whoever holds a wallet's row after
  -- this is somebody else. Rows of a private table, since every session can take an advisory lock.{_TURN}
), w AS MATERIALIZED (
  -- The platform may have written any number: as much as a bigint of millionths holds, and NaN is nothing. The ledger's
  -- foreign key would wait for an organisation that is locked.
  SELECT w.org_id,
         CASE WHEN {_BUDGET} = 'NaN' THEN 0
              ELSE floor(greatest(least({_BUDGET}, 9e12), -9e12) * 1000000)::bigint END AS budget"""
_NOT_LOCKED: Final = """
    FROM token_wallets w JOIN organizations o ON o.id = w.org_id
   WHERE w.org_id = ANY($1::uuid[]) AND (SELECT count(*) FROM ours) > 0
   ORDER BY w.org_id FOR KEY SHARE OF o SKIP LOCKED FOR NO KEY UPDATE OF w SKIP LOCKED
)"""
"""Of the wallets that nobody else holds locked: `w`."""
_ADD: Final = """
     SET text_budget_aud = t.text_budget_aud + CASE $2 WHEN 'text' THEN c.aud ELSE 0 END,
         voice_budget_aud = t.voice_budget_aud + CASE $2 WHEN 'voice' THEN c.aud ELSE 0 END,
         updated_at = clock_timestamp()"""
"""Changes the one budget of wallets `t` by `c`."""

_WRITE_ENTRIES = f"""
WITH {_OUR_TURN},
         (SELECT left(l.reason, 1000) FROM usage_lockouts l
           WHERE l.org_id = w.org_id AND l.unlocked_at IS NULL AND l.lockout_type IN ($2, 'both')
           ORDER BY l.locked_at LIMIT 1) AS lockout,
         EXISTS (SELECT FROM heal_owed h WHERE h.org_id = w.org_id AND h.pays_from = $2)
           OR EXISTS (SELECT FROM heal_debt b WHERE b.org_id = w.org_id AND b.pays_from = $2) AS owed{_NOT_LOCKED},
l AS (
  SELECT l.*, sum(l.amount) OVER (PARTITION BY l.org_id ORDER BY l.place) AS so_far
    FROM unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::text[]) WITH ORDINALITY
      AS l (org_id, attempt_id, amount, event_type, place)
), paid AS (
  SELECT w.org_id, w.budget, sum(l.amount) AS delta FROM l JOIN w USING (org_id)
   GROUP BY w.org_id, w.budget, w.lockout, w.owed
  HAVING $7 = 'settle' OR (w.lockout IS NULL AND NOT w.owed AND w.budget + sum(l.amount) >= 0)
), changed AS (
  UPDATE token_wallets t{_ADD}
    FROM (SELECT p.org_id, round(p.delta / 1000000.0, 6) AS aud FROM paid p) AS c WHERE t.org_id = c.org_id
), entered AS (
  INSERT INTO token_usage_events (org_id, event_type, amount, remaining, metadata, attempt_id, phase)
  SELECT l.org_id, l.event_type, round(l.amount / 1000000.0, 6), round((paid.budget + l.so_far) / 1000000.0, 6),
         $8::jsonb, l.attempt_id, $7
    FROM l JOIN paid USING (org_id) ORDER BY l.place
), locked AS MATERIALIZED (
  SELECT t.org_id FROM token_wallets t WHERE t.org_id = ANY($1::uuid[]) AND t.org_id NOT IN (SELECT org_id FROM w)
), put_beside AS (
  INSERT INTO heal_owed (attempt_id, org_id, amount, event_type, pays_from)
  SELECT l.attempt_id, l.org_id, l.amount, l.event_type, $2 FROM locked JOIN l USING (org_id)
   WHERE $7 = 'settle' ORDER BY l.place
)
SELECT w.org_id, w.budget, w.lockout, w.owed, paid.org_id IS NOT NULL AS paid, false AS locked
  FROM w LEFT JOIN paid USING (org_id)
UNION ALL SELECT locked.org_id, 0, NULL, false, false, true FROM locked
"""  # noqa: S608 - constants

# Where another transaction has applied it meanwhile there is nothing to delete any more.
_APPLY_OWED = f"""
WITH {_OUR_TURN}{_NOT_LOCKED}, owed AS (
  DELETE FROM heal_owed h USING w WHERE h.org_id = w.org_id AND h.pays_from = $2
  RETURNING h.org_id, h.attempt_id, h.amount, h.event_type, h.place, w.budget
), changed AS (
  UPDATE token_wallets t{_ADD}
    FROM (SELECT o.org_id, round(sum(o.amount) / 1000000.0, 6) AS aud FROM owed o GROUP BY o.org_id) AS c
   WHERE t.org_id = c.org_id
)
INSERT INTO token_usage_events (org_id, event_type, amount, remaining, metadata, attempt_id, phase)
SELECT o.org_id, o.event_type, round(o.amount / 1000000.0, 6),
       round((o.budget + sum(o.amount) OVER (PARTITION BY o.org_id ORDER BY o.place)) / 1000000.0, 6),
       $3::jsonb, o.attempt_id, 'settle'
  FROM owed o ORDER BY o.place
"""  # noqa: S608 - constants

# After its caller has taken its turn for these wallets: what another transaction has collected meanwhile is seen here.
# A debt is paid in as many parts as it takes; a wallet never falls below zero for one.
_COLLECT = f"""
WITH {_OUR_TURN}{_NOT_LOCKED}, owing AS MATERIALIZED (
  SELECT d.org_id, d.attempt_id, d.amount, d.place, w.budget FROM heal_debt d JOIN w USING (org_id)
   WHERE w.budget > 0 AND d.pays_from = $2 ORDER BY d.place FOR UPDATE OF d
), paid AS (
  SELECT s.*, least(s.amount, s.budget - s.before) AS part
    FROM (SELECT o.*, sum(o.amount) OVER (PARTITION BY o.org_id ORDER BY o.place) - o.amount AS before
            FROM owing o) AS s
   WHERE s.before < s.budget
), gone AS (
  DELETE FROM heal_debt d USING paid WHERE d.attempt_id = paid.attempt_id AND paid.part = paid.amount
), less AS (
  UPDATE heal_debt d SET amount = d.amount - paid.part FROM paid
   WHERE d.attempt_id = paid.attempt_id AND paid.part < paid.amount
), changed AS (
  UPDATE token_wallets t{_ADD}
    FROM (SELECT p.org_id, -round(sum(p.part) / 1000000.0, 6) AS aud FROM paid p GROUP BY p.org_id) AS c
   WHERE t.org_id = c.org_id
)
INSERT INTO token_usage_events (org_id, event_type, amount, remaining, metadata)
SELECT p.org_id, $2::text || '_consume', round(-p.part / 1000000.0, 6),
       round((p.budget - p.before - p.part) / 1000000.0, 6), $3::jsonb || jsonb_build_object('debt_of', p.attempt_id)
  FROM paid p ORDER BY p.place
"""  # noqa: S608 - constants

_READ_BUDGETS = f"""
WITH {_OUR_TURN}{_NOT_LOCKED}
SELECT w.org_id, w.budget FROM w
"""  # noqa: S608 - constants

_TAKE_TURNS = _TURN

_SERVICE: Final = "self-healing-workflows"
LEDGER_METADATA: Final = {
    Budget.TEXT: as_json({"service": _SERVICE}),
    # Its holds are adjustments, as those of the text budget are: a reader of the ledger tells them apart by this.
    Budget.VOICE: as_json({"service": _SERVICE, "budget": Budget.VOICE}),
}


async def take_turns(connection: Connection, org_ids: Iterable[OrgId]) -> None:
    """Take the turn for all wallets at once: one after the other, two transactions might wait for each other."""
    await connection.execute(_TAKE_TURNS, sorted(set(org_ids)))


async def apply_owed_to(connection: Connection, budget: Budget, org_ids: Sequence[OrgId]) -> None:
    """Apply what these wallets are owed of one budget; where another transaction has, there is nothing left."""
    await connection.execute(_APPLY_OWED, org_ids, budget, LEDGER_METADATA[budget])


async def collect_debts(connection: Connection, budget: Budget, org_ids: Sequence[OrgId]) -> None:
    """Collect what these wallets owe of one budget, as far as it goes; after `take_turns` for them."""
    await connection.execute(_COLLECT, org_ids, budget, LEDGER_METADATA[budget])


async def read_budgets(connection: Connection, budget: Budget, org_ids: Sequence[OrgId]) -> Mapping[OrgId, int]:
    """Lock wallets, and return what there is of one budget; without those that somebody else holds locked."""
    rows = await connection.fetch(_READ_BUDGETS, org_ids, budget)
    return {OrgId(row["org_id"]): row["budget"] for row in rows}


async def write_entries(
    connection: Connection,
    budget: Budget,
    entries: Sequence[tuple[Hold, int, str]],
    phase: Literal["hold", "settle"],
) -> dict[OrgId, Wallet]:
    """Change wallets and write their ledger; returns the wallets as they were before, locked, and which have paid."""
    columns = zip(*((hold.org_id, hold.attempt_id, amount, kind) for hold, amount, kind in entries), strict=True)
    org_ids = sorted({hold.org_id for hold, _, _ in entries})
    rows = await connection.fetch(_WRITE_ENTRIES, org_ids, budget, *columns, phase, LEDGER_METADATA[budget])
    return {
        OrgId(row["org_id"]): Wallet(
            budget=row["budget"], lockout=row["lockout"], paid=row["paid"], owed=row["owed"], locked=row["locked"]
        )
        for row in rows
    }
