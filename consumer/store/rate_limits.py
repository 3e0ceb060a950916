"""Rate limits of the catalog: how often the same thing is healed, and how many of a workflow's failures are open.

In the lock order the rows of `heal_rate` stand between breakers and wallets.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from consumer.model import AttemptId, OrgId, Rate
from consumer.store.pool import Connection, Pool, translated

# The update changes nothing: it locks the rows that are there already.
_LOCK = """
INSERT INTO heal_rate AS r (key, org_id, forget_at)
SELECT x.key, x.org_id, clock_timestamp() FROM unnest($1::text[], $2::uuid[]) AS x (key, org_id) ORDER BY x.key
ON CONFLICT (key) DO UPDATE SET org_id = r.org_id
RETURNING r.key, r.starts, clock_timestamp() AS now
"""

_STORE_STARTS = "UPDATE heal_rate SET starts = $2::timestamptz[], forget_at = $3 WHERE key = $1"

_FORGET = """
DELETE FROM heal_rate WHERE key IN (
  SELECT key FROM heal_rate WHERE forget_at < clock_timestamp() ORDER BY key LIMIT 1000 FOR UPDATE SKIP LOCKED)
"""

_COUNT_OPEN = """
SELECT org_id, workflow_name, count(*) AS failures FROM workflow_failures
 WHERE detected_at > statement_timestamp() - $1 * interval '1 second' AND due_at IS NOT NULL
 GROUP BY org_id, workflow_name
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """A claimed heal that rate limits apply to."""

    attempt_id: AttemptId
    org_id: OrgId
    rates: tuple[Rate, ...]


_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCheck:
    """Claimed heals checked against their limits: the wait of each beyond its own, and those that may start."""

    waits: Mapping[AttemptId, timedelta] = field(default_factory=dict)
    started: tuple[Limited, ...] = ()
    before: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    now: datetime = _NEVER


def allow(starts: Sequence[datetime], rate: Rate, now: datetime) -> timedelta | None:
    """Return the wait of one more heal after those that began at `starts` (in order); None: no wait. Pure."""
    until = now
    if len(starts) >= rate.heals:
        until = max(until, starts[-rate.heals] + rate.within)
    if starts:
        until = max(until, starts[-1] + rate.cool_down)
    return until - now if until > now else None


async def check_rates(connection: Connection, limited: Sequence[Limited]) -> RateCheck:
    """Check claimed heals against their rate limits, in order of arrival, and lock the counts."""
    if not limited:
        return RateCheck()
    orgs = {rate.key: one.org_id for one in limited for rate in one.rates}
    keys = sorted(orgs)
    rows = await connection.fetch(_LOCK, keys, [orgs[key] for key in keys])
    now = max(row["now"] for row in rows)
    before = {row["key"]: tuple(row["starts"]) for row in rows}
    starts = {key: list(times) for key, times in before.items()}
    waits: dict[AttemptId, timedelta] = {}
    for one in limited:
        found = [wait for rate in one.rates if (wait := allow(starts[rate.key], rate, now)) is not None]
        if found:
            waits[one.attempt_id] = max(found)
            continue
        for rate in one.rates:
            starts[rate.key].append(now)
    return RateCheck(
        waits=waits, started=tuple(one for one in limited if one.attempt_id not in waits), before=before, now=now
    )


async def count_starts(connection: Connection, check: RateCheck, put_off: Collection[AttemptId] = ()) -> None:
    """Count the heals that start now, in the transaction that has checked them; not those that were put off since."""
    starts = {key: list(times) for key, times in check.before.items()}
    rates = {}
    for one in check.started:
        if one.attempt_id not in put_off:
            for rate in one.rates:
                starts[rate.key].append(check.now)
                rates[rate.key] = rate
    if rates:
        until = {key: check.now + max(rate.within, rate.cool_down) for key, rate in rates.items()}
        kept = [(key, starts[key][-rate.heals :], until[key]) for key, rate in rates.items()]
        await connection.executemany(_STORE_STARTS, kept)


async def forget(pool: Pool) -> None:
    """Delete rows that no limit needs any more."""
    with translated():
        await pool.execute(_FORGET)


async def open_failures_by_workflow(pool: Pool, within: timedelta) -> Mapping[tuple[OrgId, str], int]:
    """Count the open failures of each organisation's workflows that were detected within a span."""
    with translated():
        rows = await pool.fetch(_COUNT_OPEN, within.total_seconds())
    return {(OrgId(row["org_id"]), row["workflow_name"]): row["failures"] for row in rows}
