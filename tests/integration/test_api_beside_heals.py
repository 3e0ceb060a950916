"""Who lists large failures without end takes no time from the heals beside them."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import jwt
from pydantic import SecretStr

from tests.support.api import api_of
from tests.support.pipeline import NEVER_LEFT, Running, Site, call, event, until
from tests.support.worlds.http_world import World, json_reply

SECRET = "a secret of the tests that is long enough for HS256"
LISTERS = 6


@dataclass(kw_only=True)
class Listing:
    """Some who list one page after the other while it is allowed, and do not look at what they read."""

    address: str
    token: str
    allowed: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0
    bytes_read: list[int] = field(default_factory=list)

    async def go_on(self) -> None:
        """Ask over one connection, without end."""
        place = urlsplit(self.address)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            while await self.allowed.wait():
                self.under_way += 1
                head = f"Host: x\r\nAuthorization: Bearer {self.token}\r\n\r\n"
                writer.write(f"GET /api/healing/failures?limit=100 HTTP/1.1\r\n{head}".encode())
                said = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(said.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.bytes_read.append(len(await reader.readexactly(length)))
                self.under_way -= 1
        finally:
            writer.transport.abort()

    async def has_read_beyond(self, pages: int) -> bool:
        return len(self.bytes_read) > pages

    async def is_idle(self) -> bool:
        return self.under_way == 0


async def seconds_to_heal(place: Site, running: Running, org: UUID, world: World, n: int) -> float:
    began = time.monotonic()
    context = call(world.url("/pay"), "POST", error=NEVER_LEFT)
    await place.publish(event(org, n, workflow_name=f"w{n}", context=context))
    await until(lambda: place.count(f"workflow_failures WHERE resolved AND workflow_name = 'w{n}'"))
    assert not running.task.done()
    return time.monotonic() - began


async def test_six_who_list_large_pages_do_not_slow_down_a_heal(embedded_place: Site, world: World) -> None:
    place = embedded_place.changed(api={"jwt_secret": SecretStr(SECRET)})
    world.on("/pay", json_reply({"done": True}))
    org, other, user = await place.organisation(), await place.organisation(), uuid4()
    await place.db.execute("INSERT INTO user_organizations VALUES ($1, $2, 'owner')", user, other)
    rows = [{"name": f"n{index}", "token": f"abc{index}", "text": "lorem ipsum dolor " * 3} for index in range(600)]
    await place.db.executemany(
        "INSERT INTO workflow_failures (org_id, workflow_name, failure_reason, context, status)"
        " VALUES ($1, 'large', 'large', $2, 'needs_person')",
        [(other, json.dumps({"rows": rows}))] * 30,
    )
    token = jwt.encode(
        {"sub": str(user), "aud": "authenticated", "exp": int(time.time()) + 600}, SECRET, algorithm="HS256"
    )
    async with place.consumer() as running, api_of(running) as address:
        listing = Listing(address=address, token=token)
        listers = [asyncio.create_task(listing.go_on()) for _ in range(LISTERS)]
        alone, beside = list[float](), list[float]()
        # In turns: whatever else the machine does, it does to both.
        for n in range(0, 40, 2):
            alone.append(await seconds_to_heal(place, running, org, world, n))
            so_far = len(listing.bytes_read)
            listing.allowed.set()
            await until(partial(listing.has_read_beyond, so_far))
            beside.append(await seconds_to_heal(place, running, org, world, n + 1))
            listing.allowed.clear()
            await until(listing.is_idle)
        for task in listers:
            task.cancel()
        await asyncio.wait(listers)
    assert max(listing.bytes_read) < 400_000
    assert median(beside) < 5 * median(alone) + 0.1
