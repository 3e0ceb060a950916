"""Credits: held before a heal, settled once after it, never below zero under any interleaving.

The caller holds its claims already: the lock order is failures, claims, wallets, each sorted. No one waits for a
wallet that somebody else holds locked: holds are put off, and what is settled is owed until the wallet can be had.
What a provider charges beyond a hold, and the wallet cannot pay, is a debt: it is collected before anything is held.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from consumer.model import AttemptId, MicroAud, OrgId
from consumer.store.pool import Connection
from consumer.store.rows import as_json
from consumer.store.wallet_levels import Note, leave_notes
from consumer.store.wallets import ALL_HELD, EXHAUSTED, Hold, Wallet, admit
from schemas.value import value

_ADJUSTMENT: Final = "adjustment"
_CONSUMPTION: Final = "text_consume"

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
_OUR_TURN: Final = f"""ours AS MATERIALIZED (
  -- Our own transactions wait here for each other, a round trip and a commit long: whoever holds a wallet's row after
  -- this is somebody else. Rows of a private table, since every session can take an advisory lock.{_TURN}
), w AS MATERIALIZED (
  -- The platform may have written any number: as much as a bigint of millionths holds, and NaN is nothing. The ledger's
  -- foreign key would wait for an organisation that is locked.
  SELECT w.org_id,
         CASE WHEN w.text_budget_aud = 'NaN' THEN 0
              ELSE floor(greatest(least(w.text_budget_aud, 9e12), -9e12) * 1000000)::bigint END AS budget"""
_NOT_LOCKED: Final = """
    FROM token_wallets w JOIN organizations o ON o.id = w.org_id
   WHERE w.org_id = ANY($1::uuid[]) AND (SELECT count(*) FROM ours) > 0
   ORDER BY w.org_id FOR KEY SHARE OF o SKIP LOCKED FOR NO KEY UPDATE OF w SKIP LOCKED
)"""
"""Of the wallets that nobody else holds locked: `w`."""

_WRITE_ENTRIES = f"""
WITH {_OUR_TURN},
         (SELECT left(l.reason, 1000) FROM usage_lockouts l
           WHERE l.org_id = w.org_id AND l.unlocked_at IS NULL AND l.lockout_type IN ('text', 'both')
           ORDER BY l.locked_at LIMIT 1) AS lockout,
         EXISTS (SELECT FROM heal_owed h WHERE h.org_id = w.org_id)
           OR EXISTS (SELECT FROM heal_debt b WHERE b.org_id = w.org_id) AS owed{_NOT_LOCKED}, l AS (
  SELECT l.*, sum(l.amount) OVER (PARTITION BY l.org_id ORDER BY l.place) AS so_far
    FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::text[]) WITH ORDINALITY
      AS l (org_id, attempt_id, amount, event_type, place)
), paid AS (
  SELECT w.org_id, w.budget, sum(l.amount) AS delta FROM l JOIN w USING (org_id)
   GROUP BY w.org_id, w.budget, w.lockout, w.owed
  HAVING $6 = 'settle' OR (w.lockout IS NULL AND NOT w.owed AND w.budget + sum(l.amount) >= 0)
), changed AS (
  UPDATE token_wallets t
     SET text_budget_aud = t.text_budget_aud + round(paid.delta / 1000000.0, 6), updated_at = clock_timestamp()
    FROM paid WHERE t.org_id = paid.org_id
), entered AS (
  INSERT INTO token_usage_events (org_id, event_type, amount, remaining, metadata, attempt_id, phase)
  SELECT l.org_id, l.event_type, round(l.amount / 1000000.0, 6), round((paid.budget + l.so_far) / 1000000.0, 6),
         $7::jsonb, l.attempt_id, $6
    FROM l JOIN paid USING (org_id) ORDER BY l.place
), locked AS MATERIALIZED (
  SELECT t.org_id FROM token_wallets t WHERE t.org_id = ANY($1::uuid[]) AND t.org_id NOT IN (SELECT org_id FROM w)
), put_beside AS (
  INSERT INTO heal_owed (attempt_id, org_id, amount, event_type)
  SELECT l.attempt_id, l.org_id, l.amount, l.event_type FROM locked JOIN l USING (org_id)
   WHERE $6 = 'settle' ORDER BY l.place
)
SELECT w.org_id, w.budget, w.lockout, w.owed, paid.org_id IS NOT NULL AS paid, false AS locked
  FROM w LEFT JOIN paid USING (org_id)
UNION ALL SELECT locked.org_id, 0, NULL, false, false, true FROM locked
"""  # noqa: S608 - constants

# Where another transaction has applied it meanwhile there is nothing to delete any more.
APPLY_OWED = f"""
WITH {_OUR_TURN}{_NOT_LOCKED}, owed AS (
  DELETE FROM heal_owed h USING w WHERE h.org_id = w.org_id
  RETURNING h.org_id, h.attempt_id, h.amount, h.event_type, h.place, w.budget
), changed AS (
  UPDATE token_wallets t
     SET text_budget_aud = t.text_budget_aud + round(s.amount / 1000000.0, 6), updated_at = clock_timestamp()
    FROM (SELECT org_id, sum(amount) AS amount FROM owed GROUP BY org_id) AS s WHERE t.org_id = s.org_id
)
INSERT INTO token_usage_events (org_id, event_type, amount, remaining, metadata, attempt_id, phase)
SELECT o.org_id, o.event_type, round(o.amount / 1000000.0, 6),
       round((o.budget + sum(o.amount) OVER (PARTITION BY o.org_id ORDER BY o.place)) / 1000000.0, 6),
       $2::jsonb, o.attempt_id, 'settle'
  FROM owed o ORDER BY o.place
"""  # noqa: S608 - constants

_OWE = """
INSERT INTO heal_debt (attempt_id, org_id, strategy, amount)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[])
"""

# After its caller has taken its turn for these wallets: what another transaction has collected meanwhile is seen here.
# A debt is paid in as many parts as it takes; a wallet never falls below zero for one.
COLLECT = f"""
WITH {_OUR_TURN}{_NOT_LOCKED}, owing AS MATERIALIZED (
  SELECT d.org_id, d.attempt_id, d.amount, d.place, w.budget FROM heal_debt d JOIN w USING (org_id)
   WHERE w.budget > 0 ORDER BY d.place FOR UPDATE OF d
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
  UPDATE token_wallets t
     SET text_budget_aud = t.text_budget_aud - round(s.part / 1000000.0, 6), updated_at = clock_timestamp()
    FROM (SELECT org_id, sum(part) AS part FROM paid GROUP BY org_id) AS s WHERE t.org_id = s.org_id
)
INSERT INTO token_usage_events (org_id, event_type, amount, remaining, metadata)
SELECT p.org_id, '{_CONSUMPTION}', round(-p.part / 1000000.0, 6), round((p.budget - p.before - p.part) / 1000000.0, 6),
       $2::jsonb || jsonb_build_object('debt_of', p.attempt_id)
  FROM paid p ORDER BY p.place
"""  # noqa: S608 - constants

_CLEAR_HOLDS = "UPDATE heal_claim SET held = 0 WHERE attempt_id = ANY($1::uuid[])"

_OUTSTANDING = """
SELECT org_id, sum(held)::bigint AS held FROM heal_claim
 WHERE org_id = ANY($1::uuid[]) AND NOT attempt_id = ANY($2::uuid[]) GROUP BY org_id
"""

TAKE_TURNS = _TURN

_BUDGETS = f"""
WITH {_OUR_TURN}{_NOT_LOCKED}
SELECT w.org_id, w.budget FROM w
"""  # noqa: S608 - constants

_LOCKOUTS = """
SELECT DISTINCT ON (l.org_id) l.org_id, left(l.reason, 1000) AS lockout FROM usage_lockouts l
 WHERE l.org_id = ANY($1::uuid[]) AND l.unlocked_at IS NULL AND l.lockout_type IN ('text', 'both')
 ORDER BY l.org_id, l.locked_at
"""

_LOCK_OUT = """
INSERT INTO usage_lockouts (org_id, lockout_type, reason, metadata)
SELECT o, 'text', $2, $3::jsonb FROM unnest($1::uuid[]) AS o
 WHERE NOT EXISTS (SELECT FROM usage_lockouts l WHERE l.org_id = o AND l.unlocked_at IS NULL
                    AND l.lockout_type IN ('text', 'both'))
"""

LEDGER_METADATA = as_json({"service": "self-healing-workflows"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldsAdmitted:
    """The result of holding credits: the reason for each heal that is refused, and those whose wallet is locked."""

    refused: Mapping[AttemptId, str] = field(default_factory=dict)
    locked: frozenset[AttemptId] = frozenset()
    left: Mapping[OrgId, int] = field(default_factory=dict)
    """What the wallets of those that are refused can pay."""


async def admit_holds(
    connection: Connection, holds: Sequence[Hold], *, nothing_for: Sequence[Hold] = ()
) -> HoldsAdmitted:
    """Hold credits for heals that are claimed in this transaction.

    A refused claim stands with nothing held, to be settled as a refusal; `nothing_for` are refused already. Where the
    wallet is locked nothing is decided: the caller puts those heals off.
    """
    if nothing_for:
        await connection.execute(_CLEAR_HOLDS, [hold.attempt_id for hold in nothing_for])
    wanted = [hold for hold in holds if hold.amount > 0]
    if not wanted:
        return HoldsAdmitted()
    wallets = await _write_entries(connection, [(hold, -hold.amount, _ADJUSTMENT) for hold in wanted], "hold")
    if owed_to := [org_id for org_id, wallet in wallets.items() if wallet.owed]:
        await connection.execute(APPLY_OWED, owed_to, LEDGER_METADATA)
        await connection.execute(COLLECT, owed_to, LEDGER_METADATA)
        theirs = [(hold, -hold.amount, _ADJUSTMENT) for hold in wanted if hold.org_id in owed_to]
        wallets |= await _write_entries(connection, theirs, "hold")
    locked = frozenset(h.attempt_id for h in wanted if h.org_id in wallets and wallets[h.org_id].locked)
    asked = [hold for hold in wanted if hold.attempt_id not in locked]
    short = [hold for hold in asked if hold.org_id not in wallets or not wallets[hold.org_id].paid]
    if not short:
        return HoldsAdmitted(locked=locked)
    admission = admit(short, await _with_lockouts(connection, short, wallets))
    if admission.paid:
        await _write_entries(connection, [(hold, -hold.amount, _ADJUSTMENT) for hold in admission.paid], "hold")
    refused = admission.refused
    if refused:
        await connection.execute(_CLEAR_HOLDS, list(refused))
        refused = await _tell_held_from_gone(connection, asked, refused, wallets)
    return HoldsAdmitted(refused=refused, locked=locked, left=admission.left)


async def _with_lockouts(
    connection: Connection, short: Sequence[Hold], wallets: Mapping[OrgId, Wallet]
) -> Mapping[OrgId, Wallet]:
    """Add the organisations that are locked out and have no wallet: the lockout is what they are told of."""
    without = sorted({hold.org_id for hold in short} - wallets.keys())
    if not without:
        return wallets
    rows = await connection.fetch(_LOCKOUTS, without)
    return {**wallets, **{OrgId(row["org_id"]): Wallet(budget=0, lockout=row["lockout"]) for row in rows}}


@value(frozen=True, slots=True, kw_only=True)
class EndedHold:
    """A hold whose heal has ended, and what was spent: charged beyond it, perhaps, by a provider."""

    hold: Hold
    strategy: str
    spent: MicroAud


async def settle_holds(
    connection: Connection, ended: Sequence[EndedHold], unpaid: Sequence[tuple[OrgId, MicroAud]] = ()
) -> None:
    """Refund the unspent part of holds; in the transaction that deletes the claims, so at most once.

    What was spent beyond a hold is taken from the wallet as far as it goes, and the rest is a debt. `unpaid` are the
    amounts that could not be held, where no cheaper rung acts: a budget without them is locked out.
    """
    beyond = [one for one in ended if one.spent > one.hold.amount]
    if unpaid or beyond:
        orgs = {one.hold.org_id for one in ended} | {org_id for org_id, _ in unpaid}
        await connection.execute(TAKE_TURNS, sorted(orgs))
    if unpaid:
        await _lock_out_exhausted(connection, unpaid)
    back = [
        (
            one.hold,
            one.hold.amount - min(one.spent, one.hold.amount),
            _CONSUMPTION if one.spent else _ADJUSTMENT,
        )
        for one in ended
        if one.hold.amount > 0
    ]
    if back:
        await _write_entries(connection, back, "settle")  # a wallet that is not there went with its organisation
    await leave_notes(
        connection,
        [
            *(Note(org_id=one.hold.org_id, spent=one.spent) for one in ended if one.spent),
            *(Note(org_id=org_id, unpaid=amount) for org_id, amount in unpaid),
        ],
    )
    if beyond:
        rows = [(o.hold.attempt_id, o.hold.org_id, o.strategy, o.spent - o.hold.amount) for o in beyond]
        await connection.execute(_OWE, *zip(*rows, strict=True))
        await connection.execute(COLLECT, sorted({o.hold.org_id for o in beyond}), LEDGER_METADATA)


async def _write_entries(
    connection: Connection, entries: Sequence[tuple[Hold, int, str]], phase: Literal["hold", "settle"]
) -> dict[OrgId, Wallet]:
    """Change wallets and write their ledger; returns the wallets as they were before, locked, and which have paid."""
    columns = zip(*((hold.org_id, hold.attempt_id, amount, kind) for hold, amount, kind in entries), strict=True)
    org_ids = sorted({hold.org_id for hold, _, _ in entries})
    rows = await connection.fetch(_WRITE_ENTRIES, org_ids, *columns, phase, LEDGER_METADATA)
    return {
        OrgId(row["org_id"]): Wallet(
            budget=row["budget"], lockout=row["lockout"], paid=row["paid"], owed=row["owed"], locked=row["locked"]
        )
        for row in rows
    }


async def _tell_held_from_gone(
    connection: Connection, holds: Sequence[Hold], refused: Mapping[AttemptId, str], wallets: Mapping[OrgId, Wallet]
) -> Mapping[AttemptId, str]:
    """Return the reasons, with those told apart whose budget is only held by heals under way."""
    short = {hold.org_id: hold for hold in holds if refused.get(hold.attempt_id) == EXHAUSTED}
    if not short:
        return refused
    held = await _outstanding(connection, list(short), besides=list(refused))
    gone = [org for org, hold in short.items() if wallets[org].budget + held.get(org, 0) < hold.amount]
    org_of = {hold.attempt_id: hold.org_id for hold in holds}
    return {
        attempt: ALL_HELD if reason == EXHAUSTED and org_of[attempt] not in gone else reason
        for attempt, reason in refused.items()
    }


async def _lock_out_exhausted(connection: Connection, unpaid: Sequence[tuple[OrgId, MicroAud]]) -> None:
    """Open a lockout where a budget is really gone, not where heals under way only hold it."""
    most: dict[OrgId, int] = {}
    for org_id, amount in unpaid:
        most[org_id] = max(amount, most.get(org_id, 0))
    rows = await connection.fetch(_BUDGETS, sorted(most))
    held = await _outstanding(connection, list(most), besides=[])
    gone = [org for row in rows if row["budget"] + held.get(org := OrgId(row["org_id"]), 0) < most[org]]
    if gone:
        await connection.execute(_LOCK_OUT, gone, EXHAUSTED, LEDGER_METADATA)


async def _outstanding(
    connection: Connection, org_ids: Sequence[OrgId], *, besides: Sequence[AttemptId]
) -> Mapping[OrgId, int]:
    rows = await connection.fetch(_OUTSTANDING, org_ids, besides)
    return {OrgId(row["org_id"]): row["held"] for row in rows}
