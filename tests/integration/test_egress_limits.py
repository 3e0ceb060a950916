"""Answers that are meant to hurt: too large once inflated, without an end, or drop by drop."""

import asyncio
import gzip
import struct
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache

import httpcore2
import httpx2
import pytest

from consumer.model.call import Ambiguous, Answer, CallResult
from consumer.outbound.answer_room import SHORT, AnswerRoom
from consumer.outbound.credentials import Credentials
from consumer.outbound.exchange import Exchange
from consumer.outbound.message import MAX_VALUES, read_answer
from tests.support.healing import policy
from tests.support.patience import BEYOND_PATIENCE, PATIENCE
from tests.support.worlds.egress_ground import Play, guarded, hostile_server, tls

MIB = 1 << 20
CONTROL = 64
LONG = BEYOND_PATIENCE
"""What ends before is ended by its size, on however busy a machine."""


@cache
def bomb(megabytes: int) -> bytes:
    """So many megabytes of zeros in gzip; made of one block over and over, for speed."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = engine.compress(bytes(16 * MIB)) + engine.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS).flush()
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    # The sum over all of it takes a second for a gibibyte, whose end nobody reaches.
    total = zlib.crc32(bytes(megabytes * MIB)) if megabytes <= CONTROL else 0
    return head + block * (megabytes // 16) + last + struct.pack("<II", total, megabytes * MIB % (1 << 32))


def whole(body: bytes, *headers: str) -> Play:
    async def play(writer: asyncio.StreamWriter, ending: asyncio.Event) -> None:
        del ending
        head = [f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}", *headers]
        writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    return play


def endless(head: bytes, part: bytes, *, every: float = 0) -> Play:
    """Begin, and then never stop."""

    async def play(writer: asyncio.StreamWriter, ending: asyncio.Event) -> None:
        writer.write(head)
        while not ending.is_set():
            writer.write(part)
            await writer.drain()
            if every:
                try:
                    await asyncio.wait_for(ending.wait(), every)
                except TimeoutError:
                    continue

    return play


@contextmanager
def measured(*, memory: bool = True) -> Iterator[list[float]]:
    """CPU seconds and peak mebibytes of what stands within; measuring memory makes many small steps slow."""
    found: list[float] = []
    if memory:
        tracemalloc.start()
    began = time.process_time()
    try:
        yield found
    finally:
        found += [time.process_time() - began, tracemalloc.get_traced_memory()[1] / MIB]
        tracemalloc.stop()


async def got(play: Play, *, within: timedelta = LONG, max_bytes: int = MIB) -> CallResult:
    async with hostile_server(play) as port:
        return await guarded(f"http://127.0.0.1:{port}/", policy(port), within=within, max_bytes=max_bytes)


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "gzip": (lambda: bomb(1024), "gzip"),
    "deflate": (lambda: bomb(1024)[10:-8], "deflate"),
    "twice": (lambda: gzip.compress(bomb(1024)), "gzip, gzip"),
    "in two headers": (lambda: gzip.compress(bomb(1024)), "gzip\r\nContent-Encoding: gzip"),
    "huge in between only": (lambda: gzip.compress(gzip.compress(b"") * MIB), "gzip, gzip"),
    "blocks of nothing": (lambda: gzip.compress(bomb(16)[:10] + b"\0\0\0\xff\xff" * MIB), "gzip, gzip"),
}


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_of_a_gibibyte_is_inflated_no_further_than_was_asked_for(name: str) -> None:
    make, encoding = BOMBS[name]
    body = make()
    with measured() as figures:
        result = await got(whole(body, f"Content-Encoding: {encoding}"))
    seconds, mebibytes = figures
    if name == "huge in between only":
        assert isinstance(result, Ambiguous | Answer)
    else:
        assert isinstance(result, Answer)
        assert result.truncated
        assert len(result.body) <= MIB
    assert seconds < 20
    assert mebibytes < 12 + len(body) / MIB * 3


async def test_a_client_without_the_guard_inflates_a_bomb_to_its_end() -> None:
    body = bomb(CONTROL)
    async with hostile_server(whole(body, "Content-Encoding: gzip")) as port:
        with measured() as figures:
            async with httpx2.AsyncClient(verify=tls(), trust_env=False) as plain:
                answer = await plain.get(f"http://127.0.0.1:{port}/")
    assert len(answer.content) == CONTROL * MIB
    assert figures[1] > CONTROL


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, br", "gzip, gzip, gzip", "nonsense"])
async def test_an_encoding_that_nobody_asked_for_is_no_answer(encoding: str) -> None:
    result = await got(whole(b"\x1b\x03\x00\xf8", f"Content-Encoding: {encoding}"))
    assert isinstance(result, Ambiguous)
    assert result.kind == "DecodingError"


@pytest.mark.parametrize(
    "body",
    [b"", gzip.compress(b"hello"), gzip.compress(b"hel") + gzip.compress(b"lo")],
    ids=["empty", "one file", "two files"],
)
async def test_an_encoded_body_may_be_empty_and_may_be_of_several_files(body: bytes) -> None:
    result = await got(whole(body, "Content-Encoding: gzip"))
    assert isinstance(result, Answer)
    assert (result.body, result.truncated) == (b"hello" if body else b"", False)


async def test_a_torn_encoded_body_is_not_taken_for_a_whole_one() -> None:
    torn = gzip.compress(b'[{"id": 1}]' * 1000)[:-20]
    assert isinstance(await got(whole(torn, "Content-Encoding: gzip")), Ambiguous)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GZIPPED = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDED = b"5\r\n" + b"hello" + b"\r\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


ENDLESS = {
    "chunks": (endless(CHUNKED, chunk(b"x" * 65536)), True),
    "chunks of one byte": (endless(CHUNKED, chunk(b"x") * 10_000), True),
    "body without a length": (endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536), True),
    "something behind the gzip": (endless(GZIPPED + chunk(gzip.compress(b"x")), chunk(b"junk" * 16384)), True),
    "gzip files of nothing": (endless(GZIPPED, chunk(gzip.compress(b"") * 100)), False),
    "gzip blocks of nothing": (endless(GZIPPED + chunk(bomb(16)[:10]), chunk(b"\0\0\0\xff\xff" * 10_000)), True),
    "one header": (endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536), False),
    "headers": (endless(b"HTTP/1.1 200 OK\r\n", b"X-Header: value\r\n" * 1000), False),
    "preliminary answers": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), False),
    "hints": (endless(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 1000), False),
    "a chunk's extension": (endless(CHUNKED + b"5;", b"x" * 65536), False),
    "trailers": (endless(CHUNKED + ENDED + b"0\r\n", b"X-Trailer: value\r\n" * 1000), False),
    "status line": (endless(b"HTTP/1.1 200 ", b"x" * 65536), False),
    "no HTTP": (endless(b"", b"\0" * 65536), False),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_what_never_ends_is_ended_by_its_size_long_before_the_time_is_over(name: str) -> None:
    play, has_a_beginning = ENDLESS[name]
    with measured(memory=name != "chunks of one byte") as figures:
        result = await got(play)
    _, mebibytes = figures
    assert isinstance(result, Answer if has_a_beginning else Ambiguous), result
    if isinstance(result, Answer):
        assert result.truncated
        assert name != "chunks of one byte" or len(result.body) <= 50_000
    else:
        assert result.kind != "ReadTimeout"
    assert mebibytes < 16


DRIPS = {
    "headers": endless(b"HTTP/1.1 200 OK\r\n", b"x", every=0.02),
    "body": endless(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x", every=0.02),
    "chunks": endless(CHUNKED, chunk(b"x"), every=0.02),
    "hints": endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", every=0.02),
}


@pytest.mark.parametrize("name", DRIPS)
async def test_what_comes_drop_by_drop_ends_with_the_time_for_the_whole_call(name: str) -> None:
    result = await got(DRIPS[name], within=timedelta(seconds=0.3))
    assert isinstance(result, Ambiguous)
    assert result.kind == "ReadTimeout"
    assert result.elapsed < timedelta(seconds=PATIENCE)


async def test_others_get_their_turn_while_a_bomb_is_inflated() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def at_once() -> AsyncIterator[bytes]:
        yield bomb(1024)

    response = httpcore2.Response(200, headers=[(b"Content-Encoding", b"gzip")], content=at_once())
    async with asyncio.TaskGroup() as group:
        other = group.create_task(others())
        with AnswerRoom(64 * MIB).call(None) as room:
            answer = await read_answer(
                response, Exchange(within=LONG, effect=False), Credentials({}), room, max_bytes=32 * MIB
            )
        other.cancel()
    assert len(answer.body) == 32 * MIB
    assert turns >= 500


DENSE: dict[str, bytes] = {
    "lists": b"[" + b"[]," * (MAX_VALUES // 2) + b"[]]",
    "members": b"{" + b",".join(b'"k%d":1' % n for n in range(MAX_VALUES + 1)) + b"}",
    "in a text": b'{"body":"' + b"[]," * (MAX_VALUES // 2) + b'"}',
    "in a stream": b"data: [" + b"1," * MAX_VALUES + b"1]\n\n",
}


@pytest.mark.parametrize("name", DENSE)
async def test_an_answer_of_too_many_values_is_not_read_to_its_end(name: str) -> None:
    result = await got(whole(DENSE[name]), max_bytes=4 * MIB)
    assert isinstance(result, Answer)
    assert (result.truncated, result.body) == (True, DENSE[name][:SHORT])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" + b"1," * (MAX_VALUES - 2) + b"1]", id="as many values as there may be"),
        pytest.param(b"1,2,3\n" * MAX_VALUES, id="no JSON"),
    ],
)
async def test_a_long_answer_is_read_whole(body: bytes) -> None:
    result = await got(whole(body), max_bytes=4 * MIB)
    assert isinstance(result, Answer)
    assert not result.truncated
    assert result.body == body


async def test_a_thousand_headers_and_a_preliminary_answer_are_no_attack() -> None:
    headers = "".join(f"X-{n}: value\r\n" for n in range(1000))
    play = whole(b"ok", headers.rstrip())

    async def hinting(writer: asyncio.StreamWriter, ending: asyncio.Event) -> None:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        await play(writer, ending)

    result = await got(hinting)
    assert isinstance(result, Answer)
    assert (result.status, result.body, len(result.headers)) == (200, b"ok", 1001)
