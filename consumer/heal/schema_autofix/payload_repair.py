"""Repair of the payload, and its independent proof: by the schema, and by undoing every edit."""

import json
from typing import Final

from consumer.heal.digest import digest
from consumer.heal.schema_autofix.edit_approval import edits_to_approve, is_given
from consumer.heal.schema_autofix.producer_drift import drift_of
from consumer.heal.schema_autofix.session import RepairSession
from consumer.heal.session import proof
from consumer.model import Drift, Json, JsonObject, Outcome, Proof, Refused
from consumer.repair.patch import undone
from consumer.repair.values import Edit, Repair, RepairStatus
from schemas.json_value import same
from schemas.names import Code, Verdict
from schemas.value import value

_MAX_EDITS_SHOWN: Final = 100
"""Most edits that are listed one by one in the attempt's details."""
_PATCH_ERRORS: Final = (LookupError, ValueError, TypeError, RecursionError)
"""Exceptions raised by edits that do not fit their document."""


@value(frozen=True, slots=True, kw_only=True)
class RepairedPayload:
    """A payload that now conforms to its schema, with proofs that do not come from the repair engine itself."""

    document: Json
    proofs: tuple[Proof, ...]
    drift: tuple[Drift, ...]


async def repair_payload(session: RepairSession) -> RepairedPayload | Outcome:
    """Repair the payload, and verify the result independently: by the schema, and by undoing every edit."""
    limits = session.limits
    repair = await session.tools.workers.repair(
        session.payload, session.schema, most=limits.grade, guarded=limits.guarded, of=session.task.failure.org_id
    )
    if repair.status is RepairStatus.REFUSED:
        return _refusal_of(repair)
    if repair.status is RepairStatus.VALID and is_given(session):
        proven = await _schema_proof(session, session.payload)
        return RepairedPayload(document=session.payload, proofs=(proven,), drift=())
    if repair.status is RepairStatus.VALID:
        reason = "the payload follows its schema: nothing to repair, so its refusal has another cause"
        slips = "".join(f"; {note.path} looks like a slip for {note.meant!r}" for note in repair.notes[:3])
        return Refused(code=Code.REFUSED, reason=f"{reason}{slips}"[:500])
    schema_digest = digest(session.schema)
    session.repair = _describe_repair(repair.edits, schema_digest, limits.grade.value)
    proofs = (await _schema_proof(session, repair.document), _inverse_proof(session.payload, repair))
    if any(said.verdict is not Verdict.PASSED for said in proofs):
        return _unproven_refusal(proofs)
    if (asks := edits_to_approve(session, repair.edits)) is not None:
        return asks
    return RepairedPayload(
        document=repair.document,
        proofs=proofs,
        drift=drift_of(repair.edits, schema_digest=schema_digest, raise_at=limits.drift_after),
    )


def _refusal_of(repair: Repair) -> Refused:
    reason = repair.reason or "refused"
    return Refused(code=Code.REFUSED, reason=f"the payload cannot be repaired: {reason}"[:500])


async def _schema_proof(session: RepairSession, document: Json) -> Proof:
    found, detail = await session.tools.schemas.valid(session.schema, document, session.task.failure.org_id)
    match found:
        case "passed":
            return proof("schema", Verdict.PASSED, "the repaired payload follows its schema, formats included")
        case "failed":
            return proof("schema", Verdict.FAILED, detail)
        case "unusable":
            return proof("schema", Verdict.INCONCLUSIVE, detail)


def _inverse_proof(payload: Json, repair: Repair) -> Proof:
    try:
        before = undone(repair.document, repair.edits)
        is_undone = _is_same(before, payload) or (isinstance(payload, str) and _is_same(before, json.loads(payload)))
    except _PATCH_ERRORS as error:
        return proof("inverse", Verdict.FAILED, f"the edits cannot be undone: {type(error).__name__}")
    if not is_undone:
        return proof("inverse", Verdict.FAILED, "undoing the edits does not give the payload back")
    return proof("inverse", Verdict.PASSED, f"undoing {len(repair.edits)} edits gives the payload back")


def _is_same(left: Json, right: Json) -> bool:
    # Written alike they are the same, and writing is quick; otherwise the walk tells, which ends at the difference.
    return digest(left) == digest(right) or same(left, right)


def _unproven_refusal(proofs: tuple[Proof, ...]) -> Refused:
    said = next(one for one in proofs if one.verdict is not Verdict.PASSED)
    return Refused(code=Code.REFUSED, reason=f"the repair is not believed: {said.oracle}: {said.detail}")


def _describe_repair(edits: tuple[Edit, ...], schema_digest: str, most: str) -> JsonObject:
    patch: list[Json] = [
        {name: one for name, one in edit.as_json().items() if name != "old"} for edit in edits[:_MAX_EDITS_SHOWN]
    ]
    told: JsonObject = {"schema": f"sha256:{schema_digest}", "grade": most, "edits": len(edits), "patch": patch}
    return told
