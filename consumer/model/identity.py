"""Id types, and the derivation of deterministic ids (UUID v5) that are the same in every process."""

from decimal import Decimal
from functools import cache, lru_cache
from hashlib import sha1
from typing import NamedTuple, NewType, TypeAlias
from uuid import UUID

OrgId = NewType("OrgId", UUID)
FailureId = NewType("FailureId", UUID)
AttemptId = NewType("AttemptId", UUID)
Scope = NewType("Scope", str)
OwnerId = NewType("OwnerId", str)
MicroAud = NewType("MicroAud", int)
"""Credits in millionths of an Australian dollar, so that a ledger of many small amounts adds up exactly."""

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = dict[str, Json]

ID_SPACE = UUID("6f0a1f0e-6d5f-5c3b-9a52-5f1f3d1f6f49")
"""The namespace of every id that is derived from an event; changing it would make each redelivery a new failure."""


def in_aud(amount: int) -> str:
    """Write credits as Australian dollars, exactly."""
    return f"{Decimal(amount) / 1_000_000:f}"


@lru_cache(maxsize=8192)
def attempt_id(failure_id: FailureId, step: int, draw: int = 0) -> AttemptId:
    """Derive the id of the attempt that a failure makes at a step, by one random draw.

    Each plan draws anew: where a failover or a restore takes a failure back to a step whose attempt is already
    published, the next attempt of that step has another id (docs/decisions/0023).
    """
    return AttemptId(uuid5_from_bytes(failure_id.bytes, f"attempt:{step}:{draw}" if draw else f"attempt:{step}"))


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    partition: int


@cache
def _driver_uuid() -> type[UUID]:
    from asyncpg.pgproto import pgproto  # noqa: PLC0415 - see above

    found: type[UUID] = pgproto.UUID
    return found


def uuid5_from_bytes(space: bytes, name: str) -> UUID:
    """Return the same UUID as `uuid.uuid5` for the namespace with these bytes."""
    digest = bytearray(sha1(space + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return _driver_uuid()(bytes(digest))  # type: ignore[arg-type]  # the driver's takes bytes first


def to_driver_uuid(given: UUID) -> UUID:
    """Convert a UUID to the database driver's own type."""
    return _driver_uuid()(given.bytes)  # type: ignore[arg-type]  # as above
