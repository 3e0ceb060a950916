"""What verified repairs tell of the producers whose payloads they mended: added up, without a value. Pure."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final
from uuid import UUID

from consumer.ids import named
from consumer.model import ID_SPACE, AttemptId, Drift, Failure, FailureId, OrgId, Settlement
from schemas.names import Result
from schemas.value import value

_INDEX: Final = re.compile(r"(?<=/)\d+(?=/|$)")
_LONGEST_PATH: Final = 300
_MOST_OF_ONE_PAYLOAD: Final = 50
"""A payload that misses its schema in more ways was not made for it."""


@value(frozen=True, slots=True, kw_only=True)
class Counted:
    """Equal repairs of one producer's payloads in one batch of settled heals."""

    id: UUID
    org_id: OrgId
    source: str | None
    workflow_name: str
    drift: Drift
    failure_id: FailureId
    attempt_id: AttemptId
    """The first that was counted."""
    repairs: int


def pattern_of(pointer: str) -> str:
    """Give one pointer for all items of an array."""
    return _INDEX.sub("*", pointer)


def distinct(drifts: Iterable[Drift]) -> tuple[Drift, ...]:
    """Give each way once, however many items of an array miss the schema in it."""
    first: dict[tuple[str, str], Drift] = {}
    for one in drifts:
        if len(one.example) <= _LONGEST_PATH:
            first.setdefault((one.kind, one.path), one)
    return tuple(first.values())[:_MOST_OF_ONE_PAYLOAD]


def counted(settlements: Iterable[Settlement]) -> list[Counted]:
    """Add up what verified repairs tell, in an order in which two batches never wait for one another."""
    found: dict[UUID, Counted] = {}
    for settlement in settlements:
        failure, attempt = settlement.failure, settlement.attempt
        for drift in attempt.drift if attempt.result is Result.SUCCESS else ():
            key = _key(failure, drift)
            known = found.get(key)
            found[key] = (
                replace(known, repairs=known.repairs + 1)
                if known is not None
                else Counted(
                    id=key,
                    org_id=failure.org_id,
                    source=failure.source,
                    workflow_name=failure.workflow_name,
                    drift=drift,
                    failure_id=failure.id,
                    attempt_id=attempt.id,
                    repairs=1,
                )
            )
    return [found[key] for key in sorted(found)]


def _key(failure: Failure, drift: Drift) -> UUID:
    parts = (failure.org_id, failure.source, failure.workflow_name, drift.schema_digest, drift.kind, drift.path)
    text = "\0".join(("drift", *map(str, parts)))
    # A key of a payload may hold half a surrogate pair, which has no byte form.
    return named(ID_SPACE.bytes, text.encode(errors="backslashreplace").decode())
