"""Privileges of the service's role: what the statements of this room need, and no more.

`deploy/grants.sql` is this list as SQL; the start checks each, and a test runs every statement with exactly these.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from consumer.store.pool import Pool, translated

_ALL: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
PRIVILEGES: Final[Mapping[str, tuple[str, ...]]] = {
    "shw_migrations": ("SELECT",),
    "workflow_failures": ("SELECT", "INSERT", "UPDATE"),
    "workflow_heal_attempts": ("SELECT", "INSERT"),
    "intake_member_limit": ("SELECT",),
    "heal_owner": _ALL,
    "heal_claim": _ALL,
    "heal_outbox": _ALL,
    "heal_status_change": _ALL,
    "heal_decision": ("SELECT", "INSERT", "UPDATE"),
    "heal_request": ("SELECT", "INSERT", "UPDATE"),
    "heal_breaker": _ALL,
    "heal_rate": _ALL,
    "intake_voice": _ALL,
    "intake_pulse": _ALL,
    "intake_limit": ("SELECT", "UPDATE"),
    "producer_drift": _ALL,
    "organizations": ("SELECT", "UPDATE"),
    "token_wallets": ("SELECT", "UPDATE"),
    "token_usage_events": ("SELECT", "INSERT", "UPDATE (attempt_id)"),
    "usage_lockouts": ("SELECT", "INSERT"),
    "usage_warnings": ("SELECT", "INSERT", "UPDATE (acknowledged_at)"),
    "heal_deployment": ("SELECT", "INSERT", "UPDATE"),
    "heal_owed": ("SELECT", "INSERT", "DELETE"),
    "heal_debt": _ALL,
    "heal_wallet_note": ("SELECT", "INSERT", "DELETE"),
    "heal_budget_level": _ALL,
    "intake_aside": ("SELECT", "INSERT", "DELETE"),
    "heal_command": _ALL,
    "heal_pause": ("SELECT", "INSERT", "UPDATE"),
    "heal_shadow": ("SELECT", "INSERT", "UPDATE"),
    "heal_success": _ALL,
    "heal_relapse": ("SELECT", "INSERT"),
    "heal_bulk": _ALL,
    "heal_bulk_item": ("SELECT", "INSERT", "UPDATE"),
    "heal_approval": ("SELECT", "INSERT", "UPDATE"),
    "heal_approval_answer": ("SELECT", "INSERT", "UPDATE"),
    "heal_answer_note": _ALL,
    "heal_turn": ("SELECT", "UPDATE"),
    "heal_binding": ("SELECT", "INSERT", "UPDATE"),
    "heal_made_asset": _ALL,
    "heal_late_charge": ("SELECT", "INSERT", "DELETE"),
    "heal_agent_budget": _ALL,
    "heal_agent_call": _ALL,
    "heal_rewrite": ("SELECT", "INSERT", "UPDATE"),
    "heal_definition_watch": ("SELECT", "INSERT", "UPDATE"),
    "heal_rewrite_rule": ("SELECT", "INSERT", "UPDATE"),
    "heal_runner_watch": ("SELECT", "INSERT", "UPDATE"),
    "heal_watch_cursor": ("SELECT", "INSERT", "UPDATE"),
    "heal_watch_seen": ("SELECT", "INSERT", "DELETE"),
    "heal_watch_suspect": _ALL,
    "deep_agent_workflows": ("SELECT", "INSERT"),
    "heal_billing_event": _ALL,
    "intake_same_run": ("SELECT", "INSERT"),
    "intake_run_parent": ("SELECT", "INSERT"),
    "heal_live_run": _ALL,
    "heal_beat_gap": _ALL,
    "heal_beat_partition": _ALL,
    "heal_agent_diagnosis": ("SELECT", "INSERT", "UPDATE"),
    "heal_incident": ("SELECT", "INSERT", "UPDATE"),
    "heal_incident_act": ("SELECT", "INSERT"),
    "heal_idempotency_key": _ALL,
    "FUNCTION shw_history()": ("EXECUTE",),
    "FUNCTION shw_json_bytes(jsonb,bigint)": ("EXECUTE",),
}
"""By table, in the order of the migrations, then functions. UPDATE on `organizations` and `heal_turn` is for locks."""

_MISSING = """
SELECT format('GRANT %s%s ON %s TO %I;', p.privilege, coalesce(' (' || p.of || ')', ''), p.name, current_user) AS lacks
  FROM unnest($1::text[], $2::text[], $3::text[]) AS p (name, privilege, of)
 WHERE NOT CASE WHEN p.privilege = 'EXECUTE' THEN has_function_privilege(split_part(p.name, ' ', 2), 'EXECUTE')
                WHEN p.of IS NULL THEN has_table_privilege(p.name, p.privilege)
                ELSE has_column_privilege(p.name, p.of, p.privilege) END
UNION ALL
SELECT format('GRANT authenticated TO %I;', current_user) WHERE NOT pg_has_role('authenticated', 'MEMBER')
"""


def grants_sql(role: str = "shw_service") -> str:
    """Render the privileges as statements."""
    lines = [f"GRANT authenticated TO {role};", f"GRANT USAGE ON SCHEMA public TO {role};"]
    lines += [f"GRANT {', '.join(privileges)} ON {table} TO {role};" for table, privileges in PRIVILEGES.items()]
    return "\n".join(lines) + "\n"


async def missing_grants(pool: Pool) -> list[str]:
    """Return the statements that would give this session's role what it lacks."""
    columns = zip(*_each(), strict=True)
    with translated():
        rows = await pool.fetch(_MISSING, *map(list, columns))
    return [row["lacks"] for row in rows]


def _each() -> Iterator[tuple[str, str, str | None]]:
    for table, privileges in PRIVILEGES.items():
        for privilege in privileges:
            verb, _, column = privilege.partition(" ")
            yield table, verb, column.strip("()") or None
