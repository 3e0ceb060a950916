"""A thousand ask for a heal of one failure at once: one heal, all are answered, and others are served meanwhile."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import jwt
import pytest
from pydantic import SecretStr

from tests.support.api import api_of
from tests.support.pipeline import Running, Site, call, catalog, event, until
from tests.support.worlds.http_world import Reply, World, json_reply

SECRET = "a secret of the tests that is long enough for HS256"
MANY = 1000
OTHERS = 20


@dataclass(kw_only=True)
class Callers:
    """Ask over connections of their own, written by hand: a client's pool of a thousand would be what is measured."""

    address: str
    user: UUID
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        place = urlsplit(self.address)
        claims = {"sub": str(self.user), "aud": "authenticated", "exp": int(time.time()) + 600}
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            writer.write(
                f"{method} {path} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n"
                f"Authorization: Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.transport.abort()
        return int(head.split()[1]), json.loads(answer)

    async def heal(self, failure: object) -> None:
        asked = time.monotonic()
        status, answer = await self.ask("POST", "/api/healing/heal", json.dumps({"failureId": str(failure)}).encode())
        self.seconds.append(time.monotonic() - asked)
        self.answers[status, answer.get("result") or answer.get("error", {}).get("code", "")] += 1


@dataclass(frozen=True, kw_only=True)
class Told:
    """What came out."""

    callers: Callers
    read: list[tuple[float, int]]
    """Of somebody who reads meanwhile: how long each answer took, and its status."""
    heals: int


@pytest.fixture
def patient_catalog(world: World, catalog_file: Path) -> None:
    catalog_file.write_text(catalog(world.port, backoff="PT600S", auto_retry="{tries: 1, timeout: PT10S}"))


async def a_thousand(place: Site, world: World, now: Reply, **columns: object) -> Told:
    """Let them ask for the heal of a failure that was tried once, a while ago, and waits."""
    # As many as they are: what the API turns away by rate has tests of its own.
    generous = {"user_rate": 100_000.0, "user_burst": 100_000}
    place = place.changed(api={"jwt_secret": SecretStr(SECRET), **generous}, postgres={"pool_size": 10})
    org, user = await place.organisation("1000"), uuid4()
    await place.db.execute("INSERT INTO user_organizations VALUES ($1, $2, 'owner')", user, org)
    world.on("/it", json_reply({}, 503), now)
    await place.publish(event(org, "it", workflow_name="it", context=call(world.url("/it"))))
    async with place.consumer() as running, api_of(running) as address:
        failure = await until(lambda: _waits(place))
        await place.db.execute("UPDATE workflow_heal_attempts SET finished_at = finished_at - interval '1 minute'")
        for name, value in columns.items():
            await place.db.execute(f"UPDATE workflow_failures SET due_at = NULL, {name} = $1", value)
        before = await place.count("workflow_heal_attempts")
        callers, read = Callers(address=address, user=user), list[tuple[float, int]]()
        asking = asyncio.gather(*(callers.heal(failure) for _ in range(MANY)))
        reading = asyncio.create_task(_read_until(asking, Callers(address=address, user=user), read))
        await _others_are_healed(running, world, org)
        await asking
        await reading
        heals = await place.count(f"workflow_heal_attempts WHERE failure_id = '{failure}'") - before
        assert len(world.calls("/it")) == 1 + heals
        pool = running.consumer.pool
        await until(lambda: _idle(pool))
    return Told(callers=callers, read=read, heals=heals)


async def _waits(place: Site) -> UUID | None:
    row = (await place.failures()).get("it")
    tried = row is not None and row["attempts"] and not await place.count("heal_claim")
    return UUID(str(row["id"])) if row is not None and tried else None


async def _idle(pool: Any) -> bool:  # noqa: ANN401 - a pool of the driver
    return bool(pool.get_size() - pool.get_idle_size() <= 1)  # the resume loop looks now and then


async def _read_until(asking: "asyncio.Future[Any]", reader: Callers, read: list[tuple[float, int]]) -> None:
    while not asking.done():
        asked = time.monotonic()
        status, _ = await reader.ask("GET", "/api/healing/stats")
        read.append((time.monotonic() - asked, status))


async def _others_are_healed(running: Running, world: World, org: UUID) -> None:
    place = running.place
    for n in range(OTHERS):
        world.on(f"/{n}", json_reply({"done": True}))
    await place.publish(
        *(event(org, n, workflow_name=f"o{n}", context=call(world.url(f"/{n}"))) for n in range(OTHERS))
    )

    async def healed() -> bool:
        return await place.count("workflow_failures WHERE workflow_name LIKE 'o%' AND resolved") == OTHERS

    await until(healed)


@pytest.mark.usefixtures("patient_catalog")
@pytest.mark.parametrize(
    ("now", "columns", "result"),
    [
        pytest.param(json_reply({"ok": True}), {}, "success", id="it heals at once"),
        pytest.param(json_reply({"ok": True}, after=2), {}, "success", id="it heals after two seconds"),
        pytest.param(json_reply({}, 503), {}, "failed", id="it does not heal"),
        pytest.param(json_reply({}, 503), {"status": "given_up"}, "failed", id="given up, and does not heal"),
    ],
)
async def test_a_thousand_who_ask_at_once_cause_one_heal_and_are_all_answered(
    embedded_place: Site, world: World, now: Reply, columns: dict[str, object], result: str
) -> None:
    told = await a_thousand(embedded_place, world, now, **columns)
    assert told.heals == 1
    assert told.callers.answers == {(200, result): MANY}
    assert {status for _, status in told.read} == {200}
