"""Patches that were learnt, and the rules that people made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from pydantic_core import from_json

from consumer.model import Failure, OrgId
from consumer.model.rewrite_rule import LearntPatch, RewriteRule
from consumer.store.pool import Connection, Pool, translated
from consumer.store.rows import FAILURE_COLUMNS, as_json, read_failure

# Of a failure the last patch counts that a person approved; one that came again within its watch has verified nothing.
_LEARNT = """
WITH last AS (
  SELECT DISTINCT ON (r.failure_id) r.failure_id, r.org_id, r.workflow_name, r.fingerprint, r.patch, r.hypothesis,
         r.risk, r.approved_at
    FROM heal_rewrite r
   WHERE r.approved_at IS NOT NULL AND ($1::uuid IS NULL OR r.org_id = $1)
   ORDER BY r.failure_id, r.approved_at DESC
)
SELECT l.org_id, l.workflow_name, l.fingerprint, l.patch, count(*) AS verified,
       (array_agg(l.hypothesis ORDER BY l.approved_at DESC))[1] AS hypothesis,
       (array_agg(l.risk ORDER BY l.approved_at DESC))[1] AS risk
  FROM last l JOIN workflow_failures f ON f.id = l.failure_id
 WHERE f.status = 'resolved' AND NOT EXISTS (SELECT FROM heal_relapse x WHERE x.of_failure = l.failure_id)
 GROUP BY l.org_id, l.workflow_name, l.fingerprint, l.patch
HAVING count(*) >= $2
 ORDER BY count(*) DESC, l.fingerprint LIMIT $3
"""

_COLUMNS: Final = """r.id, r.org_id, r.workflow_name, r.fingerprint, r.patch, r.hypothesis, r.risk, r.verified,
       r.accepted_by, r.accepted_at, r.reason, r.revoked_by, r.revoked_at, r.revoked_why"""

_RULES = f"""
SELECT {_COLUMNS} FROM heal_rewrite_rule r WHERE ($1::uuid IS NULL OR r.org_id = $1)
 ORDER BY r.accepted_at DESC, r.id LIMIT $2
"""  # noqa: S608 - a constant list of columns

_RULE = f"SELECT {_COLUMNS} FROM heal_rewrite_rule r WHERE r.id = $1"  # noqa: S608 - as above

_IN_FORCE = f"""
SELECT {_COLUMNS} FROM heal_rewrite_rule r
 WHERE r.org_id = $1 AND r.fingerprint = $2 AND r.workflow_name = $3 AND r.revoked_at IS NULL
 ORDER BY r.accepted_at DESC, r.id LIMIT 1
"""  # noqa: S608 - as above

_ACCEPT = """
INSERT INTO heal_rewrite_rule AS r (id, org_id, workflow_name, fingerprint, patch, hypothesis, risk, verified,
                                    accepted_by, reason)
VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO UPDATE
   SET verified = excluded.verified, accepted_by = excluded.accepted_by, accepted_at = clock_timestamp(),
       reason = excluded.reason, revoked_by = NULL, revoked_at = NULL, revoked_why = NULL
 WHERE r.revoked_at IS NOT NULL
"""

_REVOKE = """
UPDATE heal_rewrite_rule SET revoked_by = $2, revoked_why = $3, revoked_at = clock_timestamp()
 WHERE id = $1 AND revoked_at IS NULL
"""

_FAILURES = f"""
SELECT {FAILURE_COLUMNS} FROM workflow_failures f
 WHERE f.org_id = $1 AND f.workflow_name = $2 AND f.size BETWEEN 1 AND $4
 ORDER BY f.detected_at DESC, f.id DESC LIMIT $3
"""  # noqa: S608 - a constant list of columns
_FAILURE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredRules:
    """The rules in force, as a heal asks for them."""

    pool: Pool

    async def in_force(self, org_id: OrgId, fingerprint: str, workflow_name: str) -> RewriteRule | None:
        """Return the rule for a fingerprint of a workflow; of several the newest."""
        with translated():
            row = await self.pool.fetchrow(_IN_FORCE, org_id, fingerprint, workflow_name)
        return None if row is None else _rule(row)


async def learnt_patches(
    connection: Connection, *, org_id: OrgId | None, verified: int, limit: int
) -> list[LearntPatch]:
    """Return the patches that have mended so many failures of one fingerprint, most first."""
    return [_learnt(row) for row in await connection.fetch(_LEARNT, org_id, verified, limit)]


async def rules(connection: Connection, *, org_id: OrgId | None, limit: int) -> list[RewriteRule]:
    """Return the rules, the newest first, revoked ones too."""
    return [_rule(row) for row in await connection.fetch(_RULES, org_id, limit)]


async def rule(connection: Connection, rule_id: UUID) -> RewriteRule | None:
    """Return one rule."""
    row = await connection.fetchrow(_RULE, rule_id)
    return None if row is None else _rule(row)


async def accept(connection: Connection, learnt: LearntPatch, *, by: str, reason: str) -> bool:
    """Make a learnt patch a rule; False where it is one already."""
    done = await connection.execute(
        _ACCEPT,
        learnt.id,
        learnt.org_id,
        learnt.workflow_name,
        learnt.fingerprint,
        as_json([*learnt.patch]),
        learnt.hypothesis,
        learnt.risk,
        learnt.verified,
        by,
        reason,
    )
    return done.endswith(" 1")


async def revoke(connection: Connection, rule_id: UUID, *, by: str, reason: str) -> bool:
    """Revoke a rule; False where there is none in force of that id."""
    return (await connection.execute(_REVOKE, rule_id, by, reason)).endswith(" 1")


async def failures_of(connection: Connection, learnt: LearntPatch, limit: int) -> Sequence[Failure]:
    """Return the newest stored failures of a learnt patch's workflow."""
    found = await connection.fetch(_FAILURES, learnt.org_id, learnt.workflow_name, limit, _FAILURE_BYTES)
    return [read_failure(dict(row)) for row in found]


def _learnt(row: Any) -> LearntPatch:  # noqa: ANN401 - a record
    return LearntPatch(
        org_id=OrgId(row["org_id"]),
        workflow_name=row["workflow_name"],
        fingerprint=row["fingerprint"],
        patch=tuple(from_json(row["patch"])),
        hypothesis=row["hypothesis"],
        risk=row["risk"],
        verified=row["verified"],
    )


def _rule(row: Any) -> RewriteRule:  # noqa: ANN401 - a record
    return RewriteRule(
        id=row["id"],
        learnt=_learnt(row),
        accepted_by=row["accepted_by"],
        accepted_at=row["accepted_at"],
        reason=row["reason"],
        revoked_by=row["revoked_by"],
        revoked_at=row["revoked_at"],
        revoked_why=row["revoked_why"],
    )
