"""Five hundred who watch what moves take no time from intake: few are told at once, and one look is for all of them."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import jwt
import pytest
from pydantic import SecretStr

from tests.support.api import api_of
from tests.support.loop_holds import loop_holds
from tests.support.pipeline import Site, event, until

SECRET = "a secret of the tests that is long enough for HS256"
VIEWERS = 500
FAILURES = int(os.environ.get("SHW_STREAM_FAILURES", "24"))
"""Taken in one after the other, alone and beside viewers in turns; more of them for a figure."""
LONGEST_HOLD = 0.15
"""CPU seconds that the loop may be held while viewers are told; all of them at once take twice that."""


@dataclass(kw_only=True)
class Crowd:
    """Viewers of one organisation, each on a connection of its own, who read all that they are told."""

    address: str
    token: str
    told: list[int] = field(default_factory=list)
    """Events by viewer."""

    async def watch(self, number: int) -> None:
        place = urlsplit(self.address)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            writer.write(
                b"GET /api/healing/stream HTTP/1.1\r\nHost: x\r\n"
                + f"Authorization: Bearer {self.token}\r\n\r\n".encode()
            )
            while line := await reader.readline():
                self.told[number] += line.startswith(b"event:")
        finally:
            writer.transport.abort()

    async def all_heard(self, most: int) -> bool:
        return min(self.told) >= most

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        self.told = [0] * VIEWERS
        tasks = [asyncio.create_task(self.watch(number)) for number in range(VIEWERS)]
        try:
            await until(lambda: self.all_heard(1))
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def seconds_to_take_in(place: Site, org: UUID, name: str) -> float:
    began = time.monotonic()
    await place.publish(event(org, name, workflow_name=name))
    await until(lambda: place.count(f"workflow_failures WHERE workflow_name = '{name}'"))
    return time.monotonic() - began


def p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100, method="inclusive")[98]


async def test_five_hundred_who_watch_hear_what_moves_and_hold_up_nothing(
    embedded_place: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = {"streams": VIEWERS, "streams_per_organisation": VIEWERS, "streams_per_address": VIEWERS}
    place = embedded_place.changed(api={"jwt_secret": SecretStr(SECRET)} | limits)
    org, user = await place.organisation(), uuid4()
    await place.db.execute("INSERT INTO user_organizations VALUES ($1, $2, 'owner')", user, org)
    claims = {"sub": str(user), "aud": "authenticated", "exp": int(time.time()) + 600}
    alone, beside = list[float](), list[float]()
    async with place.consumer() as running, api_of(running) as address:
        crowd = Crowd(address=address, token=jwt.encode(claims, SECRET, algorithm="HS256"))
        for number in range(FAILURES):
            alone.append(await seconds_to_take_in(place, org, f"alone{number}"))
        async with crowd.watching():
            before = min(crowd.told)
            async with loop_holds() as holds:
                for number in range(FAILURES):
                    beside.append(await seconds_to_take_in(place, org, f"beside{number}"))
                assert await until(lambda: crowd.all_heard(before + 1))
    with capsys.disabled():
        if "SHW_STREAM_FAILURES" in os.environ:
            sys.stdout.write(f"\np99 {p99(alone) * 1000:.1f} ms alone, {p99(beside) * 1000:.1f} ms beside {VIEWERS}\n")
            sys.stdout.write(f"longest hold {max(holds) * 1000:.0f} ms of CPU\n")
    assert max(holds) < LONGEST_HOLD
