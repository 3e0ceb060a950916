"""The planner: which strategy heals a failure, and whether it may, by diagnosis, catalog and time. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from consumer.catalog import Catalog, WorkflowPolicy
from consumer.model import (
    BELIEVED,
    NO_PROGRESS,
    ActionName,
    Adopt,
    Ask,
    Diagnosed,
    Diagnosis,
    Failure,
    Heal,
    MicroAud,
    OrgId,
    PassedOver,
    Plan,
    Refuse,
    RungName,
    Wait,
    strategy_of,
)
from consumer.model.binding import NO_BINDINGS, Bindings
from consumer.plan.approval import Unanswered, under_approval
from consumer.plan.bindings import Course, Way, bound_reason, course_of, in_course
from consumer.plan.default_ladder import LADDER, ladder, nobody_may, strategy_for
from consumer.plan.memory import relieved
from consumer.plan.progress import doubtful_rung
from consumer.plan.reasons import (
    cost_reason,
    exhausted_reason,
    limit_reason,
    member_reason,
    no_entry_reason,
    not_allowed_reason,
    not_installed_reason,
    passed_over_for_lack,
    unpayable,
    unsure_reason,
)
from consumer.plan.rung import Rung, acting_rung
from consumer.plan.rung_checks import (
    brake_wait,
    cap_of,
    intent_of,
    rate_of,
    refusal_of,
    reserve_attempts,
    rung_named,
    told_wait,
    unless_shadow,
)
from schemas.names import Code, Disposition, FailureType, StrategyName

__all__ = ["LADDER", "NO_BRAKES", "FleetState", "Planner", "strategy_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetState:
    """State of the whole fleet that a single failure's plan depends on, as of a moment ago."""

    braked: frozenset[tuple[OrgId, str]] = frozenset()
    """Organisations and workflows of which too many runs fail at once."""
    known_fingerprints: frozenset[str] = frozenset()
    """Fingerprints of which a heal was proven under an approval; loaded where a catalog's entry asks for the first."""
    bindings: Bindings = field(default_factory=lambda: NO_BINDINGS)
    """Where the calls to dependencies go that may be replaced."""


NO_BRAKES: Final = FleetState()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """Makes plans; holds what a plan depends on besides the failure itself."""

    rungs: Mapping[StrategyName, Rung]
    catalog: Catalog

    def plan(self, failure: Failure, diagnosis: Diagnosis, now: datetime, standing: FleetState = NO_BRAKES) -> Plan:
        """Decide what to do about a failure now. Pure: the same arguments give the same plan, in every replica."""
        policy = self.catalog.policy(failure.workflow_name)
        if policy is not None and policy.named_actions:
            diagnosis = relieved(diagnosis, failure, policy)
        first: RungName | None = _first_declared(policy, diagnosis) if policy is not None and policy.ladders else None
        if first is None and (first := strategy_for(diagnosis, failure.context)) is StrategyName.WORKFLOW_REWRITE:
            first = ladder(diagnosis, failure.context)[0]
        course = self._course(failure, policy, standing, now)
        if course is not None and policy is not None:
            first = self._ladder(failure, diagnosis, policy, course)[0]
        if failure.healed_by_attempt is not None:
            healed_by, version = failure.healed_by_attempt, self.catalog.version
            return Adopt(strategy=strategy_of(first), attempt_id=healed_by, catalog_version=version)
        early = self._plan_without_strategy(strategy_of(first), failure, diagnosis, now)
        if early is not None:
            return early
        if policy is None:
            return self._refuse_without_entry(strategy_of(first), failure)
        foot = self._evaluate(first, failure, diagnosis, policy, now, course)
        plan: Heal | Refuse
        if isinstance(foot, PassedOver) or failure.ladder_progress is not NO_PROGRESS:
            plan = self._climb(foot, failure, diagnosis, policy, now, course)
        else:
            plan = foot
        if not isinstance(plan, Heal):
            return self._wait_for_first(failure, diagnosis, policy, now, course) or plan
        if policy.brake is not None and (failure.org_id, failure.workflow_name) in standing.braked:
            return brake_wait(plan, policy.brake)
        return self._under_approval(plan, failure, diagnosis, policy, now, standing)

    def _course(
        self, failure: Failure, policy: WorkflowPolicy | None, standing: FleetState, now: datetime
    ) -> Course | None:
        strategy = StrategyName.DEPENDENCY_REPLACEMENT
        if policy is None or not policy.replaceable or strategy not in self.rungs:
            return None
        allowed = policy.strategies is None or strategy in policy.strategies
        return course_of(failure, policy, standing.bindings, now) if allowed else None

    def _wait_for_first(
        self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy, now: datetime, course: Course | None
    ) -> Wait | None:
        """Put off a call that may not go where its dependency is replaced: it is for the first, once that is well."""
        if course is None or course.binding is None or course.way is not Way.CANDIDATE:
            return None
        retried = StrategyName.AUTO_RETRY
        if not isinstance(self._evaluate(retried, failure, diagnosis, policy, now, None), Heal):
            return None
        after = max(course.dependency.binding.steady, course.binding.ejected_until - now)
        reason = f"{bound_reason(retried, course)}; this call may not go there, and waits for the first"
        return Wait(strategy=retried, after=after, reason=reason, catalog_version=self.catalog.version)

    def _under_approval(
        self,
        plan: Heal,
        failure: Failure,
        diagnosis: Diagnosis,
        policy: WorkflowPolicy,
        now: datetime,
        standing: FleetState,
    ) -> Plan:
        """Return the plan where it needs no approval or has one, else the question; silence passes on, or waits."""
        decided = under_approval(plan, failure, diagnosis, policy, self.catalog, standing.known_fingerprints, now)
        if not isinstance(decided, Unanswered):
            return decided
        if decided.denied is None:
            return replace(self._refuse(plan.strategy, Code.UNANSWERED, decided.reason), for_person=True)
        return self.plan(replace(failure, approval=decided.denied), diagnosis, now, standing)

    def rungs_for(
        self, failure: Failure, diagnosis: Diagnosis, now: datetime
    ) -> tuple[tuple[RungName, PassedOver | None], ...]:
        """Return for every rung of a failure's ladder why it may not act, None where it may; to explain a plan."""
        policy = self.catalog.policy(failure.workflow_name)
        if policy is None:
            return ()
        diagnosis = relieved(diagnosis, failure, policy) if policy.named_actions else diagnosis
        whole: Sequence[RungName]
        whole = policy.ladders.get(diagnosis.failure_type) or ladder(diagnosis, failure.context)
        course = self._course(failure, policy, NO_BRAKES, now)
        whole = whole if course is None else self._ladder(failure, diagnosis, policy, course)
        judged = ((one, self._evaluate(one, failure, diagnosis, policy, now, course)) for one in whole)
        return tuple((one, said if isinstance(said, PassedOver) else None) for one, said in judged)

    def goes_on(self, failure: Failure, diagnosis: Diagnosis, now: datetime) -> bool:
        """Return whether a rung is left that may act on a failure, within what its wallet can pay."""
        plan = self.plan(failure, diagnosis, now)
        if isinstance(plan, Ask):
            plan = plan.heal
        return isinstance(plan, Wait) or (isinstance(plan, Heal) and unpayable(plan, failure) is None)

    def _plan_without_strategy(
        self, strategy: StrategyName, failure: Failure, diagnosis: Diagnosis, now: datetime
    ) -> Refuse | Wait | None:
        if nobody := nobody_may(diagnosis, failure.context):
            return self._refuse(strategy, Code.REFUSED, nobody)
        left, asked = told_wait(failure, diagnosis, now)
        if left <= timedelta(0):
            return None
        reason = f"whoever failed asked to be left alone {asked}"
        return Wait(strategy=strategy, after=left, reason=reason, catalog_version=self.catalog.version)

    def _refuse_without_entry(self, strategy: StrategyName, failure: Failure) -> Refuse:
        if strategy not in self.rungs:
            return self._refuse(strategy, Code.NOT_INSTALLED, not_installed_reason(strategy))
        return self._refuse(strategy, Code.REFUSED, no_entry_reason(failure))

    def _climb(
        self,
        foot: Heal | PassedOver,
        failure: Failure,
        diagnosis: Diagnosis,
        policy: WorkflowPolicy,
        now: datetime,
        course: Course | None,
    ) -> Heal | Refuse:
        """Go up the ladder to the first rung that may act; `foot` is the result of its first rung.

        Where the wallet has refused a hold, it is the first one that the wallet can pay; where it can pay none, the
        first one is asked for again.
        """
        whole = self._ladder(failure, diagnosis, policy, course)
        too_dear = None
        passed: list[PassedOver] = []
        for place, rung in enumerate(whole):
            is_foot = rung == foot.rung
            said = foot if is_foot else self._evaluate(rung, failure, diagnosis, policy, now, course)
            if isinstance(said, Heal):
                later = self._count_untried(whole[place + 1 :], failure, diagnosis, policy, now, course)
                kept = reserve_attempts(rung, failure, policy, later)
                if kept is None and (kept := unpayable(said, failure)) is not None:
                    too_dear = too_dear or replace(said, passed_over=tuple(passed))
                if kept is None:
                    return replace(said, passed_over=tuple(passed))
                said = kept
            passed.append(said)
            if limit_reason(failure, policy, now) is not None:
                break  # it rules out every other rung as well
        if too_dear is not None:
            return too_dear
        # What would have acted leaves the failure to a person; else the first rung says why nothing is done.
        first = next((one for one in passed if one.would_heal is not None), passed[0])
        others = tuple(one for one in passed if one is not first)
        refuse = self._refuse(strategy_of(first.rung), first.code, first.reason, first.missing)
        is_shadow = first.would_heal is not None
        return replace(refuse, passed_over=others, shadow=first.would_heal, for_person=is_shadow)

    def _ladder(
        self, failure: Failure, diagnosis: Diagnosis, policy: WorkflowPolicy, course: Course | None
    ) -> Sequence[RungName]:
        declared = policy.ladders.get(diagnosis.failure_type)
        # The healer's own ladder leaves out rungs that are not installed, except the first, which the refusal names.
        whole = declared or [
            one for place, one in enumerate(ladder(diagnosis, failure.context)) if not place or one in self.rungs
        ]
        if course is not None and (declared is None or StrategyName.DEPENDENCY_REPLACEMENT in declared):
            whole = in_course(tuple(whole), course)
        # Only the rung that may have acted can read back, or has the idempotency key: another one would repeat the
        # effect blindly.
        if (doubtful := doubtful_rung(failure.ladder_progress)) is not None:
            return (doubtful,)
        return whole[:1] if failure.effect_in_doubt else whole

    def _count_untried(
        self,
        rungs: Sequence[RungName],
        failure: Failure,
        diagnosis: Diagnosis,
        policy: WorkflowPolicy,
        now: datetime,
        course: Course | None,
    ) -> int:
        """Count the strategies that may act and have not been tried; 0 where nothing was tried before."""
        tried = failure.ladder_progress.attempts
        if not tried:
            return 0
        return sum(
            one not in tried and isinstance(self._evaluate(one, failure, diagnosis, policy, now, course), Heal)
            for one in rungs
        )

    def _evaluate(
        self,
        name: RungName,
        failure: Failure,
        diagnosis: Diagnosis,
        policy: WorkflowPolicy,
        now: datetime,
        course: Course | None,
    ) -> Heal | PassedOver:
        """Return what one rung would do, or why it may not."""
        rung = rung_named(name, self.rungs, policy)
        if rung is None:
            return PassedOver(rung=name, code=Code.NOT_INSTALLED, reason=not_installed_reason(name))
        rung, course = acting_rung(rung, diagnosis, policy, course)
        denied = failure.approval.denied.get(name) if failure.approval is not None else None
        if distrusted := denied or self._distrust(strategy_of(name), failure, policy):
            code = Code.REFUSED if denied is None else Code.DENIED
            return PassedOver(rung=name, code=code, reason=distrusted)
        if missing := rung.needs(failure):
            return passed_over_for_lack(name, missing, failure)
        forbidden = not_allowed_reason(name, policy) if policy.strategies is not None else None
        forbidden = forbidden or unsure_reason(name, failure, diagnosis, policy)
        forbidden = forbidden or limit_reason(failure, policy, now)
        if forbidden is None and failure.ladder_progress is not NO_PROGRESS:
            forbidden = exhausted_reason(name, failure, policy)
        forbidden = forbidden or (bound_reason(name, course) if course is not None else None)
        if forbidden := forbidden or refusal_of(rung, failure, diagnosis, policy, course):
            return PassedOver(rung=name, code=Code.REFUSED, reason=forbidden)
        cost = rung.estimate(failure, policy)
        if cost is None or cost > policy.allowances[name]:
            return PassedOver(rung=name, code=Code.REFUSED, reason=cost_reason(name, cost, policy))
        return unless_shadow(self._heal(name, rung, failure, policy, cost, course), policy)

    def _distrust(self, strategy: StrategyName, failure: Failure, policy: WorkflowPolicy) -> str | None:
        """Return why whoever reported a failure may not have it healed, or None."""
        if failure.source is not None:
            return self.catalog.source_refusal(failure.source, failure.org_id, failure.workflow_name, policy)
        if failure.inserted_as in BELIEVED or failure.vouched or strategy in policy.members:
            return None
        return member_reason(strategy, policy)

    def _heal(
        self,
        name: RungName,
        rung: Rung,
        failure: Failure,
        policy: WorkflowPolicy,
        cost: MicroAud,
        course: Course | None,
    ) -> Heal:
        intent, action = intent_of(rung, failure, policy, course), name if isinstance(name, ActionName) else None
        if policy.rungs:
            longest = policy.limits_of(name).longest
            intent = intent if longest is None else replace(intent, window=min(longest, intent.window))
        return Heal(
            strategy=rung.name,
            action=action,
            cap=cap_of(action, policy) if action is not None else None,
            intent=intent,
            hold=cost,
            catalog_version=self.catalog.version,
            dependency=f"dependency:{failure.org_id}:{intent.dependency}" if intent.dependency else None,
            others={f"dependency:{failure.org_id}:{other}": other for other in intent.others},
            rate=rate_of(failure, policy.same, name) if policy.same is not None else None,
        )

    def unplannable(self, failure: Failure, reason: str, code: Code = Code.CRASHED) -> Diagnosed:
        """Refuse a failure on which a rule or a strategy of ours crashed, or that is not to be looked at."""
        diagnosis = Diagnosis(failure_type=FailureType.UNKNOWN, disposition=Disposition.NEEDS_PERSON, evidence=())
        return Diagnosed(
            failure=failure,
            diagnosis=diagnosis,
            plan=self._refuse(LADDER[diagnosis.failure_type], code, reason),
        )

    def _refuse(self, strategy: StrategyName, code: Code, reason: str, missing: tuple[str, ...] = ()) -> Refuse:
        return Refuse(
            strategy=strategy, code=code, reason=reason, missing=missing, catalog_version=self.catalog.version
        )


def _first_declared(policy: WorkflowPolicy, diagnosis: Diagnosis) -> RungName | None:
    declared = policy.ladders.get(diagnosis.failure_type)
    return declared[0] if declared is not None else None
