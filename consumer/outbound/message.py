"""A request as it goes over the wire, and the answer as it comes back: bounded, decoded, without our credentials."""

import asyncio
import re
from contextlib import aclosing
from datetime import timedelta
from typing import Final

import httpcore2
import httpx2

from consumer.model.call import Answer, OutboundRequest
from consumer.outbound.credentials import Credentials
from consumer.outbound.decoding import ACCEPTED, Decoder, Oversized
from consumer.outbound.egress import Target
from consumer.outbound.exchange import Exchange

_OURS: Final = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "proxy-authenticate", "proxy-authorization", "proxy-connection"}
)
"""Headers that belong to the connection or to the message's framing: taken from no event."""
_NO_TUNNELS: Final = frozenset({"CONNECT", "TRACE"})
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")
_UNSENDABLE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
HEADS: Final = 128 * 1024
"""Received at most before an answer's head is complete: room for it and for preliminary answers, of which a flood would
be work until the time is over."""
_MOST_PARTS: Final = 50_000
"""A body in more parts is work and no answer: chunks of one byte cost a thousand times what they carry."""


def unsendable(request: OutboundRequest) -> str | None:
    """Say what of a request is never put on the wire, or None."""
    if request.method.upper() in _NO_TUNNELS:
        return f"{request.method} is never sent: it would tunnel, or echo credentials"
    if not _TOKEN.fullmatch(request.method):
        return "the method is not one: send a plain word such as GET"
    for name, value in request.headers:
        if not _TOKEN.fullmatch(name) or _UNSENDABLE.search(value):
            return "a header's name or value holds what a header cannot: send plain text on one line"
    return None


def on_the_wire(
    request: OutboundRequest, target: Target, credentials: Credentials, within: timedelta
) -> httpcore2.Request:
    """Build the message; the only place where a credential's value stands beside its header."""
    headers = [
        (name.encode("ascii"), credentials.put_in(value).strip().encode())
        for name, value in request.headers
        if name.lower() not in _OURS
    ]
    built = httpx2.Request(request.method, target.url, headers=headers, content=request.body)
    given = {name.lower() for name, _ in request.headers}
    for name, value in (("user-agent", "self-healing-workflows"), ("accept", "*/*")):
        if name not in given:
            built.headers[name] = value
    built.headers["accept-encoding"] = ACCEPTED
    return httpcore2.Request(
        method=built.method,
        url=httpcore2.URL(
            scheme=target.url.raw_scheme, host=target.url.raw_host, port=target.url.port, target=target.url.raw_path
        ),
        headers=built.headers.raw,
        content=request.body or b"",
        extensions={"timeout": {"connect": within.total_seconds()}},
    )


async def read_answer(
    response: httpcore2.Response, exchange: Exchange, credentials: Credentials, max_bytes: int
) -> Answer:
    """Read an answer up to its decoded size.

    Raises
    ------
    Undecodable
    httpcore2's errors

    """
    body = bytearray()
    # Closed whatever happens: a cut answer's connection is of no use to anyone.
    async with aclosing(response):
        whole = await _read(response, body, max_bytes)
    del body[max_bytes:]
    return Answer(
        status=response.status,
        headers=tuple((n.decode("latin-1"), credentials.taken_out(v).decode("latin-1")) for n, v in response.headers),
        body=credentials.taken_out(bytes(body), cut=not whole),
        truncated=not whole,
        elapsed=exchange.elapsed,
    )


async def _read(response: httpcore2.Response, body: bytearray, max_bytes: int) -> bool:
    encodings = [value.decode("latin-1") for name, value in response.headers if name.lower() == b"content-encoding"]
    decoder = Decoder(encodings, max_bytes)
    try:
        async with aclosing(response.aiter_stream()) as parts:
            left = _MOST_PARTS
            async for part in parts:
                left -= 1
                if not left:
                    return False
                for piece in decoder.feed(part):
                    body += piece
                    if len(body) > max_bytes:
                        return False
                    # What inflates from a few bytes comes without a wait in between: others get their turn here.
                    await asyncio.sleep(0)
    except Oversized:
        return False
    decoder.end()
    return True
