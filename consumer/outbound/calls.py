"""The only way out: one guarded HTTP call, and what came of it."""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Final

import httpcore2
import httpx2

from consumer.call import Ambiguous, Answer, CallResult, EgressRefused, NotSent, OutboundRequest
from consumer.catalog import Secret, WorkflowPolicy
from consumer.outbound.credentials import Credentials, forbidden_reference, read_credentials, references
from consumer.outbound.dialing import AddressDenied, GuardedNetwork, NotResolved, Resolve, SentMark, resolve
from consumer.outbound.egress import Target, target_of

_OURS: Final = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
    | {"proxy-authenticate", "proxy-authorization", "proxy-connection"}
)
"""Headers that belong to the connection or to the message's framing: taken from no event."""
_WIRE_LOGGERS: Final = ("httpcore2.http11", "httpcore2.http2")
_NO_TUNNELS: Final = frozenset({"CONNECT", "TRACE"})
_NO_SECRETS: Final = Credentials({})
_SECOND: Final = timedelta(seconds=1)


class Calls:
    """Makes calls to the hosts that the catalog allows.

    Each call has a connection of its own: a kept one may die under the next request, which then has an unknown
    outcome, and was checked for another workflow's addresses. No proxy, cookie, redirect or retry is ever added.
    """

    def __init__(
        self,
        secrets: Mapping[str, Secret],
        *,
        tls: ssl.SSLContext,
        resolve: Resolve = resolve,
        network: httpcore2.AsyncNetworkBackend | None = None,
        connections: int = 64,
    ) -> None:
        self._secrets = secrets
        self._tls = tls
        self._resolve = resolve
        self._network = network or httpcore2.AnyIOBackend()
        self._slots = asyncio.Semaphore(connections)

    def refusal(self, request: OutboundRequest, policy: WorkflowPolicy) -> str | None:
        """Say why the catalog does not allow a call, or None; asks neither the network nor the environment."""
        allowed = self._allowed(request, policy)
        return allowed.reason if isinstance(allowed, EgressRefused) else None

    async def send(
        self, request: OutboundRequest, policy: WorkflowPolicy, *, within: timedelta, max_bytes: int
    ) -> CallResult:
        """Make a call, from resolving its host to its answer's last byte within a time.

        Everything that the world does is a value. At most `max_bytes` of the decoded answer are read.
        """
        target = self._allowed(request, policy)
        if isinstance(target, EgressRefused):
            return target
        started = time.monotonic()
        exchange = _Exchange(mark=SentMark(started + within / _SECOND), started=started)
        try:
            async with asyncio.timeout(within / _SECOND):
                names = references(request.headers)
                credentials = await asyncio.to_thread(read_credentials, names, self._secrets) if names else _NO_SECRETS
                if isinstance(credentials, EgressRefused):
                    return credentials
                async with self._slots:
                    exchange.connecting = True
                    return await self._exchanged(exchange, target, request, credentials, within, max_bytes)
        except (AddressDenied, NotResolved, TimeoutError, *_FAILURES) as error:
            return exchange.failed(error)

    async def _exchanged(
        self,
        exchange: "_Exchange",
        target: Target,
        request: OutboundRequest,
        credentials: Credentials,
        within: timedelta,
        max_bytes: int,
    ) -> Answer:
        network = GuardedNetwork(
            networks=target.networks, mark=exchange.mark, resolve=self._resolve, network=self._network
        )
        async with httpcore2.AsyncConnectionPool(
            ssl_context=self._tls, max_connections=1, max_keepalive_connections=0, network_backend=network
        ) as pool:
            response = await pool.handle_async_request(_on_the_wire(request, target, credentials, within))
            return await _answer(response, exchange, credentials, max_bytes)

    def _allowed(self, request: OutboundRequest, policy: WorkflowPolicy) -> Target | EgressRefused:
        if request.method in _NO_TUNNELS:
            return EgressRefused(reason=f"{request.method} is never sent: it would tunnel, or echo credentials")
        target = target_of(request.url, policy.hosts)
        if isinstance(target, EgressRefused):
            return target
        forbidden = forbidden_reference(references(request.headers), target.host, policy, self._secrets)
        return EgressRefused(reason=forbidden) if forbidden else target


@asynccontextmanager
async def open_calls(
    secrets: Mapping[str, Secret],
    *,
    resolve: Resolve = resolve,
    network: httpcore2.AsyncNetworkBackend | None = None,
    connections: int = 64,
) -> AsyncIterator[Calls]:
    """Open the way out, with the system's certificate authorities."""
    tls = await asyncio.to_thread(ssl.create_default_context)
    # At level DEBUG the library logs every answer's headers, and an answer can echo a credential.
    for name in _WIRE_LOGGERS:
        logging.getLogger(name).addFilter(_nothing)
    try:
        yield Calls(secrets, tls=tls, resolve=resolve, network=network, connections=connections)
    finally:
        for name in _WIRE_LOGGERS:
            logging.getLogger(name).removeFilter(_nothing)


def _nothing(_: logging.LogRecord) -> bool:
    return False


class _Exchange:
    """How far one call got: what decides whether it may have had an effect."""

    def __init__(self, *, mark: SentMark, started: float) -> None:
        self.mark = mark
        self.started = started
        self.connecting = False

    @property
    def elapsed(self) -> timedelta:
        return timedelta(seconds=time.monotonic() - self.started)

    def failed(self, error: BaseException) -> NotSent | Ambiguous | EgressRefused:
        """Name a failure. Library messages can quote a header, so only the refusals' own words are kept."""
        match error:
            case AddressDenied():
                return EgressRefused(reason=str(error))
            case NotResolved():
                return NotSent(kind="NameResolutionError", reason=str(error), elapsed=self.elapsed)
            case _ if self.mark.sent:
                kind = "ReadTimeout" if isinstance(error, TimeoutError) else type(error).__name__
                reason = "the request was sent, and no whole answer came"
                return Ambiguous(kind=kind, reason=f"{reason} ({kind})", elapsed=self.elapsed)
            case TimeoutError() if not self.connecting:
                reason = "no connection slot became free in time"
                return NotSent(kind="PoolTimeout", reason=reason, elapsed=self.elapsed)
            case TimeoutError():
                return NotSent(kind="ConnectTimeout", reason="no connection in time", elapsed=self.elapsed)
            case _:
                kind = type(error).__name__
                return NotSent(kind=kind, reason=f"no connection, nothing was sent ({kind})", elapsed=self.elapsed)


_FAILURES: Final = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpx2.HTTPError,
    OSError,  # TLS errors after the handshake come as they are
)


def _on_the_wire(
    request: OutboundRequest, target: Target, credentials: Credentials, within: timedelta
) -> httpcore2.Request:
    headers = [
        (name.encode("ascii"), credentials.put_in(value).strip().encode())
        for name, value in request.headers
        if name.lower() not in _OURS
    ]
    built = httpx2.Request(request.method, target.url, headers=headers, content=request.body)
    given = {name.lower() for name, _ in request.headers}
    for name, value in (
        ("user-agent", "self-healing-workflows"),
        ("accept", "*/*"),
        ("accept-encoding", "gzip, deflate"),
    ):
        if name not in given:
            built.headers[name] = value
    return httpcore2.Request(
        method=built.method,
        url=httpcore2.URL(
            scheme=target.url.raw_scheme, host=target.url.raw_host, port=target.url.port, target=target.url.raw_path
        ),
        headers=built.headers.raw,
        content=request.body or b"",
        extensions={"timeout": {"connect": within / _SECOND}},
    )


async def _answer(
    response: httpcore2.Response, exchange: _Exchange, credentials: Credentials, max_bytes: int
) -> Answer:
    decoded = httpx2.Response(response.status, headers=response.headers, stream=_Body(response))
    body = bytearray()
    # Closed whatever happens: a cut answer's connection is of no use to anyone.
    async with aclosing(decoded), aclosing(decoded.aiter_bytes()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > max_bytes:
                break
    return Answer(
        status=response.status,
        headers=tuple((n.decode("latin-1"), credentials.taken_out(v).decode("latin-1")) for n, v in response.headers),
        body=credentials.taken_out(bytes(body[:max_bytes])),
        truncated=len(body) > max_bytes,
        elapsed=exchange.elapsed,
    )


class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._response.aclose()
