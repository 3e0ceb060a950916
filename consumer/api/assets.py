"""What a heal has made, shown to who may see its failure: fetched from its store, and answered as bytes that never act.

Which file it is, the attempt alone says; nothing that a caller gives is an address.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Final, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from consumer.api.errors import ApiError
from consumer.api.healing import MAX_STEP, HealingEndpoints, no_such_failure, signed_in
from consumer.api.rendering import take_turn
from consumer.api.shown import shown_json
from consumer.api.shown_assets import headers_of, is_known, part_of, shown_asset
from consumer.api.tokens import User
from consumer.media.media_types import media_type_of
from consumer.model import FailureId, OrgId
from consumer.store import reports
from consumer.store.attempts import own_attempts

AT_ONCE: Final = 3
"""Files in memory at once, each from its first byte to the last that its reader took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenFile:
    """The file that an attempt proved, as its store knows it."""

    org_id: OrgId
    workflow_name: str
    asset_id: str
    digest: str
    """SHA-256 in hex."""


ReadFile: TypeAlias = Callable[[ProvenFile], Awaitable[bytes | None]]
"""Fetches exactly this file from where its workflow keeps its assets, bounded in size and time; None: not to be had."""


class AssetAnswer(Response):
    """An answer that fetches its file only once it has a turn, and gives the turn back when it was read."""

    def __init__(self, file: ProvenFile, asked: str | None, read: ReadFile, turns: asyncio.Semaphore) -> None:
        super().__init__()
        self._file, self._asked, self._read, self._turns = file, asked, read, turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; ApiError (404, 416) where there is nothing to show."""
        async with take_turn(self._turns):
            content = await self._read(self._file)
            media = media_type_of(content) if content is not None else None
            if content is None or media is None:
                raise gone()
            await self._part(content, headers_of(media, self._file.digest))(scope, receive, send)

    def _part(self, content: bytes, headers: dict[str, str]) -> Response:
        size = len(content)
        part = part_of(self._asked, size)
        if part is None:
            message = f"The file has {size} bytes."
            status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            raise ApiError(status, "no_such_range", message, {"Content-Range": f"bytes */{size}"})
        if self._asked is None or part == (0, size):
            return Response(content, headers=headers)
        begin, end = part
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
        return Response(content[begin:end], HTTPStatus.PARTIAL_CONTENT, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetEndpoints:
    """Shows what heals have made, for the API and for pages."""

    healing: HealingEndpoints
    read: ReadFile
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def answer(self, user: User, failure_id: FailureId, step: int, request: Request) -> Response:
        """Return the file that an attempt proved; ApiError (404) where the user may not see it, or it names none."""
        file = await self._file(user, failure_id, step)
        if is_known(request.headers.get("if-none-match"), file.digest):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": f'"{file.digest}"'})
        return AssetAnswer(file, request.headers.get("range"), self.read, self._turns)

    async def _file(self, user: User, failure_id: FailureId, step: int) -> ProvenFile:
        async with self.healing.as_user(user) as connection:
            org_id = await reports.visible_organisation(connection, failure_id)
            if org_id is None:
                raise no_such_failure()
            await reports.become_service(connection)
            seen = await reports.one_failure(connection, failure_id)
            found = await own_attempts(connection, failure_id, before=min(step + 1, MAX_STEP), limit=1)
        if seen is None:
            raise no_such_failure()
        for attempt in found:
            details = shown_json(attempt.details)
            asset = shown_asset(failure_id, attempt.step, attempt.strategy, attempt.result, details)
            if attempt.step == step and asset is not None and isinstance(details, dict):
                return ProvenFile(
                    org_id=OrgId(org_id),
                    workflow_name=seen.workflow_name,
                    asset_id=str(details.get("asset", "")),
                    digest=str(asset["sha256"]),
                )
        raise ApiError(HTTPStatus.NOT_FOUND, "no_asset", "This attempt names no file that it made.")


def gone() -> ApiError:
    """Return the answer where a file is not to be had."""
    message = "What was made is not there any more, or its store does not give it now."
    return ApiError(HTTPStatus.NOT_FOUND, "asset_gone", message)


def add_assets(router: APIRouter, healing: HealingEndpoints, read: ReadFile) -> AssetEndpoints:
    """Add the endpoint of what heals have made; returns what answers it."""
    assets = AssetEndpoints(healing=healing, read=read)

    @router.get("/failures/{failure_id}/attempts/{step}/asset")
    async def asset(
        failure_id: UUID,
        step: Annotated[int, Path(ge=0, lt=MAX_STEP)],
        request: Request,
        user: Annotated[User, Depends(signed_in)],
    ) -> Response:
        """Give the image or voice that an attempt made, or found to be right, as its store has it now."""
        return await assets.answer(user, FailureId(failure_id), step, request)

    return assets
