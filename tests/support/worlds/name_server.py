"""A real name server on 127.0.0.1 that answers as it is told, and a resolver that asks it over UDP."""

import asyncio
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

from tests.support.patience import PATIENCE

_A, _AAAA, _IN = 1, 28, 1
_NO_SUCH_NAME = 3
_HEAD = 12


@dataclass(slots=True, kw_only=True)
class NameServer:
    """What each name resolves to, question by question; the last answer stays."""

    port: int = 0
    answers: dict[str, tuple[Sequence[str], ...]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def reply(self, question: bytes) -> bytes:
        name, end = _name(question)
        (kind,) = struct.unpack_from(">H", question, end)
        addresses = [ip_address(text) for text in self._next(name) if (":" in text) == (kind == _AAAA)]
        code = 0 if name in self.answers else _NO_SUCH_NAME
        head = question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(addresses), 0, 0)
        # TTL 0: whoever wants to know again has to ask again, as an attacker would have it.
        records = (
            b"\xc0\x0c" + struct.pack(">HHIH", kind, _IN, 0, len(address.packed)) + address.packed
            for address in addresses
        )
        return head + question[_HEAD : end + 4] + b"".join(records)

    def _next(self, name: str) -> Sequence[str]:
        rounds = self.answers.get(name, ((),))
        self.asked[name] += 1
        return rounds[min(self.asked[name], len(rounds)) - 1]

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Ask for a name's IPv4 addresses, over the network."""
        del port
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bytes] = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Asking(waiting), remote_addr=("127.0.0.1", self.port)
        )
        try:
            transport.sendto(_question(host))
            return _addresses(await asyncio.wait_for(waiting, PATIENCE))
        finally:
            transport.close()


@asynccontextmanager
async def name_server(answers: dict[str, tuple[Sequence[str], ...]]) -> AsyncIterator[NameServer]:
    """Serve names on a free UDP port of 127.0.0.1."""
    server = NameServer(answers=answers)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Serving(server), local_addr=("127.0.0.1", 0))
    server.port = transport.get_extra_info("sockname")[1]
    try:
        yield server
    finally:
        transport.close()


class _Serving(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        self._transport.sendto(self._server.reply(data), addr)


class _Asking(asyncio.DatagramProtocol):
    def __init__(self, waiting: "asyncio.Future[bytes]") -> None:
        self._waiting = waiting

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        del addr
        if not self._waiting.done():
            self._waiting.set_result(data)


def _question(host: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode("ascii") for label in host.split("."))
    return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", _A, _IN)


def _addresses(reply: bytes) -> list[str]:
    (count,) = struct.unpack_from(">H", reply, 6)
    _, end = _name(reply)
    at = end + 4
    found = []
    for _ in range(count):
        (length,) = struct.unpack_from(">H", reply, at + 10)
        found.append(str(ip_address(reply[at + 12 : at + 12 + length])))
        at += 12 + length
    if not found:
        raise OSError("no such name")
    return found


def _name(message: bytes) -> tuple[str, int]:
    """The first name of a message, and where it ends."""
    at, labels = _HEAD, []
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode("ascii"))
        at += message[at] + 1
    return ".".join(labels), at + 1
