"""What every page of the console shares: its headers against scripts, who is signed in, and whose form it is."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from secrets import token_urlsafe
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from consumer.api.errors import ApiError
from consumer.api.healing import no_such_failure
from consumer.api.idempotency import KeyedRequest, subject_of
from consumer.api.pages import PageParts
from consumer.api.tokens import User
from consumer.console import words
from consumer.console.session import form_token, is_from_here, is_of_session, session_token
from consumer.console.views import tone_of
from consumer.model import FailureId

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every page: nothing but what this process serves is loaded, and nothing written in a page runs."""
SIGN_IN: Final = "/sign-in"
_ONCE: Final = re.compile(r"[A-Za-z0-9_-]{16}")
_DOUBLE_CLICK: Final = timedelta(minutes=1)
"""How long the same words of one page are the same form: who sends them again later means it."""
_PATIENCE: Final = timedelta(seconds=10)
SignedPage: TypeAlias = Callable[[Request, User], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFrame:
    """What pages are made of: what they read and decide by, and the templates."""

    parts: PageParts
    templates: Environment

    def signed(self, page: SignedPage, *, writes: bool = False) -> Callable[[Request], Awaitable[Response]]:
        """Return a page for who is signed in; one that writes is for a form of the session's own."""

        async def answer(request: Request) -> Response:
            user = request.scope.get("state", {}).get("user")
            if user is None:
                return RedirectResponse(SIGN_IN, HTTPStatus.SEE_OTHER, headers=HEADERS)
            if not writes:
                return await page(request, user)
            form = await _check_form(request)
            return await self._once(request, user, form, lambda: page(request, user))

        return answer

    async def _once(
        self, request: Request, user: User, form: Mapping[str, str], act: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Carry out a form once, however often it is sent: of a double click the second leads where the first led."""
        if _ONCE.fullmatch(form.get("once", "")) is None:
            return await act()
        given = urlencode(
            sorted((name, value) for name, value in form.items() if name not in {"csrf", "once"})
        ).encode()
        keyed = KeyedRequest(
            user=user,
            route=request.url.path,
            # A form whose words were changed since is another one.
            key=f"{form['once']}.{sha256(given).hexdigest()[:32]}",
            asked=given,
            subject=subject_of(request.path_params) or subject_of(form),
        )
        answered = await self.parts.healing.idempotent.answer(keyed, act, kept=_DOUBLE_CLICK, patience=_PATIENCE)
        answered.headers.update(HEADERS)
        return answered

    def page(self, request: Request, name: str, *, status: int = HTTPStatus.OK, **values: Any) -> Response:  # noqa: ANN401 - what a template prints
        """Render a template."""
        token = session_token(request.scope["headers"])
        user = request.scope.get("state", {}).get("user")
        text = self.templates.get_template(name).render(
            user=user,
            csrf=form_token(token) if user is not None else "",
            once=token_urlsafe(12),
            words=words,
            tone_of=tone_of,
            said=words.SAID.get(request.query_params.get("said", "")),
            place=request.url.path,
            **values,
        )
        return Response(text, status_code=status, media_type="text/html", headers=HEADERS)

    def error(self, error: ApiError) -> Response:
        """Render an error."""
        text = self.templates.get_template("error.html").render(
            user=None,
            csrf="",
            once="",
            words=words,
            place="",
            status=int(error.status),
            message=error.message,
            code=error.code,
        )
        return Response(text, error.status, media_type="text/html", headers=HEADERS | (error.headers or {}))

    def see(self, place: str, cookie: str | None = None) -> Response:
        """Lead a browser on, after a form."""
        headers = HEADERS | ({"Set-Cookie": cookie} if cookie is not None else {})
        return RedirectResponse(place, HTTPStatus.SEE_OTHER, headers=headers)


def failure_id_of(request: Request) -> FailureId:
    """Return the failure of an address; ApiError (404) where it is none."""
    try:
        return FailureId(UUID(request.path_params["failure_id"]))
    except ValueError:
        raise no_such_failure() from None


async def read_form(request: Request) -> Mapping[str, str]:
    """Read a form, within the limits that the gateway has for a body; refuse one that another site made."""
    if not is_from_here({name.lower(): value for name, value in request.headers.items()}):
        message = "This form did not come from this console. Nothing was changed."
        raise ApiError(HTTPStatus.FORBIDDEN, "from_elsewhere", message)
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=100))
    except ValueError:
        raise ApiError(
            HTTPStatus.BAD_REQUEST, "bad_form", "The form has too many fields. Nothing was changed."
        ) from None


async def _check_form(request: Request) -> Mapping[str, str]:
    form = await read_form(request)
    if not is_of_session(form.get("csrf", ""), session_token(request.scope["headers"])):
        message = "This form belongs to another session. Go back, load the page again, and repeat it."
        raise ApiError(HTTPStatus.FORBIDDEN, "other_session", message)
    return form
