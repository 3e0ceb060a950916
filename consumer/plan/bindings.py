"""Where a failure's call goes, by the binding of the dependency that it reaches: how a plan follows a binding. Pure."""

from collections.abc import Iterator
from datetime import datetime
from enum import Enum, auto
from typing import Final

from consumer.catalog import WorkflowPolicy
from consumer.catalog.dependencies import Dependency, find_dependency
from consumer.model import Failure, RungName
from consumer.model.binding import Binding, Bindings, drawn_share
from schemas.dependency_binding import BindingState
from schemas.names import StrategyName
from schemas.value import value


class Way(Enum):
    """Where a failure's call goes."""

    PROVE = auto()  # nothing is known: whoever is first finds out whether the dependency is ill
    CANDIDATE = auto()  # to what stands in
    FIRST = auto()  # to the first, as if nothing could stand in


@value(frozen=True, slots=True, kw_only=True)
class Course:
    """The dependency that a failure's call reaches, and where the call goes now."""

    name: str
    dependency: Dependency
    binding: Binding | None
    """The binding as far as it holds."""
    way: Way
    on_trial: bool
    """One heal at a time goes this way: it proves the first ill, or the candidate good."""


_ONLY: Final[frozenset[RungName]] = frozenset({StrategyName.AUTO_RETRY, StrategyName.DEPENDENCY_REPLACEMENT})


def course_of(failure: Failure, policy: WorkflowPolicy, bindings: Bindings, now: datetime) -> Course | None:
    """Return where the call of a failure goes; None where its entry declares no dependency that it reaches."""
    if not policy.replaceable or (found := find_dependency(policy.replaceable, failure.context)) is None:
        return None
    name, dependency = found
    binding = bindings.get((failure.org_id, name))
    way = _way(binding, failure, dependency, now)
    holds = binding is not None and binding.holds(now)
    return Course(
        name=name,
        dependency=dependency,
        binding=binding if holds else None,
        way=way,
        on_trial=way is Way.PROVE or (holds and binding is not None and binding.state is BindingState.CANARY),
    )


def _way(binding: Binding | None, failure: Failure, dependency: Dependency, now: datetime) -> Way:
    if binding is None:
        return Way.PROVE
    if binding.holds(now):
        returns = binding.state is BindingState.RETURNING
        goes_back = returns and drawn_share(binding, failure.id) < dependency.binding.share
        return Way.FIRST if goes_back else Way.CANDIDATE
    if binding.state is not BindingState.FIRST:
        return Way.PROVE
    is_idle = binding.idle_until is not None and now < binding.idle_until
    return Way.FIRST if is_idle or _is_overtaken(failure, binding, dependency, now) else Way.PROVE


def _is_overtaken(failure: Failure, binding: Binding, dependency: Dependency, now: datetime) -> bool:
    """Return whether the first was seen well since a call to it failed: what fell ill then is no evidence any more."""
    seen = binding.well_since
    return seen is not None and failure.detected_at <= seen and now < seen + dependency.binding.lease


def bound_reason(strategy: RungName, course: Course) -> str | None:
    """Return why a strategy may not act where a call goes, or None."""
    if strategy not in _ONLY:
        return None
    if strategy is StrategyName.DEPENDENCY_REPLACEMENT:
        return f"{course.name} is well, or nothing may stand in for it now" if course.way is Way.FIRST else None
    binding = course.binding
    if course.way is not Way.CANDIDATE or binding is None:
        return None
    return f"{course.name} is replaced by {binding.candidate} until {binding.lease_until.isoformat()}: {binding.reason}"


def in_course(ladder: tuple[RungName, ...], course: Course) -> tuple[RungName, ...]:
    """Return a ladder on which the replacement is the first rung that may act, unless the call goes to the first."""
    if course.way is Way.FIRST:
        return ladder
    return tuple(_with_replacement_first(ladder))


def _with_replacement_first(ladder: tuple[RungName, ...]) -> Iterator[RungName]:
    yield StrategyName.DEPENDENCY_REPLACEMENT
    yield from (one for one in ladder if one is not StrategyName.DEPENDENCY_REPLACEMENT)
