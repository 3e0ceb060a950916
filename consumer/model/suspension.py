"""Suspended heals: the state that a heal keeps on its claim, and what suspending it writes."""

from dataclasses import field
from datetime import timedelta

from consumer.model.identity import AttemptId, FailureId, JsonObject, MicroAud, OrgId
from consumer.model.message import Message
from schemas.names import Budget, StrategyName
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class KeptState:
    """A heal's state as it is stored on its claim: small, redacted, and in a version of its strategy's own model."""

    version: int
    content: JsonObject
    charged: MicroAud = MicroAud(0)
    """What the heal had cost when it was kept."""


@value(frozen=True, slots=True, kw_only=True)
class SuspendedHeal:
    """A run of a strategy that ended with a heal to be gone on with later."""

    state: KeptState
    look_again: timedelta
    longest: timedelta
    """Time from the first suspension after which the heal is gone on with at the latest, to be ended."""
    reason: str = ""
    """What it waits for, in words."""
    begun_since: bool = False
    """An effect without a key may have begun since the state was kept."""
    dependency_unhealthy: bool = False
    """Its last call speaks against its dependency."""
    paused: bool = False
    """It waits for the end of a pause, which is no part of its longest suspension."""


@value(frozen=True, slots=True, kw_only=True)
class Suspension:
    """Everything that suspending one heal writes."""

    attempt_id: AttemptId
    failure_id: FailureId
    org_id: OrgId
    strategy: StrategyName
    epoch: int
    """Epoch (fencing token) of its claim."""
    heal: SuspendedHeal
    messages: tuple[Message, ...] = field(default=())
    """Published once for each attempt, with its first suspension."""
    pays_from: Budget = Budget.TEXT
    unkept_charge: MicroAud = MicroAud(0)
    """What it has cost that no state kept before tells: a late charge, if another process has the claim."""
