"""The stream of what moves (server-sent events), for the API and for pages: who may watch what, and for how long."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from consumer.api.errors import ApiError
from consumer.api.healing import HealingEndpoints, no_such_failure, signed_in
from consumer.api.live import Crowded, LiveViews, StreamLimits, Topic
from consumer.api.rates import address_key
from consumer.api.tokens import User
from consumer.metrics import ApiLimit, Metrics
from consumer.model import FailureId, OrgId
from consumer.settings import ApiSettings
from consumer.store import reports
from consumer.store.live import seen_of

LAST_EVENT: Final = "Last-Event-ID"
MOST_ORGANISATIONS: Final = 50
"""Of one stream: whoever leads more names one."""
ROOM_AFTER: Final = timedelta(seconds=60)
"""When somebody for whom there was no room asks again."""
_HEADERS: Final = {"X-Accel-Buffering": "no"}
"""A proxy that buffers would keep what moves until there is a page of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchRequest:
    """What a user watches, once they were found to see it: from where, since which moment, and until when."""

    topic: Topic
    address: str
    last: str | None
    until: float
    """Of the monotonic clock."""


class EventStream(StreamingResponse):
    """An answer that lasts beyond the time of a request: until its viewer's time is over, or they leave."""

    def __init__(
        self, views: LiveViews, watched: WatchRequest, headers: dict[str, str], refuse: Callable[[], ApiError]
    ) -> None:
        super().__init__((), media_type="text/event-stream", headers=headers | _HEADERS)
        self._views = views
        self._watched = watched
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; ApiError (429) where as many watch already as may."""
        wanted = self._watched
        try:
            watching = self._views.watch(wanted.topic, address=wanted.address, until=wanted.until, last=wanted.last)
            with watching as viewer:
                scope["state"]["lasts_until"](wanted.until)
                self.body_iterator = viewer.events()
                await super().__call__(scope, receive, send)
        except Crowded:
            raise self._refuse() from None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEndpoints:
    """Lets users watch what they may see, for the API and for pages."""

    healing: HealingEndpoints
    views: LiveViews
    stream_for: timedelta
    metrics: Metrics

    async def stream(
        self,
        user: User,
        request: Request,
        *,
        org_id: OrgId | None = None,
        failure_id: FailureId | None = None,
        headers: dict[str, str] | None = None,
    ) -> EventStream:
        """Return the stream of a failure, or of the user's organisations; ApiError (404) where they see none such.

        It ends with the user's token, and after a while: whoever comes back is asked anew what they may see.
        """
        until = min(time.monotonic() + self.stream_for.total_seconds(), _expiry(user))
        watched = WatchRequest(
            topic=await self._topic(user, org_id, failure_id),
            address=address_key(request.client.host if request.client else "unknown"),
            last=request.headers.get(LAST_EVENT),
            until=until,
        )
        return EventStream(self.views, watched, headers or {}, self._crowded)

    async def _topic(self, user: User, org_id: OrgId | None, failure_id: FailureId | None) -> Topic:
        async with self.healing.as_user(user) as connection:
            if failure_id is not None:
                seen = await reports.visible_organisation(connection, failure_id)
                if seen is None or seen not in await reports.own_organisations(connection, seen):
                    raise no_such_failure()
                return Topic(organisations=(seen,), failure_id=failure_id)
            own = await reports.own_organisations(connection, org_id)
        if len(own) > MOST_ORGANISATIONS:
            message = f"One stream tells of {MOST_ORGANISATIONS} organisations at most: name one by orgId."
            raise ApiError(HTTPStatus.CONFLICT, "too_many_organisations", message)
        return Topic(organisations=tuple(sorted(own)))

    def _crowded(self) -> ApiError:
        self.metrics.api_turned_away[ApiLimit.STREAMS].inc()
        message = "As many watch now as may. Read the feed from time to time instead."
        retry = {"Retry-After": f"{ROOM_AFTER.total_seconds():.0f}"}
        return ApiError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_streams", message, retry)


def add_stream(
    router: APIRouter, healing: HealingEndpoints, settings: ApiSettings, metrics: Metrics
) -> StreamEndpoints:
    """Add the endpoint of the stream; returns what lets users watch."""
    limits = StreamLimits(
        most=min(settings.streams, settings.connections // 2),
        of_organisation=settings.streams_per_organisation,
        of_address=settings.streams_per_address,
    )
    streams = StreamEndpoints(
        healing=healing,
        views=LiveViews(look=partial(seen_of, healing.pool), limits=limits),
        stream_for=settings.stream_for,
        metrics=metrics,
    )

    @router.get("/stream")
    async def stream(
        request: Request,
        user: Annotated[User, Depends(signed_in)],
        org_id: Annotated[UUID | None, Query(alias="orgId")] = None,
        failure_id: Annotated[UUID | None, Query(alias="failureId")] = None,
    ) -> EventStream:
        """Tell what moves in the user's organisations, or of one failure, as server-sent events."""
        return await streams.stream(
            user,
            request,
            org_id=OrgId(org_id) if org_id else None,
            failure_id=FailureId(failure_id) if failure_id else None,
        )

    return streams


def _expiry(user: User) -> float:
    """Return when the user's token ends, of the monotonic clock."""
    return time.monotonic() + float(user.claims["exp"]) - time.time()
