"""Pauses of healing: within a reach no effect begins until it ends. Pure."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from consumer.model.identity import OrgId
from consumer.model.plan import Diagnosed, Heal, HealPlace
from schemas.names import FailureType, ReachKind, StrategyName
from schemas.value import value

_HOST_SIGNS: Final = frozenset(".:")
_PORTS: Final = {"http": 80, "https": 443}
_PLAIN_HOST: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
PAUSE_GATE = "pause:"
"""Prefix of what a failure waits for that a pause holds."""


@value(frozen=True, slots=True, kw_only=True)
class PauseReach:
    """What a pause holds: every heal that all of these name. With none of them it is the whole fleet."""

    org_id: OrgId | None = None
    workflow_name: str | None = None
    """A workflow's name, or a pattern with `*` and `?`."""
    failure_type: FailureType | None = None
    strategy: StrategyName | None = None
    dependency: str | None = None

    @property
    def kind(self) -> ReachKind:
        """The narrowest thing that it names; for metrics and lists."""
        if self.dependency is not None:
            return ReachKind.DEPENDENCY
        if self.strategy is not None:
            return ReachKind.STRATEGY
        if self.workflow_name is not None:
            return ReachKind.WORKFLOW
        if self.failure_type is not None:
            return ReachKind.FAILURE_TYPE
        return ReachKind.FLEET if self.org_id is None else ReachKind.ORGANISATION

    def covers(self, place: HealPlace) -> bool:
        """Return whether it reaches a heal."""
        return (
            (self.org_id is None or self.org_id == place.org_id)
            and (self.strategy is None or self.strategy is place.strategy)
            and (self.failure_type is None or self.failure_type is place.failure_type)
            and (self.dependency is None or self.dependency in place.dependencies)
            and (self.workflow_name is None or fnmatchcase(place.workflow_name, self.workflow_name))
        )

    @property
    def names_host(self) -> bool:
        """Return whether its dependency is a host without a scheme: no heal names what it calls so."""
        return self.dependency is not None and "://" not in self.dependency and bool(_HOST_SIGNS & {*self.dependency})

    def canonical(self) -> "PauseReach":
        """Return it with its dependency as heals name theirs: the origin of a URL, in small letters, with its port."""
        return self if self.dependency is None else replace(self, dependency=_origin(self.dependency))

    def __str__(self) -> str:
        """Name it in words, for messages."""
        named = (
            ("organisation", self.org_id),
            ("workflow", self.workflow_name),
            ("failure type", self.failure_type),
            ("strategy", self.strategy),
            ("dependency", self.dependency),
        )
        return ", ".join(f"{what} {name}" for what, name in named if name is not None) or "the whole fleet"


@value(frozen=True, slots=True, kw_only=True)
class PauseRequest:
    """A pause as it is asked for."""

    reach: PauseReach
    reason: str
    by: str
    starts_at: datetime | None = None
    """None: now."""
    ends_at: datetime | None = None
    """None: it lasts until somebody resumes it."""


@value(frozen=True, slots=True, kw_only=True)
class HealingPause:
    """A pause as it is stored."""

    id: UUID
    reach: PauseReach
    reason: str
    by: str
    starts_at: datetime
    ends_at: datetime | None
    ended_at: datetime | None = None
    """When it was resumed, or had come to its end."""
    ended_by: str | None = None
    end_reason: str | None = None

    @property
    def gate(self) -> str:
        """What a failure waits for that it holds."""
        return f"{PAUSE_GATE}{self.id}"

    def __str__(self) -> str:
        """Say it in words, for whoever meets it."""
        until = f"until {self.ends_at.isoformat()}" if self.ends_at is not None else "until it is resumed"
        return f"healing is paused ({self.reach}) by {self.by} {until}: {self.reason}"


NO_ORIGIN: Final = "a dependency is named by its origin, such as https://api.example.com:443"
"""Why what names a host alone is refused."""


class PauseResult(StrEnum):
    """Result of asking for a pause, or for its end."""

    DONE = "done"  # durable: it holds, or is over, once it was answered
    ALREADY = "already"  # an equal one stands, or it is over: nothing was changed
    NOT_FOUND = "not_found"  # no such pause, or no such organisation
    TOO_MANY = "too_many"  # as many stand as may
    OVER = "over"  # its end lies before its start, or before now
    NO_ORIGIN = "no_origin"  # it names a host, where a dependency is named by its origin: it would hold nothing


def _origin(text: str) -> str:
    try:
        url = urlsplit(text.strip())
        host, port = url.hostname or "", url.port
    except ValueError:
        return text
    if url.scheme not in _PORTS or not _PLAIN_HOST.fullmatch(host):
        return text  # an address in brackets, or a name in other letters, is taken as it was written
    return f"{url.scheme}://{host}:{port or _PORTS[url.scheme]}"


def pause_over(place: HealPlace | None, pauses: Iterable[HealingPause]) -> HealingPause | None:
    """Return a pause that reaches a heal, or None; of a heal of which nothing is known only that of the whole fleet."""
    if place is None:
        return next((pause for pause in pauses if pause.reach == PauseReach()), None)
    return next((pause for pause in pauses if pause.reach.covers(place)), None)


def place_of(diagnosed: Diagnosed) -> HealPlace:
    """Return where a planned heal acts."""
    failure, plan = diagnosed.failure, diagnosed.plan
    named: tuple[str | None, ...] = ()
    if isinstance(plan, Heal):
        named = (plan.intent.dependency, *plan.intent.others)
    return HealPlace(
        org_id=failure.org_id,
        workflow_name=failure.workflow_name,
        failure_type=diagnosed.diagnosis.failure_type,
        strategy=plan.strategy,
        dependencies=frozenset(name for name in named if name is not None),
    )
