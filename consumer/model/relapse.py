"""Relapses: the same cause on the same scope within the watch of a proven heal."""

from collections.abc import Callable
from datetime import datetime, timedelta

from consumer.model.identity import AttemptId, FailureId
from consumer.model.message import Message
from schemas.names import StrategyName
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class RelapseFound:
    """The proven heal after which a failure came again."""

    failure_id: FailureId
    """The new failure."""
    of_failure: FailureId
    of_attempt: AttemptId
    strategy: StrategyName
    healed_at: datetime
    at: datetime
    """When it was found, by the database's clock."""


@value(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a settled heal is watched for: whether it is a relapse, and whether another one will be of it."""

    key: str
    """Digest of fingerprint and scope."""
    within: timedelta
    is_healed: bool
    is_first: bool
    """It is the first attempt of its failure, which may be a relapse."""
    rewritten: str | None
    """Fingerprint by which it may be a relapse of a rewritten definition; None where its workflow has no agent."""
    tell: Callable[[RelapseFound], Message]
    """Returns the event of a relapse."""
