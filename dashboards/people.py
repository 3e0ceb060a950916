"""People beside the traffic: an owner at the API, a supervisor on the commands' topic, and strangers who knock."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from uuid import uuid4

import httpx2
from pydantic import SecretStr

from consumer.api.development_tokens import sign_token
from consumer.demo.consumer_process import ConsumerProcess
from consumer.demo.held_back import PAUSED
from consumer.demo.publish import Inbound
from consumer.demo.refunds import DENIED, UNANSWERED
from consumer.demo.stage import Stage
from consumer.model import JsonObject
from consumer.settings import ApiSettings
from schemas.envelope import Envelope, encode
from schemas.supervision import COMMAND_TYPE

BULK_OF: Final = "stock.lying"
"""Workflow whose failures the owner has healed again, all at once."""
KNOCKS: Final = 30
"""Requests of strangers at a time: more than one address may make."""
_SUPERVISOR: Final = "urn:demo:supervisor"
_ASKED: Final = """
SELECT a.failure_id, a.plan_hash, a.step, f.workflow_name FROM heal_approval a JOIN workflow_failures f
    ON f.id = a.failure_id WHERE a.state = 'asked' AND f.workflow_name <> $1 LIMIT 20
"""
_OPEN: Final = "SELECT id FROM workflow_failures WHERE workflow_name = $1 AND status = 'given_up' LIMIT 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """How people come in: the settings of the replicas for it, and the owner's token."""

    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def settings(self) -> Mapping[str, str]:
        """Settings of the replicas: strangers are turned away soon, and commands count unsigned."""
        return {
            "SHW_API__JWT_SECRET": self.secret,
            "SHW_API__ADDRESS_BURST": "20",
            "SHW_COMMANDS__UNSIGNED": "true",
        }

    def token(self, place: Stage) -> str:
        """Return the token of an owner of the organisation that pays."""
        return sign_token(ApiSettings(jwt_secret=SecretStr(self.secret)), place.organisations.owner, timedelta(days=1))


@dataclass(slots=True, kw_only=True)
class People:
    """What they do; each does it once when it is called."""

    place: Stage
    inbound: Inbound
    api: httpx2.AsyncClient
    """Signed in as the owner."""
    paused: str | None = None
    """The pause that stands."""

    async def answer_plans(self) -> None:
        """Say yes to each plan that waits, or no, by the demo's story; one kind is answered by nobody."""
        for plan in await self.place.connection.fetch(_ASKED, UNANSWERED):
            turn = "deny" if plan["workflow_name"] == DENIED else "approve"
            said: JsonObject = {"planHash": plan["plan_hash"], "step": plan["step"], "reason": "as agreed"}
            await self._ask(f"failures/{plan['failure_id']}/plan/{turn}", said, HTTPStatus.CONFLICT)

    async def pause(self) -> None:
        """Hold a workflow."""
        said: JsonObject = {"orgId": self._org, "workflowName": PAUSED, "reason": "the mail provider is being moved"}
        self.paused = str((await self._ask("pauses", said))["id"])

    async def resume(self) -> None:
        """End the pause."""
        if self.paused is not None:
            await self._ask(f"pauses/{self.paused}/resume", {"reason": "it is moved"})
            self.paused = None

    async def heal_many(self) -> None:
        """Freeze what was given up of a workflow, and have it healed again."""
        which: JsonObject = {"workflowName": BULK_OF, "statuses": ["given_up"]}
        said: JsonObject = {
            "orgId": self._org,
            "action": "heal",
            "filter": which,
            "reason": "the stock is counted anew",
        }
        frozen = (await self._ask("bulks", said))["bulk"]
        if isinstance(frozen, dict):
            await self._ask(f"bulks/{frozen['bulkId']}/start", {})

    async def command(self) -> None:
        """Ask for a heal, for one of a failure that nobody has, and for something in no supervisor's words."""
        known = await self.place.connection.fetchval(_OPEN, BULK_OF)
        for failure in (known or uuid4(), uuid4()):
            order: JsonObject = {"command": "heal", "org_id": self._org, "failure_id": str(failure), "issued_by": "sam"}
            value, headers = encode(Envelope(id=uuid4().hex, source=_SUPERVISOR, type=COMMAND_TYPE, data=order))
            await self._send(value, headers)
        await self._send(b"heal everything, please", [])

    async def knock(self) -> None:
        """Come without a token, and with one that nobody signed, more often than a stranger may."""
        for number in range(KNOCKS):
            token = "Bearer no.such.token" if number % 2 else ""
            await self.api.get("failures", headers={"Authorization": token})

    @property
    def _org(self) -> str:
        return str(self.place.organisations.paying)

    async def _ask(self, path: str, said: JsonObject, *also: HTTPStatus) -> JsonObject:
        answer = await self.api.post(path, json=said)
        if answer.status_code not in also:
            answer.raise_for_status()
        found: JsonObject = answer.json()
        return found

    async def _send(self, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        topic = self.place.kafka.commands_topic
        await self.inbound.producer.send_and_wait(topic, value=value, headers=headers)


@asynccontextmanager
async def people_at(replica: ConsumerProcess, place: Stage, inbound: Inbound, doors: Doors) -> AsyncIterator[People]:
    """Let people in at a replica."""
    async with httpx2.AsyncClient(
        base_url=f"{replica.address}/api/healing/",
        headers={"Authorization": f"Bearer {doors.token(place)}"},
        timeout=20,
        trust_env=False,
    ) as client:
        yield People(place=place, inbound=inbound, api=client)
