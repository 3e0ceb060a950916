"""The dialling half of the egress guard: resolve, check every address, dial a checked one, and note what was sent."""

import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

import httpcore2

from consumer.outbound.addresses import Address, Network, denial, parse_address
from consumer.outbound.decoding import Oversized

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, as text; OSError where it has none."""

_MOST_DIALLED: Final = 4
"""Of a name with more addresses the others are checked, but not tried."""
SocketOption: TypeAlias = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class AddressDenied(Exception):
    """A host resolved to an address that nobody may dial."""


class NotResolved(Exception):
    """A host has no address."""


class NotPermitted(Exception):
    """What let the call start does not hold any more; nothing of it was sent."""


class SentMark:
    """Whether a byte of the request has been handed to the network, and until when one may be.

    A process that was stopped wakes up in the middle of a call, before any timer of its own has fired: so the time is
    looked at again directly before each write.
    """

    def __init__(self, not_after: float, may_start: Callable[[], bool]) -> None:
        self.sent = False
        self._not_after = not_after
        self._may_start = may_start

    def before_write(self) -> None:
        """Note a write.

        Raises
        ------
        TimeoutError
            The call's time (`time.monotonic()`) is over.
        NotPermitted
            It is the first write, and the call may not start any more.

        """
        if time.monotonic() >= self._not_after:
            raise TimeoutError
        if not self.sent and not self._may_start():
            raise NotPermitted
        self.sent = True


class Allowance:
    """How many bytes may still be received: whatever they are, heads, chunk borders, or what inflates to nothing."""

    def __init__(self, left: int) -> None:
        self._left = left

    def more(self, bytes_: int) -> None:
        """Allow so many more."""
        self._left += bytes_

    def before_read(self) -> None:
        """Raise Oversized when all is used up."""
        if self._left <= 0:
            raise Oversized

    def after_read(self, data: bytes) -> None:
        """Count what came."""
        self._left -= len(data)


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """A network on which only checked addresses can be dialled.

    TLS stays with the URL's host: its name is what SNI says and what the certificate has to prove, whatever address
    answers. One instance serves one call, so that a connection checked for one workflow is never used for another.
    """

    def __init__(
        self,
        *,
        networks: Sequence[Network],
        mark: SentMark,
        allowance: Allowance,
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
        """Dial the first checked address of a host that answers."""
        addresses = await self._checked(host, port)
        each = None if timeout is None else timeout / min(len(addresses), _MOST_DIALLED)
        failure: Exception = httpcore2.ConnectError("no address answered")
        for address in addresses[:_MOST_DIALLED]:
            try:
                stream = await self._network.connect_tcp(str(address), port, each, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _MarkedStream(stream, self._mark, self._allowance)
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Sleep."""
        await self._network.sleep(seconds)

    async def _checked(self, host: str, port: int) -> list[Address]:
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
    def __init__(self, stream: httpcore2.AsyncNetworkStream, mark: SentMark, allowance: Allowance) -> None:
        self._stream = stream
        self._mark = mark
        self._allowance = allowance

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        self._allowance.before_read()
        data = await self._stream.read(max_bytes, timeout)
        self._allowance.after_read(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        # Before the write: a write that fails may have delivered what it could.
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
        # The handshake goes through the inner stream: it carries nothing of the request.
        try:
            secured = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:  # the library leaves the socket open when a handshake is cancelled
            await self._stream.aclose()
            raise
        return _MarkedStream(secured, self._mark, self._allowance)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the signature is the base class's
        return self._stream.get_extra_info(info)
