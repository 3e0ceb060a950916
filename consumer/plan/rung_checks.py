"""What one rung says of a failure, and what is asked besides before it may act: waits, shadow mode, attempts. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from consumer.catalog import Brake, SameLimit, WorkflowPolicy
from consumer.diagnose.fingerprint import fingerprint
from consumer.model import ActionName, Diagnosis, Failure, Heal, Intent, PassedOver, Rate, RungName, Wait, strategy_of
from consumer.plan.bindings import Course
from consumer.plan.next_step import LONGEST_WAIT
from consumer.plan.rung import FollowsCourse, Rung, TakesActions
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
    if not policy.is_shadow(plan.rung):
        return plan
    reason = f"{plan.rung} is in shadow mode in the catalog's entry {policy.name!r}: it would act, and does not"
    return PassedOver(rung=plan.rung, code=Code.SHADOW, reason=reason, would_heal=plan)


def reserve_attempts(rung: RungName, failure: Failure, policy: WorkflowPolicy, later: int) -> PassedOver | None:
    """Keep one attempt for each untried rung: return why this one must not take it, None where it may act.

    A rung whose number of attempts the catalog sets is exempt.
    """
    made, left = failure.ladder_progress.attempts.get(rung, 0), policy.attempts - failure.attempts
    if not made or later < left or policy.limits_of(rung).attempts is not None:
        return None
    reason = f"{made} attempts have not healed it: of the entry's {policy.attempts} the rest is for the rungs after it"
    return PassedOver(rung=rung, code=Code.NOT_HEALED, reason=reason)


def rate_of(failure: Failure, limit: SameLimit, rung: RungName) -> Rate:
    """Return the rate limit of heals of the same thing."""
    key = f"{failure.org_id}:{fingerprint(failure, rung)}"
    return Rate(key=key, heals=limit.heals, within=limit.within, cool_down=limit.cool_down)


def cap_of(action: ActionName, policy: WorkflowPolicy) -> Rate:
    """Return how often an action may begin in this deployment, whichever organisation's failure asks for it."""
    cap = policy.actions[action].cap
    return Rate(key=action, heals=cap.starts, within=cap.within, cool_down=timedelta(0))


def rung_named(name: RungName, rungs: Mapping[StrategyName, Rung], policy: WorkflowPolicy) -> Rung | None:
    """Return a rung by its name: an installed strategy, or an action that the catalog declares."""
    rung = rungs.get(strategy_of(name))
    if not isinstance(name, ActionName):
        return rung
    declared = policy.actions.get(name)
    return rung.of_action(name, declared) if isinstance(rung, TakesActions) and declared is not None else None


def brake_wait(plan: Heal, brake: Brake) -> Wait:
    """Return the wait of a plan whose workflow is braked."""
    reason = (
        f"more than {brake.share:.0%} of {brake.runs} runs are sick at once: the cause lies elsewhere, and healing "
        "them one by one would not help"
    )
    return Wait(strategy=plan.strategy, after=brake.within / 4, reason=reason, catalog_version=plan.catalog_version)
