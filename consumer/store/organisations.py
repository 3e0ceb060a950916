"""Deletion of an organisation beside a running service: in batches, in the lock order, and the organisation last.

The statements need rights that the service's role does not have, and are no statements of the service: they stand in
mappings, by what they remove.
"""

from collections.abc import Mapping
from typing import Final

from consumer.model import OrgId
from consumer.store.pool import Connection, Pool, transaction, translated

BATCH: Final = 500
"""Failures of one transaction: what settles meanwhile waits for none of them."""

_EXISTS = "SELECT id FROM organizations WHERE id = $1"

_WITH_ALL_OF_THEM: Final = """claims AS (
  DELETE FROM heal_claim c USING chosen WHERE c.failure_id = chosen.id
), changes AS (
  DELETE FROM heal_status_change s USING chosen WHERE s.failure_id = chosen.id
), decisions AS (
  DELETE FROM heal_decision d USING chosen WHERE d.failure_id = chosen.id
)
DELETE FROM workflow_failures f USING chosen WHERE f.id = chosen.id RETURNING f.id
"""
LEFT: Final[Mapping[str, str]] = {
    "a few at a time": f"""
WITH chosen AS MATERIALIZED (
  SELECT f.id FROM workflow_failures f WHERE f.org_id = $1 ORDER BY f.id LIMIT $2 FOR UPDATE SKIP LOCKED
), {_WITH_ALL_OF_THEM}""",  # noqa: S608 - a constant
    "the rest": f"""
WITH chosen AS MATERIALIZED (
  SELECT f.id FROM workflow_failures f WHERE f.org_id = $1 ORDER BY f.id LIMIT $2 FOR UPDATE
), {_WITH_ALL_OF_THEM}""",  # noqa: S608 - a constant
    "organisation": "SELECT FROM organizations WHERE id = $1 FOR UPDATE",
    "heal_claim": "DELETE FROM heal_claim WHERE org_id = $1",
    "heal_breaker": "DELETE FROM heal_breaker WHERE org_id = $1",
    "heal_rate": "DELETE FROM heal_rate WHERE org_id = $1",
    "producer_drift": "DELETE FROM producer_drift WHERE org_id = $1",
    "heal_owed": "DELETE FROM heal_owed WHERE org_id = $1",
    "heal_debt": "DELETE FROM heal_debt WHERE org_id = $1",
    "heal_late_charge": "DELETE FROM heal_late_charge WHERE org_id = $1",
    "heal_wallet_note": "DELETE FROM heal_wallet_note WHERE org_id = $1",
    "heal_success": "DELETE FROM heal_success WHERE org_id = $1",
    "heal_relapse": "DELETE FROM heal_relapse WHERE org_id = $1",
    "heal_shadow": "DELETE FROM heal_shadow WHERE org_id = $1",
    "heal_rewrite": "DELETE FROM heal_rewrite WHERE org_id = $1",
    "heal_definition_watch": "DELETE FROM heal_definition_watch WHERE org_id = $1",
    "heal_rewrite_rule": "DELETE FROM heal_rewrite_rule WHERE org_id = $1",
    "heal_live_run": "DELETE FROM heal_live_run WHERE org_id = $1",
    "heal_beat_gap": "DELETE FROM heal_beat_gap WHERE org_id = $1",
    "heal_watch_cursor": "DELETE FROM heal_watch_cursor WHERE org_id = $1",
    "heal_watch_seen": "DELETE FROM heal_watch_seen WHERE org_id = $1",
    "heal_watch_suspect": "DELETE FROM heal_watch_suspect WHERE org_id = $1",
    "heal_agent_call": "DELETE FROM heal_agent_call WHERE org_id = $1",
    "heal_agent_diagnosis": "DELETE FROM heal_agent_diagnosis WHERE org_id = $1",
    "heal_made_asset": "DELETE FROM heal_made_asset WHERE org_id = $1",
    "heal_billing_event": "DELETE FROM heal_billing_event WHERE org_id = $1",
    "heal_incident": "DELETE FROM heal_incident WHERE org_id = $1",
    "heal_idempotency_key": "DELETE FROM heal_idempotency_key WHERE org_id = $1",
    "heal_pause": "DELETE FROM heal_pause WHERE org_id = $1",
    "heal_binding": "DELETE FROM heal_binding WHERE org_id = $1",
    "heal_budget_level": "DELETE FROM heal_budget_level WHERE org_id = $1",
    "intake_voice": "DELETE FROM intake_voice WHERE org_id = $1",
    "organizations": "DELETE FROM organizations WHERE id = $1",
}
"""What is deleted, in the lock order. With the organisation go its wallet, ledger, lockouts and members (cascades)."""
_AFTER_FAILURES: Final = tuple(LEFT)[3:]

_MAY: Final[Mapping[str, str]] = {
    "delete": """
SELECT t FROM unnest($1::text[]) AS t WHERE NOT has_table_privilege(t, 'DELETE')"""
}
_TABLES: Final = ("workflow_failures", "heal_status_change", "heal_decision", *_AFTER_FAILURES)

_HOLDS: Final[Mapping[str, str]] = {
    "workflow_failures": "SELECT count(*) FROM workflow_failures WHERE org_id = $1",
    "of them open": "SELECT count(*) FROM workflow_failures WHERE org_id = $1 AND due_at IS NOT NULL",
    "heal_claim": "SELECT count(*) FROM heal_claim WHERE org_id = $1",
}


async def holdings(pool: Pool, org_id: OrgId) -> Mapping[str, int] | None:
    """Count what a deletion would remove; None where there is no such organisation."""
    with translated():
        if await pool.fetchval(_EXISTS, org_id) is None:
            return None
        return {what: int(await pool.fetchval(statement, org_id)) for what, statement in _HOLDS.items()}


async def tables_not_allowed(pool: Pool) -> list[str]:
    """Return the tables from which this session's role may not delete."""
    with translated():
        return [row["t"] for row in await pool.fetch(_MAY["delete"], _TABLES)]


async def delete_some_failures(pool: Pool, org_id: OrgId) -> int:
    """Delete a batch of the organisation's failures that nobody holds now; returns how many."""
    async with transaction(pool) as connection:
        return len(await connection.fetch(LEFT["a few at a time"], org_id, BATCH))


async def delete_organisation(pool: Pool, org_id: OrgId) -> Mapping[str, int]:
    """Delete what is left of an organisation, and itself, in one transaction; returns the rows by table.

    With its row locked nothing new of it comes in: its records are set aside, and become dead letters afterwards.
    """
    async with transaction(pool) as connection:
        await connection.execute(LEFT["organisation"], org_id)
        removed = {"workflow_failures": await _delete_rest(connection, org_id)}
        for table in _AFTER_FAILURES:
            removed[table] = int((await connection.execute(LEFT[table], org_id)).rpartition(" ")[2])
    return removed


async def _delete_rest(connection: Connection, org_id: OrgId) -> int:
    removed = 0
    while gone := len(await connection.fetch(LEFT["the rest"], org_id, BATCH)):
        removed += gone
    return removed
