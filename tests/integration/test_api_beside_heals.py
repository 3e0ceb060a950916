"""Who lists large failures without end takes no time from the heals beside them."""

import asyncio
import json
import time
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


async def list_without_end(address: str, token: str, bytes_read: list[int]) -> None:
    """Ask for one page after the other over one connection, and read it without a look at it."""
    place = urlsplit(address)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        while True:
            head = f"Host: x\r\nAuthorization: Bearer {token}\r\n\r\n"
            writer.write(f"GET /api/healing/failures?limit=100 HTTP/1.1\r\n{head}".encode())
            said = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(said.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            bytes_read.append(len(await reader.readexactly(length)))
    finally:
        writer.transport.abort()


async def seconds_to_heal(place: Site, running: Running, org: UUID, world: World, names: range) -> list[float]:
    found = []
    for n in names:
        began = time.monotonic()
        context = call(world.url("/pay"), "POST", error=NEVER_LEFT)
        await place.publish(event(org, n, workflow_name=f"w{n}", context=context))
        resolved = f"workflow_failures WHERE resolved AND workflow_name = 'w{n}'"
        await until(lambda resolved=resolved: place.count(resolved))  # type: ignore[misc]
        found.append(time.monotonic() - began)
    assert not running.task.done()
    return found


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
        alone = await seconds_to_heal(place, running, org, world, range(20))
        read: list[int] = []
        listing = [asyncio.create_task(list_without_end(address, token, read)) for _ in range(LISTERS)]
        await until(lambda: asyncio.sleep(0, len(read) > LISTERS))
        beside = await seconds_to_heal(place, running, org, world, range(20, 40))
        for task in listing:
            task.cancel()
        await asyncio.wait(listing)
    assert max(read) < 400_000
    assert median(beside) < 5 * median(alone) + 0.1
