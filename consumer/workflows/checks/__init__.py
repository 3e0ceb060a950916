"""The checks of a patch: what has to hold of the definition that it leads to, beside the one that it came from. Pure.

`structure.py` (it can run and end), `authority.py` (nothing beyond what it was allowed), `guards.py` (nothing that
protects is gone), `literals.py` and `taint.py` (where new values come from). Each check is one rule of `PatchRule`.
Invariant: a rule is tested by a patch that it alone refuses.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from consumer.workflows.catalogue import Limits
from consumer.workflows.checks import authority, guards, literals, structure, taint
from consumer.workflows.checks.change import DefinitionChange
from consumer.workflows.definition import Definition
from consumer.workflows.findings import FailureEvidence, PatchFinding, PatchRule
from consumer.workflows.patch import DefinitionPatch, UnfitPatch, apply_patch
from consumer.workflows.runs import RecordedRun

MOST_FINDINGS: Final = 20
_Check = Callable[[DefinitionChange], Sequence[tuple[str, str]]]

CHECKS: Final[Mapping[PatchRule, _Check]] = {
    PatchRule.SCHEMA: structure.schema,
    PatchRule.ACYCLIC: structure.acyclic,
    PatchRule.REACHABLE: structure.reachable,
    PatchRule.TERMINATING: structure.terminating,
    PatchRule.JOINS: structure.joins,
    PatchRule.REFERENCES: structure.references,
    PatchRule.ENGINE: authority.engines,
    PatchRule.HOST: authority.hosts,
    PatchRule.CREDENTIAL: authority.credentials,
    PatchRule.PRIVILEGE: authority.privileges,
    PatchRule.LIMIT: authority.limits,
    PatchRule.COST: authority.cost,
    PatchRule.ASSERTION: guards.assertions,
    PatchRule.APPROVAL: guards.approvals,
    PatchRule.COMPENSATION: guards.compensations,
    PatchRule.REQUIRED: guards.required,
    PatchRule.INVARIANT: guards.invariants,
    PatchRule.LITERAL: literals.literals,
    PatchRule.TAINT: taint.taint,
}


def check(
    definition: Definition,
    patch: DefinitionPatch,
    evidence: FailureEvidence,
    limits: Limits,
    *,
    failing: RecordedRun | None = None,
    good: Sequence[RecordedRun] = (),
    without: Collection[PatchRule] = (),
) -> tuple[PatchFinding, ...]:
    """Return what speaks against a patch, rule by rule; `without` leaves rules out, to show what each is for."""
    if len(patch) > limits.max_patch_operations:
        why = f"more than {limits.max_patch_operations} operations"
        return (PatchFinding(rule=PatchRule.PATCH, where="", why=why),)
    try:
        after = apply_patch(definition, patch)
    except UnfitPatch as unfit:
        return (unfit.finding,)
    change = DefinitionChange(
        before=definition, after=after, evidence=evidence, limits=limits, failing=failing, good=good
    )
    findings = [
        PatchFinding(rule=rule, where=where, why=why)
        for rule, found in CHECKS.items()
        if rule not in without
        for where, why in found(change)
    ]
    return tuple(findings[:MOST_FINDINGS])
