"""The feed and the story of a failure over HTTP: what a person reads before they decide."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from consumer.api.healing import PAGE, HealingEndpoints, bad_cursor, no_such_failure, signed_in, within_bytes
from consumer.api.shown import ApiReply, read_place, write_place
from consumer.api.shown_story import WholeStory, shown_feed_counts, shown_line, shown_story, story_size
from consumer.api.tokens import User
from consumer.errors import RefusedByDatabase
from consumer.model import FailureId, OrgId
from consumer.store import reports
from consumer.store.feed import FeedFilter, FeedLine, feed_counts, feed_page
from consumer.store.stories import story_of
from schemas.names import FailureType, Status

A_DAY: Final = timedelta(days=1)


class FeedQuery(BaseModel):
    """Which failures of the feed, and which page of them."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)

    org_id: UUID | None = None
    status: Annotated[tuple[Status, ...], Field(max_length=len(Status))] = ()
    failure_type: FailureType | None = None
    workflow_name: Annotated[str | None, Field(min_length=1, max_length=512, pattern=r"^[^\x00]*$")] = None
    since: AwareDatetime | None = None
    before: AwareDatetime | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE)] = 50
    cursor: Annotated[str | None, Field(max_length=400)] = None

    def as_filter(self) -> FeedFilter:
        """Return the filters."""
        return FeedFilter(
            statuses=tuple(dict.fromkeys(self.status)) or tuple(Status),
            org_id=OrgId(self.org_id) if self.org_id else None,
            failure_type=self.failure_type,
            workflow_name=self.workflow_name,
            since=self.since,
            before=self.before,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryEndpoints:
    """Reads feed and stories as a user, for the API and for pages."""

    healing: HealingEndpoints

    async def feed(self, user: User, wanted: FeedQuery) -> dict[str, object]:
        """Return a page of the user's feed; ApiError (400) where its cursor is not one of ours."""
        after = read_place(wanted.cursor) if wanted.cursor is not None else None
        if wanted.cursor is not None and after is None:
            raise bad_cursor()
        try:
            async with self.healing.as_user(user) as connection:
                lines, following = await feed_page(connection, wanted.as_filter(), after, wanted.limit)
        except RefusedByDatabase:
            if after is None:
                raise
            raise bad_cursor() from None
        shown = await self.healing.rendering.each(lines, shown_line, _line_size)
        return {"failures": shown, "next": write_place(following) if following is not None else None}

    async def counts(self, user: User, org_id: OrgId | None) -> dict[str, object]:
        """Return how many of the user's failures stand where."""
        async with self.healing.as_user(user) as connection:
            found = await feed_counts(connection, org_id, datetime.now(UTC) - A_DAY)
        return shown_feed_counts(found)

    async def story(self, user: User, failure_id: FailureId) -> dict[str, object]:
        """Return the story of a failure; ApiError (404) where the user may not see it."""
        async with self.healing.as_user(user) as connection:
            if await reports.visible_organisation(connection, failure_id) is None:
                raise no_such_failure()
            await reports.become_service(connection)
            seen = await reports.one_failure(connection, failure_id)
            found = await story_of(connection, failure_id)
        if seen is None or found is None:
            raise no_such_failure()
        page = within_bytes(found.attempts)
        more = found.has_more_attempts or len(page) < len(found.attempts)
        whole = WholeStory(failure=seen, story=replace(found, attempts=page, has_more_attempts=more))
        (shown,) = await self.healing.rendering.each([whole], shown_story, story_size)
        return shown


def _line_size(line: FeedLine) -> int:
    return len(line.failure_reason) + len(line.workflow_name)


def add_stories(router: APIRouter, healing: HealingEndpoints) -> StoryEndpoints:
    """Add the endpoints of feed and story; returns their access to the database."""
    stories = StoryEndpoints(healing=healing)
    _add_feed(router, stories)

    @router.get("/feed/counts")
    async def counts(
        user: Annotated[User, Depends(signed_in)], org_id: Annotated[UUID | None, Query(alias="orgId")] = None
    ) -> ApiReply:
        """Count the failures of the user's organisations by where they stand, each up to a limit."""
        return ApiReply(await stories.counts(user, OrgId(org_id) if org_id else None))

    @router.get("/failures/{failure_id}/story")
    async def story(failure_id: UUID, user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """Give one failure with all that is kept of it."""
        return ApiReply(await stories.story(user, FailureId(failure_id)))

    return stories


def _add_feed(router: APIRouter, stories: StoryEndpoints) -> None:
    @router.get("/feed")
    async def feed(wanted: Annotated[FeedQuery, Query()], user: Annotated[User, Depends(signed_in)]) -> ApiReply:
        """List failures of any status as lines, newest first, by filters; `next` is the following cursor."""
        return ApiReply(await stories.feed(user, wanted))
