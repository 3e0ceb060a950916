"""Further events of a failure of a run that stands already: linked to it by the run's key, with their evidence.

Two events that both name a call, a payload or an asset, and not the same, are two failures all the same: one step may
fail at several of them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consumer.model import Failure, FailureId, JsonObject
from consumer.store.pool import Connection
from consumer.store.rows import as_json

MOST_EVENTS: Final = 16
"""Further events of one failure whose evidence is kept; of any others nothing is."""
REASON_CHARACTERS: Final = 2000
DETAIL_CHARACTERS: Final = 500

_SAME_RUN = """
SELECT x.id AS event_id, f.id AS first,
       arrived.acts_on <> '{}' AND stored.acts_on <> '{}' AND arrived.acts_on <> stored.acts_on AS apart,
       EXISTS (SELECT FROM intake_same_run r WHERE r.failure_id = f.id AND r.event_id = x.id) AS known
  FROM unnest($1::uuid[], $2::bytea[], $3::text[]) AS x (id, run_key, acts_on)
  JOIN workflow_failures f ON f.run_key = x.run_key
 CROSS JOIN LATERAL (SELECT x.acts_on::jsonb AS acts_on) AS arrived
 CROSS JOIN LATERAL (SELECT jsonb_strip_nulls(jsonb_build_object('request', f.context -> 'request',
   'payload', f.context -> 'payload', 'asset', f.context -> 'asset')) AS acts_on) AS stored
 WHERE NOT EXISTS (SELECT FROM workflow_failures o WHERE o.id = x.id)
"""

# Nobody else's lock on the failure is waited for: evidence is then left out.
_KEEP = """
WITH e AS (
  SELECT x.*, row_number() OVER (PARTITION BY x.failure_id ORDER BY x.event_id) AS place
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::text[])
      AS x (failure_id, event_id, source, detected_at, failure_reason, error)
), free AS MATERIALIZED (
  SELECT f.id FROM workflow_failures f WHERE f.id IN (SELECT failure_id FROM e)
   ORDER BY f.id FOR KEY SHARE SKIP LOCKED
)
INSERT INTO intake_same_run (failure_id, event_id, source, detected_at, failure_reason, error)
SELECT e.failure_id, e.event_id, e.source, e.detected_at, e.failure_reason, e.error::jsonb
  FROM e JOIN free ON free.id = e.failure_id
 WHERE (SELECT count(*) FROM intake_same_run r WHERE r.failure_id = e.failure_id) + e.place <= $7
 ORDER BY e.failure_id, e.event_id
ON CONFLICT DO NOTHING
"""

_FURTHER_EVENTS = """
SELECT r.source, to_json(r.detected_at) #>> '{}' AS detected_at, r.failure_reason, r.error
  FROM intake_same_run r WHERE r.failure_id = $1 ORDER BY r.arrived_at, r.event_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SameRun:
    """Events of a batch whose run key stands already."""

    linked: Mapping[FailureId, FailureId]
    """Events of a failure that is there, with that failure's id."""
    apart: frozenset[FailureId]
    """Events that act on something of their own: failures of their own, without a key."""
    known: frozenset[FailureId]
    """Linked events that were linked before: a second delivery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherEvent:
    """What another event told of a failure that stood already."""

    source: str | None
    detected_at: str
    failure_reason: str
    error: str | None
    """JSON."""


async def further_events(connection: Connection, failure_id: FailureId) -> list[FurtherEvent]:
    """Return what further events told of a failure, in the order in which they came."""
    return [FurtherEvent(**dict(row)) for row in await connection.fetch(_FURTHER_EVENTS, failure_id)]


async def link_same_run(
    connection: Connection, arrived: Sequence[Failure], elsewhere: Collection[FailureId]
) -> SameRun:
    """Tell the events whose run key another failure has, and keep the evidence of those that are of that failure.

    `arrived` were not inserted; those `elsewhere` are not taken in here.
    """
    keyed = [
        (f.id, f.run_key, as_json(_acts_on(f.context)))
        for f in arrived
        if f.run_key is not None and f.id not in elsewhere
    ]
    rows = await connection.fetch(_SAME_RUN, *zip(*keyed, strict=True)) if keyed else []
    linked = {FailureId(row["event_id"]): FailureId(row["first"]) for row in rows if not row["apart"]}
    known = frozenset(FailureId(row["event_id"]) for row in rows if row["known"] and not row["apart"])
    told = [(linked[f.id], *_evidence(f)) for f in arrived if f.id in linked and f.id not in known]
    if told:
        await connection.execute(_KEEP, *zip(*told, strict=True), MOST_EVENTS)
    return SameRun(
        linked=linked, apart=frozenset(FailureId(row["event_id"]) for row in rows if row["apart"]), known=known
    )


def _acts_on(context: JsonObject) -> JsonObject:
    return {name: context[name] for name in ("request", "payload", "asset") if context.get(name) is not None}


def _evidence(failure: Failure) -> tuple[object, ...]:
    said = failure.context.get("error")
    error = {
        name: value[:DETAIL_CHARACTERS] if isinstance(value, str) else value
        for name, value in (said.items() if isinstance(said, dict) else ())
        if name in ("code", "type", "message", "http_status", "provider") and isinstance(value, str | int)
    }
    reason = failure.failure_reason[:REASON_CHARACTERS]
    return failure.id, failure.source, failure.detected_at, reason, as_json(error) if error else None
