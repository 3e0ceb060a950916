"""Healing endpoints of the original service: list failures, list their attempts, and request a heal now."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from itertools import accumulate
from typing import Annotated, Final, assert_never
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from consumer.api.errors import ApiError
from consumer.api.idempotency import IdempotentRequests, has_key_in_hand, idempotent_route, mark_key_in_hand
from consumer.api.joined import Joined
from consumer.api.rendering import NoTurn, Rendering, take_turn
from consumer.api.shown import (
    ApiReply,
    attempt_size,
    failure_size,
    read_place,
    shown_alone,
    shown_attempt,
    shown_counts,
    shown_failure,
    shown_heal,
    shown_standing,
    write_place,
)
from consumer.api.tokens import User
from consumer.errors import RefusedByDatabase
from consumer.model import FailureId, OrgId
from consumer.settings import ApiSettings
from consumer.store import attempts as stored_attempts
from consumer.store import reports
from consumer.store.attempts import ReportedAttempt
from consumer.store.heal_requests import HealAsked, HealRequestResult, ask_heal
from consumer.store.pool import Connection, Pool
from consumer.store.reports import PAGE_BYTES, PageEnd

log = structlog.get_logger(__name__)

CONNECTIONS: Final = 3
"""Connection limit of the API in the process's pool: reads must not take intake's and settle's connections."""
ASKERS: Final = 2
"""Limit of those for heal requests: however many there are, one connection is left for reads."""
ANSWERED_BY: Final = timedelta(seconds=5)
"""An attempt that ended less than this ago answers a heal request: a thousand concurrent ones arrive over seconds."""
POLL_FIRST: Final = timedelta(milliseconds=20)
POLL_MOST: Final = timedelta(milliseconds=500)
AFTER_LONGEST: Final = timedelta(seconds=5)
"""Time after its longest run from which a request is taken for dead with its process."""
PAGE: Final = 100
ATTEMPTS: Final = 200
MAX_STEP: Final = 2**31 - 1


class HealRequest(BaseModel):
    """Which failure to heal."""

    model_config = ConfigDict(frozen=True)

    failure_id: Annotated[UUID, Field(alias="failureId")]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealingEndpoints:
    """Database access of the endpoints, with a limit on connections."""

    pool: Pool
    heal_wait: timedelta
    wake: Callable[[], None]
    request_runs: timedelta
    """The longest that a request can run."""
    rendering: Rendering = field(default_factory=Rendering)
    _connections: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS))
    _heal_connections: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(ASKERS))
    _requests: Joined[tuple[FailureId, str], HealAsked] = field(default_factory=Joined)
    _waits: Joined[tuple[FailureId, int], ReportedAttempt | None] = field(default_factory=Joined)

    @property
    def idempotent(self) -> IdempotentRequests:
        """What carries out a request with a key once."""
        return IdempotentRequests(as_user=self.as_user, runs=self.request_runs)

    @asynccontextmanager
    async def as_user(self, user: User, *, readonly: bool = True) -> AsyncIterator[Connection]:
        """Open a transaction as the user."""
        async with (
            take_turn(self._connections),
            reports.as_user(self.pool, user.claims, readonly=readonly) as connection,
        ):
            yield connection
            if not readonly:
                await mark_key_in_hand(connection)

    async def page(self, user: User, org_id: OrgId | None, after: PageEnd | None, limit: int) -> dict[str, object]:
        """Return a page of the user's unresolved failures."""
        async with self.as_user(user) as connection:
            ids = await reports.unresolved(connection, org_id=org_id, after=after, limit=limit + 1)
            await reports.become_service(connection)
            page = await reports.page_of(connection, ids[:limit])
        last = page[-1] if page and len(page) < len(ids) else None
        shown = await self.rendering.each(page, shown_failure, failure_size)
        following = write_place(PageEnd(detected_at=last.detected_at, id=last.id)) if last is not None else None
        return {"failures": shown, "next": following}

    async def failure(self, user: User, failure_id: FailureId) -> dict[str, object]:
        """Return one failure and its state."""
        async with self.as_user(user) as connection:
            if await reports.visible_organisation(connection, failure_id) is None:
                raise no_such_failure()
            await reports.become_service(connection)
            seen = await reports.one_failure(connection, failure_id)
            state = await reports.failure_state(connection, failure_id)
        if seen is None or state is None:
            raise no_such_failure()
        (shown,) = await self.rendering.each([seen], shown_alone, failure_size)
        return shown | shown_standing(state)

    async def attempts(self, user: User, failure_id: FailureId, before: int | None) -> dict[str, object]:
        """Return the healer's attempts on a failure, newest first, and with the first page what members recorded."""
        async with self.as_user(user) as connection:
            if await reports.visible_organisation(connection, failure_id) is None:
                raise no_such_failure()
            await reports.become_service(connection)
            own = await stored_attempts.own_attempts(connection, failure_id, before=before, limit=ATTEMPTS + 1)
            others = await stored_attempts.members_attempts(connection, failure_id) if before is None else []
        page = within_bytes(own[:ATTEMPTS])
        following = page[-1].step if len(page) < len(own) else None
        shown = await self.rendering.each(
            [*page, *others], lambda attempt: shown_attempt(attempt, failure_id), attempt_size
        )
        return {"attempts": shown, "next": following}

    async def heal(self, user: User, failure_id: FailureId) -> tuple[HealRequestResult, ReportedAttempt | None]:
        """Request the heal of a failure that the user may see; concurrent requests share one statement and one wait."""
        asked = await self.ask(user, failure_id)
        if asked.result is not HealRequestResult.DUE:
            return asked.result, None
        wanted = failure_id, asked.step
        return asked.result, await self._waits.ask(wanted, lambda: self._wait_for_attempt(*wanted))

    async def ask(self, user: User, failure_id: FailureId) -> HealAsked:
        """Request the heal of a failure that the user may see, and wait for nothing."""
        claims = json.dumps(dict(user.claims), sort_keys=True)
        if has_key_in_hand():  # its mark stands in the transaction of its own request
            asked = await self._request_heal(user, failure_id)
        else:
            asked = await self._requests.ask((failure_id, claims), lambda: self._request_heal(user, failure_id))
        log.info("heal_requested", failure_id=str(failure_id), user=str(user.id), result=asked.result)
        if asked.result is HealRequestResult.DUE:
            self.wake()
        return asked

    async def _request_heal(self, user: User, failure_id: FailureId) -> HealAsked:
        async with take_turn(self._heal_connections), self.as_user(user, readonly=False) as connection:
            if await reports.visible_organisation(connection, failure_id) is None:
                return HealAsked(result=HealRequestResult.NOT_FOUND)
            await reports.become_service(connection)
            return await ask_heal(connection, failure_id, by=str(user.id), answered_by=ANSWERED_BY)

    async def _wait_for_attempt(self, failure_id: FailureId, step: int) -> ReportedAttempt | None:
        """Wait for the attempt of a step or a later one, up to the configured time; None when there is none by then."""
        end = time.monotonic() + self.heal_wait.total_seconds()
        pause = POLL_FIRST
        while True:
            attempt = await self._find_attempt(failure_id, step)
            left = end - time.monotonic()
            if attempt is not None or left <= 0:
                return attempt
            await asyncio.sleep(min(pause.total_seconds(), left))
            pause = min(pause * 2, POLL_MOST)

    async def _find_attempt(self, failure_id: FailureId, step: int) -> ReportedAttempt | None:
        try:
            async with take_turn(self._heal_connections), take_turn(self._connections):
                return await stored_attempts.attempt_since(self.pool, failure_id, step)
        except NoTurn:
            return None  # the heal is requested all the same: the caller polls again


def healing_routes(settings: ApiSettings, pool: Pool, wake: Callable[[], None]) -> tuple[APIRouter, HealingEndpoints]:
    """Create the endpoints below `/api/healing`, each for a signed-in user; with their access to the database."""
    runs = settings.longest_request + AFTER_LONGEST
    healing = HealingEndpoints(pool=pool, heal_wait=settings.heal_wait, wake=wake, request_runs=runs)
    router = APIRouter(prefix="/api/healing", route_class=idempotent_route(healing.idempotent))
    add_reading(router, healing)
    add_asking(router, healing)
    return router, healing


def signed_in(request: Request) -> User:
    """Return the user whom the gateway has signed in."""
    user: User = request.state.user
    return user


def add_reading(router: APIRouter, healing: HealingEndpoints) -> None:
    """Add the endpoints that only read."""

    @router.get("/failures")
    async def failures(
        user: Annotated[User, Depends(signed_in)],
        org_id: Annotated[UUID | None, Query(alias="orgId")] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = 50,
        cursor: Annotated[str | None, Query(max_length=400)] = None,
    ) -> ApiReply:
        """Give the unresolved failures of the user's organisations, newest first; `next` is the following cursor."""
        after = read_place(cursor) if cursor is not None else None
        if cursor is not None and after is None:
            raise bad_cursor()
        try:
            return ApiReply(await healing.page(user, OrgId(org_id) if org_id else None, after, limit))
        except RefusedByDatabase:
            if after is None:
                raise
            raise bad_cursor() from None

    @router.get("/failures/{failure_id}")
    async def failure(failure_id: UUID, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Give one failure, resolved or not, and where it stands."""
        return ApiReply(await healing.failure(user, FailureId(failure_id)))

    @router.get("/failures/{failure_id}/attempts")
    async def attempts(
        failure_id: UUID,
        user: Annotated[User, Depends(signed_in)],
        before: Annotated[int | None, Query(ge=0, le=MAX_STEP)] = None,
    ) -> ApiReply:
        """Give the healer's attempts on a failure, newest first, then those without a step, which members recorded.

        `next` is the `before` of the following page.
        """
        return ApiReply(await healing.attempts(user, FailureId(failure_id), before))

    @router.get("/stats")
    async def stats(
        user: Annotated[User, Depends(signed_in)], org_id: Annotated[UUID | None, Query(alias="orgId")] = None
    ) -> ApiReply:
        """Count the failures of the user's organisations."""
        async with healing.as_user(user) as connection:
            found = await reports.counts(connection, OrgId(org_id) if org_id else None)
        return ApiReply(shown_counts(found))


def add_asking(router: APIRouter, healing: HealingEndpoints) -> None:
    """Add the endpoint that requests a heal."""

    @router.post("/heal")
    async def heal(request: HealRequest, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Have a failure healed now; waits a while for the attempt, then answers 202 with where to look."""
        failure_id = FailureId(request.failure_id)
        asked, attempt = await healing.heal(user, failure_id)
        raise_unless_due(asked)
        if attempt is not None:
            return ApiReply(shown_heal(attempt))
        where = f"/api/healing/failures/{failure_id}/attempts"
        return ApiReply(
            {"failureId": str(failure_id), "status": "pending", "where": where},
            status_code=HTTPStatus.ACCEPTED,
            headers={"Location": where},
        )


def within_bytes(attempts: Sequence[ReportedAttempt]) -> list[ReportedAttempt]:
    """Return as many attempts, from the first on, as fit into a page; one at least."""
    sizes = accumulate(map(attempt_size, attempts))
    return [
        one for index, (one, size) in enumerate(zip(attempts, sizes, strict=True)) if not index or size <= PAGE_BYTES
    ]


def raise_unless_due(asked: HealRequestResult) -> None:
    """Raise the answer to a heal request that made nothing due."""
    match asked:
        case HealRequestResult.DUE:
            return
        case HealRequestResult.NOT_FOUND:
            raise no_such_failure()
        case HealRequestResult.RESOLVED:
            message = "It is resolved already: /attempts tells how."
            raise ApiError(HTTPStatus.CONFLICT, "already_resolved", message)
        case HealRequestResult.NEEDS_PERSON:
            message = (
                "The outcome of its last attempt is unknown, so nothing is repeated by itself: look at the target of "
                "the call, then set resolved, or publish the failure anew."
            )
            raise ApiError(HTTPStatus.CONFLICT, "needs_person", message)
        case HealRequestResult.AWAITING_APPROVAL:
            message = "Its plan waits for approval: approve or deny that."
            raise ApiError(HTTPStatus.CONFLICT, "awaiting_approval", message)
        case _:
            assert_never(asked)


def no_such_failure() -> ApiError:
    """Return the answer where a user may not see a failure, or where there is none."""
    # The same whether it does not exist or belongs to another organisation: a response must not tell which.
    return ApiError(HTTPStatus.NOT_FOUND, "not_found", "No such failure in the organisations that you administer.")


def bad_cursor() -> ApiError:
    """Return the answer to a cursor that no page ended with."""
    return ApiError(HTTPStatus.BAD_REQUEST, "bad_cursor", "The cursor is not one of ours: leave it out to begin anew.")
