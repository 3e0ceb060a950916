"""HTTP messages: builds the request with its credentials, and reads the answer bounded, decoded and without them."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Final

import httpcore2
import httpx2

from consumer.model.call import Answer, OutboundRequest
from consumer.outbound.allowed_hosts import Target
from consumer.outbound.answer_room import SHORT, BodyRoom
from consumer.outbound.credentials import Credentials
from consumer.outbound.decoding import ACCEPTED, Decoder, Oversized
from consumer.outbound.exchange import Exchange

_RESERVED_HEADERS: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "proxy-authenticate", "proxy-authorization", "proxy-connection"}
)
"""Headers that belong to the connection or to the message's framing: never taken from an event."""
_OVERRIDING_HEADERS: Final = frozenset(
    {
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
        "x-original-uri",
    }
    | {"x-original-method", "x-forwarded-uri", "x-forwarded-method"}
)
"""Headers by which some servers take another method or URL for the request's: the catalog was asked about these."""
_FORBIDDEN_METHODS: Final = frozenset({"CONNECT", "TRACE"})
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
_UNSENDABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
HEADS: Final = 128 * 1024
"""Most bytes received until an answer's head is complete, 1xx answers included: a flood of those would cost work until
the timeout."""
_PIECE: Final = 256 * 1024
_MAX_PARTS: Final = 50_000
"""Most parts of a body: chunks of one byte cost a thousand times what they carry."""

MAX_VALUES: Final = 150_000
"""Most values of a JSON body, by its commas and opening brackets. Each costs 50 bytes and more once it is parsed, and
half a microsecond of the event loop: the densest 4 MB would hold it for 0.3 s wherever the answer is looked at."""


def unsendable(request: OutboundRequest) -> str | None:
    """Return why a request is never sent, by its method or headers, or None."""
    if request.method.upper() in _FORBIDDEN_METHODS:
        return f"{request.method} is never sent: it would tunnel, or echo credentials"
    if not _TOKEN.fullmatch(request.method):
        return "the method is not one: send a plain word such as GET"
    for name, value in request.headers:
        if not _TOKEN.fullmatch(name) or _UNSENDABLE.search(value):
            return "a header's name or value holds what a header cannot: send plain text on one line"
        if _canonical(name) in _OVERRIDING_HEADERS:
            return f"the header {name} may make it another method or URL: send those as method and url themselves"
    return None


def _canonical(name: str) -> str:
    """Return a header's name as servers compare it; many take `_` for `-`."""
    return name.lower().replace("_", "-")


def on_the_wire(
    request: OutboundRequest, target: Target, credentials: Credentials, within: timedelta
) -> httpcore2.Request:
    """Build the request to send; the only place where a credential's value is put into a header or a body."""
    headers = [
        (name.encode("ascii"), credentials.put_in(value).strip().encode())
        for name, value in request.headers
        if _canonical(name) not in _RESERVED_HEADERS
    ]
    if credentials.token is not None and (issued := credentials.token.header_for(target.origin)) is not None:
        headers.append(issued)
    content = request.body
    if content is not None and request.secret_body:
        content = credentials.put_in_body(content, _media_type(request))
    built = httpx2.Request(request.method, target.url, headers=headers, content=content)
    given = {name.lower() for name, _ in request.headers}
    for name, value in (("user-agent", "self-healing-workflows"), ("accept", "*/*")):
        if name not in given:
            built.headers[name] = value
    # A coded form has an ETag of its own, or none that is strong: no write can be conditional on it.
    built.headers["accept-encoding"] = "identity" if request.as_stored else ACCEPTED
    return httpcore2.Request(
        method=built.method,
        url=httpcore2.URL(
            scheme=target.url.raw_scheme, host=target.url.raw_host, port=target.url.port, target=target.url.raw_path
        ),
        headers=built.headers.raw,
        content=_in_pieces(content) if content and len(content) > _PIECE else content or b"",
        extensions={"timeout": {"connect": within.total_seconds()}},
    )


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """Yield a large body in pieces: encrypted as a whole, it would hold the event loop."""
    for at in range(0, len(body), _PIECE):
        yield body[at : at + _PIECE]
        await asyncio.sleep(0)


def _media_type(request: OutboundRequest) -> str:
    return next((value for name, value in request.headers if name.lower() == "content-type"), "")


async def read_answer(
    response: httpcore2.Response,
    exchange: Exchange,
    credentials: Credentials,
    room: BodyRoom,
    *,
    max_bytes: int,
    opaque: bool = False,
) -> Answer:
    """Read an answer, its decoded body up to `max_bytes`, as there is room for it; `opaque` as in the request.

    Raises
    ------
    Undecodable
    httpcore2's errors

    """
    body = bytearray()
    # Closed in any case: the connection of a truncated answer cannot be reused.
    async with aclosing(response):
        whole = await _read_body(response, body, max_bytes, room)
    if not opaque and len(body) > MAX_VALUES and _count_values(body) > MAX_VALUES:
        whole, max_bytes = False, SHORT
    del body[max_bytes:]
    media = next((v.decode("latin-1") for n, v in response.headers if n.lower() == b"content-type"), "")
    return Answer(
        status=response.status,
        headers=credentials.taken_out_of_headers(response.headers),
        body=await credentials.taken_out_of_body(bytes(body), media, cut=not whole),
        truncated=not whole,
        elapsed=exchange.elapsed,
    )


def _count_values(body: bytearray) -> int:
    """Count what would be values if it is JSON; a list of values that has no brackets is none."""
    brackets = body.count(b"[") + body.count(b"{")
    return brackets and brackets + body.count(b",")


async def _read_body(response: httpcore2.Response, body: bytearray, max_bytes: int, room: BodyRoom) -> bool:
    encodings = [value.decode("latin-1") for name, value in response.headers if name.lower() == b"content-encoding"]
    decoder = Decoder(encodings, max_bytes)
    try:
        async with aclosing(response.aiter_stream()) as parts:
            left = _MAX_PARTS
            async for part in parts:
                left -= 1
                if not left:
                    return False
                for piece in decoder.feed(part):
                    body += piece
                    if len(body) > max_bytes:
                        return False
                    # Inflating a few bytes into many pieces awaits nothing: the event loop turns here.
                    await room.fit(len(body))
    except Oversized:
        return False
    decoder.end()
    return True
