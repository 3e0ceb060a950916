"""Which strategy heals what, and whether it may: diagnosis + failure + catalog + now → a plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from consumer.catalog import Catalog, WorkflowPolicy, micro_aud
from consumer.model import Diagnosed, Diagnosis, Failure, Heal, Plan, Refuse
from consumer.plan.rung import Rung
from schemas.names import Code, Disposition, FailureType, StrategyName

LADDER: Final[Mapping[FailureType, StrategyName]] = {
    FailureType.API_TIMEOUT: StrategyName.AUTO_RETRY,
    FailureType.INVALID_SCHEMA: StrategyName.SCHEMA_AUTOFIX,
    FailureType.WORKFLOW_STALL: StrategyName.ROUTE_REPAIR,
    FailureType.MISSING_IMAGE: StrategyName.AUTO_REGENERATE,
    FailureType.VOICE_GENERATION_ERROR: StrategyName.AUTO_REGENERATE,
    FailureType.BILLING_SYNC_ISSUE: StrategyName.DEPENDENCY_REPLACEMENT,
    FailureType.CONCIERGE_ACTION_FAILURE: StrategyName.AUTO_RETRY,
    FailureType.UNKNOWN: StrategyName.WORKFLOW_REWRITE,
}
"""The seed's choice of a strategy for each failure type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    """What a plan is made from besides the failure itself."""

    rungs: Mapping[StrategyName, Rung]
    catalog: Catalog

    def plan(self, failure: Failure, diagnosis: Diagnosis, now: datetime) -> Plan:
        """Decide what to do about a failure now. Pure: the same arguments give the same plan, in every replica."""
        strategy = LADDER[diagnosis.failure_type]
        policy = self.catalog.policy(failure.workflow_name)
        rung = self.rungs.get(strategy)
        if rung is None:
            return self._refuse(
                strategy, Code.NOT_INSTALLED, f"strategy {strategy} is not installed in this deployment"
            )
        if policy is None:
            reason = (
                f"no entry of the catalog matches workflow {failure.workflow_name!r}: declare what may be done for it"
            )
            return self._refuse(strategy, Code.REFUSED, reason)
        if missing := rung.needs(failure):
            reason = f"the event lacks what {strategy} needs: {', '.join(missing)}"
            return self._refuse(strategy, Code.MISSING_CONTEXT, reason, missing)
        if forbidden := _forbidden(failure, policy, strategy, now) or rung.refusal(failure, diagnosis, policy):
            return self._refuse(strategy, Code.REFUSED, forbidden)
        return Heal(
            strategy=strategy,
            intent=rung.intent(failure, policy),
            hold=micro_aud(policy.allowance_aud),
            catalog_version=self.catalog.version,
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


def _forbidden(failure: Failure, policy: WorkflowPolicy, strategy: StrategyName, now: datetime) -> str | None:
    if policy.strategies is not None and strategy not in policy.strategies:
        return f"the catalog's entry {policy.name!r} does not allow strategy {strategy}"
    if now - failure.detected_at > policy.max_age:
        return f"detected at {failure.detected_at.isoformat()}, longer ago than max_age ({policy.max_age}) allows"
    if failure.attempts >= policy.attempts:
        return f"all {policy.attempts} attempts that the catalog allows have been made"
    return None
