"""A server that ends lets go of every connection, also of one that comes while it ends."""

import asyncio
import socket
from contextlib import suppress

import pytest

from consumer.local.stream_server import stream_server
from tests.support.patience import PATIENCE


def is_let_go(client: socket.socket) -> bool:
    client.settimeout(PATIENCE)
    with suppress(ConnectionError):
        return client.recv(1) == b""
    return True


@pytest.mark.parametrize("turns", range(6))
async def test_a_connection_that_comes_while_it_ends_is_let_go(turns: int) -> None:
    async def connected(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    with socket.socket() as client:
        async with stream_server(connected) as port:
            client.connect(("127.0.0.1", port))
            for _ in range(turns):
                await asyncio.sleep(0)
        assert is_let_go(client)


async def test_what_does_not_see_that_its_connection_is_gone_is_cancelled() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def connected(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with socket.socket() as client:
        async with stream_server(connected) as port:
            client.connect(("127.0.0.1", port))
            await begun.wait()
        assert is_let_go(client)
    assert ended.is_set()
