"""Rewrites that were proposed, approved and verified."""

from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from consumer.model import AttemptId, FailureId, OrgId
from consumer.model.rewrite import Rewrite
from consumer.store.pool import Pool, translated
from consumer.store.rows import as_json

PAST_SHOWN: Final = 5
"""Past rewrites of a fingerprint that the agent is shown."""

_COLUMNS: Final = """r.attempt_id, r.failure_id, r.org_id, r.workflow_name, r.fingerprint, r.base_digest, r.digest,
       r.told_digest, r.patch, r.hypothesis, r.risk, r.objections, r.prompts, r.good_runs, r.canary"""

_REMEMBER = """
INSERT INTO heal_rewrite (attempt_id, failure_id, org_id, workflow_name, fingerprint, base_digest, digest, told_digest,
                          patch, hypothesis, risk, objections, prompts, good_runs, canary)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10, $11, $12, $13, $14, $15)
ON CONFLICT (attempt_id) DO NOTHING
"""

_PROPOSED = f"""
SELECT {_COLUMNS} FROM heal_rewrite r WHERE r.failure_id = $1 AND r.told_digest = $2
 ORDER BY r.proposed_at DESC LIMIT 1
"""  # noqa: S608 - a constant list of columns

_OF_ATTEMPT = f"SELECT {_COLUMNS} FROM heal_rewrite r WHERE r.attempt_id = $1"  # noqa: S608 - as above

_APPROVED = "UPDATE heal_rewrite SET approved_at = coalesce(approved_at, clock_timestamp()) WHERE attempt_id = $1"

# Verified: its canary has succeeded and nothing came back, or a person put it in place and resolved the failure by it.
_PAST = f"""
SELECT {_COLUMNS} FROM heal_rewrite r WHERE r.org_id = $1 AND r.fingerprint = $2 AND r.approved_at IS NOT NULL
   AND (EXISTS (SELECT FROM heal_definition_watch w
                 WHERE w.rewrite_id = r.attempt_id AND w.state IN ('watching', 'kept'))
     OR (EXISTS (SELECT FROM workflow_failures f WHERE f.id = r.failure_id AND f.resolved)
         AND NOT EXISTS (SELECT FROM heal_definition_watch w WHERE w.rewrite_id = r.attempt_id)))
 ORDER BY r.proposed_at DESC LIMIT $3
"""  # noqa: S608 - a constant list of columns


@dataclass(frozen=True, slots=True)
class StoredRewrites:
    """Rewrites in the database."""

    pool: Pool

    async def remember(self, one: Rewrite) -> None:
        """Keep a proposed patch; a second time changes nothing."""
        with translated():
            await self.pool.execute(
                _REMEMBER,
                one.attempt_id,
                one.failure_id,
                one.org_id,
                one.workflow_name,
                one.fingerprint,
                one.base_digest,
                one.digest,
                one.told_digest,
                as_json(list(one.patch)),
                one.hypothesis,
                one.risk,
                one.objections,
                one.prompts,
                one.good_runs,
                one.canary,
            )

    async def proposed(self, failure_id: FailureId, told_digest: str) -> Rewrite | None:
        """Return the patch of a failure that a person was asked for under this digest."""
        with translated():
            row = await self.pool.fetchrow(_PROPOSED, failure_id, told_digest)
        return None if row is None else _rewrite(row)

    async def of_attempt(self, attempt_id: AttemptId) -> Rewrite | None:
        """Return the patch that an attempt has proposed."""
        with translated():
            row = await self.pool.fetchrow(_OF_ATTEMPT, attempt_id)
        return None if row is None else _rewrite(row)

    async def approve(self, attempt_id: AttemptId) -> None:
        """Mark a patch as approved by a person."""
        with translated():
            await self.pool.execute(_APPROVED, attempt_id)

    async def past(self, org_id: OrgId, fingerprint: str) -> tuple[Rewrite, ...]:
        """Return the latest patches of a fingerprint in an organisation that were approved, and verified since."""
        with translated():
            rows = await self.pool.fetch(_PAST, org_id, fingerprint, PAST_SHOWN)
        return tuple(map(_rewrite, rows))


def _rewrite(row: Any) -> Rewrite:  # noqa: ANN401 - a record
    return Rewrite(**{**row, "patch": tuple(from_json(row["patch"]))})
