"""`shw drift`: producers whose payloads keep violating their schema, and how each should send them instead."""

import asyncio
from dataclasses import asdict
from typing import Final
from uuid import UUID

from consumer.cli.database import open_database
from consumer.cli.exits import ExitCode, say
from consumer.cli.tables import print_json, print_rows
from consumer.model import JsonObject, OrgId
from consumer.redact import redact_json
from consumer.store.drift import Finding, findings, forget
from consumer.store.pool import transaction
from schemas.json_text import to_json

_COLUMNS: Final = ("id", "source", "workflow_name", "repairs", "last_at", "fix", "patch")


def print_drift(*, org_id: UUID | None, counting: bool, limit: int, as_json: bool) -> None:
    """Print findings, the latest seen first; with `counting` also candidates below the threshold."""
    found = asyncio.run(_findings(OrgId(org_id) if org_id else None, counting=counting, limit=limit))
    shown = [_to_json(one) for one in found]
    if as_json:
        for one in shown:
            print_json(one)
        return
    print_rows(_COLUMNS, ([to_json(one[n]).decode() if n == "patch" else one[n] for n in _COLUMNS] for one in shown))
    if not found:
        say("No producer drifts: nothing had to be repaired often enough in one way.")


def count_anew(finding: UUID) -> ExitCode:
    """Delete a finding whose producer is mended; equal repairs from now on raise it again."""
    if asyncio.run(_forget(finding)):
        say(f"{finding} is forgotten: it comes again if its producer goes on as before.")
        return ExitCode.OK
    say(f"No finding {finding} in this database: `shw drift` lists what there is.")
    return ExitCode.NO


async def _findings(org_id: OrgId | None, *, counting: bool, limit: int) -> list[Finding]:
    async with open_database() as pool, transaction(pool) as connection:
        return await findings(connection, org_id, counting=counting, limit=limit)


async def _forget(finding: UUID) -> bool:
    async with open_database() as pool, transaction(pool) as connection:
        return await forget(connection, finding)


def _to_json(one: Finding) -> JsonObject:
    named: JsonObject = asdict(one) | {name: str(getattr(one, name)) for name in ("id", "org_id", "example_failure")}
    clean, _ = redact_json(named)  # keys of payloads are untrusted text
    return clean if isinstance(clean, dict) else {}
