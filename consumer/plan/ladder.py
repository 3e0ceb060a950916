"""Which strategy heals what, and whether it may: diagnosis + failure + catalog + now → a plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

from consumer.catalog import Brake, Catalog, SameLimit, WorkflowPolicy, micro_aud
from consumer.diagnose.fingerprint import fingerprint
from consumer.model import Adopt, Diagnosed, Diagnosis, Failure, Heal, Intent, MicroAud, OrgId, Plan, Rate, Refuse, Wait
from consumer.plan.choose import LADDER, nobody_may, strategy_for
from consumer.plan.rung import Rung
from schemas.names import Code, Disposition, FailureType, StrategyName

__all__ = ["CALM", "LADDER", "Planner", "Standing", "strategy_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the whole fleet's failures say of a single one, as of a moment ago."""

    braked: frozenset[tuple[OrgId, str]] = frozenset()
    """Organisations and workflows of which too much is sick at once."""


CALM: Final = Standing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """What a plan is made from besides the failure itself."""

    rungs: Mapping[StrategyName, Rung]
    catalog: Catalog

    def plan(self, failure: Failure, diagnosis: Diagnosis, now: datetime, standing: Standing = CALM) -> Plan:
        """Decide what to do about a failure now. Pure: the same arguments give the same plan, in every replica."""
        strategy = strategy_for(diagnosis, failure.context)
        if failure.twin is not None:
            return Adopt(strategy=strategy, attempt_id=failure.twin, catalog_version=self.catalog.version)
        early = self._before_any_strategy(strategy, failure, diagnosis, now)
        if early is not None:
            return early
        rung, policy = self.rungs.get(strategy), self.catalog.policy(failure.workflow_name)
        if rung is None or policy is None:
            return self._without(strategy, failure, is_installed=rung is not None)
        if (refused := self._refusal(failure, diagnosis, now, rung, policy)) is not None:
            return refused
        if policy.brake is not None and (failure.org_id, failure.workflow_name) in standing.braked:
            return self._wait(strategy, policy.brake)
        return self._heal(strategy, failure, policy, rung.intent(failure, policy))

    def _before_any_strategy(
        self, strategy: StrategyName, failure: Failure, diagnosis: Diagnosis, now: datetime
    ) -> Refuse | Wait | None:
        if nobody := nobody_may(diagnosis):
            return self._refuse(strategy, Code.REFUSED, nobody)
        wait = diagnosis.wait
        if wait is None or (left := failure.detected_at + wait - now) <= timedelta(0):
            return None
        reason = f"whoever failed asked to be left alone for {wait.total_seconds():g} s"
        return Wait(strategy=strategy, after=left, reason=reason, catalog_version=self.catalog.version)

    def _without(self, strategy: StrategyName, failure: Failure, *, is_installed: bool) -> Refuse:
        if not is_installed:
            reason = f"strategy {strategy} is not installed in this deployment"
            return self._refuse(strategy, Code.NOT_INSTALLED, reason)
        name = failure.workflow_name
        reason = f"no entry of the catalog matches workflow {name!r}: declare what may be done for it"
        return self._refuse(strategy, Code.REFUSED, reason)

    def _refusal(
        self, failure: Failure, diagnosis: Diagnosis, now: datetime, rung: Rung, policy: WorkflowPolicy
    ) -> Refuse | None:
        if missing := rung.needs(failure):
            reason = f"the event lacks what {rung.name} needs: {', '.join(missing)}"
            return self._refuse(rung.name, Code.MISSING_CONTEXT, reason, missing)
        if forbidden := _forbidden(failure, policy, rung.name, now) or rung.refusal(failure, diagnosis, policy):
            return self._refuse(rung.name, Code.REFUSED, forbidden)
        return None

    def _wait(self, strategy: StrategyName, brake: Brake) -> Wait:
        reason = (
            f"more than {brake.share:.0%} of {brake.runs} runs are sick at once: the cause lies elsewhere, and healing "
            "them one by one would not help"
        )
        return Wait(strategy=strategy, after=brake.within / 4, reason=reason, catalog_version=self.catalog.version)

    def _heal(self, strategy: StrategyName, failure: Failure, policy: WorkflowPolicy, intent: Intent) -> Heal:
        return Heal(
            strategy=strategy,
            intent=intent,
            hold=_hold(policy.allowance_aud),
            catalog_version=self.catalog.version,
            dependency=f"dependency:{failure.org_id}:{intent.dependency}" if intent.dependency else None,
            rate=_rate(failure, policy.same, strategy) if policy.same is not None else None,
        )

    def unplannable(self, failure: Failure, reason: str) -> Diagnosed:
        """Refuse a failure on which a rule or a strategy of ours broke."""
        diagnosis = Diagnosis(failure_type=FailureType.UNKNOWN, disposition=Disposition.NEEDS_PERSON, evidence=())
        return Diagnosed(
            failure=failure,
            diagnosis=diagnosis,
            plan=self._refuse(LADDER[diagnosis.failure_type], Code.CRASHED, reason),
        )

    def _refuse(self, strategy: StrategyName, code: Code, reason: str, missing: tuple[str, ...] = ()) -> Refuse:
        return Refuse(
            strategy=strategy, code=code, reason=reason, missing=missing, catalog_version=self.catalog.version
        )


@lru_cache(maxsize=256)
def _hold(allowance: Decimal) -> MicroAud:
    return micro_aud(allowance)


def _rate(failure: Failure, limit: SameLimit, strategy: StrategyName) -> Rate:
    key = f"{failure.org_id}:{fingerprint(failure, strategy)}"
    return Rate(key=key, heals=limit.heals, within=limit.within, cool_down=limit.cool_down)


def _forbidden(failure: Failure, policy: WorkflowPolicy, strategy: StrategyName, now: datetime) -> str | None:
    if policy.strategies is not None and strategy not in policy.strategies:
        return f"the catalog's entry {policy.name!r} does not allow strategy {strategy}"
    if now - failure.detected_at > policy.max_age:
        return f"detected at {failure.detected_at.isoformat()}, longer ago than max_age ({policy.max_age}) allows"
    if failure.attempts >= policy.attempts:
        return f"all {policy.attempts} attempts that the catalog allows have been made"
    if failure.lifetime_attempts >= policy.lifetime_attempts:
        return (
            f"all {policy.lifetime_attempts} attempts of its lifetime have been made: mend the cause, then resolve it"
        )
    return None
