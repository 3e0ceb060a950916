"""The attacks, each with what it tries. An attack begins when its block is entered, and ends with it."""

import asyncio
import resource
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import Final, TypeAlias
from uuid import uuid4

import httpx2

from benchmarks.attacks.site import ATTACKER, MEMBER, OWNER, Context, Site

Attack: TypeAlias = Callable[[Site], AbstractAsyncContextManager[None]]

MEGABYTE: Final = 1024 * 1024
OWN_FILES: Final = 500
"""Descriptors that this process keeps for itself when it opens idle connections."""
SPELLED: Final = ("password", "Password", "PASSWORD", "pass_word", "pass-word", "pass word")
"""Spellings that a reader of names takes for one."""


@asynccontextmanager
async def _beside(*tasks: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run something until the end of the block. What it raises does not matter: being refused is an answer."""
    running = [asyncio.create_task(task) for task in tasks]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _published(contexts: Callable[[Site], list[Context]], reason: str = "Timeout", **data: object) -> Attack:
    @asynccontextmanager
    async def attack(site: Site) -> AsyncIterator[None]:
        await site.publish(contexts(site), reason, **data)
        yield

    return attack


def _secret_keys(_site: Site) -> list[Context]:
    return [{f"{SPELLED[n % len(SPELLED)]}{'_' * (n // len(SPELLED))}": "v" for n in range(2_000)} for _ in range(20)]


def _password_keys(_site: Site) -> list[Context]:
    return [{f"password{n}": "v" for n in range(38_000)} for _ in range(20)]


def _many_nodes(_site: Site) -> list[Context]:
    return [{"rows": [[n, {}, [], ""] for n in range(55_000)]} for _ in range(10)]


def _long_texts(_site: Site) -> list[Context]:
    secrets = "Bearer " + "abcDEF123_-" * 30
    return [{"text": f"{secrets} password= token: eyJ" * 2_000} for _ in range(10)]


def _telling_reasons(_site: Site) -> list[Context]:
    return [{"error": {"message": "at a.b.c(d.java:1) retry after 1 retry-after: " * 15_000}} for _ in range(10)]


def _far_future(_site: Site) -> list[Context]:
    return [{"error": {"http_status": 429, "retry_after": 60, "message": "retry after 60 s"}} for _ in range(50)]


def _answers(path: str, calls: int, **request: object) -> Attack:
    return _published(lambda site: [site.call(path, **request) for _ in range(calls)])


def _hostile_schema(_site: Site) -> list[Context]:
    schema = {"properties": {"v": {"pattern": "^(a+)+$"}}}
    return [_site.call("/backtracking", expect={"schema": schema}) for _ in range(40)]


def _resumes(site: Site) -> list[Context]:
    resume = {"resume": {"url": site.url("/unavailable")}}
    return [site.call("/punycode", idempotency_key=f"key-{uuid4()}") | resume for _ in range(300)]


def _long_waits(site: Site) -> list[Context]:
    look = {"url": site.url("/failing"), "after_seconds": 300}
    return [
        {"request": {"method": "POST", "url": site.url("/failing"), "body": {"n": n}, "read_back": look}}
        for n in range(10)
    ]


def _flood(site: Site) -> list[Context]:
    return [site.call("/failing") for _ in range(3_000)]


_INSERT: Final = """
INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context)
SELECT $1, 'attacker.sync', 'Timeout', $2::jsonb FROM generate_series(1, $3)
"""


def _inserted(context: Callable[[], str], rows: int) -> Attack:
    """Insert rows as a plain member, one statement after the other."""

    async def insert(site: Site) -> None:
        async with site.session(MEMBER) as connection:
            text = context()
            for _ in range(8):
                await connection.execute(_INSERT, ATTACKER, text, rows)

    @asynccontextmanager
    async def attack(site: Site) -> AsyncIterator[None]:
        async with _beside(insert(site)):
            yield

    return attack


def _big_row() -> str:
    return '{"pad": "' + "x" * (27 * MEGABYTE) + '"}'


def _wide_row() -> str:
    return "{" + ", ".join(f'"k{n}": 1' for n in range(500_000)) + "}"


_FORGED: Final = """
INSERT INTO workflow_heal_attempts (failure_id, strategy, result, attempted_at)
SELECT f.id, 'auto-retry', 'success', now() + interval '1 year' FROM workflow_failures f, generate_series(1, 220)
 WHERE f.org_id = $1 LIMIT 2200
"""


@asynccontextmanager
async def _locked(site: Site, statement: str) -> AsyncIterator[None]:
    async with site.session() as connection, connection.transaction():
        await connection.execute(statement, ATTACKER)
        await site.publish([site.call("/regex-format") for _ in range(100)])
        yield


def _locks(statement: str) -> Attack:
    return lambda site: _locked(site, statement)


@asynccontextmanager
async def _infinite_wallet(site: Site) -> AsyncIterator[None]:
    async with site.session() as connection:
        await connection.execute("UPDATE token_wallets SET text_budget_aud = 'Infinity' WHERE org_id = $1", ATTACKER)
    await site.publish([site.call("/regex-format") for _ in range(100)])
    yield


@asynccontextmanager
async def _forged_attempts(site: Site) -> AsyncIterator[None]:
    await site.publish([site.call("/failing") for _ in range(10)])

    async def forge() -> None:
        async with site.session(OWNER) as connection:
            while True:
                await connection.execute(_FORGED, ATTACKER)
                await asyncio.sleep(0.5)

    async with _beside(forge()):
        yield


@asynccontextmanager
async def _idle_connections(site: Site) -> AsyncIterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(hard, 4096 + OWN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    writers: list[asyncio.StreamWriter] = []
    try:
        for _ in range(max(0, most - OWN_FILES)):
            try:
                async with asyncio.timeout(1):
                    writers.append((await asyncio.open_connection("127.0.0.1", site.api_port))[1])
            except (OSError, TimeoutError):
                break
        yield
    finally:
        for writer in writers:
            writer.close()


@asynccontextmanager
async def _bodies_without_token(site: Site) -> AsyncIterator[None]:
    async def send() -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", site.api_port)
                writer.write(b"POST /api/healing/heal HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n")
                writer.write(b"content-length: 209715200\r\n\r\n")
                for _ in range(200):
                    writer.write(b"[" * MEGABYTE)
                    await writer.drain()
                writer.close()
            except OSError:
                await asyncio.sleep(0.05)

    async with _beside(send(), send(), send()):
        yield


@asynccontextmanager
async def _listing_clients(site: Site) -> AsyncIterator[None]:
    await site.publish([{"pad": "y" * 18_000, "n": n} for n in range(400)])
    headers = {"authorization": f"Bearer {site.token()}"}

    async def list_failures() -> None:
        async with httpx2.AsyncClient(headers=headers, timeout=30) as client:
            while True:
                answer = await client.get(
                    f"http://127.0.0.1:{site.api_port}/api/healing/failures?org_id={ATTACKER}&limit=100"
                )
                if answer.status_code != httpx2.codes.OK:
                    await asyncio.sleep(0.2)

    async with _beside(*(list_failures() for _ in range(6))):
        yield


@asynccontextmanager
async def _guessed_tokens(site: Site) -> AsyncIterator[None]:
    async def guess() -> None:
        async with httpx2.AsyncClient(timeout=30) as client:
            for number in count():
                headers = {"authorization": f"Bearer {site.token()}{number}"}
                await client.get(f"http://127.0.0.1:{site.api_port}/api/healing/failures", headers=headers)

    async with _beside(*(guess() for _ in range(8))):
        yield


ATTACKS: Final[Mapping[str, Attack]] = {
    "keys that read alike": _published(_secret_keys),
    "38,000 password keys": _published(_password_keys),
    "a million nodes": _published(_many_nodes),
    "texts full of near-secrets": _published(_long_texts),
    "texts full of hints": _published(_telling_reasons),
    "the year 9990": _published(_far_future, detected_at="9990-01-01T00:00:00Z"),
    "3,000 failures at once": _published(_flood),
    "40 answers of 4 MB": _answers("/large", 40),
    "40 answers inflated to 32 MB": _answers("/inflated", 40),
    "answers of 16,000 keys": _answers("/keys", 40),
    "charset punycode": _answers("/punycode", 40),
    "charset idna": _answers("/idna", 40),
    "charset undefined": _answers("/undefined", 40),
    "a pattern that backtracks": _published(_hostile_schema),
    "format regex": _answers(
        "/regex-format", 40, expect={"schema": {"properties": {"v": {"type": "string", "format": "regex"}}}}
    ),
    "300 runs to resume at a dead host": _published(_resumes),
    "ten heals that wait 300 s": _published(_long_waits),
    "rows of 27 MB": _inserted(_big_row, 1),
    "rows of 500,000 keys": _inserted(_wide_row, 1),
    "80,000 rows": _inserted(lambda: '{"n": 1}', 10_000),
    "a locked wallet": _locks("SELECT FROM token_wallets WHERE org_id = $1 FOR UPDATE"),
    "a locked organisation": _locks("SELECT FROM organizations WHERE id = $1 FOR UPDATE"),
    "a wallet of infinity": _infinite_wallet,
    "forged attempts": _forged_attempts,
    "idle connections": _idle_connections,
    "bodies without a token": _bodies_without_token,
    "six clients that list": _listing_clients,
    "guessed tokens": _guessed_tokens,
}
"""By name; a locked row's attack publishes events of the row's organisation too."""
