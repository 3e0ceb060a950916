"""Session of one replaced call: its dependency's declaration, what has been found of it, and what the heal may use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, TypeAlias
from uuid import UUID

from consumer.catalog.candidates import Candidate
from consumer.catalog.dependencies import BindingTimes, Dependency
from consumer.heal.calls.request import origin
from consumer.heal.calls.session import CallSession
from consumer.heal.dependency_replacement.candidates import Observed
from consumer.heal.dependency_replacement.illness import Strikes
from consumer.model import Json, JsonObject, OrgId
from consumer.model.binding import Binding, binding_scope
from consumer.model.token_buckets import TokenBuckets
from schemas.value import value

Decide: TypeAlias = Callable[[Binding | None, int, datetime], Binding | None]
"""Returns the binding after something has happened: of the one before, of how many siblings are replaced, and now."""
_WEIGHT: Final = 0.3
"""Of the newest answer in the moving average of a candidate's latency."""
_MINUTE: Final = 60.0


@value(frozen=True, slots=True, kw_only=True)
class Named:
    """The dependency of an organisation whose binding is to change."""

    org_id: OrgId
    dependency: str
    times: BindingTimes
    siblings: tuple[str, ...] = ()
    """Dependencies of the same workflow, of which only a share may be replaced at once."""


class BindingBook(Protocol):
    """The bindings of the whole fleet: one for each organisation and dependency, whoever changes it."""

    async def find(self, org_id: OrgId, dependency: str) -> tuple[Binding | None, datetime]:
        """Return the binding as it stands, and the time of the clock by which its times count."""
        ...

    async def change(self, of: Named, decide: Decide) -> Binding | None:
        """Change a binding by a pure rule, one change at a time over all replicas, and publish it."""
        ...

    async def take_probe(self, of: Named, prober: str) -> bool:
        """Take the right to ask the first, one at a time over all replicas; False where somebody asks it just now."""
        ...

    async def end_probe(self, of: Named, prober: str) -> None:
        """Give that right back."""
        ...

    async def strikes(self, org_id: OrgId, origins: Sequence[str]) -> Mapping[str, Strikes]:
        """Return the strikes at some places: of the organisation, and by how many others."""
        ...


class NoBindings:
    """The book of whoever only plans: nothing stands in for a dependency, and nothing is changed."""

    async def find(self, org_id: OrgId, dependency: str) -> tuple[Binding | None, datetime]:  # noqa: ARG002
        """Return none."""
        return None, datetime.now(UTC)

    async def change(self, of: Named, decide: Decide) -> Binding | None:  # noqa: ARG002
        """Change nothing."""
        return None

    async def take_probe(self, of: Named, prober: str) -> bool:  # noqa: ARG002
        """Nobody else asks."""
        return True

    async def end_probe(self, of: Named, prober: str) -> None:
        """Do nothing."""

    async def strikes(self, org_id: OrgId, origins: Sequence[str]) -> Mapping[str, Strikes]:  # noqa: ARG002
        """Return none."""
        return {place: Strikes() for place in origins}


class CandidateWatch:
    """What this process sees of candidates: how long they take, and how often they are called."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seconds: dict[tuple[str, str], float] = {}
        self._limits: dict[float, TokenBuckets] = {}

    def answered(self, dependency: str, candidate: str, elapsed: timedelta) -> None:
        """Note how long an answer took."""
        key, seconds = (dependency, candidate), elapsed.total_seconds()
        before = self._seconds.get(key, seconds)
        self._seconds[key] = before + _WEIGHT * (seconds - before)

    def seconds(self, dependency: str, candidate: str) -> float | None:
        """Return how long its answers take of late."""
        return self._seconds.get((dependency, candidate))

    def wait_to_call(self, org_id: UUID, dependency: str, candidate: Candidate) -> timedelta | None:
        """Count a call to a candidate; or return how long it has to wait, as its limit demands."""
        limit = candidate.limits.per_minute
        if limit is None:
            return None
        burst = max(1.0, limit)
        buckets = self._limits.setdefault(
            limit, TokenBuckets(burst=burst, per_second=limit / _MINUTE, clock=self._monotonic)
        )
        key = (org_id, dependency, candidate.name)
        if buckets.take(key):
            return None
        return timedelta(seconds=buckets.wait_for(key))


@dataclass(slots=True, kw_only=True)
class ReplacementSession(CallSession):
    """State of one heal by replacement."""

    name: str
    dependency: Dependency
    book: BindingBook
    watched: CandidateWatch
    monotonic: Callable[[], float]
    evidence: list[JsonObject] = field(default_factory=list)
    ruled_out: dict[str, str] = field(default_factory=dict)
    probes: list[Json] = field(default_factory=list)
    called: list[str] = field(default_factory=list)
    """Candidates that were called, in order."""
    paid: int = 0
    """What they may have charged for it."""

    @property
    def org_id(self) -> OrgId:
        """The organisation."""
        return self.task.failure.org_id

    @property
    def named(self) -> Named:
        """The binding that it is about."""
        return Named(
            org_id=self.org_id,
            dependency=self.name,
            times=self.dependency.binding,
            siblings=self.policy.dependencies,
        )

    @property
    def is_alone(self) -> bool:
        """Whether no other heal proves the dependency ill, or tries a candidate, at the same time."""
        return self.task.plan.intent.scope == binding_scope(self.org_id, self.name)

    @property
    def details(self) -> JsonObject:
        """What has happened so far, for the attempt's details."""
        told: JsonObject = {"name": self.name}
        told |= {"evidence": list(self.evidence)} if self.evidence else {}
        told |= {"ruled_out": dict(self.ruled_out)} if self.ruled_out else {}
        told |= {"probes": list(self.probes)} if self.probes else {}
        told |= {"called": list(self.called)} if self.called else {}
        return {**CallSession.details.fget(self), "dependency": told}  # type: ignore[attr-defined]

    def can_pay(self, candidate: Candidate) -> bool:
        """Return whether one more candidate may be called with what is held: the first one always may."""
        return not self.paid or self.paid + (candidate.price or 0) <= self.task.plan.hold

    async def observed(self) -> dict[str, Observed]:
        """Return what is known of the candidates."""
        origins = {one.name: candidate_origin(one) for one in self.dependency.candidates}
        strikes = await self.book.strikes(self.org_id, tuple(origins.values()))
        return {
            name: Observed(seconds=self.watched.seconds(self.name, name), strikes=strikes[place].own)
            for name, place in origins.items()
        }


def candidate_origin(candidate: Candidate) -> str:
    """Return the place that a candidate's calls go to, as breakers name it."""
    return origin(candidate.call.url if candidate.call is not None else candidate.url or "")
