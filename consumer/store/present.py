"""Existence checks for organisations and failures: for a command that asks before it sends, and changes nothing."""

from collections.abc import Collection
from dataclasses import dataclass

from consumer.model import FailureId, OrgId
from consumer.store.pool import Pool, translated
from schemas.names import Status

_ORGANISATIONS = "SELECT id FROM organizations WHERE id = ANY($1::uuid[])"

_FAILURES = "SELECT id, status, digest FROM workflow_failures WHERE id = ANY($1::uuid[])"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFailure:
    """A failure that is stored."""

    status: Status
    digest: bytes | None
    """Digest of the event that it was accepted from; None where a member inserted it."""


async def organisations_there(pool: Pool, org_ids: Collection[OrgId]) -> frozenset[OrgId]:
    """Return the organisations that exist now."""
    with translated():
        rows = await pool.fetch(_ORGANISATIONS, sorted(org_ids))
    return frozenset(OrgId(row["id"]) for row in rows)


async def failures_there(pool: Pool, failure_ids: Collection[FailureId]) -> dict[FailureId, StoredFailure]:
    """Return the failures that are stored, with the status of each."""
    with translated():
        rows = await pool.fetch(_FAILURES, sorted(failure_ids))
    return {FailureId(row["id"]): StoredFailure(status=Status(row["status"]), digest=row["digest"]) for row in rows}
