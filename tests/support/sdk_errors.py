"""What the installed clients of others say of their own errors: read from the packages, never written down here."""

import gzip
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from http import HTTPStatus
from importlib.resources import files
from typing import Any, TypeVar

import grpc
import httpx2
import openai
import orjson
import stripe
import stripe._payment_intent

T = TypeVar("T")

_RETRIED = (408, 409, 429, 500, 502, 503, 504)
_NOT_FOR_GOOD = frozenset({408, 409, 423, 425, 429})
"""Of the statuses 4xx those that another time may end."""
_TAG = re.compile(r"<[^>]*>")
_PYTHON_LISTS = re.compile(r"_(?:TRANSIENT|THROTTLED)_ERROR_CODES = \[([^\]]*)\]")
_STRIPE_CODES = re.compile(r"code: Optional\[\s+Union\[\s+Literal\[([^\]]*)\]")
_STRIPE_TRANSIENT = re.compile(
    r"lock_timeout|rate_limit(_exceeded)?|payment_intent_rate_limit_exceeded|idempotency_key_in_use|processing_error"
    r"|\w+_provider_(timeout|unavailable)|\w+_reader_timeout|\w+_upstream_(\w+_)?(error|timeout)"
)
_STRIPE_PERMANENT = re.compile(r"card_declined|expired_card|resource_missing|(invalid|incorrect|parameter)_\w+")
_AWS_PERMANENT = re.compile(r"(AccessDenied|Validation)(Exception|Error)?")
_GRPC_TRANSIENT = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "ABORTED", "INTERNAL", "UNKNOWN")
_GRPC_PERMANENT = (
    "UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT", "UNIMPLEMENTED", "NOT_FOUND", "ALREADY_EXISTS",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkError:
    """One error as a failure would tell of it."""

    reason: str
    error: dict[str, Any] = field(default_factory=dict)

    @property
    def context(self) -> dict[str, Any]:
        return {"error": self.error} if self.error else {}


def transient() -> dict[str, list[SdkError]]:
    """Give, for each package, the errors after which its client or its documentation tries again."""
    return {
        "botocore": [*_aws_lists(), *_aws_shapes(is_transient=True)],
        "stripe": [
            *_stripe_codes(_STRIPE_TRANSIENT),
            *_stripe_classes(stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError),
        ],
        "openai": list(_openai(is_transient=True)),
        "httpx2": list(_httpx2()),
        "grpc": list(_grpc(_GRPC_TRANSIENT)),
    }


def permanent() -> dict[str, list[SdkError]]:
    """Give, for each package, errors that come again however often the same is sent."""
    return {
        "botocore": list(_aws_shapes(is_transient=False)),
        "stripe": [
            *_stripe_codes(_STRIPE_PERMANENT),
            *_stripe_classes(stripe.AuthenticationError, stripe.PermissionError, stripe.InvalidRequestError),
        ],
        "openai": list(_openai(is_transient=False)),
        "grpc": list(_grpc(_GRPC_PERMANENT)),
    }


def aws_left_out() -> tuple[int, int]:
    """Count the error shapes that models mark as retryable, and those of them that are left out all the same."""
    listed = frozenset(_aws_standard())
    marked = [(name, shape) for name, shape in _error_shapes() if "retryable" in shape]
    return len(marked), sum(not _is_transient(name, shape, listed) for name, shape in marked)


def _named(name: str, doc: str, status: int | None = None, *, code: str | None = None) -> SdkError:
    error = {"code": code, "type": name, "http_status": status}
    return SdkError(reason=doc or name, error={key: said for key, said in error.items() if said is not None})


def _aws_lists() -> Iterator[SdkError]:
    """Read the codes that botocore tries again whatever the service: of its standard mode, and of its older one."""
    for name in _aws_standard():
        yield _named(name, "", code=name)
    root = files("botocore")
    for response in _responses(orjson.loads((root / "data" / "_retry.json").read_bytes())):
        code, status = response.get("service_error_code"), response.get("http_status_code")
        if code:
            yield _named(code, "", status, code=code)
        elif status:
            yield SdkError(reason="", error={"http_status": status})


def _aws_standard() -> list[str]:
    listed = _PYTHON_LISTS.findall((files("botocore") / "retries" / "standard.py").read_text())
    return re.findall(r"'(\w+)'", "".join(listed))


def _responses(policies: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key, value in policies.items():
        if key == "response":
            yield value
        elif isinstance(value, dict):
            yield from _responses(value)


def _aws_shapes(*, is_transient: bool) -> Iterator[SdkError]:
    seen, listed = set(), frozenset(_aws_standard())
    for name, shape in _error_shapes():
        if _is_transient(name, shape, listed) if is_transient else _AWS_PERMANENT.fullmatch(name):
            doc = " ".join(unescape(_TAG.sub(" ", shape.get("documentation", ""))).split())
            status = shape.get("error", {}).get("httpStatusCode")
            if (name, doc, status) not in seen:
                seen.add((name, doc, status))
                yield _named(name, doc, status, code=name)
                yield SdkError(reason=f"An error occurred ({name}) when calling the DescribeVolume operation: {doc}")


def _is_transient(name: str, shape: dict[str, Any], listed: frozenset[str]) -> bool:
    """Say whether a model means it: some mark as retryable what by their own status is denied, invalid or missing."""
    if "retryable" not in shape:
        return False
    status = shape.get("error", {}).get("httpStatusCode", 0)
    is_for_good = 400 <= status < 500 and status not in _NOT_FOR_GOOD
    return not is_for_good or shape["retryable"].get("throttling") is True or name in listed


def _error_shapes() -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the error shapes of every service whose model says which of them are tried again."""
    for service in (files("botocore") / "data").iterdir():
        for version in service.iterdir() if service.is_dir() else ():
            for file in version.iterdir() if version.is_dir() else ():
                if file.name.startswith("service-2.json"):
                    raw = file.read_bytes()
                    raw = gzip.decompress(raw) if file.name.endswith(".gz") else raw
                    if b'"retryable"' in raw:
                        shapes = orjson.loads(raw)["shapes"]
                        yield from ((name, shape) for name, shape in shapes.items() if "exception" in shape)


def _stripe_codes(which: re.Pattern[str]) -> Iterator[SdkError]:
    source = inspect.getsource(stripe._payment_intent)  # noqa: SLF001 - where the codes stand
    for code in re.findall(r'"(\w+)"', "".join(_STRIPE_CODES.findall(source))):
        if which.fullmatch(code):
            yield SdkError(reason=code, error={"code": code, "provider": "stripe"})
            yield SdkError(reason=f'{{"error": {{"code": "{code}"}}}}')


def _stripe_classes(*roots: type[stripe.StripeError]) -> Iterator[SdkError]:
    for one in _with_subclasses(*roots):
        yield _named(f"stripe.{one.__name__}", _doc(one))
        yield SdkError(reason=f"stripe.{one.__name__}: {_doc(one)}")


def _openai(*, is_transient: bool) -> Iterator[SdkError]:
    for one in _with_subclasses(openai.APIStatusError):
        own = getattr(one, "status_code", None)
        statuses = (own,) if isinstance(own, int) else (500, 502, 503, 504) if one is openai.InternalServerError else ()
        for status in statuses:
            if (status in _RETRIED) is is_transient:
                phrase = HTTPStatus(status).phrase
                yield _named(f"openai.{one.__name__}", _doc(one) or phrase, status)
                yield _named(f"openai.{one.__name__}", _doc(one))
                yield SdkError(reason=f"openai.{one.__name__}: Error code: {status} - {phrase}")
    if is_transient:
        request = httpx2.Request("POST", "http://127.0.0.1/")
        for raised in (openai.APIConnectionError(request=request), openai.APITimeoutError(request)):
            name = f"openai.{type(raised).__name__}"
            yield _named(name, str(raised))
            yield SdkError(reason=f"{name}: {raised}")


def _httpx2() -> Iterator[SdkError]:
    for one in _with_subclasses(httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError):
        if one.__module__.startswith("httpx2"):
            yield _named(f"httpx2.{one.__name__}", _doc(one))
            yield SdkError(reason=f"httpx2.{one.__name__}: {_doc(one)}")
            yield SdkError(reason=f"httpx2.{one.__name__}")


def _grpc(names: tuple[str, ...]) -> Iterator[SdkError]:
    for name in names:
        status = grpc.StatusCode[name]
        number, description = status.value
        for said in (name, str(status), number):
            yield SdkError(reason=description, error={"grpc_status": said})
            yield SdkError(reason="the call failed", error={"grpc_status": said})
        yield SdkError(reason=f"<_InactiveRpcError of RPC that terminated with: status = {status}>")
        yield SdkError(reason=f"rpc error: code = {name} desc = {description}")


def _with_subclasses(*roots: type[T]) -> list[type[T]]:
    found = list(roots)
    for one in found:
        found += [derived for derived in one.__subclasses__() if derived not in found]
    return found


def _doc(of: type) -> str:
    """Give a class's own documentation; what it inherits is another's."""
    return " ".join(inspect.cleandoc(of.__dict__.get("__doc__") or "").split())
