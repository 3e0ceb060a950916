"""Reasons for which a rung of the ladder may not act, in words that whoever reads them can act upon. Pure."""

from datetime import datetime

from consumer.catalog import WorkflowPolicy
from consumer.model import ActionName, Diagnosis, Failure, Heal, MicroAud, PassedOver, RungName, in_aud, strategy_of
from consumer.model.wallet import INSUFFICIENT
from schemas.context import unusable_parts
from schemas.names import Code, StrategyName


def not_installed_reason(rung: RungName) -> str:
    """Return what to say of a rung that this deployment lacks."""
    if isinstance(rung, ActionName):
        return f"{rung} is not declared in the catalog in force"
    return f"strategy {rung} is not installed in this deployment"


def passed_over_for_lack(rung: RungName, missing: tuple[str, ...], failure: Failure) -> PassedOver:
    """Return why a rung may not act for which the event lacks something, or has it in a form that cannot be used."""
    unusable = unusable_parts(failure.context)
    told = (f"{path} ({unusable[path]})" if path in unusable else path for path in missing)
    lacks = "lacks, or has in an unusable form," if unusable.keys() & set(missing) else "lacks"
    reason = f"the event {lacks} what {rung} needs: {', '.join(told)}"
    return PassedOver(rung=rung, code=Code.MISSING_CONTEXT, reason=reason, missing=missing)


def no_entry_reason(failure: Failure) -> str:
    """Return what to say of a workflow that the catalog does not have."""
    return f"no entry of the catalog matches workflow {failure.workflow_name!r}: declare what may be done for it"


def member_reason(strategy: StrategyName, policy: WorkflowPolicy) -> str:
    """Return why what a plain member recorded is not healed."""
    return (
        "a plain member recorded it: an owner or admin may ask for its heal (POST /api/healing/heal, shw heal); "
        f"or list {strategy} under `members` of the catalog's entry {policy.name!r}"
    )


def cost_reason(strategy: RungName, cost: MicroAud | None, policy: WorkflowPolicy) -> str:
    """Return why a strategy costs too much, or cannot be priced."""
    if cost is None:
        return f"what an attempt of {strategy} may cost cannot be told: declare its price in the catalog"
    allowed = policy.allowances[strategy]
    return (
        f"an attempt of {strategy} may cost {cost / 1_000_000:g} AUD, above its allowance_aud of "
        f"{allowed / 1_000_000:g}: raise that in the catalog's entry {policy.name!r}"
    )


def not_allowed_reason(strategy: RungName, policy: WorkflowPolicy) -> str | None:
    """Return why the catalog's entry does not allow a strategy; None where it does."""
    if policy.strategies is None or strategy_of(strategy) in policy.strategies:
        return None
    return f"the catalog's entry {policy.name!r} does not allow strategy {strategy_of(strategy)}"


def unsure_reason(strategy: RungName, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy) -> str | None:
    """Return why the diagnosis is too unsure for a strategy; None where it is not, or where somebody asked.

    An effect that may have begun is looked after however unsure the diagnosis is.
    """
    least = policy.limits_of(strategy).least_confidence
    if least is None or diagnosis.confidence >= least or failure.vouched:
        return None
    if failure.effect_in_doubt or failure.ladder_progress.in_doubt is not None:
        return None
    return (
        f"the diagnosis is {diagnosis.confidence:g} sure, and {strategy} has a least_confidence of {least:g} in the "
        f"catalog's entry {policy.name!r}: look at the failure, then ask for a heal"
    )


def exhausted_reason(strategy: RungName, failure: Failure, policy: WorkflowPolicy) -> str | None:
    """Return why a strategy has no attempt left for a failure; None where it has one."""
    if strategy in failure.ladder_progress.exhausted:
        return "it was asked to act before, and refused"
    limit, made = policy.limits_of(strategy).attempts, failure.ladder_progress.attempts.get(strategy, 0)
    if limit is None or made < limit:
        return None
    return f"all {limit} attempts that the catalog allows this rung have been made"


def limit_reason(failure: Failure, policy: WorkflowPolicy, now: datetime) -> str | None:
    """Return why no strategy may be tried any more; None where one may."""
    if failure.age_unpaused(now) > policy.max_age:
        return f"detected at {failure.detected_at.isoformat()}, longer ago than max_age ({policy.max_age}) allows"
    if failure.attempts >= policy.attempts:
        return f"all {policy.attempts} attempts that the catalog allows have been made"
    if failure.lifetime_attempts >= policy.lifetime_attempts:
        return (
            f"all {policy.lifetime_attempts} attempts of its lifetime have been made: mend the cause, then resolve it"
        )
    return None


def unpayable(plan: Heal, failure: Failure) -> PassedOver | None:
    """Return a rung passed over because its budget, which has refused a hold, cannot pay it; None where it can."""
    pays_from = plan.intent.pays_from
    payable = failure.ladder_progress.payable.get(pays_from)
    if payable is None or plan.hold <= payable:
        return None
    cost = f"it may cost {in_aud(plan.hold)} AUD, and the wallet's {pays_from} budget can pay {in_aud(payable)}"
    reason = f"{INSUFFICIENT}: {cost}"
    return PassedOver(rung=plan.rung, code=Code.INSUFFICIENT_CREDITS, reason=reason)
