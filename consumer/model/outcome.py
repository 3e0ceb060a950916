"""What came of a heal."""

from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from typing import TypeAlias

from consumer.model.identity import Json, JsonObject, MicroAud
from schemas.names import Code, Verdict
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class Proof:
    """What one oracle said of a heal."""

    oracle: str
    verdict: Verdict
    detail: str


@value(frozen=True, slots=True, kw_only=True)
class Recovered:
    """The response that the failed call should have had, fit to be stored and published: redacted, cut at a limit."""

    status: int
    headers: Mapping[str, str]
    body: Json
    size: int
    """Bytes of the body as received."""
    digest: str
    """`sha256:` and the hex digest of the body as received."""
    truncated: bool


@value(frozen=True, slots=True, kw_only=True)
class Drift:
    """One way in which a producer's payloads miss their schema, and how to send them instead; no value of any."""

    schema_digest: str
    kind: str
    """The sort of edit that mended it."""
    path: str
    """Where, as a JSON Pointer with `*` in place of array indices."""
    example: str
    """The pointer of one such place."""
    fix: str
    """What its producer has to do, in words."""
    patch: tuple[JsonObject, ...]
    """The same as JSON Patch, as far as it can be said without a value of the payload."""
    raise_at: int
    """So many equal repairs make a finding."""


@value(frozen=True, slots=True, kw_only=True)
class Healed:
    """An oracle confirmed it: the failure is resolved."""

    proofs: tuple[Proof, ...]
    code: Code | None = None
    """`recovered` where it was well before anything of ours was sent."""
    recovered: Recovered | None = None
    details: JsonObject = field(default_factory=dict)
    drift: tuple[Drift, ...] = ()
    spent: MicroAud = MicroAud(0)


@value(frozen=True, slots=True, kw_only=True)
class NotHealed:
    """Acted, and the oracle says no (`not_healed`) or cannot say yes (`unverified`): the next try or rung."""

    code: Code
    reason: str
    proofs: tuple[Proof, ...] = ()
    details: JsonObject = field(default_factory=dict)
    spent: MicroAud = MicroAud(0)
    dependency_unhealthy: bool = False
    """The dependency did not answer as something that is well does: this is a strike against it."""


@value(frozen=True, slots=True, kw_only=True)
class RetryLater:
    """The other side named a time; nothing is spent, and no attempt is counted."""

    after: timedelta
    reason: str
    details: JsonObject = field(default_factory=dict)
    dependency_unhealthy: bool = False
    """As in `NotHealed`."""
    effect_in_doubt: bool = False
    """An effect of ours may have happened, or is under way: only this strategy goes on with it, under the same key."""


@value(frozen=True, slots=True, kw_only=True)
class Refused:
    """The strategy found, before any effect, that it may not or cannot act."""

    code: Code
    reason: str
    missing: tuple[str, ...] = ()


@value(frozen=True, slots=True, kw_only=True)
class Crashed:
    """The strategy's own bug, before any effect began."""

    reason: str


@value(frozen=True, slots=True, kw_only=True)
class Unknown:
    """An effect may have happened and nothing tells: a person has to look."""

    reason: str
    proofs: tuple[Proof, ...] = ()
    details: JsonObject = field(default_factory=dict)
    dependency_unhealthy: bool = False
    """As in `NotHealed`."""


Outcome: TypeAlias = Healed | NotHealed | RetryLater | Refused | Crashed | Unknown
