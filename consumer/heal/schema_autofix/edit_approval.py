"""Approval of the exact edits of a payload: asked for once they are known, and before any effect. Pure."""

from collections.abc import Sequence

from consumer.heal.digest import digest
from consumer.heal.schema_autofix.producer_drift import pattern_of
from consumer.heal.schema_autofix.session import RepairSession
from consumer.model import Json, JsonObject, Refused
from consumer.repair.values import Edit
from schemas.names import Code, Grade


def is_given(session: RepairSession) -> bool:
    """Return whether a person gave the payload when they approved the plan: it is sent as it is."""
    approval = session.task.plan.approval
    return approval is not None and approval.changes is not None and "payload" in approval.changes


def edits_to_approve(session: RepairSession, edits: Sequence[Edit]) -> Refused | None:
    """Return the end of a heal whose edits need a person's yes; None where they need none, or have it."""
    rules, approval = session.policy.approval, session.task.plan.approval
    if rules is None:
        return None
    why = []
    if rules.lossy and any(edit.grade is not Grade.LOSSLESS for edit in edits):
        why.append("the repair leaves out or fills in values")
    if rules.money and any(_touches(edit, place) for edit in edits for place in session.limits.guarded):
        why.append("the repair touches a guarded field")
    if not why:
        return None
    patch: list[Json] = [edit.as_json() for edit in edits]
    clean, _ = session.tools.redact(patch)
    # The digest stands for what is hidden of the edits; it looks random itself.
    told: JsonObject = {"patch": clean, "document": digest([digest(session.payload), patch])}
    if approval is not None and approval.edits == digest(told):
        return None
    return Refused(code=Code.AWAITING_APPROVAL, reason="; ".join(why), edits=told)


def _touches(edit: Edit, place: str) -> bool:
    """Return whether an edit changes a place, something in it, or what it is in."""
    for pointer in (edit.path, edit.from_):
        if pointer is None:
            continue
        pattern = pattern_of(pointer)
        if pattern == place or pattern.startswith(f"{place}/") or place.startswith(f"{pattern}/"):
            return True
    return False
