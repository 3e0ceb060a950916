"""Edits and bulks over HTTP: an owner or admin gives a failed step another input, or acts on many failures at once."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Self, TypeAlias
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, model_validator
from pydantic.alias_generators import to_camel

from consumer.api.errors import ApiError
from consumer.api.healing import HealingEndpoints, signed_in
from consumer.api.shown import ApiReply
from consumer.api.tokens import User
from consumer.model import FailureId, JsonObject, OrgId, in_aud
from consumer.model.bulk import BulkStatus
from consumer.model.command import Executed
from consumer.store import reports
from consumer.store.bulk import bulk_state, bulks
from consumer.store.pool import Connection
from schemas.bulk import Bulk, BulkFilter, BulkStart, BulkStop, check_span
from schemas.edit import Edit
from schemas.names import BulkAction, Code, CommandOutcome, FailureType, Status
from schemas.reason import PlaceName, Reason
from schemas.supervision import AnyCommand

log = structlog.get_logger(__name__)

Obey: TypeAlias = Callable[[Connection, AnyCommand], Awaitable[Executed]]
"""Carries out a command of a user in the transaction, records it, and has it answered to the subscribers."""


InputSchema: TypeAlias = Callable[[str, JsonObject], Any]
"""Returns the JSON Schema that the payload of a workflow's failure has to fit, by its name and context; None: any."""
Misfit: TypeAlias = Callable[[Any, Any, OrgId], Awaitable[str | None]]
"""Says where a payload of an organisation does not fit a schema, and by which word of it; None: it fits."""


class _CamelCase(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class EditBody(_CamelCase):
    """Another input for a failed step, and why: a payload, or the body of its request."""

    payload: Any = None
    body: Any = None
    did_not_happen: StrictBool = False
    reason: Reason

    @model_validator(mode="after")
    def _gives_one_input(self) -> Self:
        if len(self.model_fields_set & {"payload", "body"}) != 1:
            raise ValueError("give payload or body, and not both")
        return self


class FilterBody(_CamelCase):
    """Which failures."""

    workflow_name: PlaceName | None = None
    failure_type: FailureType | None = None
    code: Code | None = None
    fingerprint: Annotated[str | None, Field(pattern=r"^[0-9a-f]{12}$")] = None
    target: PlaceName | None = None
    statuses: Annotated[tuple[Status, ...] | None, Field(min_length=1, max_length=len(Status))] = None
    detected_since: AwareDatetime | None = None
    detected_before: AwareDatetime | None = None

    @model_validator(mode="after")
    def _spans_some_time(self) -> Self:
        check_span(self.detected_since, self.detected_before)
        return self


class BulkBody(_CamelCase):
    """What is done to which failures of one organisation, how fast, and why."""

    org_id: UUID
    action: BulkAction
    filter: FilterBody = FilterBody()
    rate: Annotated[float, Field(gt=0, le=500, allow_inf_nan=False, strict=True)] = 20
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEndpoints:
    """What these endpoints need of other rooms."""

    obey: Obey
    wake: Callable[[], None]
    input_schema: InputSchema
    misfit: Misfit


@dataclass(frozen=True, slots=True, kw_only=True)
class UserOrders:
    """Edits failed steps, and acts on many failures, as a user: for the API and for pages."""

    healing: HealingEndpoints
    parts: OrderEndpoints

    def schema_of(self, failure: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON Schema
        """Return the schema that the payload of a failure has to fit, as it is shown; None where it has none."""
        context = failure["context"]
        if not isinstance(context, dict) or "payload" not in context:
            return None
        return self.parts.input_schema(failure["workflowName"], context)

    async def misfit(self, schema: object, payload: object, org_id: str) -> str | None:
        """Return where an organisation's payload does not fit a schema; None where it fits, or there is none."""
        return None if schema is None else await self.parts.misfit(schema, payload, OrgId(UUID(org_id)))

    async def edit(self, user: User, failure_id: FailureId, body: EditBody) -> Executed:
        """Give a failed step another input, and have it healed with that."""
        given = {name: getattr(body, name) for name in body.model_fields_set & {"payload", "body"}}
        async with self.healing.as_user(user, readonly=False) as connection:
            org_id = await reports.visible_organisation(connection, failure_id)
            await reports.become_service(connection)
            if org_id is None:
                raise _no_such("failure")
            command = Edit(
                org_id=org_id,
                failure_id=failure_id,
                issued_by=str(user.id),
                reason=body.reason,
                did_not_happen=body.did_not_happen,
                **given,
            )
            executed = await self.parts.obey(connection, command)
        self.parts.wake()
        return _done(executed)

    async def preview(self, user: User, body: BulkBody) -> Executed:
        """Freeze what a filter finds now; nothing is done yet."""
        wanted = {name: value for name, value in dict(body.filter).items() if value is not None}
        command = Bulk(
            org_id=body.org_id,
            action=body.action,
            filter=BulkFilter(**wanted),
            rate=body.rate,
            issued_by=str(user.id),
            reason=body.reason,
        )
        async with self.healing.as_user(user, readonly=False) as connection:
            if not await reports.own_organisations(connection, OrgId(body.org_id)):
                raise _no_such("organisation")
            await reports.become_service(connection)
            return _done(await self.parts.obey(connection, command))

    async def turn(self, user: User, bulk_id: UUID, kind: type[BulkStart | BulkStop]) -> Executed:
        """Start a bulk of the user's organisations, or stop it."""
        async with self.healing.as_user(user, readonly=False) as connection:
            own = await reports.own_organisations(connection, None)
            await reports.become_service(connection)
            found = await bulk_state(connection, bulk_id)
            if found is None or found[1] not in own:
                raise _no_such("bulk")
            command = kind(org_id=found[1], bulk_id=bulk_id, issued_by=str(user.id))
            return _done(await self.parts.obey(connection, command))

    async def bulk(self, user: User, bulk_id: UUID) -> dict[str, object]:
        """Return a bulk of the user's organisations, and how far it is."""
        async with self.healing.as_user(user) as connection:
            own = await reports.own_organisations(connection, None)
            await reports.become_service(connection)
            found = await bulks(connection, bulk_id, 1)
        if not found or found[0].org_id not in own:
            raise _no_such("bulk")
        return shown_bulk(found[0])


def add_orders(router: APIRouter, healing: HealingEndpoints, parts: OrderEndpoints) -> UserOrders:
    """Add the endpoints of edits and bulks; returns what carries them out."""
    orders = UserOrders(healing=healing, parts=parts)

    @router.post("/failures/{failure_id}/edit")
    async def edit(failure_id: UUID, body: EditBody, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Give a failed step another input, and have it healed with that."""
        return _reply(await orders.edit(user, FailureId(failure_id), body))

    @router.post("/bulks")
    async def preview(body: BulkBody, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Freeze what a filter finds now, and say how many, and what a heal of each may cost: nothing is done yet."""
        return _reply(await orders.preview(user, body))

    @router.post("/bulks/{bulk_id}/start")
    async def start(bulk_id: UUID, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Do what was frozen, or go on with what was stopped."""
        return _reply(await orders.turn(user, bulk_id, BulkStart))

    @router.post("/bulks/{bulk_id}/stop")
    async def stop(bulk_id: UUID, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Do nothing more of it; what was asked for already goes on."""
        return _reply(await orders.turn(user, bulk_id, BulkStop))

    @router.get("/bulks/{bulk_id}")
    async def show(bulk_id: UUID, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Give a bulk of the user's organisations, and how far it is."""
        return ApiReply(await orders.bulk(user, bulk_id))

    return orders


def shown_bulk(bulk: BulkStatus) -> dict[str, object]:
    """Render a bulk."""
    counts = bulk.counts
    return {
        "id": str(bulk.id),
        "orgId": str(bulk.org_id) if bulk.org_id is not None else None,
        "action": bulk.action,
        "state": bulk.state,
        "by": bulk.issued_by,
        "rate": bulk.rate,
        "atMostAud": in_aud(bulk.cost) if bulk.cost is not None else None,
        "createdAt": bulk.created_at.isoformat(),
        "failures": counts.failures,
        "waiting": counts.waiting,
        "accepted": counts.accepted,
        "already": counts.already,
        "refused": counts.refused,
        "underWay": counts.under_way,
        "healed": counts.healed,
    }


def _done(executed: Executed) -> Executed:
    """Return what was carried out, or had been already; ApiError (404, 409) where it was not."""
    log.info("order_answered", outcome=executed.outcome)
    match executed.outcome:
        case CommandOutcome.NOT_FOUND:
            raise _no_such("failure or bulk")
        case CommandOutcome.REFUSED:
            raise ApiError(HTTPStatus.CONFLICT, "refused", f"{executed.reason[:1].upper()}{executed.reason[1:]}.")
        case CommandOutcome.ACCEPTED | CommandOutcome.ALREADY:
            return executed


def _reply(executed: Executed) -> ApiReply:
    preview: Any = (executed.details or {}).get("bulk")
    frozen = None
    if preview is not None:
        names = {"bulk_id": "bulkId", "failures": "failures", "at_most_aud": "atMostAud"}
        frozen = {said: preview[name] for name, said in names.items()}
    return ApiReply({"outcome": executed.outcome, "bulk": frozen})


def _no_such(what: str) -> ApiError:
    # The same whether it does not exist or belongs to another organisation: a response must not tell which.
    return ApiError(HTTPStatus.NOT_FOUND, "not_found", f"No such {what} in the organisations that you administer.")
