"""What heals have made, shown on a failure's page: the file itself, or a quiet sentence where it is gone."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from consumer.api.assets import gone
from consumer.api.errors import ApiError
from consumer.api.healing import MAX_STEP
from consumer.api.shown_assets import ASSET_HEADERS
from consumer.api.tokens import User
from consumer.console.frame import PageFrame, failure_id_of

_STEP_DIGITS: Final = 10
_NO_PICTURE: Final = """<svg xmlns="http://www.w3.org/2000/svg" width="480" height="72" viewBox="0 0 480 72">
<style>text{font:15px system-ui,sans-serif;fill:#5b6470}@media (prefers-color-scheme:dark){text{fill:#a7b0bd}}</style>
<text x="0" y="30">It is not there any more, or its store does not give it now.</text></svg>"""
"""A browser shows it in the picture's place, with scripts and without: whatever its status is, it is an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetPages:
    """Answers the files that a failure's page shows."""

    frame: PageFrame

    async def asset(self, request: Request, user: User) -> Response:
        """Answer the file that an attempt proved."""
        failure_id, step = failure_id_of(request), request.path_params["step"]
        if not (step.isascii() and step.isdigit() and len(step) <= _STEP_DIGITS and int(step) < MAX_STEP):
            raise gone()
        answer = await self.frame.parts.assets.answer(user, failure_id, int(step), request)
        return answer if request.headers.get("sec-fetch-dest") != "image" else _Picture(answer)


class _Picture(Response):
    """An answer to a page's `img`: the picture, or the sentence that it is gone, drawn."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await self._answer(scope, receive, send)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            drawn = Response(_NO_PICTURE, error.status, headers=ASSET_HEADERS, media_type="image/svg+xml")
            await drawn(scope, receive, send)


def asset_routes(frame: PageFrame) -> list[Route]:
    """Return the routes."""
    pages = AssetPages(frame=frame)
    return [Route("/failures/{failure_id}/attempts/{step}/asset", frame.signed(pages.asset))]
