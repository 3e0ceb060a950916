"""Network backend of the egress guard: resolves a host, checks every address, dials a checked one, tracks writes."""

import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

import httpcore2

from consumer.outbound.decoding import Oversized
from consumer.outbound.forbidden_addresses import Address, Network, denial, parse_address

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Resolver: returns the addresses of a host as text; raises OSError where it has none."""

_MAX_DIALLED: Final = 4
"""Most addresses of a host that are tried; all further ones are checked, but not dialled."""
SocketOption: TypeAlias = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class AddressDenied(Exception):
    """A host resolved to an address that the egress guard denies."""


class NotResolved(Exception):
    """A host has no address."""


class NotPermitted(Exception):
    """The call lost its permission to start; nothing of it was sent."""


class WriteFence:
    """Write fence of one call: tracks whether a byte of the request was sent, and refuses writes past its deadline.

    A suspended process may wake up in the middle of a call, before any of its timers has fired: so the clock is checked
    again directly before each write.
    """

    def __init__(self, not_after: float, may_start: Callable[[], bool]) -> None:
        self.sent = False
        self._not_after = not_after
        self._may_start = may_start

    def before_write(self) -> None:
        """Check that a write is allowed, and record it.

        Raises
        ------
        TimeoutError
            The call's deadline (`time.monotonic()`) has passed.
        NotPermitted
            It is the first write, and the call may not start any more.

        """
        if time.monotonic() >= self._not_after:
            raise TimeoutError
        if not self.sent and not self._may_start():
            raise NotPermitted
        self.sent = True


class ReceiveLimit:
    """Receive limit in bytes as they come over the wire: heads, chunk framing, and data that inflates to nothing."""

    def __init__(self, left: int) -> None:
        self._left = left

    def more(self, bytes_: int) -> None:
        """Raise the limit by a number of bytes."""
        self._left += bytes_

    def before_read(self) -> None:
        """Raise Oversized when the limit is used up."""
        if self._left <= 0:
            raise Oversized

    def after_read(self, data: bytes) -> None:
        """Count received bytes."""
        self._left -= len(data)


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """httpcore network backend that dials checked addresses only.

    TLS uses the URL's host: its name is sent as SNI and must match the certificate, whatever address answers. One
    instance serves one call, so that a connection checked for one workflow is never used for another.
    """

    def __init__(
        self,
        *,
        networks: Sequence[Network],
        mark: WriteFence,
        allowance: ReceiveLimit,
        resolve: Resolve,
        network: httpcore2.AsyncNetworkBackend,
    ) -> None:
        self._networks = networks
        self._mark = mark
        self._allowance = allowance
        self._resolve = resolve
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is the base class's
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address of a host that answers, after all its addresses were checked."""
        addresses = await self._resolve_checked(host, port)
        each = None if timeout is None else timeout / min(len(addresses), _MAX_DIALLED)
        failure: Exception = httpcore2.ConnectError("no address answered")
        for address in addresses[:_MAX_DIALLED]:
            try:
                stream = await self._network.connect_tcp(str(address), port, each, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _MarkedStream(stream, self._mark, self._allowance)
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Sleep for a number of seconds, as the wrapped backend does."""
        await self._network.sleep(seconds)

    async def _resolve_checked(self, host: str, port: int) -> list[Address]:
        try:
            texts = await self._resolve(host, port)
            addresses = list(dict.fromkeys(parse_address(text) for text in texts))
        except (OSError, ValueError) as error:
            raise NotResolved(f"the host {host} could not be resolved") from error
        if not addresses:
            raise NotResolved(f"the host {host} has no address")
        for address in addresses:
            what = denial(address, self._networks)
            if what is not None:
                raise AddressDenied(
                    f"the host {host} resolves to {address}, which is {what}: if that is right, list its network "
                    "under the host's `addresses` in the catalog"
                )
        return addresses


class _MarkedStream(httpcore2.AsyncNetworkStream):
    def __init__(self, stream: httpcore2.AsyncNetworkStream, mark: WriteFence, allowance: ReceiveLimit) -> None:
        self._stream = stream
        self._mark = mark
        self._allowance = allowance

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        self._allowance.before_read()
        data = await self._stream.read(max_bytes, timeout)
        self._allowance.after_read(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        # Before the write: a write that fails may have sent a part of the data.
        self._mark.before_write()
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore2.AsyncNetworkStream:
        # The handshake uses the inner stream, without the mark: it carries nothing of the request.
        try:
            secured = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:  # the library leaves the socket open when a handshake is cancelled
            await self._stream.aclose()
            raise
        return _MarkedStream(secured, self._mark, self._allowance)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the signature is the base class's
        return self._stream.get_extra_info(info)
