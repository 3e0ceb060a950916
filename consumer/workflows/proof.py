"""All that has to hold before a patched definition may be offered: the checks, then the replay of recorded runs."""

from collections.abc import Sequence
from typing import TypeAlias

from consumer.workflows.catalogue import Limits
from consumer.workflows.checks import check
from consumer.workflows.definition import Definition
from consumer.workflows.findings import FailureEvidence, PatchFinding
from consumer.workflows.patch import DefinitionPatch, apply_patch
from consumer.workflows.replay import replay, unexercised
from consumer.workflows.runs import RecordedRun
from schemas.value import value


@value(frozen=True, slots=True, kw_only=True)
class ProvenPatch:
    """A patch that nothing speaks against, and the definition that it leads to."""

    definition: Definition
    good_runs: int
    """How many recorded good runs were replayed unchanged."""


ProofResult: TypeAlias = ProvenPatch | tuple[PatchFinding, ...]


def prove(
    definition: Definition,
    patch: DefinitionPatch,
    *,
    evidence: FailureEvidence,
    failing: RecordedRun,
    good: Sequence[RecordedRun],
    limits: Limits,
) -> ProofResult:
    """Check a patch, and replay the failing run and the good ones on what it leads to."""
    findings = check(definition, patch, evidence, limits, failing=failing, good=good)
    if findings:
        return findings
    changed = apply_patch(definition, patch)
    findings = replay(changed, failing=failing, good=good, limits=limits)
    findings = findings or unexercised(definition, changed, [failing, *good], limits)
    return findings or ProvenPatch(definition=changed, good_runs=len(good))
