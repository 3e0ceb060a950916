"""Outbound HTTP calls through the egress guard: the only client for other parties, one connection for each call."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import httpcore2

from consumer.catalog import Secret, WorkflowPolicy
from consumer.errors import WouldAct
from consumer.model.call import REHEARSED, Answer, CallResult, EgressRefused, OutboundRequest
from consumer.outbound.allowed_hosts import Target, target_of
from consumer.outbound.answer_room import AnswerRoom
from consumer.outbound.credentials import (
    Credentials,
    IssuedToken,
    body_references,
    forbidden_reference,
    read_credentials,
    references,
)
from consumer.outbound.dialing import AddressDenied, GuardedNetwork, ReceiveLimit, Resolve
from consumer.outbound.exchange import FAILURES, Exchange
from consumer.outbound.message import HEADS, on_the_wire, read_answer, unsendable
from consumer.outbound.redirects import NotFollowed, next_call, without_credentials
from consumer.outbound.resolving import SystemResolver
from consumer.outbound.secret_bindings import unbound_use
from consumer.outbound.signing import signed, unsignable

_WIRE_LOGGERS: Final = ("httpcore2.http11", "httpcore2.http2")
ANSWER_BYTES: Final = 64 * 1024 * 1024
"""What is held of long answers in sum."""
_NO_SECRETS: Final = Credentials({})
_SECOND: Final = timedelta(seconds=1)


class OutboundCalls:
    """Makes HTTP calls to the hosts that the catalog allows.

    Each call has a connection of its own, without keep-alive: a kept connection may die under the next request, whose
    outcome is then unknown, and was checked for another workflow's addresses. No proxy, cookie or retry is ever added.
    """

    def __init__(
        self,
        secrets: Mapping[str, Secret],
        *,
        tls: ssl.SSLContext,
        resolve: Resolve | None = None,
        network: httpcore2.AsyncNetworkBackend | None = None,
        connections: int = 64,
        answer_bytes: int = ANSWER_BYTES,
    ) -> None:
        self._room = AnswerRoom(answer_bytes)
        self._secrets = secrets
        self._tls = tls
        self._resolve = resolve or SystemResolver()
        self._network = network or httpcore2.AnyIOBackend()
        self._slots = asyncio.Semaphore(connections)

    def refusal(self, request: OutboundRequest, policy: WorkflowPolicy) -> str | None:
        """Return why the catalog does not allow a call, or None; uses neither the network nor the environment."""
        allowed = self._check_egress(request, policy)
        return allowed.reason if isinstance(allowed, EgressRefused) else None

    async def send(
        self,
        request: OutboundRequest,
        policy: WorkflowPolicy,
        *,
        within: timedelta,
        max_bytes: int,
        token: IssuedToken | None = None,
    ) -> CallResult:
        """Make a call within one timeout, from the resolution of its host to the last byte of its answer.

        Every failure outside this process is returned as a value. At most `max_bytes` of the decoded answer are read.
        Redirects of a GET or HEAD are followed as far as the host's entry allows, within the same timeout. A `token`
        goes along to its own origin.
        """
        target = self._check_egress(request, policy)
        if isinstance(target, EgressRefused):
            return target
        if request.effect and (tell := REHEARSED.get()) is not None:
            tell(request)
            raise WouldAct
        exchange = Exchange(within=within, effect=request.effect)
        try:
            async with asyncio.timeout(within / _SECOND):
                credentials = await self._credentials(request, token)
                if isinstance(credentials, EgressRefused):
                    return credentials
                async with self._slots:
                    exchange.connecting = True
                    call = _Call(exchange=exchange, credentials=credentials, within=within, max_bytes=max_bytes)
                    return await self._follow_redirects(call, target, request, policy)
        except FAILURES as error:
            return exchange.failed(error)
        except (MemoryError, RuntimeError) as error:
            exchange.raise_own_fault(error)
            raise

    async def _credentials(self, request: OutboundRequest, token: IssuedToken | None) -> Credentials | EgressRefused:
        names = (*references(request.headers), *body_references(request))
        if not names:
            return _NO_SECRETS if token is None else token.credentials
        # The secrets as declared now: the catalog may change while their files are read.
        declared = {name: self._secrets[name] for name in names}
        return await asyncio.to_thread(read_credentials, names, declared, token=token)

    async def _follow_redirects(
        self, call: "_Call", target: Target, request: OutboundRequest, policy: WorkflowPolicy
    ) -> Answer:
        asked = {str(target.url)}
        answer = await self._send_once(call, target, request)
        while not isinstance(step := next_call(request, target, answer, asked), NotFollowed):
            # Another origin gets no secret; at the same one its path has to be one of the secret's.
            place = target_of(step.url, policy.hosts, step.org_id)
            if isinstance(place, EgressRefused):
                return replace(answer, not_followed=place.reason)
            request = step if place.origin == target.origin else without_credentials(step)
            if unbound := self._unbound_use(request, place):
                return replace(answer, not_followed=unbound)
            try:
                answer, target = await self._send_once(call, place, request), place
            except AddressDenied as error:
                return replace(answer, not_followed=str(error))
            asked.add(str(place.url))
        return replace(answer, not_followed=step.reason)

    async def _send_once(self, call: "_Call", target: Target, request: OutboundRequest) -> Answer:
        allowance = ReceiveLimit(HEADS)
        network = GuardedNetwork(
            networks=target.networks,
            mark=call.exchange.mark,
            allowance=allowance,
            resolve=self._resolve,
            network=self._network,
        )
        async with httpcore2.AsyncConnectionPool(
            ssl_context=self._tls, max_connections=1, max_keepalive_connections=0, network_backend=network
        ) as pool:
            if request.signing is not None:
                # In a thread: it hashes the body, and imports its library with the first one.
                signing, credentials = request.signing, call.credentials
                request = await asyncio.to_thread(signed, request, signing, str(target.url), credentials)
            wire = on_the_wire(request, target, call.credentials, call.within)
            response = await pool.handle_async_request(wire)
            allowance.more(2 * call.max_bytes)  # once for the body, once for its chunk framing
            with self._room.call(request.org_id) as room:
                return await read_answer(
                    response, call.exchange, call.credentials, room, max_bytes=call.max_bytes, opaque=request.opaque
                )

    def _check_egress(self, request: OutboundRequest, policy: WorkflowPolicy) -> Target | EgressRefused:
        unfit = unsendable(request) or unsignable(request)
        if unfit is not None:
            return EgressRefused(reason=unfit)
        target = target_of(request.url, policy.hosts, request.org_id)
        if isinstance(target, EgressRefused):
            return target
        names = (*references(request.headers), *body_references(request))
        forbidden = forbidden_reference(names, target.host, policy, self._secrets, request.org_id)
        forbidden = forbidden or self._unbound_use(request, target)
        return EgressRefused(reason=forbidden) if forbidden else target

    def _unbound_use(self, request: OutboundRequest, target: Target) -> str | None:
        path = target.url.raw_path.decode("ascii", "replace")
        return unbound_use(request.method, path, request.headers, self._secrets, in_body=body_references(request))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    exchange: Exchange
    credentials: Credentials
    within: timedelta
    max_bytes: int


@asynccontextmanager
async def open_calls(
    secrets: Mapping[str, Secret],
    *,
    resolve: Resolve | None = None,
    network: httpcore2.AsyncNetworkBackend | None = None,
    connections: int = 64,
) -> AsyncIterator[OutboundCalls]:
    """Open the outbound client, with the system's certificate authorities."""
    tls = await asyncio.to_thread(ssl.create_default_context)
    # At level DEBUG the library logs every answer's headers, and an answer may echo a credential.
    for name in _WIRE_LOGGERS:
        logging.getLogger(name).addFilter(_drop_record)
    try:
        yield OutboundCalls(secrets, tls=tls, resolve=resolve, network=network, connections=connections)
    finally:
        for name in _WIRE_LOGGERS:
            logging.getLogger(name).removeFilter(_drop_record)


def _drop_record(_: logging.LogRecord) -> bool:
    return False
