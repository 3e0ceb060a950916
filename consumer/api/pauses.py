"""Pauses over HTTP: an owner or admin holds healing within their organisation, ends that, and sees what holds it."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from consumer.api.errors import ApiError
from consumer.api.healing import HealingEndpoints, signed_in
from consumer.api.shown import ApiReply
from consumer.api.tokens import User
from consumer.model import OrgId
from consumer.model.pause import NO_ORIGIN, HealingPause, PauseReach, PauseRequest, PauseResult
from consumer.store import reports
from consumer.store.pauses import MOST_OF_AN_ORGANISATION, PauseMade, TellPause, listed, pause, resume
from schemas.names import FailureType, StrategyName
from schemas.reason import PlaceName, Reason

LISTED: Final = 100


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PauseBody(_Body):
    """What is to be held, of one organisation, why, and from when until when."""

    org_id: Annotated[UUID, Field(alias="orgId")]
    workflow_name: Annotated[PlaceName | None, Field(alias="workflowName")] = None
    failure_type: Annotated[FailureType | None, Field(alias="failureType")] = None
    strategy: StrategyName | None = None
    dependency: PlaceName | None = None
    reason: Reason
    starts_at: Annotated[AwareDatetime | None, Field(alias="startsAt")] = None
    ends_at: Annotated[AwareDatetime | None, Field(alias="endsAt")] = None


class ResumeBody(_Body):
    """Why a pause is ended."""

    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseAnswers:
    """What the endpoints of pauses need of other rooms."""

    tell: TellPause
    holds_after: timedelta
    """Time after its commit from which a pause holds: only then it is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseEndpoints:
    """Lists, makes and ends pauses as a user, for the API and for pages."""

    healing: HealingEndpoints
    answers: PauseAnswers

    async def organisations(self, user: User) -> list[OrgId]:
        """Return the organisations that the user owns or administers: those in which a pause may be made."""
        async with self.healing.as_user(user) as connection:
            return await reports.own_organisations(connection, None)

    async def listed(self, user: User, *, is_whole: bool) -> list[dict[str, object]]:
        """Return the pauses that reach the user's organisations, the fleet's too; with `is_whole` those over too."""
        async with self.healing.as_user(user) as connection:
            own = await reports.own_organisations(connection, None)
            await reports.become_service(connection)
            found = await listed(connection, within=own, is_whole=is_whole, limit=LISTED) if own else []
        return [shown_pause(one.pause, stands=one.stands) for one in found]

    async def add(self, user: User, body: PauseBody) -> dict[str, object]:
        """Hold healing within an organisation; it holds once this returns."""
        request = PauseRequest(
            reach=PauseReach(
                org_id=OrgId(body.org_id),
                workflow_name=body.workflow_name,
                failure_type=body.failure_type,
                strategy=body.strategy,
                dependency=body.dependency,
            ),
            reason=body.reason,
            by=str(user.id),
            starts_at=body.starts_at,
            ends_at=body.ends_at,
        )
        async with self.healing.as_user(user, readonly=False) as connection:
            if not await reports.own_organisations(connection, OrgId(body.org_id)):
                raise _no_such("organisation")
            await reports.become_service(connection)
            made = await pause(connection, request, self.answers.tell)
        await asyncio.sleep(self.answers.holds_after.total_seconds() if made.pauses else 0)
        return shown_pause(_made(made), stands=True)

    async def end(self, user: User, pause_id: UUID, body: ResumeBody) -> dict[str, object]:
        """End a pause of the user's organisations."""
        async with self.healing.as_user(user, readonly=False) as connection:
            own = await reports.own_organisations(connection, None)
            await reports.become_service(connection)
            ended = await resume(
                connection, pause_id, by=str(user.id), reason=body.reason, tell=self.answers.tell, within=own
            )
        return shown_pause(_made(ended), stands=False)


def add_pauses(router: APIRouter, healing: HealingEndpoints, answers: PauseAnswers) -> PauseEndpoints:
    """Add the endpoints of pauses; returns their access to the database."""
    endpoints = PauseEndpoints(healing=healing, answers=answers)

    @router.get("/pauses")
    async def pauses(
        user: Annotated[User, Depends(signed_in)], show: Annotated[Literal["standing", "all"], Query()] = "standing"
    ) -> ApiReply:
        """List the pauses that reach the user's organisations, the fleet's too; with `show=all` those that are over."""
        return ApiReply({"pauses": await endpoints.listed(user, is_whole=show == "all")})

    @router.post("/pauses")
    async def add(body: PauseBody, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Hold healing within an organisation; once it is answered no effect begins there."""
        return ApiReply(await endpoints.add(user, body), status_code=HTTPStatus.CREATED)

    @router.post("/pauses/{pause_id}/resume")
    async def end(pause_id: UUID, body: ResumeBody, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """End a pause of an organisation; those of the fleet only its operator ends."""
        return ApiReply(await endpoints.end(user, pause_id, body))

    return endpoints


def shown_pause(pause: HealingPause, *, stands: bool) -> dict[str, object]:
    """Render a pause."""
    reach = pause.reach
    times = {"startsAt": pause.starts_at, "endsAt": pause.ends_at, "endedAt": pause.ended_at}
    return {
        "id": str(pause.id),
        "stands": stands,
        "orgId": str(reach.org_id) if reach.org_id is not None else None,
        "workflowName": reach.workflow_name,
        "failureType": reach.failure_type,
        "strategy": reach.strategy,
        "dependency": reach.dependency,
        "reason": pause.reason,
        "pausedBy": pause.by,
        **{name: at.isoformat() if at is not None else None for name, at in times.items()},
        "endedBy": pause.ended_by,
        "endReason": pause.end_reason,
    }


def _made(made: PauseMade) -> HealingPause:
    match made.result:
        case PauseResult.DONE:
            return made.pauses[0]
        case PauseResult.TOO_MANY:
            message = f"{MOST_OF_AN_ORGANISATION} pauses of the organisation stand already: resume some."
            raise ApiError(HTTPStatus.CONFLICT, "too_many_pauses", message)
        case PauseResult.NO_ORIGIN:
            raise ApiError(HTTPStatus.CONFLICT, "no_origin", f"{NO_ORIGIN[:1].upper()}{NO_ORIGIN[1:]}.")
        case PauseResult.OVER:
            raise ApiError(HTTPStatus.CONFLICT, "already_over", "It would be over before it begins.")
        case PauseResult.ALREADY:
            raise ApiError(HTTPStatus.CONFLICT, "already_over", "It is over already.")
        case _:
            raise _no_such("pause")


def _no_such(what: str) -> ApiError:
    # The same whether it does not exist or is another organisation's: a response must not tell which.
    message = f"No such {what} among those of the organisations that you administer."
    return ApiError(HTTPStatus.NOT_FOUND, "not_found", message)
