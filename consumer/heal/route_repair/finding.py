"""What two looks at a run say together: the cause on which they agree, or why there is none to act on. Pure."""

from typing import TypeAlias, assert_never

from consumer.catalog import RouteRepairLimits
from consumer.heal.route_repair.suspicion import Cause, Suspicion
from consumer.heal.route_repair.watermark import grown
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class NamedCause:
    """The cause on which two looks agree, at the same place of the run."""

    cause: Cause
    step: str | None
    evidence: str


@value(frozen=True, slots=True, kw_only=True)
class Moves:
    """The run got on between the looks."""

    evidence: str


@value(frozen=True, slots=True, kw_only=True)
class NoCause:
    """Nothing speaks for a cause, or the looks do not agree on one: nothing is touched."""

    evidence: str


Found: TypeAlias = NamedCause | Moves | NoCause


def found_in(first: Suspicion, second: Suspicion, limits: RouteRepairLimits) -> Found:
    """Return what two looks say that lie at least `limits.apart` apart."""
    if second.cause is Cause.WAITING:
        return NamedCause(cause=Cause.WAITING, step=second.step, evidence=second.evidence)
    if first.place != second.place:
        if second.completed > first.completed or grown(first.progress, second.progress):
            return Moves(evidence="the run got on between two looks")
        return NoCause(evidence="the run was started anew, or set back, between two looks")
    if second.completed > first.completed:
        rounds = second.completed - first.completed
        return NamedCause(
            cause=Cause.LOOP, step=second.busiest, evidence=f"steps completed {rounds} times again, and it gets nowhere"
        )
    if _is_wedged(first, second, limits):
        since = second.begun - first.begun
        why = f"step {str(second.busiest)[:80]!r} was begun {second.begun} times, {since} of them between two looks"
        return NamedCause(cause=Cause.WEDGED, step=second.busiest, evidence=why)
    return _agreed(first, second)


def _agreed(first: Suspicion, second: Suspicion) -> NamedCause | NoCause:
    match second.cause:
        case None:
            return NoCause(evidence=second.evidence)
        case Cause() as cause:
            same = (first.cause, first.step, first.fence, first.begun) == (
                cause,
                second.step,
                second.fence,
                second.begun,
            )
            if same and cause is Cause.HEARTBEAT_MISSING and first.sign != second.sign:
                return NoCause(evidence=f"it gives signs of life, dated {second.sign}: its clock is another one")
            if same:
                return NamedCause(cause=cause, step=second.step, evidence=second.evidence)
            return NoCause(evidence=f"{second.evidence}; the look before said: {first.evidence}")
        case _:
            assert_never(second.cause)


def _is_wedged(first: Suspicion, second: Suspicion, limits: RouteRepairLimits) -> bool:
    if second.busiest is None or first.busiest != second.busiest:
        return False
    return second.begun > first.begun and second.begun >= limits.wedged_after
