"""Turns outcomes into settlements: what one finished step of one failure writes to the database. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, fields, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, TypeAlias, assert_never

from consumer.catalog import WorkflowPolicy
from consumer.model import (
    Adopt,
    Attempt,
    Claim,
    Diagnosed,
    Diagnosis,
    Failure,
    Heal,
    Healed,
    Health,
    JsonObject,
    LadderProgress,
    Message,
    MicroAud,
    Next,
    Outcome,
    PassedOver,
    Plan,
    Proof,
    Refuse,
    Refused,
    RetryLater,
    RungName,
    Settlement,
    Wait,
    in_aud,
)
from consumer.model.wallet import INSUFFICIENT
from consumer.plan.next_step import AttemptHistory, for_person, given_up, next_step
from consumer.plan.progress import advance, is_exhausted
from consumer.results.events import Outlet, attempt_details, messages_of
from consumer.results.outcomes import dependency_health, leaves_doubt, result_and_code
from consumer.results.relapses import watched
from consumer.results.shadows import shadow_messages
from schemas.names import Budget, Code, Effect, Result, Status, StrategyName, Verdict
from schemas.value import value

_REASON_LENGTH: Final = 300
_MISSING_LIMIT: Final = 10
SPREAD: Final = 0.1
"""Jitter of a deferral: the share of the wait by which a failure comes back later, at most."""
MAX_SPREAD: Final = timedelta(minutes=1)


@value(frozen=True, slots=True, kw_only=True)
class FinishedHeal:
    """A finished heal: its plan and claim, when it ran, and its outcome."""

    failure: Failure
    diagnosis: Diagnosis
    strategy: StrategyName
    plan: Plan
    claim: Claim
    outcome: Outcome
    attempted_at: datetime
    finished_at: datetime
    effect: Effect | None = None
    """The effect of the claim, where another process planned it."""
    begun: bool = True
    """An effect of it may have begun."""
    others: Mapping[str, bool] = field(default_factory=dict)
    """Whether the last call to each of its further dependencies found it healthy."""
    unkept_charge: MicroAud = MicroAud(0)
    """What it has cost that no kept state tells."""

    @property
    def would_heal(self) -> tuple[Heal, ...]:
        """What strategies in shadow mode would have done, where it was the first step of its ladder."""
        return Diagnosed(failure=self.failure, diagnosis=self.diagnosis, plan=self.plan).would_heal

    @property
    def own_plan(self) -> Heal | None:
        """The plan that this heal carried out; None where an inherited claim was planned differently here."""
        plan = self.plan
        return plan if isinstance(plan, Heal) and plan.strategy is self.strategy else None

    @property
    def rung(self) -> RungName:
        """The rung that it counts for on its failure's ladder."""
        return self.strategy if self.own_plan is None else self.own_plan.rung


GoesOn: TypeAlias = Callable[[Failure], bool]
"""Returns whether a rung is left that may act on a failure in the state it will have."""


def _no_rung_left(_: Failure) -> bool:
    return False


def settle_heal(
    ended: FinishedHeal, policy: WorkflowPolicy, dice: float, outlet: Outlet, goes_on: GoesOn = _no_rung_left
) -> Settlement:
    """Compute what a finished heal writes: its attempt, the failure's next status and due time, and its messages."""
    failure, outcome = ended.failure, ended.outcome
    heal = ended.own_plan
    effect = heal.intent.effect if heal is not None else ended.effect
    climb = advance(failure.ladder_progress, ended.rung, effect, outcome)
    following = next_step(outcome, _history(ended, heal, climb, policy, goes_on), policy=policy, dice=dice)
    unpaid = isinstance(outcome, Refused) and outcome.code is Code.INSUFFICIENT_CREDITS
    if unpaid and following.status is Status.DEFERRED and climb is not None:
        climb = replace(climb, payable={})  # after the renewal it begins at the foot again
    attempt, shadows = _build_attempt(ended), ended.would_heal
    return Settlement(
        failure=failure,
        diagnosis=ended.diagnosis,
        attempt=attempt,
        next=following,
        messages=_messages(failure, ended.diagnosis, attempt, following, shadows, outlet),
        health=_health(ended, heal),
        other_healths=tuple(_other_healths(ended, heal)) if heal is not None and heal.others else (),
        mended=heal.intent.fault_digest if heal is not None and isinstance(outcome, Healed) else None,
        effect_in_doubt=leaves_doubt(outcome),
        ladder_progress=climb if following.counts or isinstance(outcome, Refused | RetryLater) else None,
        epoch=ended.claim.epoch,
        unkept_charge=ended.unkept_charge,
        approval_unused=_leaves_approval_unused(ended, heal),
        unpaid=heal.hold if unpaid and heal is not None and following.status is Status.DEFERRED else None,
        pays_from=heal.intent.pays_from if heal is not None else Budget.TEXT,
        would_heal=shadows,
        watched=watched(failure, ended.diagnosis, heal, attempt, following, policy, outlet) if heal else None,
        details_of=attempt_details,
    )


def _leaves_approval_unused(ended: FinishedHeal, heal: Heal | None) -> bool:
    """Return whether an approval stands after a heal: it was put off before any effect."""
    if heal is None or heal.approval is None or ended.begun:
        return False
    match ended.outcome:
        case RetryLater(effect_in_doubt=in_doubt):
            return not in_doubt
        case Refused(code=code):
            return code is Code.INSUFFICIENT_CREDITS
        case _:
            return False


def _history(
    ended: FinishedHeal, heal: Heal | None, climb: LadderProgress | None, policy: WorkflowPolicy, goes_on: GoesOn
) -> AttemptHistory:
    failure = ended.failure
    exhausted = climb is not None and is_exhausted(climb, ended.rung, policy)
    return AttemptHistory(
        attempts=failure.attempts,
        age=failure.age_unpaused(ended.finished_at),
        reads_back=heal is not None and heal.intent.reads_back,
        probe=ended.claim.probe,
        effect_in_doubt=failure.effect_in_doubt,
        exhausted=exhausted,
        goes_on=climb is not None
        and (exhausted or bool(climb.payable))
        and goes_on(_failure_after(failure, climb, ended.outcome)),
    )


def _failure_after(failure: Failure, climb: LadderProgress, outcome: Outcome) -> Failure:
    """Return a failure in the state it will have after an attempt."""
    effect_in_doubt, acted = leaves_doubt(outcome), not isinstance(outcome, Refused)
    return replace(
        failure,
        attempts=failure.attempts + acted,
        lifetime_attempts=failure.lifetime_attempts + acted,
        effect_in_doubt=failure.effect_in_doubt if effect_in_doubt is None else effect_in_doubt,
        ladder_progress=climb,
    )


def settle_unclaimed(
    diagnosed: Diagnosed, plan: Refuse | Wait | Adopt, now: datetime, dice: float, outlet: Outlet
) -> Settlement:
    """Compute what a plan that does not act writes: its attempt, and the failure given up, deferred or resolved."""
    failure, diagnosis = diagnosed.failure, diagnosed.diagnosis
    attempt = Attempt(
        id=diagnosed.attempt_id,
        step=failure.step,
        strategy=plan.strategy,
        attempted_at=now,
        finished_at=now,
        catalog_version=plan.catalog_version,
        **_attempt_fields(plan),
    )
    following = _next_after_plan(plan, dice, effect_in_doubt=failure.effect_in_doubt)
    shadows = diagnosed.would_heal
    return Settlement(
        failure=failure,
        diagnosis=diagnosis,
        attempt=attempt,
        next=following,
        messages=_messages(failure, diagnosis, attempt, following, shadows, outlet),
        would_heal=shadows,
        details_of=attempt_details,
    )


def _messages(
    failure: Failure, diagnosis: Diagnosis, attempt: Attempt, following: Next, shadows: tuple[Heal, ...], outlet: Outlet
) -> tuple[Message, ...]:
    return (
        *shadow_messages(failure, diagnosis, attempt, following, shadows, outlet),
        *messages_of(failure, diagnosis, attempt, following, outlet),
    )


def _attempt_fields(plan: Refuse | Wait | Adopt) -> dict[str, Any]:
    match plan:
        case Refuse():
            result = result_of_refusal(plan.code)
            others = {"details": _describe_passed_over(plan.passed_over)} if plan.passed_over else {}
            return {"result": result, "code": plan.code, "reason": plan.reason, "missing": plan.missing, **others}
        case Wait():
            return {"result": Result.FAILED, "code": Code.RETRY_LATER, "reason": plan.reason}
        case Adopt():
            said = f"attempt {plan.attempt_id} healed the same damage while this failure waited for its scope"
            proof = Proof(oracle="shared", verdict=Verdict.PASSED, detail=said)
            details: JsonObject = {"sharedWith": str(plan.attempt_id)}
            return {"result": Result.SUCCESS, "code": None, "reason": "", "proofs": (proof,), "details": details}
        case _:
            assert_never(plan)


def _describe_passed_over(rungs: tuple[PassedOver, ...]) -> JsonObject:
    """Describe which rungs were passed over and why, cut to the length limits."""
    return {
        "passed_over": [
            {"strategy": one.rung, "code": one.code, "reason": one.reason[:_REASON_LENGTH]}
            | ({"missing": list(one.missing[:_MISSING_LIMIT])} if one.missing else {})
            for one in rungs
        ]
    }


def _next_after_plan(plan: Refuse | Wait | Adopt, dice: float, *, effect_in_doubt: bool) -> Next:
    match plan:
        case Refuse():
            return for_person() if plan.for_person else given_up(effect_in_doubt=effect_in_doubt)
        case Wait():
            # Never before the time that was named; a thousand failures of one cause do not come back at one instant.
            spread = min(plan.after * SPREAD, MAX_SPREAD) * dice
            return Next(status=Status.DEFERRED, due_in=plan.after + spread, counts=False)
        case Adopt():
            return Next(status=Status.RESOLVED, due_in=None, counts=False)
        case _:
            assert_never(plan)


def _health(ended: FinishedHeal, plan: Heal | None) -> Health | None:
    if plan is None or plan.dependency is None or plan.intent.dependency is None:
        return None
    return Health(
        key=plan.dependency,
        org_id=ended.failure.org_id,
        dependency=plan.intent.dependency,
        healthy=dependency_health(ended.outcome),
        probe=ended.claim.probe,
    )


def _other_healths(ended: FinishedHeal, plan: Heal) -> Iterator[Health]:
    for key, named in plan.others.items():
        yield Health(
            key=key,
            org_id=ended.failure.org_id,
            dependency=named,
            healthy=ended.others.get(named),
            probe=ended.claim.probe,
        )


def result_of_refusal(code: Code) -> Result:
    """Return the result of a step that ended with its plan: ERROR for our own fault, FAILED for the failure's."""
    return Result.ERROR if code is Code.CRASHED else Result.FAILED


def _build_attempt(ended: FinishedHeal) -> Attempt:
    outcome = ended.outcome
    result, code = result_and_code(outcome)
    # The fields of an outcome depend on its kind; the attempt has a place for all of them.
    carried = {name: getattr(outcome, name) for name in _outcome_fields(type(outcome))}  # type: ignore[arg-type]
    if code is Code.INSUFFICIENT_CREDITS:
        carried["details"] = {"error": INSUFFICIENT, **_describe_unpaid(ended.own_plan)}
    if isinstance(ended.plan, Heal) and ended.plan.approval is not None:
        approval = ended.plan.approval
        told: JsonObject = {"planHash": approval.plan_hash, "by": [*approval.by]}
        carried["details"] = carried.get("details", {}) | {"approval": told}
    if isinstance(ended.plan, Heal) and ended.plan.passed_over:
        carried["details"] = carried.get("details", {}) | _describe_passed_over(ended.plan.passed_over)
    return Attempt(
        id=ended.claim.attempt_id,
        step=ended.claim.step,
        strategy=ended.strategy,
        result=result,
        code=code,
        attempted_at=ended.attempted_at,
        finished_at=ended.finished_at,
        held=ended.claim.held,
        pays_from=ended.claim.pays_from,
        catalog_version=ended.plan.catalog_version,
        **({"reason": ""} | carried),
    )


def _describe_unpaid(heal: Heal | None) -> JsonObject:
    if heal is None:
        return {}
    pays_from = heal.intent.pays_from
    budget: JsonObject = {"unpaid_budget": pays_from} if pays_from is not Budget.TEXT else {}
    return {"unpaid_aud": in_aud(heal.hold), **budget}


_OUTCOME_FIELDS: Final = frozenset(("reason", "proofs", "recovered", "details", "drift", "missing", "spent"))


@cache
def _outcome_fields(kind: type[Outcome]) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind) if one.name in _OUTCOME_FIELDS)


def strip_content(settlement: Settlement, outlet: Outlet) -> Settlement:
    """Return a settlement without content from the other side: for one that the database refuses to store."""
    old = settlement.attempt
    attempt = Attempt(
        id=old.id,
        step=old.step,
        strategy=old.strategy,
        result=old.result,
        code=old.code,
        reason="details left out: the database cannot store them",
        attempted_at=old.attempted_at,
        finished_at=old.finished_at,
        held=old.held,
        spent=old.spent,
        pays_from=old.pays_from,
        catalog_version=old.catalog_version,
    )
    messages = messages_of(settlement.failure, settlement.diagnosis, attempt, settlement.next, outlet)
    return replace(settlement, attempt=attempt, messages=messages)
