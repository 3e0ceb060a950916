"""The other side of the heals' calls, on 127.0.0.1 in processes of their own, so that each is a dependency by itself.

`honest` answers at once that what was asked for is done; `hostile` answers by path: with large bodies, odd charsets, or
a failure.
"""

import asyncio
import gzip
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

import orjson
import uvloop

LOCALHOST: Final = "127.0.0.1"
HEAD_BYTES: Final = 64 * 1024
MEGABYTE: Final = 1024 * 1024
LARGE: Final = 4 * MEGABYTE
STARTS_WITHIN: Final = 30.0

Answer = tuple[int, Mapping[str, str], bytes]
_JSON: Final[Mapping[str, str]] = {"content-type": "application/json"}


def _text(charset: str, body: bytes) -> Answer:
    return 200, {"content-type": f"text/plain; charset={charset}"}, body


def _keys(count: int) -> bytes:
    return orjson.dumps({f"password{number}": "v" for number in range(count)})


_INFLATED: Final = gzip.compress(b'{"state": "done", "pad": "' + b"x" * (32 * MEGABYTE) + b'"}')
_KEYS: Final = _keys(16_000)
HOSTILE: Final[Mapping[str, Callable[[], Answer]]] = {
    "/large": lambda: (200, _JSON, b'{"state": "done", "pad": "' + b"x" * LARGE + b'"}'),
    "/inflated": lambda: (200, {**_JSON, "content-encoding": "gzip"}, _INFLATED),
    "/keys": lambda: (200, _JSON, _KEYS),
    "/backtracking": lambda: (200, _JSON, b'{"v": "' + b"a" * 40 + b'!"}'),
    "/punycode": lambda: _text("punycode", b"a" * 150_000),
    "/idna": lambda: _text("idna", b"xn--" + b"a" * 60_000),
    "/undefined": lambda: _text("undefined", b"a" * 1000),
    "/regex-format": lambda: (200, _JSON, orjson.dumps({"v": "|".join("x" * n for n in range(1, 1000))})),
    "/unavailable": lambda: (503, _JSON, b'{"error": "unavailable"}'),
    "/failing": lambda: (500, _JSON, b'{"error": "failing"}'),
}
"""What the hostile server answers, by path."""


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Callable[[str], Answer]) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(_content_length(head))
        status, headers, body = answer(head.split(b" ", 2)[1].decode("latin-1").partition("?")[0])
        lines = [f"HTTP/1.1 {status} said", *(f"{name}: {value}" for name, value in headers.items())]
        lines += [f"content-length: {len(body)}", "connection: close", "", ""]
        writer.write("\r\n".join(lines).encode("latin-1") + body)
        await writer.drain()
    except (OSError, EOFError, ValueError):
        return  # the caller went away in the middle, as it may
    finally:
        writer.close()


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _honest(_path: str) -> Answer:
    return 200, _JSON, b'{"state": "done"}'


def _hostile(path: str) -> Answer:
    return HOSTILE.get(path, lambda: (404, _JSON, b"{}"))()


async def _run(role: str) -> None:
    answer = {"honest": _honest, "hostile": _hostile}[role]

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve(reader, writer, answer)

    server = await asyncio.start_server(connected, LOCALHOST, 0, limit=HEAD_BYTES)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)  # ends with the process that started this one


@asynccontextmanager
async def far_side(role: str) -> AsyncIterator[int]:
    """Serve in a process of its own until the end of the block; gives the port."""
    command = (sys.executable, "-m", "benchmarks.attacks.far_side", role)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        async with asyncio.timeout(STARTS_WITHIN):
            port = int(await process.stdout.readline()) if process.stdout else 0
        yield port
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    uvloop.run(_run(sys.argv[1]))
