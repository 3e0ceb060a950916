"""The registry of workflow definitions (`deep_agent_workflows`): read, and replaced by compare-and-set.

Each version is a row, and of the rows of one name the newest is in force: none is written over. Those who replace one
here do it one after the other, by an advisory lock; the check and the new row are one statement.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic_core import from_json

from consumer.model import OrgId
from consumer.store.pool import Pool, transaction, translated
from consumer.store.rows import READABLE_BYTES, as_json
from schemas.value import value

_NEWEST: Final = """
SELECT w.id, w.config, w.created_at, to_hex(jsonb_hash_extended(w.config, 0)) AS mark
  FROM deep_agent_workflows w WHERE w.org_id = $1 AND w.workflow_name = $2 ORDER BY w.created_at DESC, w.id LIMIT 1"""

_READ = f"""
SELECT n.id, n.mark, CASE WHEN shw_json_bytes(n.config, $3) <= $3 THEN n.config ELSE '"too large"' END AS config
  FROM ({_NEWEST}) AS n
"""  # noqa: S608 - a constant

_LOCK_NAME = "SELECT pg_advisory_xact_lock(hashtextextended('deep_agent_workflows:' || $1, 0))"

_REPLACE = f"""
INSERT INTO deep_agent_workflows (id, org_id, workflow_name, config, created_at)
SELECT $3, $1, $2, $4::jsonb, greatest(clock_timestamp(), n.created_at + interval '1 microsecond')
  FROM ({_NEWEST}) AS n WHERE n.id::text || ':' || n.mark = $5
ON CONFLICT (id) DO NOTHING
"""  # noqa: S608 - constants


@value(frozen=True, slots=True, kw_only=True)
class RegistryEntry:
    """The version of a workflow that is in force."""

    config: object
    """A text where it cannot be read."""
    version: str
    """Of this row as it stands: somebody else may have written it over."""


@dataclass(frozen=True, slots=True)
class StoredRegistry:
    """The registry in the database."""

    pool: Pool

    async def entry(self, org_id: OrgId, workflow_name: str) -> RegistryEntry | None:
        """Return the version that is in force; None where the registry has none of this workflow."""
        with translated():
            row = await self.pool.fetchrow(_READ, org_id, workflow_name, READABLE_BYTES)
        return None if row is None else _entry(row)

    async def put(
        self, org_id: OrgId, workflow_name: str, config: object, *, replaces: str, row_id: UUID
    ) -> RegistryEntry | None:
        """Add a version after the one that it replaces; returns what is in force then: another row, if that was.

        The same `row_id` adds it once.
        """
        async with transaction(self.pool) as connection:
            await connection.execute(_LOCK_NAME, f"{org_id}:{workflow_name}")
            await connection.execute(_REPLACE, org_id, workflow_name, row_id, as_json(config), replaces)
            row = await connection.fetchrow(_READ, org_id, workflow_name, READABLE_BYTES)
        return None if row is None else _entry(row)


def _entry(row: Any) -> RegistryEntry:  # noqa: ANN401 - a record
    config: object = "nested too deep"
    with suppress(ValueError):
        config = from_json(row["config"])
    return RegistryEntry(config=config, version=f"{row['id']}:{row['mark']}")
