"""Calls to an engine's JSON API that make up one order or one look, under one deadline."""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias, assert_never
from urllib.parse import quote, unquote

from pydantic import TypeAdapter

from consumer.catalog import EngineServer, WorkflowPolicy
from consumer.model import Json
from consumer.model.call import Ambiguous, Answer, CallResult, EgressRefused, NotSent, OutboundRequest
from consumer.outbound.tokens import EngineCalls
from consumer.runners.answers import ReadT, parsed, unseen
from consumer.runners.contract import LookFailed, Rejected, RunRef
from consumer.runners.places import organisation
from consumer.runners.templates import json_bytes

NotStarted: TypeAlias = Rejected | NotSent | EgressRefused
"""Results of an order that ended before anything of it was sent."""
_SECOND: Final = timedelta(seconds=1)
_NO_TIME: Final = timedelta(0)
_MAX_SEGMENT: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonApi:
    """The API of one engine, as one order or one look uses it."""

    server: EngineServer
    calls: EngineCalls
    run: RunRef
    policy: WorkflowPolicy
    ends: float

    async def send(self, method: str, path: str, body: Json = None, *, effect: bool | None = None) -> CallResult:
        """Make one call; whatever is not a GET counts as one with an effect, unless it is said that it has none."""
        left = timedelta(seconds=self.ends - time.monotonic())
        if left <= _NO_TIME:
            return NotSent(kind="Deadline", reason="no time was left: nothing was sent", elapsed=_NO_TIME)
        return await self.calls.send(
            api_request(self.server, self.run, method, path, body, effect=effect),
            self.policy,
            within=min(left, self.server.timeout),
            max_bytes=self.server.response_bytes,
        )

    async def before_order(self, path: str, form: TypeAdapter[ReadT]) -> ReadT | NotStarted:
        """Read the state that an order depends on; if this fails, nothing has happened yet."""
        result = await self.send("GET", path)
        match result:
            case NotSent() | EgressRefused():
                return result
            case Ambiguous(kind=kind, reason=reason, elapsed=elapsed):
                return NotSent(kind=kind, reason=f"before the order: {reason}", elapsed=elapsed)
            case Answer():
                read = parsed(result, form)
                return read if read is not None else not_read(unseen(result))
            case _:
                assert_never(result)


def json_api(
    server: EngineServer, calls: EngineCalls, run: RunRef, policy: WorkflowPolicy, within: timedelta
) -> JsonApi:
    """Return the API for one order or look that ends `within` from now."""
    return JsonApi(server=server, calls=calls, run=run, policy=policy, ends=time.monotonic() + within / _SECOND)


def api_request(
    server: EngineServer, run: RunRef, method: str, path: str, body: Json = None, *, effect: bool | None = None
) -> OutboundRequest:
    """Build one call; raises UnfitValue where the body cannot be written."""
    headers = tuple(server.headers.items())
    return OutboundRequest(
        method=method,
        url=server.api + path,
        headers=headers if body is None else (*headers, ("content-type", "application/json")),
        body=None if body is None else json_bytes(body),
        org_id=organisation(run),
        effect=method != "GET" if effect is None else effect,
    )


def not_read(seen: LookFailed) -> Rejected:
    """Map a failed look before an order: nothing was ordered."""
    return Rejected(
        reason=f"before the order: {seen.reason}", dependency_unhealthy=seen.dependency_unhealthy, after=seen.after
    )


def segment(text: str) -> str | None:
    """Quote a value as one segment of a path; None where it would be none, or another one."""
    if not text or len(text) > _MAX_SEGMENT or not text.isprintable() or "/" in text or "\\" in text:
        return None
    quoted = quote(text, safe="")
    return None if unquote(quoted).strip(" .") == "" else quoted
