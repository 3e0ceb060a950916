"""Turns a record of the commands topic into an order, a refusal that can be answered, or a dead letter.

The record's value is a JWS in compact form, and nothing else of the record is read: neither key nor headers, nor any
member of the token's header but `alg` and `kid`. `kid` is looked up among the listed keys, and names no file and no
address. The key decides the algorithm. Whoever cannot be known by a signature gets no answer: the record becomes a
dead letter. Whoever is known is answered, whatever is wrong.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

import orjson

from consumer.api.key_set import KeysUnreadable
from consumer.api.tokens import LEEWAY, SignInRefused, check_storable, read_header, verify
from consumer.commands.keys import ALLOWED, CommandKey, CommandKeys
from consumer.errors import TransientError
from consumer.model import FailureId, OrgId, Record
from consumer.model.command import CommandFacts, CommandId, Order, RefusedOrder
from consumer.redact import redact_text
from consumer.settings import CommandSettings
from schemas.envelope import parse
from schemas.errors import EnvelopeError
from schemas.names import PoisonReason
from schemas.supervision import COMMAND_TYPE, AnyCommand, decode_command

MAX_COMMAND: Final = 512 * 1024
"""Longest value of a record in bytes: an edit carries a step's input."""
MAX_ID: Final = 512
MAX_DEPTH: Final = 64
ANYBODY: Final = "shw:unsigned"
"""Issuer of commands without a signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unattributed:
    """A record of which nobody knows who sent it, or by what name to answer: it becomes a dead letter."""

    reason: PoisonReason
    message: str


ReadCommand: TypeAlias = Order | RefusedOrder | Unattributed


async def read_command(record: Record, keys: CommandKeys, settings: CommandSettings, now: datetime) -> ReadCommand:
    """Read one record.

    Raises
    ------
    TransientError
        Its key stands in the JWK set, and that cannot be read now.

    """
    if record.fault is not None:
        return Unattributed(reason=record.fault.reason, message=record.fault.message)
    value = record.value or b""
    if len(value) > MAX_COMMAND:
        message = f"the command has {len(value)} bytes, above the limit of {MAX_COMMAND}"
        return Unattributed(reason=PoisonReason.TOO_LARGE, message=message)
    if settings.unsigned and value.lstrip()[:1] == b"{":
        return _read_unsigned(value, record)
    try:
        entry, claims = await _verify(value, keys, now)
    except _NotAuthentic as error:
        return Unattributed(reason=PoisonReason.NOT_AUTHENTIC, message=str(error))
    name = claims.get("jti")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_ID:
        message = f"its jti, the command's id, is missing, empty or longer than {MAX_ID} characters: nobody to answer"
        return Unattributed(reason=PoisonReason.WRONG_SHAPE, message=message)
    return _judge(claims, entry, CommandId(issuer=entry.issuer, id=name), settings, now)


class _NotAuthentic(Exception):
    """No listed key vouches for a record; the message says what is wrong with it."""


async def _verify(value: bytes, keys: CommandKeys, now: datetime) -> tuple[CommandKey, Mapping[str, Any]]:
    """Check the signature; returns the key that vouches for the claims, and these."""
    try:
        token = value.decode("ascii")
        header = read_header(token, MAX_COMMAND)
    except (UnicodeDecodeError, SignInRefused):
        message = "the value is no JWS in compact form, header.claims.signature, or its header has a name twice"
        raise _NotAuthentic(message) from None
    if header.algorithm not in ALLOWED:
        raise _NotAuthentic(f"its alg is none of {', '.join(sorted(ALLOWED))}")
    entry = keys.entries.get(header.key_id or "")
    if entry is None:
        raise _NotAuthentic("its kid names no key of SHW_COMMANDS__KEYS_FILE")
    if (flaw := entry.flaw(now)) is not None:
        raise _NotAuthentic(f"key {entry.id} vouches for nothing: {flaw}")
    try:
        key = await keys.find(entry, header.algorithm)
    except KeysUnreadable as error:
        # Whether it is forged cannot be told: it is no dead letter, and is read again until it can.
        raise TransientError(f"the public key {entry.id} cannot be had: {error}") from error
    if key is None:
        raise _NotAuthentic(f"key {entry.id} is none for {header.algorithm}")
    try:
        claims = verify(token, key, header.algorithm)
        check_storable(claims, MAX_DEPTH)
    except SignInRefused as refusal:
        raise _NotAuthentic(f"the signature or the claims of key {entry.id} are wrong: {refusal.reason}") from None
    return entry, claims


def _judge(
    claims: Mapping[str, Any], entry: CommandKey, name: CommandId, settings: CommandSettings, now: datetime
) -> Order | RefusedOrder:
    facts = CommandFacts(by=f"({entry.issuer})", key_id=entry.id)
    token = hashlib.sha256(orjson.dumps(claims, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    refused = RefusedOrder(id=name, facts=facts, reason="", token=token)
    try:
        command = decode_command(_command_of(claims))
    except EnvelopeError as error:
        message = "command" + redact_text(str(error)).removeprefix("data")
        return replace(refused, reason=_first_fault(claims, entry, settings, now) or message)
    order = order_of(command, name, entry.reach(), entry.id)
    refused = replace(refused, facts=order.facts, digest=order.digest)
    fault = _first_fault(claims, entry, settings, now)
    if fault is None and not entry.allows(command.command):
        fault = f"key {entry.id} may not ask for {command.command}"
    if fault is None and not order.reaches(command.org_id):
        fault = (
            f"key {entry.id} may not command organisation {command.org_id}"
            if command.org_id is not None
            else f"key {entry.id} may not command all organisations: name one"
        )
    return order if fault is None else replace(refused, reason=fault)


def order_of(command: AnyCommand, name: CommandId, organisations: frozenset[UUID] | None, key_id: str = "") -> Order:
    """Build the order of a command."""
    said = orjson.dumps(command.model_dump(mode="json", exclude_unset=True), option=orjson.OPT_SORT_KEYS)
    failure_id: UUID | None = getattr(command, "failure_id", None)
    return Order(
        id=name,
        command=command,
        digest=hashlib.sha256(said).digest(),
        organisations=organisations,
        facts=CommandFacts(
            name=command.command,
            org_id=OrgId(command.org_id) if command.org_id is not None else None,
            failure_id=FailureId(failure_id) if failure_id is not None else None,
            by=redact_text(f"{command.issued_by} ({name.issuer})"),
            key_id=key_id,
        ),
    )


def _command_of(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    command = claims.get("command")
    if not isinstance(command, dict):
        raise EnvelopeError(PoisonReason.WRONG_SHAPE, "data.command: the claim `command` is no object")
    return command


def _first_fault(claims: Mapping[str, Any], entry: CommandKey, settings: CommandSettings, now: datetime) -> str | None:
    if claims.get("iss") != entry.issuer:
        return f"its iss is not {entry.issuer}, whose key {entry.id} is"
    audience = claims.get("aud")
    if settings.audience not in (audience if isinstance(audience, list) else [audience]):
        return f"its aud is not {settings.audience}"
    return _first_fault_of_times(claims, settings.longest, now)


def _first_fault_of_times(claims: Mapping[str, Any], longest: timedelta, now: datetime) -> str | None:
    issued, expires, begins = (_seconds(claims.get(name)) for name in ("iat", "exp", "nbf"))
    if issued is None or expires is None or (begins is None and "nbf" in claims):
        return "its iat or exp is missing or no number of seconds"
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    if max(issued, begins or issued) > moment + leeway:
        return "its iat or nbf lies in the future: look at the clocks"
    if expires <= moment - leeway:
        return "it has expired (exp): sign it again under the same id"
    if not 0 < expires - issued <= longest.total_seconds():
        return f"its exp is not within {longest / timedelta(seconds=1):g} s after its iat"
    return None


def _seconds(claim: object) -> float | None:
    if isinstance(claim, bool) or not isinstance(claim, int | float) or not math.isfinite(claim):
        return None
    return float(claim)


def _read_unsigned(value: bytes, record: Record) -> Order | Unattributed:
    try:
        envelope = parse(value, record.headers, accepts=(COMMAND_TYPE,))
        command = decode_command(envelope.data)
    except EnvelopeError as error:
        return Unattributed(reason=error.kind, message=redact_text(str(error)))
    if envelope.id is None:
        message = "an unsigned command is a CloudEvent, whose id is the command's: this one has none"
        return Unattributed(reason=PoisonReason.WRONG_SHAPE, message=message)
    return order_of(command, CommandId(issuer=ANYBODY, id=envelope.id), None)
