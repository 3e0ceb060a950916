"""Where an attack takes place: the run's addresses, the attacker's organisation, and how its events look."""

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import httpx2
import jwt
import orjson

from benchmarks.harness.arena import Run
from benchmarks.harness.load import organisations

ATTACKER: Final[UUID] = organisations()[0]
HONEST: Final[UUID] = organisations()[1]
ATTACKERS_SOURCE: Final = "urn:attacker"
HONEST_SOURCE: Final = "urn:honest"
MEMBER: Final = UUID("6d1f3a4e-7f0f-4a55-9d4c-52a7e6a2b001")
"""A plain member of the attacker's organisation."""
OWNER: Final = UUID("6d1f3a4e-7f0f-4a55-9d4c-52a7e6a2b002")
JWT_SECRET: Final = "a-benchmark's-secret-of-more-than-32-bytes"  # noqa: S105 - the benchmark's own

Context = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The addresses of one run, and what an attacker has: a source in Kafka, users in the database, and tokens."""

    run: Run
    hostile_port: int
    api_port: int

    def url(self, path: str) -> str:
        """Give an address at the hostile server."""
        return f"http://127.0.0.1:{self.hostile_port}{path}"

    def call(self, path: str, **more: object) -> Context:
        """Give the context of a failed GET at the hostile server."""
        return {"request": {"method": "GET", "url": self.url(path), **more}}

    async def publish(self, contexts: Iterable[Context], reason: str = "Timeout", **data: object) -> None:
        """Put one event of the attacker for each context into the failures topic, all acknowledged."""
        await self.run.lay_down(
            (event_id.encode(), failure_event(event_id, ATTACKER, ATTACKERS_SOURCE, reason, context, data))
            for context, event_id in ((context, f"attack-{uuid4()}") for context in contexts)
        )

    @asynccontextmanager
    async def session(self, user: UUID | None = None) -> AsyncIterator[asyncpg.Connection]:
        """Open a database session: of a signed-in user as the platform opens it, or of another application."""
        connection = await asyncpg.connect(self.run.job.dsn)
        try:
            if user is not None:
                claims = json.dumps({"sub": str(user), "role": "authenticated"})
                await connection.execute("SELECT set_config('request.jwt.claims', $1, false)", claims)
                await connection.execute("SET ROLE authenticated")
            yield connection
        finally:
            await connection.close()

    def token(self, user: UUID = OWNER) -> str:
        """Sign a user's token, as the platform does."""
        until = datetime.now(UTC) + timedelta(hours=1)
        claims = {"sub": str(user), "aud": "authenticated", "role": "authenticated", "exp": until}
        return jwt.encode(claims, JWT_SECRET, algorithm="HS256")

    async def ask_once(self) -> None:
        """Ask the API for failures, as an owner: what it loads with its first answer is not an attack's doing."""
        headers = {"authorization": f"Bearer {self.token()}"}
        url = f"http://127.0.0.1:{self.api_port}/api/healing/failures?org_id={ATTACKER}"
        async with httpx2.AsyncClient(headers=headers, timeout=30) as client:
            answer = await client.get(url)
        if answer.status_code != httpx2.codes.OK:
            raise RuntimeError(f"the API answers {answer.status_code} to an owner")

    async def prepare(self) -> None:
        """Make the attacker's users members of its organisation."""
        async with self.session() as connection:
            await connection.executemany(
                "INSERT INTO user_organizations (user_id, org_id, role) VALUES ($1, $2, $3)",
                [(MEMBER, ATTACKER, "member"), (OWNER, ATTACKER, "owner")],
            )


def failure_event(
    event_id: str, org_id: UUID, source: str, reason: str, context: Context, data: Context | None = None
) -> bytes:
    """Give a CloudEvent, structured."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": source,
            "type": "workflow.failure.v1",
            "datacontenttype": "application/json",
            "data": {
                "org_id": str(org_id),
                "workflow_name": "attacker.sync" if org_id == ATTACKER else "honest.sync",
                "failure_reason": reason,
                "context": context,
                **(data or {}),
            },
        }
    )


def catalog(honest_port: int, hostile_port: int) -> str:
    """Give the catalog of a run: each organisation's source, workflows and host."""
    return orjson.dumps(
        {
            "version": 1,
            "sources": [
                {"source": HONEST_SOURCE, "organisations": [str(HONEST)]},
                {"source": ATTACKERS_SOURCE, "organisations": [str(ATTACKER)]},
            ],
            "workflows": [
                {"name": name, "hosts": [_host(port)], "attempts": 3}
                for name, port in (("honest.*", honest_port), ("attacker.*", hostile_port))
            ],
        }
    ).decode()


def _host(port: int) -> dict[str, object]:
    return {"host": "127.0.0.1", "ports": [port], "schemes": ["http"], "addresses": ["127.0.0.0/8"]}
