"""What one rung says of a failure, and what is asked besides before it may act: waits, shadow mode, attempts. Pure."""

from datetime import datetime, timedelta

from consumer.catalog import SameLimit, WorkflowPolicy
from consumer.diagnose.fingerprint import fingerprint
from consumer.model import Diagnosis, Failure, Heal, Intent, PassedOver, Rate
from consumer.plan.bindings import Course
from consumer.plan.next_step import LONGEST_WAIT
from consumer.plan.rung import FollowsCourse, Rung
from schemas.names import Code, StrategyName


def refusal_of(
    rung: Rung, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy, course: Course | None
) -> str | None:
    """Return why a rung must not act, or None; it knows where the call goes if that matters to it."""
    if course is not None and isinstance(rung, FollowsCourse):
        return rung.refusal_on(failure, diagnosis, policy, course)
    return rung.refusal(failure, diagnosis, policy)


def intent_of(rung: Rung, failure: Failure, policy: WorkflowPolicy, course: Course | None) -> Intent:
    """Return the intent of a rung that may act."""
    if course is not None and isinstance(rung, FollowsCourse):
        return rung.intent_on(failure, policy, course)
    return rung.intent(failure, policy)


def told_wait(failure: Failure, diagnosis: Diagnosis, now: datetime) -> tuple[timedelta, str]:
    """Return what is left of the wait that the failing side asked for, at most a week, and how it asked."""
    if diagnosis.until is not None:
        return min(diagnosis.until - now, LONGEST_WAIT), f"until {diagnosis.until.isoformat()}"
    if diagnosis.wait is not None:
        return diagnosis.wait - failure.age(now), f"for {diagnosis.wait.total_seconds():g} s"
    return timedelta(0), ""


def unless_shadow(plan: Heal, policy: WorkflowPolicy) -> Heal | PassedOver:
    """Return a plan, or in shadow mode what it would do."""
    if not policy.is_shadow(plan.strategy):
        return plan
    reason = f"{plan.strategy} is in shadow mode in the catalog's entry {policy.name!r}: it would act, and does not"
    return PassedOver(strategy=plan.strategy, code=Code.SHADOW, reason=reason, would_heal=plan)


def reserve_attempts(strategy: StrategyName, failure: Failure, policy: WorkflowPolicy, later: int) -> PassedOver | None:
    """Keep one attempt for each untried rung: return why this one must not take it, None where it may act.

    A rung whose number of attempts the catalog sets is exempt.
    """
    made, left = failure.ladder_progress.attempts.get(strategy, 0), policy.attempts - failure.attempts
    if not made or later < left or policy.limits_of(strategy).attempts is not None:
        return None
    reason = f"{made} attempts have not healed it: of the entry's {policy.attempts} the rest is for the rungs after it"
    return PassedOver(strategy=strategy, code=Code.NOT_HEALED, reason=reason)


def rate_of(failure: Failure, limit: SameLimit, strategy: StrategyName) -> Rate:
    """Return the rate limit of heals of the same thing."""
    key = f"{failure.org_id}:{fingerprint(failure, strategy)}"
    return Rate(key=key, heals=limit.heals, within=limit.within, cool_down=limit.cool_down)
