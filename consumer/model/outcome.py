"""Outcomes of a heal: healed, not healed, retry later, refused, crashed or unknown, with their proofs.

`spent` is what the heal has cost, whatever came of it: at most what was held, or more where a provider charged more,
which becomes a debt. A strategy tells each charge to its gate when it learns of it (`EffectGate.charge`), so that an
end that it does not choose (its window, a crash, a decision) counts it too; `heal/run.py` adds the sum here.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import timedelta
from typing import TypeAlias

from consumer.model.identity import Json, JsonObject, MicroAud
from schemas.names import Budget, Code, Verdict
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class Proof:
    """The verdict of one oracle on a heal."""

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
    """One way in which a producer's payloads miss their schema, and how to send them instead; without their values."""

    schema_digest: str
    kind: str
    """The kind of edit that repaired it."""
    path: str
    """The place, as a JSON Pointer with `*` instead of array indices."""
    example: str
    """The exact pointer of one such place."""
    fix: str
    """What the producer has to do, in words."""
    patch: tuple[JsonObject, ...]
    """The same as JSON Patch, as far as it can be expressed without a value of the payload."""
    raise_at: int
    """Number of equal repairs that raise a finding."""


@value(frozen=True, slots=True, kw_only=True)
class Healed:
    """An oracle confirmed it: the failure is resolved."""

    proofs: tuple[Proof, ...]
    code: Code | None = None
    """`recovered` where it had recovered before this service sent anything."""
    recovered: Recovered | None = None
    details: JsonObject = field(default_factory=dict)
    drift: tuple[Drift, ...] = ()
    spent: MicroAud = MicroAud(0)


@value(frozen=True, slots=True, kw_only=True)
class NotHealed:
    """Acted, but an oracle denied it (`not_healed`) or could not confirm it (`unverified`): the next try or rung."""

    code: Code
    reason: str
    proofs: tuple[Proof, ...] = ()
    details: JsonObject = field(default_factory=dict)
    spent: MicroAud = MicroAud(0)
    dependency_unhealthy: bool = False
    """A strike against the dependency: it did not answer as a healthy one does."""


@value(frozen=True, slots=True, kw_only=True)
class RetryLater:
    """Deferred to a time, such as the one that the other side named; no attempt is counted."""

    after: timedelta
    reason: str
    details: JsonObject = field(default_factory=dict)
    dependency_unhealthy: bool = False
    """As in `NotHealed`."""
    effect_in_doubt: bool = False
    """An effect of this heal may have happened, or is under way: only this strategy goes on, under the same key."""
    pause: str | None = None
    """The gate of the pause that it waits for: neither its age nor an attempt counts against it."""
    spent: MicroAud = MicroAud(0)


@value(frozen=True, slots=True, kw_only=True)
class Refused:
    """The strategy found, before any effect, that it may not or cannot act; or its provider refused to, for good."""

    code: Code
    reason: str
    missing: tuple[str, ...] = ()
    payable: Mapping[Budget, int] = field(default_factory=dict)
    """Where its credits could not be held: what the wallet can pay of that budget."""
    details: JsonObject = field(default_factory=dict)
    """What it found, for the attempt's details, redacted."""
    edits: JsonObject | None = None
    """Where it is `awaiting_approval`: the exact edits that need a person's yes, redacted."""
    spent: MicroAud = MicroAud(0)


@value(frozen=True, slots=True, kw_only=True)
class Crashed:
    """The strategy raised by a bug of its own, before any effect began."""

    reason: str
    spent: MicroAud = MicroAud(0)


@value(frozen=True, slots=True, kw_only=True)
class Unknown:
    """An effect may have happened, and there is no evidence either way: a person has to look."""

    reason: str
    proofs: tuple[Proof, ...] = ()
    details: JsonObject = field(default_factory=dict)
    dependency_unhealthy: bool = False
    """As in `NotHealed`."""
    spent: MicroAud = MicroAud(0)
    """What is known of its cost; the rest of the hold stays held until a person has decided."""


Outcome: TypeAlias = Healed | NotHealed | RetryLater | Refused | Crashed | Unknown
