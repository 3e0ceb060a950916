"""Bindings of dependencies over HTTP: an owner or admin sees where the calls of their organisations go, and why."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends

from consumer.api.healing import HealingEndpoints, signed_in
from consumer.api.shown import ApiReply
from consumer.api.tokens import User
from consumer.model import Json
from consumer.model.binding import Binding
from consumer.redact import redact_json, redact_text
from consumer.store import reports
from consumer.store.bindings import list_bindings
from schemas.dependency_binding import BindingState

LISTED: Final = 200


def add_bindings(router: APIRouter, healing: HealingEndpoints) -> None:
    """Add the endpoint of bindings."""

    @router.get("/bindings")
    async def bindings(user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """List the bindings of the organisations that the user administers, the last changed first."""
        async with healing.as_user(user) as connection:
            own = await reports.own_organisations(connection, None)
            await reports.become_service(connection)
            found = await list_bindings(connection, within=sorted(own), limit=LISTED) if own else []
        return ApiReply({"bindings": [shown_binding(one) for one in found]})


def shown_binding(binding: Binding) -> dict[str, object]:
    """Render a binding."""
    evidence: Json = [dict(one) for one in binding.evidence]
    return {
        "orgId": str(binding.org_id),
        "dependency": binding.dependency,
        "version": binding.version,
        "state": binding.state,
        "candidate": binding.candidate,
        "changedAt": binding.changed_at.isoformat(),
        "leaseUntil": None if binding.state is BindingState.FIRST else binding.lease_until.isoformat(),
        "ejections": binding.ejections,
        "reason": redact_text(binding.reason),
        "evidence": redact_json(evidence)[0],
    }
