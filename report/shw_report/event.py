"""Builds the event of a failure: a CloudEvent `workflow.failure.v1` without secrets. Pure but for its id and time.

What a heal may send again (a request, a payload) goes along only where nothing was taken out of it. Else it stands
under `withheld`, with the reason, for the person who reads it.
"""

from __future__ import annotations

import errno
import json
import re
import socket
import ssl
import traceback
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, Callable, NamedTuple
from urllib.parse import urlsplit

from shw_report import calls
from shw_report.calls import Call
from shw_report.names import is_secret_name
from shw_report.redaction import redact_text, redact_value

EVENT_TYPE = "workflow.failure.v1"
CONTENT_TYPE = (("content-type", b"application/cloudevents+json"),)
_SENT_PARTS = ("request", "resume", "payload", "schema", "asset")
_MAX_TEXT = 8 * 1024
_MAX_EVENT = 768 * 1024
_FRAMES = 12
_SCHEME = re.compile(r"(Bearer|Basic|Token|ApiKey|DPoP)\s+", re.IGNORECASE)
_NO_NAME = re.compile(r"[^A-Za-z0-9]+")


class Failing(NamedTuple):
    """What is known where a step has failed."""

    workflow: str
    error: BaseException
    call: Call | None = None
    run: str | None = None
    step: str | None = None
    epoch: int | None = None
    org_id: str | None = None
    request: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    tries: int = 0
    goes_along: bool = True
    """Whether the call becomes the event's request."""


class Sender(NamedTuple):
    """Who reports: what is the same for all events of a process."""

    source: str
    org_id: str
    secrets: Mapping[str, str] = {}
    """The catalog's secrets by header (`authorization`), or by host and header (`api.example.com/authorization`)."""
    suggest: Callable[[str, str, str], None] = lambda *_: None
    """Told of a credential in a header that `secrets` does not name: it goes as `secret://name`."""


class Outgoing(NamedTuple):
    """A record for the topic of failures."""

    key: bytes | None
    value: bytes


def build(failing: Failing, sender: Sender) -> Outgoing:
    """Return the event; its id is new, so an error is to be built once."""
    context = _context(failing, sender)
    data: dict[str, Any] = {
        "org_id": failing.org_id or sender.org_id,
        "workflow_name": failing.workflow,
        "failure_reason": _reason(failing),
        "context": context,
        "detected_at": datetime.now(timezone.utc).isoformat(),
    }
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": sender.source,
        "type": EVENT_TYPE,
        "datacontenttype": "application/json",
        "data": data,
    }
    value = _encoded(event)
    if value is None or len(value) > _MAX_EVENT:
        data["context"] = {name: context[name] for name in ("error", "run") if name in context}
        data["context"]["withheld"] = {"why": "the context is too big, or no JSON"}
        value = _encoded(event) or b""
    return Outgoing(key=failing.run.encode() if failing.run else None, value=value)


def _encoded(event: dict[str, Any]) -> bytes | None:
    try:
        return json.dumps(event, ensure_ascii=False, default=str, allow_nan=False).encode("utf-8", "replace")
    except (ValueError, TypeError, RecursionError):
        return None


def _reason(failing: Failing) -> str:
    call, said = failing.call, str(failing.error).split("\nFor more information")[0][:_MAX_TEXT]
    where = "" if call is None else f"; {call.request.method} {str(call.request.url).split('?')[0]}"
    return redact_text(f"{_type_of(failing.error)}: {said}{where}", sent=False)


def _type_of(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _context(failing: Failing, sender: Sender) -> dict[str, Any]:
    own = dict(failing.context or {})
    context: dict[str, Any] = {"error": _error(failing), **own}
    if failing.run is not None:
        run = {"id": failing.run, "step": failing.step, "epoch": failing.epoch, "status": "failed"}
        context.setdefault("run", {name: value for name, value in run.items() if value is not None})
    withheld: dict[str, Any] = {}
    if failing.request is not None and {"method", "url"} <= failing.request.keys():
        context["request"] = failing.request
    elif failing.call is not None and failing.goes_along:
        _add_call(failing, failing.call, sender, context, withheld)
    for name in _SENT_PARTS:
        if name in context:
            clean = redact_value(_as_json(context[name]), sent=True)
            if clean != context[name]:
                withheld[name] = {"why": "it holds what looks like a secret", "value": clean}
                del context[name]
    clean_context: dict[str, Any] = {
        # What names a run may look random: a token in it is taken out by its mark alone.
        name: value if name in _SENT_PARTS else redact_value(_as_json(value), sent=name == "run")
        for name, value in context.items()
    }
    if withheld:
        clean_context["withheld"] = redact_value(withheld, sent=False)
    return clean_context


def _as_json(value: Any) -> Any:
    """Return a value as JSON has it: redaction knows objects, lists and texts."""
    return json.loads(json.dumps(value, default=str))


def _error(failing: Failing) -> dict[str, Any]:
    error, call = failing.error, failing.call
    told: dict[str, Any] = {
        "type": _type_of(_of_tls(error) or error),
        "message": str(error)[:_MAX_TEXT],
        "code": _code_of(error),
    }
    if call is not None and call.response is not None:
        headers = calls.answered_headers(call.response)
        lowered = {name.lower(): value for name, value in headers.items()}
        told.update(http_status=call.status, headers=headers, body=calls.answer_of(call.response))
        told["retry_after"] = lowered.get("retry-after")
    if failing.tries > 1:
        told["tries"] = failing.tries
    told["stack"] = _stack_of(error)
    return {name: value for name, value in told.items() if value not in (None, {}, [])}


def _stack_of(error: BaseException) -> list[str]:
    """Return the last frames without their source, whose literals may be secrets."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


def _of_tls(error: BaseException) -> ssl.SSLError | None:
    """Return what TLS said beneath a client's own exception, which tells of a connection only."""
    return next((one for one in causes_of(error) if isinstance(one, ssl.SSLError)), None)


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it came from, the nearest first."""
    one: BaseException | None = error
    for _ in range(8):
        if one is None:
            return
        yield one
        one = one.__cause__ or one.__context__


def _code_of(error: BaseException) -> str | None:
    """Return the code of the system's error beneath an exception: `ECONNREFUSED`."""
    for one in causes_of(error):
        if isinstance(one, socket.gaierror):
            return "EAI_AGAIN" if one.errno == socket.EAI_AGAIN else "ENOTFOUND"
        if isinstance(one, OSError) and not isinstance(one, ssl.SSLError) and one.errno:
            return errno.errorcode.get(one.errno)
    return None


def _add_call(failing: Failing, call: Call, sender: Sender, context: dict[str, Any], withheld: dict[str, Any]) -> None:
    """Add the call to the context as a request that can be made again, else to what is withheld."""
    method, url = str(call.request.method).upper(), str(call.request.url)
    headers = _headers(call, url, sender)
    request: dict[str, Any] = {"method": method, "url": url}
    name, key = calls.key_of(headers)
    if name:
        request.update(idempotency_key=key, idempotency_header=name)
        del headers[name]
    try:
        body = calls.body_of(call.request)
    except calls.WithheldBody as why:
        withheld["request"] = {"why": str(why), "value": {**request, "headers": headers}}
        return
    if body.is_json:
        headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
    request["headers"] = headers
    if body.value is not None:
        request["body"] = body.value
    request["effect"] = calls.effect_of(method, body.value, has_key=bool(name))
    context["request"] = {**request, **(failing.request or {})}
    if call.status in (400, 422) and body.is_json and failing.run and failing.step:
        context.setdefault("payload", body.value)


def _headers(call: Call, url: str, sender: Sender) -> dict[str, str]:
    """Return the call's headers, each credential as a reference to the secret that the healer's catalog has of it."""
    host = urlsplit(url).hostname or ""
    headers: dict[str, str] = {}
    for name, value in calls.headers_of(call.request):
        low = name.lower()
        known = sender.secrets.get(f"{host}/{low}") or sender.secrets.get(low)
        if known:
            headers[name] = known if "secret://" in known else f"{_scheme_of(value)}secret://{known}"
        elif not calls.key_of({name: value})[0] and (
            is_secret_name(name) or redact_value({name: value}, sent=True) != {name: value}
        ):
            suggested = secret_name(host, low)
            sender.suggest(host, low, suggested)
            headers[name] = f"{_scheme_of(value)}secret://{suggested}"
        else:
            headers[name] = value
    return headers


def _scheme_of(value: str) -> str:
    found = _SCHEME.match(value)
    return f"{found[1]} " if found else ""


def secret_name(host: str, header: str) -> str:
    """Return the name under which a credential is suggested: `API_EXAMPLE_COM_AUTHORIZATION`."""
    return _NO_NAME.sub("_", f"{host}_{header}").strip("_").upper()[:100]
