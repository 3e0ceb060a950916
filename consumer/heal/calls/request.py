"""Outbound requests built from an event: its timeout, idempotency key, digest, and the origin it goes to."""

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

import httpx2

from consumer.catalog import WorkflowPolicy
from consumer.diagnose.facts import words_of
from consumer.model import Json
from consumer.model.call import OutboundRequest
from consumer.model.digest import digest
from schemas.context import RequestContext, ResumeContext
from schemas.json_text import to_json

HANDOVER_TRIES: Final = 3


_ORIGIN: Final = re.compile(r"[A-Za-z]+://[^/?#]*")


_OF_THE_BYTES: Final = words_of("""
    content-encoding content-length content-md5 content-digest repr-digest digest etag transfer-encoding
    trailer content-range content-transfer-encoding x-amz-content-sha256 x-amz-decoded-content-length x-amz-trailer
    x-amz-sdk-checksum-algorithm x-content-sha256 x-content-md5 x-ms-blob-content-md5 x-ms-content-md5
    x-ms-content-crc64 x-goog-hash x-checksum x-checksum-md5 x-checksum-sha1 x-checksum-sha256 x-body-digest
    x-body-sha256 content-crc32 content-sha256 content-features
    """)
"""Headers that describe the bytes of the body that was sent. The body is written anew, and is not what they say."""
_OF_THE_BYTES_BY_PREFIX: Final = ("x-amz-checksum-", "x-amz-meta-x-amz-unencoded-")
_DESCRIBES: Final = re.compile(
    r"(?:x-)?(?:[a-z0-9]+-){0,3}(?:content|body|payload)-(?:encoding|length|md5|sha-?\d+|crc-?\d+c?|checksum|digest|hash|etag)"
)
"""Names of the same kind that some services have made."""
_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?(?!utf-8\b)[^\s;\"]*\"?", re.IGNORECASE)


_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def call_limit(request: RequestContext, policy: WorkflowPolicy) -> timedelta:
    """Return the timeout of one call: a request may ask for less than the policy, never for more."""
    asked = request.timeout_seconds
    limit = policy.auto_retry.timeout
    return limit if asked is None else min(timedelta(seconds=asked), limit)


def outbound(request: RequestContext, *, with_body: bool = True) -> OutboundRequest:
    """Build the call again as it was made, with the caller's own idempotency key.

    Headers that describe the bytes of the former body are left out: this one is written anew, in UTF-8. It is not
    needed where the caller only checks whether the call is allowed.
    """
    headers = _without_bytes(request.headers)
    given = {name.lower() for name in headers}
    body: bytes | None = None
    if isinstance(request.body, str):
        body = request.body.encode()
    elif request.body is not None:
        body = to_json(request.body) if with_body else None
        if "content-type" not in given:
            headers["Content-Type"] = "application/json"
    if request.idempotency_key:
        header = request.idempotency_header
        headers = {name: value for name, value in headers.items() if name.lower() != header.lower()}
        headers[header] = request.idempotency_key
    return OutboundRequest(method=request.method, url=request.url, headers=tuple(headers.items()), body=body)


def _without_bytes(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: _utf_8(name, value) for name, value in headers.items() if not _describes_bytes(name.lower())}


def _describes_bytes(name: str) -> bool:
    return name in _OF_THE_BYTES or name.startswith(_OF_THE_BYTES_BY_PREFIX) or _DESCRIBES.fullmatch(name) is not None


def _utf_8(name: str, value: str) -> str:
    return _CHARSET.sub("; charset=utf-8", value) if name.lower() == "content-type" else value


def handover_address(resume: ResumeContext) -> OutboundRequest:
    """Build the hand-over's request without its body."""
    return OutboundRequest(method=resume.method, url=resume.url, headers=tuple(_without_bytes(resume.headers).items()))


def call_digest(request: RequestContext) -> str:
    """Return the digest of what a call asks for: the order of its members and the spelling of its host do not count."""
    spelled = _origin_text(request.url)
    url = _origins(spelled)[1] + request.url[len(spelled) :]
    parts: list[Json] = [request.method, url, request.body, request.idempotency_key]
    return digest(parts)


def origin(url: str) -> str:
    """Return the origin of a call, the dependency that is unhealthy if it fails: `https://api.example.com:443`."""
    return _origins(_origin_text(url))[0]


def _origin_text(url: str) -> str:
    found = _ORIGIN.match(url)
    return found[0] if found else url


@lru_cache(maxsize=4096)
def _origins(text: str) -> tuple[str, str]:
    """Return an origin in two canonical forms: with its port, and without it where it is the scheme's default."""
    try:
        url = httpx2.URL(text)
        host = url.raw_host.decode("ascii")
        host = f"[{IPv6Address(host)}]" if ":" in host else host
    except (httpx2.InvalidURL, AddressValueError, UnicodeError):
        return text.lower(), text
    plain = f"{url.scheme}://{host}"
    default = _DEFAULT_PORTS.get(url.scheme)
    port = url.port or default
    return f"{plain}:{port}", plain if port == default else f"{plain}:{port}"
