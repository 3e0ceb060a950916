"""Learnt rules: what a person made a rule is proven and proposed before the agent is asked; and their back-test."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from consumer.diagnose.fingerprint import fingerprint
from consumer.heal.deep_agent.rules import evidence_of, failing_run
from consumer.model import Failure, FailureId, JsonObject, OrgId
from consumer.model.rewrite_rule import LearntPatch, RewriteRule
from consumer.workflows.catalogue import Limits
from consumer.workflows.patch import UnfitPatch, parse_patch
from consumer.workflows.proof import ProvenPatch, prove
from consumer.workflows.runs import WorkflowConfig
from schemas.names import StrategyName


class LearntRules(Protocol):
    """The rules in force; `consumer/store/rewrite_rules.py` has them."""

    async def in_force(self, org_id: OrgId, fingerprint: str, workflow_name: str) -> RewriteRule | None:
        """Return the rule for a fingerprint of a workflow, or None."""
        ...


class NothingLearnt:
    """The rules of a process that has no database."""

    async def in_force(self, org_id: OrgId, fingerprint: str, workflow_name: str) -> RewriteRule | None:
        """Return that there is none."""
        del org_id, fingerprint, workflow_name
        return None


NOTHING_LEARNT: Final = NothingLearnt()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What a rule would come to on one stored failure."""

    failure_id: FailureId
    against: tuple[JsonObject, ...]
    """What code has against it, each with its rule; empty where it would be proposed."""


def back_test(learnt: LearntPatch, config: WorkflowConfig, limits: Limits, failures: Iterable[Failure]) -> list[Tested]:
    """Prove a patch anew on the definition in force, for each stored failure that its rule would act on. Pure."""
    tested = []
    for one in failures:
        if fingerprint(one, StrategyName.WORKFLOW_REWRITE) != learnt.fingerprint:
            continue
        tested.append(Tested(failure_id=one.id, against=_against(learnt, config, limits, one)))
    return tested


def _against(learnt: LearntPatch, config: WorkflowConfig, limits: Limits, failure: Failure) -> tuple[JsonObject, ...]:
    failing = failing_run(failure)
    if failing is None:
        return ({"rule": "context", "where": "context.workflow.failing_run", "why": "no run was recorded"},)
    try:
        found = prove(
            config.definition,
            parse_patch([*learnt.patch]),
            evidence=evidence_of(failure),
            failing=failing,
            good=config.good_runs,
            limits=limits,
        )
    except UnfitPatch as unfit:
        found = (unfit.finding,)
    if isinstance(found, ProvenPatch):
        return ()
    return tuple({"rule": str(one.rule), "where": one.where, "why": one.why} for one in found)
