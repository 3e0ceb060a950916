"""A reference supervisor: subscribes to the results, approves by policy, signs its commands, reads the answers.

Nothing here is the healer's: the contract alone (docs/contract.md) is between the two.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jwt
import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

VALID_FOR = 300
"""Seconds for which a signature is valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signs commands: one issuer, one key."""

    private: Ed25519PrivateKey
    key_id: str
    issuer: str
    audience: str

    def token(self, command_id: str, command: dict[str, Any]) -> bytes:
        """Return the record's value: a JWS whose claims are the command, and nothing beside them counts."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "iat": now,
            "exp": now + VALID_FOR,
            "jti": command_id,
            "command": command,
        }
        return jwt.encode(claims, self.private, algorithm="EdDSA", headers={"kid": self.key_id}).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the policy says of a plan."""

    command: str
    reason: str


def decide(rules: list[dict[str, Any]], status: dict[str, Any]) -> Decision | None:
    """Return the answer of the first rule that fits a plan; None leaves it to a person."""
    approval = status["approval"]
    for rule in rules:
        fits = (
            any(fnmatchcase(approval["strategy"], one) for one in rule["strategies"])
            and any(fnmatchcase(status["workflow_name"], one) for one in rule["workflows"])
            and Decimal(approval["credits"]) <= Decimal(str(rule.get("at_most_aud", "Infinity")))
        )
        if fits:
            return Decision(command=rule["answer"], reason=rule["reason"])
    return None


def answer_to(event: dict[str, Any], rules: list[dict[str, Any]]) -> tuple[str, dict[str, Any]] | None:
    """Return the command that answers an event, with its id, or None where it asks for none.

    The id is made of what is answered: whoever reads the event again sends the same command.
    """
    status = event["data"]
    asks = event["type"] == "workflow.failure_status.v1" and status["status"] == "awaiting_approval"
    if not asks or status.get("approval") is None or (decision := decide(rules, status)) is None:
        return None
    plan_hash, step = status["approval"]["plan_hash"], status["step"]
    command = {
        "command": decision.command,
        "org_id": status["org_id"],
        "failure_id": status["failure_id"],
        "plan_hash": plan_hash,
        "step": step,
        "issued_by": "reference-maos",
        "reason": decision.reason,
    }
    return f"answer:{status['failure_id']}:{step}:{plan_hash[:16]}", command


async def supervise(options: argparse.Namespace, stop: asyncio.Event) -> None:
    """Answer what waits for approval until stopped; the place in the topic moves once an answer is acknowledged."""
    private = serialization.load_pem_private_key(options.key.read_bytes(), None)
    if not isinstance(private, Ed25519PrivateKey):
        sys.exit(f"{options.key} is no Ed25519 key: make one with `maos.py key`")
    signer = Signer(private=private, key_id=options.key.stem, issuer=options.issuer, audience=options.audience)
    rules = yaml.safe_load(options.policy.read_text())["rules"]
    consumer = AIOKafkaConsumer(
        options.results,
        bootstrap_servers=options.bootstrap,
        group_id=options.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    producer = AIOKafkaProducer(bootstrap_servers=options.bootstrap, acks="all", enable_idempotence=options.idempotence)
    await consumer.start()
    try:
        await producer.start()
        while not stop.is_set():
            polled = await consumer.getmany(timeout_ms=200)
            for record in (record for records in polled.values() for record in records):
                event = json.loads(record.value)
                if event["type"] == "workflow.command_result.v1":
                    say("answered", {name: event["data"].get(name) for name in ("command_id", "outcome", "reason")})
                elif (answer := answer_to(event, rules)) is not None:
                    command_id, command = answer
                    value = signer.token(command_id, command)
                    await producer.send_and_wait(options.commands, value, key=command["failure_id"].encode())
                    say("sent", {"command_id": command_id, "command": command["command"]})
            if polled:
                await consumer.commit()
    finally:
        await consumer.stop()
        await producer.stop()


def say(what: str, fields: dict[str, Any]) -> None:
    """Print one line of JSON."""
    print(json.dumps({"event": what, **fields}), flush=True)


def make_key(options: argparse.Namespace) -> None:
    """Write a new private key here, and print the healer's key file: the public half, and what it may ask for."""
    private = Ed25519PrivateKey.generate()
    path = Path(f"{options.id}.pem")
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    entry = {
        "id": options.id,
        "issuer": options.issuer,
        "public_key": {"kty": "OKP", "crv": "Ed25519", "x": jwt.utils.base64url_encode(raw).decode()},
        "commands": ["approve", "deny"],
        "organisations": "*",
    }
    print(yaml.safe_dump({"keys": [entry]}, sort_keys=False), end="")


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--issuer", default="maos")
    kinds = parser.add_subparsers(dest="kind", required=True)
    key = kinds.add_parser("key", help="make a key")
    key.add_argument("id")
    run = kinds.add_parser("run", help="supervise until SIGTERM")
    run.add_argument("--key", type=Path, required=True)
    run.add_argument("--policy", type=Path, required=True)
    run.add_argument("--bootstrap", default="127.0.0.1:9092")
    run.add_argument("--results", default="workflow.heal-results")
    run.add_argument("--commands", default="maos.heal-commands")
    run.add_argument("--group", default="maos")
    run.add_argument("--audience", default="self-healing-workflows")
    run.add_argument("--no-idempotence", dest="idempotence", action="store_false", help="for a broker without it")
    return parser.parse_args()


async def main(options: argparse.Namespace) -> None:
    """Supervise until a signal."""
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    await supervise(options, stop)


if __name__ == "__main__":
    chosen = read_options()
    if chosen.kind == "key":
        make_key(chosen)
    else:
        asyncio.run(main(chosen))
