"""Whoever commands: keys, the file that lists them, tokens, and records on the commands topic."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import jwt
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.support.patience import PATIENCE
from tests.support.pipeline import Site, until

AUDIENCE: Final = "self-healing-workflows"
_MAKE: Final[Mapping[str, Callable[[], Any]]] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
}


def jwk_of(private: Any, algorithm: str) -> dict[str, Any]:  # noqa: ANN401 - a key of the library's
    """The public half, as a JWK."""
    of_kind: Any = jwt.get_algorithm_by_name(algorithm)  # its methods have no types
    found: dict[str, Any] = of_kind.to_jwk(private.public_key(), as_dict=True)
    return {name: value for name, value in found.items() if name not in ("key_ops", "use")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Commander:
    """One issuer with one key."""

    private: Any
    algorithm: str
    key_id: str
    issuer: str = "maos"

    @classmethod
    def new(cls, algorithm: str = "EdDSA", key_id: str = "maos-1", issuer: str = "maos") -> "Commander":
        return cls(private=_MAKE[algorithm](), algorithm=algorithm, key_id=key_id, issuer=issuer)

    def entry(self, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - YAML is anything
        """Its line in the key file: everything, everywhere, unless it is changed."""
        public = jwk_of(self.private, self.algorithm)
        whole = {"id": self.key_id, "issuer": self.issuer, "public_key": public, "commands": "*", "organisations": "*"}
        return {name: value for name, value in (whole | changes).items() if value is not None}

    def claims(self, command: Mapping[str, Any], name: str | None = None) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + 300,
            "jti": name or uuid4().hex,
            "command": dict(command),
        }

    def sign(self, claims: Mapping[str, Any], **header: Any) -> bytes:  # noqa: ANN401 - a JWS header is anything
        payload = json.dumps(claims).encode()
        headers = {"kid": self.key_id, "typ": "JWT"} | header
        return jwt.PyJWS().encode(payload, self.private, algorithm=self.algorithm, headers=headers).encode()

    def token(self, command: Mapping[str, Any], name: str | None = None) -> bytes:
        return self.sign(self.claims(command, name))


def write_keys(path: Path, *entries: Mapping[str, Any]) -> Path:
    path.write_text(yaml.safe_dump({"keys": [dict(entry) for entry in entries]}))
    return path


def command(kind: str, org_id: UUID, failure_id: UUID | None = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    failure = {"failure_id": str(failure_id)} if failure_id is not None else {}
    return {"command": kind, "org_id": str(org_id), "issued_by": "supervisor", **failure, **more}


async def send(
    place: Site, *values: bytes | None, headers: Sequence[tuple[str, bytes]] = (), key: bytes | None = None
) -> None:
    topic = place.settings.kafka.commands_topic
    sent = [await place.producer.send(topic, value, key=key, headers=list(headers)) for value in values]
    for future in sent:
        await asyncio.wait_for(future, PATIENCE)


async def answers(place: Site, number: int) -> list[dict[str, Any]]:
    """Wait for so many different answers, and give them by the order of their first publication."""

    async def look() -> list[dict[str, Any]]:
        found = {one["id"]: one for one in await place.results() if one["type"] == "workflow.command_result.v1"}
        return list(found.values()) if len(found) >= number else []

    found = await until(look)
    assert len(found) == number, found
    return found
